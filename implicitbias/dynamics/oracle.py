"""What an optimizer may ask of a setting, and what runs accumulate."""

from __future__ import annotations

from typing import Any

import numpy as np

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
        self.decay = float(getattr(setting.optimizer, "weight_decay", 0.0))
        self.key = key
        self.k = 0
        self.g = np.zeros(setting.problem.w_shape)

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        return self._pull(theta, self.problem.gradient(self.setting.predictor(theta)), self.decay)

    def sample(self, theta: np.ndarray, batch: int) -> np.ndarray:
        w = self.setting.predictor(theta)
        rows = np.array([self.index(b) for b in range(batch)])
        return self._pull(theta, self.problem.sample_gradient(w, rows), self.decay)

    def direction(self, theta: np.ndarray) -> np.ndarray:
        w = self.setting.predictor(theta)
        direction = self._pull(theta, self.problem.log_gradient(w), 0.0)
        self.g = self.problem.gradient(w)
        return direction

    def row(self, weights: np.ndarray) -> int:
        from ..kernels.philox import uniform

        cumulative = np.cumsum(weights / np.sum(weights))
        i = np.searchsorted(cumulative, uniform(self.k, 0, *self.key), side="right")
        return min(int(i), len(weights) - 1)

    def index(self, slot: int) -> int:
        """Draw number ``slot`` of the current step: a sample, uniformly."""
        from ..kernels.philox import uniform_index

        return int(uniform_index(self.k, slot, self.problem.n, *self.key))

    def can_move(self, theta: np.ndarray) -> bool:
        """Whether some gradient in w has a pullback other than zero (at a zero of a product, none has)."""
        if self.decay:
            return True
        probe = np.cos(1.0 + np.arange(int(np.prod(self.problem.w_shape)))).reshape(self.problem.w_shape)
        return bool(np.any(self.layout.join(self.model.pullback(self.layout.split(theta), probe))))

    def split(self, theta: np.ndarray) -> Any:
        """The blocks of flat θ."""
        return self.layout.split(theta)

    def join(self, blocks: Any) -> np.ndarray:
        """Flat θ of its blocks."""
        return self.layout.join(blocks)

    def _pull(self, theta: np.ndarray, g: np.ndarray, decay: float) -> np.ndarray:
        self.g = g
        gradient = self.layout.join(self.model.pullback(self.layout.split(theta), g))
        return gradient + decay * theta if decay else gradient


class Accumulators:
    """What the steps x = rate·η·g add up to along a run, per coordinate of w.

    log_shrink = Σ ln|1 − x²| and shift = Σ [ln|(1 − x)/(1 + x)| + 2x]: the logarithms of the factors by
    which a gradient step moves c and, outside the row space, the dual point of a two-layer
    elementwise network. They are read off the steps, never off θ.
    """

    NAMES = ("log_shrink", "shift")

    def __init__(self, setting: Setting, observe: Any = None) -> None:
        self.rate = 0.0 if setting.is_flow else float(getattr(setting.model, "product_rate", 0.0))
        names = self.NAMES if self.rate else ()
        unknown = [n for n in (observe or ()) if n not in names]
        if unknown:
            have = ", ".join(names) or "none"
            raise ValueError(
                f"observe names {unknown[0]!r}; accumulators of this model and optimizer: {have}"
            )
        self.names = tuple(names if observe is None else observe)
        if not self.names:
            self.rate = 0.0
        self.sums = np.zeros((2, *setting.problem.w_shape)) if self.rate else np.zeros((2, 1))

    def add(self, step: float, g: np.ndarray) -> None:
        """One step of size η along g."""
        if self.rate:
            x = self.rate * step * g
            with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
                minus, plus = np.log(np.abs(1 - x)), np.log(np.abs(1 + x))
                self.sums[0] += minus + plus
                self.sums[1] += (minus - plus) + 2 * x

    def result(self) -> dict[str, np.ndarray]:
        """The accumulators by name."""
        return {n: self.sums[self.NAMES.index(n)].copy() for n in self.names}
