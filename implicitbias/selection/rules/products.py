"""Elementwise networks of depth three or more, on a regression."""

from __future__ import annotations

import numpy as np

from ...models import Diagonal, Hadamard
from ...optimizers import GradientFlow
from ..rule import Hypothesis, Rule
from .common import CONVERGED, NO_DECAY, SQUARE_LOSS, is_a, mirror_projection

__all__: list[str] = []

FLOW_AT_ONE_RATE = (
    Hypothesis("the optimizer is the gradient flow", is_a(GradientFlow, "optimizer")),
    Hypothesis("all factors move at the same rate", lambda s: np.ptp(s.optimizer.block_rates(s.layout)) == 0),
    NO_DECAY,
)

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
        *FLOW_AT_ONE_RATE,
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
        *FLOW_AT_ONE_RATE,
        CONVERGED,
    ),
    apply=mirror_projection,
)
