"""Preconditioned gradients, and which of them move inside the row space."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Linear
from ...optimizers import NaturalGradient, PreconditionedFlow, PreconditionedGradientDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, LINEAR, NO_DECAY, SQUARE_LOSS
from ...selection.rules.linear import mirror_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, gaussian_regression

Rng = np.random.Generator


def projection(problem: Any, w0: np.ndarray, P: np.ndarray) -> np.ndarray:
    """argmin (w − w₀)ᵀP⁻¹(w − w₀) subject to Xw = y: w₀ + PXᵀ(XPXᵀ)⁻¹(y − Xw₀)."""
    X, y = problem.X, problem.y
    PX = (P * X).T if P.ndim == 1 else P @ X.T
    return np.asarray(w0 + PX @ np.linalg.solve(X @ PX, y - X @ w0))


def distance(run: Run, selected: np.ndarray) -> Evidence:
    """‖w − selected‖/‖selected‖."""
    error = float(np.linalg.norm(run.w - selected) / np.linalg.norm(selected))
    return Evidence(error, 0.0, {"seen": run.w, "theory": selected, "ylabel": "w"})


def worst(evidences: list[Evidence]) -> Evidence:
    """The numbers of all; the picture of the largest."""
    return Evidence(
        [e.measured for e in evidences], 0.0, max(evidences, key=lambda e: float(e.measured)).detail
    )


def covariance(rng: Rng, d: int) -> np.ndarray:
    """AAᵀ/d + I/5 for normal A (d, d): a condition number of about twenty."""
    A = rng.standard_normal((d, d))
    return np.asarray(A @ A.T / d + 0.2 * np.eye(d))


def in_metric(problem: Any, P: np.ndarray) -> np.ndarray:
    """X P^½ up to a rotation: the data as plain gradient descent in the coordinates P^{−½}w sees them."""
    return np.asarray(problem.X * np.sqrt(P) if P.ndim == 1 else problem.X @ np.linalg.cholesky(P))


def stable_step(problem: Any, P: np.ndarray) -> float:
    """1/(the largest eigenvalue of P XᵀX/n)."""
    return 1 / (float(np.linalg.norm(in_metric(problem, P), 2)) ** 2 / problem.n)


# -- a fixed preconditioner ----------------------------------------------------------------------


def _three_preconditioners(rng: Rng) -> dict[str, Setting]:
    problem, w0 = gaussian_regression(rng, 4, 12), rng.standard_normal(12)
    full, diagonal = covariance(rng, 12), np.exp(rng.uniform(-1, 1, 12))
    optimizers = {
        "full": PreconditionedGradientDescent(full, stable_step(problem, full)),
        "diagonal": PreconditionedGradientDescent(diagonal, stable_step(problem, diagonal)),
        "flow": PreconditionedFlow(full),
    }
    return {label: Setting(problem, Linear(), o, w0) for label, o in optimizers.items()}


def flattening(w: np.ndarray) -> np.ndarray:
    """1/(1 + w²): a preconditioner that changes as w moves."""
    return np.asarray(1 / (1 + w * w))


def that_follows_w(setting: Setting) -> Any:
    """A control's change."""
    if isinstance(setting.optimizer, PreconditionedFlow):
        return PreconditionedFlow(flattening)
    return PreconditionedGradientDescent(flattening, 1 / setting.problem.smoothness)


def to_projections(runs: dict[str, Run]) -> Evidence:
    """Distance of each run to the projection of w₀ in the metric P⁻¹, of P at the start."""
    selected = []
    for run in runs.values():
        P, w0 = run.setting.optimizer.P, run.setting.w0
        selected.append(projection(run.setting.problem, w0, P(w0) if callable(P) else P))
    return worst([distance(run, w) for run, w in zip(runs.values(), selected)])


WELL_CONDITIONED_THERE = Hypothesis(
    "κ(XP^½) ≤ 6", lambda s: np.linalg.cond(in_metric(s.problem, s.optimizer.P)) <= 6
)

FAR = Hypothesis(
    "‖X⁺(y − Xw₀)‖ ≥ 1, or P would hardly change on the way",
    lambda s: np.linalg.norm(projection(s.problem, s.w0, np.ones(s.w0.size)) - s.w0) >= 1,
)

preconditioned_descent = Theorem(
    id="preconditioned-descent", family="linear", kind="exact", source="gunasekar2018geometry",
    claim="Gradients multiplied by a fixed P select the interpolant nearest to the start in the norm √(wᵀP⁻¹w).",
    settings=_three_preconditioners, measure=to_projections, run={"stop": Stop(loss=1e-26)}, bound=1e-10,
    hypotheses=mirror_rule.hypotheses, conditions=(WELL_CONDITIONED_THERE, FAR), figure=figures.entries,
    control=Control("P = 1/(1 + w²), which follows w", 1e-4, {"optimizer": that_follows_w}),
)  # fmt: skip


# -- the natural gradient ------------------------------------------------------------------------


VARIANCES = np.geomspace(1 / 3, 3, 12)


def _natural_gradients(rng: Rng) -> dict[str, Setting]:
    X, w0 = rng.standard_normal((4, 12)) * np.sqrt(VARIANCES), rng.standard_normal(12)
    problem = Regression(X, rng.standard_normal(4))
    s, V = np.linalg.eigh(X.T @ X / 4)
    root = (V / np.sqrt(np.maximum(s, 0.0) + 0.1)) @ V.T
    optimizers = {
        "undamped": NaturalGradient(0.5),
        "damped": NaturalGradient(1.0, damping=0.3),
        "strongly damped": NaturalGradient(1.0, damping=3.0),
        "square root": PreconditionedGradientDescent(root, stable_step(problem, root)),
    }
    return {label: Setting(problem, Linear(), o, w0) for label, o in optimizers.items()}


def population_fisher(setting: Setting) -> PreconditionedGradientDescent:
    """A control's change: P = Σ⁻¹, Σ the covariance of the distribution of the inputs."""
    P = 1 / VARIANCES
    return PreconditionedGradientDescent(P, stable_step(setting.problem, P))


def to_nearest(runs: dict[str, Run]) -> Evidence:
    """Distance of each run to the interpolant nearest to w₀ in ℓ2."""
    return worst(
        [distance(r, projection(r.setting.problem, r.setting.w0, np.ones(r.w.size))) for r in runs.values()]
    )


def _keeps_row_space(setting: Setting) -> bool:
    """range(PXᵀ) ⊆ range(Xᵀ)."""
    if isinstance(setting.optimizer, NaturalGradient):
        return True
    X, P = setting.problem.X, setting.optimizer.P
    PX = (P * X).T if P.ndim == 1 else P @ X.T
    return bool(np.linalg.norm(PX - np.linalg.pinv(X) @ (X @ PX)) <= 1e-10 * np.linalg.norm(PX))


KEEPS_ROW_SPACE = Hypothesis(
    "P is fixed and maps range(Xᵀ) into itself, as functions of the empirical Fisher matrix XᵀX/n do",
    _keeps_row_space,
)

damped_natural_gradient = Theorem(
    id="damped-natural-gradient", family="linear", kind="exact", source="amari1998natural",
    claim="Natural gradients of the empirical Fisher matrix, damped or not, select as plain gradients do.",
    settings=_natural_gradients, measure=to_nearest, run={"stop": Stop(loss=1e-26)}, bound=1e-10,
    hypotheses=(SQUARE_LOSS, LINEAR, KEEPS_ROW_SPACE, NO_DECAY, CONVERGED), conditions=(WELL_CONDITIONED,),
    control=Control("the Fisher matrix of the population", 1e-3, {"optimizer": population_fisher}),
    figure=figures.entries,
)  # fmt: skip
