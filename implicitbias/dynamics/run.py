"""A run: where a setting ended, why it stopped, and what was seen on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..geometry.norms import as_norm
from ..records import decode, encode
from .setting import Setting

__all__ = ["Run", "load"]

STATUSES = ("converged", "budget", "stalled", "floor", "diverged", "failed")
_ARRAYS = ("w", "loss", "log_loss", "time", "log_time", "steps")


@dataclass(frozen=True, eq=False)
class Run:
    """The result of :func:`simulate`. A batch has a leading axis on everything numeric.

    Attributes
    ----------
    w, theta : where it ended; theta has the structure of the setting's init.
    loss, log_loss : L(w) and its logarithm (finite where L underflows).
    time, log_time, steps : t (a step method: Σ η_k), log t, and steps taken.
    status, message : why it stopped, for a program and for a person; in a batch, a list of each.
    converged : whether a goal was met, or rounding stopped the run at the least loss.
    history : what ``save`` asked for, by name.
    accumulators : sums along the run that predictions need, by name.
    state : pass it to ``simulate(..., state=run.state)`` to go on.
    chart, polished : the coordinates that were integrated, and whether the end was polished.
    parts : the runs of a batch, or of each task (not kept in files).
    """

    setting: Any
    w: np.ndarray
    theta: Any
    loss: Any
    log_loss: Any
    time: Any
    log_time: Any
    steps: Any
    status: Any
    message: Any
    history: dict[str, np.ndarray] = field(default_factory=dict)
    accumulators: dict[str, np.ndarray] = field(default_factory=dict)
    state: Any = None
    chart: str = "ordinary"
    polished: bool = False
    seconds: float = 0.0
    counters: dict[str, int] = field(default_factory=dict)
    parts: tuple[Any, ...] = ()

    @property
    def converged(self) -> Any:
        if isinstance(self.status, list):
            return np.array([s == "converged" for s in self.status])
        return self.status == "converged"

    @property
    def direction(self) -> np.ndarray:
        """w/‖w‖₂ (of each run in a batch)."""
        return unit(self.w, self.setting.problem.w_shape if self.setting is not None else np.shape(self.w))

    def margin(self, norm: Any = 2) -> Any:
        """min_i z_i·w / ‖w‖ of a classification."""
        return least_margin(self.setting.problem if self.setting is not None else None, self.w, norm)

    def __repr__(self) -> str:
        if isinstance(self.status, list):
            return f"<Run: batch of {len(self.status)}, {int(np.sum(self.converged))} converged>"
        return f"<Run: {self.status} after {self.steps} steps, loss {self.loss:.3g}>"

    # -- keeping and showing --------------------------------------------------------------------

    def save(self, path: Any) -> None:
        """Write the run to an .npz file; :func:`load` reads it back.

        What holds a user's own object has no file form: then the file keeps the numbers, and the loaded
        run has ``setting`` (or ``state``, without which it cannot be continued) None.
        """
        setting = _encoded(self.setting)
        theta = self.theta if isinstance(self.theta, tuple) else (self.theta,)
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name)) for name in _ARRAYS}
        arrays |= {f"theta.{i}": np.asarray(block) for i, block in enumerate(theta)}
        arrays |= {f"history.{k}": v for k, v in self.history.items()}
        arrays |= {f"accumulators.{k}": v for k, v in self.accumulators.items()}
        about = {
            "setting": setting,
            "theta_is_tuple": isinstance(self.theta, tuple),
            "status": self.status,
            "message": self.message,
            "chart": self.chart,
            "polished": self.polished,
            "seconds": self.seconds,
            "counters": self.counters,
            "state": _encoded(self.state),
        }
        with Path(path).open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)

    def to_xarray(self) -> Any:
        """History and end as an xarray.Dataset (needs the extra ``xarray``)."""
        try:
            import xarray
        except ImportError as error:
            raise ImportError("to_xarray needs xarray: pip install 'implicitbias[xarray]'") from error
        if isinstance(self.status, list):
            raise ValueError("to_xarray takes one run, not a batch: take its members one at a time")
        clock = "log_time" if "log_time" in self.history else "time"
        data: dict[str, Any] = {"w": (_axes("w", np.shape(self.w)), self.w)}
        for name, values in self.history.items():
            if name != clock:
                key = f"{name}_history" if name == "w" else name
                data[key] = (("moment", *_axes(key, values.shape[1:])), values)
        for name, values in self.accumulators.items():
            data[name] = (_axes("w", values.shape), values)
        coords = {clock: ("moment", self.history[clock])} if self.history else {}
        attrs = {
            name: getattr(self, name)
            for name in ("status", "message", "steps", "loss", "time", "log_time", "chart")
        }
        return xarray.Dataset(data, coords=coords, attrs=attrs)

    def plot(self, ax: Any = None, field: str = "loss") -> Any:
        """Draw a saved field over time; returns the artists."""
        from ..plotting import curve

        if field not in self.history:
            have = ", ".join(self.history) or "nothing"
            raise ValueError(f"history has no {field!r} (it has {have}): ask for it with save=Save(…)")
        clock = "log_time" if "log_time" in self.history else "time"
        x, y = self.history[clock], self.history[field]
        members = zip(x, y) if isinstance(self.status, list) else [(x, y)]
        label = clock.replace("_", " ")
        return [line for a, b in members for line in curve(a, b, ax=ax, xlabel=label, ylabel=field)]


def unit(w: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """w/‖w‖₂ over the axes of ``shape``."""
    axes = tuple(range(-len(shape), 0))
    with np.errstate(invalid="ignore"):  # zero has no direction: NaN
        direction: np.ndarray = w / np.sqrt(np.sum(w**2, axis=axes, keepdims=True))
    return direction


def least_margin(problem: Any, w: np.ndarray, norm: Any) -> Any:
    """min_i z_i·w / ‖w‖, per run of a batch."""
    if not hasattr(problem, "margins"):
        raise ValueError("margin is defined for Classification only")
    size = as_norm(norm).value
    least = np.min(problem.margins(w), axis=-1)
    with np.errstate(invalid="ignore"):  # zero has no normalised margin: NaN
        if np.ndim(least) == 0:
            return float(np.divide(least, size(w)))
        return np.array([np.divide(m, size(v)) for m, v in zip(least, w)])


def _axes(name: str, shape: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(f"{name}_{i}" for i in range(len(shape)))


def _encoded(value: Any) -> Any:
    """The dictionary form; None for what has none."""
    try:
        return encode(value)
    except TypeError:
        return None


def load(path: Any) -> Run:
    """The run that :meth:`Run.save` wrote."""
    with np.load(path, allow_pickle=False) as file:
        if "about" not in file.files:
            raise ValueError(
                f"{path} was not written by Run.save: it holds {', '.join(file.files) or 'nothing'}"
            )
        about = json.loads(str(file["about"]))
        data = {k: file[k] for k in file.files if k != "about"}
    setting = Setting.from_dict(about["setting"]) if about["setting"] is not None else None

    def group(prefix: str) -> dict[str, np.ndarray]:
        return {k[len(prefix) :]: v for k, v in data.items() if k.startswith(prefix)}

    blocks = group("theta.")
    theta = tuple(blocks[str(i)] for i in range(len(blocks)))
    numbers = {k: data[k].item() if data[k].ndim == 0 else data[k] for k in _ARRAYS if k != "w"}
    return Run(
        setting=setting,
        w=data["w"],
        theta=theta if about["theta_is_tuple"] else theta[0],
        history=group("history."),
        accumulators=group("accumulators."),
        state=decode(about["state"]),
        **numbers,
        **{k: about[k] for k in ("status", "message", "chart", "polished", "seconds", "counters")},
    )
