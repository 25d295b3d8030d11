"""Steepest descent in a norm, on a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import LpNorm, Norm
from ...optimizers import CoordinateDescent, NormalizedGradientDescent, SignDescent, SteepestDescent
from ..least_norm import LeastNorm
from ..rule import Hypothesis, Rule
from .common import CONVERGED, FROM_ZERO, LINEAR, NO_DECAY, SQUARE_LOSS

__all__: list[str] = []


def norm_of_steps(optimizer: Any) -> Norm | None:
    """The norm in which an optimizer's steps are steepest, normalised or not; None for others."""
    if isinstance(optimizer, SteepestDescent):
        norm: Norm = optimizer.norm
        return norm
    if isinstance(optimizer, SignDescent):
        return None if optimizer.momentum or optimizer.decay else LpNorm(np.inf)
    if isinstance(optimizer, CoordinateDescent):
        return LpNorm(1.0)
    return LpNorm(2.0) if isinstance(optimizer, NormalizedGradientDescent) else None


def least_norm(setting: Any, run: Any = None) -> LeastNorm:
    """min ‖w‖ subject to Xw = y, in the norm of the steps."""
    return LeastNorm(norm_of_steps(setting.optimizer), setting.problem.X, setting.problem.y)


def _one_direction(setting: Any) -> bool:
    """Whether all gradients are multiples of one vector with one steepest direction."""
    X, p = setting.problem.X, norm_of_steps(setting.optimizer).p  # type: ignore[union-attr]
    x = np.sort(np.abs(X[np.argmax(np.linalg.norm(X, axis=1))]))
    one = np.linalg.matrix_rank(X) == 1
    return bool(
        one
        and not (p == 1 and x.size > 1 and x[-1] <= (1 + 1e-12) * x[-2])
        and not (p == np.inf and x[0] == 0)
    )


one_row_rule = Rule(
    name="least norm of steepest descent on one row",
    source="gunasekar2018geometry",
    hypotheses=(
        SQUARE_LOSS,
        LINEAR,
        Hypothesis(
            "steps are steepest descent in an ℓp norm",
            lambda s: isinstance(norm_of_steps(s.optimizer), LpNorm),
        ),
        NO_DECAY,
        FROM_ZERO,
        Hypothesis("X has rank one, and its row one steepest direction", _one_direction),
        CONVERGED,
    ),
    apply=least_norm,
)
