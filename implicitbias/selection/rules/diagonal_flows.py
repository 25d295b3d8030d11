"""Flows on two-layer diagonal networks that leave the row space by a known integral."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...optimizers import MomentumFlow
from ...optimizers.base import decay_integral
from ..programs import BregmanProjection
from ..rule import Hypothesis, Rule
from .common import CONVERGED, GRADIENT_FLOW, NO_DECAY, ONE_RATE, SQUARE_LOSS, is_a, mirror_projection
from .diagonal import TWO_LAYERS
from .diagonal_steps import DECAY_ENDS, OUTLASTS_DECAY

__all__: list[str] = []


def projection_after_decay(setting: Any, run: Any = None) -> BregmanProjection:
    """The projection with c = c₀ exp(−2r∫λ), r the rate of both factors, from the setting alone."""
    rate = float(setting.optimizer.block_rates(setting.layout)[0])
    shrink = {"log_shrink": np.full(setting.problem.w_shape, -2 * rate * decay_integral(setting.optimizer))}
    potential, z0 = setting.model.mirror_form(setting.optimizer, setting.theta0, shrink)
    return BregmanProjection(potential, np.asarray(z0, dtype=float), setting.problem.X, setting.problem.y)


decayed_flow_rule = Rule(
    name="hypentropy after weight decay that is switched off",
    source="jacobs2025mask",
    hypotheses=(
        SQUARE_LOSS,
        TWO_LAYERS,
        GRADIENT_FLOW,
        ONE_RATE,
        DECAY_ENDS,
        OUTLASTS_DECAY,
        CONVERGED,
    ),
    apply=projection_after_decay,
)


def _where_it_crossed(run: Any) -> str:
    time, step = run.accumulators["crossing"]
    return f"one did at time {time:.6g}, in step {step:.0f} of the integrator"


NO_CROSSING = Hypothesis(
    "no product coordinate ever changes its sign",
    lambda run: run.accumulators["crossing"][0] == np.inf,
    of="run",
    explain=_where_it_crossed,
)

momentum_flow_rule = Rule(
    name="hypentropy of the momentum flow",
    source="papazov2024momentum",
    hypotheses=(
        SQUARE_LOSS,
        TWO_LAYERS,
        Hypothesis("the optimizer is the momentum flow", is_a(MomentumFlow, "optimizer")),
        NO_DECAY,
        CONVERGED,
        NO_CROSSING,
    ),
    apply=mirror_projection,
    observe=("log_shrink", "shift", "crossing"),
)
