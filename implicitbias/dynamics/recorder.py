"""What Save asks for, collected along a run."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from .run import Run
from .setting import Setting
from .stop import Save

__all__ = ["Recorder", "snapshot"]


def snapshot(setting: Setting, flat: np.ndarray, log_time: float, steps: int, **known: Any) -> Run:
    """The run as it is at one moment."""
    w = setting.predictor(flat)
    with np.errstate(over="ignore", invalid="ignore"):
        values = {
            "theta": setting.unpack(flat),
            "loss": float(setting.problem.loss(w)),
            "log_loss": float(setting.problem.log_loss(w)),
            "time": float(np.exp(log_time)) if log_time < 709.0 else np.inf,
            "status": "running",
            "message": "",
        }
    return Run(setting=setting, w=w, log_time=log_time, steps=steps, **(values | known))


class Recorder:
    """Appends a row per saved moment; :meth:`result` stacks them."""

    def __init__(self, setting: Setting, save: Save | None, log_clock: bool) -> None:
        self.setting, self.save = setting, save
        self.clock = "log_time" if log_clock else "time"
        self.names = [f if isinstance(f, str) else getattr(f, "__name__", "field") for f in save.fields] if save else []
        self.rows: deque[tuple[Any, ...]] = deque(maxlen=save.last if save else None)

    def add(self, flat: np.ndarray, time: float, log_time: float, steps: int) -> None:
        """Save this moment."""
        assert self.save is not None
        run = snapshot(self.setting, flat, log_time, steps, time=time)
        row: list[Any] = [getattr(run, self.clock), steps]
        for f in self.save.fields:
            if callable(f):
                row.append(np.asarray(f(run), dtype=float))
                continue
            value = getattr(run, f, None)
            if f == "theta":
                value = flat.copy()
            if value is None or callable(value):
                raise ValueError(f"Save cannot record {f!r}: it is no quantity of a run")
            row.append(np.asarray(value, dtype=float))
        self.rows.append(tuple(row))

    def lost(self, moments: np.ndarray, steps: int) -> None:
        """Moments that divergence kept from being reached: NaN."""
        if self.rows:
            for t in moments:
                shapes = [np.full(np.shape(v), np.nan) for v in self.rows[-1][2:]]
                self.rows.append((float(t), steps, *shapes))

    def result(self) -> dict[str, np.ndarray]:
        """History by name; θ as its flat vector (…, P), in blocks by ``setting.unpack``."""
        if not self.names:
            return {}
        columns = list(zip(*self.rows)) or [()] * (2 + len(self.names))
        names = [self.clock, "steps", *self.names]
        return {n: np.array(c, dtype=float) for n, c in zip(names, columns)}
