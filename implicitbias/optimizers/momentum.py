"""Momentum methods."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..records import record
from .base import KernelRule, Oracle, State, Step, as_momentum

__all__ = ["HeavyBall", "Nesterov"]


@record
class HeavyBall(Step):
    """v_{k+1} = β v_k − η_k ∇L(θ_k),  θ_{k+1} = θ_k + v_{k+1},  v_0 = 0.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β | ``momentum`` | 0 ≤ β < 1; heavy-ball, not an average of gradients |
    | v | state | shape of θ |
    """

    step: Any
    momentum: float

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "momentum", as_momentum(self.momentum))

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        v = self.momentum * state - self.size(k) * oracle(theta)
        return theta + v, v

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=1, momentum=lambda k0, count: np.full(count, self.momentum))


@record
class Nesterov(Step):
    """q_k = θ_k + β_k(θ_k − θ_{k−1}),  θ_{k+1} = q_k − η_k ∇L(q_k),  θ_{−1} = θ_0.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β_k | ``momentum`` | a constant in [0, 1); None: β_k = k/(k + 3) |
    | θ_{k−1} | state | shape of θ |
    """

    step: Any
    momentum: float | None = None

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum is not None:
            object.__setattr__(self, "momentum", as_momentum(self.momentum))

    def init(self, theta: np.ndarray) -> State:
        return theta.copy()

    def beta(self, k0: int, count: int) -> np.ndarray:
        """β_{k₀}, …, β_{k₀+count−1}."""
        k = np.arange(k0, k0 + count)
        return k / (k + 3.0) if self.momentum is None else np.full(count, self.momentum)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        q = theta + self.beta(k, 1)[0] * (theta - state)
        return q - self.size(k) * oracle(q), theta

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=2, momentum=self.beta)
