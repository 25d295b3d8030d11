"""Mirror maps φ′ of one coordinate as cubic splines, in a coordinate t that spreads the sizes |w|."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..records import record

__all__ = ["SplineMap"]

DEGREE = 3
FEWEST = 5
"""Values an interval between knots must hold."""


@record
class SplineMap:
    """φ′(w) = sgn(w) s(t(|w|)), s a cubic spline; t = arcsinh(|w|/scale), or ln|w| where ``scale`` is zero.

    In the first case s(0) = 0. Beyond the largest knot φ′ goes on as a straight line in w, so that it rises
    everywhere; below the smallest, in ln|w|, likewise in t. ``offset`` is subtracted from s: in ln|w| a
    constant is not determined by data that keep their signs.

    >>> line = SplineMap(np.array([0.0, 1.0]), np.array([1.0, 2.0, 3.0]), 1.0)
    >>> line(np.sinh([-0.5, 0.0, 0.5])).round(12)
    array([-1.5,  0. ,  1.5])
    """

    knots: Any
    """(m + 1,) values of t."""
    coefficients: Any
    """(m + 2,) those of the B-splines after the first."""
    scale: float
    offset: float = 0.0

    def __call__(self, w: Any) -> np.ndarray:
        if np.iscomplexobj(w):
            raise TypeError("a spline takes real w only: its pieces are not one analytic function")
        w = np.asarray(w, dtype=float)
        size, end = np.abs(w), self.largest
        s = self._at(self.t_of(np.minimum(size, end))) + self._last_slope * np.maximum(size - end, 0.0)
        return np.where(w == 0, 0.0 if self.scale else s - self.offset, np.sign(w) * (s - self.offset))

    @property
    def largest(self) -> float:
        """The |w| at the last knot."""
        t = float(self.knots[-1])
        return float(np.sinh(t) * self.scale if self.scale else np.exp(t))

    def t_of(self, size: Any) -> np.ndarray:
        """t of |w|."""
        return spread(np.asarray(size), self.scale)

    def _at(self, t: np.ndarray) -> np.ndarray:
        """s(t), a straight line below the first knot."""
        first = self.knots[0]
        return self._spline(np.maximum(t, first)) + self._first_slope * np.minimum(t - first, 0.0)

    @cached_property
    def _spline(self) -> Any:
        from scipy.interpolate import BSpline

        return BSpline(clamped(self.knots), np.concatenate([[0.0], self.coefficients]), DEGREE)

    @cached_property
    def _first_slope(self) -> float:
        return float(self._spline(self.knots[0], 1))

    @cached_property
    def _last_slope(self) -> float:
        """The rise over the outer half of the sizes, for each unit of |w|."""
        end = self.largest
        return float(self._at(self.t_of(end)) - self._at(self.t_of(end / 2))) / (end / 2)


def spread(size: np.ndarray, scale: float) -> np.ndarray:
    """t(|w|)."""
    if scale:
        return np.arcsinh(size / scale)
    with np.errstate(divide="ignore"):
        return np.log(size)


def clamped(knots: np.ndarray) -> np.ndarray:
    """The knots with the first and the last repeated, so that one B-spline only does not vanish at either end."""
    return np.concatenate([[knots[0]] * DEGREE, knots, [knots[-1]] * DEGREE])


def chosen_knots(t: np.ndarray, first: float, count: int, by_quantiles: float) -> np.ndarray:
    """At most ``count`` + 1 knots from ``first`` to max t, between even ones (0) and quantiles of t (1), each
    interval holding some of the t.
    """
    t = np.sort(t)
    u = np.linspace(0.0, 1.0, count + 1)
    even, quantiles = first + u * (t[-1] - first), np.quantile(t, u)
    wanted = (1 - by_quantiles) * even + by_quantiles * quantiles
    kept = [first]
    for knot in wanted[1:-1]:
        if np.searchsorted(t, knot, "right") - np.searchsorted(t, kept[-1], "right") >= FEWEST:
            kept.append(float(knot))
    if len(kept) > 1 and len(t) - np.searchsorted(t, kept[-1], "right") < FEWEST:
        kept.pop()
    return np.array([*kept, t[-1]])


def features(values: np.ndarray, knots: np.ndarray, scale: float) -> np.ndarray:
    """(…, m + 2): sgn(w) I_j(t(|w|)) of the values (…), I_j = Σ_{i ≥ j} B_i over the B-splines, j ≥ 1.

    A combination of the I_j with weights ≥ 0 rises; at the first knot all of them vanish, and the constant I_0
    is left out.
    """
    from scipy.interpolate import BSpline

    t = np.clip(spread(np.abs(values).ravel(), scale), knots[0], knots[-1])
    B = BSpline.design_matrix(t, clamped(knots), DEGREE).toarray()
    rising = np.cumsum(B[:, ::-1], axis=1)[:, ::-1][:, 1:]
    return np.sign(values)[..., None] * rising.reshape(*values.shape, -1)
