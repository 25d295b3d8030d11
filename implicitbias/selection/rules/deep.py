"""Deep linear networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import DeepLinear
from ...optimizers import GradientFlow
from ...problems import MatrixRegression
from ..riccati import RiccatiSolution, imbalance
from ..rule import Hypothesis, Rule
from .common import NO_DECAY

__all__: list[str] = []


def riccati(setting: Any, run: Any = None) -> RiccatiSolution:
    """The trajectory of a two-layer network."""
    return RiccatiSolution(setting.theta0, setting.problem.target)


riccati_rule = Rule(
    name="exact curve of a two-layer linear network (matrix Riccati)",
    source="braun2022exact",
    hypotheses=(
        Hypothesis(
            "the problem is a MatrixRegression with whitened inputs",
            lambda s: isinstance(s.problem, MatrixRegression) and s.problem.is_whitened,
        ),
        Hypothesis(
            "the model is DeepLinear with two layers",
            lambda s: isinstance(s.model, DeepLinear) and s.model.depth == 2,
        ),
        Hypothesis(
            "the optimizer is the gradient flow with one rate",
            lambda s: (
                isinstance(s.optimizer, GradientFlow)
                and np.ptp(s.optimizer.block_rates(s.layout)) == 0
                and s.optimizer.block_rates(s.layout)[0] == 1
            ),
        ),
        NO_DECAY,
        Hypothesis("the start is λ-balanced: W₂ᵀW₂ − W₁W₁ᵀ = λI", lambda s: imbalance(s.theta0)[1] <= 1e-12),
    ),
    apply=riccati,
    exact_curve=True,
)
