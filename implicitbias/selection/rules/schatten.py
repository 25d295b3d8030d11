"""Weight decay on the layers of a linear network, kept on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import DeepLinear, MatrixFactorization
from ...optimizers import GradientDescent, GradientFlow
from ...problems import MatrixRegression
from ..rule import Hypothesis, Rule
from ..schatten import NuclearPenalty, SchattenPenalty
from .common import STATIONARY, is_a
from .networks import BALANCED, UNIT_FLOW, WHITENED
from .weight_decay import KEPT_DECAY

__all__: list[str] = []

ALIGNED = 1e-9
"""Singular vectors of a mode x of W₀ are known to about eps ‖W₀‖/x."""


def nuclear_penalty(setting: Any, run: Any = None) -> NuclearPenalty:
    """L(W) + λ‖W‖_*."""
    return NuclearPenalty(setting.problem, setting.optimizer.weight_decay)


def _two_factors(setting: Any) -> bool:
    model = setting.model
    if isinstance(model, MatrixFactorization):
        return not model.tied
    return isinstance(model, DeepLinear) and model.depth == 2


def _spans_everything(setting: Any) -> bool:
    """[W₁ᵀ; W₂] has full row rank d_in + d_out (of UVᵀ: U stands for W₂, V for W₁ᵀ)."""
    first, second = setting.theta0
    if isinstance(setting.model, DeepLinear):
        first = first.T
    Q = np.vstack([first, second])
    return bool(np.linalg.matrix_rank(Q) == len(Q))


FULL_RANK_START = Hypothesis(
    "the start [W₁ᵀ; W₂] has full row rank d_in + d_out, so there are that many hidden units at least",
    _spans_everything,
)
TWO_FACTORS = Hypothesis("W is a product of two untied factors", _two_factors)
INPUTS_SPAN = Hypothesis(
    "XᵀX/n is positive definite",
    lambda s: np.linalg.matrix_rank(s.problem.covariance) == len(s.problem.covariance),
)

nuclear_decay_rule = Rule(
    name="nuclear norm of weight decay on two layers",
    source="srebro2004margin",
    hypotheses=(
        Hypothesis("the problem is a MatrixRegression", is_a(MatrixRegression, "problem")),
        TWO_FACTORS,
        Hypothesis(
            "the optimizer is the gradient flow, or gradient descent",
            is_a(GradientFlow | GradientDescent, "optimizer"),
        ),
        KEPT_DECAY,
        INPUTS_SPAN,
        FULL_RANK_START,
        STATIONARY,
    ),
    apply=nuclear_penalty,
)


DEEPER = Hypothesis(
    "the model is DeepLinear with at least three layers",
    lambda s: isinstance(s.model, DeepLinear) and s.model.depth >= 3,
)


def _aligned_modes(setting: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(U, x₀, Vᵀ, t): the modes of W₀ and t = UᵀTV on its diagonal."""
    U, x, Vt = np.linalg.svd(setting.w0, full_matrices=False)
    on = x > ALIGNED * (x[0] or 1.0)
    U, x, Vt = U[:, on], x[on], Vt[on]
    return U, x, Vt, np.einsum("ij,jk,ik->i", U.T, setting.problem.target, Vt)


def _is_aligned(setting: Any) -> bool:
    T = setting.problem.target
    U, _, Vt, t = _aligned_modes(setting)
    off = np.linalg.norm(T @ Vt.T - U * t) + np.linalg.norm(U.T @ T - t[:, None] * Vt)
    return bool(off <= ALIGNED * (np.linalg.norm(T) or 1.0))


def _limits(setting: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(U, x∞, Vᵀ, t): each mode of W₀ ends at the larger root where it starts above the smaller one, else at zero."""
    program = SchattenPenalty(setting.problem.target, setting.optimizer.weight_decay, setting.model.depth)
    U, x, Vt, t = _aligned_modes(setting)
    barrier, rest = program.roots(t)
    return U, np.where(x > barrier, rest, 0.0), Vt, t


def aligned_limit(setting: Any, run: Any = None) -> np.ndarray:
    """U x∞ Vᵀ."""
    U, x, Vt, _ = _limits(setting)
    limit: np.ndarray = (U * x) @ Vt
    return limit


def _keeps_the_largest(setting: Any) -> bool:
    _, x, _, t = _limits(setting)
    kept, s = t[x > 0], np.linalg.svd(setting.problem.target, compute_uv=False)
    return bool(np.all(np.sort(kept)[::-1] >= s[: kept.size] * (1 - ALIGNED)))


aligned_decay_rule = Rule(
    name="modes of weight decay on three or more layers, from an aligned start",
    source="dai2021representation",
    hypotheses=(
        WHITENED,
        DEEPER,
        UNIT_FLOW,
        KEPT_DECAY,
        BALANCED,
        Hypothesis("the singular vectors of the start are those of the target", _is_aligned),
        Hypothesis(
            "the modes that stay are the largest of the target: others are unstable", _keeps_the_largest
        ),
        STATIONARY,
    ),
    apply=aligned_limit,
)
