"""Directions of separators: which norm's margin is the largest?

ŵ maximises min_i z_i·w over R(w) ≤ 1 exactly when ∇R(ŵ) lies in the cone of the rows z_i on the margin. For
R = ‖w‖_p, 1 < p < ∞, ∇R ∝ sgn(w)|w|^{p−1}, and the distance to the cone is a non-negative least squares problem.
For p = 1 and p = ∞, where the maximiser is no single point, the measure is how much margin is missing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..problems import Classification
from .families import minimiser, polished
from .samples import Samples

__all__: list[str] = []

ON_MARGIN = 0.05
"""Rows with a margin of at most 1 + this of the least count as on the margin (more of them widen the cone only)."""
TIED, MOST = 1.01, 0.75
"""Margins up to this multiple of the least are told as equal to it, and on this share of problems they must be."""
P_BOUNDS = (np.log(0.02), np.log(30.0))
"""Of ln(p − 1)."""


class MarginFit(NamedTuple):
    """The exponent p whose margin is the largest."""

    p: float
    interval: tuple[float, float]
    residual: float
    """Root mean square over the problems of the part of ∇R(ŵ) outside the cone; of p = 1, ∞ the mean missing margin."""
    runner_up: float
    """The residual of the next of p = 1, 2, ∞."""


def are_separators(samples: Samples) -> bool:
    """Whether every w separates its problem's labels without interpolating them.

    Of pairs, whose rows are read as z_i: whether all margins are positive, and the least of them shared by several rows
    on most problems, as it is at a largest margin.
    """
    if len(samples.shape) > 1:
        return False
    margins = [Z @ w for Z, w in zip(signed(samples), samples.w)]
    if any(np.min(m) <= 0 for m in margins):
        return False
    if samples.y is None:
        return bool(np.mean([np.sum(m <= TIED * np.min(m)) > 1 for m in margins]) > MOST)
    return all(bool(np.all(np.abs(y) == 1)) for y in samples.y) and samples.residual > 1e-3


def signed(samples: Samples) -> list[np.ndarray]:
    """The rows z_i = y_i x_i of every problem; of pairs the rows as they are."""
    if samples.y is None:
        return list(samples.X)
    return [np.sign(y)[:, None] * X for X, y in zip(samples.X, samples.y)]


def fit_margin(samples: Samples, floor: float) -> MarginFit:
    """The ℓp norm whose margin these directions maximise."""
    cones = [_on_margin(Z, w) for Z, w in zip(signed(samples), samples.w)]

    def shares(u: float) -> np.ndarray:
        return np.array([_outside(w, cone, 1 + np.exp(u)) for w, cone in zip(samples.w, cones)])

    u = minimiser(lambda u: float(np.sum(shares(u) ** 2)), *P_BOUNDS)
    u, error = polished(shares, u, *P_BOUNDS, floor)
    inner = float(np.sqrt(np.sum(shares(u) ** 2) / len(samples)))
    others = {2.0: float(np.sqrt(np.sum(shares(0.0) ** 2) / len(samples)))}
    others |= {p: _missing(samples, p) for p in (1.0, np.inf)}
    p, interval, residual = (
        1 + float(np.exp(u)),
        (1 + float(np.exp(u - error)), 1 + float(np.exp(u + error))),
        inner,
    )
    for limit in (1.0, np.inf):
        if others[limit] < residual:
            p, interval, residual = limit, (limit, limit), others[limit]
    rest = [value for q, value in others.items() if not interval[0] <= q <= interval[1]]
    return MarginFit(p, interval, residual, min(rest))


def _on_margin(Z: np.ndarray, w: np.ndarray) -> np.ndarray:
    m = Z @ w
    return Z[m <= (1 + ON_MARGIN) * np.min(m)]


def _outside(w: np.ndarray, cone: np.ndarray, p: float) -> np.ndarray:
    """The part of ∇‖w‖_p, of length one, outside the cone of the rows."""
    from scipy.optimize import nnls

    size = np.abs(w) / np.max(np.abs(w))
    v = np.sign(w) * size ** (p - 1)
    v = v / np.linalg.norm(v)
    out: np.ndarray = v - cone.T @ nnls(cone.T, v)[0]
    return out


def _missing(samples: Samples, p: float) -> float:
    """The mean of 1 − margin/(largest margin) in ℓp."""
    from ..selection import max_margin

    gaps = []
    for Z, w in zip(signed(samples), samples.w):
        y = np.where(np.arange(len(Z)) == 0, -1.0, 1.0)  # of both classes, as a Classification must be
        best = max_margin(Classification(y[:, None] * Z, y), p).margin
        gaps.append(1 - float(np.min(Z @ w) / np.linalg.norm(w, p)) / best)
    return float(np.mean(gaps))
