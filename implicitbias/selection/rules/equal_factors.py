"""Flows on two-layer diagonal networks whose signs are frozen: one of the two product coordinates is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import Entropy
from ...models import Diagonal, Hadamard
from ..orthants import room
from ..programs import BregmanProjection
from ..rule import Hypothesis, Rule
from .common import CONVERGED, GRADIENT_FLOW, NO_DECAY, ONE_RATE, SQUARE_LOSS

__all__: list[str] = []


def entropy_in_the_orthant(setting: Any, run: Any = None) -> np.ndarray:
    """argmin Σ_j |w_j| ln(|w_j|/|w₀|_j) − |w_j| subject to Xw = y and w_j w₀_j ≥ 0."""
    signs, problem = np.sign(setting.w0), setting.problem
    sizes = BregmanProjection(Entropy(), np.log(np.abs(setting.w0)), problem.X * signs, problem.y).solution
    selected: np.ndarray = signs * sizes
    return selected


def _frozen(setting: Any) -> bool:
    """Exactly one of w₊, w₋ is zero, in every entry."""
    u, v = setting.theta0
    if isinstance(setting.model, Diagonal):
        return bool(np.all((u == 0) != (v == 0)))
    return isinstance(setting.model, Hadamard) and bool(np.all((np.abs(u) == np.abs(v)) & (u != 0)))


FROZEN = Hypothesis(
    "the model is Hadamard() with |u₀| = |v₀| ≠ 0, or Diagonal(2) with one of u₀, v₀ zero, in every entry",
    lambda s: s.model.depth == 2 and _frozen(s),
)
REACHABLE = Hypothesis(
    "Xw = y has a solution with the signs of the start, and no zeros",
    lambda s: s.problem.consistent and room(s.problem.X, s.problem.y, np.sign(s.w0)) > 1e-9,
)

equal_factors_rule = Rule(
    name="entropy of a two-layer diagonal flow with frozen signs",
    source="azulay2021shape",
    hypotheses=(SQUARE_LOSS, FROZEN, GRADIENT_FLOW, ONE_RATE, NO_DECAY, REACHABLE, CONVERGED),
    apply=entropy_in_the_orthant,
)
