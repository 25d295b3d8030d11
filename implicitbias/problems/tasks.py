"""Problems met one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..records import record
from .base import Problem

__all__ = ["Tasks"]


@record
class Tasks(Problem):
    """Problems of one predictor, trained one after the other: each run starts where the last one ended.

    Parameters
    ----------
    problems : a sequence of problems with the same ``w_shape``; repeat one to come back to it.
    keep_state : whether an optimizer's memory (momentum, say) and its step count go on from task to task, or
        begin anew.

    ``simulate`` meets ``stop`` on each task in turn: goals are goals on the task at hand, limits count from
    its beginning. ``run.parts`` has the run of each task, and ``run.history`` the table of what was learnt
    and forgotten: "w" (M, d) after each task, "losses" (M, M) with the loss of task j after task m. As a
    problem, the loss is the mean of the tasks' losses.

    >>> from implicitbias import Regression
    >>> tasks = Tasks([Regression([[1.0, 0.0]], [1.0]), Regression([[1.0, 1.0]], [2.0])])
    >>> float(tasks.loss(np.array([1.0, 0.0])))
    0.25
    """

    problems: Any
    keep_state: bool = False

    def __post_init__(self) -> None:
        problems = tuple(self.problems) if isinstance(self.problems, tuple | list) else ()
        bad = [p for p in problems if not isinstance(p, Problem) or isinstance(p, Tasks)]
        if not problems or bad:
            got = type(bad[0]).__name__ if bad else repr(self.problems)[:80]
            raise ValueError(f"Tasks needs a list of problems, got {got}")
        shapes = {p.w_shape for p in problems}
        if len(shapes) > 1:
            raise ValueError(f"the tasks have predictors of different shapes: {sorted(shapes)}")
        object.__setattr__(self, "problems", problems)

    @property
    def w_shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = self.problems[0].w_shape
        return shape

    @property
    def n(self) -> int:
        return sum(p.n for p in self.problems)

    @property
    def has_samples(self) -> bool:  # type: ignore[override]
        """Whether every task has samples."""
        return all(p.has_samples for p in self.problems)

    def losses(self, w: np.ndarray) -> np.ndarray:
        """(M,) the loss of each task."""
        return np.array([p.loss(w) for p in self.problems])

    def loss(self, w: np.ndarray) -> np.ndarray:
        mean: np.ndarray = np.mean([p.loss(w) for p in self.problems], axis=0)
        return mean

    def gradient(self, w: np.ndarray) -> np.ndarray:
        mean: np.ndarray = np.mean([p.gradient(w) for p in self.problems], axis=0)
        return mean

    @property
    def attains_zero(self) -> bool:
        return False
