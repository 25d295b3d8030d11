"""Powers: what power propagation selects, and the square of a norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import number, real_array
from ..records import record
from .potentials import Potential, Stage, diagonal, halved, require

__all__ = ["Power", "SquaredPNorm"]


@record
class Power(Potential):
    """What w = φ|φ|^{a−1} selects under gradient flow, a ≥ 2: ψ″(w) = |w|^{2/a−2}/a² on one orthant.

    With dφ/dt = −a|φ|^{a−1}g, dw/dt = −a²|w|^{2−2/a} g, so z = ∇ψ(w) moves by −∫g dt where

        a = 2:   z = ¼ σ ln|w|,                     w = σ exp(4σz),              ψ = ¼ Σ_j |w_j| (ln|w_j| − 1)
        a > 2:   z = −σ|w|^{−(a−2)/a}/(a(a−2)),     w = σ (−a(a−2)σz)^{−a/(a−2)},  σz < 0
                                                                            ψ = −Σ_j |w_j|^{2/a}/(2(a − 2))

    [schwarz2021powerpropagation]. Zero is never reached nor crossed: σ_j = sgn w_j is a constant of the
    flow, +1 or what ``signs`` (d,) holds. Where σz ≥ 0, ``inverse_gradient`` is σ∞.

    Raises
    ------
    ValueError
        for a < 2, where signs are not kept and ψ is PNorm(2/a) up to a factor; by the value and the gradient
        at a w outside the orthant.

    >>> psi = Power(3, signs=[1, -1])
    >>> psi.inverse_gradient(psi.gradient(np.array([8.0, -1.0]))).round(12)
    array([ 8., -1.])
    """

    a: float
    signs: Any = None

    def __post_init__(self) -> None:
        a = number("a", self.a, "be a finite number ≥ 2", lambda a: True)
        if a < 2:
            instead = (
                f"; below 2, signs change and the potential is PNorm(2/a), here PNorm({2 / a:g})"
                if a >= 1
                else ""
            )
            raise ValueError(f"a must be ≥ 2, got {self.a!r}{instead}")
        object.__setattr__(self, "a", a)
        if self.signs is not None:
            signs = real_array("signs", self.signs, (None,))
            if not np.all(np.abs(signs) == 1):
                raise ValueError(f"signs must hold +1 and −1 only, got {self.signs!r:.80}")
            object.__setattr__(self, "signs", signs)

    newton = "curve"

    @property
    def _sign(self) -> Any:
        return 1.0 if self.signs is None else self.signs

    def value(self, w: np.ndarray) -> np.ndarray:
        size = self._sign * w
        require(size >= 0, "Power needs a w in the orthant of its signs", w)
        if self.a == 2:
            return np.sum(size * (np.log(np.where(size == 0, 1.0, size)) - 1), axis=-1) / 4
        return -np.sum(size ** (2 / self.a), axis=-1) / (2 * (self.a - 2))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        size = self._sign * w
        require(size > 0, "the gradient of Power needs a w inside the orthant of its signs", w)
        if self.a == 2:
            return self._sign * np.log(size) / 4
        return -self._sign * size ** ((2 - self.a) / self.a) / (self.a * (self.a - 2))

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        a = self.a
        if a == 2:
            return self._sign * np.exp(4 * self._sign * z)
        depth = -a * (a - 2) * self._sign * z
        inside = np.real(depth) > 0
        with np.errstate(over="ignore"):
            return self._sign * np.where(inside, np.where(inside, depth, 1.0) ** (-a / (a - 2)), np.inf)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return np.abs(w) ** (2 / self.a - 2) / self.a**2

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        return self.a**2 * np.abs(self.inverse_gradient(z)) ** (2 - 2 / self.a)

    def interior(self, w: np.ndarray) -> np.ndarray:
        return np.zeros_like(w) + self._sign * (np.max(np.abs(w)) or 1.0)

    def approach(self, z0: np.ndarray, w: np.ndarray) -> list[Stage]:
        """Starts of the size of w, then of the square root, …, of what is asked: ln|w| halved, on the average."""
        if self.a == 2:
            return [Stage(self, z, 2.0) for z in halved(z0, self.gradient(w), reach=2.0)]
        far = np.mean(np.log(np.abs(z0)) - np.log(np.abs(self.gradient(w))))
        logs = halved(np.zeros(1), -far, reach=8.0 * (1 - 2 / self.a))
        shrunk = np.exp(np.concatenate(logs))
        longer = [1.0, *(shrunk[1:] / shrunk[:-1])]
        return [Stage(self, f * z0, stretch) for f, stretch in zip(shrunk, longer)]


@record
class SquaredPNorm(Potential):
    """ψ(w) = ½‖w‖_p², p > 1: z = ‖w‖_p^{2−p} sgn(w)|w|^{p−1}, and ψ*(z) = ½‖z‖_q² with 1/p + 1/q = 1.

    From z₀ = 0 it selects what ``PNorm(p)`` does, from other starts not: ψ is not separable. Its mirror
    map is homogeneous of degree one. Where some w_j = 0, ∇²ψ is infinite for p < 2; at w = 0 it has no
    limit and is NaN, except for p = 2.

    >>> psi = SquaredPNorm(3)
    >>> float(psi.value(np.array([1.0, 0.0])))
    0.5
    >>> psi.inverse_gradient(psi.gradient(np.array([1.0, -2.0]))).round(12)
    array([ 1., -2.])
    """

    p: float

    separable = False

    def __post_init__(self) -> None:
        p = number("p", self.p, "be finite and > 1 (p = 1 is a limit, not a potential)", lambda p: p > 1)
        object.__setattr__(self, "p", p)

    @property
    def newton(self) -> str:  # type: ignore[override]
        """For p > 2 the slope of |z|^{q−1} at zero is infinite."""
        return "dual" if self.p <= 2 else "primal"

    def value(self, w: np.ndarray) -> np.ndarray:
        return 0.5 * size_and_unit(w, self.p)[0][..., 0] ** 2

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return map_of(w, self.p)

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        return map_of(z, self.p / (self.p - 1))

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return slope_of(w, self.p)

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        return slope_of(z, self.p / (self.p - 1))

    def relaxations(self) -> list[Potential]:
        """p − 1 doubled or halved from p = 2 on."""
        stages: list[Potential] = [self]
        r = self.p - 1
        while r > 2 or r < 0.5:
            r = r / 2 if r > 2 else r * 2
            stages.append(SquaredPNorm(r + 1))
        return stages[::-1]

    def carry(self, other: Potential, z: np.ndarray) -> np.ndarray:
        """That of the same w."""
        return other.gradient(self.inverse_gradient(z))


def size_and_unit(x: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray]:
    """(‖x‖_p, x/‖x‖_p), the norm with a last axis of one; analytic in complex x away from zero entries."""
    largest = np.max(np.abs(x), axis=-1, keepdims=True)
    scaled = x / np.where(largest == 0, 1.0, largest)
    sized = np.sign(np.real(scaled)) * scaled
    norm = np.sum(sized**p, axis=-1, keepdims=True) ** (1 / p)
    return largest * norm, scaled / np.where(norm == 0, 1.0, norm)


def map_of(x: np.ndarray, p: float) -> np.ndarray:
    """∇½‖x‖_p² = ‖x‖_p sgn(u)|u|^{p−1} at u = x/‖x‖_p."""
    size, unit = size_and_unit(x, p)
    sign = np.sign(np.real(unit))
    return size * sign * (sign * unit) ** (p - 1)


def slope_of(x: np.ndarray, p: float) -> np.ndarray:
    """∇²½‖x‖_p² = (p−1) diag |u|^{p−2} − (p−2) s sᵀ with s = sgn(u)|u|^{p−1}, u = x/‖x‖_p."""
    size, unit = size_and_unit(x, p)
    s = np.sign(unit) * np.abs(unit) ** (p - 1)
    with np.errstate(divide="ignore"):
        curvature = (p - 1) * np.abs(unit) ** (p - 2) if p != 2 else np.ones_like(unit)
    slope = diagonal(curvature) + (2 - p) * s[..., :, None] * s[..., None, :]
    return np.where((size == 0)[..., None] & (p != 2), np.nan, slope)
