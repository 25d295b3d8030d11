"""Weight decay on layers, kept on: the nuclear norm, and powers of singular values."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import DeepLinear, MatrixFactorization
from ...optimizers import GradientFlow, Until
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.common import GRADIENT_FLOW, STATIONARY
from ...selection.rules.networks import WHITENED
from ...selection.rules.schatten import DEEPER, nuclear_decay_rule, nuclear_penalty
from ...selection.rules.weight_decay import KEPT_DECAY
from ...selection.schatten import SchattenPenalty
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, matrix_with_spectrum

AT_REST = {"stop": Stop(gradient=1e-10), "rtol": 1e-8}


# -- two layers --------------------------------------------------------------------------------------------


def _two_models(rng: Rng) -> dict[str, Setting]:
    """λ is 0.25 of ‖∇L(0)‖₂, from which on the solution is zero."""
    problem = MatrixRegression(rng.standard_normal((12, 3)), rng.standard_normal((12, 3)))
    flow = GradientFlow(weight_decay=0.25 * float(np.linalg.norm(problem.target, 2)))
    U, V, W1, W2 = (0.5 * rng.standard_normal(shape) for shape in ((3, 6), (3, 6), (7, 3), (3, 7)))
    return {
        "UVᵀ": Setting(problem, MatrixFactorization(6), flow, (U, V)),
        "W₂W₁": Setting(problem, DeepLinear((3, 7, 3)), flow, (W1, W2)),
    }


def _one_unit(setting: Setting) -> MatrixFactorization | DeepLinear:
    return MatrixFactorization(1) if isinstance(setting.model, MatrixFactorization) else DeepLinear((3, 1, 3))


def _of_one_unit(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    first, second = setting.theta0
    return (first[:, :1] if isinstance(setting.model, MatrixFactorization) else first[:1]), second[:, :1]


def _separated(setting: Setting) -> bool:
    program = nuclear_penalty(setting)
    s = np.linalg.svd(program.solution, compute_uv=False)
    slopes = np.linalg.svd(setting.problem.gradient(program.solution), compute_uv=False)
    rank = int(np.sum(s > 1e-9 * s[0]))
    return bool(rank > 1 and s[rank - 1] >= s[0] / 10 and np.all(slopes[rank:] <= 0.9 * program.lam))


SEPARATED = Hypothesis(
    "the solution W has rank r ≥ 2, σ_r(W) ≥ σ_1(W)/10, and σ_i(∇L) ≤ 0.9 λ for i > r", _separated
)

layer_decay = Theorem(
    id="layer-decay-is-nuclear", family="matrix", kind="exact", source="srebro2004margin",
    claim="Weight decay λ on two layers ends at the minimum of the loss plus λ times the nuclear norm of W.",
    settings=_two_models, rule=nuclear_decay_rule, run=AT_REST, bound=1e-6,
    control=Control("one hidden unit, which holds one mode only", 1e-2, {"model": _one_unit, "init": _of_one_unit}),
    conditions=(SEPARATED,), figure=figures.coordinates,
)  # fmt: skip


# -- three layers and more ---------------------------------------------------------------------------------

LAM = 0.2


def _three_and_four(rng: Rng) -> dict[str, Setting]:
    """Starts at a factorization of a matrix near the target, of unequal layers; the least mode is below the fold."""
    settings = {}
    for N in (3, 4):
        s = np.array([rng.uniform(2.4, 3.2), rng.uniform(1.4, 2.0), rng.uniform(0.2, 0.35)])
        problem = MatrixRegression.whitened(matrix_with_spectrum(rng, 3, 3, s))
        model = DeepLinear((3,) * (N + 1))
        near = problem.target + 0.1 * rng.standard_normal((3, 3))
        theta = model.factorize(near, rng=rng)
        gains = [np.exp(0.2 * rng.standard_normal((3, 3))) for _ in theta]
        theta = tuple(W * G for W, G in zip(theta, gains))
        settings[f"{N} layers"] = Setting(problem, model, GradientFlow(weight_decay=LAM), theta)
    return settings


def _for_a_while(setting: Setting) -> GradientFlow:
    return GradientFlow(weight_decay=Until(setting.optimizer.weight_decay, 1.0))


def off_the_modes(runs: dict[str, Run]) -> Evidence:
    """‖W − W_r‖/‖T‖, W_r the local minimum of the rank of W; and the largest ‖D_j‖/‖θ‖²."""
    off: list[float] = []
    detail: dict[str, object] = {}
    for run in runs.values():
        s = run.setting
        T, N = s.problem.target, s.model.depth
        program = SchattenPenalty(T, _rate(s), N)
        half = program.roots(np.linalg.svd(T, compute_uv=False))[1] / 2
        W = program.local_minimum(int(np.sum(np.linalg.svd(run.w, compute_uv=False) > half)))
        off.append(float(np.linalg.norm(run.w - W) / np.linalg.norm(T)))
        size = sum(float(np.sum(layer**2)) for layer in run.theta)
        off.append(max(float(np.linalg.norm(D)) for D in s.model.imbalances(run.theta)) / size)
        detail = detail or {"seen": run.w, "theory": W, "ylabel": "entries of W"}
    return Evidence(np.array(off), np.zeros(len(off)), detail)


def _rate(setting: Setting) -> float:
    decay = setting.optimizer.weight_decay
    return float(decay.value if isinstance(decay, Until) else decay)


deep_layer_decay = Theorem(
    id="deep-layer-decay", family="matrix", kind="exact", source="dai2021representation",
    claim="Weight decay on N ≥ 3 layers takes the largest modes s to a root of x + λx^{2/N−1} = s, others to 0.",
    settings=_three_and_four, measure=off_the_modes, run=AT_REST, bound=1e-6,
    hypotheses=(WHITENED, DEEPER, GRADIENT_FLOW, KEPT_DECAY, STATIONARY),
    control=Control("decay that is switched off after one unit of time", 1e-2, {"optimizer": _for_a_while}),
    figure=figures.entries,
)  # fmt: skip
