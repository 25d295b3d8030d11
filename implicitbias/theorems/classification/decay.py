"""Decoupled weight decay: descent in a norm becomes descent inside its ball."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import AdamW, Decay, Lion, Muon, SignDescent
from ...problems import MatrixRegression, Regression
from ...selection import BallMinimum, Hypothesis
from ...selection.ball import curvature
from ...selection.rules.balls import ball_minimum, ball_rule, barrier_rule
from ...selection.rules.common import FROM_ZERO
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, gaussian_regression

# -- sign descent: the method of Frank and Wolfe ---------------------------------------------------


def half_box(rng: Rng) -> tuple[Regression, float]:
    """Least squares, n = 30 and d = 6, and the λ whose box has half the size of the solution."""
    problem = gaussian_regression(rng, 30, 6)
    return problem, 2 / float(np.max(np.abs(problem.least_squares)))


def _vertices(rng: Rng) -> Setting:
    problem, lam = half_box(rng)
    return Setting(problem, Linear(), SignDescent(Decay(1 / lam, 1.0), decay=lam))


def longest_chord(problem: Regression) -> float:
    """max ‖Xs‖²/n over signs s: a quarter of the largest ‖X(s − w)‖²/n in the unit box."""
    d = problem.X.shape[1]
    signs = 1 - 2 * (np.arange(2 ** (d - 1))[:, None] >> np.arange(d) & 1)
    return float(np.max(np.sum((problem.X @ signs.T) ** 2, axis=0))) / problem.n


def excess(program: BallMinimum, w: np.ndarray) -> np.ndarray:
    """L(w) − min L for w (..., d) in the ball, with the first order in absolute value for those outside."""
    problem, best = program.problem, program.solution
    first = (w - best) @ problem.gradient(best)
    excess: np.ndarray = np.abs(first) + 0.5 * np.mean(((w - best) @ problem.X.T) ** 2, axis=-1)
    return excess


def frank_wolfe_gap(run: Run) -> Evidence:
    """L(w_k) − min L over C(1 + … + 1/k)/(2k), the largest along the run."""
    program, k = ball_minimum(run.setting), run.history["steps"].astype(int)
    C = 4 * program.radius**2 * longest_chord(run.setting.problem)
    lhs = excess(program, run.history["w"])
    rhs = C * np.cumsum(1 / np.arange(1, k[-1] + 1))[k - 1] / (2 * k)
    return Evidence(float(np.max(lhs / rhs)), detail={"k": k, "lhs": lhs, "rhs": rhs})


def ridge(setting: Setting) -> np.ndarray:
    """The minimiser of L + (λ/2)‖w‖², L quadratic."""
    zero = np.zeros(setting.problem.w_shape)
    H = curvature(setting.problem, zero) + setting.optimizer.decay * np.eye(zero.size)
    return -np.linalg.solve(H, setting.problem.gradient(zero).ravel()).reshape(zero.shape)


def _coupled(setting: Setting) -> Any:
    return dataclasses.replace(setting.optimizer, weight_decay=setting.optimizer.decay)


def decay_gap(claim: Sample, control: Sample, ax: Any) -> Any:
    """The excess loss along the run under its bound, and the control's."""
    detail = claim.evidence.detail
    return plotting.bound(
        detail["k"], detail["lhs"], detail["rhs"], ax, control=control.evidence.detail["lhs"],
        xlabel="step k", ylabel="L − min L over the box",
    )  # fmt: skip


SIGNS = Hypothesis(
    "the optimizer is sign descent with λη_k = 1/(k + 1)",
    lambda s: (
        isinstance(s.optimizer, SignDescent)
        and s.optimizer.momentum == 0
        and s.optimizer.step == Decay(1 / s.optimizer.decay, 1.0)
    ),
)
NO_CORNER = Hypothesis(
    "the minimum is no corner of the box",
    lambda s: np.min(np.abs(ball_minimum(s).solution)) <= 0.999 / s.optimizer.decay,
)
PARTED = Hypothesis(
    "ridge regression's solution exceeds the minimum by C/100 or more",
    lambda s: excess(ball_minimum(s), ridge(s)) * s.optimizer.decay**2 >= 0.04 * longest_chord(s.problem),
)

decay_frank_wolfe = Theorem(
    id="decay-frank-wolfe", family="classification", kind="bound", source="jaggi2013frankwolfe",
    claim="Sign descent with decoupled decay is the method of Frank and Wolfe on the box ‖w‖∞ ≤ 1/λ, at its rate.",
    settings=_vertices, measure=frank_wolfe_gap, bound=1.0, figure=decay_gap,
    run={"stop": Stop(steps=5000), "save": Save(log=12, fields=("w",))},
    hypotheses=(*ball_rule.hypotheses, SIGNS, FROM_ZERO), conditions=(NO_CORNER, PARTED),
    control=Control("the same decay in the gradient as well: ridge regression", 2.0, {"optimizer": _coupled}),
)  # fmt: skip


# -- Signum, Lion and AdamW ------------------------------------------------------------------------


def _three_optimizers(rng: Rng) -> dict[str, Setting]:
    problem, lam = half_box(rng)
    step = Decay(0.3 / lam, 0.75)
    optimizers = {
        "Signum": SignDescent(step, 0.9, lam),
        "Lion": Lion(step, lam, 0.9, 0.99),
        "AdamW": AdamW(step, lam, 0.9, 0.99, eps=0.0),
    }
    return {name: Setting(problem, Linear(), o) for name, o in optimizers.items()}


RIDGE_FAR = Hypothesis(
    "ridge regression's solution differs by 20 % or more",
    lambda s: (
        np.linalg.norm(ridge(s) - ball_minimum(s).solution) >= 0.2 * np.linalg.norm(ball_minimum(s).solution)
    ),
)

decay_box = Theorem(
    id="decay-box", family="classification", kind="limit", source="xie2024adamw",
    claim="Signum, Lion and AdamW with decoupled decay λ tend to the least loss over the box ‖w‖∞ ≤ 1/λ.",
    settings=_three_optimizers, rule=ball_rule, run={"stop": Stop(steps=50_000)}, bound=3e-2,
    control=Control("the same decay in the gradient as well: ridge regression", 0.1, {"optimizer": _coupled}),
    conditions=(NO_CORNER, RIDGE_FAR), figure=figures.coordinates,
)  # fmt: skip


# -- Muon ------------------------------------------------------------------------------------------


def _matrix(rng: Rng) -> Setting:
    problem = MatrixRegression(rng.standard_normal((30, 4)), rng.standard_normal((30, 3)))
    lam = 2 / float(np.linalg.norm(np.linalg.lstsq(problem.X, problem.Y, rcond=None)[0], 2))
    return Setting(problem, Linear(), Muon(Decay(0.5 / lam, 0.75), 0.9, decay=lam))


def singular_values(claim: Sample, control: Sample, ax: Any) -> Any:
    """λσ(W): theory, simulation, and the control's."""
    lam = claim.settings[""].optimizer.decay
    seen, theory, other = (
        lam * np.linalg.svd(W, compute_uv=False)
        for W in (claim.runs[""].w, np.asarray(claim.prediction("").w), control.runs[""].w)
    )
    return plotting.coordinates(seen, theory, ax, control=other, xlabel="index", ylabel="λσ(W)")


muon_decay_ball = Theorem(
    id="muon-decay-ball", family="classification", kind="limit", source="xie2024adamw",
    claim="Muon with decoupled decay λ tends to the least loss over the ball ‖W‖ ≤ 1/λ of the spectral norm.",
    settings=_matrix, rule=ball_rule, run={"stop": Stop(steps=1000)}, bound=5e-2,
    control=Control("the same decay in the gradient as well: ridge regression", 0.1, {"optimizer": _coupled}),
    conditions=(RIDGE_FAR,), figure=singular_values,
)  # fmt: skip


# -- AdamW with ε ----------------------------------------------------------------------------------


def _softened(rng: Rng) -> Setting:
    problem, lam = half_box(rng)
    return Setting(problem, Linear(), AdamW(0.02 / lam, lam, 0.9, 0.99, eps=0.1))


def _second_eps(setting: Setting) -> AdamW:
    return dataclasses.replace(setting.optimizer, eps_root=setting.optimizer.eps**2)


adamw_barrier = Theorem(
    id="adamw-barrier", family="classification", kind="exact", source="xie2024adamw",
    claim="AdamW with ε > 0 minimises the loss and a barrier of the box, −ε Σ(|w_j| + ln(1 − λ|w_j|)/λ).",
    settings=_softened, rule=barrier_rule, run={"stop": Stop(steps=5000)}, bound=1e-9,
    control=Control("a second ε, inside the root", 1e-3, {"optimizer": _second_eps}), figure=figures.coordinates,
)  # fmt: skip
