"""Potentials of the length ‖w‖₂ alone: what networks with one output and one hidden neuron select."""

from __future__ import annotations

import numpy as np

from ..checks import number
from ..records import record
from .potentials import Potential

__all__ = ["HiddenNeuron", "NormPower"]


@record
class HiddenNeuron(Potential):
    """The potential of w = a·v, v (d,) and a scalar a > 0 with a² − ‖v‖² = δ kept: its mirror map is w ↦ v.

        ∇ψ*(v) = v √(‖v‖² + δ),     ψ*(v) = ⅓ (‖v‖² + δ)^{3/2} − ⅓ δ₊^{3/2},
        ψ(w) = q(‖w‖),              q′(r) = √(√(r² + δ²/4) − δ/2)

    [azulay2021shape]. For δ → ∞, ψ tends to ½‖w‖²/√δ; δ = 0 gives ⅔‖w‖^{3/2}; for δ < 0, ψ has a kink √|δ|·‖w‖
    at zero, where every v with ‖v‖² ≤ −δ is a dual point and ``gradient`` gives the shortest.

    >>> psi = HiddenNeuron(3.0)
    >>> psi.gradient(np.array([2.0, 0.0]))
    array([1., 0.])
    >>> psi.inverse_gradient(np.array([1.0, 0.0]))
    array([2., 0.])
    """

    delta: float

    separable = False

    @property
    def newton(self) -> str:  # type: ignore[override]
        """For δ < 0, ∇ψ* is constant on a ball, where Newton's method on the dual would rest."""
        return "dual" if self.delta >= 0 else "primal"

    def __post_init__(self) -> None:
        object.__setattr__(self, "delta", number("delta", self.delta, "be finite", lambda delta: True))

    def _squares(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(a², ‖v‖²) at w = a·v, with a last axis of one: product ‖w‖², difference δ."""
        square = np.sum(w * w, axis=-1, keepdims=True)
        larger = np.sqrt(square + self.delta**2 / 4) + abs(self.delta) / 2
        smaller = square / np.where(larger == 0, 1.0, larger)
        return (larger, smaller) if self.delta >= 0 else (smaller, larger)

    def value(self, w: np.ndarray) -> np.ndarray:
        a2, v2 = (x[..., 0] for x in self._squares(w))
        a = np.sqrt(a2)
        if self.delta <= 0:
            return a * (2 * v2 - self.delta) / 3
        return v2 * (2 * a - self.delta / (a + np.sqrt(self.delta))) / 3

    def gradient(self, w: np.ndarray) -> np.ndarray:
        a = np.sqrt(self._squares(w)[0])
        return w / np.where(a == 0, 1.0, a)

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        return z * self._output(z)

    def _output(self, z: np.ndarray) -> np.ndarray:
        """a = √(‖z‖² + δ), zero inside the ball where w is."""
        a2 = np.sum(z * z, axis=-1, keepdims=True) + self.delta
        return np.sqrt(np.where(np.real(a2) > 0, a2, 0.0))

    def hessian(self, w: np.ndarray) -> np.ndarray:
        """(I − vvᵀ/(a² + ‖v‖²))/a; infinite at the kink."""
        a2, v2 = (x[..., None] for x in self._squares(w))
        v = self.gradient(w)
        with np.errstate(divide="ignore", invalid="ignore"):
            return (np.eye(w.shape[-1]) - v[..., :, None] * v[..., None, :] / (a2 + v2)) / np.sqrt(a2)

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        """a I + zzᵀ/a."""
        a = self._output(z)[..., None]
        outer = z[..., :, None] * z[..., None, :]
        return a * np.eye(z.shape[-1]) + np.where(a == 0, 0.0, outer / np.where(a == 0, 1.0, a))


@record
class NormPower(Potential):
    """ψ(w) = ‖w‖₂^p / p, 1 < p ≤ 2: z = ‖w‖^{p−2} w and w = ‖z‖^{q−2} z with 1/p + 1/q = 1.

    p = 1 + 1/N belongs to the balanced linear network of N layers and one output [azulay2021shape].

    >>> psi = NormPower(1.5)
    >>> psi.inverse_gradient(psi.gradient(np.array([3.0, 4.0]))).round(12)
    array([3., 4.])
    """

    p: float

    separable = False

    def __post_init__(self) -> None:
        p = number("p", self.p, "satisfy 1 < p ≤ 2 (p = 1 is a limit, not a potential)", lambda p: 1 < p <= 2)
        object.__setattr__(self, "p", p)

    def value(self, w: np.ndarray) -> np.ndarray:
        return np.sqrt(np.sum(w * w, axis=-1)) ** self.p / self.p

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return _map(w, self.p)

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        return _map(z, self.p / (self.p - 1))

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return _slope(w, self.p)

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        return _slope(z, self.p / (self.p - 1))


def _length(x: np.ndarray) -> np.ndarray:
    """‖x‖₂ with a last axis of one; analytic in complex x."""
    return np.sqrt(np.sum(x * x, axis=-1, keepdims=True))


def _map(x: np.ndarray, p: float) -> np.ndarray:
    """‖x‖^{p−2} x, which is 0 at 0."""
    size = _length(x)
    return np.where(size == 0, 1.0, size) ** (p - 2) * x


def _slope(x: np.ndarray, p: float) -> np.ndarray:
    """‖x‖^{p−2} (I + (p − 2) x̂x̂ᵀ); at x = 0 not finite for p < 2."""
    size = _length(x)
    unit = x / np.where(size == 0, 1.0, size)
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = np.eye(x.shape[-1]) + (p - 2) * unit[..., :, None] * unit[..., None, :]
        return size[..., None] ** (p - 2) * turned
