"""Between ℓ1 and ℓ2: mirror descent by the hyperbolic entropy at the two ends of its scale."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...geometry import Hypentropy
from ...models import Linear
from ...optimizers import MirrorDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONSISTENT, CONVERGED, FROM_ZERO, LINEAR, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..diagonal.vertices import l1_vertex
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression


def _is_hypentropy_descent(setting: Setting) -> bool:
    o = setting.optimizer
    plain = isinstance(o, MirrorDescent) and not (o.primal or o.weight_decay)
    return plain and isinstance(o.potential, Hypentropy) and o.potential.depth == 2


HYPENTROPY_DESCENT = Hypothesis(
    "the method is mirror descent by a hyperbolic entropy", _is_hypentropy_descent
)


def hypentropy_descent(problem: Regression, log_b: float, reach: float) -> Setting:
    """From zero, at the step 1/(λ√(reach² + b²)): L is 1/η-smooth relative to ψ where |w_j| ≤ reach."""
    step = 1 / (problem.smoothness * float(np.hypot(reach, np.exp(log_b))))
    return Setting(problem, Linear(), MirrorDescent(Hypentropy(log_b), step))


# -- large scales --------------------------------------------------------------------------------

WIDTHS = 30.0
"""b over the largest |w_j| of the least-norm interpolant, at the smaller of two scales."""


def _two_large_scales(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, 4, 10)
    reach = float(np.max(np.abs(problem.least_squares)))
    scales = {"b": np.log(WIDTHS * reach), "2b": np.log(2 * WIDTHS * reach)}
    return {label: hypentropy_descent(problem, log_b, reach) for label, log_b in scales.items()}


def from_ones(setting: Setting) -> np.ndarray:
    """A control's change."""
    return np.ones(setting.w0.size)


def cubic_off_row_space(problem: Regression) -> np.ndarray:
    """N w₂³, N = I − X⁺X, w₂ = X⁺y."""
    cube = problem.least_squares**3
    return np.asarray(cube - np.linalg.pinv(problem.X) @ (problem.X @ cube))


def order_two(runs: dict[str, Run]) -> Evidence:
    """log₂ of the ratio of the two distances to w₂, and the relative error of the first coefficient of 6b²(w − w₂)."""
    problem = runs["b"].setting.problem
    b2 = np.exp(2 * runs["b"].setting.optimizer.potential.log_c)
    near, far = (runs[label].w - problem.least_squares for label in ("b", "2b"))
    slope = float(np.log2(np.linalg.norm(near) / np.linalg.norm(far)))
    theory, seen = cubic_off_row_space(problem), 6 * b2 * (16 * far - near) / 3  # terms in b⁻⁴ cancel
    error = float(np.linalg.norm(seen - theory) / np.linalg.norm(theory))
    return Evidence(
        [slope, error], [2.0, 0.0], {"seen": 6 * b2 * near, "theory": theory, "ylabel": "6b²(w − w₂)"}
    )


CUBE_IS_OFF = Hypothesis(
    "‖N w₂³‖ ≥ 0.3 ‖w₂³‖",
    lambda s: (
        np.linalg.norm(cubic_off_row_space(s.problem)) >= 0.3 * np.linalg.norm(s.problem.least_squares**3)
    ),
)

hypentropy_l2_limit = Theorem(
    id="hypentropy-l2-limit", family="linear", kind="rate", source="ghai2020hypentropy",
    claim="As b → ∞, hypentropy descent from zero tends to least ‖w‖₂, by N w₂³/(6b²) off it.",
    settings=_two_large_scales, measure=order_two, run={"stop": Stop(loss=1e-30)}, bound=0.01,
    hypotheses=(SQUARE_LOSS, LINEAR, HYPENTROPY_DESCENT, FROM_ZERO, CONSISTENT, CONVERGED),
    conditions=(WELL_CONDITIONED, CUBE_IS_OFF), figure=figures.entries_alone,
    control=Control("a start at ones", 0.5, {"init": from_ones}),
)  # fmt: skip


# -- small scales --------------------------------------------------------------------------------

LOG_SCALES = {"1e-12": -12 * np.log(10), "1e-24": -24 * np.log(10)}


def _two_small_scales(rng: Rng) -> dict[str, Setting]:
    """Targets of a positive w, so that positive interpolants exist: the control ends at one."""
    X = rng.standard_normal((3, 8))
    problem = Regression(X, X @ np.abs(rng.standard_normal(8)))
    reach = 4 * float(np.sum(np.abs(problem.least_squares)))
    return {label: hypentropy_descent(problem, log_b, reach) for label, log_b in LOG_SCALES.items()}


def slopes_of_dual_points(runs: dict[str, Run]) -> Evidence:
    """The slopes of z = arcsinh(w/b) in ln(1/b) between the two scales; and ‖w − w₁‖/‖w₁‖ at the smaller."""
    larger, smaller = (runs[label] for label in LOG_SCALES)
    vertex = l1_vertex(larger.setting.problem)
    z = [run.setting.optimizer.potential.gradient(run.w) for run in (larger, smaller)]
    slopes = (z[1] - z[0]) / (LOG_SCALES["1e-12"] - LOG_SCALES["1e-24"])
    far = float(np.linalg.norm(smaller.w - vertex.w) / np.linalg.norm(vertex.w))
    detail = {"seen": slopes, "theory": vertex.slopes, "ylabel": "dz/d ln(1/b)"}
    return Evidence(np.append(slopes, far), np.append(vertex.slopes, 0.0), detail)


def _condition_on_support(setting: Setting) -> float:
    """κ(X_S |w_S|^½), whose square is that of the last stage of the descent."""
    vertex = l1_vertex(setting.problem)
    return float(np.linalg.cond(setting.problem.X[:, vertex.on] * np.sqrt(np.abs(vertex.w[vertex.on]))))


SLACK = Hypothesis(
    "the least-ℓ1 interpolant is unique with n non-zeros, and |x_j·ν| ≤ ¾ for all other columns",
    lambda s: l1_vertex(s.problem).largest_slope <= 0.75,
)
SMALL_ENOUGH = Hypothesis(
    "the leading order in b changes itself by at most 5 %",
    lambda s: l1_vertex(s.problem).second_order(s.optimizer.potential.log_c) <= 0.05,
)
WELL_CONDITIONED_ON_SUPPORT = Hypothesis("κ(X_S|w_S|^½) ≤ 8", lambda s: _condition_on_support(s) <= 8)

hypentropy_l1_limit = Theorem(
    id="hypentropy-l1-limit", family="linear", kind="rate", source="ghai2020hypentropy",
    claim="As b → 0, hypentropy descent from zero tends to least ‖w‖₁, its dual point growing as ln(1/b) Xᵀν.",
    settings=_two_small_scales, measure=slopes_of_dual_points, run={"stop": Stop(loss=1e-20, steps=10**6)}, bound=0.01,
    hypotheses=(SQUARE_LOSS, LINEAR, HYPENTROPY_DESCENT, FROM_ZERO, CONSISTENT, CONVERGED),
    conditions=(SLACK, SMALL_ENOUGH, WELL_CONDITIONED_ON_SUPPORT), figure=figures.entries,
    control=Control("a start at ones, which does not shrink with b", 0.2, {"init": from_ones}),
)  # fmt: skip
