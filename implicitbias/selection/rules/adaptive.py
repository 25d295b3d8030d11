"""Adaptive and sign methods on linear models."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...optimizers import AdaGrad, Adam, RMSProp, SignDescent
from ..rule import Hypothesis, Rule
from .common import CONVERGED, FROM_ZERO, LINEAR, NO_DECAY, SQUARE_LOSS

__all__: list[str] = []


def alignment(problem: Any) -> tuple[np.ndarray, float]:
    """(s, c): s = sgn(Xᵀy), and the only c for which Xs = cy can hold, c = ‖Xᵀy‖₁/‖y‖²."""
    q = problem.X.T @ problem.y
    return np.sign(q), float(np.sum(np.abs(q)) / (problem.y @ problem.y))


def is_aligned(setting: Any) -> bool:
    """Whether X sgn(Xᵀy) = c y, up to rounding."""
    problem = setting.problem
    s, c = alignment(problem)
    return bool(np.linalg.norm(problem.X @ s - c * problem.y) <= 1e-12 * c * np.linalg.norm(problem.y))


def aligned_limit(setting: Any, run: Any = None) -> np.ndarray:
    """w∞ = sgn(Xᵀy)/c."""
    s, c = alignment(setting.problem)
    return s / c


def _scale_free(setting: Any) -> bool:
    """Whether the step depends on the signs of the gradients and one common scale when these are proportional."""
    optimizer = setting.optimizer
    if isinstance(optimizer, AdaGrad | RMSProp | Adam):
        return float(optimizer.eps) == 0.0 and getattr(optimizer, "eps_root", 0.0) == 0.0
    return isinstance(optimizer, SignDescent) and optimizer.decay == 0


aligned_rule = Rule(
    name="sign of Xᵀy, where the data are aligned with it",
    source="wilson2017marginal",
    hypotheses=(
        SQUARE_LOSS,
        LINEAR,
        Hypothesis("the optimizer is AdaGrad, RMSProp, Adam or sign descent, with ε = 0", _scale_free),
        NO_DECAY,
        FROM_ZERO,
        Hypothesis("the data are aligned: X sgn(Xᵀy) = c y", is_aligned),
        CONVERGED,
    ),
    apply=aligned_limit,
)
