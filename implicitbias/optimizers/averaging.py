"""Averages of iterates."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import number
from ..records import record
from .base import KernelRule, Oracle, State, Step

__all__ = ["Averaged"]


@record
class Averaged(Step):
    """θ̄_K = Σ_{k<K} a_k φ_k / Σ_{k<K} a_k,  φ_k the iterates of another method, φ_0 the start; θ̄_0 = φ_0.

    | symbol | argument | |
    |---|---|---|
    | φ | ``optimizer`` | a Step; its step sizes and weight decay are those of the run |
    | a_k | ``decay`` | None: a_k = 1, the mean of Polyak and Juditsky; p in (0, 1): a_k = (1 − p)^k, geometric |
    | (φ_k, its state) | state | |

    What the run reports is θ̄; gradients are taken at φ.
    """

    optimizer: Step
    decay: float | None = None

    source = "polyak1992acceleration"

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, Step):
            raise ValueError(f"Averaged needs a Step to average, got {self.optimizer!r:.80}")
        if isinstance(self.optimizer.step, np.ndarray):
            raise ValueError("Averaged averages one run: give its optimizer one step size")
        if self.weight_decay != 0:
            raise ValueError("weight_decay belongs to the optimizer that is averaged")
        object.__setattr__(self, "weight_decay", self.optimizer.weight_decay)
        if self.decay is not None:
            p = number("decay", self.decay, "satisfy 0 < p < 1, or be None", lambda p: 0 < p < 1)
            object.__setattr__(self, "decay", p)

    def contents(self) -> dict[str, Any]:
        """The arguments that make this record again."""
        return {"optimizer": self.optimizer, "decay": self.decay}

    @property
    def step(self) -> Any:
        """η_k of the averaged method."""
        return self.optimizer.step

    @property
    def time_step(self) -> Any:
        """dt of the averaged method, where it has one."""
        return getattr(self.optimizer, "time_step", None)

    @property
    def row_space(self) -> bool:  # type: ignore[override]
        """The mean of points of an affine space lies in it and tends to their limit; a geometric average does not."""
        return self.decay is None and self.optimizer.row_space

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        requires = getattr(self.optimizer, "requires", None)
        return None if requires is None else requires(problem, model)

    def init(self, theta: np.ndarray) -> State:
        return theta.copy(), self.optimizer.init(theta)

    def weights(self, k0: int, count: int) -> np.ndarray:
        """a_k / Σ_{j≤k} a_j for k = k₀, …, k₀ + count − 1: the part of φ_k in θ̄_{k+1}."""
        k = np.arange(k0, k0 + count, dtype=float)
        if self.decay is None:
            return 1.0 / (k + 1)
        log_keep = np.log1p(-self.decay)
        parts: np.ndarray = self.decay * np.exp(k * log_keep) / -np.expm1((k + 1) * log_keep)
        return parts

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        phi, inner = state
        mean = theta + self.weights(k, 1)[0] * (phi - theta)
        return mean, self.optimizer.update(oracle, inner, phi, k)

    @property
    def exponential(self) -> bool:  # type: ignore[override]
        """As φ moves: runs accumulate along φ."""
        return self.optimizer.exponential

    def look_every(self, n: int) -> int:
        return self.optimizer.look_every(n)

    def kernel_rule(self) -> KernelRule | None:
        rule = self.optimizer.kernel_rule()
        return None if rule is None or rule.average is not None else rule._replace(average=self.weights)
