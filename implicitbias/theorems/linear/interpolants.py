"""Which interpolant of a regression a method selects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...geometry import LpNorm, PNorm
from ...models import Linear
from ...optimizers import (
    SGD,
    GradientDescent,
    HeavyBall,
    Nesterov,
    RandomizedKaczmarz,
    SteepestDescent,
)
from ...problems import Regression
from ...selection import BregmanProjection, Hypothesis
from ...selection.rules.common import CONVERGED, FROM_ZERO, LINEAR, SOLVABLE, SQUARE_LOSS
from ...selection.rules.linear import mirror_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, gaussian_regression

Rng = np.random.Generator


def steepest_in(p: float) -> Callable[[Setting], SteepestDescent]:
    """A control's change: steepest descent in ℓp, at a step that is stable for p ≤ 2."""
    return lambda s: SteepestDescent(p, 1 / s.problem.smoothness)


# -- nearest interpolant -------------------------------------------------------------------------


def _five_optimizers(rng: Rng) -> dict[str, Setting]:
    problem, w0 = gaussian_regression(rng, 5, 15), rng.standard_normal(15)
    step, row_step = 1 / problem.smoothness, 1 / float(np.max(np.sum(problem.X**2, axis=1)))
    optimizers = (
        GradientDescent(step),
        HeavyBall(step, 0.5),
        Nesterov(step, 0.5),
        SGD(row_step),
        RandomizedKaczmarz(),
    )
    return {type(o).__name__: Setting(problem, Linear(), o, w0) for o in optimizers}


nearest_interpolant = Theorem(
    id="nearest-interpolant", family="linear", kind="exact", source="gunasekar2018geometry",
    claim="Gradient descent, momentum, SGD and Kaczmarz select the interpolant nearest to their start.",
    settings=_five_optimizers, rule=mirror_rule, run={"stop": Stop(loss=1e-26)}, bound=1e-10,
    control=Control("steepest descent in ℓ4/3 leaves the row space", 1e-3, {"optimizer": steepest_in(4 / 3)}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


# -- steepest descent is not min-norm ------------------------------------------------------------

THRESHOLD = 1e-3
TWO_ROWS = Hypothesis(
    "two rows or more are independent (with one, the direction never changes) and they do not determine w",
    lambda s: 2 <= np.linalg.matrix_rank(s.problem.X) < s.problem.X.shape[1],
)
NOT_EUCLIDEAN = Hypothesis(
    "the norm is ℓp with 1 < p < ∞ and p ≠ 2",
    lambda s: (
        isinstance(s.optimizer.norm, LpNorm) and 1 < s.optimizer.norm.p < np.inf and s.optimizer.norm.p != 2
    ),
)


def _steepest(rng: Rng) -> Setting:
    problem = gaussian_regression(rng, 5, 12)
    return Setting(problem, Linear(), SteepestDescent(4 / 3, 1 / problem.smoothness))


def threshold_over_distance(run: Run) -> Evidence:
    """THRESHOLD/(distance of w to the interpolant of least norm, relative to its ℓ2 norm)."""
    X, y, p = run.setting.problem.X, run.setting.problem.y, run.setting.optimizer.norm.p
    least = BregmanProjection(PNorm(p), np.zeros(X.shape[1]), X, y).solution
    distance = float(np.linalg.norm(run.w - least) / np.linalg.norm(least))
    return Evidence(THRESHOLD / distance if distance else np.inf, detail={"least": least})


steepest_descent_is_not_min_norm = Theorem(
    id="steepest-descent-is-not-min-norm", family="linear", kind="bound", source="gunasekar2018geometry",
    claim="Steepest descent in a norm does not select the interpolant of least norm.",
    settings=_steepest, measure=threshold_over_distance, run={"stop": Stop(loss=1e-26)}, bound=1.0,
    hypotheses=(SQUARE_LOSS, LINEAR, TWO_ROWS, NOT_EUCLIDEAN, FROM_ZERO, CONVERGED), conditions=(WELL_CONDITIONED,),
    control=Control("in ℓ2 steepest descent is gradient descent, which does", 1e3, {"optimizer": steepest_in(2)}),
    figure=figures.norms,
)  # fmt: skip


# -- randomized Kaczmarz -------------------------------------------------------------------------

RUNS, PROJECTIONS = 2000, 12
BY_NORM = Hypothesis("rows are drawn with probability ∝ ‖x_i‖²", lambda s: s.optimizer.sampling == "norm")
UNEQUAL_ROWS = Hypothesis(
    "row norms differ by a factor of 5 or more",
    lambda s: np.ptp(np.log(np.linalg.norm(s.problem.X, axis=1))) >= np.log(5),
)


def _kaczmarz(rng: Rng) -> Setting:
    X = rng.standard_normal((6, 10)) * np.exp(rng.uniform(-1, 1, (6, 1)))
    return Setting(
        Regression(X, X @ rng.standard_normal(10)),
        Linear(),
        RandomizedKaczmarz(),
        np.zeros((RUNS, 10)),
    )


def kaczmarz_scores(run: Run) -> Evidence:
    """Largest |mean e_k − E e_k| and the excess of mean ‖e_k‖² over its bound, in standard errors."""
    X, w0 = run.setting.problem.X, run.setting.w0[0]
    e0 = w0 - (w0 + np.linalg.pinv(X) @ (run.setting.problem.y - X @ w0))
    e, F = run.w - (w0 - e0), np.sum(X**2)
    mean = np.linalg.matrix_power(np.eye(len(e0)) - X.T @ X / F, PROJECTIONS) @ e0
    score = np.max(np.abs(e.mean(0) - mean) / (e.std(0, ddof=1) / np.sqrt(RUNS)))
    squares, bound = (
        np.sum(e**2, 1),
        (1 - np.linalg.svd(X)[1][-1] ** 2 / F) ** PROJECTIONS * (e0 @ e0),
    )
    excess = (squares.mean() - bound) / (squares.std(ddof=1) / np.sqrt(RUNS))
    return Evidence(max(float(score), float(excess)), 0.0, {"mean": e.mean(0), "exact": mean})


randomized_kaczmarz = Theorem(
    id="randomized-kaczmarz", family="linear", kind="limit", source="strohmer2009kaczmarz",
    claim="Kaczmarz projections drawn by row norm have mean error (I − XᵀX/‖X‖²)ᵏe₀ and a mean-square bound.",
    settings=_kaczmarz, measure=kaczmarz_scores, run={"stop": Stop(steps=PROJECTIONS)}, bound=6.0,
    hypotheses=(SQUARE_LOSS, LINEAR, SOLVABLE, BY_NORM), conditions=(UNEQUAL_ROWS,), figure=figures.kaczmarz,
    control=Control("uniform sampling of rows of unequal norm", 8.0, {"optimizer": RandomizedKaczmarz("uniform")}),
)  # fmt: skip
