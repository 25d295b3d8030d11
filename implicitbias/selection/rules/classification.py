"""Directions of linear classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import LpNorm
from ...optimizers import Decay, GradientDescent, GradientFlow, SteepestDescent
from ...problems import Classification
from ..margins import MaxMargin, NotSeparable, separating_direction
from ..rule import Hypothesis, Rule
from .common import LINEAR, NO_DECAY, is_a
from .steepest import norm_of_steps

__all__ = ["MarginCurve"]


class MarginCurve:
    """w(t) ≈ ŵ log t + w̃ on the span of the support vectors, for the mean exponential or logistic loss.

    ŵ = Σ_S α_i z_i is the ℓ2 maximum-margin vector and w̃ ∈ span S solves e^{−z_i·w̃}/n = α_i on S, in the time
    t of the flow, which for steps is t = Σ η. ``on`` (d, |S|) is an orthonormal basis of span S; off it the
    limit depends on the path unless all samples are support vectors, and the curve gives the start's
    component there. ``kappa`` is the exponent of the approach t^{−κ}.
    """

    def __init__(self, Z: np.ndarray, w0: np.ndarray) -> None:
        self.program = MaxMargin(Z, 2)
        self.what = self.program.solution
        alpha = self.program.multipliers
        self.support = np.flatnonzero(alpha > 1e-9 * alpha.max())
        self.alpha = alpha[self.support]
        ZS = Z[self.support]
        self.residual = np.linalg.lstsq(ZS, -np.log(len(Z) * self.alpha), rcond=None)[0]
        self.on, _ = np.linalg.qr(ZS.T)
        self.w0 = w0
        gap = np.delete(Z @ self.what, self.support) - 1
        H = self.on.T @ (ZS.T * self.alpha) @ ZS @ self.on
        self.kappa = min(float(np.linalg.eigvalsh(H)[0]), float(gap.min()) if gap.size else np.inf)

    def project(self, w: np.ndarray) -> np.ndarray:
        """P_S w."""
        projected: np.ndarray = (w @ self.on) @ self.on.T
        return projected

    def __call__(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """ŵ log t + w̃ + (I − P_S)w₀."""
        tau = np.log(np.asarray(t, dtype=float)) if log_time is None else np.asarray(log_time, dtype=float)
        curve: np.ndarray = tau[..., None] * self.what + self.residual + self.w0 - self.project(self.w0)
        return curve


def margin_curve(setting: Any, run: Any = None) -> MarginCurve:
    """The asymptotic curve of the gradient flow, and of gradient descent in t = Σ η."""
    return MarginCurve(setting.problem.Z, setting.w0)


def _all_margins_positive(run: Any) -> bool:
    """log L < log ℓ(0) − log n: then no sample has a margin ≤ 0, and the loss can only tend to zero."""
    problem = run.setting.problem
    at_zero = float(problem.log_loss(np.zeros(problem.w_shape)))
    return bool(np.all(run.log_loss < at_zero - np.log(problem.n)))


def _separable(setting: Any) -> bool:
    try:
        separating_direction(setting.problem.Z)
    except NotSeparable:
        return False
    return True


CLASSIFICATION = Hypothesis("the problem is a Classification", is_a(Classification, "problem"))
SEPARABLE = Hypothesis("the data are separable", _separable)
CLASSIFIED = Hypothesis("every sample has come to be classified correctly", _all_margins_positive, of="run")
FLOW_OR_STEPS = Hypothesis(
    "the optimizer is the gradient flow at rate one, or gradient descent with a constant step",
    lambda s: (
        (isinstance(s.optimizer, GradientFlow) and np.all(s.optimizer.block_rates(s.layout) == 1))
        or (isinstance(s.optimizer, GradientDescent) and not callable(s.optimizer.step))
    ),
)

max_margin_rule = Rule(
    name="ℓ2 maximum margin of gradient descent and flow",
    source="soudry2018separable",
    hypotheses=(CLASSIFICATION, LINEAR, FLOW_OR_STEPS, NO_DECAY, SEPARABLE, CLASSIFIED),
    apply=margin_curve,
)


def steepest_norm(optimizer: Any) -> LpNorm | None:
    """The ℓp norm of a normalised steepest descent method, None for others."""
    norm = norm_of_steps(optimizer)
    normalized = not isinstance(optimizer, SteepestDescent) or optimizer.normalized
    return norm if normalized and isinstance(norm, LpNorm) else None


def steepest_margin(setting: Any, run: Any = None) -> MaxMargin:
    """The maximum margin in the optimizer's own norm."""
    return MaxMargin(setting.problem.Z, steepest_norm(setting.optimizer) or LpNorm(2.0))


steepest_margin_rule = Rule(
    name="maximum margin in the norm of normalised steepest descent",
    source="telgarsky2013margins",
    hypotheses=(
        CLASSIFICATION,
        LINEAR,
        Hypothesis(
            "steps are normalised steepest descent in an ℓp norm",
            lambda s: steepest_norm(s.optimizer) is not None,
        ),
        Hypothesis(
            "step sizes tend to zero and do not sum up: Decay(step, power) with 0 < power ≤ 1",
            lambda s: (
                (not isinstance(s.optimizer.step, Decay) and callable(s.optimizer.step))
                or 0 < s.optimizer.step.power <= 1
            ),
        ),
        NO_DECAY,
        SEPARABLE,
    ),
    apply=steepest_margin,
)
