"""Time averages of diagonal flows: where they stand, and why they trace the Lasso path."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Diagonal, Hadamard
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection import Hypothesis, Lasso, mirror_form
from ...selection.rules.common import SQUARE_LOSS
from ...selection.rules.diagonal import TWO_LAYER_FLOW
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, gaussian_regression
from .entropy import HALF_RATE
from .lemma import unbalanced_start
from .paths import EVERY_STEP, w_curve
from .saddles import ALONE, TINY, last_exponent, saddle_path, time_unit, two_tiny_starts

FLOW = (SQUARE_LOSS, *TWO_LAYER_FLOW)

# -- the identity at every scale -------------------------------------------------------------------

PANELS = np.linspace(0.0, 2.0, 21)
ABSCISSAE, WEIGHTS = np.polynomial.legendre.leggauss(8)
NODES = (PANELS[:-1, None] + np.diff(PANELS)[:, None] * (1 + ABSCISSAE) / 2).ravel()


def _two_models(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, 4, 10)
    return {
        "u² − v²": Setting(problem, Diagonal(2), GradientFlow(), unbalanced_start(rng, 10)),
        "u∘v": Setting(problem, Hadamard(), GradientFlow(), unbalanced_start(rng, 10)),
    }


def off_the_identity(runs: dict[str, Run]) -> Evidence:
    """‖∇φ(w_t) − z₀ + κt∇L(w̄_t)‖/‖κt∇L(w̄_t)‖ at the ends of all panels; ∫w by Gauss's rule on each."""
    worst, detail = 0.0, {}
    for run in runs.values():
        s, t, at_end = run.setting, PANELS[1:, None], np.isin(run.history["time"], PANELS[1:])
        potential, z0 = mirror_form(s)
        w = run.history["w"]
        panels = (
            np.diff(PANELS)[:, None] / 2 * np.tensordot(w[~at_end].reshape(len(t), 8, -1), WEIGHTS, (1, 0))
        )
        average = np.cumsum(panels, axis=0) / t
        moved, theory = (
            potential.gradient(w[at_end]) - z0,
            -s.model.mirror_rate * t * s.problem.gradient(average),
        )
        off = np.linalg.norm(moved - theory, axis=1) / np.linalg.norm(theory, axis=1)
        worst = max(worst, float(np.max(off)))
        detail = {"x": t[:, 0], "seen": moved, "theory": theory, "axes": ("time", "∇φ(w) − z₀", "")}
    return Evidence(worst, 0.0, detail)


averaged_path_identity = Theorem(
    id="averaged-path-identity", family="diagonal", kind="exact", source="berthier2025lasso",
    claim="At every time, ∇φ(w_t) − ∇φ(w₀) is −κt times the gradient at the time average of the path.",
    settings=_two_models, measure=off_the_identity, bound=1e-7,
    run={"stop": Stop(time=2.0), "save": Save(at=[*NODES, *PANELS[1:]], fields=("w",))},
    hypotheses=FLOW, figure=figures.along,
    control=Control("v moves at half the rate of u", 1e-3, {"optimizer": HALF_RATE}),
)  # fmt: skip


# -- the Lasso path at vanishing scales ------------------------------------------------------------

LEAVES_AGAIN = Regression([[1.5, 0.8, 0.1], [0.4, 0.0, 0.2]], [-1.9, 0.4])
"""Data on whose limiting path the first entry becomes zero again."""


def _looks(problem: Regression) -> np.ndarray:
    """The middles of all plateaus, and half as late again as the last jump."""
    path = saddle_path(problem)
    return np.append(path.middles, 1.5 * path.times[-1])


def integral(run: Run, t: np.ndarray) -> np.ndarray:
    """∫₀ᵗ w, with w at rest after the end of the run."""
    during = np.minimum(t, run.time)
    total: np.ndarray = w_curve(run).antiderivative()(during) + (t - during)[:, None] * run.w
    return total


def off_the_lasso_path(runs: dict[str, Run]) -> Evidence:
    """‖w̄_τ − lasso(1/τ)‖/‖w_K‖, τw̄_τ the slope in L of ∫₀^{τL/κ} w dt·κ between two scales; the largest."""
    first, second = (r.setting for r in runs.values())
    problem, tau = first.problem, _looks(first.problem)
    sums = [integral(r, tau * time_unit(r.setting)) for r in runs.values()]
    average = (sums[1] - sums[0]) / (time_unit(second) - time_unit(first)) / tau[:, None]
    theory = np.array([Lasso(problem.X, problem.y, 1 / t).solution for t in tau])
    off = np.linalg.norm(average - theory, axis=1) / np.linalg.norm(saddle_path(problem).points[-1])
    detail = {
        "x": tau,
        "seen": average,
        "theory": theory,
        "axes": ("rescaled time τ = 1/penalty", "average of w", "x"),
    }
    return Evidence(float(np.max(off)), 0.0, detail)


def _leaving_again(setting: Setting) -> Regression:
    """LEAVES_AGAIN with its numbers changed by a few per cent, the same for both scales."""
    noise = np.random.default_rng(int(1e6 * abs(setting.problem.y[0])))
    X, y = LEAVES_AGAIN.X, LEAVES_AGAIN.y
    return Regression(
        X * (1 + 0.03 * noise.standard_normal(X.shape)), y * (1 + 0.03 * noise.standard_normal(2))
    )


STAYS = Hypothesis(
    "no entry of the limiting path becomes zero again", lambda s: saddle_path(s.problem).monotone
)
SETTLED_AT_LAST = Hypothesis(
    "everything has settled to e^{−18} half as late again as the last jump", lambda s: last_exponent(s) >= 18
)

averaged_path = Theorem(
    id="averaged-path-is-lasso-path", family="diagonal", kind="limit", source="berthier2025lasso",
    claim="From a vanishing start, the time average of the flow is the Lasso path, while no entry vanishes again.",
    settings=two_tiny_starts, measure=off_the_lasso_path, bound=1e-4, instances=2,
    run={"stop": Stop(loss=1e-28), "save": EVERY_STEP}, hypotheses=(*FLOW, TINY, STAYS),
    conditions=(ALONE, SETTLED_AT_LAST), figure=figures.along,
    control=Control("data on whose path an entry vanishes again", 1e-2, {"problem": _leaving_again}),
)  # fmt: skip
