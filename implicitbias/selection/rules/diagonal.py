"""Diagonal linear networks on a regression."""

from __future__ import annotations

import numpy as np

from ...models import Diagonal, Hadamard
from ...optimizers import SGD, GradientDescent
from ..rule import Hypothesis, Rule
from .common import (
    CONSISTENT,
    CONVERGED,
    GRADIENT_FLOW,
    NO_DECAY,
    ONE_RATE,
    SQUARE_LOSS,
    is_a,
    mirror_projection,
)

__all__: list[str] = []

TWO_LAYERS = Hypothesis(
    "the model is Diagonal(2) or Hadamard() with a start on which it has a potential",
    lambda s: (
        isinstance(s.model, Diagonal | Hadamard)
        and s.model.depth == 2
        and s.model.mirror_form(s.optimizer, s.theta0, {}) is not None
    ),
)
TWO_LAYER_FLOW = (TWO_LAYERS, GRADIENT_FLOW, ONE_RATE, NO_DECAY)
FINITE_SUMS = Hypothesis(
    "no product coordinate is sent to zero: the accumulated logarithms are finite",
    lambda run: all(np.all(np.isfinite(a)) for a in run.accumulators.values()),
    of="run",
)

hypentropy_flow_rule = Rule(
    name="hypentropy of a two-layer diagonal flow",
    source="woodworth2020kernel",
    hypotheses=(SQUARE_LOSS, *TWO_LAYER_FLOW, CONVERGED),
    apply=mirror_projection,
)

hypentropy_steps_rule = Rule(
    name="hypentropy of finite steps on a two-layer diagonal network",
    source="even2023sgd",
    hypotheses=(
        SQUARE_LOSS,
        TWO_LAYERS,
        Hypothesis(
            "each step is a plain (stochastic) gradient step",
            is_a(GradientDescent | SGD, "optimizer"),
        ),
        NO_DECAY,
        CONSISTENT,
        CONVERGED,
        FINITE_SUMS,
    ),
    apply=mirror_projection,
    observe=("log_shrink", "shift"),
)
