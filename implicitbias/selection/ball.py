"""Minimisers of a convex loss over the ball of a norm: what decoupled weight decay selects."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import positive
from ..dynamics.charts import jacobian
from ..geometry import LpNorm, SchattenNorm
from ..geometry.norms import as_matrix, as_norm
from ..records import record
from ..threads import one_blas_thread
from .programs import EPS, UNSOLVED, Certificate, Program

__all__ = ["BallMinimum", "BoxBarrier"]

NORMS = (LpNorm(2.0), LpNorm(np.inf), SchattenNorm(np.inf))


def curvature(problem: Any, w: np.ndarray) -> np.ndarray:
    """∇²L(w) (P, P) on flat w."""

    def field(flat: np.ndarray) -> np.ndarray:
        return np.reshape(problem.gradient(flat.reshape(*flat.shape[:-1], *problem.w_shape)), flat.shape)

    H = jacobian(field, w.ravel())
    return 0.5 * (H + H.T)


@record
class BallMinimum(Program):
    """min_w L(w) subject to ‖w‖ ≤ r, L the convex loss of a problem.

    For every w of the ball L(w) − min L ≤ ⟨∇L(w), w⟩ + r‖∇L(w)‖_*, which certifies any candidate (Frank and
    Wolfe's gap).

    Parameters
    ----------
    problem : its loss is minimised over all predictors w.
    norm : 2 or "frobenius", ``np.inf`` or "max" (entry by entry), "spectral", or one of these as a Norm.
    radius : r > 0.

    Examples
    --------
    >>> from implicitbias import Regression
    >>> BallMinimum(Regression(np.eye(2), [3.0, 0.5]), np.inf, radius=1.0).solution.tolist()
    [1.0, 0.5]
    """

    problem: Any
    norm: Any
    radius: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "norm", as_norm(self.norm))
        object.__setattr__(self, "radius", positive("radius", self.radius))
        if self.norm == SchattenNorm(np.inf) and len(self.shape) == 1:  # a vector is a column
            object.__setattr__(self, "norm", LpNorm(2.0))
        if self.norm not in NORMS:
            raise ValueError(f"BallMinimum projects on ℓ2, ℓ∞ and spectral balls, not on that of {self.norm}")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.problem.w_shape)

    def objective(self, w: np.ndarray) -> float:
        return float(self.problem.loss(w))

    def project(self, w: np.ndarray) -> np.ndarray:
        """The point of the ball nearest to w in ℓ2."""
        r = self.radius
        if self.norm == LpNorm(np.inf):
            return np.clip(w, -r, r)
        if self.norm == LpNorm(2.0):
            return w * min(1.0, r / (float(np.linalg.norm(w)) or r))
        U, s, Vt = np.linalg.svd(as_matrix(w), full_matrices=False)
        return w if s[0] <= r else ((U * np.minimum(s, r)) @ Vt).reshape(w.shape)

    def excess(self, w: np.ndarray) -> float:
        """⟨g, w⟩ + r‖g‖_*, g = ∇L(w): at least L(w) − min L, and zero at the minimiser only."""
        g = self.problem.gradient(w)
        return float(np.sum(g * w)) + self.radius * float(self.norm.dual(g))

    @cached_property
    def solution(self) -> np.ndarray:
        """By Newton's method: each quadratic model of L is minimised over the ball."""
        w = np.zeros(self.shape)
        scale = self.radius * float(self.norm.dual(self.problem.gradient(w)))
        with one_blas_thread(w.size):
            for _ in range(100):
                u = self._model_minimum(w)
                t = 1.0
                while t > EPS and not self.objective(w + t * (u - w)) <= self.objective(w):
                    t /= 2
                moved = t * (u - w)
                w = self.project(w + moved)
                if np.max(np.abs(moved)) <= 64 * EPS * self.radius:
                    break
        if not self.excess(w) <= UNSOLVED * scale:
            raise ArithmeticError(
                f"the minimum over the ball was not found: Newton's method stopped with a relative gap of "
                f"{self.excess(w) / scale:.2g}; the loss is too ill-conditioned"
            )
        return w

    def _model_minimum(self, w: np.ndarray) -> np.ndarray:
        """argmin ⟨g, u − w⟩ + ½⟨u − w, H(u − w)⟩ over the ball: projected gradients, accelerated, restarted."""
        g, H = self.problem.gradient(w), curvature(self.problem, w)
        top = float(np.linalg.eigvalsh(H)[-1])
        if top <= 0.0:  # a flat loss
            return w
        u, ahead, k = w, w, 0
        for _ in range(20_000):
            slope = g + (H @ (ahead - w).ravel()).reshape(w.shape)
            new = self.project(ahead - slope / top)
            if max(np.max(np.abs(new - u)), np.max(np.abs(new - ahead))) <= 16 * EPS * self.radius:
                return new
            k = 0 if np.sum((ahead - new) * (new - u)) >= 0 else k + 1
            ahead, u = new + k / (k + 3) * (new - u), new
        return u

    @property
    def is_unique(self) -> bool:
        """Whether no other point of the ball has the same loss: L is strictly convex where the ball lets w move."""
        w = self.solution
        g, H = self.problem.gradient(w).ravel(), curvature(self.problem, w)
        pushed = np.abs(g) > 1e-9 * np.max(np.abs(self.problem.gradient(np.zeros(self.shape))))
        if self.norm == LpNorm(2.0) and np.any(pushed):
            return True
        free = ~pushed if self.norm == LpNorm(np.inf) else np.full(w.size, True)
        spectrum = np.linalg.eigvalsh(H[np.ix_(free, free)])
        return bool(spectrum.size == 0 or spectrum[0] > 1e-10 * spectrum[-1])

    def certify(self, w: np.ndarray) -> Certificate:
        """Stationarity in units of r‖∇L(0)‖_*; the multiplier is −∇L(w)."""
        g = self.problem.gradient(w)
        feasibility = max(0.0, float(self.norm.value(w)) / self.radius - 1.0)
        if self.problem.is_least(w):
            return Certificate(feasibility, 0.0, 0.0, -g)
        excess, value = self.excess(w), self.objective(w)
        at_zero = self.problem.gradient(np.zeros(self.shape))
        scale = self.radius * float(self.norm.dual(at_zero)) or 1.0
        return Certificate(feasibility, abs(excess) / scale, excess / (abs(value) + abs(value - excess)), -g)


@record
class BoxBarrier(Program):
    """min_w L(w) − ε Σ_j [|w_j| + r ln(1 − |w_j|/r)] over |w_j| < r, L the convex loss of a problem; always unique.

    Its optimality condition is ∇_jL/(|∇_jL| + ε) + w_j/r = 0; as ε → 0 the minimiser tends to one over the box
    ‖w‖_∞ ≤ r. By the conjugate of the barrier every w inside exceeds the minimum by at most
    ⟨g, w⟩ + φ(w) + r Σ_j [|g_j| − ε ln(1 + |g_j|/ε)], g = ∇L(w).

    Parameters
    ----------
    problem, radius : as in ``BallMinimum``.
    eps : ε > 0.

    Examples
    --------
    >>> from implicitbias import Regression
    >>> w = BoxBarrier(Regression([[1.0]], [3.0]), radius=1.0, eps=1.0).solution
    >>> bool(np.isclose(w[0], (3 - w[0]) / (4 - w[0])))
    True
    """

    problem: Any
    radius: Any
    eps: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "radius", positive("radius", self.radius))
        object.__setattr__(self, "eps", positive("eps", self.eps))

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.problem.w_shape)

    def barrier(self, w: np.ndarray) -> float:
        """φ(w) = −ε Σ_j [|w_j| + r ln(1 − |w_j|/r)]; infinite outside."""
        a = np.abs(w) / self.radius
        if np.any(a >= 1):
            return np.inf
        return -self.eps * self.radius * float(np.sum(a + np.log1p(-a)))

    def objective(self, w: np.ndarray) -> float:
        return float(self.problem.loss(w)) + self.barrier(w)

    @cached_property
    def solution(self) -> np.ndarray:
        """Newton's method on g + (w/r)(|g| + ε) = 0, along a decreasing ε."""
        w = np.zeros(self.shape)
        eps = max(self.eps, float(np.max(np.abs(self.problem.gradient(w)))))
        while eps > self.eps:
            w = self._newton(w, eps, 1e-2)
            eps = max(0.2 * eps, self.eps)
        return self._newton(w, eps, 0.0)

    def _newton(self, w: np.ndarray, eps: float, tolerance: float) -> np.ndarray:
        r, last = self.radius, np.inf
        for _ in range(100):
            g, H = self.problem.gradient(w).ravel(), curvature(self.problem, w)
            a = w.ravel() / r
            # the weights are positive and H is positive semidefinite: the matrix is never singular
            J = np.diag((np.abs(g) + eps) / r) + (1 + a * np.sign(g))[:, None] * H
            move = np.linalg.solve(J, -(g + a * (np.abs(g) + eps)))
            room = np.max(np.where(move > 0, move / (r - w.ravel()), -move / (r + w.ravel())))
            w = w + min(1.0, 0.9 / max(float(room), 1e-300)) * move.reshape(w.shape)
            size = float(np.max(np.abs(move)))
            if size <= max(tolerance, 4 * EPS) * r or (room < 0.9 and size < 1e-8 * r and size >= last):
                break
            last = size
        return w

    def certify(self, w: np.ndarray) -> Certificate:
        """Stationarity: the largest |g + (w/r)(|g| + ε)| over that of g at zero."""
        g, r = self.problem.gradient(w), self.radius
        size = np.abs(g)
        conjugate = r * float(np.sum(size - self.eps * np.log1p(size / self.eps)))
        value = self.objective(w)
        excess = float(np.sum(g * w)) + self.barrier(w) + conjugate
        off = float(np.max(np.abs(g + w / r * (size + self.eps))))
        scale = float(np.max(np.abs(self.problem.gradient(np.zeros(self.shape))))) or 1.0
        feasibility = max(0.0, float(np.max(np.abs(w))) / r - 1.0)
        gap = excess / (abs(value) + abs(value - excess) or 1.0)
        return Certificate(feasibility, off / scale, gap, -g)
