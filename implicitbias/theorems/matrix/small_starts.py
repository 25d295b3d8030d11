"""A matrix of rank one seen through few measurements: how its recovery improves with the scale of the start."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, MatrixFactorization
from ...optimizers import GradientFlow
from ...problems import MatrixSensing
from ...selection import Hypothesis
from ...selection.rules.common import NO_DECAY, is_a
from ...selection.rules.networks import UNIT_FLOW
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng

SCALES = (1e-5, 1e-6, 1e-8)
WAIT = 150.0
"""The time after ln(1/α), in units in which μ₁ = 1, at which W is looked at."""
EARLY = 1e-3
"""The size at which the path of rank one is taken to be its linearisation at zero."""


def _unit_rate(A: np.ndarray, b: np.ndarray) -> MatrixSensing:
    """The same measurements of a multiple of the matrix, with μ₁ = 1."""
    return MatrixSensing(A, b / spectrum(MatrixSensing(A, b))[0][0])


def gaussian_sensing(rng: Rng, p: int, m: int) -> MatrixSensing:
    """A_i = (G_i + G_iᵀ)/2 with normal entries, b_i = ⟨A_i, xxᵀ⟩ with normal x, scaled so that μ₁ = 1."""
    G, x = rng.standard_normal((m, p, p)), rng.standard_normal(p)
    A = (G + G.transpose(0, 2, 1)) / 2
    return _unit_rate(A, (A @ x) @ x)


def descent(problem: MatrixSensing, u: np.ndarray) -> np.ndarray:
    """M(uuᵀ) = −2∇L(uuᵀ), for symmetric measurements."""
    return np.asarray(np.tensordot(problem.b - (problem.A @ u) @ u, problem.A, 1) * (2 / problem.n))


@lru_cache(maxsize=1024)
def spectrum(problem: MatrixSensing) -> tuple[np.ndarray, np.ndarray]:
    """(μ, v): the eigenvalues of M(0), falling, and its eigenvectors in columns."""
    mu, v = np.linalg.eigh(descent(problem, np.zeros(problem.w_shape[0])))
    return mu[::-1], v[:, ::-1]


class Path(NamedTuple):
    """The path of rank one that leaves zero along v₁, at its end x, and what grows beside it.

    misfit : ‖A(xxᵀ) − b‖/‖b‖, of the path itself. rate : λ, at which it comes to x. left : the largest eigenvalue
        of M(xxᵀ).
    beside : ‖n_j‖/‖x‖, j ≥ 2: the limits, orthogonal to x, of columns that are v_j e^{μ_j t} as t → −∞.
    """

    x: np.ndarray
    misfit: float
    rate: float
    left: float
    beside: np.ndarray


@lru_cache(maxsize=1024)
def first_path(problem: MatrixSensing) -> Path:
    """From U̇ = M(uuᵀ)U, u the first column of U; its end is improved by three steps of Gauss and Newton."""
    from scipy.integrate import solve_ivp

    mu, v = spectrum(problem)

    def velocity(t: float, z: np.ndarray) -> np.ndarray:
        U = z.reshape(v.shape)
        return np.ravel(descent(problem, U[:, 0]) @ U)

    start = v * EARLY**mu
    span = (0.0, WAIT - np.log(EARLY))
    end = solve_ivp(velocity, span, start.ravel(), method="DOP853", rtol=1e-6, atol=1e-12)
    x, *others = end.y[:, -1].reshape(v.shape).T
    misfit = float(np.linalg.norm((problem.A @ x) @ x - problem.b) / np.linalg.norm(problem.b))
    for _ in range(3):
        x = x + np.linalg.lstsq(2 * problem.A @ x, problem.b - (problem.A @ x) @ x, rcond=None)[0]
    slope, size = 2 * problem.A @ x, float(np.linalg.norm(x))
    return Path(
        x,
        misfit,
        float(np.linalg.eigvalsh(slope.T @ slope / problem.n)[0]),
        float(np.linalg.eigvalsh(descent(problem, x))[-1]),
        np.array([np.linalg.norm(n - x * (x @ n) / size**2) / size for n in others]),
    )


def predicted(problem: MatrixSensing, alpha: float) -> np.ndarray:
    """α^{2(1 − μ_j)} ‖n_j‖²/‖x‖², j ≥ 2: what each column leaves of the error."""
    return np.asarray(first_path(problem).beside ** 2 * alpha ** (2 - 2 * spectrum(problem)[0][1:]))


def recovery_exponent(runs: dict[str, Run]) -> Evidence:
    """The slope of ln ‖W_α − xxᵀ‖ in ln α at the two smallest scales, expected 2(μ₁ − μ₂)/μ₁."""
    problem = next(iter(runs.values())).setting.problem
    X, mu = np.multiply.outer(first_path(problem).x, first_path(problem).x), spectrum(problem)[0]
    scales = np.array([run.setting.init.scale for run in runs.values()])
    off = np.array([np.linalg.norm(run.w - X) for run in runs.values()]) / np.linalg.norm(X)
    exponent = 2 * (mu[0] - mu[1]) / mu[0]
    detail = {
        "x": scales, "seen": off, "theory": off[-1] * (scales / scales[-1]) ** exponent,
        "axes": ("scale α of the start", "‖W − X*‖/‖X*‖", "xy"),
    }  # fmt: skip
    return Evidence(np.log(off[-2] / off[-1]) / np.log(scales[-2] / scales[-1]), exponent, detail)


def _of_full_rank(setting: Setting) -> MatrixSensing:
    """The same measurements of xxᵀ + ½‖x‖²(I − xxᵀ/‖x‖²)."""
    problem = setting.problem
    x = first_path(problem).x
    X = np.outer(x, x) / 2 + 0.5 * (x @ x) * np.eye(x.size)
    return _unit_rate(problem.A, problem.measure(X))


SYMMETRIC_SENSING = Hypothesis(
    "the problem is a MatrixSensing, with symmetric measurements",
    lambda s: (
        isinstance(s.problem, MatrixSensing) and np.array_equal(s.problem.A, s.problem.A.transpose(0, 2, 1))
    ),
)
TIED = Hypothesis("the model is W = UUᵀ", lambda s: isinstance(s.model, MatrixFactorization) and s.model.tied)
ISOTROPIC = Hypothesis(
    "the start is U = αI, α ≤ 1e-5", lambda s: is_a(Balanced, "init")(s) and s.init.scale <= 1e-5
)
GAPS = Hypothesis(
    "μ₁ = 1, 0.35 ≤ μ₂ ≤ 0.6 and μ₂ − μ₃ ≥ 0.2",
    lambda s: (
        abs(spectrum(s.problem)[0][0] - 1) <= 1e-9
        and 0.35 <= spectrum(s.problem)[0][1] <= 0.6
        and -np.diff(spectrum(s.problem)[0])[1] >= 0.2
    ),
)
RECOVERED = Hypothesis(
    "the path of rank one along v₁ ends where all measurements are met",
    lambda s: first_path(s.problem).misfit <= 1e-4,
)
SOON = Hypothesis(
    "it does so at a rate of at least 0.2",
    lambda s: first_path(s.problem).rate >= 0.2,
)
SMALL = Hypothesis(
    "the error predicted is at most 3e-5 at α = 1e-6, to 99% along v₂, and at least 1e-10 at α = 1e-8",
    lambda s: (
        predicted(s.problem, 1e-6)[0] <= 3e-5
        and np.sum(predicted(s.problem, 1e-6)[1:]) <= 0.01 * predicted(s.problem, 1e-6)[0]
        and predicted(s.problem, 1e-8)[0] >= 1e-10
    ),
)


def _left_soon(setting: Setting) -> bool:
    problem = _of_full_rank(setting)
    return bool(spectrum(problem)[0][1] <= 0.85 and first_path(problem).left >= 0.15)


LEFT = Hypothesis(
    "with the control's matrix μ₂ ≤ 0.85, and the path's end is left at a rate of at least 0.15", _left_soon
)

FLOW = {f"α = {a:g}": {"stop": Stop(time=WAIT - np.log(a)), "rtol": 1e-3 * a} for a in SCALES}


def _small_starts(rng: Rng) -> dict[str, Setting]:
    problem, model = gaussian_sensing(rng, 5, 10), MatrixFactorization(5, tied=True)
    return {f"α = {a:g}": Setting(problem, model, GradientFlow(), Balanced(a)) for a in SCALES}


FULL_RANK: dict[str, Any] = {"problem": _of_full_rank}

sensing_small_start = Theorem(
    id="sensing-small-start", family="matrix", kind="rate", source="stoger2021small",
    claim="From αI the flow on UUᵀ finds a matrix of rank one up to an error of order α^{2(μ₁−μ₂)/μ₁}.",
    settings=_small_starts, measure=recovery_exponent, run=FLOW, bound=5e-2, figure=figures.along,
    hypotheses=(SYMMETRIC_SENSING, TIED, UNIT_FLOW, NO_DECAY, ISOTROPIC, GAPS, RECOVERED),
    conditions=(SOON, SMALL, LEFT),
    control=Control("the measured matrix has full rank", 0.1, FULL_RANK),
)  # fmt: skip
