"""Curves of deep linear networks on any problem, integrated: what rules that know more leave."""

from __future__ import annotations

from typing import Any

from ..end_to_end import EndToEndFlow
from ..mixed import MixedFlow, mixed_scale
from ..rule import Hypothesis, Rule
from .common import NO_DECAY
from .networks import BALANCED, DEEP, TWO_LAYERS, UNIT_FLOW

__all__: list[str] = []


def end_to_end(setting: Any, run: Any = None) -> EndToEndFlow:
    """The flow of W of balanced layers."""
    return EndToEndFlow(setting)


def mixed(setting: Any, run: Any = None) -> MixedFlow:
    """The flow of W between lazy and rich."""
    return MixedFlow(setting)


MIXED = Hypothesis(
    "the start has (W₁ᵀW₁)² = WᵀW + c²I and (W₂W₂ᵀ)² = WWᵀ + c²I for some c > 0 (W(0) = 0: orthonormal columns)",
    lambda s: mixed_scale(s.theta0)[1] <= 1e-10,
    explain=lambda s: f"relative to c², they are off by {mixed_scale(s.theta0)[1]:.2g}",
)

NOT_ZERO = Hypothesis("W(0) is not zero, a saddle where it would stay", lambda s: s.w0.any())

mixed_flow_rule = Rule(
    name="curve of a two-layer linear network between lazy and rich",
    source="tu2024mixed",
    hypotheses=(TWO_LAYERS, UNIT_FLOW, NO_DECAY, MIXED),
    apply=mixed,
    exact_curve=True,
)
end_to_end_rule = Rule(
    name="curve of a balanced deep linear network",
    source="arora2018acceleration",
    hypotheses=(DEEP, UNIT_FLOW, NO_DECAY, BALANCED, NOT_ZERO),
    apply=end_to_end,
    exact_curve=True,
)
