"""Where solutions come from: runs of settings, or a callable (X, y) → w."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from ..checks import number, real_array
from ..dynamics import Setting, Stop, simulate
from ..models import Balanced, Linear
from ..problems import Classification, MatrixSensing, Problem
from .samples import starts_of

__all__: list[str] = []

FUSED, PLAIN = 100_000, 20_000
"""Limits on steps: of compiled loops, and of others."""
LOG_TIME = 2000.0
"""When flows on classifications stop: ln t."""
EXACT = 1e-26
"""The loss asked for, in units of that at zero."""


class Source(Protocol):
    """What selects a solution of a problem."""

    def w0(self, problem: Problem) -> np.ndarray:
        """Where it starts, flat (D,)."""

    def solve(self, problem: Problem, key: int) -> np.ndarray:
        """The w it selects, flat (D,); ``key`` seeds what it draws."""


class Runs:
    """Runs of the settings that ``make`` makes of problems."""

    def __init__(self, make: Callable[[Problem], Setting], stop: Stop | None = None) -> None:
        self.make, self.stop = make, stop

    def w0(self, problem: Problem) -> np.ndarray:
        return np.ravel(self.make(problem).w0)

    def solve(self, problem: Problem, key: int) -> np.ndarray:
        setting = self.make(problem)
        run = simulate(setting, stop=self.stop or _default_stop(setting), rng=key)
        if run.status in ("diverged", "failed"):
            raise ValueError(
                f"a run of {type(setting.optimizer).__name__} {run.status} on a drawn problem ({run.message}); the "
                "problems have λ_max(XᵀX/n) = 1: take a step below the limit that this sets"
            )
        return np.ravel(run.w)


class Function:
    """A callable (X, y) → w that is told to start at w₀."""

    def __init__(self, function: Callable[[np.ndarray, np.ndarray], Any], start: Any) -> None:
        self.function, self.start = function, start

    def w0(self, problem: Problem) -> np.ndarray:
        w0: np.ndarray = starts_of(self.start, problem.w_shape, 1)[0]
        return w0

    def solve(self, problem: Problem, key: int) -> np.ndarray:
        w = real_array("the w that the callable returned", self.function(*data_of(problem)))
        if w.shape != problem.w_shape:
            raise ValueError(f"the callable returned w of shape {w.shape}; expected {problem.w_shape}")
        return w.ravel()


def source_of(source: Any, model: Any, start: Any, stop: Stop | None) -> Source:
    """Runs of an optimizer on a model, or a user's function."""
    if any(hasattr(source, name) for name in ("velocity", "update")):
        return Runs(lambda problem: Setting(problem, model, source, _init(model, start, problem)), stop)
    if callable(source):
        return Function(source, start)
    raise ValueError(
        "identify needs an optimizer, a callable (X, y) -> w, or a list of pairs (X, w) or triples (X, y, w); "
        f"got {source!r:.80}"
    )


def data_of(problem: Any) -> tuple[np.ndarray, np.ndarray]:
    """(X, y) of a problem, (A, b) of matrix sensing."""
    return (problem.A, problem.b) if isinstance(problem, MatrixSensing) else (problem.X, problem.y)


def _init(model: Any, start: Any, problem: Problem) -> Any:
    """θ₀: a number is a predictor w₀, of which the model must know the parameters."""
    if isinstance(start, Balanced | tuple) or not np.isscalar(start):
        return start
    w0 = np.full(problem.w_shape, number("start", start, "be finite", lambda x: True))
    if isinstance(model, Linear):
        return w0
    straighten = getattr(model, "straighten", None)
    if straighten is None:
        raise ValueError(
            f"start = {start!r} is a predictor w₀; {type(model).__name__} needs to know its parameters: give "
            "start=Balanced(scale), or θ as an array"
        )
    return straighten(w0)


def _default_stop(setting: Setting) -> Stop:
    if isinstance(setting.problem, Classification):
        return Stop(log_time=LOG_TIME) if setting.is_flow else Stop(steps=PLAIN)
    loss = EXACT * float(setting.problem.loss(np.zeros(setting.problem.w_shape)))
    if setting.is_flow:
        return Stop(loss=loss)
    rule = getattr(setting.optimizer, "kernel_rule", lambda: None)()
    fused = rule is not None and getattr(setting.model, "dynamics_code", -1) >= 0
    return Stop(loss=loss, steps=FUSED if fused else PLAIN)
