"""The flattest minima of deep linear networks."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Setting, Stop
from ...models import DeepLinear
from ...optimizers import GradientDescent, GradientFlow, HeavyBall, Optimizer
from ...problems import MatrixRegression, Regression
from ...selection import Hypothesis
from ...selection.flatness import flattest_minimum, loss_hessian
from ...selection.rules.common import CONVERGED, NO_DECAY
from ...selection.rules.networks import BALANCED, DEEP, UNIT_FLOW, WHITENED
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import WELL_CONDITIONED, Rng, matrix_with_spectrum


def sharpness(run: Run) -> float:
    """λ_max(∇²_θ L) where the run ended."""
    return float(np.linalg.eigvalsh(loss_hessian(run.setting, run.theta))[-1])


# -- attained ----------------------------------------------------------------------------------------------


def _three_depths(rng: Rng) -> dict[str, Setting]:
    settings = {}
    for N in (2, 3, 4):
        s = np.sort(rng.uniform(0.7, 2.5, 3))[::-1]
        T = matrix_with_spectrum(rng, 3, 3, s)
        model = DeepLinear((3,) * (N + 1))
        start = model.factorize(0.5 * T + 0.1 * rng.standard_normal((3, 3)), rng=rng)
        settings[f"{N} layers"] = Setting(MatrixRegression.whitened(T), model, GradientFlow(), start)
    return settings


def off_the_flattest(runs: dict[str, Run]) -> Evidence:
    """λ_max(∇²L)/(N s₁^{2−2/N}) − 1 at each depth."""
    seen = np.array([sharpness(run) for run in runs.values()])
    theory = np.array(
        [flattest_minimum(r.setting.problem, r.setting.model.depth).sharpness for r in runs.values()]
    )
    detail = {"seen": seen, "theory": theory, "axes": ("depth − 1", "λ_max(∇²L)", "")}
    return Evidence(seen / theory - 1, np.zeros(len(seen)), detail)


def _unbalanced(setting: Setting) -> tuple[np.ndarray, ...]:
    first, *middle, last = setting.theta0
    return (2 * first, *middle, last / 2)


flattest_minima = Theorem(
    id="flattest-minima", family="matrix", kind="exact", source="mulayoff2020flat",
    claim="From a balanced start N layers end at a flattest minimum: the largest curvature is N s₁^{2−2/N}.",
    settings=_three_depths, measure=off_the_flattest, run={"stop": Stop(loss=1e-22)}, bound=1e-7,
    hypotheses=(WHITENED, DEEP, UNIT_FLOW, NO_DECAY, BALANCED, CONVERGED),
    control=Control("an unbalanced start: the first layer doubled, the last halved", 1e-2, {"init": _unbalanced}),
    figure=figures.points,
)  # fmt: skip


# -- never passed ------------------------------------------------------------------------------------------


def _any_layers(rng: Rng) -> dict[str, Setting]:
    """Random layers, and targets whose fitted values are of size one."""
    settings = {}
    for label, widths, make in (
        ("flow, 2 layers", (4, 3, 1), lambda L: GradientFlow()),
        ("steps, 3 layers", (4, 4, 3, 1), lambda L: GradientDescent(0.1 / L)),
        ("heavy ball, 2 layers", (4, 5, 1), lambda L: HeavyBall(0.05 / L, 0.8)),
    ):
        X, y = rng.standard_normal((9, 4)), rng.standard_normal(9)
        fit = X @ np.linalg.lstsq(X, y, rcond=None)[0]
        problem = Regression(X, y / np.sqrt(np.mean(fit**2)))
        theta = tuple(rng.standard_normal((m, n)) / np.sqrt(n) for n, m in zip(widths, widths[1:]))
        settings[label] = Setting(problem, DeepLinear(widths), make(problem.smoothness), theta)
    return settings


def passed(runs: dict[str, Run]) -> Evidence:
    """The flattest minimum over λ_max(∇²L) at the end, the largest of the runs."""
    least = np.array(
        [flattest_minimum(r.setting.problem, r.setting.model.depth).at_least for r in runs.values()]
    )
    seen = np.array([sharpness(run) for run in runs.values()])
    detail = {"seen": seen, "theory": least, "axes": ("run", "λ_max(∇²L)", "")}
    with np.errstate(divide="ignore"):
        return Evidence(least / seen, 0.0, detail)


def below(claim: Sample, control: Sample, ax: Any) -> Any:
    """The curvature where each run ended, above the least of all minima."""
    artists = figures.points(claim, control, ax)
    plotting.relabel(ax, theory="least of all minima")
    return artists


def _decayed(setting: Setting) -> Optimizer:
    decay = 0.7 * float(np.linalg.norm(setting.problem.gradient(np.zeros(4))))
    return dataclasses.replace(setting.optimizer, weight_decay=decay)


ONE_OUTPUT = Hypothesis(
    "the problem is a Regression with XᵀX positive definite",
    lambda s: (
        isinstance(s.problem, Regression) and np.linalg.matrix_rank(s.problem.X) == s.problem.X.shape[1]
    ),
)

no_flatter_minimum = Theorem(
    id="no-flatter-minimum", family="matrix", kind="bound", source="marion2024flat",
    claim="Whatever finds it, no minimum of a deep linear network with one output is flatter than an explicit value.",
    settings=_any_layers, measure=passed, run={"stop": Stop(gradient=1e-9)}, bound=1.0,
    hypotheses=(ONE_OUTPUT, DEEP, NO_DECAY, CONVERGED), conditions=(WELL_CONDITIONED,),
    control=Control("weight decay, which ends where the loss is not least", 1.05, {"optimizer": _decayed}),
    figure=below,
)  # fmt: skip
