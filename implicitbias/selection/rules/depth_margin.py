"""Directions of linear networks whose layers are trained: separable data, any depth."""

from __future__ import annotations

from typing import Any

from ..fourier import FourierMargin
from ..rule import Rule
from .classification import CLASSIFICATION, CLASSIFIED, EXPONENTIAL_TAIL, FLOW_OR_STEPS, SEPARABLE, margin_in
from .common import NO_DECAY
from .convolution import TWO_FILTERS, UNEQUAL
from .networks import DEEP

__all__: list[str] = []


def fourier_margin(setting: Any, run: Any = None) -> FourierMargin:
    """min ‖Fw‖₁ subject to z_i·w ≥ 1."""
    return FourierMargin(setting.problem.Z)


depth_margin_rule = Rule(
    name="ℓ2 maximum margin of a deep linear network",
    source="ji2019alignment",
    hypotheses=(CLASSIFICATION, EXPONENTIAL_TAIL, DEEP, FLOW_OR_STEPS, NO_DECAY, SEPARABLE, CLASSIFIED),
    apply=margin_in(2),
)
fourier_margin_rule = Rule(
    name="maximum margin in the ℓ1 norm of the Fourier transform, of a two-layer linear convolution",
    source="gunasekar2018convolutional",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL_TAIL,
        TWO_FILTERS,
        UNEQUAL,
        FLOW_OR_STEPS,
        NO_DECAY,
        SEPARABLE,
        CLASSIFIED,
    ),
    apply=fourier_margin,
)
