"""AdaGrad on separable data: a margin in the metric that its own sums of squares end with."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import MahalanobisNorm
from ...optimizers import AdaGrad
from ..margins import MaxMargin
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, CLASSIFIED, EXPONENTIAL_TAIL, SEPARABLE, MarginCurve
from .common import LINEAR, NO_DECAY, is_a

__all__: list[str] = []


def metric(run: Any) -> np.ndarray:
    """√b + ε (d,), b the sum of squared gradients: what AdaGrad divides by."""
    optimizer = run.setting.optimizer
    size: np.ndarray = np.sqrt(run.state["optimizer"]) + optimizer.eps
    size[size == 0] = 1.0  # Σ_i α_i z_i is zero there, and so is w, in every metric
    return size


def adagrad_margin(setting: Any, run: Any) -> MaxMargin:
    """min wᵀ diag(√b + ε) w subject to z_i·w ≥ 1."""
    return MaxMargin(setting.problem.Z, MahalanobisNorm(metric(run)))


def adagrad_curve(run: Any) -> MarginCurve:
    """v̂ log t + ṽ of v = M^{½}w, M = diag(√b + ε): gradient descent on the samples M^{−½}z_i."""
    setting, root = run.setting, np.sqrt(metric(run))
    return MarginCurve(setting.problem.Z / root, root * setting.w0, 1 / setting.problem.n)


adagrad_rule = Rule(
    name="margin of AdaGrad in the metric of its gradients",
    source="qian2019adagrad",
    hypotheses=(
        CLASSIFICATION,
        EXPONENTIAL_TAIL,
        LINEAR,
        Hypothesis("the optimizer is AdaGrad", is_a(AdaGrad, "optimizer")),
        Hypothesis("the step is constant", lambda s: not callable(s.optimizer.step)),
        NO_DECAY,
        SEPARABLE,
        CLASSIFIED,
    ),
    apply=adagrad_margin,
    needs_run=True,
)
