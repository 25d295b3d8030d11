"""Hypotheses that many rules share, and the one form that most of regression has."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run
from ...dynamics.oracle import SettingOracle
from ...geometry import Potential
from ...models import Linear
from ...optimizers import Decay, GradientFlow, RandomizedKaczmarz
from ...problems import Regression
from ..programs import BregmanProjection
from ..rule import Hypothesis

__all__ = ["mirror_form"]


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


def is_a(cls: Any, part: str) -> Any:
    return lambda setting: isinstance(getattr(setting, part), cls)


def _no_decay(setting: Any) -> bool:
    return bool(getattr(setting.optimizer, "weight_decay", 0.0) == 0.0)


def _vanishing(setting: Any) -> bool:
    """Whether η_k → 0 and Σ η_k = ∞; a callable is trusted."""
    step = setting.optimizer.step
    return callable(step) if not isinstance(step, Decay) else 0 < step.power <= 1


SQUARE_LOSS = Hypothesis("the problem is a Regression (square loss)", is_a(Regression, "problem"))
LINEAR = Hypothesis("the model is Linear()", is_a(Linear, "model"))
NO_DECAY = Hypothesis("there is no weight decay", _no_decay)
FROM_ZERO = Hypothesis("the start is zero", lambda s: not np.any(s.w0))
VANISHING = Hypothesis(
    "step sizes tend to zero and do not sum up: Decay(step, power) with 0 < power ≤ 1", _vanishing
)
SOLVABLE = Hypothesis("Xw = y has a solution", lambda s: s.problem.consistent)
GRADIENT_FLOW = Hypothesis("the optimizer is the gradient flow", is_a(GradientFlow, "optimizer"))
ONE_RATE = Hypothesis(
    "all factors move at the same rate", lambda s: np.ptp(s.optimizer.block_rates(s.layout)) == 0
)


def _is_stationary(run: Run) -> bool:
    """Whether the objective's gradient in θ is 1e-6 of what ∇_w L(0) gives at the same θ."""
    setting, oracle = run.setting, SettingOracle(run.setting)
    flat, zero = setting.layout.join(run.theta), np.zeros(setting.problem.w_shape)
    size = float(np.linalg.norm(oracle.pull(flat, setting.problem.gradient(zero))))
    return bool(np.all(run.converged)) and float(np.linalg.norm(oracle(flat))) <= 1e-6 * size


STATIONARY = Hypothesis(
    "the run converges to a point where the gradient of L + (λ/2)‖θ‖² vanishes", _is_stationary, of="run"
)


def _has_converged(run: Any) -> bool:
    """It ended as asked, and where it ended ∇L is small beside that of the start: a step limit is not enough."""
    problem, w0 = run.setting.problem, run.setting.w0
    start = float(np.linalg.norm(problem.gradient(w0)))
    end = float(np.linalg.norm(problem.gradient(run.w)))
    return bool(np.all(run.converged)) and (end <= 1e-3 * start or problem.is_least(run.w))


CONVERGED = Hypothesis("the run converges", _has_converged, of="run")


def _draws_samples(optimizer: Any) -> bool:
    inner = getattr(optimizer, "optimizer", optimizer)  # of an average
    return isinstance(inner, RandomizedKaczmarz) or getattr(inner, "batch", None) is not None


CONSISTENT = Hypothesis(
    "Xw = y has a solution, where samples are drawn",
    lambda s: s.problem.consistent or not _draws_samples(s.optimizer),
)
