"""What weight decay on layers is on their product: the nuclear norm at two layers, powers of singular values beyond.

min { ½ Σ_j ‖W_j‖_F² : W_N⋯W_1 = W } = (N/2) Σ_i σ_i(W)^{2/N}        (every width at least the rank of W)
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import positive, real_array, whole
from ..problems import MatrixRegression
from ..records import record
from ..threads import one_blas_thread
from .programs import EPS, UNSOLVED, Certificate, Program

__all__ = ["NuclearPenalty", "SchattenPenalty"]

ITERATIONS = 100_000


@record
class NuclearPenalty(Program):
    """min_W L(W) + λ‖W‖_*, L(W) = 1/(2n)‖XWᵀ − Y‖_F², W (k, d): what layer decay λ is at two layers.

    For whitened inputs the solution is the target with its singular values lessened by λ, those below λ to zero.
    It is unique where XᵀX/n is positive definite.

    Parameters
    ----------
    problem : MatrixRegression, the loss L.
    lam : λ > 0.

    Notes
    -----
    ∇L(W) = G is optimal where ‖G‖₂ ≤ λ and ⟨G, W⟩ = −λ‖W‖_*. The gap comes from the residual scaled by
    c = min(1, λ/‖G‖₂), a dual point: the minimum is at least c(2L − ⟨G, W⟩) − c²L. It is given in units of L(0).

    Examples
    --------
    >>> NuclearPenalty(MatrixRegression.whitened([[3.0, 0.0], [0.0, 1.0]]), lam=1.5).solution.tolist()
    [[1.5, 0.0], [0.0, 0.0]]
    """

    problem: Any
    lam: Any

    source = "srebro2004margin"

    def __post_init__(self) -> None:
        if not isinstance(self.problem, MatrixRegression):
            raise ValueError(f"NuclearPenalty takes a MatrixRegression, got a {type(self.problem).__name__}")
        object.__setattr__(self, "lam", positive("lam", self.lam))

    @property
    def shape(self) -> tuple[int, ...]:
        return self.problem.w_shape

    def objective(self, w: np.ndarray) -> float:
        return float(self.problem.loss(w)) + self.lam * float(np.sum(_spectrum(w)))

    @cached_property
    def _smoothness(self) -> float:
        """The largest eigenvalue of XᵀX/n."""
        return float(np.linalg.eigvalsh(self.problem.covariance)[-1]) or 1.0

    def _step(self, w: np.ndarray) -> np.ndarray:
        """A proximal gradient step; its fixed points are the solutions."""
        c = self._smoothness
        return shrink_spectrum(w - self.problem.gradient(w) / c, self.lam / c)

    @cached_property
    def solution(self) -> np.ndarray:
        """By accelerated proximal steps, restarted where they turn back."""
        with one_blas_thread(max(self.shape)):
            w = v = np.zeros(self.shape)
            t = 1.0
            for _ in range(ITERATIONS):
                new = self._step(v)
                if np.linalg.norm(new - v) <= 4 * EPS * np.linalg.norm(new):
                    return new
                if np.sum((v - new) * (new - w)) > 0:
                    t = 1.0
                ahead = (1 + np.sqrt(1 + 4 * t * t)) / 2
                w, v, t = new, new + (t - 1) / ahead * (new - w), ahead
        if self.certify(w).stationarity > UNSOLVED:
            raise ArithmeticError(f"the proximal steps did not settle in {ITERATIONS} iterations")
        return w

    def certify(self, w: np.ndarray) -> Certificate:
        """Stationarity: how far a proximal step moves w, relative to ‖w‖ + ‖∇L(0)‖/‖XᵀX/n‖."""
        problem, G = self.problem, self.problem.gradient(w)
        zero = np.zeros(self.shape)
        start, loss = float(problem.loss(zero)), float(problem.loss(w))
        c = min(1.0, self.lam / (float(np.linalg.norm(G, 2)) or self.lam))
        bound = c * (2 * loss - float(np.sum(G * w))) - c * c * loss
        size = float(np.linalg.norm(w) + np.linalg.norm(problem.gradient(zero)) / self._smoothness) or 1.0
        off = float(np.linalg.norm(w - self._step(w))) / size
        return Certificate(0.0, off, (self.objective(w) - bound) / (start or 1.0), -c * G)


@record
class SchattenPenalty(Program):
    """min_W ½‖W − T‖_F² + (λN/2) Σ_i σ_i(W)^{2/N}, W (p, q): what layer decay λ is at N = ``depth`` ≥ 3 layers.

    It falls apart into the singular values s of T: x minimises ½(x − s)² + (λN/2) x^{2/N}, whose slope vanishes where

        x + λ x^{2/N − 1} = s.

    For s > ``fold`` there are two such x, of which the larger is a local minimum and the smaller a local maximum; x = 0
    is a local minimum always. The global minimum is x = 0 for s < ``jump`` and the larger root, at least
    (λ(N − 2))^{N/(2N − 2)}, for s > ``jump``.

    Parameters
    ----------
    T : (p, q) the target of whitened inputs.
    lam : λ > 0. depth : N ≥ 3; two layers are ``NuclearPenalty``.

    Notes
    -----
    The program is not convex, yet by von Neumann's trace inequality its minimum is the sum of the minima over the
    modes: ``certify`` gives the gap to it, in units of ½‖T‖². A local minimum is stationary with a gap.

    Examples
    --------
    >>> program = SchattenPenalty([[2.0, 0.0], [0.0, 0.5]], lam=0.3, depth=3)
    >>> program.solution.round(6).tolist()
    [[1.751104, 0.0], [0.0, 0.0]]
    """

    T: Any
    lam: Any
    depth: int

    source = "dai2021representation"

    def __post_init__(self) -> None:
        object.__setattr__(self, "T", real_array("T", self.T, (None, None)))
        object.__setattr__(self, "lam", positive("lam", self.lam))
        object.__setattr__(self, "depth", whole("depth", self.depth, 3))

    @property
    def shape(self) -> tuple[int, ...]:
        return (int(self.T.shape[0]), int(self.T.shape[1]))

    def objective(self, w: np.ndarray) -> float:
        x = _spectrum(w)
        x = x[x > 8 * EPS * max(self.shape) * x[0]]  # small powers of rounding errors are not small
        penalty = self.lam * self.depth / 2 * np.sum(x ** (2 / self.depth))
        return float(np.sum((w - self.T) ** 2) / 2 + penalty)

    @property
    def fold(self) -> float:
        """The least s from which there is a minimum beside zero."""
        x = (self.lam * (1 - 2 / self.depth)) ** (self.depth / (2 * self.depth - 2))
        return float(x + self.lam * x ** (2 / self.depth - 1))

    @property
    def jump(self) -> float:
        """The s where zero and the larger root are equally good."""
        x = (self.lam * (self.depth - 2)) ** (self.depth / (2 * self.depth - 2))
        return float(x + self.lam * x ** (2 / self.depth - 1))

    def roots(self, s: Any) -> tuple[np.ndarray, np.ndarray]:
        """(smaller, larger) x > 0 with x + λx^{2/N−1} = s; NaN where s ≤ ``fold``.

        Newton's method on a convex function, from either side.
        """
        p = 2 / self.depth
        s = np.where(np.asarray(s, dtype=float) > self.fold, s, np.nan)
        ends = []
        for x in ((self.lam / s) ** (1 / (1 - p)), s):
            for _ in range(100):
                step = (x + self.lam * x ** (p - 1) - s) / (1 + self.lam * (p - 1) * x ** (p - 2))
                x = x - step
                if not np.any(np.abs(step) > 4 * EPS * x):
                    break
            ends.append(x)
        return ends[0], ends[1]

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.linalg.svd(self.T, full_matrices=False)

    def local_minimum(self, rank: int) -> np.ndarray:
        """The local minimum of this rank: the larger root at the first ``rank`` modes of T, zero at the others.

        There are no others: a kept mode turns towards a larger one that is not.
        """
        U, s, Vt = self._modes
        if rank > np.sum(s > self.fold):
            raise ValueError(
                f"only {np.sum(s > self.fold)} singular values are above the fold {self.fold:.6g}"
            )
        x = np.where(np.arange(s.size) < rank, self.roots(s)[1], 0.0)
        w: np.ndarray = (U * x) @ Vt
        return w

    @property
    def solution(self) -> np.ndarray:
        return self.local_minimum(int(np.sum(self._modes[1] > self.jump)))

    @cached_property
    def _minimum(self) -> float:
        """Σ over the modes of the least of zero and the larger root."""
        s, p = self._modes[1], 2 / self.depth
        x = self.roots(s)[1]
        there = (x - s) ** 2 / 2 + self.lam * self.depth / 2 * x**p
        return float(np.sum(np.fmin(s**2 / 2, there)))

    def certify(self, w: np.ndarray) -> Certificate:
        """Stationarity: (WWᵀ)^{1−1/N}(W − T) + λW and G(WᵀW)^{1−1/N} + λW, relative to their terms."""
        U, x, Vt = np.linalg.svd(w, full_matrices=False)
        q, G = 2 - 2 / self.depth, w - self.T
        left, right = (U * x**q) @ (U.T @ G), ((G @ Vt.T) * x**q) @ Vt
        terms = float(np.linalg.norm(left) + np.linalg.norm(right) + 2 * self.lam * np.linalg.norm(w)) or 1.0
        off = float(np.linalg.norm(left + self.lam * w) + np.linalg.norm(right + self.lam * w)) / terms
        gap = (self.objective(w) - self._minimum) / (float(np.sum(self.T**2)) / 2 or 1.0)
        return Certificate(0.0, off, gap, -G)


def shrink_spectrum(W: np.ndarray, by: float) -> np.ndarray:
    """W with its singular values lessened by ``by``, those below it to zero: the proximal map of the nuclear norm."""
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    shrunk: np.ndarray = (U * np.maximum(s - by, 0.0)) @ Vt
    return shrunk


def _spectrum(W: np.ndarray) -> np.ndarray:
    return np.linalg.svd(W, compute_uv=False)
