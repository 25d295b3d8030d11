"""When to stop, and what to save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks import real_array, whole
from ..records import record

__all__ = ["Save", "Stop"]

GOALS = ("loss", "log_loss", "gradient", "margin")
LIMITS = ("time", "log_time", "steps")
DEEP = -600.0
"""Below this log-loss the time of an exponential loss leaves the range of floats."""


@record
class Stop:
    """Goals (loss, log_loss, gradient, margin) and limits (time, log_time, steps); the first met wins.

    loss, log_loss : stop when L ≤ loss, log L ≤ log_loss.
    gradient : stop when ‖∇_θ L‖₂ ≤ gradient.
    margin : stop when min_i z_i·w ≥ margin (unnormalised; classification).
    time, log_time : a flow's time t, or log t; for steps, t = Σ η_k.
    steps : steps (a flow: accepted steps of the integrator).

    A limit reached while a goal is open ends the run with status "budget"; limits given alone are
    themselves the goal. None and inf ask nothing. With nothing asked, a run goes on until it no
    longer changes in floating point (at most 10⁷ steps). ``log_time``, ``margin``, or a loss below e^{−600}
    selects the logarithmic clock of flows. Stochastic methods look at a goal once every ⌈n/batch⌉ steps, all
    others at every step.
    """

    loss: float | None = None
    log_loss: float | None = None
    gradient: float | None = None
    margin: float | None = None
    time: float | None = None
    log_time: float | None = None
    steps: int | None = None

    def __post_init__(self) -> None:
        for name in (*GOALS, *LIMITS):
            value = getattr(self, name)
            if value is None:
                continue
            try:
                number = float(value)
            except (TypeError, ValueError):
                number = np.nan
            if np.isnan(number):
                raise ValueError(f"Stop({name}=…) must be a number or None, got {value!r}")
            if name in ("loss", "gradient", "time", "steps") and number < 0:
                raise ValueError(f"Stop({name}=…) must be ≥ 0, got {value}")
            if name == "steps" and np.isfinite(number) and number != int(number):
                raise ValueError(f"Stop(steps=…) must be an integer, got {value}")
            asks = number != (-np.inf if name == "log_loss" else np.inf)
            object.__setattr__(self, name, (int(number) if name == "steps" else number) if asks else None)

    @property
    def has_goal(self) -> bool:
        """Whether anything but a limit is asked."""
        return any(getattr(self, g) is not None for g in GOALS)

    @property
    def log_clock(self) -> bool:
        """Whether a flow is integrated in log t."""
        deep = self.log_loss is not None and self.log_loss < DEEP
        deep |= self.loss is not None and 0 < self.loss < np.exp(DEEP)
        return self.log_time is not None or self.margin is not None or deep


@record
class Save:
    """Which moments of a run ``run.history`` keeps, and which quantities.

    at : times (flows) or step numbers (steps); for a flow in the logarithmic clock, log-times.
    every : every so many steps (a flow: accepted steps of the integrator).
    log : so many points per decade of steps or time.
    last : only the last so many of the saved moments (with nothing else given: of all steps).
    fields : names of quantities of a run ("loss", "log_loss", "w", "theta", "direction", …) or callables of
        the run at that moment.

    History holds "time" (in the logarithmic clock "log_time" too), "steps" and one array per field,
    named by the field or the callable. After the end, the moments of ``at`` that were still to come hold the
    point where the run rests, or NaN where it diverged. "theta" has the shape of θ where that is one
    array; where it is blocks, it is flat, and ``setting.unpack`` gives the blocks.
    """

    at: Any = None
    every: int | None = None
    log: int | None = None
    last: int | None = None
    fields: tuple[str | Callable[[Any], Any], ...] = ("loss",)

    def __post_init__(self) -> None:
        if self.at is not None:
            at = np.unique(real_array("Save(at=…)", np.atleast_1d(np.asarray(self.at, dtype=float))))
            at.flags.writeable = False
            object.__setattr__(self, "at", at)
        for name in ("every", "log", "last"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, whole(f"Save({name}=…)", value, 1))
        fields = (self.fields,) if isinstance(self.fields, str) or callable(self.fields) else self.fields
        object.__setattr__(self, "fields", tuple(fields))
        if self.at is None and self.every is None and self.log is None:
            object.__setattr__(self, "every", 1)

    def keeps(self, start: float) -> bool:
        """Whether the moment before the first step, step or time ``start``, is saved."""
        at = self.at is not None and start in self.at
        return at or (self.every is not None and start % self.every == 0)

    def steps_after(self, k: int) -> float:
        """The first step number > k to save; inf when there is none."""
        candidates = [np.inf]
        if self.every is not None:
            candidates.append((k // self.every + 1) * self.every)
        if self.at is not None:
            later = self.at[self.at > k]
            candidates.append(later[0] if later.size else np.inf)
        if self.log is not None:
            i = np.floor(np.log10(max(k, 0.5)) * self.log)
            while round(10 ** (i / self.log)) <= k:
                i += 1
            candidates.append(round(10 ** (i / self.log)))
        return float(min(candidates))

    def times_between(self, a: float, b: float, log_clock: bool) -> np.ndarray:
        """The times (log-times in that clock) in (a, b] to save, of ``at`` and ``log``."""
        times = [np.empty(0)]
        if self.at is not None:
            times.append(self.at[(self.at > a) & (self.at <= b)])
        if self.log is not None:
            if log_clock:
                unit = np.log(10.0) / self.log
                first = max(np.floor(a / unit) + 1, 0)  # decades of t ≥ 1
                times.append(unit * np.arange(first, np.floor(b / unit) + 1))
            elif b > 0:
                low = np.floor(np.log10(max(a, b * 1e-12)) * self.log) + 1
                high = np.floor(np.log10(b) * self.log)
                times.append(10 ** (np.arange(low, high + 1) / self.log))
        return np.unique(np.concatenate(times))
