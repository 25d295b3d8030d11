"""Derivatives, integrals and inverses of functions that are known only by their values.

Derivatives of analytic functions: F′(w) = Im F(w + iε)/ε, ε = 1e-30, which subtracts nothing and is exact
to rounding. Of others: central differences of order eight over a ladder of steps, the rung of least
estimated error (its distance from order six, plus the rounding of F over the step) taken entry by entry;
on smooth functions F′ is good to about 1e-13 and F″ to about 1e-10 of their sizes nearby.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["along_axes", "complex_slope", "increasing_root", "ladder", "ray_integral"]

EPS = float(np.finfo(float).eps)
TINY = 1e-30
Function = Callable[[np.ndarray], np.ndarray]

FINE = (0.1, 0.02, 0.004)
MIDDLE = (0.02,)
ROUGH = (0.003,)
"""Relative steps of differences along axes."""

# weights of F(w ± kh), k = 1, …, 4, in order eight and six (of FOURTH, four and two); antisymmetric for F′,
# symmetric for F″
FIRST = np.array([[4 / 5, -1 / 5, 4 / 105, -1 / 280], [3 / 4, -3 / 20, 1 / 60, 0.0]])
FOURTH = np.array([[2 / 3, -1 / 12], [1 / 2, 0.0]])
SECOND = np.array([[8 / 5, -1 / 5, 8 / 315, -1 / 560], [3 / 2, -3 / 20, 1 / 90, 0.0]])


def complex_slope(F: Function, w: np.ndarray) -> np.ndarray:
    """F′(w), entry by entry, of an analytic F that acts entry by entry."""
    return np.imag(F(w + 1j * TINY)) / TINY


def ladder(F: Function, w: np.ndarray, scale: np.ndarray, order: int = 1) -> np.ndarray:
    """F′ or F″ (``order`` 1, 2) entry by entry: F maps arrays (…, d) to (…, d), ``scale`` is the size of its domain.

    Rungs start from a tenth of the larger of ``scale`` and |w| (F smooth at zero) and from a tenth of |w|
    (F singular there), and descend by fours.
    """
    large, small = np.maximum(np.abs(w), scale), np.where(w == 0, scale, np.abs(w))
    rungs = np.stack([0.1 * large * 4.0**-j for j in range(8)] + [0.1 * small * 4.0**-j for j in range(5)])
    k = np.arange(1, 5).reshape(-1, *[1] * rungs.ndim)
    with np.errstate(all="ignore"):
        centre, up, down = F(w), F(w + k * rungs), F(w - k * rungs)
        if order == 1:
            better, worse = (np.tensordot(c, up - down, 1) / rungs for c in FIRST)
            size = np.max(np.abs(up) + np.abs(down), axis=0) / rungs
        else:
            better, worse = (np.tensordot(c, up + down - 2 * centre, 1) / rungs**2 for c in SECOND)
            size = 4 * np.max(np.abs(up) + np.abs(down), axis=0) / rungs**2
        error = np.abs(better - worse) + EPS * size
    error = np.where(np.isfinite(error), error, np.inf)
    return np.take_along_axis(better, np.argmin(error, axis=0)[None], axis=0)[0]


def along_axes(F: Function, w: np.ndarray, scale: Any, steps: tuple[float, ...]) -> np.ndarray:
    """The derivatives of F (a number or a vector) along each axis, by the better of steps relative to the larger
    of |w_j| and ``scale`` and relative to |w_j|; of order eight, or four for steps that are ROUGH.
    """
    order = FOURTH if steps is ROUGH else FIRST
    k = np.arange(1, order.shape[1] + 1)
    rows = []
    for e, size, least in zip(np.eye(w.size), np.abs(w), np.broadcast_to(scale, w.shape)):
        best, error = np.nan, np.inf
        with np.errstate(all="ignore"):
            for h in sorted({a * b for a in steps for b in (max(size, least), size) if b > 0}, reverse=True):
                up, down = (np.array([F(w + s * m * h * e) for m in k]) for s in (1, -1))
                better, worse = order @ (up - down) / h
                off = np.max(np.abs(better - worse)) + EPS * np.max(np.abs(up) + np.abs(down)) / h
                if off < error:
                    best, error = better, off
        rows.append(best)
    return np.array(rows)


def ray_integral(G: Function, base: np.ndarray, w: np.ndarray) -> np.ndarray:
    """∫₀¹ G(r + t(w − r)) ∘ (w − r) dt entry by entry, r = ``base``; G may be singular at both ends.

    Gauss–Legendre with twenty nodes on panels that halve towards t = 0 and 1, each split until the sum
    settles to rounding; G maps (T, …, d) to (T, …, d).
    """
    x, weights = np.polynomial.legendre.leggauss(20)
    x, weights = (x + 1) / 2, weights / 2
    graded = 2.0 ** np.arange(-45, 0)
    corners = np.concatenate([[0.0], graded, 1 - graded[-2::-1], [1.0]])
    before = np.full(np.shape(w), np.inf)
    for m in (1, 2, 4, 8, 16):
        edges = np.unique(np.concatenate([np.linspace(a, b, m + 1) for a, b in zip(corners, corners[1:])]))
        width = np.diff(edges)
        t = (edges[:-1, None] + width[:, None] * x).reshape(-1, *[1] * np.ndim(w))
        terms = (width[:, None] * weights).reshape(t.shape) * G(base + t * (w - base)) * (w - base)
        total = np.sum(terms, axis=0)
        if np.all(np.abs(total - before) <= 8 * EPS * np.sum(np.abs(terms), axis=0)):
            break
        before = total
    return np.asarray(total)


def increasing_root(G: Function, z: np.ndarray, start: np.ndarray, step: np.ndarray) -> np.ndarray:
    """w with G(w) = z entry by entry, G increasing and NaN or infinite outside its domain; NaN where none is.

    Brackets grow from ``start`` by fours from ``step`` on, then shrink by regula falsi (Illinois) and by
    halving the floats between their ends, until these are neighbours: the root is as good as G.
    """
    with np.errstate(all="ignore"):
        first = G(start)
        away = np.where(z >= first, 1.0, -1.0)  # the root lies on this side
        slack = 1e-8 * (np.abs(z) + np.abs(first))

        def short(w: np.ndarray, before: np.ndarray) -> np.ndarray:
            """away·(z − G): not negative as far as the root; NaN where G turns back, behind a pole."""
            f = away * (z - G(w))
            return np.where(f > before + slack, np.nan, f)

        near = far = start
        f_near = f_far = away * (z - first)
        size = step
        for _ in range(520):
            going = f_far > 0
            if not np.any(going):
                break
            near, f_near = np.where(going, far, near), np.where(going, f_far, f_near)
            far = np.where(going, start + away * size, far)
            f_far = np.where(going, short(far, f_near), f_far)
            size = size * 4
        f_far = np.where(f_far > 0, np.nan, f_far)  # without end
        near, far, f_near, f_far = _shrink(short, near, far, f_near, f_far)
        nearer = np.where(np.abs(f_far) < np.abs(f_near), far, near)
        return np.where(np.isfinite(f_far) | (f_near == 0), nearer, np.nan)


def _shrink(
    short: Callable[[np.ndarray, np.ndarray], np.ndarray],
    near: np.ndarray,
    far: np.ndarray,
    f_near: np.ndarray,
    f_far: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    weight_near, weight_far = np.ones_like(near), np.ones_like(near)
    for k in range(250):
        a, b = _rank(near), _rank(far)
        open_ = (np.abs((a >> 1) - (b >> 1)) > 1) & (f_near != 0) & (f_far != 0)
        if not np.any(open_):
            break
        halves = _unrank((a >> 1) + (b >> 1) + (a & b & 1))
        v, u = weight_near * f_near, weight_far * f_far
        chord = near + (far - near) * (v / (v - u))
        if k % 3 == 1:  # beyond the chord's root: where that is good, the other end comes as close
            end = np.where(v < -u, near, far)
            step = 2 * (chord - end)
            chord = end + np.where(
                np.abs(step) < 4 * EPS * np.abs(end), np.sign(step) * 4 * EPS * np.abs(end), step
            )
        inside = (chord > np.minimum(near, far)) & (chord < np.maximum(near, far)) & np.isfinite(u)
        w = np.where(inside & (k % 6 != 5), chord, halves)
        f = short(w, f_near)
        before = open_ & (f >= 0)
        beyond = open_ & ~(f >= 0)
        weight_far = np.where(before, np.where(weight_near == 1, weight_far / 2, 1.0), weight_far)
        near, f_near = np.where(before, w, near), np.where(before, f, f_near)
        weight_near = np.where(beyond, weight_near / 2, np.where(before, 1.0, weight_near))
        weight_far = np.where(beyond, 1.0, weight_far)
        far, f_far = np.where(beyond, w, far), np.where(beyond, f, f_far)
    return near, far, f_near, f_far


def _rank(x: np.ndarray) -> np.ndarray:
    """The place of a float among all floats: an increasing map to integers."""
    bits = np.asarray(x, dtype=np.float64).view(np.int64)
    return np.where(bits < 0, np.int64(-(2**63)) - bits, bits)


def _unrank(n: np.ndarray) -> np.ndarray:
    return np.where(n < 0, np.int64(-(2**63)) - n, n).view(np.float64)
