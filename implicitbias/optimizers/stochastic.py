"""Stochastic methods. Their random numbers are a function of (key, k): see kernels/philox.py."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from ..checks import whole
from ..models import Linear
from ..problems import Regression
from ..records import record
from .base import KernelRule, Oracle, State, Step

__all__ = ["SGD", "RandomizedKaczmarz"]


@record
class SGD(Step):
    """θ_{k+1} = θ_k − η_k ∇L_{B_k}(θ_k), B_k: ``batch`` samples drawn uniformly with replacement.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | |B_k| | ``batch`` | an integer ≥ 1 |
    """

    step: Any
    batch: int = 1

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "batch", whole("batch", self.batch, 1))

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        return (
            None if problem.has_samples else f"this {type(problem).__name__} has no samples for SGD to draw"
        )

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        return theta - self.size(k) * oracle.sample(theta, self.batch), state

    def look_every(self, n: int) -> int:
        return -(-n // self.batch)

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=0, batch=self.batch)


@record
class RandomizedKaczmarz(Step):
    """w_{k+1} = w_k − x_i (x_i·w_k − y_i)/‖x_i‖², row i drawn with probability ∝ ‖x_i‖² or uniformly.

    | symbol | argument | |
    |---|---|---|
    | law of i | ``sampling`` | "norm" (∝ ‖x_i‖²) or "uniform" (over the non-zero rows) |

    Needs a Regression with the Linear model; k counts projections, each of unit time.
    """

    sampling: str = "norm"
    step: float = field(default=1.0, init=False)

    source = "strohmer2009kaczmarz"

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sampling not in ("norm", "uniform"):
            raise ValueError(f'sampling must be "norm" or "uniform", got {self.sampling!r}')
        if self.weight_decay:
            raise ValueError("RandomizedKaczmarz projects; it has no weight_decay")

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        if not isinstance(problem, Regression):
            return f"RandomizedKaczmarz solves a Regression, not a {type(problem).__name__}"
        if not np.any(problem.X):
            return "RandomizedKaczmarz projects on rows: X is zero"
        if not isinstance(model, Linear):
            return f"RandomizedKaczmarz moves w itself: use Linear(), not {type(model).__name__}"
        return None

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        X, y = oracle.problem.X, oracle.problem.y
        i = oracle.row(self.row_weights(oracle.problem))
        return theta - X[i] * ((X[i] @ theta - y[i]) / (X[i] @ X[i])), state

    def row_weights(self, problem: Any) -> np.ndarray:
        """(n,) the law of the drawn row, up to a factor."""
        squares: np.ndarray = np.einsum("ij,ij->i", problem.X, problem.X)
        return squares if self.sampling == "norm" else (squares > 0).astype(float)

    def look_every(self, n: int) -> int:
        return n

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=4, batch=-1)
