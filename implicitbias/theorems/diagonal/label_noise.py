"""Steps on two-layer diagonal networks that never come to rest: label noise, and normalised ascents."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...geometry import Hypentropy, bregman_projection
from ...models import Balanced, Diagonal, Hadamard
from ...optimizers import SAM, SGD, GradientFlow, HeavyBall, LabelNoiseSGD
from ...selection import Hypothesis, mirror_form
from ...selection.rules.common import NO_DECAY, SQUARE_LOSS, is_a, mirror_projection
from ...selection.rules.diagonal import FINITE_SUMS, TWO_LAYERS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression
from .curvature import curvatures

# -- an identity at every step ---------------------------------------------------------------------------


def _restless(rng: Rng) -> dict[str, Setting]:
    """Steps whose first |x| is 0.2; noise as large as the targets, and ascents of length 0.05."""
    problem, d = gaussian_regression(rng, 5, 12), 12
    full = 0.2 / float(np.max(np.abs(problem.gradient(np.zeros(d)))))
    one = 0.05 / float(np.max(np.abs(problem.y[:, None] * problem.X)))
    noise = float(np.sqrt(np.mean(problem.y**2)))
    optimizers = {
        "label noise": LabelNoiseSGD(one, noise),
        "normalised SAM": SAM(full, 0.05, normalized=True),
    }
    return {label: Setting(problem, Hadamard(), o, Balanced(0.1)) for label, o in optimizers.items()}


def off_the_accumulated_projection(runs: dict[str, Run]) -> Evidence:
    """‖w_T − Π(w_T)‖/‖w_T − w₀‖, Π the projection onto {w : Xw = Xw_T} by the sums of the run."""
    worst: list[float] = []
    detail: dict[str, object] = {}
    for run in runs.values():
        X, w0 = run.setting.problem.X, run.setting.w0
        potential, z0 = mirror_form(run.setting, run)
        w = bregman_projection(potential, z0, X, X @ run.w).w
        worst.append(float(np.linalg.norm(run.w - w) / np.linalg.norm(run.w - w0)))
        detail = detail or {"seen": run.w, "theory": w, "ylabel": "w"}
    return Evidence(np.array(worst), np.zeros(len(worst)), detail)


def _with_memory(setting: Setting) -> HeavyBall:
    return HeavyBall(setting.optimizer.step, 0.8)


entropy_without_rest = Theorem(
    id="entropy-without-rest", family="diagonal", kind="exact", source="even2023sgd",
    claim="Label noise and normalised SAM never rest, yet at each step project the start by their accumulated entropy.",
    settings=_restless, measure=off_the_accumulated_projection, run={"stop": Stop(steps=1500)}, bound=1e-10,
    hypotheses=(
        SQUARE_LOSS,
        TWO_LAYERS,
        Hypothesis("each step is one of LabelNoiseSGD or of SAM", is_a(LabelNoiseSGD | SAM, "optimizer")),
        NO_DECAY,
        FINITE_SUMS,
    ),
    control=Control("heavy-ball momentum at the same steps", 1e-5, {"optimizer": _with_memory}),
    conditions=(WELL_CONDITIONED,), figure=figures.entries,
)  # fmt: skip


# -- where label noise drifts ------------------------------------------------------------------------------


NOISE = 0.0015
"""ησ."""


def _at_an_interpolant(rng: Rng) -> Setting:
    """The limit of the flow from scale 0.3, with η tr H = 0.002 there and ησ = 0.0015."""
    problem = gaussian_regression(rng, 4, 10)
    flow = Setting(problem, Diagonal(2), GradientFlow(), Balanced(0.3))
    projection, step = mirror_projection(flow), 0.002 / float(np.sum(curvatures(flow)))
    z = projection.potential.gradient(projection.solution)
    start = Diagonal(2).from_dual(flow.theta0, projection.potential, z)
    return Setting(problem, Diagonal(2), LabelNoiseSGD(step, NOISE / step), start)


def drift_in_standard_errors(run: Run) -> Evidence:
    """ln|uv|_T − ln|uv|_0 + T q, q = 4η²σ² diag(XᵀX)/n, in units of √T times the standard deviation of a step."""
    s = run.setting
    squares, e = s.problem.X**2, NOISE
    mean, T = np.mean(squares, axis=0), run.steps
    seen = np.sum(np.log(np.abs(run.theta / s.theta0)), axis=0)
    z = (seen + T * 4 * e**2 * mean) / (4 * e**2 * np.sqrt(T) * np.std(squares, axis=0))
    log_c = np.log(2 * np.abs(np.prod(s.theta0, axis=0))) - T * 4 * e**2 * mean
    w = bregman_projection(Hypentropy(log_c), np.zeros(len(mean)), s.problem.X, s.problem.X @ run.w).w
    return Evidence(z, np.zeros_like(z), {"seen": run.w, "theory": w, "ylabel": "w"})


def _squares(setting: Setting) -> bool:
    return setting.model == Diagonal(2) and bool(np.all(setting.start != 0))


def _interpolates(setting: Setting) -> bool:
    problem = setting.problem
    return bool(problem.loss(setting.w0) <= 1e-20 * problem.loss(np.zeros_like(setting.w0)))


def _rows_differ(setting: Setting) -> bool:
    squares = setting.problem.X**2
    return bool(np.all(np.std(squares, axis=0) >= 0.3 * np.mean(squares, axis=0)))


ROWS_DIFFER = Hypothesis(
    "sd_i(x_ij²) ≥ 0.3 mean_i(x_ij²) in each column: else the bias outweighs it", _rows_differ
)

label_noise_drift = Theorem(
    id="label-noise-weighted-l1", family="diagonal", kind="limit", source="haochen2021shape",
    claim="Label noise on u² − v² shrinks |uv|, and the scale that selects, at the rate 4σ²‖X_j‖²/n: to a weighted ℓ1.",
    settings=_at_an_interpolant, measure=drift_in_standard_errors, run={"stop": Stop(steps=60_000)}, bound=6.5,
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis("the model is Diagonal(2), and no entry of the start is zero", _squares),
        Hypothesis("Xw = y at the start", _interpolates),
        Hypothesis(
            "each step is one of LabelNoiseSGD with one sample and ησ = 0.0015",
            lambda s: s.optimizer == LabelNoiseSGD(s.optimizer.step, NOISE / s.optimizer.step),
        ),
        NO_DECAY,
    ),
    control=Control("SGD without noise on labels", 20.0, {"optimizer": lambda s: SGD(s.optimizer.step)}),
    conditions=(WELL_CONDITIONED, ROWS_DIFFER), figure=figures.entries,
)  # fmt: skip
