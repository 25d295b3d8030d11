"""Weight normalisation."""

from __future__ import annotations

import numpy as np

from ...dynamics import Setting, Stop
from ...models import WeightNormalized
from ...optimizers import GradientFlow, Until
from ...selection.rules.weight_norm import weight_norm_run_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

RATES = (0.5, 2.0)


def _starts(rng: Rng) -> dict[str, Setting]:
    """A start of either sign for each rate of g."""
    problem, settings = gaussian_regression(rng, 4, 10), {}
    for c, sign in zip(RATES, (1.0, -1.0)):
        init = np.array([sign * rng.uniform(0.5, 1.5)]), rng.standard_normal(10) / np.sqrt(5)
        settings[f"c = {c:g}"] = Setting(problem, WeightNormalized(), GradientFlow(rates=(c, 1.0)), init)
    return settings


def _decayed_first(setting: Setting) -> GradientFlow:
    """The same flow, with weight decay during the first two units of time."""
    return GradientFlow(rates=setting.optimizer.rates, weight_decay=Until(0.3, 2.0))


weight_normalization = Theorem(
    id="weight-normalization", family="linear", kind="exact", source="wu2020weightnorm",
    claim="The flow on g v/‖v‖ keeps Nu exp(g²/(2c‖v₀‖²)), which gives its limit between nearest and min-norm.",
    settings=_starts, rule=weight_norm_run_rule, run={"stop": Stop(loss=1e-24)}, bound=1e-8,
    control=Control("weight decay at first: ‖v‖ is no longer kept", 1e-5, {"optimizer": _decayed_first}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip
