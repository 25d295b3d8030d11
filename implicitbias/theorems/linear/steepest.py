"""Steepest descent where it does select the least norm."""

from __future__ import annotations

import numpy as np

from ...dynamics import Setting, Stop
from ...models import Linear
from ...optimizers import SteepestDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.steepest import one_row_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import Rng

EXPONENTS = (1.0, 4 / 3, 3.0, np.inf)


def _one_row(rng: Rng) -> dict[str, Setting]:
    """In each norm a step of 0.7/‖x‖_*², which contracts the residual to 0.3 of itself."""
    x, y, settings = rng.standard_normal((1, 8)), rng.uniform(0.5, 2.0, 1), {}
    for p in EXPONENTS:
        rate = SteepestDescent(p, 1.0).norm.dual(x[0]) ** 2
        settings[f"p = {p:.3g}"] = Setting(Regression(x, y), Linear(), SteepestDescent(p, 0.7 / rate))
    return settings


def _more_rows(setting: Setting) -> Regression:
    """Three more equations, of the same size and other directions."""
    X, y = setting.problem.X, setting.problem.y
    rows = [np.roll(X, shift, axis=1) for shift in (0, 1, 3, 6)]
    return Regression(np.vstack(rows), np.outer((1.0, -0.5, 0.8, 1.5), y)[:, 0])


APART_FROM_ZERO = Hypothesis(
    "the entries of x differ: the largest by 5 % from the next, and each is at least 1 % of it",
    lambda s: (lambda a: a[-1] >= 1.05 * a[-2] and a[0] >= 0.01 * a[-1])(np.sort(np.abs(s.problem.X[0]))),
)

one_row_steepest_descent = Theorem(
    id="one-row-steepest-descent", family="linear", kind="exact", source="gunasekar2018geometry",
    claim="With one equation, from zero, steepest descent in any norm selects the interpolant of least norm.",
    settings=_one_row, rule=one_row_rule, run={"stop": Stop(loss=1e-28)}, bound=1e-11,
    control=Control("three more equations turn the gradient", 1e-3, {"problem": _more_rows}),
    conditions=(APART_FROM_ZERO,), figure=figures.coordinates,
)  # fmt: skip
