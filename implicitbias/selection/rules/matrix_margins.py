"""Several classes, and steps along singular vectors: the maximum margin in the norm of the steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import LpNorm, Norm, SchattenNorm
from ...optimizers import Muon, Shampoo, SpectralDescent, SteepestDescent
from ..margins import MaxMargin
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, SEPARABLE
from .common import LINEAR, NO_DECAY, VANISHING
from .steepest_margins import steepest_norm

__all__: list[str] = []


def norm_of_matrix_steps(setting: Any) -> Norm | None:
    """The norm in which an optimizer's steps, or those along its momentum, are steepest and of length η_k.

    Of ℓp norms only in more than two classes: two classes have their own rule.
    """
    optimizer = setting.optimizer
    if _along_polar_factors(optimizer):
        return SchattenNorm(np.inf)
    if getattr(optimizer, "per_loss", False):
        return None
    if isinstance(optimizer, SteepestDescent) and isinstance(optimizer.norm, SchattenNorm):
        return optimizer.norm if optimizer.normalized else None
    return None if setting.problem.is_binary else steepest_norm(optimizer)


def _along_polar_factors(optimizer: Any) -> bool:
    """Whether a step is η_kUVᵀ of the gradient, or of an average of the last ones, G = UΣVᵀ."""
    if isinstance(optimizer, Muon):
        return optimizer.iterations is None and optimizer.decay == 0
    if isinstance(optimizer, Shampoo):
        whole = optimizer.power == (0.25 if optimizer.sides == "both" else 0.5)
        return whole and optimizer.beta == 0 and optimizer.eps == 0
    return isinstance(optimizer, SpectralDescent)


def matrix_margin(setting: Any, run: Any = None) -> MaxMargin:
    """The maximum margin in the norm of the steps; of a vector all Schatten norms are ℓ2."""
    return MaxMargin(setting.problem.Z, norm_of_matrix_steps(setting) or LpNorm(2.0))


def _is_solved(norm: Norm | None) -> bool:
    return isinstance(norm, LpNorm) or (isinstance(norm, SchattenNorm) and norm.p in (1.0, 2.0, np.inf))


LIGHT_TAIL = Hypothesis(
    "the loss is exponential, or logistic (in several classes the cross-entropy)",
    lambda s: s.problem.loss_name in ("exp", "logistic"),
)
STEEPEST = Hypothesis(
    "steps are normalised steepest descent in an entrywise, spectral, nuclear or Frobenius norm: SteepestDescent, "
    "SpectralDescent, Muon (exact, without decay), Shampoo that forgets (β = 0, ε = 0, powers of sum ½)",
    lambda s: _is_solved(norm_of_matrix_steps(s)),
)

matrix_margin_rule = Rule(
    name="maximum margin of matrices in the norm of the steps",
    source="fan2025spectral",
    hypotheses=(
        CLASSIFICATION,
        LIGHT_TAIL,
        LINEAR,
        STEEPEST,
        VANISHING,
        NO_DECAY,
        SEPARABLE,
    ),
    apply=matrix_margin,
)
