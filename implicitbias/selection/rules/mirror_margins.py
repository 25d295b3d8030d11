"""Mirror descent with a homogeneous potential on separable data: the maximum margin in its norm."""

from __future__ import annotations

from typing import Any

from ...geometry import LpNorm, PNorm
from ...optimizers import MirrorDescent, MirrorFlow
from ..margins import MaxMargin
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, CLASSIFIED, EXPONENTIAL_TAIL, SEPARABLE
from .common import LINEAR, NO_DECAY

__all__: list[str] = []


def _in_a_power_norm(setting: Any) -> bool:
    optimizer = setting.optimizer
    plain = isinstance(optimizer, MirrorFlow) or (
        isinstance(optimizer, MirrorDescent) and not optimizer.momentum and optimizer.batch is None
    )
    return plain and isinstance(optimizer.potential, PNorm)


def potential_margin(setting: Any, run: Any = None) -> MaxMargin:
    """min ‖w‖_p subject to z_i·w ≥ 1, p the exponent of the potential."""
    return MaxMargin(setting.problem.Z, LpNorm(setting.optimizer.potential.p))


mirror_margin_rule = Rule(
    name="ℓp maximum margin of mirror descent in Σ|w|^p/p",
    source="sun2022mirror",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL_TAIL,
        LINEAR,
        Hypothesis(
            "the optimizer is MirrorFlow(PNorm(p)), or MirrorDescent(PNorm(p)) without momentum or batch",
            _in_a_power_norm,
        ),
        NO_DECAY,
        SEPARABLE,
        CLASSIFIED,
    ),
    apply=potential_margin,
)
