"""The exact curve of deep linear networks from an aligned start."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..modes import DeepModes
from ..rule import Hypothesis, Rule
from .common import NO_DECAY
from .networks import DEEP, UNIT_FLOW, WHITENED, unbalance
from .spectral import modes

__all__: list[str] = []

TOLERANCE = 1e-10
ZERO = 1e-14
"""A mode of start or target below this part of the largest is rounding, and taken for zero."""


def gram_parts(setting: Any) -> tuple[np.ndarray, np.ndarray]:
    """UᵀW₂ (r, h) and W₁V (h, r), whose squares are the modes' parts a² of W₂W₂ᵀ and b² of W₁ᵀW₁."""
    found, (W1, W2) = modes(setting), setting.theta0
    return found.U.T @ W2, W1 @ found.V


def excess(setting: Any) -> np.ndarray:
    """c = (¼(a² + b²)² − u²)^½ = (¼(a² − b²)² + a²b² − u²)^½ of each mode (r,); zero of deeper, balanced networks."""
    u = modes(setting).w
    if setting.model.depth > 2:
        return np.zeros(u.size)
    left, right = gram_parts(setting)
    a2, b2 = np.sum(left**2, axis=1), np.sum(right**2, axis=0)
    size = sum(float(np.sum(W**2)) for W in setting.theta0)
    # what rounding leaves of a difference is none
    half, shared = (a2 - b2) / 2, a2 * b2 - u**2
    c2 = np.where(np.abs(half) > ZERO * size, half, 0.0) ** 2 + np.where(shared > ZERO * size**2, shared, 0.0)
    return np.asarray(np.sqrt(c2))


def deep_modes(setting: Any, run: Any = None) -> DeepModes:
    """The curve of the singular modes."""
    found = modes(setting)
    start, target = (np.where(np.abs(x) > ZERO * np.max(np.abs(x)), x, 0.0) for x in (found.w, found.s))
    return DeepModes(found.U, found.V, start, target, setting.model.depth, excess(setting))


def _diagonal_grams(setting: Any) -> bool:
    """Whether W₂W₂ᵀ and W₁ᵀW₁ map each mode's vectors to multiples of themselves."""
    found, (left, right), (W1, W2) = modes(setting), gram_parts(setting), setting.theta0
    outer = W2 @ left.T - found.U * np.sum(left**2, axis=1)
    inner = W1.T @ right - found.V * np.sum(right**2, axis=0)
    size = sum(float(np.sum(W**2)) for W in setting.theta0)
    return bool(np.linalg.norm(outer) + np.linalg.norm(inner) <= TOLERANCE * size)


ALIGNED_MODES = Hypothesis(
    "target and start have common singular vectors: UᵀTV and UᵀW(0)V are diagonal",
    lambda s: modes(s).off <= TOLERANCE,
    explain=lambda s: f"the part off the diagonal is {modes(s).off:.2g}",
)
ALIGNED_LAYERS = Hypothesis(
    "the layers are balanced, or there are two, with W₂W₂ᵀ and W₁ᵀW₁ diagonal in the same singular vectors",
    lambda s: unbalance(s) <= 1e-12 or (s.model.depth == 2 and _diagonal_grams(s)),
)

deep_modes_rule = Rule(
    name="exact modes of a deep linear network from an aligned start",
    source="saxe2014exact",
    hypotheses=(WHITENED, DEEP, UNIT_FLOW, NO_DECAY, ALIGNED_MODES, ALIGNED_LAYERS),
    apply=deep_modes,
    exact_curve=True,
)
