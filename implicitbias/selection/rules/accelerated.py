"""Dual acceleration on separable data."""

from __future__ import annotations

from typing import Any

from ...optimizers import DualAcceleration
from ..margins import MaxMargin
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, SEPARABLE
from .common import LINEAR, is_a

__all__: list[str] = []


def euclidean_margin(setting: Any, run: Any = None) -> MaxMargin:
    """min ‖w‖₂ subject to z_i·w ≥ 1."""
    return MaxMargin(setting.problem.Z, 2)


accelerated_rule = Rule(
    name="ℓ2 maximum margin of dual acceleration",
    source="ji2021fast",
    hypotheses=(
        CLASSIFICATION,
        LINEAR,
        Hypothesis("the optimizer is DualAcceleration", is_a(DualAcceleration, "optimizer")),
        SEPARABLE,
    ),
    apply=euclidean_margin,
)
