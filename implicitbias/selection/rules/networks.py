"""Hypotheses that rules and theorems on deep linear networks and matrices share."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import DeepLinear
from ...optimizers import GradientDescent, GradientFlow
from ...problems import MatrixRegression
from ..rule import Hypothesis

__all__: list[str] = []


def _unit_rates(setting: Any) -> bool:
    flow = setting.optimizer
    return isinstance(flow, GradientFlow) and bool(np.all(flow.block_rates(setting.layout) == 1.0))


def unbalance(setting: Any) -> float:
    """max_j ‖D_j‖_F/‖θ‖² with D_j = W_{j+1}ᵀW_{j+1} − W_jW_jᵀ."""
    theta = setting.theta0
    size = sum(float(np.sum(W**2)) for W in theta) or 1.0
    return max((float(np.linalg.norm(D)) for D in setting.model.imbalances(theta)), default=0.0) / size


WHITENED = Hypothesis(
    "the problem is a MatrixRegression with whitened inputs",
    lambda s: isinstance(s.problem, MatrixRegression) and s.problem.is_whitened,
)
DEEP_LINEAR = Hypothesis("the model is DeepLinear", lambda s: isinstance(s.model, DeepLinear))
DEEP = Hypothesis(
    "the model is DeepLinear with at least two layers",
    lambda s: isinstance(s.model, DeepLinear) and s.model.depth >= 2,
)
TWO_LAYERS = Hypothesis(
    "the model is DeepLinear with two layers",
    lambda s: isinstance(s.model, DeepLinear) and s.model.depth == 2,
)
UNIT_FLOW = Hypothesis("the optimizer is the gradient flow, at rate one for every layer", _unit_rates)
BALANCED = Hypothesis("the start is balanced: every D_j = 0", lambda s: unbalance(s) <= 1e-12)
PLAIN_STEP = Hypothesis(
    "each step is a plain gradient step, without weight decay",
    lambda s: isinstance(s.optimizer, GradientDescent) and s.optimizer.weight_decay == 0,
)
