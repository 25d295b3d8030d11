"""The one abstract base of every model, and the layout of its parameters."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive, real_array
from ..records import record

if TYPE_CHECKING:
    from ..geometry import Potential
    from ..problems import Problem

__all__ = ["Balanced", "Chart", "Layout", "Model"]

Theta = Any
"""Parameters as a user writes them: one array, or a tuple of arrays (one per block)."""


@record
class Balanced:
    """The standard start of each model at a given ``scale`` (> 0), resolved by ``model.balanced``.

    ``rng`` draws orthonormal bases where a model has them; a Generator contributes one key.
    ``signs`` (d,) sets the signs of w where a model's start has them (PowerPropagation).
    """

    scale: float
    rng: Any = None
    signs: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", positive("scale", self.scale))
        if self.signs is not None:
            signs = np.sign(real_array("signs", self.signs))
            if not signs.all():
                raise ValueError(f"signs must not be zero, got {self.signs!r:.80}")
            signs.flags.writeable = False
            object.__setattr__(self, "signs", signs)
        if isinstance(self.rng, np.random.Generator):
            object.__setattr__(self, "rng", int(self.rng.integers(2**63)))


@dataclass(frozen=True)
class Layout:
    """Where the named blocks of θ lie in the flat vector (P,); leading batch axes are kept."""

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    single: bool = False
    """θ is one array rather than a tuple of arrays."""

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(int(np.prod(s)) for s in self.shapes)

    @cached_property
    def size(self) -> int:
        """P, the number of parameters."""
        return sum(self.sizes)

    def split(self, flat: np.ndarray) -> Theta:
        """The blocks of ``flat`` (..., P), in the structure of θ."""
        if self.single:
            return flat.reshape(flat.shape[:-1] + self.shapes[0])
        blocks, start = [], 0
        for size, shape in zip(self.sizes, self.shapes):
            blocks.append(flat[..., start : start + size].reshape(flat.shape[:-1] + shape))
            start += size
        return tuple(blocks)

    def join(self, theta: Theta) -> np.ndarray:
        """The flat vector (..., P) of the blocks; the inverse of :meth:`split`."""
        blocks = [np.asarray(b) for b in ((theta,) if self.single else theta)]
        rows = [
            b.reshape(b.shape[: b.ndim - len(s)] + (size,))
            for b, s, size in zip(blocks, self.shapes, self.sizes)
        ]
        return rows[0] if len(rows) == 1 else np.concatenate(rows, axis=-1)


class Chart(ABC):
    """Coordinates q for θ in which a gradient flow is integrated.

    Both directions of the change of coordinates, the predictor, and −q̇ = ``gradient(q, g)`` of the
    flow θ̇ = −r∘∇_θ L for block rates r, given g = ∇_w L; all analytic in q, with batch axes.
    """

    name: str = "ordinary"

    decay: float = 0.0
    """λ of the weight decay, which ``gradient`` includes; the integrator switches it off in time."""

    @property
    def homogeneous(self) -> bool:
        """Whether ``gradient`` is of degree one in g, as it is not under weight decay."""
        return self.decay == 0.0

    @abstractmethod
    def encode(self, theta: np.ndarray) -> np.ndarray:
        """q of flat θ."""

    @abstractmethod
    def decode(self, q: np.ndarray) -> np.ndarray:
        """Flat θ of q."""

    @abstractmethod
    def predictor(self, q: np.ndarray) -> np.ndarray:
        """w of q."""

    @abstractmethod
    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        """−q̇ under the gradient flow with ∇_w L = g."""

    def watch(self, q: np.ndarray, t: float, step: int) -> None:
        """Called with q at time t after each accepted step of the integrator, for events that a chart wants to see."""
        return

    def accumulators(self, q: np.ndarray) -> dict[str, np.ndarray]:
        """Integrals along the run that q holds beside θ, by name."""
        return {}


class Model(ABC):
    """A parametrisation w = w(θ).

    For developers: implement three functions and everything else works.

    - ``shapes(problem)``: the shape of θ when it is one array, or a dict (or tuple) of the shapes
      of its blocks when it is a tuple of arrays;
    - ``predictor(theta)``: w, from θ in that structure;
    - ``pullback(theta, g)``: ∇_θ L = (∂w/∂θ)ᵀg, in the structure of θ, given g = ∇_w L.

    Accept leading batch axes and complex θ where you can (analytic formulas only): then a flow's
    Jacobian comes from one batched complex step; otherwise from finite differences.
    """

    @abstractmethod
    def shapes(self, problem: Problem) -> Any:
        """Shape of θ, or the shapes of its blocks."""

    @abstractmethod
    def predictor(self, theta: Theta) -> np.ndarray:
        """w(θ)."""

    @abstractmethod
    def pullback(self, theta: Theta, g: np.ndarray) -> Theta:
        """(∂w/∂θ)ᵀg."""

    def forward(self, theta: Theta) -> tuple[np.ndarray, Any]:
        """(w(θ), parts): whatever of the way to w :meth:`pullback` can use again, as its argument ``parts``.

        Only where there is something to share; then ``pullback(theta, g, parts=None)``.
        """
        return self.predictor(theta), None

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> Theta:
        """The standard start at this scale."""
        raise ValueError(f"{type(self).__name__} has no balanced start: give init as an array")

    def refuses(self, theta: Theta) -> str | None:
        """Why no run can start at θ (a batch of them: at one of them); None where the model is defined."""
        return None

    def split(self, theta: np.ndarray, problem: Problem) -> Theta:
        """The blocks of a flat θ (..., P)."""
        return layout_of(self, problem).split(theta)

    def join(self, theta: Theta, problem: Problem) -> np.ndarray:
        """The flat θ (..., P) of the blocks."""
        return layout_of(self, problem).join(theta)

    def log_chart(self, theta: np.ndarray, rates: np.ndarray) -> Chart | None:
        """A logarithmic chart around flat θ under block rates, or None where there is none."""
        return None

    def mirror_form(
        self, optimizer: Any, theta0: Theta, accumulators: Mapping[str, np.ndarray]
    ) -> tuple[Potential, np.ndarray] | None:
        """(ψ, z₀) with ∇ψ(w_T) − z₀ ∈ range(Xᵀ) along the runs of an optimizer on a regression.

        This is the form that the model's theorems give it; whether they cover the optimizer is
        asked by the rules' hypotheses, not here. None where no such form is known.
        """
        return None

    def from_dual(self, theta0: Theta, potential: Potential, z: np.ndarray) -> Theta:
        """θ on the gradient flow from θ₀ whose predictor has the dual point z."""
        raise NotImplementedError(f"{type(self).__name__} has no dual coordinates")

    def dual_rate(self, potential: Potential) -> float:
        """The r of d∇ψ(w)/dt = −r ∇_w L under the gradient flow, for the ψ of :meth:`mirror_form`."""
        return self.mirror_rate

    def products(self, theta: np.ndarray) -> np.ndarray:
        """(w₊, w₋) of flat θ (..., P), one after the other: the coordinates of ``product_rate``, linear in θ."""
        raise NotImplementedError(f"{type(self).__name__} has no product coordinates")

    def from_products(self, products: np.ndarray) -> np.ndarray:
        """Flat θ of its product coordinates; the inverse of :meth:`products`."""
        raise NotImplementedError(f"{type(self).__name__} has no product coordinates")

    source: str = ""
    """Key into refs.bib."""

    product_rate: float = 0.0
    """One gradient step multiplies the product coordinates w₊, w₋ by 1 ∓ x, x = product_rate·η·∇_w L; 0: the
    model has none. Runs accumulate log_shrink and shift from x (dynamics/oracle.py)."""

    takes_signs: bool = False
    """Whether the balanced start has signs to set."""

    default_init: Balanced | None = None
    """The start when a setting names none; None: it must."""

    mirror_rate: float = 1.0
    """d∇ψ(w)/dt = −mirror_rate · ∇_w L under the gradient flow, where it is one number for the model."""

    dynamics_code: int = -1
    """Which branch of the fused step kernel this model is; −1: none, the Python loop runs it."""

    def layer_form(self, problem: Problem) -> tuple[int, tuple[int, ...]] | None:
        """(code, widths) of a matrix model for its own fused loop (kernels/layers.py); None: it has none."""
        return None


def layout_of(model: Any, problem: Problem) -> Layout:
    """The layout of the parameters of ``model`` (this package's or a user's own) on ``problem``."""
    shapes = model.shapes(problem) if callable(model.shapes) else model.shapes
    if isinstance(shapes, int | np.integer):
        shapes = (shapes,)
    if isinstance(shapes, Mapping):
        return Layout(tuple(shapes), tuple(_shape(s) for s in shapes.values()))
    if all(isinstance(s, int | np.integer) for s in shapes):
        return Layout(("theta",), (_shape(shapes),), single=True)
    return Layout(tuple(f"theta_{i + 1}" for i in range(len(shapes))), tuple(_shape(s) for s in shapes))


def _shape(s: Any) -> tuple[int, ...]:
    return tuple(int(i) for i in (s if isinstance(s, tuple | list) else (s,)))
