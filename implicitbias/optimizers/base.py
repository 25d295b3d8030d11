"""Optimizers are data plus an order: flows θ̇ = velocity, and steps (θ, state) ↦ (θ, state)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from ..checks import number, positive
from ..geometry import Euclidean, Potential
from ..models import Chart, Layout
from ..records import record

__all__ = ["Decay", "Flow", "Optimizer", "Oracle", "Step", "Until"]

State = Any


class Oracle(Protocol):
    """What a step may ask. θ is the flat vector (P,); ``split`` and ``join`` give its blocks.

    The oracle remembers in ``g`` the gradient in w of the last question, from which runs accumulate
    (dynamics/oracle.py). A method whose step is not along that gradient alone says so: it sets ``g`` (d,) to
    the part in the row space, and ``cross`` (d,) to the second-order part.
    """

    problem: Any
    model: Any
    layout: Layout
    g: np.ndarray
    cross: Any
    decay: float
    """The λ of this step's weight decay."""

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        """The gradient of the objective at θ, weight decay included."""

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        """The gradient ∇_θ L of the loss alone."""

    def sample(self, theta: np.ndarray, batch: int) -> np.ndarray:
        """A stochastic gradient from ``batch`` samples drawn uniformly with replacement."""

    def rows(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The gradient on the samples ``rows`` (b,)."""

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        """w(θ)."""

    def pull(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        """(∂w/∂θ)ᵀg, flat; leading batch axes of θ and g are kept."""

    def index(self, slot: int) -> int:
        """Draw number ``slot`` of this step: a sample, uniformly."""

    def uniform(self, slot: int) -> float:
        """Draw number ``slot`` of this step: uniform on [0, 1)."""

    def normal(self, slot: int) -> float:
        """Draw number ``slot`` of this step: standard normal."""

    def direction(self, theta: np.ndarray) -> np.ndarray:
        """The gradient of log L at θ (the gradient's direction, which cannot underflow)."""

    def relative(self, theta: np.ndarray) -> np.ndarray:
        """The same, as the gradient that this step is along."""

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


@record
class Until:
    """Weight decay that is switched off: λ(t) = value for t < time, and 0 from there (steps: t = Σ η).

    >>> Until(0.1, 50.0).at(49.0), Until(0.1, 50.0).at(50.0), Until(0.1, 50.0).integral(60.0)
    (0.1, 0.0, 5.0)
    """

    value: float
    time: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", positive("value", self.value))
        object.__setattr__(self, "time", positive("time", self.time))

    def at(self, t: float) -> float:
        """λ(t)."""
        return self.value if t < self.time else 0.0

    def integral(self, t: float) -> float:
        """∫₀ᵗ λ."""
        return self.value * min(t, self.time)


StepSize = float | Decay | Callable[[int], float] | np.ndarray


class KernelRule(NamedTuple):
    """What the fused kernel needs to know of a step rule (see kernels/descent.py)."""

    code: int
    momentum: Callable[[int, int], np.ndarray] | None = None
    p: float = 2.0
    normalized: bool = False
    batch: int = 0
    """0: full gradient; b > 0: b samples uniformly; −1: one row, drawn by ``row_weights``."""
    constants: Any = ()
    """The rule's own numbers, in the order in which the kernel reads them."""
    row_weights: Callable[[Any], np.ndarray] | None = None
    """The law (n,) of the drawn row on a problem, up to a factor."""
    average: Callable[[int, int], np.ndarray] | None = None
    """Weights (count,) from k₀ on: what the run reports is θ̄, and its state (θ, memory)."""
    relative: bool = False
    """Whether the gradient is that of log L."""


@dataclass(frozen=True, eq=False)
class Optimizer(ABC):
    """The base of flows and steps. ``weight_decay`` adds the gradient of (λ/2)‖θ‖² to the loss's; an
    ``Until`` switches it off.
    """

    weight_decay: Any = field(default=0.0, kw_only=True)

    source = ""
    """Key into refs.bib."""

    def __post_init__(self) -> None:
        if not isinstance(self.weight_decay, Until):
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
    and carry batch axes); ``block_rates`` only where block rates make sense. A flow with memory, or one that
    moves in coordinates of its own, gives a ``chart`` instead: what is integrated is then the chart's q,
    which may hold more than θ (a velocity, integrals along the run).
    """

    def velocity(self, theta: np.ndarray, gradient: np.ndarray, layout: Layout) -> np.ndarray:
        """θ̇ (..., P)."""
        raise NotImplementedError(f"{type(self).__name__} moves in a chart of its own")

    def chart(self, setting: Any) -> Chart | None:
        """The coordinates in which this flow is integrated; None: θ itself, or a log chart of it."""
        return None

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

    state_degrees: ClassVar[tuple[int, ...] | None] = None
    """How the rows of the state scale with the gradients, for methods whose steps do not: as a loss vanishes, runs
    measure both in smaller and smaller units. None: gradients are taken as they are."""
    floor_degrees: ClassVar[dict[str, int]] = {}
    """How the fields that are added to parts of the state scale."""

    exponential: ClassVar[bool] = False
    """Whether a step multiplies product coordinates by exp(∓x − s), in place of 1 ∓ x − s."""

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


def check_per_loss(optimizer: Any) -> None:
    """Steps of η/L have no weight decay."""
    object.__setattr__(optimizer, "per_loss", bool(optimizer.per_loss))
    if optimizer.per_loss and optimizer.weight_decay:
        raise ValueError("per_loss=True divides the step by L alone: it has no weight_decay")


def per_loss_misfit(optimizer: Any, problem: Any) -> str | None:
    """Why no step of η/L can be taken on a problem; None when it can, or need not."""
    if optimizer.per_loss and problem.attains_zero:
        return (
            f"per_loss=True is for losses that vanish at infinity only, not for this {type(problem).__name__}"
        )
    return None


def slope(optimizer: Any, oracle: Oracle, theta: np.ndarray) -> np.ndarray:
    """∇L(θ), or with ``per_loss`` ∇L(θ)/L(θ)."""
    return oracle.relative(theta) if optimizer.per_loss else oracle(theta)


def decay_at(optimizer: Any, t: float) -> float:
    """λ(t) of an optimizer's weight decay."""
    decay = getattr(optimizer, "weight_decay", 0.0)
    return decay.at(t) if isinstance(decay, Until) else float(decay)


def decay_sizes(optimizer: Any, t: float, sizes: np.ndarray) -> np.ndarray:
    """λ of each of the coming steps of these sizes, the first at time t."""
    decay = getattr(optimizer, "weight_decay", 0.0)
    if not isinstance(decay, Until):
        return np.full(sizes.size, float(decay))
    starts = t + np.concatenate([[0.0], np.cumsum(sizes)[:-1]])
    # a step that begins at the switch up to rounding is past it
    return np.where(starts < decay.time * (1 - 1e-12), decay.value, 0.0)


def decay_integral(optimizer: Any, t: float = np.inf) -> float:
    """∫₀ᵗ λ; infinite for decay that is kept on."""
    decay = getattr(optimizer, "weight_decay", 0.0)
    if isinstance(decay, Until):
        return decay.integral(t)
    return float(decay) * t if decay else 0.0


def step_sizes(optimizer: Any, k0: int, count: int) -> np.ndarray:
    """η_{k₀}, …, η_{k₀+count−1}, evaluated outside the kernels; fewer where a callable fails later.

    Raises
    ------
    ValueError
        naming k₀, when a callable returns something for it that is not a finite number > 0.
    """
    step: Any = getattr(optimizer, "time_step", None)
    if step is None:
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
