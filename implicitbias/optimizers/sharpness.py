"""Sharpness-aware minimisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import positive
from ..records import record
from .base import KernelRule, Oracle, State, Step

__all__ = ["SAM"]


@record
class SAM(Step):
    """θ_{k+1} = θ_k − η_k ∇L(θ_k + ρ ∇L(θ_k)), in four forms.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | ρ | ``rho`` | > 0, the size of the ascent |
    | | ``per_sample`` | the mean over samples i of ∇L_i(θ + ρ ∇L_i(θ)): each sample has its own ascent |
    | | ``normalized`` | ascend by ρ ∇L/‖∇L‖₂ (zero where the gradient is) |

    L_i is the loss of sample i, L their mean. Weight decay acts at θ_k, outside the ascent. On a two-layer
    product network every form multiplies the product coordinates by 1 ∓ x − s (dynamics/oracle.py): x is along
    the ascended gradient g̃, in the row space, and s along the mean of ρ g∘g̃, which is not.
    """

    step: Any
    rho: float
    per_sample: bool = False
    normalized: bool = False

    source = "andriushchenko2022sam"

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "rho", positive("rho", self.rho))

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        if self.per_sample and not problem.has_samples:
            return f"this {type(problem).__name__} has no samples for SAM(per_sample=True)"
        return None

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        gradient = self._per_sample(oracle, theta) if self.per_sample else self._full(oracle, theta)
        return theta - self.size(k) * (gradient + oracle.decay * theta), state

    def _full(self, oracle: Oracle, theta: np.ndarray) -> np.ndarray:
        ascent = oracle.gradient(theta)
        g, rho = oracle.g, self._rho(ascent)
        gradient = oracle.gradient(theta + rho * ascent)
        oracle.cross = rho * g * oracle.g
        return gradient

    def _per_sample(self, oracle: Oracle, theta: np.ndarray) -> np.ndarray:
        n = oracle.problem.n
        thetas = np.tile(theta, (n, 1))
        g = oracle.problem.each_gradient(oracle.predictor(thetas))
        ascent = oracle.pull(thetas, g)
        rho = self._rho(ascent)[:, None]
        ascended = thetas + rho * ascent
        tilde = oracle.problem.each_gradient(oracle.predictor(ascended))
        oracle.g = np.mean(tilde, axis=0)
        oracle.cross = np.mean(rho * g * tilde, axis=0) if g.ndim == 2 else 0.0
        return np.asarray(np.mean(oracle.pull(ascended, tilde), axis=0))

    def _rho(self, ascent: np.ndarray) -> np.ndarray:
        """ρ, or ρ/‖∇L‖₂ (of each sample)."""
        if not self.normalized:
            return np.full(ascent.shape[:-1], self.rho)
        size = np.linalg.norm(ascent, axis=-1)
        return np.divide(self.rho, size, out=np.zeros_like(size), where=size > 0)

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=8, constants=(self.rho, float(self.per_sample)), normalized=self.normalized)
