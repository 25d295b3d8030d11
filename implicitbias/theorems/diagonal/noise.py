"""Noise of stochastic gradients on two-layer diagonal networks."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Balanced, Diagonal, Model
from ...optimizers import SGD, StochasticGradientFlow
from ...problems import Problem
from ...records import record
from ...selection import Hypothesis
from ...selection.programs import BregmanProjection
from ...selection.rules.common import NO_DECAY, SQUARE_LOSS
from ...selection.rules.diagonal_steps import NOISY_FLOW, stochastic_flow_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression
from .curvature import WELL_CURVED, sharpness


def _stochastic_flow(rng: Rng) -> Setting:
    """γ and dt so that one sample's step at the start would be of size |x| ≤ 0.4."""
    problem = gaussian_regression(rng, 4, 12)
    step = 0.2 / float(np.max(np.abs(problem.y[:, None] * problem.X)))
    return Setting(problem, Diagonal(2), StochasticGradientFlow(step), Balanced(0.1))


def integral_of_loss(run: Run) -> float:
    """∫₀ᵀ L dt by its value at the left end of each step, as Itô has it."""
    L, t = run.history["loss"], run.history["time"]
    return float(np.sum(L[:-1] * np.diff(t)))


def off_by_the_loss_integral(run: Run) -> Evidence:
    """The relative distance of w_T to the projection with c = c₀ exp(−2 r² (γ/n) diag(XᵀX) ∫L)."""
    s = run.setting
    X, y, rate, gamma = s.problem.X, s.problem.y, s.model.product_rate, float(s.optimizer.step)
    shrink = -2 * rate**2 * gamma / len(y) * np.sum(X**2, axis=0) * integral_of_loss(run)
    potential, z0 = s.model.mirror_form(s.optimizer, s.theta0, {"log_shrink": shrink})
    w = BregmanProjection(potential, z0, X, y).solution
    off = float(np.linalg.norm(run.w - w) / np.linalg.norm(w))
    return Evidence(off, 0.0, {"seen": run.w, "theory": w, "ylabel": "w"})


CALM = Hypothesis(
    "γ λ ≤ 0.5, λ the sharpness at the gradient flow's limit",
    lambda s: s.optimizer.step * sharpness(s) <= 0.5,
)

stochastic_gradient_flow = Theorem(
    id="stochastic-gradient-flow", family="diagonal", kind="exact", source="pesme2021implicit",
    claim="The flow with SGD's noise selects on u² − v² by the scale that the integral of its own loss leaves.",
    settings=_stochastic_flow, measure=off_by_the_loss_integral, bound=1e-10,
    run={"stop": Stop(loss=1e-28), "save": Save(every=1)}, hypotheses=stochastic_flow_rule.hypotheses[:-1],
    control=Control("SGD itself: steps of one sample", 1e-4, {"optimizer": lambda s: SGD(s.optimizer.step)}),
    conditions=(WELL_CONDITIONED, WELL_CURVED, CALM), figure=figures.entries,
)  # fmt: skip


# -- the same flow, stepped in θ itself ----------------------------------------------------------------


@record
class Squares(Model):
    """w = u² − v², which does not say that it has product coordinates: a noisy flow steps u and v themselves."""

    def shapes(self, problem: Problem) -> tuple[int, ...]:
        return (2, *problem.w_shape)

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        return theta[..., 0, :] ** 2 - theta[..., 1, :] ** 2

    def pullback(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        return 2 * np.array([[1.0], [-1.0]]) * theta * g[..., None, :]


STEPS_OF_GAMMA = 64


def _small_steps(rng: Rng) -> Setting:
    """dt = γ/64, and γ so that one sample's step at the start would be of size |x| ≤ 0.4."""
    problem = gaussian_regression(rng, 4, 12)
    step = 0.2 / float(np.max(np.abs(problem.y[:, None] * problem.X)))
    return Setting(
        problem, Squares(), StochasticGradientFlow(step, step / STEPS_OF_GAMMA), np.full((2, 12), 0.1)
    )


def _weaker_noise(setting: Setting) -> SGD:
    return SGD(setting.optimizer.dt)


def shrink_in_standard_errors(run: Run) -> Evidence:
    """ln|uv|_T − ln|uv|_0 less −Σ_k q_k, q_k = 8 (γ/n) diag(XᵀX) L_k dt, in units of (2Σ q_k²)^{1/2}."""
    X, L, t = run.setting.problem.X, run.history["loss"][:-1], run.history["time"]
    gamma = STEPS_OF_GAMMA * (t[1] - t[0])
    q = 8 * gamma / len(X) * np.outer(L * np.diff(t), np.sum(X**2, axis=0))
    theta0 = run.setting.theta0
    seen = np.sum(np.log(np.abs(run.theta / theta0)), axis=0)
    z = (seen + np.sum(q, axis=0)) / np.sqrt(2 * np.sum(q**2, axis=0))
    detail = {"seen": seen, "theory": -np.sum(q, axis=0), "ylabel": "ln of the scale, its change"}
    return Evidence(z, np.zeros_like(z), detail)


stochastic_flow_euler = Theorem(
    id="stochastic-gradient-flow-euler", family="diagonal", kind="limit", source="pesme2021implicit",
    claim="Stepped in u and v themselves, the flow with SGD's noise shrinks |uv| as the integral of its loss says.",
    settings=_small_steps, measure=shrink_in_standard_errors, bound=6.5,
    run={"stop": Stop(steps=2000), "save": Save(every=1)},
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis("w = u² − v², from a start without zeros", lambda s: s.model == Squares() and np.all(s.start != 0)),
        NOISY_FLOW,
        Hypothesis("its time step is γ/64", lambda s: np.isclose(s.optimizer.step, STEPS_OF_GAMMA * s.optimizer.dt)),
        NO_DECAY,
    ),
    control=Control("SGD at steps of dt: its noise is 64 times weaker", 9.0, {"optimizer": _weaker_noise}),
    conditions=(WELL_CONDITIONED,), figure=figures.entries,
)  # fmt: skip
