"""Linear models on a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...optimizers import Averaged, GradientDescent, GradientFlow, HeavyBall, Nesterov
from ..rule import Hypothesis, Rule
from ..spectral import SpectralCurve
from .common import CONSISTENT, CONVERGED, LINEAR, SQUARE_LOSS, mirror_projection

__all__: list[str] = []


def averaged_ridge(setting: Any, run: Any = None) -> np.ndarray:
    """argmin L(w) + (λ/2)‖w − w₀‖², λ = p(1 − β(1 − p))/((1 − p)η): what averages with weights ∝ (1 − p)^k tend to."""
    X, y, w0 = setting.problem.X, setting.problem.y, setting.w0
    p, inner = setting.optimizer.decay, setting.optimizer.optimizer
    lam = p * (1 - getattr(inner, "momentum", 0.0) * (1 - p)) / ((1 - p) * inner.step)
    # in n dimensions: (XᵀX + nλI)⁻¹Xᵀ = Xᵀ(XXᵀ + nλI)⁻¹
    w: np.ndarray = w0 + X.T @ np.linalg.solve(X @ X.T + len(y) * lam * np.eye(len(y)), y - X @ w0)
    return w


def _average_converges(setting: Any) -> bool:
    """(1 − p)|ζ| < 1 for both roots ζ of every mode; as η grows, the first to leave that disc is ζ = −1/(1 − p)."""
    keep, inner = 1 - setting.optimizer.decay, setting.optimizer.optimizer
    return inner.step * setting.problem.smoothness * keep < (1 + keep) * (
        1 + getattr(inner, "momentum", 0.0) * keep
    )


# before mirror_rule: the average never leaves w₀ + range(Xᵀ), but it does not tend to an interpolant
averaged_rule = Rule(
    name="ridge of a geometric average",
    source="neu2018averaging",
    hypotheses=(
        SQUARE_LOSS,
        LINEAR,
        Hypothesis(
            "the optimizer is the geometric average of gradient descent or heavy ball with a constant step, without "
            "weight decay",
            lambda s: (
                isinstance(s.optimizer, Averaged)
                and s.optimizer.decay is not None
                and isinstance(s.optimizer.optimizer, GradientDescent | HeavyBall)
                and isinstance(s.optimizer.step, float)
                and s.optimizer.weight_decay == 0
            ),
        ),
        Hypothesis("the step is small enough for the average to converge", _average_converges),
        Hypothesis(
            "the weights still to come are below rounding",
            lambda run: (1 - run.setting.optimizer.decay) ** run.steps <= 1e-14,
            of="run",
        ),
    ),
    apply=averaged_ridge,
)

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
