"""Linear models on a regression."""

from __future__ import annotations

from ..rule import Hypothesis, Rule
from .common import CONSISTENT, CONVERGED, LINEAR, SQUARE_LOSS, mirror_projection

__all__: list[str] = []

mirror_rule = Rule(
    name="Bregman projection of the start",
    source="gunasekar2018geometry",
    hypotheses=(
        SQUARE_LOSS,
        LINEAR,
        Hypothesis(
            "every update moves the optimizer's dual point ∇ψ(w) inside range(Xᵀ)",
            lambda s: s.optimizer.row_potential is not None,
        ),
        CONSISTENT,
        CONVERGED,
    ),
    apply=mirror_projection,
)
