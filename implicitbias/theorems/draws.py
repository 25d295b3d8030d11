"""What the draws of several families share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..problems import Regression
from ..selection import Hypothesis

__all__ = ["WELL_CONDITIONED", "Rng", "gaussian_regression", "smoothness"]

Rng = np.random.Generator


def gaussian_regression(rng: Rng, n: int, d: int) -> Regression:
    """Independent normal inputs and targets."""
    return Regression(rng.standard_normal((n, d)), rng.standard_normal(n))


def smoothness(problem: Any) -> float:
    """The largest eigenvalue of XᵀX/n."""
    return float(np.linalg.norm(problem.X, 2)) ** 2 / problem.n


WELL_CONDITIONED = Hypothesis("κ(X) ≤ 5", lambda s: np.linalg.cond(s.problem.X) <= 5)
