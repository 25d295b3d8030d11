"""Linear models on a regression."""

from __future__ import annotations

from typing import Any

from ...optimizers import GradientDescent, GradientFlow, HeavyBall, Nesterov
from ..rule import Hypothesis, Rule
from ..spectral import SpectralCurve
from .common import CONSISTENT, CONVERGED, LINEAR, SQUARE_LOSS, mirror_projection

__all__: list[str] = []

mirror_rule = Rule(
    name="Bregman projection of the start",
    source="gunasekar2018geometry",
    hypotheses=(
        SQUARE_LOSS,
        LINEAR,
        Hypothesis(
            "every update moves the optimizer's dual point ∇ψ(w) inside range(Xᵀ)",
            lambda s: s.optimizer.row_potential is not None,
        ),
        CONSISTENT,
        CONVERGED,
    ),
    apply=mirror_projection,
)


def spectral_curve(setting: Any, run: Any = None) -> SpectralCurve:
    """The whole path in the eigenbasis of XᵀX/n."""
    return SpectralCurve(setting.problem.X, setting.problem.y, setting.optimizer, setting.w0)


def _is_constant_and_linear(setting: Any) -> bool:
    optimizer = setting.optimizer
    if not isinstance(optimizer.weight_decay, float):
        return False
    if isinstance(optimizer, GradientFlow):
        return len(set(optimizer.block_rates(setting.layout))) == 1
    if not isinstance(optimizer, GradientDescent | HeavyBall | Nesterov):
        return False
    return isinstance(optimizer.step, float) and getattr(optimizer, "momentum", 0.0) is not None


# after mirror_rule: where both apply, the limit is what is selected and the curve ends there
spectral_rule = Rule(
    name="exact path of a linear method",
    source="polyak1964methods",
    hypotheses=(
        SQUARE_LOSS,
        LINEAR,
        Hypothesis(
            "the optimizer is the gradient flow at one rate, or gradient descent, heavy ball or Nesterov's method with "
            "constant step, momentum and weight decay",
            _is_constant_and_linear,
        ),
    ),
    apply=spectral_curve,
    exact_curve=True,
)
