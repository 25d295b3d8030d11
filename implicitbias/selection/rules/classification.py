"""Directions of linear classifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...optimizers import SGD, GradientDescent, GradientFlow, HeavyBall, Nesterov
from ...problems import Classification
from ..margins import MaxMargin, NotSeparable, separating_direction
from ..rule import Hypothesis, Rule
from .common import LINEAR, NO_DECAY, is_a

__all__ = ["MarginCurve"]


class MarginCurve:
    """w(t) ≈ ŵ log t + w̃ on the span of the support vectors, for a loss with the tail Σ_i c_i e^{−z_i·w}.

    ŵ = Σ_S α_i z_i is the ℓ2 maximum-margin vector and w̃ ∈ span S solves c_i e^{−z_i·w̃} = α_i on S, in the time
    t of the flow. Z (n, d) are the signed inputs, or of several classes the (m, k, d) matrices (e_y − e_c)xᵀ, with
    W (k, d) in place of w; ``weights`` c is (n,) or one number, 1/n for the mean exponential or logistic loss, and
    for the cross-entropy. ``on`` (d, |S|), or (kd, |S|), is an orthonormal basis of span S; off it the limit depends
    on the path unless all samples are support vectors, and the curve gives the component of ``w0`` there. ``kappa``
    is the exponent of the approach t^{−κ}, the least of ``exponents``: the eigenvalues of Σ_S α_i z_i z_iᵀ on span S,
    and z_i·ŵ − 1 for the samples outside S.
    """

    def __init__(self, Z: np.ndarray, w0: np.ndarray, weights: Any) -> None:
        self.program = MaxMargin(Z, 2)
        self.what = self.program.solution
        alpha = self.program.multipliers
        self.support = np.flatnonzero(alpha > 1e-9 * alpha.max())
        self.alpha = alpha[self.support]
        rows = Z.reshape(len(Z), -1)
        ZS, c = rows[self.support], np.broadcast_to(weights, len(Z))[self.support]
        self.residual = np.linalg.lstsq(ZS, np.log(c / self.alpha), rcond=None)[0].reshape(w0.shape)
        self.on, _ = np.linalg.qr(ZS.T)
        self.w0 = w0
        H = self.on.T @ (ZS.T * self.alpha) @ ZS @ self.on
        gaps = np.delete(rows @ self.what.ravel(), self.support) - 1
        self.exponents = np.sort(np.concatenate([np.linalg.eigvalsh(H), gaps]))
        self.kappa = float(self.exponents[0])

    def project(self, w: np.ndarray) -> np.ndarray:
        """P_S w, for w (..., d) or (..., k, d)."""
        projected: np.ndarray = w.reshape(*w.shape[: w.ndim - self.w0.ndim], -1) @ self.on @ self.on.T
        return projected.reshape(w.shape)

    @property
    def constant(self) -> np.ndarray:
        """w̃ + (I − P_S)w₀."""
        constant: np.ndarray = self.residual + self.w0 - self.project(self.w0)
        return constant

    def __call__(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """ŵ log t + w̃ + (I − P_S)w₀."""
        tau = np.log(np.asarray(t, dtype=float)) if log_time is None else np.asarray(log_time, dtype=float)
        curve: np.ndarray = np.multiply.outer(tau, self.what) + self.constant
        return curve


def tail_weight(setting: Any) -> float:
    """1/n, and 1/(n(1 − β)) with momentum β: in t = Σ η the weight of each e^{−z_i·w}."""
    beta = getattr(setting.optimizer, "momentum", None) or 0.0
    return float(1 / (setting.problem.n * (1 - beta)))


def margin_curve(setting: Any, run: Any = None) -> MarginCurve:
    """The asymptotic curve in the time t of the flow, and t = Σ η of steps."""
    return MarginCurve(setting.problem.Z, setting.w0, tail_weight(setting))


def _all_margins_positive(run: Any) -> bool:
    """nL < ℓ(0), or ln 2 in several classes: then no sample has a margin ≤ 0, and the loss can only tend to zero."""
    problem = run.setting.problem
    at_zero = float(problem.log_loss(np.zeros(problem.w_shape))) if problem.is_binary else np.log(np.log(2))
    return bool(np.all(run.log_loss < at_zero - np.log(problem.n)))


def _inseparable_weights(setting: Any) -> np.ndarray | None:
    """Weights p ≥ 0, Σp = 1 with Zᵀp = 0; None where the data are separable."""
    try:
        separating_direction(setting.problem.Z)
    except NotSeparable as error:
        return error.weights
    return None


def margin_in(p: float) -> Callable[..., MaxMargin]:
    """The program min ‖w‖_p subject to z_i·w ≥ 1 of a setting, whatever else it is."""
    return lambda setting, run=None: MaxMargin(setting.problem.Z, p)


CLASSIFICATION = Hypothesis("the problem is a Classification", is_a(Classification, "problem"))
SEPARABLE = Hypothesis(
    "the data are separable", lambda s: _inseparable_weights(s) is None, disproof=_inseparable_weights
)
EXPONENTIAL = Hypothesis("the loss is exponential (two classes)", lambda s: s.problem.loss_name == "exp")
CLASSIFIED = Hypothesis("every sample has come to be classified correctly", _all_margins_positive, of="run")
EXPONENTIAL_TAIL = Hypothesis(
    "the loss is exponential or logistic, in two classes",
    lambda s: s.problem.loss_name in ("exp", "logistic") and s.problem.is_binary,
)
CROSS_ENTROPY = Hypothesis(
    "the loss is the cross-entropy of more than two classes",
    lambda s: s.problem.loss_name == "logistic" and not s.problem.is_binary,
)


FLOW_OR_STEPS = Hypothesis(
    "the optimizer is the gradient flow at rate one, or gradient descent with a constant step",
    lambda s: (
        (isinstance(s.optimizer, GradientFlow) and np.all(s.optimizer.block_rates(s.layout) == 1))
        or (isinstance(s.optimizer, GradientDescent) and _constant(s.optimizer))
    ),
)


def _constant(optimizer: Any) -> bool:
    return not callable(optimizer.step) and not getattr(optimizer, "per_loss", False)


def _follows_the_flow(setting: Any) -> bool:
    """Steps that add up to −∇L: with a constant momentum, or of each sample once an epoch."""
    optimizer = setting.optimizer
    whole = (isinstance(optimizer, SGD) and optimizer.order != "random") or (
        isinstance(optimizer, (HeavyBall, Nesterov)) and optimizer.momentum is not None
    )
    return FLOW_OR_STEPS.holds(setting) or (whole and _constant(optimizer))


FLOW_LIKE = Hypothesis(
    "the optimizer is the gradient flow at rate one; or, with a constant step, gradient descent, heavy ball, "
    "Nesterov's method with a constant momentum, or SGD in epochs",
    _follows_the_flow,
)

max_margin_rule = Rule(
    name="ℓ2 maximum margin of gradient descent and flow",
    source="soudry2018separable",
    hypotheses=(CLASSIFICATION, EXPONENTIAL_TAIL, LINEAR, FLOW_LIKE, NO_DECAY, SEPARABLE, CLASSIFIED),
    apply=margin_curve,
)

classes_margin_rule = Rule(
    name="Frobenius maximum margin of gradient descent and flow in several classes",
    source="soudry2018separable",
    hypotheses=(CLASSIFICATION, CROSS_ENTROPY, LINEAR, FLOW_LIKE, NO_DECAY, SEPARABLE, CLASSIFIED),
    apply=margin_curve,
)
