"""Where a flow from a large start is at each loss, on separable data: before any limit."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..half_spaces import HalfSpaceProjection
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, CLASSIFIED, EXPONENTIAL, SEPARABLE
from .common import NO_DECAY, mirror_form
from .networks import UNIT_FLOW
from .sparse_margins import BOTH_SIGNS, TWO_LAYERS

__all__: list[str] = []

LARGE = 500.0
"""The least c. At ℓ = log 1/(nL) the relative distance is then about ln n/ℓ, and surely O(√(ln n/c))."""


def at_level(setting: Any, level: float) -> HalfSpaceProjection:
    """The Bregman projection of the start onto all z_i·w ≥ level."""
    psi, z0 = mirror_form(setting)
    return HalfSpaceProjection(psi, z0, setting.problem.Z, level)


def at_loss(setting: Any, run: Any) -> HalfSpaceProjection:
    """The same at the level log 1/(nL) of the run: no smaller margin gives that loss."""
    return at_level(setting, -float(run.log_loss) - np.log(setting.problem.n))


def multipliers_grow(setting: Any, level: float) -> bool:
    """Whether no multiplier decreases on the way to ``level``, from a thousandth of it, in sixteen steps."""
    path = [at_level(setting, b).multipliers for b in level * np.geomspace(1e-3, 1, 16)]
    return bool(np.all(np.diff(path, axis=0) >= -1e-9 * np.max(path)))


LARGE_START = Hypothesis(
    "the start is large: c = 2|uv| of u² − v², |u² − v²|/2 of u∘v, is at least 500 in every entry",
    lambda s: np.min(mirror_form(s)[0].log_c) >= np.log(LARGE),  # type: ignore[attr-defined]
)
MULTIPLIERS_GROW = Hypothesis(
    "no multiplier of the projection decreases on the way to the level log 1/(nL)",
    lambda run: multipliers_grow(run.setting, -run.log_loss - np.log(run.setting.problem.n)),
    of="run",
)

loss_level_rule = Rule(
    name="Bregman projection of a large start of a two-layer diagonal network onto its margins log 1/(nL)",
    source="moroshko2020implicit",
    hypotheses=(
        CLASSIFICATION, TWO_LAYERS, UNIT_FLOW, NO_DECAY,
        EXPONENTIAL, BOTH_SIGNS, LARGE_START, SEPARABLE, CLASSIFIED, MULTIPLIERS_GROW,
    ),
    apply=at_loss,
    needs_run=True,
)  # fmt: skip
