"""Potentials from a user's own convex function, or from its gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..checks import real_array
from ..records import record
from .calculus import (
    FINE,
    MIDDLE,
    ROUGH,
    TINY,
    along_axes,
    complex_slope,
    increasing_root,
    ladder,
    ray_integral,
)
from .potentials import Potential

__all__ = ["CustomPotential"]

SECANTS = 5
"""From neighbours of a table, one in twenty apart, to rounding."""
Vector = Callable[[np.ndarray], Any]


@record
class CustomPotential(Potential):
    """ψ, or ∇ψ, given by a function of w (…, d): see ``Potential.from_value`` and ``Potential.from_gradient``.

    A ``function`` given as "value" returns either the terms ψ_j(w_j), shape (…, d), or their joint ψ(w), shape
    (…); as "gradient" it returns ∇ψ(w), shape (…, d). Joint functions are called with single w (d,) only.
    ``point``, a number or (d,), lies inside the domain; where only one d makes sense to the function, (d,).

    Accuracy. The function itself is exact. Where it is analytic (it accepts complex w, and its complex step
    agrees with differences), one derivative of it is exact to rounding; otherwise, and for ∇² of a value,
    differences are good to about 1e-13 (∇) and 1e-10 (∇²) of what varies on the scale of w. From a gradient,
    ψ is the integral along the ray from zero, or from ``point`` where the gradient is infinite at zero, to
    about 1e-14 on smooth functions. ∇ψ* is as good as ∇ψ; its complex arguments are of first order in
    their imaginary part.

    Raises
    ------
    ValueError
        when the function is not increasing from one probed point to another, where a w is outside its domain,
        and where ∇ψ(w) = z has no solution; each says where.
    """

    function: Any
    given: str
    point: Any = 1.0

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ValueError(f"a potential needs a function of w, got {self.function!r:.80}")
        if self.given not in ("value", "gradient"):
            raise ValueError(f'given must be "value" or "gradient", got {self.given!r:.80}')
        point = real_array("point", self.point)
        if point.ndim > 1:
            raise ValueError(f"point has shape {point.shape}; expected a number or (d,)")
        object.__setattr__(self, "point", float(point) if point.ndim == 0 else point)
        _probe_convexity(self)

    # -- what the function is -------------------------------------------------------------------

    @cached_property
    def _home(self) -> np.ndarray:
        """The point, (d,); (2,) where it is a number."""
        return np.full(2, self.point) if np.ndim(self.point) == 0 else np.array(self.point)

    @cached_property
    def separable(self) -> bool:  # type: ignore[override]
        """Whether the function is, at its point, a sum over coordinates."""
        w = self._home
        out = _call(self.function, w)
        if self.given == "value":
            if out.shape not in ((), w.shape):
                raise ValueError(
                    f"the value of a potential at w of shape {w.shape} has shape {out.shape}; expected {w.shape} "
                    "(its terms) or () (their sum)"
                )
            return out.shape == w.shape
        if out.shape != w.shape:
            raise ValueError(f"the gradient of a potential at w of shape {w.shape} has shape {out.shape}")
        return all(_others_stay(self.function, w, out, j) for j in range(w.size))

    @cached_property
    def _analytic(self) -> bool:
        """Whether complex steps agree with differences, at the point and on both sides of it."""
        w = self._home
        for at in (w, w * 1.75, w * 0.3, -w, -0.4 * w):
            with np.errstate(all="ignore"):
                try:
                    plain, steps = self._slope(at, False), self._slope(at, True)
                except (TypeError, ValueError):
                    return False
            seen = np.isfinite(plain)
            size = np.max(np.abs(plain[seen]), initial=0.0) + np.max(
                np.abs(_call(self.function, at) / self._scale)
            )
            if np.any(~(np.abs(steps - plain)[seen] <= 1e-6 * size)) and np.isfinite(size):
                return False
        return True

    @property
    def newton(self) -> str:  # type: ignore[override]
        """Whatever the domain is."""
        return "curve" if self.separable else "joint"

    def _slope(self, w: np.ndarray, analytic: bool) -> np.ndarray:
        """∂ of the function by every coordinate: entry by entry, or the gradient of a joint value, or its Jacobian."""
        if self.separable:
            return complex_slope(self.function, w) if analytic else ladder(self.function, w, self._scale)
        if self.given == "value":
            f = partial(_call, self.function)
            if analytic:
                return np.array([np.imag(f(w + 1j * TINY * e)) / TINY for e in np.eye(w.size)])
            return along_axes(f, w, self._scale, FINE)
        return _jacobian(self.function, w, self._scale, analytic)

    @property
    def _scale(self) -> Any:
        return np.where(np.asarray(self.point) == 0, 1.0, np.abs(self.point))

    # -- the four maps ----------------------------------------------------------------------------

    def value(self, w: np.ndarray) -> np.ndarray:
        if self.given == "gradient":
            self.gradient(w)  # the end of the ray must be inside
            if not self.separable:
                return _by_rows(self._integral, w)
            return np.sum(ray_integral(self.function, self._base(w), w), axis=-1)
        if not self.separable:
            return _by_rows(lambda row: _inside(_call(self.function, row), row), w)
        return np.sum(_inside(_call(self.function, w), w), axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        if not self.separable:
            return _by_rows(lambda row: _inside(self._plain_gradient(row), row), w)
        return _inside(self._plain_gradient(w), w)

    def _plain_gradient(self, w: np.ndarray) -> np.ndarray:
        """∇ψ, NaN outside the domain."""
        with np.errstate(all="ignore"):
            if self.given == "gradient":
                return _call(self.function, w)
            # complex functions are finite at points where the real one is not
            return np.where(np.isfinite(_call(self.function, w)), self._slope(w, self._analytic), np.nan)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        if not self.separable:
            return _by_rows(self._matrix, w)
        with np.errstate(all="ignore"):
            if self.given == "gradient":
                h = self._slope(w, self._analytic)
            elif self._analytic:
                h = ladder(lambda x: complex_slope(self.function, x), w, self._scale)
            else:
                h = ladder(self.function, w, self._scale, order=2)
        negative = h < -1e-12 * np.nanmax(np.abs(h), initial=0.0)
        if np.any(negative):  # by more than the rounding of ∇ψ, which is all that is left where ψ is flat
            negative &= h < -1e-10 * np.abs(self.gradient(w)) / np.maximum(np.abs(w), self._scale)
        if np.any(negative):
            j = tuple(int(i) for i in np.argwhere(negative)[0])
            raise ValueError(
                f"the potential is not convex: its second derivative at w{list(j)} = {float(w[j])!r} is {h[j]:.3g}"
            )
        return np.where(h < 0, 0.0, h)  # differences of a derivative that levels off

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(z):
            w, change = self.inverse_gradient(np.real(z)), np.imag(z)
            h = self.inverse_hessian(np.real(z))
            return w + 1j * (h * change if self.separable else (h @ change[..., None])[..., 0])
        w = self.inverse_or_nan(z)
        if not np.all(np.isfinite(w)):
            j = tuple(int(i) for i in np.argwhere(~np.isfinite(w))[0])
            where = (
                f"z{list(j)} = {float(z[j])!r}"
                if self.separable
                else f"z = {np.array2string(z, precision=4)}"
            )
            raise ValueError(f"the conjugate cannot be inverted: no w of the domain has the gradient {where}")
        return w

    def inverse_or_nan(self, z: np.ndarray) -> np.ndarray:
        if not self.separable:
            return _by_rows(self._minimiser, z)
        return increasing_root(self._plain_gradient, z, *self._near(z))

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """(w, ∂ψ) at points spread over the line, (m, d), or (m, 1) where the point is a number; rising in both."""
        out = np.geomspace(1e-12, 1e12, 1200)[:, None] * np.ravel(self._scale)
        home = np.ravel(self.point) * np.ones_like(out[:1])
        w = np.sort(np.concatenate([-out, 0 * home, home, out, home - out, home + out]), axis=0)
        z = self._plain_gradient(w)
        return w, np.maximum.accumulate(np.where(np.isfinite(z), z, -np.inf), axis=0)

    def _near(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(start, step) for the search of w: from the table by secants, with a step of some units of rounding; the
        point, with a step of its size, where the table does not reach.
        """
        w, levels = self._table
        home = np.broadcast_to(np.asarray(self.point, dtype=float), z.shape)
        below = [np.searchsorted(column, z_j, "right") for column, z_j in _columns(levels, z)]
        i = np.clip(np.stack(below, axis=-1), 1, len(w) - 1)
        j = np.arange(z.shape[-1]) if w.shape[1] > 1 else 0
        x, ahead = w[i - 1, j], w[i, j]
        f, f_ahead = levels[i - 1, j] - z, levels[i, j] - z
        reached = (f <= 0) & (f_ahead > 0) & np.isfinite(f + f_ahead)
        with np.errstate(all="ignore"):
            for _ in range(SECANTS):
                moved = ahead - f_ahead * ((ahead - x) / (f_ahead - f))
                moves = reached & np.isfinite(moved)
                x, f, ahead = (
                    np.where(moves, ahead, x),
                    np.where(moves, f_ahead, f),
                    np.where(moves, moved, ahead),
                )
                f_ahead = self._plain_gradient(np.where(reached, ahead, home)) - z
        reached &= np.isfinite(f_ahead)
        return np.where(reached, ahead, home), np.where(
            reached, 8 * np.spacing(np.abs(ahead)), np.maximum(np.abs(home), 1.0)
        )

    def interior(self, w: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            inside = np.isfinite(self._plain_gradient(w))
        return np.where(inside if self.separable else np.all(inside), w, self.point)

    # -- joint functions, one w (d,) at a time ------------------------------------------------------

    def _base(self, w: np.ndarray) -> np.ndarray:
        """Where rays start: zero, or the point where the gradient is infinite at zero."""
        with np.errstate(all="ignore"):
            open_ = np.isfinite(_call(self.function, np.zeros_like(w)))
        return np.where(open_ if self.separable else np.all(open_), 0.0, self.point)

    def _integral(self, w: np.ndarray) -> np.ndarray:
        return np.sum(ray_integral(partial(_by_rows, partial(_call, self.function)), self._base(w), w))

    def _matrix(self, w: np.ndarray) -> np.ndarray:
        if self.given == "value" and not self._analytic:
            # two differences of a coarse step each: a ladder of ladders would take thousands of d² calls
            rough = partial(along_axes, partial(_call, self.function), scale=self._scale, steps=ROUGH)
            J = _jacobian(rough, w, self._scale, False, ROUGH)
        else:
            exact = self.given == "gradient" and self._analytic
            J = _jacobian(self._plain_gradient, w, self._scale, exact, MIDDLE)
        return (J + J.T) / 2

    def _minimiser(self, z: np.ndarray) -> np.ndarray:
        """argmin ψ(w) − ⟨z, w⟩ by Newton's method; steps are halved until their slope no longer grows."""
        w = self._home if self._home.shape == z.shape else np.full(z.shape, self.point)
        r = self._plain_gradient(w) - z
        best, least = w, float(np.linalg.norm(r))
        for _ in range(200):
            try:
                delta = -np.linalg.solve(self._matrix(w), r)
            except np.linalg.LinAlgError:
                break
            slope, t = float(delta @ r), 1.0
            while t > 1e-14:
                ahead = self._plain_gradient(w + t * delta) - z
                if abs(delta @ ahead) <= (1 - 0.1 * t) * abs(slope):
                    break
                t /= 2
            else:
                break
            w, r = w + t * delta, ahead
            size = float(np.linalg.norm(r))
            idle = size > 0.5 * least and t == 1.0
            if size < least:
                best, least = w, size
            if least == 0 or (idle and least <= 1e-9 * (1 + np.linalg.norm(z))):
                break
        found = least <= 1e-8 * (np.linalg.norm(z) + np.linalg.norm(best) + 1)
        return best if found else np.full_like(w, np.nan)


def _columns(levels: np.ndarray, z: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The column of a table for each coordinate of z (…, d); one column serves all where there is one."""
    for j in range(z.shape[-1]):
        yield levels[:, j if levels.shape[1] > 1 else 0], z[..., j]


def _call(function: Any, w: np.ndarray) -> np.ndarray:
    try:
        with np.errstate(all="ignore"):  # outside its domain a function is NaN
            return np.asarray(function(w))
    except Exception as error:
        raise ValueError(
            f"the function of a potential failed at an array of shape {w.shape} ({type(error).__name__}: {error}); it "
            "must accept arrays (…, d), and point (d,) tells d where it accepts one d only"
        ) from error


def _by_rows(function: Callable[[np.ndarray], Any], w: np.ndarray) -> np.ndarray:
    """A function of single w (d,) on (…, d)."""
    rows = np.array([function(row) for row in w.reshape(-1, w.shape[-1])])
    return rows.reshape((*w.shape[:-1], *rows.shape[1:]))


def _inside(out: np.ndarray, w: np.ndarray) -> np.ndarray:
    if not np.all(np.isfinite(out)):
        j = tuple(int(i) for i in np.argwhere(~np.isfinite(out))[0])
        where = (
            f"w{list(j)} = {float(w[j])!r}"
            if out.shape == w.shape
            else f"w = {np.array2string(w, precision=4)}"
        )
        raise ValueError(f"outside the domain of the potential: its function is {out[j]} at {where}")
    return out


def _jacobian(
    G: Vector, w: np.ndarray, scale: Any, analytic: bool, steps: tuple[float, ...] = FINE
) -> np.ndarray:
    """The derivative (d, d) of a function (d,) at w (d,)."""
    if analytic:
        return np.array([np.imag(_call(G, w + 1j * TINY * e)) / TINY for e in np.eye(w.size)])
    return along_axes(G, w, scale, steps)


def _others_stay(g: Any, w: np.ndarray, out: np.ndarray, j: int) -> bool:
    moved = w.copy()
    moved[j] = w[j] * 1.25 + (w[j] == 0)
    rest = np.arange(w.size) != j
    return bool(np.array_equal(_call(g, moved)[rest], out[rest]))


def _probe_convexity(psi: CustomPotential) -> None:
    """The gradient must not fall from one probed point to another, where it is finite, and must rise at home."""
    home, scale = psi._home, np.broadcast_to(psi._scale, psi._home.shape)
    _inside(_call(psi.function, home), home)
    if psi.separable:
        out = np.geomspace(1e-3, 30, 25)
        probes = home + np.concatenate([-out[::-1], [0.0], out])[:, None] * scale
        z = psi._plain_gradient(probes)
        for j in range(home.size):
            seen = np.flatnonzero(np.isfinite(z[:, j]))
            for a, b in zip(seen, seen[1:]):
                # far from home, derivatives that level off are equal to rounding
                least = 0.0 if len(out) in (a, b) else -1e-9 * (abs(z[a, j]) + abs(z[b, j]))
                if z[b, j] < least + z[a, j] or (least == 0 and z[b, j] == z[a, j]):
                    raise ValueError(
                        f"the potential is not strictly convex: its derivative is {z[a, j]:.6g} at w[{j}] = "
                        f"{probes[a, j]:.6g} and {z[b, j]:.6g} at {probes[b, j]:.6g}"
                    )
        return
    if psi.given == "gradient":
        J = _jacobian(psi.function, home, psi._scale, psi._analytic)
        if np.max(np.abs(J - J.T)) > 1e-6 * np.max(np.abs(J)):
            raise ValueError(
                f"the function is not a gradient: its derivative at w = {home} is not symmetric:\n{J}"
            )
    rng = np.random.default_rng(0)
    for size in np.geomspace(0.01, 10, 12):
        a, b = home + size * scale * rng.standard_normal((2, home.size))
        za, zb = psi._plain_gradient(a), psi._plain_gradient(b)
        if np.all(np.isfinite([za, zb])) and (za - zb) @ (a - b) <= 0:
            raise ValueError(
                "the potential is not strictly convex: "
                f"⟨∇ψ(a) − ∇ψ(b), a − b⟩ = {(za - zb) @ (a - b):.3g} at a = {a}, b = {b}"
            )
