"""Diagonal linear networks."""

from __future__ import annotations

import numpy as np

from ...dynamics import Setting, Stop
from ...models import Balanced, Diagonal, Hadamard
from ...optimizers import SGD, GradientDescent, GradientFlow, HeavyBall
from ...selection.rules.diagonal import hypentropy_flow_rule, hypentropy_steps_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import WELL_CONDITIONED, gaussian_regression

Rng = np.random.Generator
SCALES = (1e-2, 1e-8, 1e-30, 1e-100)
HALF_RATE = GradientFlow(rates=(1.0, 0.5))


def _four_scales(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, 6, 15)
    return {f"scale {a:g}": Setting(problem, Diagonal(2), GradientFlow(), Balanced(a)) for a in SCALES}


hypentropy_flow = Theorem(
    id="hypentropy-flow", family="diagonal", kind="exact", source="woodworth2020kernel",
    claim="The gradient flow on u² − v² selects the interpolant of least hyperbolic entropy at its scale.",
    settings=_four_scales, rule=hypentropy_flow_rule, run={"stop": Stop(loss=1e-26)}, bound=1e-8,
    control=Control("v moves at half the rate: |u|v² is conserved, not uv", 1e-6, {"optimizer": HALF_RATE}),
    conditions=(WELL_CONDITIONED,), figure=figures.scales,
)  # fmt: skip


def _large_steps(rng: Rng) -> dict[str, Setting]:
    """Steps so large that the first |x| = η|g| is 0.3 (the first sample's, for SGD)."""
    problem = gaussian_regression(rng, 5, 15)
    full = 0.3 / float(np.max(np.abs(problem.gradient(np.zeros(15)))))
    one = 0.3 / float(np.max(np.abs(problem.y[:, None] * problem.X)))
    optimizers = (GradientDescent(full), SGD(one))
    return {type(o).__name__: Setting(problem, Hadamard(), o, Balanced(0.1)) for o in optimizers}


def _heavy_ball(setting: Setting) -> HeavyBall:
    """At a fifth of the step, with momentum 0.8, so that both advance at the same pace."""
    return HeavyBall(setting.optimizer.step / 5, 0.8)


hypentropy_finite_steps = Theorem(
    id="hypentropy-finite-steps", family="diagonal", kind="exact", source="even2023sgd",
    claim="At any step size, (S)GD on u∘v selects by the hyperbolic entropy that its own steps accumulate.",
    settings=_large_steps, rule=hypentropy_steps_rule, run={"stop": Stop(loss=1e-28)}, bound=1e-10,
    control=Control("heavy-ball momentum: the factors no longer multiply", 1e-4, {"optimizer": _heavy_ball}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip
