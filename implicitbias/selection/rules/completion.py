"""A completion problem on which balanced factors send every norm to infinity."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import DeepLinear, MatrixFactorization
from ..rule import Hypothesis, Rule
from .common import GRADIENT_FLOW, NO_DECAY, ONE_RATE
from .networks import BALANCED

__all__: list[str] = []


def unbounded_completion(setting: Any, run: Any = None) -> np.ndarray:
    """[[±∞, 1], [1, 0]], the limit of W entry by entry, with the sign of W(0)."""
    return np.array([[np.copysign(np.inf, setting.w0[0, 0]), 1.0], [1.0, 0.0]])


def _three_entries(setting: Any) -> bool:
    mask = [[False, True], [True, True]]
    return np.array_equal(setting.problem.mask, mask) and np.array_equal(
        setting.problem.values, [[0, 1], [1, 0]]
    )


def _has_factors(setting: Any) -> bool:
    model = setting.model
    return isinstance(model, MatrixFactorization) or (isinstance(model, DeepLinear) and model.depth >= 2)


def _is_definite(setting: Any) -> bool:
    W = setting.w0
    return bool(np.linalg.norm(W - W.T) <= 1e-12 * np.linalg.norm(W) and np.linalg.det(W) > 0)


THREE_ENTRIES = Hypothesis("the observed entries are w₁₂ = w₂₁ = 1 and w₂₂ = 0", _three_entries)
FACTORS = Hypothesis("W is a product of two factors at least (of UUᵀ, the same twice)", _has_factors)
POSITIVE_DETERMINANT = Hypothesis("det W(0) > 0 (its sign is conserved)", lambda s: np.linalg.det(s.w0) > 0)
COMPLETION_FLOW = (THREE_ENTRIES, FACTORS, GRADIENT_FLOW, ONE_RATE, NO_DECAY, BALANCED)

norms_diverge_rule = Rule(
    name="norms diverge",
    source="razin2020norms",
    hypotheses=(
        *COMPLETION_FLOW,
        Hypothesis("W(0) is symmetric and definite (so is W, which then has no other sign)", _is_definite),
        Hypothesis(
            "the loss tends to zero: it falls below a hundredth of that of the start",
            lambda run: run.loss <= 0.01 * run.setting.problem.loss(run.setting.w0),
            of="run",
        ),
    ),
    apply=unbounded_completion,
)
