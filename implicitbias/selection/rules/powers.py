"""Power propagation on a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry.bregman import row_space
from ...models import PowerPropagation
from ...optimizers import GradientFlow
from ..rule import Hypothesis, Rule
from .common import CONVERGED, NO_DECAY, SQUARE_LOSS, is_a, mirror_projection

__all__: list[str] = []


def room(setting: Any) -> float:
    """The largest t ≤ 1 for which some least-squares solution has σ∘w ≥ t·‖X⁺y‖_∞, σ the signs of the start; −1
    where the orthant of σ holds none at all.
    """
    from scipy.optimize import linprog

    A, b, _ = row_space(setting.problem.X, setting.problem.y)
    size = float(np.max(np.abs(A.T @ b))) or 1.0
    columns = A * np.sign(setting.w0)
    ask = np.append(np.zeros(A.shape[1]), -1.0)
    equal = np.column_stack([columns, columns.sum(axis=1)])
    found = linprog(ask, A_eq=equal, b_eq=b / size, bounds=[*[(0, None)] * A.shape[1], (0, 1)])
    return float(found.x[-1]) if found.status == 0 else -1.0


def _keeps_signs(setting: Any) -> bool:
    return bool(np.all(mirror_projection(setting).solution * setting.w0 > 0))


def _signs_kept(run: Any) -> bool:
    w = np.vstack([run.history.get("w", run.w), run.w])
    return bool(np.all(w * run.setting.w0 > 0))


POWER = Hypothesis("the model is PowerPropagation", is_a(PowerPropagation, "model"))
NO_ZERO = Hypothesis("no coordinate starts at zero, where none would move", lambda s: np.all(s.w0 != 0))
FLOW = Hypothesis("the optimizer is the gradient flow", is_a(GradientFlow, "optimizer"))
BELOW_TWO = Hypothesis("the power is below 2", lambda s: s.model.power < 2)
FROM_TWO = Hypothesis("the power is at least 2", lambda s: s.model.power >= 2)
ROOM = Hypothesis(
    "some least-squares solution has the signs of the start in every coordinate", lambda s: room(s) > 1e-9
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
        FLOW,
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
    hypotheses=(SQUARE_LOSS, POWER, FROM_TWO, NO_ZERO, FLOW, NO_DECAY, ROOM, CONVERGED),
    apply=mirror_projection,
)
