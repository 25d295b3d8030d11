"""What Save asks for, collected along a run."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from .ending import Ending
from .run import least_margin, unit
from .setting import Setting
from .stop import Save

__all__ = ["Moment", "Recorder"]


class Moment:
    """A run as it is at one moment; what nobody asks for is not computed."""

    status, message = "running", ""

    def __init__(self, setting: Setting, flat: np.ndarray, time: float, log_time: float, steps: int) -> None:
        self.setting, self.flat = setting, flat
        self.time, self.log_time, self.steps = time, log_time, steps

    @cached_property
    def w(self) -> np.ndarray:
        return self.setting.predictor(self.flat)

    @cached_property
    def theta(self) -> Any:
        return self.setting.unpack(self.flat)

    @cached_property
    def loss(self) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.setting.problem.loss(self.w))

    @cached_property
    def log_loss(self) -> float:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return float(self.setting.problem.log_loss(self.w))

    @property
    def direction(self) -> np.ndarray:
        return unit(self.w, self.setting.problem.w_shape)

    def margin(self, norm: Any = 2) -> Any:
        return least_margin(self.setting.problem, self.w, norm)

    def numbers(self) -> dict[str, Any]:
        """The fields of a Run that this moment fixes."""
        names = ("setting", "w", "theta", "loss", "log_loss", "time", "log_time", "steps")
        return {n: getattr(self, n) for n in names}


class Recorder:
    """Appends a row per saved moment; :meth:`result` stacks them."""

    def __init__(self, setting: Setting, save: Save | None, log_clock: bool) -> None:
        self.setting, self.save = setting, save
        self.logarithmic = log_clock
        self.clocks = ["log_time", "time"] if log_clock else ["time"]
        self.names = _names(save.fields) if save else []
        self.rows: deque[tuple[Any, ...]] = deque(maxlen=save.last if save else None)

    def add(self, flat: np.ndarray, time: float, log_time: float, steps: int) -> None:
        """Save this moment."""
        assert self.save is not None
        moment = Moment(self.setting, flat.copy(), time, log_time, steps)
        self.rows.append((*(getattr(moment, c) for c in self.clocks), steps, *self._values(moment)))

    def _values(self, moment: Moment) -> list[np.ndarray]:
        assert self.save is not None
        values = []
        for f in self.save.fields:
            if f == "theta":  # blocks of different shapes stay flat
                value = moment.theta if self.setting.layout.single else moment.flat
            else:
                value = f(moment) if callable(f) else getattr(moment, f, None)
            if value is None or callable(value):
                raise ValueError(f"Save cannot record {f!r}: it is no quantity of a run")
            values.append(np.asarray(value, dtype=float))
        return values

    def finish(self, ending: Ending, flat: np.ndarray, moments: Sequence[tuple[float, float, float]]) -> None:
        """Moments (step, t, log t) after the end: the point where a run rests, NaN where it diverged."""
        if ending.at_rest:
            for k, time, log_time in moments:
                self.add(flat, time, log_time, int(k))
        elif ending.status == "diverged":
            with np.errstate(all="ignore"):
                shapes = [v.shape for v in self._values(Moment(self.setting, flat, np.nan, np.nan, 0))]
            for k, time, log_time in moments:
                clock = [log_time, time] if self.logarithmic else [time]
                self.rows.append((*clock, int(k), *(np.full(s, np.nan) for s in shapes)))

    def result(self) -> dict[str, np.ndarray]:
        """History by name."""
        if not self.names:
            return {}
        names = [*self.clocks, "steps", *self.names]
        columns = list(zip(*self.rows)) or [()] * len(names)
        return {n: np.array(c, dtype=float) for n, c in zip(names, columns)}


def _names(fields: tuple[Any, ...]) -> list[str]:
    """A name for each field: its own, or that of its function; numbered where two would be the same."""
    names: list[str] = []
    for f in fields:
        name = f if isinstance(f, str) else getattr(f, "__name__", "field").replace("<lambda>", "field")
        again = sum(n == name or n.startswith(f"{name}_") for n in names)
        names.append(f"{name}_{again + 1}" if again else name)
    return names
