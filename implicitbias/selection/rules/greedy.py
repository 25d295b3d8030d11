"""What vanishing starts of UUᵀ select: the end of the greedy path of low ranks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...models import MatrixFactorization
from ..greedy import GreedyLowRank
from ..rule import Hypothesis, Rule
from .common import CONVERGED, GRADIENT_FLOW, NO_DECAY, ONE_RATE
from .sensing import commuting_sensing_rule

__all__: list[str] = []

SMALL = 1e-4
"""Of the start's W, in units of the path's end."""
ROWS = 30
"""Up to which a path is computed here: it takes a flow for each phase."""


@lru_cache(maxsize=1024)
def greedy_path(problem: Any) -> GreedyLowRank:
    """The path of a problem, once."""
    return GreedyLowRank(problem)


def greedy_end(setting: Any, run: Any = None) -> np.ndarray:
    """The last critical point of the greedy path."""
    end: np.ndarray = greedy_path(setting.problem).points[-1]
    return end


def _full_square(setting: Any) -> bool:
    model, n = setting.model, setting.problem.w_shape[0]
    return isinstance(model, MatrixFactorization) and model.tied and n <= min(model.rank, ROWS)


def _from_identity(setting: Any) -> bool:
    W = setting.w0
    return bool(np.linalg.norm(W - W[0, 0] * np.eye(len(W))) <= 1e-12 * np.linalg.norm(W) and W[0, 0] > 0)


def _has_a_path(setting: Any) -> bool:
    try:
        path = greedy_path(setting.problem)
    except ArithmeticError:
        return False
    mu = path.eigenvalues[: len(path.directions)]
    alone = np.all(mu[:, 1] <= 0.9 * mu[:, 0]) if mu.shape[1] > 1 else True
    return bool(path.is_complete and len(mu) and alone)


greedy_rule = Rule(
    name="low rank: the end of the greedy path",
    source="li2021greedy",
    hypotheses=(
        Hypothesis("the model is W = UUᵀ of full width, with 30 rows at most", _full_square),
        GRADIENT_FLOW,
        ONE_RATE,
        NO_DECAY,
        Hypothesis("W(0) is a positive multiple of the identity", _from_identity),
        Hypothesis(
            "the greedy path from zero has an end, and each of its phases one fastest direction", _has_a_path
        ),
        Hypothesis(
            "W(0) is small: αI with α at most 1e-4 of the path's end",
            lambda s: s.w0[0, 0] <= SMALL * np.linalg.norm(greedy_end(s)),
        ),
        Hypothesis(
            "no potential is known that says more (commuting measurements have one)",
            lambda s: commuting_sensing_rule.first_missed(s) is not None,
        ),
        CONVERGED,
    ),
    apply=greedy_end,
)
