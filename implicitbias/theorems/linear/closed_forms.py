"""The path of linear methods on a regression, mode by mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import SGD, GradientDescent, GradientFlow, HeavyBall, Nesterov
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import LINEAR, NO_DECAY, SQUARE_LOSS
from ...selection.rules.linear import spectral_rule
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import inputs_with_spectrum

Rng = np.random.Generator

# -- closed forms --------------------------------------------------------------------------------

MOMENTS = (*range(41), 100, 200, 400)


def _four_methods(rng: Rng) -> dict[str, Setting]:
    """Rank five of eight rows, and targets that no w meets."""
    X = inputs_with_spectrum(rng, 8, 12, np.exp(rng.uniform(np.log(0.03), 0, 5)))
    problem, w0 = Regression(X, rng.standard_normal(8)), rng.standard_normal(12)
    step = 1 / problem.smoothness
    optimizers = {
        "gradient descent": GradientDescent(1.5 * step),
        "heavy ball": HeavyBall(step, 0.8),
        "Nesterov": Nesterov(step, 0.8),
        "ridge": GradientDescent(step / 2, weight_decay=0.1),
    }
    return {label: Setting(problem, Linear(), o, w0) for label, o in optimizers.items()}


def one_sample_a_step(setting: Setting) -> SGD:
    """A control's change."""
    return SGD(0.5 / float(np.max(np.sum(setting.problem.X**2, axis=1))))


def path(claim: Sample, control: Sample, ax: Any) -> Any:
    """Coordinates of heavy ball along the run, over the closed form."""
    run, theory = claim.runs["heavy ball"], claim.prediction("heavy ball")
    k, w = run.history["steps"][:41], run.history["w"][:41, :5]
    return plotting.theory_over_simulation(
        k, w, theory.at(run.history["time"][:41])[:, :5], ax, xlabel="step k", ylabel="w"
    )


linear_closed_forms = Theorem(
    id="linear-closed-forms", family="linear", kind="exact", source="polyak1964methods",
    claim="On a regression, descent, heavy ball and Nesterov, ridge or not, are powers of 2×2 matrices, mode by mode.",
    settings=_four_methods, rule=spectral_rule, bound=1e-12, figure=path,
    run={"stop": Stop(steps=400), "save": Save(at=MOMENTS, fields=("w",))},
    control=Control("one sample a step: only its mean is descent", 1e-3, {"optimizer": one_sample_a_step}),
)  # fmt: skip


# -- gradient descent is the flow at modal times --------------------------------------------------

SPECTRUM = np.array([0.1, 0.3, 0.6, 1.0])
STEP, STEPS = 0.5, 4
MODAL_TIMES = -STEPS * np.log1p(-STEP * SPECTRUM) / SPECTRUM


def _descent_and_flow(rng: Rng) -> dict[str, Setting]:
    problem = Regression(inputs_with_spectrum(rng, 6, 9, SPECTRUM), rng.standard_normal(6))
    w0 = rng.standard_normal(9)
    return {
        "descent": Setting(problem, Linear(), GradientDescent(STEP), w0),
        "flow": Setting(problem, Linear(), GradientFlow(), w0),
    }


def with_momentum(setting: Setting) -> Any:
    """A control's change: β = ½ for the steps, nothing for the flow."""
    o = setting.optimizer
    return o if isinstance(o, GradientFlow) else HeavyBall(o.step, 0.5)


def modal_differences(runs: dict[str, Run]) -> Evidence:
    """v_i·(w_k − w(t_i))/‖P(w_0 − w(t_max))‖ for each eigenvector v_i of XᵀX/n."""
    descent, flow = runs["descent"], runs["flow"]
    V = np.linalg.svd(descent.setting.problem.X)[2][3::-1]  # ascending eigenvalues, as SPECTRUM
    moved = float(np.linalg.norm(V @ (descent.setting.w0 - flow.w)))
    steps, flows = V @ descent.w, np.sum(V * flow.history["w"], axis=1)
    detail = {"seen": steps, "theory": flows, "ylabel": "v_i·w"}
    return Evidence((steps - flows) / moved, np.zeros(len(V)), detail)


PLAIN = Hypothesis(
    "the optimizer is gradient descent with a constant step, or the gradient flow at rate one",
    lambda s: (
        (isinstance(s.optimizer, GradientDescent) and isinstance(s.optimizer.step, float))
        or (isinstance(s.optimizer, GradientFlow) and s.optimizer.rates in (None, (1.0,)))
    ),
)
MONOTONE = Hypothesis(
    "ηs < 1 for every eigenvalue s of XᵀX/n",
    lambda s: getattr(s.optimizer, "step", 0.0) * s.problem.smoothness < 1,
)

gradient_descent_is_a_flow_at_modal_times = Theorem(
    id="gradient-descent-is-a-flow-at-modal-times", family="linear", kind="exact", source="ali2019continuous",
    claim="After k steps each mode of gradient descent is where the flow has it at its own time −k ln(1 − ηs)/s.",
    settings=_descent_and_flow, measure=modal_differences, bound=1e-10, figure=figures.entries,
    run={"descent": {"stop": Stop(steps=STEPS)},
         "flow": {"stop": Stop(time=6.0), "save": Save(at=MODAL_TIMES, fields=("w",)), "rtol": 1e-12}},
    hypotheses=(SQUARE_LOSS, LINEAR, PLAIN, NO_DECAY, MONOTONE),
    control=Control("momentum ½", 1e-2, {"optimizer": with_momentum}),
)  # fmt: skip


# -- gradient descent tends to its flow ------------------------------------------------------------

TIME, COARSE = 4.0, 2.0**-7


def _two_steps_and_the_flow(rng: Rng) -> dict[str, Setting]:
    X = inputs_with_spectrum(rng, 6, 9, np.exp(rng.uniform(np.log(0.1), 0, 6)))
    problem, w0 = Regression(X, rng.standard_normal(6)), rng.standard_normal(9)
    optimizers = {
        "coarse": GradientDescent(COARSE),
        "fine": GradientDescent(COARSE / 2),
        "flow": GradientFlow(),
    }
    return {label: Setting(problem, Linear(), o, w0) for label, o in optimizers.items()}


def order_and_coefficient(runs: dict[str, Run]) -> Evidence:
    """log₂ of the ratio of the two distances to the flow, and the relative error of their first coefficient."""
    problem, w = runs["flow"].setting.problem, runs["flow"].w
    coarse, fine = (runs[label].w - w for label in ("coarse", "fine"))
    slope = float(np.log2(np.linalg.norm(coarse) / np.linalg.norm(fine)))
    H = problem.X.T @ problem.X / problem.n
    theory = -0.5 * TIME * H @ problem.gradient(w)
    seen = (4 * fine - coarse) / COARSE  # the terms of second order cancel
    error = float(np.linalg.norm(seen - theory) / np.linalg.norm(theory))
    detail = {"seen": fine / (COARSE / 2), "theory": theory, "ylabel": "(w_k − w(t))/η"}
    return Evidence([slope, error], [1.0, 0.0], detail)


gradient_descent_tends_to_its_flow = Theorem(
    id="gradient-descent-tends-to-its-flow", family="linear", kind="rate", source="ali2019continuous",
    claim="Gradient descent leaves its flow by −(ηt/2)H∇L(w(t)) to first order in the step.",
    settings=_two_steps_and_the_flow, measure=order_and_coefficient, bound=5e-3, figure=figures.entries_alone,
    run={"stop": Stop(time=TIME), "rtol": 1e-12}, hypotheses=(SQUARE_LOSS, LINEAR, PLAIN, NO_DECAY),
    control=Control("momentum ½, which follows a flow twice as fast", 0.5, {"optimizer": with_momentum}),
)  # fmt: skip
