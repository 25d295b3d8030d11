"""The potential of an elementwise product of factors."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..checks import real_array
from ..records import record
from .potentials import Potential

__all__ = ["ProductPotential"]

PANEL = 0.5
"""Width of a panel of the quadrature. The integrand is analytic for |Im x| < π/2, so that Gauss's rule with ten
nodes on a panel is wrong by a factor of order (4π)^{−20}."""
ABSCISSAE, WEIGHTS = (a.astype(float) for a in np.polynomial.legendre.leggauss(10))
REACH = 42.0
"""The integrand falls at least like e^{−x} once it falls: e^{−42} is below the rounding of the integral."""


class _Table(NamedTuple):
    """The integrals over whole panels: below (J + 1, d) and above (J + 1, d) each edge (J + 1,)."""

    edges: np.ndarray
    below: np.ndarray
    above: np.ndarray


@record
class ProductPotential(Potential):
    """The potential that gradient flow on w = Π_k θ_k, θ (D, d), descends by, D ≥ 3.

    The flow conserves θ_k² − θ_l². Let m be the factor of least square (its sign that of w) and δ_k = θ_k² − m² > 0
    for the others, ``deltas`` (D − 1,) or (D − 1, d). Then

        w = m P(m),   P(m) = Π_k √(m² + δ_k),   ψ′(w) = τ(m) = ∫₀^m ds/P(s),   ψ = Σ_j w τ − m²/2,

    and the flow moves z = ψ′(w) by ż = −∇_w L. As w → ±∞, z tends to ±τ(∞), which is finite: the dual points are
    those of an open box. For two factors ψ is ``Hypentropy(log(δ/2))``/2.

    >>> psi = ProductPotential(np.array([1.0, 1.0]))  # w = m(m² + 1), τ = arctan m
    >>> psi.gradient(np.array([2.0])) * 4 / np.pi
    array([1.])
    >>> psi.inverse_gradient(np.array([np.pi / 4])).round(12)
    array([2.])
    """

    deltas: Any

    def __post_init__(self) -> None:
        deltas = real_array("deltas", self.deltas)
        if deltas.ndim not in (1, 2) or len(deltas) < 2 or not np.all(deltas > 0):
            raise ValueError(
                f"deltas are the gaps δ_k > 0 of D − 1 ≥ 2 squares to the least, (D − 1,) or (D − 1, d); got shape "
                f"{deltas.shape}, least entry {deltas.min():.3g}"
            )
        object.__setattr__(self, "deltas", deltas)

    newton = "curve"

    # -- the four maps --------------------------------------------------------------------------

    def value(self, w: np.ndarray) -> np.ndarray:
        m = self.least_factor(w)
        return np.sum(np.abs(w) * self._integral(m) - m * m / 2, axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return np.sign(w) * self._integral(self.least_factor(w))

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(z):  # a complex step: to first order in the imaginary part
            real = np.real(z)
            return self.inverse_gradient(real) + 1j * np.imag(z) * self.inverse_hessian(real)
        m = self.factor_at(z)
        return np.sign(z) * m * np.prod(self._others(m), axis=0)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return 1.0 / self._speed(self.least_factor(w))

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        return self._speed(self.factor_at(z))

    @property
    def box(self) -> np.ndarray:
        """τ(∞) (d,), the half-width of the box of dual points."""
        box: np.ndarray = self._unit() * self._table.above[0]
        return box

    # -- from w and from z to the least factor ----------------------------------------------------

    def least_factor(self, w: np.ndarray) -> np.ndarray:
        """m ≥ 0 with m P(m) = |w|."""
        size = np.abs(w)
        positive = np.where(size > 0, size, 1.0)
        log_w, log_d = np.log(positive), np.log(self._gaps(w))
        # m P(m) is at least m Π√δ_k and at least m^D: the lesser bound starts Newton's method on the convex
        # increasing ln w(ln m) from above, where it converges without safeguards
        x = np.minimum(log_w - np.sum(log_d, axis=0) / 2, log_w / (len(log_d) + 1))
        for _ in range(60):
            t = 2 * x - log_d
            share = 1 / (1 + np.exp(-np.clip(t, -700.0, 700.0)))  # m²/(m² + δ_k)
            excess = x + np.sum(log_d + np.logaddexp(0.0, t), axis=0) / 2 - log_w
            step = excess / (1 + np.sum(share, axis=0))
            x = x - step
            if np.all(np.abs(step) <= 1e-15 * np.maximum(1.0, np.abs(x))):
                break
        return np.where(size > 0, np.exp(x), 0.0)

    def factor_at(self, z: np.ndarray) -> np.ndarray:
        """m ≥ 0 with τ(m) = |z|; infinite on the box and beyond."""
        edges, below, above = self._table
        t = np.abs(z) / self._unit()
        left = above[0] - t
        # the nearer end decides, so that neither integral is a difference of larger ones
        j = np.clip(np.sum(t[..., None, :] >= below, axis=-2) - 1, 0, len(edges) - 2)
        low, high = _at(below, j), _at(above, j + 1)
        a, b = edges[j], edges[j + 1]
        near = t <= above[0] / 2
        x = a + (b - a) / 2
        for _ in range(40):
            here = np.where(near, self._panel(a, x) - (t - low), (left - high) - self._panel(x, b))
            step = here / self._slope(x)
            moved = np.clip(x - step, a, b)
            done = np.abs(moved - x) <= 1e-16 + 4e-16 * x
            x = moved
            if np.all(done):
                break
        return np.where(left > 0, np.sqrt(self._gaps(z).min(axis=0)) * np.sinh(x), np.inf)

    # -- quadrature in x, m = √δ₁ sinh x with δ₁ the least gap --------------------------------------

    def _gaps(self, like: np.ndarray) -> np.ndarray:
        """δ (D − 1, d) against arrays (..., d)."""
        deltas: np.ndarray = self.deltas if self.deltas.ndim == 2 else self.deltas[:, None]
        return deltas.reshape(len(deltas), *(1,) * (np.ndim(like) - 1), -1)

    @cached_property
    def _ratios(self) -> np.ndarray:
        """δ_k/δ₁ of all gaps but the least, (D − 2, d)."""
        ordered = np.sort(self._gaps(np.zeros(1)), axis=0)
        ratios: np.ndarray = ordered[1:] / ordered[0]
        return ratios

    def _unit(self) -> np.ndarray:
        """δ₁^{−(D−2)/2} (d,): τ is that times the integral in x."""
        unit: np.ndarray = self._gaps(np.zeros(1)).min(axis=0) ** (-len(self._ratios) / 2)
        return unit

    def _slope(self, x: np.ndarray) -> np.ndarray:
        """dτ/dx / unit = Π_k (sinh²x + δ_k/δ₁)^{−1/2}, x (..., d)."""
        slope = np.ones(np.broadcast_shapes(x.shape, self._ratios.shape[-1:]))
        for r in self._ratios:
            slope = slope / np.sqrt(np.sinh(x) ** 2 + r)
        return slope

    def _panel(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """∫_a^b slope over at most one panel."""
        half, middle = (b - a) / 2, (a + b) / 2
        total = np.zeros(np.broadcast_shapes(half.shape, self._ratios.shape[-1:]))
        for node, weight in zip(ABSCISSAE, WEIGHTS):
            total = total + weight * self._slope(middle + half * node)
        return half * total

    @cached_property
    def _table(self) -> _Table:
        end = REACH + np.log(4 * float(self._ratios.max())) / 2
        edges = PANEL * np.arange(int(np.ceil(end / PANEL)) + 1)
        parts = self._panel(edges[:-1, None], edges[1:, None])
        zero = np.zeros((1, parts.shape[1]))
        below = np.concatenate([zero, np.cumsum(parts, axis=0)])
        above = np.concatenate([np.cumsum(parts[::-1], axis=0)[::-1], zero])
        return _Table(edges, below, above)

    def _integral(self, m: np.ndarray) -> np.ndarray:
        """τ(m) for m ≥ 0."""
        edges, below, _ = self._table
        x = np.minimum(np.arcsinh(m / np.sqrt(self._gaps(m).min(axis=0))), edges[-1])
        j = np.minimum((x / PANEL).astype(int), len(edges) - 2)
        return self._unit() * (_at(below, j) + self._panel(edges[j], x))

    def _others(self, m: np.ndarray) -> np.ndarray:
        """√(m² + δ_k), (D − 1, ..., d)."""
        return np.hypot(m, np.sqrt(self._gaps(m)))

    def _speed(self, m: np.ndarray) -> np.ndarray:
        """dw/dτ = Σ_l Π_{k≠l} θ_k² = P² (1 + m² Σ_k 1/(m² + δ_k))."""
        squares = self._others(m) ** 2
        return np.prod(squares, axis=0) * (1 + np.sum(m * m / squares, axis=0))


def _at(table: np.ndarray, j: np.ndarray) -> np.ndarray:
    """table[j_i, i] for j (..., d) and a table (J + 1, d), or (J + 1, 1) for all i."""
    return table[j, np.arange(table.shape[1]) if table.shape[1] > 1 else 0]
