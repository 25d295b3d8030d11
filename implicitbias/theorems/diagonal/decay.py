"""Weight decay on two-layer diagonal networks: switched off, and kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...dynamics import Setting, Stop
from ...models import Balanced, Diagonal, Hadamard
from ...optimizers import GradientFlow, Until
from ...selection.rules.diagonal_flows import decayed_flow_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

TO_THE_END: dict[str, object] = {"stop": Stop(loss=1e-26)}


def _decayed_for_a_while(rng: Rng) -> dict[str, Setting]:
    """λ is 0.05 and 0.4 of the largest |g| at the start, for ten of its times: 2∫λ = 1 and 8."""
    problem = gaussian_regression(rng, 5, 12)
    g = float(np.max(np.abs(problem.gradient(np.zeros(12)))))
    weak, strong = Until(0.05 * g, 10 / g), Until(0.4 * g, 10 / g)
    return {
        "u² − v²": Setting(problem, Diagonal(2), GradientFlow(weight_decay=weak), Balanced(0.3)),
        "u∘v": Setting(problem, Hadamard(), GradientFlow(weight_decay=strong), Balanced(0.3)),
    }


def _half_rate(setting: Setting) -> GradientFlow:
    return replace(setting.optimizer, rates=(1.0, 0.5))


decay_switched_off = Theorem(
    id="decay-switched-off", family="diagonal", kind="exact", source="jacobs2025mask",
    claim="Weight decay that is switched off leaves one trace on a diagonal flow: a scale smaller by e^{−2∫λ}.",
    settings=_decayed_for_a_while, rule=decayed_flow_rule, bound=1e-8,
    run={"u² − v²": TO_THE_END, "u∘v": {**TO_THE_END, "chart": "ordinary", "rtol": 1e-12}},
    control=Control("v moves, and decays, at half the rate of u", 1e-4, {"optimizer": _half_rate}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip
