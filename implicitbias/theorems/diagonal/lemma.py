"""What every gradient flow on a two-layer diagonal network keeps, wherever it stands."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...geometry import bregman_projection
from ...models import Diagonal, Hadamard
from ...optimizers import GradientFlow
from ...problems import Classification
from ...selection import Hypothesis, mirror_form
from ...selection.rules.diagonal import TWO_LAYER_FLOW
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, gaussian_regression
from .entropy import HALF_RATE

TIMES = 0.05 * 2.0 ** np.arange(7)
IN_TIME: dict[str, object] = {"stop": Stop(time=float(TIMES[-1])), "save": Save(at=TIMES, fields=("w",))}


def unbalanced_start(rng: Rng, d: int) -> np.ndarray:
    """Two factors of random sizes, e^{−3/2} to 1, and random signs."""
    return np.exp(rng.uniform(-1.5, 0.0, (2, d))) * rng.choice([-1.0, 1.0], (2, d))


def _two_models(rng: Rng) -> dict[str, Setting]:
    square, d = gaussian_regression(rng, 4, 10), 10
    labels = Classification(rng.standard_normal((4, d)), [1, -1, 1, -1], loss="logistic")
    return {
        "u² − v²": Setting(square, Diagonal(2), GradientFlow(), unbalanced_start(rng, d)),
        "u∘v": Setting(labels, Hadamard(), GradientFlow(), unbalanced_start(rng, d)),
    }


def off_the_projection(runs: dict[str, Run]) -> Evidence:
    """‖w_t − Π(w_t)‖/‖w_t − w₀‖ at every saved t, Π(w_t) the Bregman projection of w₀ onto {w : Xw = Xw_t}."""
    worst, detail = 0.0, {}
    for run in runs.values():
        X, w0, path = run.setting.problem.X, run.setting.w0, run.history["w"]
        potential, z0 = mirror_form(run.setting)
        projected = np.array([bregman_projection(potential, z0, X, X @ w).w for w in path])
        off = np.linalg.norm(path - projected, axis=1) / np.linalg.norm(path - w0, axis=1)
        worst = max(worst, float(np.max(off)))
        detail = {"x": TIMES, "seen": path, "theory": projected, "axes": ("time", "w", "x")}
    return Evidence(worst, 0.0, detail)


BY_PREDICTIONS = Hypothesis("the loss is a function of Xw", lambda s: hasattr(s.problem, "X"))

master_lemma = Theorem(
    id="master-lemma", family="diagonal", kind="exact", source="woodworth2020kernel",
    claim="At every time, a two-layer diagonal flow is the Bregman projection of its start onto {w : Xw = Xw_t}.",
    settings=_two_models, measure=off_the_projection, bound=1e-8,
    run={"u² − v²": IN_TIME, "u∘v": {**IN_TIME, "chart": "ordinary", "rtol": 1e-12}},
    hypotheses=(BY_PREDICTIONS, *TWO_LAYER_FLOW), figure=figures.along,
    control=Control("v moves at half the rate of u", 1e-3, {"optimizer": HALF_RATE}),
)  # fmt: skip
