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


def imbalances(setting: Any) -> np.ndarray:
    """λ_i = a_i² − b_i² of the modes a_ib_i of two layers (r,); zero of deeper networks, which must be balanced."""
    found = modes(setting)
    if setting.model.depth > 2:
        return np.zeros(found.w.size)
    W1, W2 = setting.theta0
    inside = np.sum((found.U.T @ W2) ** 2, axis=1) - np.sum((W1 @ found.V) ** 2, axis=0)
    # what rounding leaves of a difference of squares is none
    return np.where(np.abs(inside) > ZERO * sum(np.sum(W**2) for W in setting.theta0), inside, 0.0)


def deep_modes(setting: Any, run: Any = None) -> DeepModes:
    """The curve of the singular modes."""
    found = modes(setting)
    start, target = (np.where(np.abs(x) > ZERO * np.max(np.abs(x)), x, 0.0) for x in (found.w, found.s))
    return DeepModes(found.U, found.V, start, target, setting.model.depth, imbalances(setting))


def _own_hidden_units(setting: Any) -> bool:
    """Whether W₂W₂ᵀ and W₁ᵀW₁ are diagonal in the modes' bases, with a_i²b_i² = u_i(0)²."""
    found = modes(setting)
    W1, W2 = setting.theta0
    size = sum(float(np.sum(W**2)) for W in setting.theta0)
    outer, inner = found.U.T @ W2 @ W2.T @ found.U, found.V.T @ W1.T @ W1 @ found.V
    a, b = np.diag(outer), np.diag(inner)
    outside = np.sum(W2**2) - np.sum(a) + np.sum(W1**2) - np.sum(b)
    off = np.linalg.norm(outer - np.diag(a)) + np.linalg.norm(inner - np.diag(b)) + abs(outside)
    return bool(off <= TOLERANCE * size and np.max(np.abs(a * b - found.w**2)) <= TOLERANCE * size**2)


ALIGNED_MODES = Hypothesis(
    "target and start have common singular vectors: UᵀTV and UᵀW(0)V are diagonal",
    lambda s: modes(s).off <= TOLERANCE,
    explain=lambda s: f"the part off the diagonal is {modes(s).off:.2g}",
)
ALIGNED_LAYERS = Hypothesis(
    "the layers are balanced, or there are two, and each mode has a hidden unit of its own",
    lambda s: unbalance(s) <= 1e-12 or (s.model.depth == 2 and _own_hidden_units(s)),
)

deep_modes_rule = Rule(
    name="exact modes of a deep linear network from an aligned start",
    source="saxe2014exact",
    hypotheses=(WHITENED, DEEP, UNIT_FLOW, NO_DECAY, ALIGNED_MODES, ALIGNED_LAYERS),
    apply=deep_modes,
    exact_curve=True,
)
