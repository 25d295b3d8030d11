"""Greedy low-rank learning: the critical points that a vanishing start of W = UUᵀ visits, one rank after another."""

from __future__ import annotations

import numpy as np

from ..dynamics import Setting, Stop, simulate
from ..models import MatrixFactorization
from ..optimizers import GradientFlow
from ..problems import Problem

__all__ = ["GreedyLowRank"]

FLAT = 1e-6
"""A top eigenvalue of −∇f of this size relative to that at zero is none."""
SEED = 1e-3
"""The new column at first, relative to what it will be: its distance from the phase is of the square, and dies out."""
AT_REST = 1e-10
"""The gradient in U at which a phase has ended, relative to ‖A(0)‖_F ‖U‖_F; below SEED · FLAT, where one may begin."""
MOST_STEPS = 20_000


class GreedyLowRank:
    """The greedy path of f(W) = L(W) over positive semidefinite W = UUᵀ [li2021greedy].

    With A(W) = −(G + Gᵀ), G = ∇L(W), the gradient flow of L(UUᵀ) is U̇ = A(W)U. From W_0 = 0, each phase takes a
    unit top eigenvector v of A(W_k), adds the column εv to U_k, ε → 0, and follows the flow to its limit U_{k+1}. The
    path ends where A(W_k) has no positive eigenvalue: with A(W_k)W_k = 0, that is the condition for W_k to minimise a
    convex L over all positive semidefinite W.

    Parameters
    ----------
    problem : any with a square matrix as predictor.
    most : the largest number of phases; None: as many as there are.

    Attributes
    ----------
    points : (K + 1, n, n) the W_k, the first zero. losses : (K + 1,) L(W_k).
    factors : the K + 1 factors U_k, of shape (n, k).
    eigenvalues : (K + 1, n) of A(W_k), falling: the first of each is the rate at which W_k is left, in U.
    directions : (K, n) the v of each phase.
    stationarity : (K + 1,) ‖A(W_k)U_k‖_F/(‖A(0)‖_F ‖U_k‖_F).

    Raises
    ------
    ValueError
        where the predictor is no square matrix.
    ArithmeticError
        where a phase finds no limit.

    Examples
    --------
    >>> from implicitbias import MatrixRegression
    >>> path = GreedyLowRank(MatrixRegression.whitened(np.diag([1.0, 3.0, -2.0])))
    >>> path.points.diagonal(axis1=1, axis2=2).round(6).tolist(), path.losses.round(6).tolist()
    ([[0.0, 0.0, 0.0], [0.0, 3.0, 0.0], [1.0, 3.0, 0.0]], [7.0, 2.5, 2.0])
    """

    def __init__(self, problem: Problem, most: int | None = None) -> None:
        shape = problem.w_shape
        if len(shape) != 2 or shape[0] != shape[1]:
            raise ValueError(
                f"a greedy path is one of square matrices; this {type(problem).__name__} has {shape}"
            )
        self.problem = problem
        factors, directions = [np.zeros((shape[0], 0))], list[np.ndarray]()
        self.size = float(np.linalg.norm(self.descent(factors[0])))
        while most is None or len(directions) < most:
            mu, V = np.linalg.eigh(self.descent(factors[-1]))
            if mu[-1] <= FLAT * self.size:
                break
            directions.append(V[:, -1])
            factors.append(self._next(factors[-1], V[:, -1]))
        self.factors = tuple(factors)
        self.points = np.array([U @ U.T for U in factors])
        self.losses = np.array([float(problem.loss(W)) for W in self.points])
        self.eigenvalues = np.array([np.linalg.eigvalsh(self.descent(U))[::-1] for U in factors])
        self.directions = np.reshape(directions, (-1, shape[0]))
        self.stationarity = np.array([self._stationarity(U) for U in factors])

    def descent(self, U: np.ndarray) -> np.ndarray:
        """A(UUᵀ) = −(G + Gᵀ)."""
        G = self.problem.gradient(U @ U.T)
        return np.asarray(-(G + G.T))

    def _next(self, U: np.ndarray, v: np.ndarray) -> np.ndarray:
        """The limit of the flow from [U, εv]."""
        start = np.column_stack([U, SEED * self._length(U, v) * v])
        setting = Setting(
            self.problem, MatrixFactorization(start.shape[1], tied=True), GradientFlow(), (start,)
        )
        rest = AT_REST * self.size * max(float(np.linalg.norm(U)), self._length(U, v))
        run = simulate(setting, Stop(gradient=rest, steps=MOST_STEPS))
        if not run.converged or run.loss >= float(self.problem.loss(U @ U.T)):
            raise ArithmeticError(f"phase {start.shape[1]} of the greedy path found no limit: {run.message}")
        limit: np.ndarray = run.theta[0]
        return limit

    def _length(self, U: np.ndarray, v: np.ndarray) -> float:
        """√x for the x at which L(W + x vvᵀ) would be least, were it quadratic."""
        slope = [0.5 * float(v @ self.descent(W) @ v) for W in (U, np.column_stack([U, v]))]
        curvature = slope[0] - slope[1]
        return float(np.sqrt(slope[0] / curvature)) if curvature > 0 else 1.0

    def _stationarity(self, U: np.ndarray) -> float:
        scale = self.size * float(np.linalg.norm(U))
        return float(np.linalg.norm(self.descent(U) @ U)) / scale if scale else 0.0

    @property
    def is_complete(self) -> bool:
        """Whether the path has come to its end: no direction of descent is left."""
        return bool(self.eigenvalues[-1, 0] <= FLAT * self.size)
