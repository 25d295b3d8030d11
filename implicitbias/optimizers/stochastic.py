"""Stochastic methods. Their random numbers are a function of (key, k): see kernels/philox.py."""

from __future__ import annotations

import math
from dataclasses import field
from typing import Any

import numpy as np

from ..checks import positive, whole
from ..models import Linear
from ..problems import MatrixRegression, Regression
from ..records import record
from .base import KernelRule, Oracle, State, Step

__all__ = ["SGD", "LabelNoiseSGD", "RandomizedKaczmarz", "StochasticGradientFlow"]


CYCLIC = -1
"""In the kernels CYCLIC − b stands for the next b samples in the order of the data."""


@record
class SGD(Step):
    """θ_{k+1} = θ_k − η_k ∇L_{B_k}(θ_k), B_k: a batch of samples, L_B the mean loss over it.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | |B_k| | ``batch`` | an integer ≥ 1; it divides n unless the order is "random" |
    | | ``order`` | "random": uniformly with replacement; "shuffled": each epoch takes every sample once, in an order of its own; "cyclic": in the order of the data |
    | order | state | shuffled: the samples that this epoch has still to take; () otherwise |
    """  # noqa: E501

    step: Any
    batch: int = 1
    order: str = "random"

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "batch", whole("batch", self.batch, 1))
        if self.order not in ("random", "shuffled", "cyclic"):
            raise ValueError(f'order must be "random", "shuffled" or "cyclic", got {self.order!r:.80}')

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        if not problem.has_samples:
            return f"this {type(problem).__name__} has no samples for SGD to draw"
        if self.order == "random" or problem.n % self.batch == 0:
            return None
        return f'SGD(order="{self.order}") needs batches that divide n: batch = {self.batch}, n = {problem.n}'

    def init(self, theta: np.ndarray) -> State:
        return np.empty(0, dtype=int) if self.order == "shuffled" else ()

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        if self.order == "random":
            return theta - self.size(k) * oracle.sample(theta, self.batch), state
        n = oracle.problem.n
        if self.order == "cyclic":
            rows = (k * self.batch + np.arange(self.batch)) % n
            return theta - self.size(k) * oracle.rows(theta, rows), state
        # an epoch begins; or what is left is of an earlier task, which had more samples
        if not state.size or np.max(state) >= n:
            state = np.argsort([oracle.uniform(i) for i in range(n)])
        return theta - self.size(k) * oracle.rows(theta, state[: self.batch]), state[self.batch :]

    def look_every(self, n: int) -> int:
        return -(-n // self.batch)

    def kernel_rule(self) -> KernelRule | None:
        batch = {"random": self.batch, "cyclic": CYCLIC - self.batch, "shuffled": 0}[self.order]
        return KernelRule(code=0, batch=batch) if batch else None


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
        return KernelRule(code=4, batch=-1, row_weights=self.row_weights)


@record
class LabelNoiseSGD(Step):
    """θ_{k+1} = θ_k − η_k ∂w/∂θᵀ (1/|B_k|) Σ_{i∈B_k} (x_i·w − y_i + ξ_i) x_i,  ξ_i = ±σ with equal odds.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | σ | ``sigma`` | > 0; fresh noise on each target of each step |
    | |B_k| | ``batch`` | samples drawn uniformly with replacement; None: each sample once |

    It does not come to rest: give a limit.
    """

    step: Any
    sigma: float
    batch: int | None = 1

    source = "blanc2020implicit"

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sigma", positive("sigma", self.sigma))
        if self.batch is not None:
            object.__setattr__(self, "batch", whole("batch", self.batch, 1))

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        if isinstance(problem, Regression | MatrixRegression) and problem.has_samples:
            return None
        return "LabelNoiseSGD adds noise to the targets of the samples of a Regression or MatrixRegression"

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        problem, size = oracle.problem, self.batch or oracle.problem.n
        rows = np.arange(size) if self.batch is None else np.array([oracle.index(b) for b in range(size)])
        shape = (size, *problem.w_shape[:-1])
        signs = [1.0 if oracle.uniform(size + b) < 0.5 else -1.0 for b in range(math.prod(shape))]
        xi = self.sigma * np.reshape(signs, shape)
        oracle.g = problem.sample_gradient(oracle.predictor(theta), rows) + xi.T @ problem.X[rows] / size
        return theta - self.size(k) * (oracle.pull(theta, oracle.g) + oracle.decay * theta), state

    def look_every(self, n: int) -> int:
        return -(-n // (self.batch or n))

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=0, batch=self.batch or 0, constants=(self.sigma,))


@record
class StochasticGradientFlow(Step):
    """dθ = −∇L dt + √(2γL/n) (∂w/∂θ)ᵀ Xᵀ dB (Itô), B an n-dimensional Brownian motion: the flow with the noise of SGD.

    | symbol | argument | |
    |---|---|---|
    | γ | ``step`` | > 0, the step size of the SGD that it models |
    | dt | ``dt`` | the time step of the integration; None: γ |

    With batch one, a step γ of SGD has gradient noise of covariance (1/n) Σ r_i² x_ix_iᵀ, here replaced by
    (2L/n) XᵀX, which has the same trace on average. On a two-layer product network the integration is
    log-Euler, and multiplies the product coordinates by exp(∓x − s) with

        x = rate·(g dt + √(2γL/n) XᵀΔB),      s = rate² (γL/n) diag(XᵀX) dt,

    so that what it accumulates is exact at any dt; on other models it is Euler–Maruyama.
    """

    step: float
    dt: float | None = None

    source = "pesme2021implicit"
    exponential = True

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if callable(self.step):
            raise ValueError("the γ of StochasticGradientFlow is one number")
        if self.dt is not None:
            object.__setattr__(self, "dt", positive("dt", self.dt))

    @property
    def time_step(self) -> float:
        """dt."""
        return float(self.step if self.dt is None else self.dt)

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        return (
            None
            if isinstance(problem, Regression)
            else "StochasticGradientFlow has the noise of a Regression"
        )

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        problem, model, dt, gamma = oracle.problem, oracle.model, self.time_step, float(self.step)
        w = oracle.predictor(theta)
        strength = 2 * gamma * float(problem.loss(w)) / problem.n
        B = np.array([oracle.normal(i) for i in range(problem.n)])
        oracle.g = problem.gradient(w) + np.sqrt(strength / dt) * (B @ problem.X)
        rate = float(getattr(model, "product_rate", 0.0))
        if not rate:
            return theta - dt * (oracle.pull(theta, oracle.g) + oracle.decay * theta), state
        oracle.cross = 0.5 * strength * np.sum(problem.X**2, axis=0)
        x, s = rate * dt * oracle.g, dt * (rate**2 * oracle.cross + oracle.decay)
        factors = np.exp(np.concatenate([-x - s, x - s]))
        return model.from_products(model.products(theta) * factors), state

    def look_every(self, n: int) -> int:
        return n

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=9, constants=(float(self.step),))
