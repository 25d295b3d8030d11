"""One hidden neuron: which interpolant its imbalance and its layers' rates select, and how fast it gets there."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...optimizers import GradientDescent, GradientFlow, PreconditionedFlow
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import GRADIENT_FLOW, NO_DECAY, ONE_RATE, SQUARE_LOSS
from ...selection.rules.hidden_neuron import (
    ONE_NEURON,
    balanced_depth_rule,
    hidden_neuron_rule,
    neuron_form,
)
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression, inputs_with_spectrum

ROWS, WIDTH = 3, 6
NEURON = DeepLinear((WIDTH, 1, 1))


def _start(rng: Rng, problem: Regression, delta: float) -> tuple[np.ndarray, np.ndarray]:
    """(v, a) with a² − ‖v‖² = δ, the smaller of both 0.3, and the loss falling from w = 0 towards w = av."""
    v, small, large = rng.standard_normal(WIDTH), 0.3, np.sqrt(0.09 + abs(delta))
    v *= np.sign(problem.y @ problem.X @ v) / np.linalg.norm(v)
    length, a = (small, large) if delta >= 0 else (large, small)
    return length * v[None], np.array([[a]])


def _three_imbalances(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, ROWS, WIDTH)
    return {
        f"δ = {delta:g}": Setting(problem, NEURON, GradientFlow(), _start(rng, problem, delta))
        for delta in (2.0, 0.0, -0.5)
    }


def selected(runs: dict[str, Run]) -> Evidence:
    """Of each run, the part of ∇ψ_δ(w) − z₀ outside range(Xᵀ), and the distance to the predicted w."""
    seen = []
    for run in runs.values():
        program = hidden_neuron_rule.apply(run.setting, run)
        distance = np.linalg.norm(run.w - program.solution) / np.linalg.norm(program.solution)
        seen += [program.certify(run.w).stationarity, float(distance)]
    return Evidence(seen)


def _largest_curvature(setting: Setting) -> float:
    """λ_max(XᵀX/n)·max(a² + ‖v‖²) over start and end, the sharpness there or more."""
    program = hidden_neuron_rule.apply(setting, None)
    sizes = [np.sqrt(program.potential.delta**2 + 4 * w @ w) for w in (setting.w0, program.solution)]
    return float(setting.problem.smoothness * max(sizes))


def _finite_steps(setting: Setting) -> GradientDescent:
    return GradientDescent(0.5 / _largest_curvature(setting))


TO_THE_END = {"stop": Stop(loss=1e-26), "rtol": 1e-12}

hidden_neuron_potential = Theorem(
    id="hidden-neuron-potential", family="deep", kind="exact", source="azulay2021shape",
    claim="One hidden neuron of imbalance δ = a² − ‖v‖² selects a Bregman projection whose potential δ bends.",
    settings=_three_imbalances, rule=hidden_neuron_rule, measure=selected, run=TO_THE_END, bound=1e-9,
    control=Control("gradient descent, whose steps shrink δ", 1e-5, {"optimizer": _finite_steps}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


# -- layer rates -------------------------------------------------------------------------------------

RATES = ((0.4, 1.7), (1.7, 0.4))


def _two_rates(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, ROWS, WIDTH)
    start = _start(rng, problem, 0.0)
    return {f"η = {rates}": Setting(problem, NEURON, GradientFlow(rates), start) for rates in RATES}


def _rates_within_a_layer(setting: Setting) -> PreconditionedFlow:
    return PreconditionedFlow(np.append(np.linspace(0.4, 1.7, WIDTH), 1.0))


hidden_neuron_rates = Theorem(
    id="hidden-neuron-rates", family="deep", kind="exact", source="kunin2024rich",
    claim="Rates η_v, η_a of the two layers act as an imbalance: δ becomes a²/ρ − ρ‖v‖² with ρ² = η_a/η_v.",
    settings=_two_rates, rule=hidden_neuron_rule, measure=selected, run=TO_THE_END, bound=1e-9,
    control=Control("rates that differ within the first layer", 1e-5, {"optimizer": _rates_within_a_layer}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


# -- speed -------------------------------------------------------------------------------------------

LEAST, IMBALANCE, HORIZON = 0.8, 3.0, 30.0
"""λ_min(XXᵀ/n), δ, and 2δλ_min·t at the end."""


def _equal_rows(rng: Rng) -> Setting:
    """XXᵀ/n = λI and ‖X⁺y‖ = 1."""
    X, y = inputs_with_spectrum(rng, ROWS, WIDTH, (LEAST,) * ROWS), rng.standard_normal(ROWS)
    problem = Regression(X, y * np.sqrt(ROWS * LEAST) / np.linalg.norm(y))
    return Setting(problem, NEURON, GradientFlow(), _start(rng, problem, IMBALANCE))


def exponents(run: Run) -> Evidence:
    """2|δ|λ_min t over ln(L(0)/L(t)), the largest at t > 0."""
    problem, t, loss = run.setting.problem, run.history["time"], run.history["loss"]
    delta, _ = neuron_form(run.setting)
    gram = problem.X @ problem.X.T / len(problem.y)
    least, fallen = 2 * abs(delta) * np.linalg.eigvalsh(gram)[0] * t, np.log(loss[0] / loss)
    detail = {"x": t, "seen": loss / loss[0], "theory": np.exp(-least), "axes": ("time", "L(t)/L(0)", "y")}
    return Evidence(float(np.max(least[1:] / fallen[1:])), detail=detail)


def _turned(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """The same w = av, with ‖v‖ and a exchanged: δ changes its sign."""
    v, a = setting.theta0
    length = np.linalg.norm(v)
    return v / length * a, np.array([[length]])


OUTPUT_LARGER = Hypothesis("δ = a² − ‖v‖² > 0", lambda s: neuron_form(s)[0] > 0)

hidden_neuron_speed = Theorem(
    id="hidden-neuron-speed", family="deep", kind="bound", source="min2021explicit",
    claim="An imbalance δ > 0 towards the output makes the loss fall at least like exp(−2δ λ_min(XXᵀ/n) t).",
    settings=_equal_rows, measure=exponents, bound=1.0, figure=figures.along,
    run={"stop": Stop(time=HORIZON / (2 * IMBALANCE * LEAST)),
         "save": Save(at=np.linspace(0, 1, 61) * HORIZON / (2 * IMBALANCE * LEAST))},
    hypotheses=(SQUARE_LOSS, ONE_NEURON, GRADIENT_FLOW, ONE_RATE, NO_DECAY, OUTPUT_LARGER),
    control=Control("the same w with the imbalance turned to the input: −δ", 1.5, {"init": _turned}),
)  # fmt: skip


# -- depth -------------------------------------------------------------------------------------------

DEPTHS = {N: DeepLinear((WIDTH, *(2,) * (N - 1), 1)) for N in (3, 4)}


def _two_depths(rng: Rng) -> dict[str, Setting]:
    X, y = rng.standard_normal((ROWS, WIDTH)), rng.standard_normal(ROWS)
    problem = Regression(X, y / np.linalg.norm(np.linalg.pinv(X) @ y))
    w0 = rng.standard_normal(WIDTH)
    w0 *= 0.2 * np.sign(problem.y @ problem.X @ w0) / np.linalg.norm(w0)
    return {
        f"N = {N}": Setting(problem, model, GradientFlow(), model.factorize(w0[None], rng=rng))
        for N, model in DEPTHS.items()
    }


def _unbalanced(setting: Setting) -> tuple[np.ndarray, ...]:
    first, *between, last = setting.theta0
    return (2 * first, *between, last / 2)


balanced_depth_potential = Theorem(
    id="balanced-depth-potential", family="deep", kind="exact", source="azulay2021shape",
    claim="A balanced linear network of N layers and one output selects by the potential ‖w‖^{1 + 1/N}.",
    settings=_two_depths, rule=balanced_depth_rule, run=TO_THE_END, bound=1e-9,
    control=Control("the first layer doubled, the last one halved", 1e-4, {"init": _unbalanced}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip
