"""Sharpness-aware minimization on separable data: the ℓ2 maximum margin, at another time."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...optimizers import SAM
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, CLASSIFIED, EXPONENTIAL_TAIL, SEPARABLE, MarginCurve
from .common import LINEAR, NO_DECAY

__all__: list[str] = []


def sam_curve(setting: Any, run: Any = None) -> MarginCurve:
    """ŵ log t + w̃ in t = Σ η, with the weights of the samples as they are after the ascent.

    The ascent by ρ∇L/‖∇L‖ → −ρu lowers the margins of support vectors by ργ, that by ρ∇L_i/‖∇L_i‖ by ρ‖z_i‖, and
    an ascent by ρ∇L, which vanishes, by nothing.
    """
    Z, optimizer = setting.problem.Z, setting.optimizer
    curve = MarginCurve(Z, setting.w0, 1 / len(Z))
    if not optimizer.normalized:
        return curve
    lowered = np.linalg.norm(Z, axis=1) if optimizer.per_sample else 1 / np.linalg.norm(curve.what)
    return MarginCurve(Z, setting.w0, np.exp(optimizer.rho * lowered) / len(Z))


sam_margin_rule = Rule(
    name="ℓ2 maximum margin of sharpness-aware minimization",
    source="andriushchenko2022sam",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL_TAIL,
        LINEAR,
        Hypothesis(
            "the optimizer is SAM with a constant step",
            lambda s: isinstance(s.optimizer, SAM) and not callable(s.optimizer.step),
        ),
        NO_DECAY,
        SEPARABLE,
        CLASSIFIED,
    ),
    apply=sam_curve,
)
