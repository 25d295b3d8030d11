"""The flattest layers, in the sum of their curvatures: what label noise selects."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...optimizers import LabelNoiseSGD
from ...problems import MatrixRegression
from ..flatness import LeastTrace
from ..rule import Hypothesis, Rule
from .common import NO_DECAY
from .networks import DEEP

__all__: list[str] = []


def flattest_layers(setting: Any, run: Any = None) -> LeastTrace:
    """The fitted W, with the least trace of the Hessian over its factors."""
    return LeastTrace(setting.problem, setting.model.depth)


def _determined(setting: Any) -> bool:
    problem = setting.problem
    return bool(
        isinstance(problem, MatrixRegression)
        and problem.attains_zero
        and np.linalg.matrix_rank(problem.X) == problem.X.shape[1]
    )


def _long(run: Any) -> bool:
    """Steps × the rate at which unequal layers approach the least trace, (ησ)²(d_0 + d_N)/n."""
    s = run.setting
    p, q = s.problem.w_shape
    return bool(run.steps * (s.optimizer.step * s.optimizer.sigma) ** 2 * (p + q) / s.problem.n >= 10)


label_noise_rule = Rule(
    name="flattest layers: the least trace of the Hessian (label noise)",
    source="gatmiry2023trace",
    hypotheses=(
        Hypothesis("the problem is a MatrixRegression that one W fits, and only one", _determined),
        DEEP,
        Hypothesis(
            "each step is one of LabelNoiseSGD on all samples, of constant size",
            lambda s: (
                isinstance(s.optimizer, LabelNoiseSGD)
                and s.optimizer.batch is None
                and not callable(s.optimizer.step)
            ),
        ),
        NO_DECAY,
        Hypothesis("the run lasts for ten times n/((ησ)²(d_0 + d_N)) steps", _long, of="run"),
    ),
    apply=flattest_layers,
)
