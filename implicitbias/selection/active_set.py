"""Quadratic programs over the non-negative orthant, by active sets and to rounding.

    min_u ½‖Bu − y‖² + c·u   subject to u ≥ 0,   c ≥ 0

is non-negative least squares at c = 0 (the algorithm is then Lawson and Hanson's), and the Lasso when B = [X, −X].
"""

from __future__ import annotations

import numpy as np

from ..threads import one_blas_thread

__all__ = ["nonnegative_least"]

EPS = float(np.finfo(float).eps)
DEPENDENT = 1e-12
"""A column this close to the span of the others, relative to its length, is in it."""


def nonnegative_least(B: np.ndarray, y: np.ndarray, cost: np.ndarray | None = None) -> np.ndarray:
    """u ≥ 0 of least ½‖Bu − y‖² + c·u, B (n, m), with linearly independent columns wherever u > 0.

    >>> nonnegative_least(np.eye(2), np.array([3.0, -1.0]), np.array([1.0, 0.0])).tolist()
    [2.0, 0.0]
    """
    cost = np.zeros(B.shape[1]) if cost is None else cost
    length = np.linalg.norm(B, axis=0)
    size = float(np.max(np.abs(y))) if y.size else 0.0
    u = np.zeros(B.shape[1])
    use = np.flatnonzero(length > 0)
    if size == 0.0 or use.size == 0:
        return u
    with one_blas_thread(max(B.shape)):
        u[use] = _Faces(B[:, use] / length[use], y / size, cost[use] / length[use] / size).descend()
    u[use] *= size / length[use]
    return u


def _by_cholesky(B: np.ndarray, g: np.ndarray) -> np.ndarray | None:
    """−(BᵀB)⁻¹g with one refinement, where squaring the condition of B leaves enough digits; else None."""
    from scipy.linalg import cho_solve

    if B.shape[1] > len(B):
        return None
    try:
        L = np.linalg.cholesky(B.T @ B)
    except np.linalg.LinAlgError:
        return None
    if np.min(np.diag(L)) < 1e-4:
        return None
    step = cho_solve((L, True), -g)
    return step - cho_solve((L, True), g + B.T @ (B @ step))


class _Faces:
    """From face to face of the orthant, each time to its own minimiser; F are the coordinates of the face."""

    def __init__(self, B: np.ndarray, y: np.ndarray, cost: np.ndarray) -> None:
        self.B, self.y, self.cost = B, y, cost
        self.u, self.F = np.zeros(B.shape[1]), np.zeros(0, dtype=int)

    def gradient(self) -> np.ndarray:
        residual = self.y - self.B[:, self.F] @ self.u[self.F]
        return self.cost - self.B.T @ residual

    def noise(self) -> float:
        """The size of rounding in the gradient."""
        return 32 * EPS * (1.0 + float(np.sum(self.u)) + float(np.max(self.cost, initial=0.0)))

    def descend(self) -> np.ndarray:
        refused = np.zeros(len(self.u), dtype=bool)
        for _ in range(20 * sum(self.B.shape)):
            g = self.gradient()
            g[self.F] = 0.0
            g[refused] = 0.0
            j = int(np.argmin(g))
            if g[j] >= -self.noise():
                break
            if self.enter(j):
                refused[:] = False
            else:  # its slope is rounding
                refused[j] = True
        self.settle()
        return self.u

    def enter(self, j: int) -> bool:
        """Let coordinate j rise, and go on to the minimiser of the smallest face on the way."""
        self.F = np.append(self.F, j)
        first = True
        while self.F.size:
            step, bounded = self.towards()
            u, falls = self.u[self.F], step < 0
            if first and (step[-1] <= 0 or not (bounded or np.any(falls))):
                self.F = self.F[:-1]
                return False
            first = False
            if not np.any(falls) and not bounded:  # along dependent columns without a slope: either way
                step, falls = -step, step > 0
            reach = np.full(u.size, np.inf)
            reach[falls] = -u[falls] / step[falls]
            t = float(np.min(reach))
            if bounded and t > 1.0:
                self.u[self.F] = u + step
                return True
            self.u[self.F] = np.where(reach <= t, 0.0, np.maximum(u + t * step, 0.0))
            self.F = self.F[self.u[self.F] > 0]
        return True

    def towards(self) -> tuple[np.ndarray, bool]:
        """The step to the minimiser on the span of F; where columns are dependent, one that changes no Bu."""
        BF = self.B[:, self.F]
        g = self.cost[self.F] - BF.T @ (self.y - BF @ self.u[self.F])
        step = _by_cholesky(BF, g)
        if step is not None:
            return step, True
        R = np.asarray(np.linalg.qr(BF, mode="r"))
        pivots = np.append(np.abs(np.diag(R)), np.zeros(BF.shape[1] - len(R)))
        if np.min(pivots) > DEPENDENT:
            return -np.linalg.solve(R, np.linalg.solve(R.T, g)), True
        k = int(np.argmax(pivots <= DEPENDENT))  # the first that depends on those before it
        step = np.zeros(BF.shape[1])
        step[: k + 1] = np.append(-np.linalg.solve(R[:k, :k], R[:k, k]), 1.0)
        return (step if g @ step <= 0 else -step), False

    def settle(self) -> None:
        """Twice more to the minimiser of the last face, which leaves the rounding of one residual."""
        for _ in range(2 if self.F.size else 0):
            step, bounded = self.towards()
            u = self.u[self.F] + step
            if not bounded or np.min(u) <= 0:
                return
            self.u[self.F] = u
