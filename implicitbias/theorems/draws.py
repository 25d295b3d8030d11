"""What the draws of several families share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..models.matrix import orthonormal
from ..problems import Regression
from ..selection import Hypothesis

__all__ = ["WELL_CONDITIONED", "Rng", "gaussian_regression", "inputs_with_spectrum", "matrix_with_spectrum"]

Rng = np.random.Generator


def gaussian_regression(rng: Rng, n: int, d: int) -> Regression:
    """Independent normal inputs and targets."""
    return Regression(rng.standard_normal((n, d)), rng.standard_normal(n))


def inputs_with_spectrum(rng: Rng, n: int, d: int, s: Any) -> np.ndarray:
    """X (n, d) in random eigenbases with the non-zero eigenvalues ``s`` of XᵀX/n, at most min(n, d) of them."""
    U, _ = np.linalg.qr(rng.standard_normal((n, len(s))))
    V, _ = np.linalg.qr(rng.standard_normal((d, len(s))))
    return np.asarray((U * np.sqrt(n * np.asarray(s))) @ V.T)


def matrix_with_spectrum(rng: Rng, p: int, q: int, s: Any) -> np.ndarray:
    """(p, q) with singular values ``s``, at most min(p, q) of them, in random orthonormal bases."""
    return np.asarray((orthonormal(p, len(s), rng) * np.asarray(s)) @ orthonormal(q, len(s), rng).T)


WELL_CONDITIONED = Hypothesis("κ(X) ≤ 5", lambda s: np.linalg.cond(s.problem.X) <= 5)
