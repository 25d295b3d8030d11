"""Linear regression."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array
from ..records import record
from .base import EPS, Problem

__all__ = ["Regression"]


@record
class Regression(Problem):
    """L(w) = 1/(2n) ‖Xw − y‖², ∇L = Xᵀ(Xw − y)/n.

    Parameters
    ----------
    X : (n, d) inputs, y : (n,) targets. Finite numbers of any real type and memory order; they are
        copied to C-contiguous float64. Rank-deficient or inconsistent data are legal.

    Raises
    ------
    ValueError
        for wrong shapes, empty or non-finite data.

    Examples
    --------
    >>> problem = Regression([[1, 1]], [2])
    >>> float(problem.loss(np.zeros(2))), problem.least_loss
    (2.0, 0.0)
    """

    X: Any
    y: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", real_array("X", self.X, (None, None)))
        object.__setattr__(self, "y", real_array("y", self.y, (self.X.shape[0],), "(one per row of X)"))

    has_samples = True

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    @property
    def n(self) -> int:
        return int(self.X.shape[0])

    def loss(self, w: np.ndarray) -> np.ndarray:
        r = w @ self.X.T - self.y
        return np.sum(r * r, axis=-1) / (2 * self.n)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return (w @ self.X.T - self.y) @ self.X / self.n

    def sample_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        X = self.X[rows]
        return (X @ w - self.y[rows]) @ X / len(rows)

    def each_gradient(self, w: np.ndarray) -> np.ndarray:
        each: np.ndarray = (np.einsum("ij,ij->i", self.X, w) - self.y)[:, None] * self.X
        return each

    def layer_data(self) -> tuple[int, np.ndarray, np.ndarray, float]:
        return 1, self.X, self.y[:, None], float(self.n)

    def kernel_data(self) -> tuple[np.ndarray, np.ndarray, int]:
        return self.X, self.y, 0

    @cached_property
    def least_squares(self) -> np.ndarray:
        """X⁺y, the least-squares solution of least ‖w‖₂."""
        w: np.ndarray = np.linalg.lstsq(self.X, self.y, rcond=None)[0]
        return w

    @cached_property
    def smoothness(self) -> float:
        """λ_max(XᵀX/n): gradient descent is stable at steps below 2/λ_max."""
        return float(np.linalg.norm(self.X, 2)) ** 2 / self.n

    @cached_property
    def least_loss(self) -> float:
        """min_w L(w); zero when the residual of X⁺y is rounding."""
        r = self.X @ self.least_squares - self.y
        return (
            0.0
            if np.all(np.abs(r) <= self._residual_noise(self.least_squares))
            else float(r @ r) / (2 * self.n)
        )

    @property
    def consistent(self) -> bool:
        """Whether Xw = y has a solution (up to rounding)."""
        return self.least_loss == 0.0

    @property
    def attains_zero(self) -> bool:
        return self.consistent

    def _residual_noise(self, w: np.ndarray) -> np.ndarray:
        # |fl(Xw − y) − (Xw − y)| ≤ (d + 2)·eps·(|X||w| + |y|), and w carries errors of that kind itself
        noise: np.ndarray = 32 * EPS * (self.X.shape[1] + 2) * (np.abs(self.X) @ np.abs(w) + np.abs(self.y))
        return noise

    def is_least(self, w: np.ndarray, amplification: float = 1.0) -> bool:
        if not self.consistent:
            return super().is_least(w, amplification)
        # where Xw = y can be met the residual decides: on ill-conditioned data a gradient of rounding
        # is reached long before
        noise = max(1.0, amplification) * self._residual_noise(w)
        return bool(np.all(np.abs(self.X @ w - self.y) <= noise))

    def gradient_noise(self, w: np.ndarray) -> np.ndarray:
        noise: np.ndarray = np.abs(self.X).T @ self._residual_noise(w) / self.n
        return noise
