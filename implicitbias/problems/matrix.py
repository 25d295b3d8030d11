"""Problems whose predictor is a matrix."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array, whole
from ..records import record
from .base import EPS, Problem

__all__ = ["MatrixCompletion", "MatrixRegression"]


@record
class MatrixRegression(Problem):
    """L(W) = 1/(2n) ‖XWᵀ − Y‖_F², W (k, d); rows of X (n, d) and Y (n, k) are samples.

    :meth:`whitened` makes the problem of a target T (k, d) under whitened inputs, ½‖W − T‖_F².

    Examples
    --------
    >>> problem = MatrixRegression.whitened([[3.0, 0.0], [0.0, 1.0]])
    >>> float(problem.loss(np.zeros((2, 2))))
    5.0
    """

    X: Any
    Y: Any
    samples: Any = None
    """The divisor n of the loss; None: the number of rows."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "X", real_array("X", self.X, (None, None)))
        object.__setattr__(
            self, "Y", real_array("Y", self.Y, (self.X.shape[0], None), "(one row per row of X)")
        )
        samples = self.X.shape[0] if self.samples is None else whole("samples", self.samples, 1)
        object.__setattr__(self, "samples", samples)

    @classmethod
    def whitened(cls, T: object) -> MatrixRegression:
        """½‖W − T‖_F²: the inputs' covariance XᵀX/n is the identity and YᵀX/n = T (k, d)."""
        target = real_array("T", T, (None, None))
        return cls(np.eye(target.shape[1]), target.T, samples=1)

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.Y.shape[1], self.X.shape[1])

    @property
    def n(self) -> int:
        return int(self.samples)

    @cached_property
    def covariance(self) -> np.ndarray:
        """XᵀX/n (d, d)."""
        S: np.ndarray = self.X.T @ self.X / self.n
        return S

    @cached_property
    def target(self) -> np.ndarray:
        """YᵀX/n (k, d), the T of whitened inputs."""
        T: np.ndarray = self.Y.T @ self.X / self.n
        return T

    @property
    def is_whitened(self) -> bool:
        """Whether XᵀX/n = I up to rounding."""
        d = self.X.shape[1]
        return bool(np.abs(self.covariance - np.eye(d)).max() <= 8 * EPS * d)

    @cached_property
    def _is_a_target(self) -> bool:
        """Whether the problem was made by :meth:`whitened`: then no product with X is needed."""
        return self.n == 1 and np.array_equal(self.X, np.eye(len(self.X)))

    def layer_data(self) -> tuple[int, np.ndarray, np.ndarray, float]:
        if self._is_a_target:
            return 0, _frozen(np.ones(self.w_shape)), _frozen(self.target), 1.0
        return 1, self.X, self.Y, float(self.n)

    def loss(self, w: np.ndarray) -> np.ndarray:
        R = w - self.target if self._is_a_target else self.X @ np.swapaxes(w, -1, -2) - self.Y
        return np.sum(R * R, axis=(-1, -2)) / (2 * self.n)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        if self._is_a_target:
            return w - self.target
        R = self.X @ np.swapaxes(w, -1, -2) - self.Y
        return np.swapaxes(R, -1, -2) @ self.X / self.n

    @property
    def has_samples(self) -> bool:  # type: ignore[override]
        """A whitened problem is its two moments, and has none."""
        return self.n == self.X.shape[0]

    def sample_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        X = self.X[rows]
        return (X @ w.T - self.Y[rows]).T @ X / len(rows)

    @cached_property
    def least_loss(self) -> float:
        """min_W L(W) over all matrices (a narrower model may not reach it)."""
        W = np.linalg.lstsq(self.X, self.Y, rcond=None)[0].T
        R = self.X @ W.T - self.Y
        return 0.0 if np.all(np.abs(R) <= self._residual_noise(W)) else float(np.sum(R * R)) / (2 * self.n)

    @property
    def attains_zero(self) -> bool:
        return self.least_loss == 0.0

    def _residual_noise(self, w: np.ndarray) -> np.ndarray:
        noise: np.ndarray = 32 * EPS * (self.X.shape[1] + 2) * (np.abs(self.X) @ np.abs(w).T + np.abs(self.Y))
        return noise

    def is_least(self, w: np.ndarray, amplification: float = 1.0) -> bool:
        if not self.attains_zero:
            return super().is_least(w, amplification)
        noise = max(1.0, amplification) * self._residual_noise(w)
        return bool(np.all(np.abs(self.X @ w.T - self.Y) <= noise))

    def gradient_noise(self, w: np.ndarray) -> np.ndarray:
        noise: np.ndarray = self._residual_noise(w).T @ np.abs(self.X) / self.n
        return noise


def _frozen(A: np.ndarray) -> np.ndarray:
    """A contiguous copy that cannot be written to, as the data of every problem."""
    copy = np.array(A, dtype=float, order="C")
    copy.flags.writeable = False
    return copy


@record
class MatrixCompletion(Problem):
    """L(W) = ½ Σ_{(i,j) observed} (W_ij − v_ij)².

    Parameters
    ----------
    values : (p, q); entries outside the mask are ignored, NaN included.
    mask : (p, q) booleans, true where observed; at least one entry must be. Rows and columns without any are
        legal, and named by ``unobserved_rows`` and ``unobserved_columns``.

    Examples
    --------
    >>> problem = MatrixCompletion([[np.nan, 1.0], [1.0, 0.0]], [[False, True], [True, True]])
    >>> float(problem.loss(np.zeros((2, 2))))
    1.0
    """

    values: Any
    mask: Any

    def __post_init__(self) -> None:
        mask = np.array(self.mask)
        if mask.dtype != bool and not np.isin(mask, (0, 1)).all():
            raise ValueError(f"mask must hold booleans, got dtype {mask.dtype}")
        mask = mask.astype(bool)
        shown = np.shape(self.values)
        if mask.ndim != 2 or mask.shape != shown:
            raise ValueError(f"mask has shape {mask.shape}; expected that of values, {shown}")
        if not mask.any():
            raise ValueError("mask has no observed entry: there is nothing to fit")
        values = real_array("values", np.where(mask, np.asarray(self.values, dtype=float), 0.0))
        mask.flags.writeable = False
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "mask", mask)

    has_samples = True

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (int(self.values.shape[0]), int(self.values.shape[1]))

    @property
    def n(self) -> int:
        return int(self.mask.sum())

    @property
    def unobserved_rows(self) -> np.ndarray:
        """Indices of rows without an observed entry: no data speak of them (of columns: ``unobserved_columns``)."""
        return np.flatnonzero(~self.mask.any(axis=1))

    @property
    def unobserved_columns(self) -> np.ndarray:
        """Indices of columns without an observed entry."""
        return np.flatnonzero(~self.mask.any(axis=0))

    def layer_data(self) -> tuple[int, np.ndarray, np.ndarray, float]:
        return 0, _frozen(self.mask), self.values, 1.0

    def loss(self, w: np.ndarray) -> np.ndarray:
        R = np.where(self.mask, w - self.values, 0.0)
        return 0.5 * np.sum(R * R, axis=(-1, -2))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return np.where(self.mask, w - self.values, 0.0)

    def sample_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Gradient of n · (mean over the drawn observed entries): unbiased for the sum L."""
        G = np.zeros(self.w_shape)
        i, j = (index[rows] for index in np.nonzero(self.mask))
        np.add.at(G, (i, j), (w[i, j] - self.values[i, j]) * (self.n / len(rows)))
        return G

    def gradient_noise(self, w: np.ndarray) -> np.ndarray:
        return np.where(self.mask, 16 * EPS * (np.abs(w) + np.abs(self.values)), 0.0)
