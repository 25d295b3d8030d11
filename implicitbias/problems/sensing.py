"""Matrices seen through linear measurements."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array
from ..records import record
from .base import Problem
from .regression import Regression

__all__ = ["MatrixSensing"]


@record
class MatrixSensing(Problem):
    """L(W) = 1/(2m) Σ_i (⟨A_i, W⟩ − b_i)², ⟨A, W⟩ = tr AᵀW; ∇L = (1/m) Σ_i (⟨A_i, W⟩ − b_i) A_i.

    Parameters
    ----------
    A : (m, p, q) measurements, b : (m,) what they measure. W is (p, q). It is a :class:`Regression` in the entries
        of W; dependent or inconsistent measurements are legal.

    Raises
    ------
    ValueError
        for wrong shapes, empty or non-finite data.

    Examples
    --------
    >>> problem = MatrixSensing([[[1.0, 0.0], [0.0, 1.0]]], [2.0])  # the trace is 2
    >>> float(problem.loss(np.zeros((2, 2)))), problem.gradient(np.zeros((2, 2))).tolist()
    (2.0, [[-2.0, 0.0], [0.0, -2.0]])
    """

    A: Any
    b: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "A", real_array("A", self.A, (None, None, None)))
        object.__setattr__(self, "b", real_array("b", self.b, (len(self.A),), "(one per measurement)"))

    has_samples = True

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (int(self.A.shape[1]), int(self.A.shape[2]))

    @property
    def n(self) -> int:
        return int(self.A.shape[0])

    @cached_property
    def in_entries(self) -> Regression:
        """The same loss as a regression in the entries of W, row by row."""
        return Regression(self.A.reshape(self.n, -1), self.b)

    def measure(self, w: np.ndarray) -> np.ndarray:
        """A(W) = (⟨A_i, W⟩)_i, (..., m)."""
        return np.asarray(_flat(w) @ self.in_entries.X.T)

    def layer_data(self) -> tuple[int, np.ndarray, np.ndarray, float]:
        return 2, self.in_entries.X, self.b[:, None], float(self.n)

    def loss(self, w: np.ndarray) -> np.ndarray:
        return self.in_entries.loss(_flat(w))

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.in_entries.gradient(_flat(w)).reshape(w.shape)

    def sample_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return self.in_entries.sample_gradient(_flat(w), rows).reshape(w.shape)

    def each_gradient(self, w: np.ndarray) -> np.ndarray:
        return self.in_entries.each_gradient(_flat(w)).reshape(w.shape)

    @property
    def least_loss(self) -> float:
        """min_W L(W) over all matrices (a narrower or semidefinite model may not reach it)."""
        return self.in_entries.least_loss

    @property
    def consistent(self) -> bool:
        """Whether some matrix meets all measurements (up to rounding)."""
        return self.in_entries.consistent

    @property
    def attains_zero(self) -> bool:
        return self.consistent

    @property
    def smoothness(self) -> float:
        """The largest eigenvalue of (1/m) Σ_i vec(A_i) vec(A_i)ᵀ: that of the loss in W."""
        return self.in_entries.smoothness

    def is_least(self, w: np.ndarray, amplification: float = 1.0) -> bool:
        return self.in_entries.is_least(_flat(w), amplification)

    def gradient_noise(self, w: np.ndarray) -> np.ndarray:
        return self.in_entries.gradient_noise(_flat(w)).reshape(w.shape)


def _flat(w: np.ndarray) -> np.ndarray:
    return w.reshape(*w.shape[:-2], -1)
