"""Factored matrices seen through commuting measurements."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from ...models import DeepLinear, MatrixFactorization
from ...problems import MatrixSensing
from ..rule import Hypothesis, Rule
from ..von_neumann import VonNeumannProjection
from .common import CONVERGED, GRADIENT_FLOW, NO_DECAY, ONE_RATE, is_a

__all__: list[str] = []

ROUNDING = 1e-12


def entropy_of_start(setting: Any, run: Any = None) -> VonNeumannProjection:
    """min tr X(log X − log X₀) − tr X subject to the measurements, X₀ the start's predictor."""
    lam, Q = np.linalg.eigh(setting.w0)
    return VonNeumannProjection((Q * np.log(lam)) @ Q.T, setting.problem.A, setting.problem.b)


def bracket(setting: Any) -> float:
    """max ‖A_iA_j − A_jA_i‖_F/(‖A_i‖_F‖A_j‖_F) over the measurements and the start."""
    matrices = [M / (np.linalg.norm(M) or 1.0) for M in (*setting.problem.A, setting.w0)]
    return max(float(np.linalg.norm(M @ N - N @ M)) for M, N in combinations(matrices, 2))


def _symmetric(setting: Any) -> bool:
    A = setting.problem.A
    return bool(np.abs(A - A.transpose(0, 2, 1)).max() <= ROUNDING * np.abs(A).max())


def _equal_factors(setting: Any) -> bool:
    model, theta = setting.model, setting.theta0
    if isinstance(model, MatrixFactorization):
        return model.tied or np.array_equal(theta[0], theta[1])
    return isinstance(model, DeepLinear) and model.depth == 2 and np.array_equal(theta[0].T, theta[1])


SENSING = Hypothesis("the problem is a MatrixSensing", is_a(MatrixSensing, "problem"))
MEASUREMENTS_CONSISTENT = Hypothesis("some matrix meets all measurements", lambda s: s.problem.consistent)
EQUAL_FACTORS = Hypothesis("W is UUᵀ, or a product of two factors that start as U and Uᵀ", _equal_factors)
SYMMETRIC = Hypothesis("the measurements are symmetric", _symmetric)
COMMUTING = Hypothesis(
    "the measurements A_i commute with each other and with the start",
    lambda s: bracket(s) <= ROUNDING,
    explain=lambda s: f"non-commuting measurements: ‖A_iA_j − A_jA_i‖ is up to {bracket(s):.2g} ‖A_i‖‖A_j‖",
)
START_DEFINITE = Hypothesis(
    "W(0) is positive definite", lambda s: np.linalg.eigvalsh(s.w0)[0] > ROUNDING * np.linalg.norm(s.w0, 2)
)

commuting_sensing_rule = Rule(
    name="von Neumann entropy (commuting measurements)",
    source="gunasekar2017factorization",
    hypotheses=(
        SENSING,
        EQUAL_FACTORS,
        GRADIENT_FLOW,
        ONE_RATE,
        NO_DECAY,
        MEASUREMENTS_CONSISTENT,
        SYMMETRIC,
        START_DEFINITE,
        COMMUTING,
        CONVERGED,
    ),
    apply=entropy_of_start,
)
