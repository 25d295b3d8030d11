"""Matrices seen through few measurements: which of those that meet them a factored flow selects."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Balanced, MatrixFactorization
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixSensing
from ...selection import Hypothesis, LeastNuclearNorm, VonNeumannProjection
from ...selection.rules.sensing import (
    MEASUREMENTS_CONSISTENT,
    SENSING,
    SYMMETRIC,
    bracket,
    commuting_sensing_rule,
    entropy_of_start,
)
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng

# -- measurements that commute ---------------------------------------------------------------------


def _commuting(rng: Rng, scales: tuple[float, ...]) -> dict[str, Setting]:
    """Two measurements with one random eigenbasis and normal eigenvalues, of a positive definite 4×4 matrix in it."""
    Q = orthonormal(4, 4, rng)
    A, x = (Q * rng.standard_normal((2, 1, 4))) @ Q.T, rng.uniform(0.2, 1, 4)
    A = (A + A.transpose(0, 2, 1)) / 2
    problem, model = MatrixSensing(A, np.tensordot(A, (Q * x) @ Q.T, 2)), MatrixFactorization(4, tied=True)
    return {f"scale {a:g}": Setting(problem, model, GradientFlow(), Balanced(a)) for a in scales}


@lru_cache(maxsize=64)
def _turned(problem: MatrixSensing) -> MatrixSensing:
    """The first measurement turned by 45° in planes of two eigenvectors of the second; X as before is feasible."""
    A, b = np.array(problem.A), problem.b
    Q = np.linalg.eigh(A[-1])[1]
    H = np.kron(np.eye(2), np.array([[1, -1], [1, 1]]) / np.sqrt(2))
    R, X = Q @ H @ Q.T, VonNeumannProjection(np.zeros_like(Q), A, b).solution
    A[0] = R @ A[0] @ R.T
    return MatrixSensing(A, np.tensordot(A, X, 2))


@lru_cache(maxsize=64)
def least_trace(problem: MatrixSensing) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The W ⪰ 0 of least trace, its eigenvalues, and those of its dual slack I − Y, both ascending."""
    program = LeastNuclearNorm(problem, definite=True)
    W, Y = program.solution, program.dual
    return W, np.linalg.eigvalsh(W), np.linalg.eigvalsh(np.eye(len(W)) - Y)


def _of_rank_two(problem: MatrixSensing, eigenvalue: float, slack: float) -> bool:
    """Whether the least trace has a certified solution, of rank two, its eigenvalues and slacks away from zero."""
    try:
        _, x, z = least_trace(problem)
    except ArithmeticError:
        return False
    return bool(x[2] >= eigenvalue and x[1] <= 1e-9 and z[2] >= slack)


RANK_TWO = Hypothesis(
    "the least trace has rank two, with eigenvalues of at least 0.1 and dual slacks of at least 0.6",
    lambda s: _of_rank_two(s.problem, 0.1, 0.6),
)
TURNED_RANK_TWO = Hypothesis(
    "once a measurement is turned, the least trace has rank two, with eigenvalues and dual slacks of at least 0.3",
    lambda s: _of_rank_two(_turned(s.problem), 0.3, 0.3),
)
TURNED_AWAY = Hypothesis(
    "the turned measurement is away from commuting: ‖A₁A₂ − A₂A₁‖ ≥ 0.1 ‖A₁‖‖A₂‖",
    lambda s: bracket(dataclasses.replace(s, problem=_turned(s.problem))) >= 0.1,
)
TURNED: dict[str, Any] = {"problem": lambda setting: _turned(setting.problem)}


def eigenvalues_over_scales(claim: Sample, control: Sample, ax: Any) -> Any:
    """Every eigenvalue of the solution as the scale of the start decreases."""
    x = -np.log10([s.init.scale for s in claim.settings.values()])
    seen, theory = (
        np.array([np.linalg.eigvalsh(W) for W in solutions])
        for solutions in (
            [run.w for run in claim.runs.values()],
            [np.asarray(claim.prediction(label).w) for label in claim.runs],
        )
    )
    return plotting.theory_over_simulation(x, seen, theory, ax, xlabel="−log₁₀ α", ylabel="eigenvalues of W")


commuting_sensing_entropy = Theorem(
    id="commuting-sensing-entropy", family="matrix", kind="exact", source="gunasekar2017factorization",
    claim="From U = αI, the flow on UUᵀ under commuting measurements selects by the von Neumann entropy at α².",
    settings=lambda rng: _commuting(rng, (1.0, 0.1, 1e-2)), rule=commuting_sensing_rule,
    run={"stop": Stop(loss=1e-26), "rtol": 1e-12}, bound=1e-7, figure=eigenvalues_over_scales,
    conditions=(TURNED_AWAY, TURNED_RANK_TWO), instances=2,
    control=Control("one measurement no longer commutes with the other", 1e-6, TURNED),
)  # fmt: skip


def off_the_least_trace(runs: dict[str, Run]) -> Evidence:
    """‖W − W*‖_F/‖W*‖_F at the smallest scale, W* ⪰ 0 the matrix of least trace; theory: the entropy's solution."""
    W = least_trace(next(iter(runs.values())).setting.problem)[0]
    size = float(np.linalg.norm(W))
    seen = np.array([np.linalg.norm(run.w - W) for run in runs.values()]) / size
    theory = (
        np.array([np.linalg.norm(entropy_of_start(r.setting).solution - W) for r in runs.values()]) / size
    )
    scales = np.array([run.setting.init.scale for run in runs.values()])
    return Evidence(
        seen[-1], 0.0, {"x": scales, "seen": seen, "theory": theory, "axes": ("α", "‖W − W*‖/‖W*‖", "xy")}
    )


SMALL = Hypothesis(
    "the start U = αI is small: α ≤ 0.1",
    lambda s: isinstance(s.init, Balanced) and s.init.scale <= 0.1,
)


def _far(setting: Setting) -> bool:
    """Whether the entropy at α = 1 selects something else than the least trace."""
    problem = setting.problem
    W = least_trace(problem)[0]
    entropy = VonNeumannProjection(np.zeros_like(W), problem.A, problem.b).solution
    return bool(np.linalg.norm(entropy - W) >= 0.02 * np.linalg.norm(W))


FAR = Hypothesis("the entropy's solution at α = 1 is at least 0.02 ‖W*‖ away from W*", _far)

commuting_sensing_nuclear = Theorem(
    id="commuting-sensing-nuclear", family="matrix", kind="limit", source="gunasekar2017factorization",
    claim="As α → 0 it selects the matrix of least trace, that is of least nuclear norm, with a rate in powers of α.",
    settings=lambda rng: _commuting(rng, (1e-1, 1e-3, 1e-5)), measure=off_the_least_trace,
    hypotheses=(*commuting_sensing_rule.hypotheses, SMALL), run={"stop": Stop(loss=1e-26)}, bound=3e-4,
    conditions=(RANK_TWO, FAR), instances=2, figure=figures.along,
    control=Control("starts of scale one: the entropy's solution, not its limit", 1e-2, {"init": Balanced(1.0)}),
)  # fmt: skip


# -- semidefinite matrices that their measurements determine ---------------------------------------


class Recovery(NamedTuple):
    """X*, and C with ‖X − X*‖_F ≤ C ‖A(X) − b‖ for every X ⪰ 0; infinite without a certificate."""

    X: np.ndarray
    C: float


@lru_cache(maxsize=64)
def recovery(problem: MatrixSensing) -> Recovery:
    """From Z = I − Σ_{i≥1} ν_iA_i ⪰ 0, whose kernel is the range of X*: the first measurement is the trace."""
    A, p = problem.A, problem.w_shape[0]
    program = LeastNuclearNorm(MatrixSensing(A[1:], problem.b[1:]), definite=True)
    try:
        X = program.solution
    except ArithmeticError:
        return Recovery(np.full((p, p), np.nan), np.inf)
    z, Q = np.linalg.eigh(np.eye(p) - program.dual)
    nu = np.linalg.lstsq(A.reshape(len(A), -1).T, ((Q * z) @ Q.T).ravel(), rcond=None)[0]
    rank = int(np.sum(np.linalg.eigvalsh(X) > 1e-9))
    i, j = np.triu_indices(p)
    orthonormal_entries = np.where(i == j, 1.0, np.sqrt(2))  # of a symmetric matrix, in the eigenbasis of Z
    rows, beyond = (Q.T @ A @ Q)[:, i, j] * orthonormal_entries, i >= rank
    sigma = float(np.linalg.svd(rows[:, ~beyond], compute_uv=False)[-1])
    met = np.linalg.norm(problem.measure(X) - problem.b) <= 1e-9 * np.linalg.norm(problem.b)
    if not met or z[rank] < 1e-3 or sigma < 1e-3:
        return Recovery(X, np.inf)
    kappa = float(np.linalg.norm(nu)) / float(z[rank])
    return Recovery(X, float(np.hypot((1 + np.linalg.norm(rows[:, beyond], 2) * kappa) / sigma, kappa)))


def _two_starts(rng: Rng) -> dict[str, Setting]:
    """The trace and eleven normal measurements of a 5×5 matrix of rank one, of whose 15 numbers three stay unseen."""
    G, x = rng.standard_normal((11, 5, 5)), rng.standard_normal(5)
    A = np.concatenate([np.eye(5)[None], (G + G.transpose(0, 2, 1)) / 2])
    problem = MatrixSensing(A, np.tensordot(A, np.outer(x, x) / (x @ x), 2))
    model = MatrixFactorization(5, tied=True)
    U = rng.standard_normal((5, 5))
    return {
        "small start": Setting(problem, model, GradientFlow(), Balanced(1e-3)),
        "large start": Setting(problem, model, GradientFlow(), (U,)),
    }


def off_the_only_one(runs: dict[str, Run]) -> Evidence:
    """‖W − X*‖_F over C √(2mL) along both runs."""
    worst, detail = [], {}
    for run in runs.values():
        X, C = recovery(run.setting.problem)
        error = np.linalg.norm(run.history["w"] - X, axis=(1, 2))
        bound = C * np.sqrt(2 * run.setting.problem.n * run.history["loss"])
        with np.errstate(divide="ignore"):
            worst.append(float(np.max(error / bound)))
        detail = {"x": run.history["time"], "seen": error, "bound": bound}
    return Evidence(np.array(worst), detail=detail)


def error_along(claim: Sample, control: Sample, ax: Any) -> Any:
    """The distance from X* below its bound, and the control's."""
    detail, other = claim.evidence.detail, control.evidence.detail
    artists = plotting.bound(
        detail["x"], detail["seen"], detail["bound"], ax, xlabel="time", ylabel="‖W − X*‖"
    )
    ax.set_xlim(1e-3, detail["x"][-1])
    artists += ax.loglog(other["x"], other["seen"], color=plotting.CONTROL, lw=0.8, label="control")
    plotting.legend(ax)
    return artists


def _large_and_opposite(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """U = 3 (I, I) and V = 3 (I, −I): UVᵀ = 0, of factors so large that they hardly move."""
    I = np.eye(len(setting.theta0[0]))
    return 3 * np.hstack([I, I]), 3 * np.hstack([I, -I])


SEMIDEFINITE = Hypothesis(
    "W = UUᵀ, which is positive semidefinite",
    lambda s: isinstance(s.model, MatrixFactorization) and s.model.tied,
)
TRACE = Hypothesis(
    "the first measurement is the trace",
    lambda s: np.array_equal(s.problem.A[0], np.eye(len(s.problem.A[0]))),
)
CERTIFIED = Hypothesis(
    "a dual certificate makes X* the only positive semidefinite matrix that meets the measurements, with C ≤ 100",
    lambda s: recovery(s.problem).C <= 100,
)

semidefinite_sensing = Theorem(
    id="semidefinite-sensing", family="matrix", kind="bound", source="geyer2020lowrank",
    claim="Where a dual certificate makes X* ⪰ 0 the only solution, UUᵀ is always within C√L of it, from any start.",
    settings=_two_starts, measure=off_the_only_one, bound=1.0, figure=error_along,
    run={"stop": Stop(time=1e3), "save": Save(log=4, fields=("loss", "w"))},
    hypotheses=(SENSING, SYMMETRIC, TRACE, MEASUREMENTS_CONSISTENT, SEMIDEFINITE, CERTIFIED),
    control=Control("two factors: nothing keeps their product semidefinite", 1e3,
                    {"model": MatrixFactorization(10), "init": _large_and_opposite}),
)  # fmt: skip
