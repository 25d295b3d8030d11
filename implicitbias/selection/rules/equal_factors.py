"""Flows on two-layer diagonal networks whose signs are frozen: one of the two product coordinates is zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import Entropy
from ...models import Diagonal, Hadamard
from ..programs import BregmanProjection
from ..rule import Hypothesis, Rule
from .common import CONVERGED, SQUARE_LOSS
from .diagonal import hypentropy_flow_rule

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


def _reachable(setting: Any) -> bool:
    """Whether Xw = y has a solution inside the orthant of the start: the largest least |w_j| is positive."""
    from scipy.optimize import linprog

    X, y = setting.problem.X * np.sign(setting.w0), setting.problem.y
    d = X.shape[1]
    below = np.hstack([-np.eye(d), np.ones((d, 1))])
    found = linprog(
        np.append(np.zeros(d), -1.0), A_ub=below, b_ub=np.zeros(d), A_eq=np.hstack([X, np.zeros((len(y), 1))]),
        b_eq=y, bounds=[*[(0, None)] * d, (None, 1.0)], method="highs",
    )  # fmt: skip
    return bool(found.status == 0 and found.x[-1] > 1e-9)


FROZEN = Hypothesis(
    "the model is Hadamard() with |u₀| = |v₀| ≠ 0, or Diagonal(2) with one of u₀, v₀ zero, in every entry",
    lambda s: s.model.depth == 2 and _frozen(s),
)
REACHABLE = Hypothesis("Xw = y has a solution with the signs of the start, and no zeros", _reachable)

equal_factors_rule = Rule(
    name="entropy of a two-layer diagonal flow with frozen signs",
    source="azulay2021shape",
    hypotheses=(SQUARE_LOSS, FROZEN, *hypentropy_flow_rule.hypotheses[2:5], REACHABLE, CONVERGED),
    apply=entropy_in_the_orthant,
)
