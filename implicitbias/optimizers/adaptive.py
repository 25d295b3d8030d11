"""Adaptive methods: every coordinate is divided by a record of its own gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import number
from ..records import record
from .base import KernelRule, Oracle, State, Step

__all__ = ["AdaGrad", "Adam", "AdamW", "Lion", "RMSProp"]


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a/b with 0/0 = 0: a coordinate that no gradient has touched does not move."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


def _fraction(optimizer: Step, *names: str) -> None:
    for name in names:
        value = number(name, getattr(optimizer, name), f"satisfy 0 ≤ {name} < 1", lambda b: 0 <= b < 1)
        object.__setattr__(optimizer, name, value)


def _not_negative(optimizer: Step, *names: str) -> None:
    for name in names:
        value = number(name, getattr(optimizer, name), "be finite and ≥ 0", lambda x: x >= 0)
        object.__setattr__(optimizer, name, value)


@record
class AdaGrad(Step):
    """v_{k+1} = v_k + g_k²,  θ_{k+1} = θ_k − η_k g_k/(√v_{k+1} + ε),  v_0 = 0  (0/0 = 0).

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | ε | ``eps`` | ≥ 0 |
    | v | state | shape of θ |
    """

    step: Any
    eps: float = 1e-10

    source = "duchi2011adagrad"

    def __post_init__(self) -> None:
        super().__post_init__()
        _not_negative(self, "eps")

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        g = oracle(theta)
        v = state + g * g
        return theta - self.size(k) * ratio(g, np.sqrt(v) + self.eps), v

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=5, constants=(1.0, 1.0, self.eps))


@record
class RMSProp(Step):
    """v_{k+1} = β v_k + (1 − β) g_k²,  θ_{k+1} = θ_k − η_k g_k/(√v_{k+1} + ε),  v_0 = 0  (0/0 = 0).

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β | ``beta`` | 0 ≤ β < 1 |
    | ε | ``eps`` | ≥ 0 |
    | v | state | shape of θ |
    """

    step: Any
    beta: float = 0.99
    eps: float = 1e-8

    source = "tieleman2012rmsprop"

    state_degrees = (2,)
    floor_degrees = {"eps": 1}  # noqa: RUF012

    def __post_init__(self) -> None:
        super().__post_init__()
        _fraction(self, "beta")
        _not_negative(self, "eps")

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        g = oracle(theta)
        v = self.beta * state + (1 - self.beta) * g * g
        return theta - self.size(k) * ratio(g, np.sqrt(v) + self.eps), v

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=5, constants=(self.beta, 1 - self.beta, self.eps))


def _adam(self: Adam | AdamW, g: np.ndarray, state: State, k: int) -> tuple[np.ndarray, State]:
    """Adam's direction m̂/(√(v̂ + ε_r) + ε), and the new moments."""
    m = self.beta1 * state[0] + (1 - self.beta1) * g
    v = self.beta2 * state[1] + (1 - self.beta2) * g * g
    m_hat, v_hat = m / (1 - self.beta1 ** (k + 1)), v / (1 - self.beta2 ** (k + 1))
    return ratio(m_hat, np.sqrt(v_hat + self.eps_root) + self.eps), np.stack([m, v])


@record
class Adam(Step):
    """m_{k+1} = β₁m_k + (1 − β₁)g_k,  v_{k+1} = β₂v_k + (1 − β₂)g_k²,  m_0 = v_0 = 0,

    θ_{k+1} = θ_k − η_k m̂/(√(v̂ + ε_r) + ε),  m̂ = m_{k+1}/(1 − β₁^{k+1}),  v̂ = v_{k+1}/(1 − β₂^{k+1})  (0/0 = 0).

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β₁, β₂ | ``beta1``, ``beta2`` | in [0, 1) |
    | ε, ε_r | ``eps``, ``eps_root`` | ≥ 0, outside and inside the root |
    | (m, v) | state | (2, P) |
    """

    step: Any
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    eps_root: float = 0.0

    source = "kingma2015adam"

    state_degrees = (1, 2)
    floor_degrees = {"eps": 1, "eps_root": 2}  # noqa: RUF012

    def __post_init__(self) -> None:
        super().__post_init__()
        _fraction(self, "beta1", "beta2")
        _not_negative(self, "eps", "eps_root")

    def init(self, theta: np.ndarray) -> State:
        return np.zeros((2, theta.size))

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        direction, state = _adam(self, oracle(theta), state, k)
        return theta - self.size(k) * direction, state

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=6, constants=(self.beta1, self.beta2, self.eps, self.eps_root, 0.0))


@record
class AdamW(Step):
    """θ_{k+1} = θ_k − η_k (d_k + λθ_k),  d_k Adam's direction: decoupled weight decay.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | λ | ``decay`` | ≥ 0, decoupled |
    | β₁, β₂, ε, ε_r | ``beta1``, ``beta2``, ``eps``, ``eps_root`` | as in Adam |
    | (m, v) | state | (2, P) |
    """

    step: Any
    decay: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    eps_root: float = 0.0

    source = "loshchilov2019decoupled"

    state_degrees = (1, 2)
    floor_degrees = {"eps": 1, "eps_root": 2}  # noqa: RUF012

    def __post_init__(self) -> None:
        super().__post_init__()
        _fraction(self, "beta1", "beta2")
        _not_negative(self, "decay", "eps", "eps_root")

    def init(self, theta: np.ndarray) -> State:
        return np.zeros((2, theta.size))

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        direction, state = _adam(self, oracle(theta), state, k)
        return theta - self.size(k) * (direction + self.decay * theta), state

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=6, constants=(self.beta1, self.beta2, self.eps, self.eps_root, self.decay))


@record
class Lion(Step):
    """θ_{k+1} = θ_k − η_k [sgn(β₁m_k + (1 − β₁)g_k) + λθ_k],  m_{k+1} = β₂m_k + (1 − β₂)g_k,  m_0 = 0.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | λ | ``decay`` | ≥ 0, decoupled |
    | β₁, β₂ | ``beta1``, ``beta2`` | in [0, 1) |
    | m | state | shape of θ |
    """

    step: Any
    decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.99

    source = "chen2023lion"

    state_degrees = (1,)

    def __post_init__(self) -> None:
        super().__post_init__()
        _fraction(self, "beta1", "beta2")
        _not_negative(self, "decay")

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        g = oracle(theta)
        sign = np.sign(self.beta1 * state + (1 - self.beta1) * g)
        m = self.beta2 * state + (1 - self.beta2) * g
        return theta - self.size(k) * (sign + self.decay * theta), m

    def kernel_rule(self) -> KernelRule:
        a, b = self.beta1, self.beta2
        return KernelRule(code=7, constants=(a, 1 - a, b, 1 - b, self.decay))
