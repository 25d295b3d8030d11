"""Signum, Lion, RMSProp and Adam on separable data: the ℓ∞ margin, and with ε > 0 the ℓ2 margin in the end."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...optimizers import Adam, Lion, RMSProp, SignDescent
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, CLASSIFIED, EXPONENTIAL_TAIL, SEPARABLE, MarginCurve, margin_in
from .common import LINEAR, NO_DECAY, VANISHING

__all__: list[str] = []


def total_eps(optimizer: Any) -> float:
    """What Adam and RMSProp divide by once all gradients have vanished: ε + √ε_r."""
    return float(optimizer.eps + np.sqrt(getattr(optimizer, "eps_root", 0.0)))


def _takes_signs(setting: Any) -> bool:
    """Whether a step is along sgn(g) wherever the gradients have hardly changed for long enough."""
    optimizer = setting.optimizer
    if isinstance(optimizer, SignDescent | Lion):
        return optimizer.decay == 0
    if isinstance(optimizer, Adam | RMSProp):
        return total_eps(optimizer) == 0 and getattr(optimizer, "beta1", 0.0) <= _beta2(optimizer)
    return False


def _beta2(optimizer: Any) -> float:
    return float(optimizer.beta if isinstance(optimizer, RMSProp) else optimizer.beta2)


def eps_curve(setting: Any, run: Any = None) -> MarginCurve:
    """ŵ log t + w̃ in t = Σ η: gradient descent with the steps η/ε."""
    problem = setting.problem
    return MarginCurve(problem.Z, setting.w0, 1 / (problem.n * total_eps(setting.optimizer)))


sign_margin_rule = Rule(
    name="ℓ∞ maximum margin of signs with memory",
    source="zhang2024adam",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL_TAIL,
        LINEAR,
        Hypothesis(
            "the optimizer is Signum, Lion, or Adam or RMSProp with ε = 0 and β₁ ≤ β₂, without decay",
            _takes_signs,
        ),
        VANISHING,
        NO_DECAY,
        SEPARABLE,
    ),
    apply=margin_in(np.inf),
)

eps_margin_rule = Rule(
    name="ℓ2 maximum margin of Adam and RMSProp with ε",
    source="wang2021adaptive",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL_TAIL,
        LINEAR,
        Hypothesis(
            "the optimizer is Adam or RMSProp with ε > 0 and a constant step",
            lambda s: (
                isinstance(s.optimizer, Adam | RMSProp)
                and total_eps(s.optimizer) > 0
                and not callable(s.optimizer.step)
            ),
        ),
        NO_DECAY,
        SEPARABLE,
        CLASSIFIED,
    ),
    apply=eps_curve,
)
