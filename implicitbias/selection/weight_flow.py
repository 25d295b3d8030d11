"""Curves t ↦ W(t) of flows in which only W occurs, integrated: the base of EndToEndFlow and MixedFlow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np

__all__ = ["WeightFlow"]

EVALUATIONS = 15_000
"""Of the velocity, in one integration; a stiff one needs thousands."""
GROWTH = 4.0
"""Of the time that W is given to come to rest, whenever it has not."""
LONGEST = 1e18
"""Of the whole time, in units of the time in which W(0) moves by its own size."""
TINY = 1e-280
"""Of W, where it starts at zero and stays there."""
AT_REST = 30.0
"""In units of rtol·‖W‖: the error of an integration, and the change below which W is at rest."""
STATIONARY = 1e-8
"""‖∇L‖ at a minimum, relative to that at W(0) or at zero."""


class Unfinished(ArithmeticError):
    """The integration ended at ``w``."""

    def __init__(self, message: str, w: np.ndarray) -> None:
        super().__init__(message)
        self.w = w


class WeightFlow(ABC):
    """t ↦ W(t) of Ẇ = v(W) from W(0), by integration (LSODA).

    At t = ∞ the time is quadrupled until W changes, relatively, by 30 rtol at most. A minimum that W approaches like a
    power of t is returned where ∇L has fallen to 1e-8 of its size, and the integration can go no further.

    For developers: implement ``velocity``; ``resolved`` is positive at a W from which the integration may go
    on; ``is_limit`` judges a point where W has come to rest, and ``remark`` says what is to be seen at a W.
    """

    def __init__(self, setting: Any, rtol: float = 1e-12) -> None:
        self.setting, self.problem, self.rtol = setting, setting.problem, rtol
        self.w0 = np.asarray(setting.w0, dtype=float)
        self.size = float(np.linalg.norm(self.w0))

    @abstractmethod
    def velocity(self, w: np.ndarray) -> np.ndarray:
        """Ẇ at W, in its shape."""

    def resolved(self, w: np.ndarray) -> float:
        """Positive where the integration may go on."""
        return 1.0

    def remark(self, w: np.ndarray) -> str:
        """What is to be seen at W, for a message."""
        return f"it has come to ‖W‖ = {np.linalg.norm(w):.3g}, ‖∇L‖ = {np.linalg.norm(self.problem.gradient(w)):.3g}"

    def is_limit(self, w: np.ndarray) -> bool:
        """Whether a point of rest is the limit; where not, W is given more time. Raises at a saddle."""
        return self.is_least(w)

    def is_least(self, w: np.ndarray) -> bool:
        """Whether ∇L = 0, relative to its size at W(0) and at zero: L is convex in W."""
        start, zero, here = (
            float(np.linalg.norm(self.problem.gradient(x))) for x in (self.w0, 0 * self.w0, w)
        )
        return here <= STATIONARY * max(start, zero)

    def __call__(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """W at time t ≥ 0, or at log t; an array adds a leading axis, and ``np.inf`` is allowed.

        Raises
        ------
        ArithmeticError
            where W does not come to rest, or not at a minimum; and where the integration fails.
        """
        times = np.asarray(t if log_time is None else np.exp(log_time), dtype=float)
        if np.any(~(times >= 0)):
            raise ValueError("the flow is defined for t ≥ 0")
        moments, where = np.unique(times.ravel(), return_inverse=True)
        path = self._path(self.w0, moments[np.isfinite(moments)])
        if moments.size > len(path):
            path = np.concatenate([path, self._limit(path[-1] if len(path) else self.w0)[None]])
        return np.asarray(path[where.ravel()].reshape(*times.shape, *self.w0.shape))

    def singular_values(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """σ_1 ≥ σ_2 ≥ … of W at time t, shape of t and (min(p, q),); of a vector w the one ‖w‖."""
        W = self(t, log_time=log_time)
        return np.linalg.svd(W[..., None, :] if self.w0.ndim == 1 else W, compute_uv=False)

    def _path(self, start: np.ndarray, moments: np.ndarray) -> np.ndarray:
        """(len(moments), …) W at these increasing times after ``start``."""
        path = [start.ravel() for t in moments if t == 0]
        for solver in self._steps(start, float(moments[-1]) if moments.size else 0.0):
            passed = moments[len(path) : np.searchsorted(moments, solver.t, side="right")]
            path.extend(solver.dense_output()(passed).T)
        return np.reshape(path, (len(moments), *start.shape))

    def _steps(self, start: np.ndarray, duration: float) -> Iterator[Any]:
        """The integrator after each of its steps."""
        from scipy.integrate import LSODA

        if duration == 0:
            return
        size = max(float(np.linalg.norm(start)), self.size, TINY)
        solver = LSODA(
            lambda _, flat: self.velocity(flat.reshape(start.shape)).ravel(), 0.0, start.ravel(), duration,
            rtol=self.rtol, atol=1e-3 * self.rtol * size / np.sqrt(start.size),
        )  # fmt: skip
        while solver.status == "running":
            with catch_warnings():
                simplefilter("ignore")  # a failure is raised below
                message = solver.step()
            w = solver.y.reshape(start.shape)
            if self.resolved(w) <= 0:
                message = f"a singular value is no longer resolved at rtol = {self.rtol:g}, and would follow rounding"
            elif solver.nfev > EVALUATIONS:
                message = f"{EVALUATIONS} evaluations were not enough"
            if message:
                raise Unfinished(
                    f"the flow of W was not integrated to its end: {message}; {self.remark(w)}", w
                )
            yield solver

    def _limit(self, w: np.ndarray) -> np.ndarray:
        """W(∞), reached through ``w``."""
        speed = float(np.linalg.norm(self.velocity(w)))
        # at rest already up to rounding: any time will do to see it
        unit = max(float(np.linalg.norm(w)), self.size) / speed if speed else 1.0
        duration = unit
        while duration < LONGEST * unit:
            before, w = w, self._after(w, duration)
            change, size = float(np.linalg.norm(w - before)), max(float(np.linalg.norm(w)), self.size)
            if change <= AT_REST * self.rtol * size and self.is_limit(w):
                return w
            duration *= GROWTH
        raise ArithmeticError(
            f"W(t) has no limit, or approaches it too slowly: the last {duration / GROWTH:.3g} units of time moved it "
            f"by {change:.3g}; {self.remark(w)}"
        )

    def _after(self, w: np.ndarray, duration: float) -> np.ndarray:
        """W after ``duration``, or where the integration fails at a minimum that it approaches like a power of t."""
        try:
            return self._path(w, np.array([duration]))[0]
        except Unfinished as end:
            if self.is_least(end.w):
                return end.w
            raise
