"""Problems met one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...problems import Regression, Tasks
from ..rule import Hypothesis, Rule
from .common import LINEAR

__all__: list[str] = []


def sequential_projections(tasks: Any, w0: np.ndarray) -> np.ndarray:
    """(M, d): w_m = w_{m−1} + X_m⁺(y_m − X_m w_{m−1}), the projection on each task's solutions in turn."""
    w, path = np.asarray(w0), []
    for p in tasks.problems:
        w = w + np.linalg.lstsq(p.X, p.y - p.X @ w, rcond=None)[0]
        path.append(w)
    return np.array(path)


def last_projection(setting: Any, run: Any = None) -> np.ndarray:
    """Where the last task leaves w."""
    end: np.ndarray = sequential_projections(setting.problem, setting.w0)[-1]
    return end


def _row_space(setting: Any) -> bool:
    from ...geometry import Euclidean

    return isinstance(setting.optimizer.row_potential, Euclidean)


REGRESSIONS = Hypothesis(
    "the tasks are Regressions, each of which has a solution",
    lambda s: (
        isinstance(s.problem, Tasks)
        and all(isinstance(p, Regression) and p.consistent for p in s.problem.problems)
    ),
)
ROW_SPACE = Hypothesis("every update lies in the row space of its task", _row_space)
FORGETS_MEMORY = Hypothesis(
    "the optimizer's memory begins anew with each task, or is empty",
    lambda s: not s.problem.keep_state or s.optimizer.init(np.zeros(1)) == (),
)
FITTED = Hypothesis(
    "every task is fitted",
    lambda r: all(
        q.converged and q.loss <= 1e-12 * max(1.0, q.setting.problem.loss(0 * q.w)) for q in r.parts
    ),
    of="run",
)

tasks_rule = Rule(
    name="projection on the solutions of one task after the other",
    source="evron2022catastrophic",
    hypotheses=(REGRESSIONS, LINEAR, ROW_SPACE, FORGETS_MEMORY, FITTED),
    apply=last_projection,
)
