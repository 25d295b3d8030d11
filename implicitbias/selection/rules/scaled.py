"""Scaled gradient descent on two factors of a whitened target."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import DeepLinear
from ...optimizers import ScaledGD
from ..rule import Hypothesis, Rule
from ..step_maps import ScaledPath, full_rank
from .common import NO_DECAY
from .networks import WHITENED

__all__: list[str] = []


def factors(setting: Any) -> tuple[np.ndarray, np.ndarray]:
    """(U, V) with W(0) = UVᵀ."""
    theta = setting.theta0
    return (theta[1], theta[0].T) if isinstance(setting.model, DeepLinear) else (theta[0], theta[-1])


def scaled_path(setting: Any, run: Any = None) -> ScaledPath:
    """The iterates of W; those of UUᵀ see the symmetric part of the target."""
    T, (U, V) = setting.problem.target, factors(setting)
    tied = U is V
    return ScaledPath((T + T.T) / 2 if tied else T, setting.w0, setting.optimizer.step, U.shape[1])


scaled_rule = Rule(
    name="exact path of scaled gradient descent",
    source="tong2021scaledgd",
    hypotheses=(
        WHITENED,
        Hypothesis(
            "each step is one of ScaledGD, of constant size",
            lambda s: isinstance(s.optimizer, ScaledGD) and not callable(s.optimizer.step),
        ),
        NO_DECAY,
        Hypothesis("both factors have full column rank", lambda s: full_rank(factors(s))),
    ),
    apply=scaled_path,
    exact_curve=True,
)
