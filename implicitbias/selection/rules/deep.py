"""Deep linear networks."""

from __future__ import annotations

from typing import Any

from ..riccati import RiccatiSolution, imbalance
from ..rule import Hypothesis, Rule
from .common import NO_DECAY
from .networks import TWO_LAYERS, UNIT_FLOW, WHITENED

__all__: list[str] = []


def riccati(setting: Any, run: Any = None) -> RiccatiSolution:
    """The trajectory of a two-layer network."""
    return RiccatiSolution(setting.theta0, setting.problem.target)


riccati_rule = Rule(
    name="exact curve of a two-layer linear network (matrix Riccati)",
    source="braun2022exact",
    hypotheses=(
        WHITENED,
        TWO_LAYERS,
        UNIT_FLOW,
        NO_DECAY,
        Hypothesis("the start is λ-balanced: W₂ᵀW₂ − W₁W₁ᵀ = λI", lambda s: imbalance(s.theta0)[1] <= 1e-12),
    ),
    apply=riccati,
    exact_curve=True,
)
