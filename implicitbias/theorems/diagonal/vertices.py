"""The basis pursuit solution of a generic regression, and what its dual says of coordinates that vanish."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...geometry import Hypentropy
from ...problems import Regression
from ...selection import LeastNorm

__all__ = ["Vertex", "l1_vertex"]

LN2 = float(np.log(2.0))


class Vertex(NamedTuple):
    """argmin ‖w‖₁ subject to Xw = y, when it has n non-zero entries.

    w : (d,) the solution. on, off : indices of its n non-zero entries, and of the others.
    slopes : (d,) s = Xᵀν with s = sgn(w) on the support; the solution is unique when |s| < 1 off it.
    weights : (n, d) A = X_S⁻¹X, so that X_j = Σ_i A_ij X_i over the support.
    """

    w: np.ndarray
    on: np.ndarray
    off: np.ndarray
    slopes: np.ndarray
    weights: np.ndarray

    @property
    def largest_slope(self) -> float:
        """ρ = max over entries off the support of |s_j|."""
        return float(np.max(np.abs(self.slopes[self.off])))

    def vanishing(self, log_c: float) -> np.ndarray:
        """The entries off the support under the hypentropy of scale c, to leading order as c → 0."""
        w = self.w[self.on]
        z = self.slopes * (LN2 - log_c) + (np.sign(w) * np.log(np.abs(w))) @ self.weights
        entries: np.ndarray = Hypentropy(log_c).inverse_gradient(z)[self.off]
        return entries

    def second_order(self, log_c: float) -> float:
        """How much the first change of the support's entries changes those off it, relative."""
        A = self.weights[:, self.off]
        change = A @ self.vanishing(log_c) / self.w[self.on]
        return float(np.max(np.abs(A).T @ np.abs(change)))


@lru_cache(maxsize=256)
def l1_vertex(problem: Regression) -> Vertex:
    """The vertex.

    Raises
    ------
    ValueError
        where the support has another size than n.
    """
    X, y = problem.X, problem.y
    n, d = X.shape
    on = np.flatnonzero(LeastNorm(1, X, y).solution)
    if on.size != n:
        raise ValueError(f"the ℓ1 solution found has {on.size} non-zero entries, not n = {n}")
    w = np.zeros(d)
    w[on] = np.linalg.solve(X[:, on], y)
    weights = np.linalg.solve(X[:, on], X)
    return Vertex(w, on, np.delete(np.arange(d), on), np.sign(w[on]) @ weights, weights)
