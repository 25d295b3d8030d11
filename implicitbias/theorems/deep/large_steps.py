"""Gradient descent at and beyond the edge of stability."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...optimizers import GradientDescent
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.networks import PLAIN_STEP
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng


def _scalar(rng: Rng) -> Setting:
    mu, e = rng.uniform(0.5, 2), rng.uniform(1.03, 1.22)
    theta = tuple(np.sqrt(mu) * rng.uniform(0.3, 1.2, (1, 1)) for _ in range(2))
    return Setting(MatrixRegression.whitened([[mu]]), DeepLinear((1, 1, 1)), GradientDescent(e / mu), theta)


def orbit(run: Run) -> Evidence:
    """The squares of both layers on the last two steps, smaller first, in units of μ."""
    mu = float(run.setting.problem.target[0, 0])
    e = run.setting.optimizer.step * mu
    root = np.sqrt((1 + e) ** 2 - 4)
    squares = np.sort(run.history["theta"] ** 2, axis=0) / mu
    expected = [[(1 + e - root) / (2 * e)] * 2, [(1 + e + root) / (2 * e)] * 2]
    return Evidence(squares.ravel().tolist(), np.ravel(expected).tolist(), {"e": e})


def _e(setting: Setting) -> float:
    return float(setting.optimizer.step * setting.problem.target[0, 0])


def _too_far(setting: Setting) -> GradientDescent:
    return GradientDescent(1.26 / setting.problem.target[0, 0])


TWO_SCALARS = Hypothesis(
    "the model is a product of two scalars, and the input is whitened",
    lambda s: s.model == DeepLinear((1, 1, 1)) and s.problem.is_whitened,
)
IN_THE_BASIN = Hypothesis(
    "both layers start between 0.3√μ and 1.2√μ",
    lambda s: all(0.3 <= W[0, 0] / np.sqrt(s.problem.target[0, 0]) <= 1.2 for W in s.theta0),
)
TWO_CYCLE_STABLE = Hypothesis("1 < ημ < √5 − 1", lambda s: 1 < _e(s) < np.sqrt(5) - 1)

period_two_orbit = Theorem(
    id="period-two-orbit", family="deep", kind="exact", source="chen2023beyond",
    claim="For 1 < ημ < √5 − 1 gradient descent on (xy − μ)²/2 settles on one explicit two-cycle.",
    settings=_scalar, measure=orbit, bound=1e-10, figure=figures.orbit,
    run={"stop": Stop(steps=4000), "save": Save(last=2, fields=("theta",))},
    hypotheses=(TWO_SCALARS, PLAIN_STEP, TWO_CYCLE_STABLE, IN_THE_BASIN),
    control=Control("ημ = 1.26: the two-cycle has lost its stability", 1e-2, {"optimizer": _too_far}),
)  # fmt: skip
