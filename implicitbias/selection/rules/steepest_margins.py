"""Normalised steepest descent on separable data: the maximum margin in the norm of the steps."""

from __future__ import annotations

from typing import Any

from ...geometry import LpNorm
from ...optimizers import Decay, SteepestDescent
from ..margins import MaxMargin
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, SEPARABLE
from .common import LINEAR, NO_DECAY
from .steepest import norm_of_steps

__all__: list[str] = []


def steepest_norm(optimizer: Any) -> LpNorm | None:
    """The ℓp norm of a normalised steepest descent method, None for others."""
    norm = norm_of_steps(optimizer)
    normalized = not isinstance(optimizer, SteepestDescent) or optimizer.normalized
    return norm if normalized and isinstance(norm, LpNorm) else None


def steepest_margin(setting: Any, run: Any = None) -> MaxMargin:
    """The maximum margin in the optimizer's own norm."""
    return MaxMargin(setting.problem.Z, steepest_norm(setting.optimizer) or LpNorm(2.0))


steepest_margin_rule = Rule(
    name="maximum margin in the norm of normalised steepest descent",
    source="telgarsky2013margins",
    hypotheses=(
        CLASSIFICATION,
        LINEAR,
        Hypothesis(
            "steps are normalised steepest descent in an ℓp norm",
            lambda s: steepest_norm(s.optimizer) is not None,
        ),
        Hypothesis(
            "step sizes tend to zero and do not sum up: Decay(step, power) with 0 < power ≤ 1",
            lambda s: (
                (not isinstance(s.optimizer.step, Decay) and callable(s.optimizer.step))
                or 0 < s.optimizer.step.power <= 1
            ),
        ),
        NO_DECAY,
        SEPARABLE,
    ),
    apply=steepest_margin,
)
