"""How fast a diagonal network's solution approaches its limits as the scale of its start grows or shrinks."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, Diagonal
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, GRADIENT_FLOW, NO_DECAY, ONE_RATE, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression
from .entropy import HALF_RATE
from .vertices import l1_vertex

BALANCED = Hypothesis("the start is balanced, u = v = scale", lambda s: isinstance(s.init, Balanced))
DEPTH_TWO = Hypothesis("the model is Diagonal(2)", lambda s: s.model == Diagonal(2))
FLOW = (SQUARE_LOSS, DEPTH_TWO, GRADIENT_FLOW, ONE_RATE, NO_DECAY, BALANCED, CONVERGED)


def null_part(problem: Regression, w: np.ndarray) -> np.ndarray:
    """(I − X⁺X)w."""
    _, _, Vt = np.linalg.svd(problem.X, full_matrices=False)
    part: np.ndarray = w - Vt.T @ (Vt @ w)
    return part


# -- large scales ----------------------------------------------------------------------------------


def _large_scales(rng: Rng) -> dict[str, Setting]:
    """α² = 10 and 40 with the largest entry of X⁺y at 2, a tenth and a fortieth of c = 2α²."""
    drawn = gaussian_regression(rng, 5, 12)
    problem = Regression(drawn.X, 2 * drawn.y / np.max(np.abs(drawn.least_squares)))
    scales = (np.sqrt(10.0), np.sqrt(40.0))
    return {f"α² = {a * a:.0f}": Setting(problem, Diagonal(2), GradientFlow(), Balanced(a)) for a in scales}


def large_scale_coefficient(runs: dict[str, Run]) -> Evidence:
    """E(α) = α⁴(w_α − w₂) extrapolated from α and 2α, (16 E(2α) − E(α))/15, against N w₂³/24, relative."""
    problem = next(iter(runs.values())).setting.problem
    w2 = problem.least_squares
    predicted = null_part(problem, w2**3) / 24
    one, two = (r.setting.init.scale**4 * null_part(problem, r.w - w2) for r in runs.values())
    seen = (16 * two - one) / 15
    off = float(np.linalg.norm(seen - predicted) / np.linalg.norm(predicted))
    return Evidence(off, 0.0, {"seen": seen, "theory": predicted, "ylabel": "coefficient of α⁻⁴"})


large_scale_rate = Theorem(
    id="hypentropy-large-scale-rate", family="diagonal", kind="rate", source="woodworth2020kernel",
    claim="As the scale α grows, the flow's limit is the least-norm interpolant w₂ plus N w₂³/(24 α⁴).",
    settings=_large_scales, measure=large_scale_coefficient, run={"stop": Stop(loss=1e-26)}, bound=1e-4,
    hypotheses=FLOW, conditions=(WELL_CONDITIONED,), figure=figures.entries,
    control=Control("depth 3: the rate is α⁻⁶", 0.1, {"model": Diagonal(3)}),
)  # fmt: skip


# -- small scales ----------------------------------------------------------------------------------

SMALL = (1e-30, 1e-60)


def _log_c(scale: float) -> float:
    """ln 2α²."""
    return float(np.log(2.0) + 2 * np.log(scale))


def _small_scales(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, 3, 8)
    return {f"scale {a:g}": Setting(problem, Diagonal(2), GradientFlow(), Balanced(a)) for a in SMALL}


def vanishing_entries(runs: dict[str, Run]) -> Evidence:
    """w_j over its leading order, for every entry j off the support of the ℓ1 solution, at each scale."""
    exponents, ratios, predicted = [], [], []
    for run in runs.values():
        vertex, scale = l1_vertex(run.setting.problem), float(np.exp(np.mean(np.log(run.setting.start))))
        theory, seen = vertex.vanishing(_log_c(scale)), run.w[vertex.off]
        ratios.append(seen / theory)
        exponents.append(np.log(np.abs(seen)) / np.log(scale))
        predicted.append(np.log(np.abs(theory)) / np.log(scale))
    detail = {"seen": exponents[-1], "theory": predicted[-1], "ylabel": "ln|w_j| / ln α off the support"}
    return Evidence(np.array(ratios), 1.0, detail)


VERTEX = Hypothesis(
    "the ℓ1 solution is unique and has n non-zero entries",
    lambda s: l1_vertex(s.problem).largest_slope < 1,
)
LEADING = Hypothesis(
    "the leading order changes itself by at most 1e-4 at the scale of the run",
    lambda s: l1_vertex(s.problem).second_order(_log_c(s.init.scale)) <= 1e-4,
)
BOTH_SIGNS = Hypothesis(
    "the dual slopes take both signs", lambda s: np.ptp(np.sign(l1_vertex(s.problem).slopes)) > 0
)

small_scale_rate = Theorem(
    id="hypentropy-small-scale-rate", family="diagonal", kind="rate", source="woodworth2020kernel",
    claim="As the scale α → 0, entries off the ℓ1 solution's support vanish as α^{2(1 − |s|)}, s their dual slope.",
    settings=_small_scales, measure=vanishing_entries, run={"stop": Stop(loss=1e-26)}, bound=1e-3,
    hypotheses=(*FLOW[:-1], VERTEX, CONVERGED), conditions=(LEADING, BOTH_SIGNS), figure=figures.entries,
    control=Control("v moves at half the rate: |u|v² is conserved", 0.5, {"optimizer": HALF_RATE}),
)  # fmt: skip
