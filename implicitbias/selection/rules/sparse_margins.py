"""Directions of networks of products entry by entry: separable data, any depth."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import Diagonal, Hadamard, PowerPropagation
from ...optimizers import Decay, SignDescent
from ..rule import Hypothesis, Rule
from ..sparse_margins import SignedMargin, StationaryMargin
from .classification import CLASSIFICATION, CLASSIFIED, EXPONENTIAL_TAIL, SEPARABLE, margin_in
from .common import NO_DECAY
from .networks import UNIT_FLOW

__all__: list[str] = []


def is_two_layer(model: Any) -> bool:
    return isinstance(model, Diagonal | Hadamard) and model.depth == 2


def _every_sign_can_grow(setting: Any) -> bool:
    """uv ≠ 0 for u² − v², |u| ≠ |v| for uv: else the sign of w_j never changes."""
    u, v = setting.theta0
    return bool(np.all(u * v != 0) if isinstance(setting.model, Diagonal) else np.all(np.abs(u) != np.abs(v)))


def degree(model: Any) -> float:
    """The D with w(sθ) = s^D w(θ)."""
    return float(model.power if isinstance(model, PowerPropagation) else model.depth)


def signed_margin(setting: Any, run: Any = None) -> SignedMargin:
    """min ‖w‖₁ subject to z_i·w ≥ 1 with the signs of the start."""
    return SignedMargin(setting.problem.Z, np.sign(setting.theta0))


def stationary_margin(setting: Any, run: Any) -> StationaryMargin:
    """The stationary point of Σ|w|^{2/D} subject to z_i·w ≥ 1 beside the run's direction."""
    return StationaryMargin(setting.problem.Z, 2 / degree(setting.model), run.w)


TWO_LAYERS = Hypothesis("the model is u² − v² or u∘v", lambda s: is_two_layer(s.model))
BOTH_SIGNS = Hypothesis(
    "no entry starts where its sign never changes (uv = 0 in u² − v², |u| = |v| in u∘v)", _every_sign_can_grow
)

sparse_margin_rule = Rule(
    name="ℓ1 maximum margin of a two-layer diagonal network",
    source="gunasekar2018convolutional",
    hypotheses=(
        CLASSIFICATION, TWO_LAYERS, UNIT_FLOW, NO_DECAY, EXPONENTIAL_TAIL, BOTH_SIGNS, SEPARABLE, CLASSIFIED,
    ),
    apply=margin_in(1),
)  # fmt: skip
signed_margin_rule = Rule(
    name="ℓ1 maximum margin with the signs of the start, of power propagation at power two",
    source="gunasekar2018convolutional",
    hypotheses=(
        CLASSIFICATION,
        Hypothesis("the model is PowerPropagation(2)", lambda s: s.model == PowerPropagation(2.0)),
        UNIT_FLOW, NO_DECAY, EXPONENTIAL_TAIL,
        Hypothesis("no entry starts at zero", lambda s: np.all(s.theta0 != 0)),
        SEPARABLE, CLASSIFIED,
    ),
    apply=signed_margin,
)  # fmt: skip
stationary_margin_rule = Rule(
    name="stationary point of the ℓ_{2/D} margin, beside the direction of the run",
    source="gunasekar2018convolutional",
    hypotheses=(
        CLASSIFICATION,
        Hypothesis(
            "the model is Diagonal, Hadamard or PowerPropagation, of degree D > 1",
            lambda s: isinstance(s.model, Diagonal | Hadamard | PowerPropagation) and degree(s.model) > 1,
        ),
        UNIT_FLOW, NO_DECAY, EXPONENTIAL_TAIL, SEPARABLE, CLASSIFIED,
    ),
    apply=stationary_margin,
    needs_run=True,
)  # fmt: skip

product_sign_rule = Rule(
    name="ℓ∞ maximum margin of sign descent on the factors of u∘v",
    source="tsilivis2024flavors",
    hypotheses=(
        CLASSIFICATION,
        Hypothesis("the model is u∘v", lambda s: s.model == Hadamard()),
        Hypothesis(
            "the optimizer is SignDescent without momentum, with Decay(step, power), ½ < power ≤ 1",
            lambda s: (
                isinstance(s.optimizer, SignDescent)
                and s.optimizer.momentum == 0
                and isinstance(s.optimizer.step, Decay)
                and 0.5 < s.optimizer.step.power <= 1
            ),
        ),
        NO_DECAY, EXPONENTIAL_TAIL, BOTH_SIGNS, SEPARABLE, CLASSIFIED,
    ),
    apply=margin_in(np.inf),
)  # fmt: skip
