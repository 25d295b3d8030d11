"""Diagonal networks of depth three and more."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, Diagonal
from ...optimizers import GradientFlow
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED
from ...selection.rules.products import deep_diagonal_flow_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression
from .entropy import HALF_RATE
from .scales import BALANCED, VERTEX
from .vertices import Vertex, l1_vertex

# -- the potential ---------------------------------------------------------------------------------


def _three_depths(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, 4, 10)
    depths = {3: 0.1, 4: 0.3, 6: 0.6}
    return {
        f"depth {D}": Setting(problem, Diagonal(D), GradientFlow(), Balanced(a)) for D, a in depths.items()
    }


depth_three_entropy = Theorem(
    id="depth-three-entropy", family="diagonal", kind="exact", source="woodworth2020kernel",
    claim="At every depth D ≥ 3, the gradient flow on u^D − v^D selects by a potential known in closed form.",
    settings=_three_depths, rule=deep_diagonal_flow_rule, run={"stop": Stop(loss=1e-26), "rtol": 1e-11}, bound=1e-7,
    control=Control("v moves at half the rate", 1e-5, {"optimizer": HALF_RATE}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


# -- the rate towards the ℓ1 solution --------------------------------------------------------------

SMALL = {3: 1e-3, 4: 1e-2}


def _small_scales(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, 3, 8)
    return {
        f"depth {D}": Setting(problem, Diagonal(D), GradientFlow(), Balanced(a)) for D, a in SMALL.items()
    }


def dual_point(vertex: Vertex, depth: int, scale: float) -> np.ndarray:
    """z = s − α^{D−2} Σ_i A_i sgn(w_i)|w_i|^{−1/k} off the support, k = D/(D − 2)."""
    w = vertex.w[vertex.on]
    room = scale ** (depth - 2) * np.sign(w) * np.abs(w) ** (2 / depth - 1)
    z: np.ndarray = (vertex.slopes - room @ vertex.weights)[vertex.off]
    return z


def next_order(setting: Setting) -> float:
    """What the change of the support's entries changes in those off it, relative to (1 − |z|)^{−k}."""
    vertex, D, scale = l1_vertex(setting.problem), setting.model.depth, setting.init.scale
    k, z = D / (D - 2), dual_point(vertex, D, scale)
    if np.max(np.abs(z)) >= 1:
        return np.inf
    w, A = vertex.w[vertex.on], vertex.weights[:, vertex.off]
    change = np.abs(A @ (scale**D * ((1 - z) ** -k - (1 + z) ** -k)) / w)
    moved = scale ** (D - 2) / k * (np.abs(w) ** (-1 / k) * change) @ np.abs(A)
    return float(np.max(k * moved / (1 - np.abs(z))))


def off_the_power(runs: dict[str, Run]) -> Evidence:
    """|w_j/α^D − h(z_j)|/(1 − |z_j|)^{−k} off the support, at each depth."""
    off, detail = [], {}
    for run in runs.values():
        D, scale = run.setting.model.depth, float(run.setting.theta0[0, 0])
        vertex, k = l1_vertex(run.setting.problem), D / (D - 2)
        z = dual_point(vertex, D, scale)
        seen, theory = run.w[vertex.off] / scale**D, (1 - z) ** -k - (1 + z) ** -k
        off.append(np.abs(seen - theory) * (1 - np.abs(z)) ** k)
        detail = {"seen": seen, "theory": theory, "ylabel": f"w_j/α^{D} off the support"}
    return Evidence(np.array(off), 0.0, detail)


SECOND = Hypothesis(
    "the next order is below 1e-5 of each entry off the support", lambda s: next_order(s) <= 1e-5
)
BOTH_WAYS = Hypothesis(
    "dual slopes of 0.1 or more occur with both signs",
    lambda s: min(np.max(l1_vertex(s.problem).slopes), -np.min(l1_vertex(s.problem).slopes)) >= 0.1,
)

depth_three_rate = Theorem(
    id="depth-three-rate", family="diagonal", kind="rate", source="woodworth2020kernel",
    claim="At depth D ≥ 3 the flow from scale α ends at a distance Θ(α^D) from the ℓ1 solution, with a known constant.",
    settings=_small_scales, measure=off_the_power, run={"stop": Stop(loss=1e-26)}, bound=1e-4, instances=2,
    hypotheses=(*deep_diagonal_flow_rule.hypotheses[:-1], BALANCED, VERTEX, CONVERGED), conditions=(SECOND, BOTH_WAYS),
    control=Control("v moves at half the rate", 1e-3, {"optimizer": HALF_RATE}), figure=figures.entries,
)  # fmt: skip
