"""Steepest descent on separable data: the maximum margin in the norm of the steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import LpNorm
from ...optimizers import GradientDescent, SteepestDescent
from ..margins import MaxMargin
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, EXPONENTIAL, EXPONENTIAL_TAIL, SEPARABLE
from .common import LINEAR, NO_DECAY, VANISHING
from .steepest import norm_of_steps

__all__: list[str] = []


def steepest_norm(optimizer: Any) -> LpNorm | None:
    """The ℓp norm of steepest descent along ∇ log L, of steps η_k or η_k‖∇ log L‖_*; None for others."""
    per_loss = getattr(optimizer, "per_loss", False)
    if isinstance(optimizer, GradientDescent):
        return LpNorm(2.0) if per_loss else None
    norm = norm_of_steps(optimizer)
    along_log = per_loss or not isinstance(optimizer, SteepestDescent) or optimizer.normalized
    decays = getattr(optimizer, "decay", 0.0) != 0
    return norm if along_log and isinstance(norm, LpNorm) and not decays else None


def steepest_margin(setting: Any, run: Any = None) -> MaxMargin:
    """The maximum margin in the optimizer's own norm."""
    return MaxMargin(setting.problem.Z, steepest_norm(setting.optimizer) or LpNorm(2.0))


steepest_margin_rule = Rule(
    name="maximum margin in the norm of normalised steepest descent",
    source="telgarsky2013margins",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL_TAIL,
        LINEAR,
        Hypothesis(
            "steps are steepest descent in an ℓp norm, normalised or along ∇ log L (per_loss=True)",
            lambda s: steepest_norm(s.optimizer) is not None,
        ),
        VANISHING,
        NO_DECAY,
        SEPARABLE,
    ),
    apply=steepest_margin,
)


def _short(setting: Any) -> bool:
    """η max_i ‖z_i‖₂² ≤ 1, for steps of one η."""
    longest = float(np.max(np.sum(setting.problem.Z**2, axis=1)))
    return bool(setting.optimizer.step * longest <= 1 + 1e-12)


per_loss_rule = Rule(
    name="ℓ2 maximum margin of gradient descent with steps η/L",
    source="ji2021primaldual",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL,
        LINEAR,
        Hypothesis(
            "the steps are η/L: per_loss=True, unnormalised, with one η",
            lambda s: (
                s.optimizer.per_loss
                and not getattr(s.optimizer, "normalized", False)
                and not callable(s.optimizer.step)
            ),
        ),
        Hypothesis("the norm of the steps is ℓ2", lambda s: steepest_norm(s.optimizer) == LpNorm(2.0)),
        Hypothesis("η·max_i ‖z_i‖₂² ≤ 1", _short),
        SEPARABLE,
    ),
    apply=steepest_margin,
)
