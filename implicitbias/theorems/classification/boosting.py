"""Boosting with shrinkage: constant steps of ν times the edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...geometry import LpNorm
from ...models import Linear
from ...optimizers import GradientDescent, SteepestDescent
from ...problems import Classification
from ...selection import Hypothesis, MaxMargin, max_margin
from ...selection.rules.classification import CLASSIFICATION, SEPARABLE
from ...selection.rules.common import FROM_ZERO, LINEAR, NO_DECAY
from ..base import Control, Evidence, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification
from .steepest import gap_figure, margin_gap

__all__: list[str] = []

STEPS, NU = 30_000, 0.05


def _draw(rng: Rng) -> Setting:
    """max_ij |z_ij| = 1."""
    problem = gaussian_classification(rng, 8, 16)
    problem = Classification(problem.X / np.max(np.abs(problem.X)), problem.y)
    return Setting(problem, Linear(), SteepestDescent(1, NU, per_loss=True), np.zeros(16))


def ceiling(problem: Classification, k: Any) -> Any:
    """½νγ + ln n/(νγk)."""
    gamma = max_margin(problem, 1).margin
    return 0.5 * NU * gamma + np.log(problem.n) / (NU * gamma * k)


def shrunken_gap(run: Run) -> Evidence:
    """γ − max(0, min_i z_i·w_k)/‖w_k‖₁ over ½νγ + ln n/(νγk), the largest along the run."""
    problem, k = run.setting.problem, run.history["steps"]
    gap, bound = margin_gap(problem, 1, run.history["w"]), ceiling(problem, k)
    return Evidence(float(np.max(gap / bound)), detail={"k": k, "gap": gap, "bound": bound})


def _is_boosting(setting: Setting) -> bool:
    optimizer = setting.optimizer
    return bool(
        optimizer.per_loss
        and not optimizer.normalized
        and optimizer.norm == LpNorm(1)
        and optimizer.step == NU
    )


BOOSTING = Hypothesis("a step moves the coordinate of the largest edge G by νG", _is_boosting)
EDGES = Hypothesis("no entry of Z exceeds one", lambda s: np.max(np.abs(s.problem.Z)) <= 1)
NORMS_DIFFER = Hypothesis(
    "the gap of the ℓ2 solution is twice the bound of the last step",
    lambda s: margin_gap(s.problem, 1, MaxMargin(s.problem.Z, 2).solution) >= 2 * ceiling(s.problem, STEPS),
)

shrunken_boosting = Theorem(
    id="shrunken-boosting-margin", family="classification", kind="bound", source="telgarsky2013margins",
    claim="Boosting with shrinkage ν reaches the ℓ1 margin up to ½νγ + ln n/(νγk) after k steps.",
    settings=_draw, measure=shrunken_gap, bound=1.0, figure=gap_figure,
    run={"stop": Stop(steps=STEPS), "save": Save(log=12, fields=("w",))},
    hypotheses=(CLASSIFICATION, EXPONENTIAL, LINEAR, NO_DECAY, SEPARABLE, BOOSTING, EDGES, FROM_ZERO),
    conditions=(NORMS_DIFFER,),
    control=Control("gradient descent with steps ν/L: ℓ2", 1.2, {"optimizer": GradientDescent(NU, per_loss=True)}),
)  # fmt: skip
