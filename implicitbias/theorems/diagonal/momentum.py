"""Momentum on u∘v: the flow of second order in time, and heavy ball on its way there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, Hadamard
from ...optimizers import HeavyBall, MomentumFlow
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, NO_DECAY, SQUARE_LOSS
from ...selection.rules.diagonal import TWO_LAYERS
from ...selection.rules.diagonal_flows import momentum_flow_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression
from .curvature import WELL_CURVED


def largest_gradient(problem: Regression) -> float:
    """G = max_j ‖X_j‖ √(2L₀/n): no |∇_w L| is larger where L ≤ L₀ = L(0), as along every momentum flow from w = 0."""
    columns = np.linalg.norm(problem.X, axis=0)
    return float(np.max(columns) * np.sqrt(2 * problem.loss(np.zeros(len(columns))) / problem.n))


def _momentum_flow(rng: Rng) -> Setting:
    """The largest λ at which 4λ|g| ≤ 1 is sure."""
    problem = gaussian_regression(rng, 4, 10)
    lam = 1 / (4 * largest_gradient(problem))
    return Setting(problem, Hadamard(), MomentumFlow(lam), Balanced(0.1))


def _heavy_ball(setting: Setting) -> HeavyBall:
    """Of the same λ = η/(1 − β)², at β = 0.8."""
    return HeavyBall(0.04 * setting.optimizer.lam, 0.8)


momentum_flow = Theorem(
    id="momentum-flow", family="diagonal", kind="exact", source="papazov2024momentum",
    claim="The momentum flow on u∘v selects by the hyperbolic entropy that its own squared speeds accumulate.",
    settings=_momentum_flow, rule=momentum_flow_rule, run={"stop": Stop(loss=1e-26)}, bound=1e-8,
    control=Control("heavy ball: steps of the same λ, whose sums are of gradients", 1e-6, {"optimizer": _heavy_ball}),
    conditions=(WELL_CONDITIONED, WELL_CURVED), figure=figures.coordinates,
)  # fmt: skip


# -- heavy ball on its way to the flow -----------------------------------------------------------------

GAPS = {"1 − β = 1/8": 1 / 8, "1 − β = 1/16": 1 / 16, "1 − β = 1/32": 1 / 32}
TO_THE_END = {"flow": {"stop": Stop(loss=1e-26)}, **{label: {"stop": Stop(loss=1e-25)} for label in GAPS}}


def pace(ball: HeavyBall) -> float:
    """η(1 + β)/(2(1 − β)²), the λ whose flow heavy ball follows to second order."""
    return float(ball.step) * (1 + ball.momentum) / (2 * (1 - ball.momentum) ** 2)


def _three_momenta(rng: Rng) -> dict[str, Setting]:
    flow = _momentum_flow(rng)
    balls = {label: HeavyBall(2 * flow.optimizer.lam * e**2 / (2 - e), 1 - e) for label, e in GAPS.items()}
    return {"flow": flow, **{label: replace(flow, optimizer=ball) for label, ball in balls.items()}}


def order_of_distance(runs: dict[str, Run]) -> Evidence:
    """The p of ‖w_β − w_flow‖ ~ (1 − β)^p, extrapolated from the slopes between three β."""
    flow, *balls = runs.values()
    distances = np.array([np.linalg.norm(r.w - flow.w) for r in balls]) / np.linalg.norm(flow.w)
    first, second = np.log2(distances[:-1] / distances[1:])
    gaps, axes = np.array(list(GAPS.values())), ("1 − β", "distance to the momentum flow", "xy")
    line = distances[-1] * (gaps / gaps[-1]) ** 2
    return Evidence(2 * second - first, 2.0, {"x": gaps, "seen": distances, "theory": line, "axes": axes})


ONE_PACE = Hypothesis(
    "all are at λ = 1/(4G), the flow's own or heavy ball's η(1 + β)/(2(1 − β)²)",
    lambda s: np.isclose(
        4 * largest_gradient(s.problem) * (s.optimizer.lam if s.is_flow else pace(s.optimizer)),
        1.0,
        rtol=1e-9,
    ),
)


def _usual_pace(setting: Setting) -> MomentumFlow | HeavyBall:
    """Heavy ball with η = λ(1 − β)²; the flow as it is."""
    o = setting.optimizer
    return o if setting.is_flow else HeavyBall(o.step * (1 + o.momentum) / 2, o.momentum)


heavy_ball_distance = Theorem(
    id="heavy-ball-distance", family="diagonal", kind="rate", source="papazov2024momentum",
    claim="With λ = η(1 + β)/(2(1 − β)²), heavy ball on u∘v ends at the momentum flow's solution up to O((1 − β)²).",
    settings=_three_momenta, measure=order_of_distance, run=TO_THE_END, bound=0.02,
    hypotheses=(SQUARE_LOSS, TWO_LAYERS, ONE_PACE, NO_DECAY, CONVERGED),
    control=Control("the usual λ = η/(1 − β)²: the rate is 1 − β", 0.5, {"optimizer": _usual_pace}),
    conditions=(WELL_CONDITIONED, WELL_CURVED), figure=figures.along,
)  # fmt: skip
