"""Diagonal linear networks on a regression."""

from __future__ import annotations

import numpy as np

from ...models import Diagonal, Hadamard
from ...optimizers import SGD, GradientDescent, GradientFlow
from ..rule import Hypothesis, Rule
from .common import CONSISTENT, CONVERGED, NO_DECAY, SQUARE_LOSS, is_a, mirror_projection

__all__: list[str] = []

hypentropy_flow_rule = Rule(
    name="hypentropy of a two-layer diagonal flow",
    source="woodworth2020kernel",
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis(
            "the model is Diagonal(2) or Hadamard() with a start on which it has a potential",
            lambda s: (
                isinstance(s.model, Diagonal | Hadamard)
                and s.model.depth == 2
                and s.model.mirror_form(s.optimizer, s.theta0, {}) is not None
            ),
        ),
        Hypothesis("the optimizer is the gradient flow", is_a(GradientFlow, "optimizer")),
        Hypothesis(
            "both factors move at the same rate",
            lambda s: np.ptp(s.optimizer.block_rates(s.layout)) == 0,
        ),
        NO_DECAY,
        CONVERGED,
    ),
    apply=mirror_projection,
)

hypentropy_steps_rule = Rule(
    name="hypentropy of finite steps on a two-layer diagonal network",
    source="even2023sgd",
    hypotheses=(
        SQUARE_LOSS,
        hypentropy_flow_rule.hypotheses[1],
        Hypothesis(
            "each step is a plain (stochastic) gradient step",
            is_a(GradientDescent | SGD, "optimizer"),
        ),
        NO_DECAY,
        CONSISTENT,
        CONVERGED,
        Hypothesis(
            "no product coordinate is sent to zero: the accumulated logarithms are finite",
            lambda run: all(np.all(np.isfinite(a)) for a in run.accumulators.values()),
            of="run",
        ),
    ),
    apply=mirror_projection,
    observe=("log_shrink", "shift"),
)
