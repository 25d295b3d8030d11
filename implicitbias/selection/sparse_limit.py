"""Which ℓ1 minimiser a diagonal network selects as its start vanishes, when there are several."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import whole
from ..records import record
from ..threads import one_blas_thread
from .least_norm import LeastNorm
from .linear_programs import TIES, inner_point
from .orthants import half_lines
from .programs import EPS, Certificate, Program

__all__ = ["L1ThenEntropy"]


@record
class L1ThenEntropy(Program):
    """Of all w of least ‖w‖₁ with Xw = y, the one that maximises −Σ|w|ln|w| (depth 2) or Σ|w|^{2/D} (depth D ≥ 3).

    The potential of a diagonal network of depth D, started at the scale α, is ‖w‖₁ plus a term that vanishes with α:
    ln(1/α²)‖w‖₁ + Σ|w|ln|w| + O(‖w‖₁) for D = 2, and ‖w‖₁ − (D/2)α^{D−2}Σ|w|^{2/D} for D ≥ 3, up to a factor. In the
    limit the first term decides, and the second among the minimisers of the first. They form the face
    {w = Σ_T x_iσ_ie_i, x ≥ 0, Xw = y}, T the half-lines with equality in |Xᵀν| ≤ 1, and on it ‖w‖₁ is constant and
    the second term strictly convex: the solution is unique, and no coordinate that can be non-zero on the face is zero.

    Parameters
    ----------
    X, y : (n, d), (n,); for inconsistent y, least-squares solutions take the place of interpolants.
    depth : D ≥ 2.
    signs : (d,) of 1, −1, 0 or NaN, an orthant as in ``LeastNorm``.

    Examples
    --------
    >>> L1ThenEntropy([[1.0, 1.0, 0.5]], [2.0]).solution.round(12).tolist()
    [1.0, 1.0, 0.0]
    """

    X: Any
    y: Any
    depth: Any = 2
    signs: Any = None

    def __post_init__(self) -> None:
        least = LeastNorm(1, self.X, self.y, self.signs)
        for name in ("X", "y", "signs"):
            object.__setattr__(self, name, getattr(least, name))
        object.__setattr__(self, "depth", whole("depth", self.depth, 2))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    @cached_property
    def l1(self) -> LeastNorm:
        """The first stage."""
        return LeastNorm(1, self.X, self.y, self.signs)

    def objective(self, w: np.ndarray) -> float:
        """The second stage: Σ|w|ln|w|, or −Σ|w|^{2/D}."""
        return float(np.sum(self._f(np.abs(w))))

    def _f(self, x: np.ndarray) -> np.ndarray:
        if self.depth == 2:
            return np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)
        return -(x ** (2 / self.depth))

    def _slope(self, x: np.ndarray) -> np.ndarray:
        """f', for depth 2 less one, to which directions of the face are blind."""
        a = 2 / self.depth
        return np.log(x) if self.depth == 2 else -a * x ** (a - 1)

    def _curvature(self, x: np.ndarray) -> np.ndarray:
        a = 2 / self.depth
        return 1 / x if self.depth == 2 else a * (1 - a) * x ** (a - 2)

    def _at_slope(self, z: np.ndarray) -> np.ndarray:
        """The x with f'(x) = z; infinite where there is none."""
        a = 2 / self.depth
        with np.errstate(over="ignore"):
            return (
                np.exp(z - 1.0)
                if self.depth == 2
                else np.where(z < 0, (np.maximum(-z, 0) / a) ** (1 / (a - 1)), np.inf)
            )

    @cached_property
    def face(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(j, σ, M, x): the half-lines that some point of the face needs, M = A[:, j]σ, and a point with x > 0."""
        A = self.l1.system[0]
        v, nu, _ = self.l1.pair
        j, sigma = half_lines(self.signs, A.shape[1])
        ties = 1.0 - sigma * (A[:, j].T @ nu) < TIES
        j, sigma = j[ties], sigma[ties]
        M = A[:, j] * sigma
        x = inner_point(M, np.maximum(sigma * v[j], 0.0))
        inside = x > 0
        return j[inside], sigma[inside], M[:, inside], x[inside]

    @cached_property
    def solution(self) -> np.ndarray:
        j, sigma, M, x = self.face
        with one_blas_thread(max(self.X.shape)):
            _, s, Vt = np.linalg.svd(M)
            B = Vt[int(np.sum(s > 1e-10)) :].T  # the directions of the face
            x = self._newton(x, B) if B.shape[1] else x
        w = np.zeros(self.shape)
        w[j] = sigma * x
        return w

    def _newton(self, x: np.ndarray, B: np.ndarray) -> np.ndarray:
        """Newton's method on Σf over x + range(B), inside x > 0."""
        last = np.inf
        for _ in range(200):
            step = -B @ np.linalg.solve((B.T * self._curvature(x)) @ B, B.T @ self._slope(x))
            size = float(np.max(np.abs(step / x)))
            if size <= EPS or (size < 1e-6 and size > 0.5 * last):  # rounding
                break
            t = min(1.0, 0.9 / max(float(np.max(-step / x)), 0.9))
            # far beyond the minimum along the step, which next to the solution is a matter of rounding
            while (
                size > 1e-3 and t > 1e-6 and self._slope(x + t * step) @ step > -0.5 * (self._slope(x) @ step)
            ):
                t *= 0.5
            x, last = x + t * step, size
        return x

    def certify(self, w: np.ndarray) -> Certificate:
        """Both stages: the worse stationarity, and the larger gap of the two.

        Feasibility counts what lies off the face. On it, a multiplier μ is fitted to f'(x) = Mᵀμ; the second gap is
        ⟨μ, b⟩ − Σf*(Mᵀμ) below Σf(x), relative to Σ|f(x)| + ‖x‖₁.
        """
        first = self.l1.certify(w)
        j, sigma, M, _ = self.face
        _, b, R = self.l1.system
        x = np.maximum(sigma * w[j], 0.0)
        on = np.zeros(self.shape)
        on[j] = sigma * x
        off = float(np.linalg.norm(w - on)) / (float(np.linalg.norm(w)) or 1.0)
        if not np.any(b):
            return Certificate(max(first.feasibility, off), first.stationarity, first.gap, first.dual)
        z = self._slope(np.maximum(x, 1e-300))
        mu = np.linalg.lstsq(M.T, z, rcond=None)[0]
        if self.depth == 2:  # f' = ln x + 1, and Mᵀν = 1 on the face
            z, mu = z + 1.0, mu + self.l1.pair[1]
        fitted = M.T @ mu
        aim = self._at_slope(fitted)
        # Σf(x) − (⟨μ, b⟩ − Σf*(Mᵀμ)), as a sum of Bregman distances
        with np.errstate(invalid="ignore"):
            excess = self._f(x) - self._f(aim) - fitted * (x - aim)
        gap = float(np.sum(excess) + mu @ (M @ x - b)) if np.all(np.isfinite(aim)) else np.inf
        gap /= float(np.sum(np.abs(self._f(x))) + np.sum(x)) or 1.0
        miss = float(np.linalg.norm(z - fitted) / (float(np.linalg.norm(z)) or 1.0))
        return Certificate(
            feasibility=max(first.feasibility, off),
            stationarity=max(first.stationarity, miss),
            gap=max(first.gap, gap, key=abs),
            dual=R @ mu,
        )
