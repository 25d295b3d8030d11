"""Arc length φ(w) = ∫ √ψ″ dw of a separable potential, and w(φ): the coordinates in which its metric is flat.

With w′(φ)² = 1/ψ″(w), gradient flow in φ moves w by ẇ = −w′² g = −g/ψ″, the mirror flow of ψ. Powers have closed
forms, hypentropies one table for each depth. For others w(φ) is tabulated outwards from zero (or from a point
inside, where zero is infinitely far away), in panels on which polynomials of degree 11 hold √ψ″, w and w′ to
rounding; where √ψ″ is singular at zero, in logarithms of both. Tables grow as points farther out are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from .arc_table import Arcsinh, Logs, Ratio, Side, VanishingCurvature
from .entropies import Entropy, Hypentropy
from .potentials import Euclidean, Mahalanobis, PNorm, Potential
from .powers import Power

__all__ = ["ArcLength", "arc_length"]

EPS = float(np.finfo(float).eps)
NEAR = 1e-24
"""Where, relative to the size of w, a singularity at zero has become a power."""
SINGULAR = 1e-6
"""Exponents of |w| that are not zero."""


class ArcLength(Protocol):
    """φ(w) and w(φ) of one potential, entry by entry."""

    @property
    def keeps_signs(self) -> bool:
        """Whether w = 0 cannot be crossed: w′ is zero there, or zero is outside."""

    @property
    def base(self) -> float:
        """The w at φ = 0."""

    def length(self, w: np.ndarray) -> np.ndarray:
        """φ(w)."""

    def point(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(w, w′) at φ: to first order in imaginary parts; infinite beyond the largest φ."""


def arc_length(psi: Potential) -> ArcLength:
    """φ(w) = ∫√ψ″ of a separable potential.

    Raises
    ------
    ValueError
        for a joint potential, where ψ″ vanishes inside the domain, and for a ψ of no closed form whose coordinates
        have different ψ″.

    >>> phi = arc_length(PNorm(1.5))
    >>> w, slope = phi.point(phi.length(np.array([4.0, -0.25])))
    >>> w.round(12), (slope**2 * PNorm(1.5).hessian(w)).round(12)
    (array([ 4.  , -0.25]), array([1., 1.]))
    """
    if not psi.separable:
        raise ValueError(
            f"{type(psi).__name__} is no sum over coordinates, and w′(φ)² = 1/ψ″(w) is for one coordinate each"
        )
    if isinstance(psi, PNorm) and psi.p > 2:
        raise VanishingCurvature(0.0)
    for kind, law in POWER_LAWS.items():
        if isinstance(psi, kind):
            return law(psi)
    return _Scaled(psi) if isinstance(psi, Hypentropy) else _Table(psi)


class _PowerLaw(NamedTuple):
    """φ = k sgn(w)|w|^α."""

    k: Any
    alpha: float
    base: float = 0.0

    @property
    def keeps_signs(self) -> bool:
        return self.alpha != 1

    def length(self, w: np.ndarray) -> np.ndarray:
        return np.asarray(self.k * np.sign(w) * np.abs(w) ** self.alpha)

    def point(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        sign, r = np.sign(np.real(phi)), 1 / self.alpha
        size = sign * phi / self.k
        return sign * size**r if r != 1 else phi / self.k, r / self.k * size ** (r - 1)


POWER_LAWS: dict[type, Callable[[Any], _PowerLaw]] = {
    Euclidean: lambda psi: _PowerLaw(1.0, 1.0),
    Mahalanobis: lambda psi: _PowerLaw(np.sqrt(psi.M), 1.0),
    PNorm: lambda psi: _PowerLaw(2 * np.sqrt(psi.p - 1) / psi.p, psi.p / 2),
    Entropy: lambda psi: _PowerLaw(2.0, 0.5),
    Power: lambda psi: _PowerLaw(1.0, 1 / psi.a),
}


class _Scaled:
    """Hypentropy: ψ″(w) = (r/c) h(w/c) with h = ψ″ at c = 1, so that φ = √(rc) Φ(w/c)."""

    keeps_signs = False
    base = 0.0

    def __init__(self, psi: Hypentropy) -> None:
        reach = 1.0 if psi.depth == 2 else psi.reach
        self.c, self.unit = np.exp(psi.log_c), np.sqrt(reach) * np.exp(np.asarray(psi.log_c) / 2)
        self.table = _Table(Hypentropy(0.0, psi.depth))

    def length(self, w: np.ndarray) -> np.ndarray:
        return self.unit * self.table.length(w / self.c)

    def point(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        w, slope = self.table.point(phi / self.unit)
        return self.c * w, self.c / self.unit * slope


class _Table:
    """φ from ``base`` on: one :class:`Side` for each sign of φ, the same one where ψ″ is even."""

    def __init__(self, psi: Potential) -> None:
        self.psi = psi
        home = float(np.ravel(getattr(psi, "point", 1.0))[0]) or 1.0
        exponents = [self._exponent(s * NEAR * abs(home)) for s in (1, -1)]
        inside = [g for g in exponents if g > SINGULAR - 1]
        if inside and max(inside) > SINGULAR and psi.interior(np.zeros(1))[0] == 0:
            raise VanishingCurvature(0.0)
        self.base = 0.0 if inside else home
        self.keeps_signs = len(inside) < 2 or max(np.abs(inside)) > SINGULAR
        self.sides = [self._side(s, abs(home), g) for s, g in zip((1, -1), exponents)]
        if self._even():
            self.sides[1] = self.sides[0]

    def _side(self, sign: int, home: float, exponent: float) -> Side | None:
        if self.base:
            return Side(self.curvature, Ratio(self.base, sign), sign)
        if exponent <= SINGULAR - 1:
            return None
        if abs(exponent) <= SINGULAR:
            return Side(self.curvature, Arcsinh(sign * home), sign)
        return Side(self.curvature, Logs(sign * NEAR * home), sign, 1 + exponent)

    def curvature(self, w: np.ndarray) -> np.ndarray:
        """ψ″ entry by entry; NaN outside the domain."""
        column = w[:, None]
        near = self.psi.interior(column)
        with np.errstate(all="ignore"):
            h = self.psi.hessian(near)
        if h.shape != column.shape:
            raise ValueError(
                f"the coordinates of this {type(self.psi).__name__} differ, and w(φ) is tabulated for one of them"
            )
        return np.where(near == column, h, np.nan)[:, 0]

    def _exponent(self, w: float) -> float:
        """γ with √ψ″ ~ |w|^γ between w and 2w; −∞ outside the domain."""
        a, b = self.curvature(np.array([w, 2 * w]))
        return float(np.log2(b / a) / 2) if a > 0 and b > 0 and np.isfinite(a) else -np.inf

    def _even(self) -> bool:
        if self.base or None in self.sides:
            return False
        out = np.geomspace(1e-3, 10, 9)
        a, b = self.curvature(out), self.curvature(-out)
        return bool(np.all((np.abs(a - b) <= 4 * EPS * np.abs(a)) | (np.isnan(a) & np.isnan(b))))

    def length(self, w: np.ndarray) -> np.ndarray:
        plus, minus = self.sides
        sign = np.where(np.real(w) < self.base, -1.0, 1.0)
        if plus is minus and plus is not None:
            return sign * plus.length(sign * w)
        return np.where(
            sign > 0,
            np.nan if plus is None else plus.length(np.where(sign > 0, w, self.base)),
            np.nan if minus is None else minus.length(np.where(sign < 0, w, self.base)),
        )

    def point(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        plus, minus = self.sides
        sign = np.where(np.real(phi) < 0, -1.0, 1.0)
        if plus is minus and plus is not None:
            w, slope = plus.point(sign * phi)
            return sign * w, slope
        nowhere = (np.full(np.shape(phi), np.nan),) * 2
        up = nowhere if plus is None else plus.point(np.where(sign > 0, phi, 0.0))
        down = nowhere if minus is None else minus.point(np.where(sign < 0, phi, 0.0))
        w, slope = (np.where(sign > 0, a, b) for a, b in zip(up, down))
        return w, slope
