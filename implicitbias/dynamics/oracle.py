"""What an optimizer may ask of a setting, and what runs accumulate."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..optimizers.base import decay_at
from .setting import Setting

__all__ = ["Accumulators", "SettingOracle", "key_of"]


def key_of(rng: Any) -> tuple[int, int]:
    """The two 32-bit key words of a run's random stream.

    ``rng`` is a seed, a sequence of integers, a SeedSequence, or a Generator (which contributes one draw).
    """
    if isinstance(rng, np.random.Generator):
        rng = int(rng.integers(2**63))
    sequence = rng if isinstance(rng, np.random.SeedSequence) else np.random.SeedSequence(rng)
    a, b = sequence.generate_state(2)
    return int(a), int(b)


class SettingOracle:
    """Gradients of a setting's objective at flat θ; remembers g = ∇_w L of the last question."""

    def __init__(self, setting: Setting, key: tuple[int, int] = (0, 0)) -> None:
        self.setting = setting
        self.problem, self.model, self.layout = setting.problem, setting.model, setting.layout
        self.decay = decay_at(setting.optimizer, np.inf)
        self.log_unit = 0.0
        self.key = key
        self.k = 0
        self.g = np.zeros(setting.problem.w_shape)
        self.cross: Any = 0.0
        self._last: Any = None

    # -- gradients ------------------------------------------------------------------------------

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        return self._decayed(theta, self.gradient(theta))

    def gradient(self, theta: np.ndarray) -> np.ndarray:
        w = self.predictor(theta)
        self.g = (
            self.problem.gradient(w) if not self.log_unit else self.problem.scaled_gradient(w, self.log_unit)
        )
        return self.pull(theta, self.g)

    def relative(self, theta: np.ndarray) -> np.ndarray:
        self.g = self.problem.log_gradient(self.predictor(theta))
        return self.pull(theta, self.g)

    def sample(self, theta: np.ndarray, batch: int) -> np.ndarray:
        return self.rows(theta, np.array([self.index(b) for b in range(batch)]))

    def rows(self, theta: np.ndarray, rows: np.ndarray) -> np.ndarray:
        self.g = self.problem.sample_gradient(self.predictor(theta), rows)
        return self._decayed(theta, self.pull(theta, self.g))

    def direction(self, theta: np.ndarray) -> np.ndarray:
        w = self.predictor(theta)
        self.g = self.problem.gradient(w)
        return self.pull(theta, self.problem.log_gradient(w))

    def _decayed(self, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        return gradient + self.decay * theta if self.decay else gradient

    # -- the model ------------------------------------------------------------------------------

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        """w(θ)."""
        if not hasattr(self.model, "forward"):
            return self.setting.predictor(theta)
        return self._forward(theta)[0]

    def pull(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        """(∂w/∂θ)ᵀg, flat."""
        blocks = self.layout.split(theta)
        parts = self._last[2] if self._is_last(theta) else None
        pulled = self.model.pullback(blocks, g) if parts is None else self.model.pullback(blocks, g, parts)
        return self.layout.join(pulled)

    def _forward(self, theta: np.ndarray) -> tuple[np.ndarray, Any]:
        """(w, parts) at θ, of which the last are kept: a step and the looks at its ends share them."""
        if not self._is_last(theta):
            w, parts = self.model.forward(self.layout.split(theta))
            self._last = theta.copy(), np.reshape(w, theta.shape[:-1] + self.problem.w_shape), parts
        return self._last[1], self._last[2]

    def _is_last(self, theta: np.ndarray) -> bool:
        return self._last is not None and np.array_equal(self._last[0], theta)

    def split(self, theta: np.ndarray) -> Any:
        """The blocks of flat θ."""
        return self.layout.split(theta)

    def join(self, blocks: Any) -> np.ndarray:
        """Flat θ of its blocks."""
        return self.layout.join(blocks)

    def can_move(self, theta: np.ndarray) -> bool:
        """Whether some gradient in w has a pullback other than zero (at a zero of a product, none has)."""
        if self.decay:
            return True
        probe = np.cos(1.0 + np.arange(int(np.prod(self.problem.w_shape)))).reshape(self.problem.w_shape)
        return bool(np.any(self.pull(theta, probe)))

    # -- random numbers of this step --------------------------------------------------------------

    def row(self, weights: np.ndarray) -> int:
        cumulative = np.cumsum(weights / np.sum(weights))
        i = np.searchsorted(cumulative, self.uniform(0), side="right")
        return min(int(i), len(weights) - 1)

    def index(self, slot: int) -> int:
        """Draw number ``slot`` of the current step: a sample, uniformly."""
        from ..kernels.philox import uniform_index

        return int(uniform_index(self.k, slot, self.problem.n, *self.key))

    def uniform(self, slot: int) -> float:
        """Draw number ``slot`` of the current step: uniform on [0, 1)."""
        from ..kernels.philox import uniform

        return float(uniform(self.k, slot, *self.key))

    def normal(self, slot: int) -> float:
        """Draw number ``slot`` of the current step: standard normal."""
        from ..kernels.philox import normal

        return float(normal(self.k, slot, *self.key))


class Accumulators:
    """What steps on a two-layer product network add up to, per coordinate of w.

    A gradient step multiplies the product coordinates w₊, w₋ by 1 ∓ x − s: x = rate·η·g lies in the row space,
    and s = rate²·η·cross + η·λ collects what does not (the cross term of a perturbed gradient, weight decay).

        log_shrink = Σ ln|m₊m₋|,   shift = Σ [ln|m₊/m₋| + 2x],   m± = 1 ∓ x − s

    are the logarithms of the factors by which the step moves c = |w₊w₋| and, outside the row space, the
    dual point ln|w₊/w₋|. They are read off the steps, never off θ. An ``exponential`` step has ln m± = ∓x − s.
    """

    NAMES = ("log_shrink", "shift")

    def __init__(self, setting: Setting, observe: Any = None) -> None:
        self.rate = 0.0 if setting.is_flow else float(getattr(setting.model, "product_rate", 0.0))
        self.exponential = bool(getattr(setting.optimizer, "exponential", False))
        names = self.NAMES if self.rate else ()
        check_observe(observe, names)
        self.names = tuple(names if observe is None else observe)
        if not self.names:
            self.rate = 0.0
        self.sums = np.zeros((2, *setting.problem.w_shape)) if self.rate else np.zeros((2, 1))

    def add(self, step: float, g: np.ndarray, cross: Any = 0.0, decay: float = 0.0) -> None:
        """One step of size η along g."""
        if self.rate:
            x = self.rate * step * g
            s = self.rate**2 * step * cross + step * decay
            if self.exponential:
                self.sums[0] -= 2 * s
                return
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                plus, minus = np.log(np.abs(1 - x - s)), np.log(np.abs(1 + x - s))
                self.sums[0] += plus + minus
                self.sums[1] += (plus - minus) + 2 * x

    def result(self) -> dict[str, np.ndarray]:
        """The accumulators by name."""
        return {n: self.sums[self.NAMES.index(n)].copy() for n in self.names}


def check_observe(observe: Any, names: tuple[str, ...]) -> None:
    """Refuse names of accumulators that this model and optimizer do not have."""
    unknown = [n for n in (observe or ()) if n not in names]
    if unknown:
        have = ", ".join(names) or "none"
        raise ValueError(f"observe names {unknown[0]!r}; accumulators of this model and optimizer: {have}")
