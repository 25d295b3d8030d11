"""Weight decay on two-layer diagonal networks: switched off, and kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...dynamics import Setting, Stop
from ...models import Balanced, Diagonal, Hadamard
from ...optimizers import GradientDescent, GradientFlow, Until
from ...selection import Hypothesis
from ...selection.penalized import Lasso
from ...selection.rules.diagonal_flows import decayed_flow_rule
from ...selection.rules.weight_decay import decay_lasso_rule, decayed_lasso
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


# -- decay that is kept ------------------------------------------------------------------------------------

AT_REST = {"stop": Stop(gradient=1e-11)}


def _decayed(rng: Rng) -> dict[str, Setting]:
    """A penalty of 0.15 max|Xᵀy|/n on |w|."""
    problem = gaussian_regression(rng, 6, 9)
    lam = 0.15 * float(np.max(np.abs(problem.gradient(np.zeros(9)))))
    size = float(np.max(np.abs(Lasso(problem.X, problem.y, lam).solution)))
    flow, steps = (
        GradientFlow(weight_decay=lam),
        GradientDescent(0.1 / (problem.smoothness * size), weight_decay=2 * lam),
    )
    return {
        "u∘v, flow": Setting(problem, Hadamard(), flow, Balanced(0.3)),
        "u² − v², steps": Setting(problem, Diagonal(2), steps, Balanced(0.3)),
    }


def _deeper(setting: Setting) -> Diagonal:
    """w = u³ − v³ for the flow; the steps as they are."""
    return Diagonal(3) if setting.is_flow else setting.model


def _separated(setting: Setting) -> bool:
    """|∇L| ≤ 0.95 λ off the support of the solution, and entries on it of at least a fiftieth of the largest."""
    program = decayed_lasso(setting)
    w = np.abs(program.solution)
    slopes = np.abs(setting.problem.gradient(program.solution))[w == 0]
    return bool(np.all(slopes <= 0.95 * program.lam) and np.min(w[w > 0]) >= np.max(w) / 50)


SEPARATED = Hypothesis(
    "off the support |∇L| ≤ 0.95 λ, on it |w| ≥ max|w|/50, at the Lasso's solution", _separated
)

decay_lasso = Theorem(
    id="weight-decay-is-lasso", family="diagonal", kind="exact", source="hoff2017lasso",
    claim="Weight decay λ on a two-layer diagonal network ends at the Lasso: λ|w|₁ for u∘v, (λ/2)|w|₁ for u² − v².",
    settings=_decayed, rule=decay_lasso_rule, run=AT_REST, bound=1e-7,
    control=Control("depth three in the flow: the penalty is no norm", 1e-3, {"model": _deeper}),
    conditions=(WELL_CONDITIONED, SEPARATED), figure=figures.coordinates,
)  # fmt: skip
