"""Norms, their duals, and their steepest directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..records import record

__all__ = ["LpNorm", "Norm"]


class Norm(ABC):
    """A norm ‖·‖ with its dual ‖g‖_* = max_{‖s‖≤1} ⟨g, s⟩ and a maximiser s(g)."""

    @abstractmethod
    def value(self, w: np.ndarray) -> float:
        """‖w‖."""

    @abstractmethod
    def dual(self, g: np.ndarray) -> float:
        """‖g‖_*."""

    @abstractmethod
    def direction(self, g: np.ndarray) -> np.ndarray:
        """s with ‖s‖ = 1 and ⟨g, s⟩ = ‖g‖_*; zero when g is."""


@record
class LpNorm(Norm):
    """‖w‖_p, 1 ≤ p ≤ ∞; its dual is ‖g‖_q with 1/p + 1/q = 1.

    s(g) = sgn(g)(|g|/‖g‖_q)^{q−1}; the sign for p = ∞, the first largest coordinate for p = 1.

    >>> LpNorm(np.inf).direction(np.array([2.0, -3.0])).tolist()
    [1.0, -1.0]
    """

    p: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", float(self.p))
        if not self.p >= 1:
            raise ValueError(f"an ℓp norm needs 1 ≤ p ≤ inf, got p = {self.p}")

    @property
    def q(self) -> float:
        """The dual exponent p/(p − 1)."""
        return np.inf if self.p == 1 else 1.0 if self.p == np.inf else self.p / (self.p - 1)

    def value(self, w: np.ndarray) -> float:
        return _lp(w, self.p)

    def dual(self, g: np.ndarray) -> float:
        return _lp(g, self.q)

    def direction(self, g: np.ndarray) -> np.ndarray:
        if self.p == np.inf:
            return np.sign(g)
        largest = float(np.max(np.abs(g)))
        if largest == 0.0:
            return np.zeros_like(g)
        if self.p == 1:
            s = np.zeros_like(g)
            j = np.unravel_index(np.argmax(np.abs(g)), g.shape)
            s[j] = np.sign(g[j])
            return s
        a = np.abs(g) / largest  # the direction does not depend on the size of g: nothing underflows
        return np.sign(g) * (a / np.sum(a**self.q) ** (1 / self.q)) ** (self.q - 1)


def _lp(v: np.ndarray, p: float) -> float:
    """‖v‖_p, scaled so that powers neither under- nor overflow."""
    size = float(np.max(np.abs(v)))
    if size == 0.0 or not np.isfinite(size):
        return size
    return size * float(np.linalg.norm(np.ravel(v) / size, p))


def as_norm(norm: Any) -> Norm:
    """A Norm from p ≥ 1, ``np.inf``, or a Norm."""
    if isinstance(norm, Norm):
        return norm
    if isinstance(norm, int | float | np.number) and not isinstance(norm, bool):
        return LpNorm(float(norm))
    raise ValueError(f"norm must be a number p with 1 ≤ p ≤ inf or a Norm, got {norm!r}")
