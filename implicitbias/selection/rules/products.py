"""Elementwise networks of depth three or more, on a regression."""

from __future__ import annotations

from ...models import Diagonal, Hadamard
from ..rule import Hypothesis, Rule
from .common import CONVERGED, GRADIENT_FLOW, NO_DECAY, ONE_RATE, SQUARE_LOSS, mirror_projection

__all__: list[str] = []

product_flow_rule = Rule(
    name="gradient flow on an elementwise product of three factors or more",
    source="li2022commuting",
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis(
            "the model is Hadamard(depth) with depth ≥ 3",
            lambda s: isinstance(s.model, Hadamard) and s.model.depth >= 3,
        ),
        Hypothesis(
            "the two least factors of each coordinate of the start differ in size: else its sign never changes",
            lambda s: s.model.mirror_form(s.optimizer, s.theta0, {}) is not None,
        ),
        GRADIENT_FLOW,
        ONE_RATE,
        NO_DECAY,
        CONVERGED,
    ),
    apply=mirror_projection,
)

deep_diagonal_flow_rule = Rule(
    name="hypentropy of a diagonal flow of depth three or more",
    source="woodworth2020kernel",
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis(
            "the model is Diagonal(depth) with depth ≥ 3",
            lambda s: isinstance(s.model, Diagonal) and s.model.depth >= 3,
        ),
        Hypothesis(
            "no entry of the start is zero and, at odd depth, none is negative",
            lambda s: s.model.mirror_form(s.optimizer, s.theta0, {}) is not None,
        ),
        GRADIENT_FLOW,
        ONE_RATE,
        NO_DECAY,
        CONVERGED,
    ),
    apply=mirror_projection,
)
