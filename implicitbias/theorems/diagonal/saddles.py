"""Vanishing starts of two-layer diagonal networks: from saddle to saddle, and when."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, Diagonal, Hadamard
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection import Hypothesis, SaddlePath
from ...selection.rules.common import CONVERGED, SQUARE_LOSS, mirror_form
from ...selection.rules.diagonal import TWO_LAYER_FLOW
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, gaussian_regression
from .entropy import HALF_RATE
from .paths import EVERY_STEP, loss_curve, w_curve


@lru_cache(maxsize=512)
def saddle_path(problem: Regression) -> SaddlePath:
    """The path of a problem, once."""
    return SaddlePath(problem)


def log_range(setting: Setting) -> float:
    """L = ln(2/c), the dual distance between an entry's start and its appearance."""
    potential: Any = mirror_form(setting)[0]
    return float(np.log(2.0) - np.mean(potential.log_c))


def time_unit(setting: Setting) -> float:
    """The time t at which τ = κt/L is one."""
    return log_range(setting) / float(setting.model.mirror_rate)


def relaxation(problem: Regression, w: np.ndarray) -> float:
    """λ: what is active at a saddle approaches it as e^{−Lλτ}; the least eigenvalue of diag|w|½ H diag|w|½."""
    on = np.flatnonzero(w)
    root = problem.X[:, on] * np.sqrt(np.abs(w[on]))
    return float(np.linalg.eigvalsh(root.T @ root / problem.n)[0]) if on.size else np.inf


def least_exponent(setting: Setting, part: float) -> float:
    """m: after this part of each plateau, what differs from the saddle does so by e^{−m}, up to constants.

    It is the least of L(1 − |s_j|) over entries that vanish there, but for the next to appear when part = 1,
    and of Lλτ over the time τ that the active entries have had.
    """
    path, L = saddle_path(setting.problem), log_range(setting)
    least = [np.inf]
    for k, length in enumerate(part * np.diff(path.times)):
        off = path.points[k] == 0
        off[path.entering[k]] &= part < 1
        least.extend(1 - np.abs(path.slopes[k] - length * path.gradients[k])[off])
        least.append(length * relaxation(setting.problem, path.points[k]))
    return L * float(min(least))


def last_exponent(setting: Setting) -> float:
    """The same at the last saddle, half as late again as the jump there."""
    path = saddle_path(setting.problem)
    room = 1 - np.abs(path.slopes[-1])[path.points[-1] == 0]
    rate = relaxation(setting.problem, path.points[-1])
    return log_range(setting) * min(float(np.min(room)), path.times[-1] / 2 * rate)


TINY = Hypothesis("the start is balanced, at a scale of at most 1e-20", lambda s: s.init.scale <= 1e-20)
ALONE = Hypothesis(
    "entries off a saddle are e^{−18} when another one leaves it, and the active ones have settled to e^{−18}",
    lambda s: least_exponent(s, 1.0) >= 18,
)
SETTLED = Hypothesis(
    "everything has settled to e^{−20} in the middle of each plateau, and at the end",
    lambda s: min(least_exponent(s, 0.5), last_exponent(s)) >= 20,
)
FLOW = (SQUARE_LOSS, *TWO_LAYER_FLOW, TINY, CONVERGED)

# -- from saddle to saddle ---------------------------------------------------------------------------


def _tiny_start(rng: Rng) -> Setting:
    return Setting(gaussian_regression(rng, 3, 6), Hadamard(), GradientFlow(), Balanced(1e-60))


def off_the_saddles(run: Run) -> Evidence:
    """The least ‖w_t − w_k‖/‖w_K‖ over the saved t, for each saddle in turn; inf when they are met in another order."""
    path, unit, w = saddle_path(run.setting.problem), time_unit(run.setting), run.history["w"]
    off = np.linalg.norm(w[:, None] - path.points, axis=2) / np.linalg.norm(path.points[-1])
    nearest = np.argmin(off, axis=0)
    worst = float(np.max(off[nearest, np.arange(nearest.size)])) if np.all(np.diff(nearest) > 0) else np.inf
    tau = np.linspace(0.0, min(1.1 * path.times[-1], run.time / unit), 400)
    seen, axes = w_curve(run)(tau * unit), ("rescaled time τ", "w", "")
    return Evidence(worst, 0.0, {"x": tau, "seen": seen, "theory": path(tau), "axes": axes})


saddle_to_saddle = Theorem(
    id="saddle-to-saddle", family="diagonal", kind="limit", source="pesme2023saddle",
    claim="From a vanishing start, the flow on u∘v goes from saddle to saddle, each least squares on a face.",
    settings=_tiny_start, measure=off_the_saddles, run={"stop": Stop(loss=1e-26), "save": EVERY_STEP}, bound=1e-6,
    hypotheses=FLOW, conditions=(SETTLED,), figure=figures.along,
    control=Control("a start of ordinary size sees no plateaus", 1e-3, {"init": Balanced(0.3)}),
)  # fmt: skip


# -- when it jumps ---------------------------------------------------------------------------------


def two_tiny_starts(rng: Rng) -> dict[str, Setting]:
    """Scales 1e-30 and 1e-60: what is of order one in ln(1/α) drops out of differences."""
    problem = gaussian_regression(rng, 3, 6)
    return {f"{a:g}": Setting(problem, Diagonal(2), GradientFlow(), Balanced(a)) for a in (1e-30, 1e-60)}


def jump_times(runs: dict[str, Run]) -> Evidence:
    """κΔt_k/ΔL over τ_k: t_k is when the loss is half-way between two saddles, Δ the difference of two scales."""
    problem = next(iter(runs.values())).setting.problem
    path = saddle_path(problem)
    losses = problem.loss(path.points)
    levels = (losses[1:] + losses[:-1]) / 2
    curves = [loss_curve(r) for r in runs.values()]
    t = np.array([[curve.solve(level, extrapolate=False)[0] for level in levels] for curve in curves])
    units = [time_unit(r.setting) for r in runs.values()]
    slopes = (t[1] - t[0]) / (units[1] - units[0])
    tau = np.linspace(0.0, min(1.1 * path.times[-1], t[1, -1] / units[1]), 400)
    detail = {
        "x": tau, "seen": curves[1](tau * units[1]), "theory": problem.loss(path(tau)),
        "axes": ("rescaled time τ", "loss", ""),
    }  # fmt: skip
    return Evidence(slopes / path.times[1:], 1.0, detail)


NEGATIVE_FIRST = Hypothesis(
    "the first entry to appear is negative", lambda s: np.min(saddle_path(s.problem).points[1]) < 0
)

jump_times_theorem = Theorem(
    id="jump-times", family="diagonal", kind="rate", source="pesme2023saddle",
    claim="The flow on u² − v² jumps at times t_k = τ_k ln(1/α)/2 + O(1), given by a piecewise linear dual path.",
    settings=two_tiny_starts, measure=jump_times, run={"stop": Stop(loss=1e-20), "save": EVERY_STEP}, bound=1e-5,
    hypotheses=FLOW, conditions=(ALONE, NEGATIVE_FIRST), figure=figures.along,
    control=Control("v moves at half the rate: negative entries appear later", 1e-3, {"optimizer": HALF_RATE}),
)  # fmt: skip
