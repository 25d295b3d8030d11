"""Power propagation on a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import PowerPropagation
from ..orthants import room
from ..penalized import NonNegativeLeastSquares
from ..rule import Hypothesis, Rule
from .common import (
    CONVERGED,
    GRADIENT_FLOW,
    NO_DECAY,
    SQUARE_LOSS,
    STATIONARY,
    is_a,
    mirror_projection,
)

__all__: list[str] = []


def _room(setting: Any) -> float:
    return room(setting.problem.X, setting.problem.y, np.sign(setting.w0))


def _keeps_signs(setting: Any) -> bool:
    below_two = setting.model.power < 2
    return below_two and bool(np.all(mirror_projection(setting).solution * setting.w0 > 0))


def _signs_kept(run: Any) -> bool:
    w = np.vstack([run.history.get("w", run.w), run.w])
    return bool(np.all(w * run.setting.w0 > 0))


def nonnegative_fit(setting: Any, run: Any = None) -> NonNegativeLeastSquares:
    """argmin ‖Xw − y‖ subject to σ∘w ≥ 0, σ the signs of the start."""
    return NonNegativeLeastSquares(setting.problem.X, setting.problem.y, np.sign(setting.w0))


def _one_fit(setting: Any) -> bool:
    """Where the columns that the fit uses, or could at no cost use, are independent, it is the only one."""
    w, X = nonnegative_fit(setting).solution, setting.problem.X
    gradient = np.sign(setting.w0) * setting.problem.gradient(w)
    free = (w != 0) | (gradient <= 1e-10 * np.max(np.abs(setting.problem.gradient(0 * w))))
    return bool(np.linalg.matrix_rank(X[:, free]) == np.sum(free))


POWER = Hypothesis("the model is PowerPropagation", is_a(PowerPropagation, "model"))
NO_ZERO = Hypothesis("no coordinate starts at zero, where none would move", lambda s: np.all(s.w0 != 0))
BELOW_TWO = Hypothesis("the power is below 2", lambda s: s.model.power < 2)
FROM_TWO = Hypothesis("the power is at least 2", lambda s: s.model.power >= 2)
ROOM = Hypothesis(
    "some least-squares solution has the signs of the start in every coordinate", lambda s: _room(s) > 1e-9
)
SIGNS_KEPT = Hypothesis("no coordinate changes its sign along the run", _signs_kept, of="run")

power_flow_rule = Rule(
    name="power propagation below the square",
    source="schwarz2021powerpropagation",
    hypotheses=(
        SQUARE_LOSS,
        POWER,
        BELOW_TWO,
        NO_ZERO,
        GRADIENT_FLOW,
        NO_DECAY,
        Hypothesis(
            "the Bregman projection of the start keeps its signs",
            lambda s: s.model.power == 1 or _keeps_signs(s),
        ),
        CONVERGED,
        Hypothesis(
            SIGNS_KEPT.text, lambda run: run.setting.model.power == 1 or SIGNS_KEPT.holds(run), of="run"
        ),
    ),
    apply=mirror_projection,
)

power_orthant_rule = Rule(
    name="power propagation from the square on, in the orthant of the start",
    source="schwarz2021powerpropagation",
    hypotheses=(SQUARE_LOSS, POWER, FROM_TWO, NO_ZERO, GRADIENT_FLOW, NO_DECAY, ROOM, CONVERGED),
    apply=mirror_projection,
)

power_fit_rule = Rule(
    name="non-negative least squares of power propagation whose orthant holds no interpolant",
    source="schwarz2021powerpropagation",
    hypotheses=(
        SQUARE_LOSS,
        POWER,
        FROM_TWO,
        NO_ZERO,
        GRADIENT_FLOW,
        NO_DECAY,
        Hypothesis("no least-squares solution has the signs of the start", lambda s: _room(s) < 0),
        Hypothesis("the fit with these signs is unique", _one_fit),
        STATIONARY,
    ),
    apply=nonnegative_fit,
)
