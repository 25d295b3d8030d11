"""The rules. Adding one is one declaration here (or in a user's code: ``RULES.append``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import LpNorm, Potential
from ..models import DeepLinear, Diagonal, Hadamard, Linear
from ..optimizers import (
    SGD,
    CoordinateDescent,
    Decay,
    GradientDescent,
    GradientFlow,
    NormalizedGradientDescent,
    RandomizedKaczmarz,
    SignDescent,
    SteepestDescent,
)
from ..problems import Classification, MatrixRegression, Regression
from .programs import BregmanProjection, MaxMargin, NotSeparable, separating_direction
from .riccati import RiccatiSolution, imbalance
from .rule import Hypothesis, Rule

__all__ = ["RULES", "MarginCurve", "mirror_form"]


# -- regression: one rule, (ψ, z₀) ---------------------------------------------------------------


def mirror_form(setting: Any, run: Any = None) -> tuple[Potential, np.ndarray]:
    """(ψ, z₀) with ∇ψ(w_T) − z₀ ∈ range(Xᵀ): what model and optimizer, with a run's accumulators, say.

    Raises
    ------
    ValueError
        where the model has no such form.
    """
    accumulators = {} if run is None else run.accumulators
    form = setting.model.mirror_form(setting.optimizer, setting.theta0, accumulators)
    if form is None:
        raise ValueError(f"{type(setting.model).__name__} has no mirror form at this start")
    potential, z0 = form
    return potential, z0


def mirror_projection(setting: Any, run: Any = None) -> BregmanProjection:
    """argmin ψ(w) − ⟨z₀, w⟩ subject to Xw = y."""
    potential, z0 = mirror_form(setting, run)
    return BregmanProjection(potential, np.asarray(z0, dtype=float), setting.problem.X, setting.problem.y)


def _is(cls: Any, part: str) -> Any:
    return lambda setting: isinstance(getattr(setting, part), cls)


def _no_decay(setting: Any) -> bool:
    return float(getattr(setting.optimizer, "weight_decay", 0.0)) == 0.0


SQUARE_LOSS = Hypothesis("the problem is a Regression (square loss)", _is(Regression, "problem"))
LINEAR = Hypothesis("the model is Linear()", _is(Linear, "model"))
NO_DECAY = Hypothesis("there is no weight decay", _no_decay)


def _has_converged(run: Any) -> bool:
    """It ended as asked, and where it ended ∇L is small beside that of the start: a step limit is not enough."""
    problem, w0 = run.setting.problem, run.setting.w0
    start = float(np.linalg.norm(problem.gradient(w0)))
    end = float(np.linalg.norm(problem.gradient(run.w)))
    return bool(np.all(run.converged)) and (end <= 1e-3 * start or problem.is_least(run.w))


CONVERGED = Hypothesis("the run converges", _has_converged, of="run")
CONSISTENT = Hypothesis(
    "Xw = y has a solution, where samples are drawn",
    lambda s: s.problem.consistent or not isinstance(s.optimizer, SGD | RandomizedKaczmarz),
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

hypentropy_flow_rule = Rule(
    name="hypentropy of a two-layer diagonal flow",
    source="woodworth2020kernel",
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis(
            "the model is Diagonal(2) or Hadamard() with a start on which it has a potential",
            lambda s: (
                isinstance(s.model, Diagonal | Hadamard)
                and s.model.mirror_form(s.optimizer, s.theta0, {}) is not None
            ),
        ),
        Hypothesis("the optimizer is the gradient flow", _is(GradientFlow, "optimizer")),
        Hypothesis(
            "both factors move at the same rate",
            lambda s: np.ptp(s.optimizer.block_rates(s.layout)) == 0,
        ),
        NO_DECAY,
        CONVERGED,
    ),
    apply=mirror_projection,
)

hypentropy_steps_rule = Rule(
    name="hypentropy of finite steps on a two-layer diagonal network",
    source="even2023sgd",
    hypotheses=(
        SQUARE_LOSS,
        hypentropy_flow_rule.hypotheses[1],
        Hypothesis(
            "each step is a plain (stochastic) gradient step",
            _is(GradientDescent | SGD, "optimizer"),
        ),
        NO_DECAY,
        CONSISTENT,
        CONVERGED,
        Hypothesis(
            "no product coordinate is sent to zero: the accumulated logarithms are finite",
            lambda run: all(np.all(np.isfinite(a)) for a in run.accumulators.values()),
            of="run",
        ),
    ),
    apply=mirror_projection,
    observe=("log_shrink", "shift"),
)


# -- classification: directions ------------------------------------------------------------------


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


CLASSIFICATION = Hypothesis("the problem is a Classification", _is(Classification, "problem"))
SEPARABLE = Hypothesis("the data are separable", _separable)

max_margin_rule = Rule(
    name="ℓ2 maximum margin of gradient descent and flow",
    source="soudry2018separable",
    hypotheses=(
        CLASSIFICATION,
        LINEAR,
        Hypothesis(
            "the optimizer is the gradient flow at rate one, or gradient descent with a constant step",
            lambda s: (
                (isinstance(s.optimizer, GradientFlow) and np.all(s.optimizer.block_rates(s.layout) == 1))
                or (isinstance(s.optimizer, GradientDescent) and not callable(s.optimizer.step))
            ),
        ),
        NO_DECAY,
        SEPARABLE,
        Hypothesis("every sample has come to be classified correctly", _all_margins_positive, of="run"),
    ),
    apply=margin_curve,
)


def steepest_norm(optimizer: Any) -> LpNorm | None:
    """The norm of a normalised steepest descent method, None for others."""
    if isinstance(optimizer, SteepestDescent) and optimizer.normalized and isinstance(optimizer.norm, LpNorm):
        return optimizer.norm
    if isinstance(optimizer, SignDescent) and not optimizer.momentum:
        return LpNorm(np.inf)
    if isinstance(optimizer, CoordinateDescent):
        return LpNorm(1.0)
    return LpNorm(2.0) if isinstance(optimizer, NormalizedGradientDescent) else None


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


# -- deep linear networks ------------------------------------------------------------------------


def riccati(setting: Any, run: Any = None) -> RiccatiSolution:
    """The trajectory of a two-layer network."""
    return RiccatiSolution(setting.theta0, setting.problem.target)


riccati_rule = Rule(
    name="exact curve of a two-layer linear network (matrix Riccati)",
    source="braun2022exact",
    hypotheses=(
        Hypothesis(
            "the problem is a MatrixRegression with whitened inputs",
            lambda s: isinstance(s.problem, MatrixRegression) and s.problem.is_whitened,
        ),
        Hypothesis(
            "the model is DeepLinear with two layers",
            lambda s: isinstance(s.model, DeepLinear) and s.model.depth == 2,
        ),
        Hypothesis(
            "the optimizer is the gradient flow with one rate",
            lambda s: (
                isinstance(s.optimizer, GradientFlow)
                and np.ptp(s.optimizer.block_rates(s.layout)) == 0
                and s.optimizer.block_rates(s.layout)[0] == 1
            ),
        ),
        NO_DECAY,
        Hypothesis("the start is λ-balanced: W₂ᵀW₂ − W₁W₁ᵀ = λI", lambda s: imbalance(s.theta0)[1] <= 1e-12),
    ),
    apply=riccati,
    exact_curve=True,
)

RULES: list[Rule] = [
    mirror_rule,
    hypentropy_flow_rule,
    hypentropy_steps_rule,
    max_margin_rule,
    steepest_margin_rule,
    riccati_rule,
]
