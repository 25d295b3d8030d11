"""One side of w(φ), in panels of polynomials: what :mod:`.arc_length` tabulates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Arcsinh", "Logs", "Ratio", "Side", "Unresolved", "VanishingCurvature"]

EPS = float(np.finfo(float).eps)
N = 12
ANGLES = (2 * np.arange(N)[::-1] + 1) * np.pi / (2 * N)
NODES, ONE_MORE = np.cos(ANGLES), 2 * np.cos(ANGLES / 2) ** 2
"""u and 1 + u."""
CHEBYSHEV = 2 / N * np.cos(np.arange(N)[:, None] * ANGLES)
CHEBYSHEV[0] /= 2
"""Values at the nodes to Chebyshev coefficients."""
MONOMIAL = (
    np.array([np.pad(np.polynomial.chebyshev.cheb2poly(e), (0, N))[:N] for e in np.eye(N)]).T @ CHEBYSHEV
)
"""Values at the nodes to coefficients of 1, u, …, u^{N−1}."""
MEAN = np.tril((-1.0) ** (np.arange(N)[:, None] - np.arange(N)[None, :])).T / np.arange(1, N + 1)
"""Coefficients of G to those of (1 + u)⁻¹ ∫_{−1}^u G."""
RESOLVED = 1e-13
"""The last Chebyshev coefficients of a panel, relative to the largest."""
ROUGH = 1e-9
"""What a panel may add to the relative error of φ, where ψ″ is not analytic, or known to fewer digits."""
LEAST = 1e-280
"""Where ψ″ is smaller, it underflows."""
MOST_PANELS = 1000


class Logs(NamedTuple):
    """X = ln(x/unit)."""

    unit: float

    def to(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return np.log(x / self.unit)

    def of(self, X: np.ndarray) -> np.ndarray:
        return self.unit * np.exp(X)

    def slope(self, X: np.ndarray) -> np.ndarray:
        return np.abs(self.of(X))

    def rise(self, x: float, part: np.ndarray) -> np.ndarray:
        """X(x + part) − X(x)."""
        return np.log1p(part / x)

    def part(self, x: float, rise: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`rise`."""
        return x * np.expm1(rise)


class Arcsinh(NamedTuple):
    """X = arcsinh(x/unit)."""

    unit: float

    def to(self, x: np.ndarray) -> np.ndarray:
        return np.arcsinh(x / self.unit)

    def of(self, X: np.ndarray) -> np.ndarray:
        return self.unit * np.sinh(X)

    def slope(self, X: np.ndarray) -> np.ndarray:
        return abs(self.unit) * np.cosh(X)

    def rise(self, x: float, part: np.ndarray) -> np.ndarray:
        a, b = x / self.unit, (x + part) / self.unit
        return np.arcsinh(part / self.unit * (a + b) / (b * np.hypot(1, a) + a * np.hypot(1, b)))

    def part(self, x: float, rise: np.ndarray) -> np.ndarray:
        return 2 * self.unit * np.cosh(np.arcsinh(x / self.unit) + rise / 2) * np.sinh(rise / 2)


class Ratio(NamedTuple):
    """X = ± ln(w/base), for domains on one side of zero."""

    base: float
    sign: int

    def to(self, w: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):  # NaN on the other side of zero
            return self.sign * np.log(w / self.base)

    def of(self, X: np.ndarray) -> np.ndarray:
        return self.base * np.exp(self.sign * X)

    def slope(self, X: np.ndarray) -> np.ndarray:
        return np.abs(self.of(X))


class Side:
    """φ of one sign, |φ| = ∫√ψ″ from the base on: Y(X) and X(Y) in panels, X a coordinate of w, Y one of |φ|, both
    from zero on. With ``power`` α these are logarithms, and below the first panel |φ| ~ |w|^α.
    """

    def __init__(
        self, curvature: Callable[[np.ndarray], np.ndarray], x: Any, sign: int, power: float = 0.0
    ) -> None:
        self.curvature, self.x, self.sign, self.power = curvature, x, sign, power
        start = x.of(np.zeros(1))
        self.slope0 = float(1 / np.sqrt(curvature(start)[0]))
        size = float(x.slope(np.zeros(1))[0]) / self.slope0  # dφ/dX
        self.y: Any = Logs(size / power) if power else Arcsinh(size)
        self.phi = float(self.y.unit) if power else 0.0
        self.width, self.ended = 1.0, False
        self.X, self.Y = np.zeros(1), np.zeros(1)
        self.forward, self.back = np.empty((1, N, 0)), np.empty((2, N, 0))
        self._grow()

    # -- both maps ----------------------------------------------------------------------------------

    def length(self, w: np.ndarray) -> np.ndarray:
        """φ(w)."""
        X = self.x.to(w)
        while self._beyond(X, self.X):
            self._grow()
        (Y,) = _chord(X, self.X, self.Y, self.forward)
        return self.sign * self.y.of(np.where(np.real(X) < 0, self.power * X, Y))

    def point(self, phi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(w, w′) at φ."""
        Y = self.y.to(self.sign * phi)
        while self._beyond(Y, self.Y):
            self._grow()
        X, slope = _chord(Y, self.Y, self.X, self.back)
        if not self.power:
            return self.x.of(X), slope
        low, r = np.real(Y) < 0, 1 / self.power
        small = self.slope0 * np.exp(np.where(low, (r - 1) * Y, 0.0))
        return self.x.of(np.where(low, r * Y, X)), np.where(low, small, slope)

    def _beyond(self, x: np.ndarray, edges: np.ndarray) -> bool:
        real = np.real(x)
        return not self.ended and bool(np.any((real > edges[-1]) & (real < np.inf)))

    # -- the table ----------------------------------------------------------------------------------

    def _grow(self) -> None:
        """One more panel, or the end: of the domain, or of what adds to φ."""
        a, h, last = float(self.X[-1]), self.width, np.inf
        while True:
            panel = self._panel(a, h)
            if panel is not None:
                # where ψ″ has noise or kinks, smaller panels are hardly better ones
                slow = panel.error > last / 16
                if panel.error <= RESOLVED + 8 * EPS * a or (slow and panel.error * h <= ROUGH * (a + h)):
                    break
                last = panel.error
            h /= 2
            if len(self.X) > MOST_PANELS:
                raise Unresolved(float(self.x.of(np.float64(a))), self.phi)
            if h <= 8 * EPS * a or h < 1e-250:
                self._end(a)
                return
        nothing = self.Y[-1] + panel.rise == self.Y[-1]
        if nothing or 0 < panel.rate * max(a, 1.0) < EPS * self.phi:
            self.ended = True  # twice the w adds nothing to φ
            return
        self.X, self.Y = np.append(self.X, a + h), np.append(self.Y, self.Y[-1] + panel.rise)
        self.phi, self.width = self.phi + panel.part, 2 * h
        self.forward = np.append(self.forward, panel.forward[..., None], axis=-1)
        self.back = np.append(self.back, panel.back[..., None], axis=-1)

    def _panel(self, a: float, h: float) -> Panel | None:
        """The panel of width h from X = a; None where ψ″ is not finite and positive on it."""
        X = a + h / 2 * ONE_MORE
        G = np.sqrt(self._curvature(X)) * self.x.slope(X)
        if not np.all((G > 0) & np.isfinite(G)):
            return None
        mean = h / 2 * (MEAN @ (MONOMIAL @ G))
        part = lambda t: t * polyval(t - 1, mean)  # noqa: E731, φ from the panel's start to 1 + u = t
        rise, top = self.y.rise(self.phi, part(ONE_MORE)), float(self.y.rise(self.phi, part(2.0)))
        # 1 + u at the nodes of the panel in Y, by Newton's method
        wanted = top / 2 * ONE_MORE
        target = self.y.part(self.phi, wanted)
        t = np.interp(wanted, np.concatenate([[0.0], rise, [top]]), np.concatenate([[0.0], ONE_MORE, [2.0]]))
        for _ in range(8):
            t = np.clip(t - (part(t) - target) / (h / 2 * polyval(t - 1, MONOMIAL @ G)), 0.0, 2.0)
        there = self._curvature(a + h / 2 * t)
        if not np.all((there > 0) & np.isfinite(there)):
            return None
        forward, back = (rise / (h / 2 * ONE_MORE))[None], np.array([h / 2 * t / wanted, 1 / np.sqrt(there)])
        error = max(_tail(values) for values in (G, *forward, *back))
        return Panel(top, float(part(2.0)), forward @ MONOMIAL.T, back @ MONOMIAL.T, error, float(G[-1]))

    def _curvature(self, X: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return self.curvature(self.x.of(X))

    def _end(self, X: float) -> None:
        """At the end of the domain, or of the numbers; anywhere else it is an error."""
        self.ended = True
        here, *beyond = self._curvature(X + max(X, 1e-3) * np.array([-1e-6, 1e-6, 1e-3, 1e-1]))
        if np.any(np.isfinite(beyond)) and not here < LEAST:
            raise VanishingCurvature(float(self.x.of(np.float64(X))))


class Panel(NamedTuple):
    rise: float
    part: float
    forward: np.ndarray
    back: np.ndarray
    error: float
    rate: float


def _chord(
    x: np.ndarray, edges: np.ndarray, others: np.ndarray, coefficients: np.ndarray
) -> list[np.ndarray]:
    """y = y_a + (x − x_a) q(x) on the panel that holds x, and other polynomials; infinite beyond the last."""
    real = np.real(x)
    j = np.clip(np.searchsorted(edges, real, "right") - 1, 0, len(edges) - 2)
    a = edges[j]
    powers = np.ones((N, *x.shape), x.dtype)
    with np.errstate(invalid="ignore"):  # at infinite x
        powers[1:] = 2 * (x - a) / (edges[j + 1] - a) - 1
        first, *rest = np.sum(coefficients[:, :, j] * np.multiply.accumulate(powers), axis=1)
        parts = (others[j] + (x - a) * first, *rest)
    beyond = ~(real <= edges[-1] * (1 + 4 * EPS))
    return [np.where(beyond, np.inf, part) for part in parts]


def polyval(x: Any, coefficients: np.ndarray) -> Any:
    out = coefficients[-1]
    for c in coefficients[-2::-1]:
        out = out * x + c
    return out


def _tail(values: np.ndarray) -> float:
    c = np.abs(CHEBYSHEV @ values)
    return float(np.max(c[-2:]) / np.max(c))


class VanishingCurvature(ValueError):
    """ψ″ is zero, or not smooth, at a point inside the domain."""

    def __init__(self, w: float) -> None:
        super().__init__(f"ψ″ is zero or not smooth at |w| = {w:.6g}, and 1/ψ″ infinite or undefined there")


class Unresolved(ValueError):
    """Differences of ∇ψ have lost the digits of ψ″: |φ| at w is the last that is known."""

    def __init__(self, w: float, phi: float) -> None:
        super().__init__(
            f"beyond |w| = {abs(w):.3g} rounding hides ψ″, and φ is known up to |φ| = {phi:.6g} only; "
            "larger w need a potential in closed form"
        )
        self.w, self.phi = w, phi
