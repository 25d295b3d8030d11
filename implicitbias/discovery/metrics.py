"""Whether a preconditioner is the inverse Hessian of a potential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..checks import real_array, whole
from ..geometry.calculus import FINE, TINY, along_axes
from ..geometry.potentials import spd

__all__ = ["MetricTest", "has_potential"]

ANALYTIC, DIFFERENCES = 1e-9, 1e-5
"""Violations below these are the rounding of complex steps, and of differences."""
FLAT = 1e-7
"""A metric that changes by less than this part of itself over the size of w is constant to rounding."""


@dataclass(frozen=True, eq=False)
class MetricTest:
    """What :func:`has_potential` saw: true where the symmetry holds at every probed point.

    violation : the largest |∂_k G_ij − ∂_i G_kj| relative to the largest |∂_k G_ij|, G = P⁻¹, at its worst ``point``.
    """

    holds: bool
    violation: float
    point: np.ndarray | None
    message: str

    def __bool__(self) -> bool:
        return self.holds


def has_potential(P: Any, dimension: int | None = None, points: Any = 8, rng: Any = 0) -> MetricTest:
    """Whether the metric G(w) = P(w)⁻¹ is a Hessian: ∂_k G_ij symmetric in all three indices.

    Where it is, ẇ = −P(w)∇L is the mirror flow of a potential ψ with ∇²ψ = G, and what it selects is a Bregman
    projection; where it is not, there is no such ψ, and what is selected in general depends on the path as well
    [amari1998natural]. G_ij is symmetric in i and j, so that ∂_k G_ij = ∂_i G_kj is all that is asked; only P is
    differentiated, since ∂_k G = −G (∂_k P) G.

    Parameters
    ----------
    P : a function of w (d,) that returns a positive diagonal (d,) or a symmetric positive definite matrix (d, d), or
        one such array, which is always the inverse of a Hessian.
    dimension : d, where ``points`` is a number and P a function.
    points : (K, d) where to look, or how many standard normal w to draw with ``rng``.

    Raises
    ------
    ValueError
        for a P that is not symmetric positive definite at a point, naming the point.

    Examples
    --------
    >>> has_potential(lambda w: 1 + w**2, 3).holds  # each coordinate has its own
    True
    >>> test = has_potential(lambda w: (1 + w @ w) * np.ones(3), 3)
    >>> test.holds, bool(test.violation > 0.5)
    (False, True)
    """
    if not callable(P):
        spd("P", P)
        return MetricTest(True, 0.0, None, "P is constant, and its potential is ½ wᵀP⁻¹w")
    seen = [(*_violation(P, w), w) for w in _points(dimension, points, rng)]
    violation, tolerance, worst = max(seen, key=lambda row: row[0] / row[1])
    holds = violation <= tolerance
    where = f"{violation:.2g} of the largest ∂_k(P⁻¹)_ij, at w = {np.array2string(worst, precision=4)}"
    message = (
        f"P⁻¹ is a Hessian at {len(seen)} points: its derivatives are symmetric up to {where}"
        if holds
        else f"P⁻¹ is no Hessian: ∂_k(P⁻¹)_ij and ∂_i(P⁻¹)_kj differ by {where}"
    )
    return MetricTest(holds, violation, worst, message)


def _points(dimension: int | None, points: Any, rng: Any) -> np.ndarray:
    if np.ndim(points) > 0:
        return real_array("points", points, (None, dimension), "(K points of d coordinates)")
    if dimension is None:
        raise ValueError("has_potential needs the dimension of w, or the points (K, d) at which to look")
    shape = (whole("points", points, 1), whole("dimension", dimension, 1))
    return np.random.default_rng(rng).standard_normal(shape)


def _violation(P: Callable[[np.ndarray], Any], w: np.ndarray) -> tuple[float, float]:
    """The violation at w, and what rounding makes of none."""
    matrix = partial(_matrix, P)
    try:
        G = np.linalg.inv(spd("P(w)", matrix(w)))
    except ValueError as error:
        raise ValueError(f"at w = {np.array2string(w, precision=4)}: {error}") from None
    slopes, tolerance = _slopes(lambda x: matrix(x).ravel(), w)
    T = -G @ slopes.reshape(w.size, *G.shape) @ G
    size = max(float(np.max(np.abs(T))), FLAT * float(np.max(np.abs(G))) / (float(np.max(np.abs(w))) or 1.0))
    return float(np.max(np.abs(T - T.transpose(1, 0, 2)))) / size, tolerance


def _slopes(F: Callable[[np.ndarray], np.ndarray], w: np.ndarray) -> tuple[np.ndarray, float]:
    """∂_k F at w, by complex steps where these agree with differences, and the rounding of the symmetry."""
    plain = along_axes(F, w, 1.0, FINE)
    try:
        with np.errstate(all="ignore"):
            steps = np.array([np.imag(F(w + 1j * TINY * e)) / TINY for e in np.eye(w.size)])
    except (TypeError, ValueError):
        return plain, DIFFERENCES
    agree = np.all(np.abs(steps - plain) <= 1e-6 * np.max(np.abs(plain)) + 1e-9 * np.max(np.abs(F(w))))
    return (steps, ANALYTIC) if agree else (plain, DIFFERENCES)


def _matrix(P: Callable[[np.ndarray], Any], w: np.ndarray) -> np.ndarray:
    """P(w) as a matrix (d, d)."""
    out = np.asarray(P(w))
    if out.shape not in ((w.size,), (w.size, w.size)):
        raise ValueError(f"P(w) has shape {out.shape} at a w of {w.size} entries; expected (d,) or (d, d)")
    return np.diag(out) if out.ndim == 1 else out
