"""Dual acceleration on separable data."""

from __future__ import annotations

from ...optimizers import DualAcceleration
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, SEPARABLE, margin_in
from .common import LINEAR, is_a

__all__: list[str] = []


accelerated_rule = Rule(
    name="ℓ2 maximum margin of dual acceleration",
    source="ji2021fast",
    hypotheses=(
        CLASSIFICATION,
        LINEAR,
        Hypothesis("the optimizer is DualAcceleration", is_a(DualAcceleration, "optimizer")),
        SEPARABLE,
    ),
    apply=margin_in(2),
)
