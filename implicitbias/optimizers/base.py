"""Optimizers are data plus an order: flows θ̇ = velocity, and steps (θ, state) ↦ (θ, state)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from ..checks import number, positive
from ..geometry import Euclidean, Potential
from ..models import Layout
from ..records import record

__all__ = ["Decay", "Flow", "Optimizer", "Oracle", "Step"]

State = Any


class Oracle(Protocol):
    """What a step may ask. θ is the flat vector (P,); ``split`` and ``join`` give its blocks."""

    problem: Any
    model: Any
    layout: Layout

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """The gradient of the objective at θ."""

    def sample(self, theta: np.ndarray, batch: int) -> np.ndarray:
        """A stochastic gradient from ``batch`` samples drawn uniformly with replacement."""

    def direction(self, theta: np.ndarray) -> np.ndarray:
        """The gradient of log L at θ (the gradient's direction, which cannot underflow)."""

    def row(self, weights: np.ndarray) -> int:
        """A sample drawn with probability proportional to ``weights`` (n,)."""


@record
class Decay:
    """η_k = step/(k + 1)^power, k = 0, 1, …

    >>> Decay(1.0, 0.5).sizes(0, 4).round(3).tolist()
    [1.0, 0.707, 0.577, 0.5]
    """

    step: float
    power: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "step", positive("step", self.step))
        power = number("power", self.power, "be finite and ≥ 0", lambda a: a >= 0)
        object.__setattr__(self, "power", power)

    def sizes(self, k0: int, count: int) -> np.ndarray:
        """η_{k₀}, …, η_{k₀+count−1}."""
        k = np.arange(k0 + 1, k0 + count + 1, dtype=float)
        sizes: np.ndarray = self.step / k**self.power
        return sizes

    def __call__(self, k: int) -> float:
        return float(self.sizes(k, 1)[0])


StepSize = float | Decay | Callable[[int], float] | np.ndarray


class KernelRule(NamedTuple):
    """What the fused kernel needs to know of a step rule (see kernels/descent.py)."""

    code: int
    momentum: Callable[[int, int], np.ndarray] | None = None
    p: float = 2.0
    normalized: bool = False
    batch: int = 0
    """0: full gradient; b > 0: b samples uniformly; −1: one row, drawn by ``row_weights``."""


@dataclass(frozen=True, eq=False)
class Optimizer(ABC):
    """The base of flows and steps. ``weight_decay`` adds the gradient of (λ/2)‖θ‖² to the loss's."""

    weight_decay: float = field(default=0.0, kw_only=True)

    source = ""
    """Key into refs.bib."""

    def __post_init__(self) -> None:
        decay = number("weight_decay", self.weight_decay, "be finite and ≥ 0", lambda a: a >= 0)
        object.__setattr__(self, "weight_decay", decay)

    row_space: ClassVar[bool] = False
    """Whether every update on a linear model lies in range(Xᵀ), as that of plain gradients does."""

    @property
    def row_potential(self) -> Potential | None:
        """The ψ with ∇ψ(w_k) − ∇ψ(w₀) ∈ range(Xᵀ) on linear models; None when there is none."""
        return Euclidean() if self.row_space and self.weight_decay == 0 else None


class Flow(Optimizer):
    """θ̇ = velocity(θ, ∇L), homogeneous of degree one in the gradient.

    For developers: implement ``velocity`` with analytic formulas (θ and the gradient may be complex
    and carry batch axes); ``rates`` only where block rates make sense.
    """

    @abstractmethod
    def velocity(self, theta: np.ndarray, gradient: np.ndarray, layout: Layout) -> np.ndarray:
        """θ̇ (..., P)."""

    def block_rates(self, layout: Layout) -> np.ndarray | None:
        """(P,) rates r of θ̇ = −r∘∇L, where the flow has this form; a log chart asks for it."""
        return None


class Step(Optimizer):
    """One discrete step after another: ``init(theta) -> state``, ``update(...) -> (theta, state)``.

    For developers: implement ``update`` (and ``init`` when there is memory); give ``kernel_rule``
    when the fused kernel knows the rule. ``self.size(k)`` is the step size η_k.
    """

    step: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        step = self.step
        if callable(step):
            return
        if isinstance(step, np.ndarray | list | tuple) and np.ndim(step) > 0:
            sizes = np.array([positive("step", s) for s in np.ravel(step)])
            if sizes.size == 0:
                raise ValueError("step is an empty sequence; give one step size, or one per run of a batch")
            sizes.flags.writeable = False
            object.__setattr__(self, "step", sizes)
        else:
            object.__setattr__(self, "step", positive("step", step))

    def init(self, theta: np.ndarray) -> State:
        """The state before step 0."""
        return ()

    @abstractmethod
    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        """(θ_{k+1}, state) from (θ_k, state)."""

    def size(self, k: int) -> float:
        """η_k."""
        return float(self.step(k)) if callable(self.step) else float(self.step)

    def look_every(self, n: int) -> int:
        """Steps between two looks at a goal on n samples: stochastic methods look once an epoch."""
        return 1

    def kernel_rule(self) -> KernelRule | None:
        """How the fused kernel runs this rule; None: the Python loop runs it."""
        return None


def as_momentum(value: Any) -> float:
    """A momentum 0 ≤ β < 1."""
    return number("momentum", value, "satisfy 0 ≤ β < 1", lambda b: 0 <= b < 1)


def step_sizes(optimizer: Any, k0: int, count: int) -> np.ndarray:
    """η_{k₀}, …, η_{k₀+count−1}, evaluated outside the kernels; fewer where a callable fails later.

    Raises
    ------
    ValueError
        naming k₀, when a callable returns something for it that is not a finite number > 0.
    """
    step = getattr(optimizer, "step", 1.0)
    if isinstance(step, Decay):
        return step.sizes(k0, count)
    if not callable(step):
        return np.full(count, float(step))
    sizes = np.array([_as_float(step(k)) for k in range(k0, k0 + count)])
    bad = np.flatnonzero(~(np.isfinite(sizes) & (sizes > 0)))
    if bad.size and bad[0] == 0:
        raise ValueError(f"the step size at k = {k0} is {sizes[0]}; it must be finite and > 0")
    return sizes[: bad[0]] if bad.size else sizes


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")
