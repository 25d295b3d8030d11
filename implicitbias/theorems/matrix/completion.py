"""Matrix factorization and completion."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import MatrixFactorization
from ...optimizers import GradientFlow
from ...problems import MatrixCompletion
from ...selection import Hypothesis
from .. import figures
from ..base import Control, Evidence, Theorem

Rng = np.random.Generator


def _two_by_two(rng: Rng) -> Setting:
    problem = MatrixCompletion([[np.nan, 1], [1, 0]], [[False, True], [True, True]])
    alpha = rng.uniform(0.05, 0.5)
    return Setting(problem, MatrixFactorization(2, tied=True), GradientFlow(), (alpha * np.eye(2),))


def divergence_bound(run: Run) -> Evidence:
    """(1 − √(2l))²/√(2l) over |w₁₁|, the largest where l < ½."""
    loss, w11 = run.history["loss"], np.abs(run.history["w"][:, 0, 0])
    below = loss < 0.5
    root = np.sqrt(2 * loss[below])
    with np.errstate(divide="ignore"):
        bound = (1 - root) ** 2 / root
        worst = np.max(bound / w11[below]) if below.any() else np.nan
    return Evidence(
        float(worst), detail={"time": run.history["time"][below], "w11": w11[below], "bound": bound}
    )


THREE_ENTRIES = Hypothesis(
    "the observed entries are w₁₂ = w₂₁ = 1 and w₂₂ = 0",
    lambda s: (
        np.array_equal(s.problem.mask, [[False, True], [True, True]])
        and np.array_equal(s.problem.values, [[0, 1], [1, 0]])
    ),
)
FLOW = Hypothesis(
    "the optimizer is the gradient flow, with one rate and no weight decay",
    lambda s: (
        isinstance(s.optimizer, GradientFlow)
        and np.ptp(s.optimizer.block_rates(s.layout)) == 0
        and s.optimizer.weight_decay == 0
    ),
)
POSITIVE_DETERMINANT = Hypothesis("det W(0) > 0 (its sign is conserved)", lambda s: np.linalg.det(s.w0) > 0)
BALANCED_FACTORS = Hypothesis(
    "W = UUᵀ, or W = UVᵀ from a balanced start UᵀU = VᵀV",
    lambda s: (
        isinstance(s.model, MatrixFactorization)
        and np.linalg.norm(s.theta0[0].T @ s.theta0[0] - s.theta0[-1].T @ s.theta0[-1])
        <= 1e-12 * np.sum(s.theta0[0] ** 2)
    ),
)
NEGATIVE_DETERMINANT = {
    "model": MatrixFactorization(2),
    "init": lambda s: (s.theta0[0] * np.array([1, -1]), s.theta0[0]),
}

norms_diverge_completion = Theorem(
    id="norms-diverge-completion", family="matrix", kind="bound", source="razin2020norms",
    claim="Fitting three entries of a 2×2 matrix from a positive determinant sends every norm to infinity.",
    settings=_two_by_two, measure=divergence_bound, bound=1.0, figure=figures.divergence,
    run={"stop": Stop(time=1e5), "save": Save(log=4, fields=("loss", "w")), "rtol": 1e-11},
    hypotheses=(THREE_ENTRIES, FLOW, POSITIVE_DETERMINANT, BALANCED_FACTORS),
    control=Control("a start of negative determinant: w₁₁ stays bounded", 10.0, NEGATIVE_DETERMINANT),
)  # fmt: skip
