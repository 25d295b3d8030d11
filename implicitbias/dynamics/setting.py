"""A setting is four things: problem, model, optimizer, init."""

from __future__ import annotations

import dataclasses
from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array
from ..models import Balanced, Layout
from ..models.base import layout_of
from ..problems import Problem
from ..records import decode, encode, record

__all__ = ["Setting"]


@record
class Setting:
    """What is fitted, how the predictor is parametrised, how it moves, and where it starts.

    Parameters
    ----------
    problem : a Problem.
    model : a Model, or a user's object with ``shapes``, ``predictor`` and ``pullback``.
    optimizer : a Flow or a Step, or a user's object with ``init`` and ``update`` (or ``velocity``).
    init : θ as an array or a tuple of arrays (one per block), or ``Balanced(scale)``; may be left
        out for Linear, which then starts at zero. A leading batch axis (on every block) makes a
        batch of runs, and so does an array of step sizes.

    A setting is frozen, compared and hashed by content, and goes to and from a dictionary.

    Raises
    ------
    ValueError
        for parts that do not fit: shapes, non-finite starts, an optimizer that cannot run there.

    Examples
    --------
    >>> from implicitbias import GradientFlow, Linear, Regression
    >>> setting = Setting(Regression([[1.0, 2.0]], [1.0]), Linear(), GradientFlow())
    >>> Setting.from_dict(setting.to_dict()) == setting
    True
    """

    problem: Any
    model: Any
    optimizer: Any
    init: Any = None

    def __post_init__(self) -> None:
        if not isinstance(self.problem, Problem):
            raise ValueError(f"problem must be a Problem, got {_name(self.problem)}")
        for name in ("shapes", "predictor", "pullback"):
            if isinstance(self.model, type) or not hasattr(self.model, name):
                raise ValueError(
                    f"model must be a Model or have shapes, predictor and pullback; "
                    f"{_name(self.model)} {'is no object' if isinstance(self.model, type) else f'has no {name}'}"
                )
        has = [name for name in ("velocity", "init", "update") if hasattr(self.optimizer, name)]
        if isinstance(self.optimizer, type) or has in ([], ["init"], ["update"]):
            raise ValueError(
                f"optimizer must be a Flow, or have init and update, or velocity; got {_name(self.optimizer)}"
            )
        requires = getattr(self.optimizer, "requires", None)
        for problem in getattr(self.problem, "problems", (self.problem,)):
            if reason := requires(problem, self.model) if requires else None:
                raise ValueError(reason)
        object.__setattr__(self, "init", self._checked_init())
        if not type(self.model).__module__.startswith("implicitbias."):
            self._check_users_model()
        refuses = getattr(self.model, "refuses", None)
        reason = refuses(self.theta0) if refuses else None
        if reason:
            raise ValueError(f"init is no start of {_name(self.model)}: {reason}")
        if hasattr(self.optimizer, "block_rates"):
            self.optimizer.block_rates(self.layout)  # an error in rates shows here
        _ = self.batch  # and one in batch sizes here

    # -- the start ------------------------------------------------------------------------------

    def _checked_init(self) -> Any:
        layout, init = self.layout, self.init
        if init is None:
            init = getattr(self.model, "default_init", None)
            if init is None:
                raise ValueError(
                    f"init is missing: give θ for {_name(self.model)}, {_wanted(layout)}, or Balanced(scale)"
                )
        if isinstance(init, Balanced):
            if init.signs is not None and not getattr(self.model, "takes_signs", False):
                raise ValueError(f"the balanced start of {_name(self.model)} has no signs to set")
            self.model.balanced(self.problem, init.scale, init.rng, init.signs)
            return init
        advice = f"for {_name(self.model)} on this {type(self.problem).__name__}: {_wanted(layout)}"
        blocks = init if isinstance(init, tuple | list) and not _is_plain(init) else (init,)
        arrays = tuple(real_array("init", b) for b in blocks)
        shapes = layout.shapes
        if layout.single and len(arrays) > 1:  # (u, v) for a θ that stacks them
            shapes = (shapes[0][1:],) * shapes[0][0] if len(arrays) == shapes[0][0] else shapes
        if len(arrays) != len(shapes):
            raise ValueError(f"init has {len(arrays)} block(s); expected {len(shapes)} {advice}")
        extra = {a.ndim - len(s) for a, s in zip(arrays, shapes)}
        if any(a.shape[a.ndim - len(s) :] != s for a, s in zip(arrays, shapes)) or extra not in (
            {0},
            {1},
        ):
            got = ", ".join(str(a.shape) for a in arrays)
            raise ValueError(f"init has shape {got}; expected {advice}")
        if extra == {1} and len({a.shape[0] for a in arrays}) != 1:
            raise ValueError("the blocks of init have different batch sizes")
        return arrays if isinstance(init, tuple | list) and not _is_plain(init) else arrays[0]

    def _check_users_model(self) -> None:
        """A user's model is asked once, at the start, for w and for a pullback of the right shapes."""
        start = self.start[0] if self.start.ndim == 2 else self.start
        theta, wanted = self.layout.split(start), self.problem.w_shape
        w = np.asarray(self.model.predictor(theta))
        if w.size != int(np.prod(wanted)):
            raise ValueError(
                f"{_name(self.model)}.predictor returns shape {w.shape}; this problem's w has shape {wanted}"
            )
        pulled = self.model.pullback(theta, np.ones(wanted))
        got = [np.shape(b) for b in ((pulled,) if self.layout.single else pulled)]
        if got != list(self.layout.shapes):
            raise ValueError(
                f"{_name(self.model)}.pullback returns shape {', '.join(map(str, got))}; expected that of θ, "
                + _wanted(self.layout)
            )

    @cached_property
    def layout(self) -> Layout:
        """Where the blocks of θ lie in the flat vector."""
        return layout_of(self.model, self.problem)

    @cached_property
    def start(self) -> np.ndarray:
        """θ₀, flat (P,), or (B, P) for a batch of starts."""
        if isinstance(self.init, Balanced):
            theta = self.model.balanced(self.problem, self.init.scale, self.init.rng, self.init.signs)
            return np.ascontiguousarray(self.layout.join(theta), dtype=float)
        init = self.init
        if self.layout.single and isinstance(init, tuple):
            init = np.stack(init, axis=-len(self.layout.shapes[0])) if self._stacks else init[0]
        elif not self.layout.single and isinstance(init, np.ndarray):
            init = (init,)
        return np.ascontiguousarray(self.layout.join(init), dtype=float)

    @property
    def _stacks(self) -> bool:
        """Whether init is a tuple of the rows that θ stacks: (u, v) for a θ of shape (2, d)."""
        rows = self.layout.shapes[0][0]
        return self.layout.single and isinstance(self.init, tuple) and len(self.init) == rows > 1

    def unpack(self, flat: np.ndarray) -> Any:
        """θ in the structure of ``init`` from a flat (..., P)."""
        theta = self.layout.split(flat)
        if isinstance(self.init, tuple) and not isinstance(theta, tuple):
            axis = theta.ndim - len(self.layout.shapes[0])
            return tuple(np.moveaxis(theta, axis, 0)) if self._stacks else (theta,)
        if isinstance(self.init, np.ndarray) and isinstance(theta, tuple):
            return theta[0]
        return theta

    @property
    def theta0(self) -> Any:
        """θ₀ as the model takes it."""
        return self.layout.split(self.start)

    @property
    def w0(self) -> np.ndarray:
        """w(θ₀)."""
        return self.predictor(self.start)

    def predictor(self, flat: np.ndarray) -> np.ndarray:
        """w of a flat θ (..., P), in the problem's shape."""
        w = np.asarray(self.model.predictor(self.layout.split(flat)))
        shape: tuple[int, ...] = flat.shape[:-1] + self.problem.w_shape
        return w if w.shape == shape else w.reshape(shape)

    # -- kinds ----------------------------------------------------------------------------------

    @property
    def is_flow(self) -> bool:
        """Whether time is continuous."""
        return hasattr(self.optimizer, "velocity")

    @property
    def batch(self) -> int | None:
        """The number of runs when this is a batch, else None."""
        step = getattr(self.optimizer, "step", None)
        sizes = {s for s in (self.start.shape[0] if self.start.ndim == 2 else None,) if s}
        if isinstance(step, np.ndarray):
            sizes.add(step.size)
        if len(sizes) > 1:
            raise ValueError(f"batch sizes of init and step differ: {sorted(sizes)}")
        return sizes.pop() if sizes else None

    def unstack(self) -> list[Setting]:
        """The single settings of a batch."""
        members = []
        for b in range(self.batch or 0):
            optimizer, init = self.optimizer, self.init
            if isinstance(getattr(optimizer, "step", None), np.ndarray):
                optimizer = dataclasses.replace(optimizer, step=float(optimizer.step[b]))
            if self.start.ndim == 2:
                init = tuple(a[b] for a in init) if isinstance(init, tuple) else init[b]
            members.append(dataclasses.replace(self, optimizer=optimizer, init=init))
        return members

    # -- dictionary form ------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """A dictionary that JSON can hold.

        Raises
        ------
        TypeError
            naming the field, where it holds a user's own object or callable.
        """
        data: dict[str, Any] = encode(self, "setting")
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Setting:
        """The setting that :meth:`to_dict` wrote."""
        setting = decode(data)
        if not isinstance(setting, cls):
            raise ValueError(f"the dictionary holds a {type(setting).__name__}, not a Setting")
        return setting


def _is_plain(value: Any) -> bool:
    """A nested list of numbers stands for one array; a tuple or list of arrays for blocks."""
    return isinstance(value, list) and not any(isinstance(v, np.ndarray) for v in value)


def _name(value: Any) -> str:
    return type(value).__name__ if not isinstance(value, type) else f"the class {value.__name__}"


def _wanted(layout: Layout) -> str:
    if layout.single:
        return f"shape {layout.shapes[0]}"
    return "blocks " + ", ".join(f"{n} {s}" for n, s in zip(layout.names, layout.shapes))
