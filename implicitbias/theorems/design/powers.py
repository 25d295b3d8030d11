"""Power propagation, w = φ|φ|^{a−1}, read as an optimizer: what each power prefers."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Balanced, PowerPropagation
from ...optimizers import GradientFlow, Until
from ...problems import Regression
from ...selection import Hypothesis, LeastNorm
from ...selection.rules.common import CONVERGED, GRADIENT_FLOW, NO_DECAY, SQUARE_LOSS, mirror_projection
from ...selection.rules.powers import (
    FROM_TWO,
    POWER,
    ROOM,
    nonnegative_fit,
    power_fit_rule,
    power_flow_rule,
    power_orthant_rule,
)
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, gaussian_regression

Rng = np.random.Generator

DECAY_AT_FIRST = GradientFlow(weight_decay=Until(0.1, 1.0))
"""The controls' change: φ also shrinks for one unit of time, which moves z outside range(Xᵀ)."""


def power_start(w0: np.ndarray, a: float) -> np.ndarray:
    """The φ with φ|φ|^{a−1} = w₀."""
    return np.asarray(np.sign(w0) * np.abs(w0) ** (1 / a))


# -- below the square -----------------------------------------------------------------------------


def _below_the_square(rng: Rng) -> dict[str, Setting]:
    """One problem whose target differs from the start by a factor of about 1.3 in every coordinate."""
    X, w0 = rng.standard_normal((4, 10)), rng.uniform(0.5, 1.5, 10) * rng.choice([-1.0, 1.0], 10)
    problem = Regression(X, X @ (w0 * np.exp(0.3 * rng.standard_normal(10))))
    return {
        f"a = {a}": Setting(problem, PowerPropagation(a), GradientFlow(), power_start(w0, a))
        for a in (1.25, 1.75)
    }


def _far_from_zero(setting: Setting) -> bool:
    """D(w∞, w₀) < D_j(w∞, 0) = |w∞_j|^p/p for every j: D(w∞, w(t)) falls, so w_j(t) = 0 is never reached."""
    psi, program = setting.model.mirror_form(None, setting.theta0, {})[0], mirror_projection(setting)
    w = program.solution
    return bool(psi.bregman(w, setting.w0) < np.min(np.abs(w)) ** psi.p / psi.p)


FAR_FROM_ZERO = Hypothesis(
    "w∞ is nearer to w₀, in the divergence of ψ, than to any w with a zero", _far_from_zero
)

power_propagation_exponent = Theorem(
    id="power-propagation-exponent", family="design", kind="exact", source="schwarz2021powerpropagation",
    claim="For 1 ≤ a < 2 the flow on φ|φ|ᵃ⁻¹ selects by the ℓp potential of p = 2/a while no sign changes.",
    settings=_below_the_square, rule=power_flow_rule, bound=1e-8, instances=2, figure=figures.coordinates,
    run={"stop": Stop(loss=1e-24), "save": Save(every=1, fields=("w",))}, conditions=(WELL_CONDITIONED, FAR_FROM_ZERO),
    control=Control("weight decay for one unit of time", 1e-5, {"optimizer": DECAY_AT_FIRST}),
)  # fmt: skip


# -- from the square on ---------------------------------------------------------------------------


def orthant_regression(rng: Rng) -> tuple[Regression, np.ndarray]:
    """n = 4, d = 10, and the signs of an interpolant without zeros."""
    X, signs = rng.standard_normal((4, 10)), rng.choice([-1.0, 1.0], 10)
    return Regression(X, X @ (signs * rng.uniform(0.5, 1.5, 10))), signs


def _from_the_square(rng: Rng) -> dict[str, Setting]:
    problem, signs = orthant_regression(rng)
    return {
        f"a = {a}, ε = {e:g}": Setting(problem, PowerPropagation(a), GradientFlow(), Balanced(e, signs=signs))
        for a, e in ((4, 0.3), (3, 1e-2), (2, 1e-6))
    }


power_propagation_orthant = Theorem(
    id="power-propagation-orthant", family="design", kind="exact", source="schwarz2021powerpropagation",
    claim="For a ≥ 2 the flow on φ|φ|ᵃ⁻¹ selects, in the orthant of its start, by a barrier potential.",
    settings=_from_the_square, rule=power_orthant_rule, bound=1e-7, instances=2, figure=figures.coordinates,
    run={"stop": Stop(loss=1e-24)}, conditions=(WELL_CONDITIONED,),
    control=Control("weight decay for one unit of time", 1e-5, {"optimizer": DECAY_AT_FIRST}),
)  # fmt: skip


# -- small starts ---------------------------------------------------------------------------------


def vertex(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """(w₁, support) of min ‖w‖₁ subject to Xw = y in the orthant of the start."""
    w = LeastNorm(1, setting.problem.X, setting.problem.y, np.sign(setting.w0)).solution
    return w, np.flatnonzero(w)


def sizes(setting: Setting, order: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """(|w|, c): sizes of all coordinates to leading order in ε, and the certificate c = σ∘Xᵀν, c = 1 on the
    support S of the vertex u: on it |w| = u, and off it

        |w_j| = ε (1 − c_j(ε))^{−a/(a−2)},  c(ε) = σ∘Xᵀν,  (σ∘Xᵀν)_S = 1 − (ε/u_S)^{(a−2)/a}      a > 2
        |w_j| = ε^{1−c_j} exp(⟨(σ∘x)_j, (σ∘X_S)^{−T} ln u_S⟩)                                     a = 2

    Each further ``order`` takes for u_S what solves Xw = y beside the last |w_j| off S.
    """
    a, signs, e = setting.model.power, np.sign(setting.w0), float(np.abs(setting.w0[0]))
    w, S = vertex(setting)
    Z, u = setting.problem.X * signs, np.abs(w)
    off = np.setdiff1d(np.arange(len(w)), S)
    certificate = Z.T @ np.linalg.solve(Z[:, S].T, np.ones(len(S)))
    for k in range(order):
        if k:
            u[S] = np.linalg.solve(Z[:, S], setting.problem.y - Z[:, off] @ u[off])
        if a == 2:
            u[off] = e * np.exp(Z.T @ np.linalg.solve(Z[:, S].T, np.log(u[S] / e)))[off]
        else:
            c = Z.T @ np.linalg.solve(Z[:, S].T, 1 - (e / u[S]) ** ((a - 2) / a))
            u[off] = e * (1 - c[off]) ** (-a / (a - 2))
    return u, certificate


def log_sizes(runs: dict[str, Run]) -> Evidence:
    """The largest |ln(|w_j|/predicted)| over all coordinates and powers."""
    seen, theory = [], []
    for run in runs.values():
        seen.append(np.abs(run.w))
        theory.append(sizes(run.setting)[0])
    x = np.arange(1, seen[0].size + 1)
    detail = {"x": x, "seen": np.array(seen).T, "theory": np.array(theory).T}
    worst = np.max(np.abs(np.log(np.array(seen) / np.array(theory))))
    return Evidence(worst, 0.0, detail | {"axes": ("coordinate", "|w|", "y")})


def _clear_vertex(setting: Setting) -> bool:
    w, S = vertex(setting)
    if len(S) != setting.problem.n:
        return False
    with np.errstate(invalid="ignore"):  # what the next order sends below zero is refused
        (u, c), (v, _) = sizes(setting), sizes(setting, order=2)
        settled = np.max(np.abs(np.log(v / u))) <= 1e-3
    return bool(
        np.max(np.delete(c, S)) <= 0.8 and np.min(np.abs(w[S])) >= 0.1 * np.max(np.abs(w)) and settled
    )


SMALL = Hypothesis(
    "every coordinate starts at one size ε ≤ 1e-6",
    lambda s: np.ptp(np.abs(s.w0)) <= 1e-12 * np.max(np.abs(s.w0)) and np.max(np.abs(s.w0)) <= 1.001e-6,
)
CLEAR_VERTEX = Hypothesis(
    "the least ℓ1 norm in the orthant has n coordinates, the least ≥ 0.1 of the largest, c ≤ 0.8 off them, and "
    "the next order changes ln|w| by at most 1e-3",
    _clear_vertex,
)


def _two_powers(rng: Rng) -> dict[str, Setting]:
    problem, signs = orthant_regression(rng)
    return {
        f"a = {a}, ε = {e:g}": Setting(problem, PowerPropagation(a), GradientFlow(), Balanced(e, signs=signs))
        for a, e in ((2, 1e-20), (3, 1e-6))
    }


power_propagation_sizes = Theorem(
    id="power-propagation-sizes", family="design", kind="limit", source="schwarz2021powerpropagation",
    claim="For a ≥ 2 small starts select least ℓ1 in their orthant, with ε(1 − c)^{−a/(a−2)} off the support.",
    settings=_two_powers, measure=log_sizes, run={"stop": Stop(loss=1e-24)}, bound=0.01, instances=2,
    hypotheses=(SQUARE_LOSS, POWER, FROM_TWO, GRADIENT_FLOW, NO_DECAY, SMALL, ROOM, CONVERGED),
    conditions=(WELL_CONDITIONED, CLEAR_VERTEX), figure=figures.along,
    control=Control("weight decay for one unit of time: a smaller ε", 0.1, {"optimizer": DECAY_AT_FIRST}),
)  # fmt: skip


# -- an orthant without interpolants --------------------------------------------------------------


def _out_of_reach(rng: Rng) -> dict[str, Setting]:
    problem, signs = gaussian_regression(rng, 5, 8), rng.choice([-1.0, 1.0], 8)
    return {
        f"a = {a}": Setting(problem, PowerPropagation(a), GradientFlow(), Balanced(0.5, signs=signs))
        for a in (2, 3)
    }


def _clear_fit(setting: Setting) -> bool:
    problem, w = setting.problem, nonnegative_fit(setting).solution
    slope, used = np.sign(setting.w0) * problem.gradient(w), w != 0
    steepest = np.max(np.abs(problem.gradient(0 * w)))
    return bool(
        np.min(slope[~used], initial=np.inf) >= 0.05 * steepest
        and np.min(np.abs(w[used]), initial=np.inf) >= 0.05 * np.max(np.abs(w))
        and 0.01 <= problem.loss(w) / problem.loss(0 * w) <= 0.9
        and np.linalg.cond(problem.X[:, used]) <= 5
    )


CLEAR_FIT = Hypothesis(
    "at the fit, slopes of zeros are ≥ 0.05 of the steepest, others ≥ 0.05 of the largest, the loss 1% to 90% of L(0)",
    _clear_fit,
)

power_propagation_nnls = Theorem(
    id="power-propagation-nnls", family="design", kind="exact", source="schwarz2021powerpropagation",
    claim="For a ≥ 2, where the start's orthant holds no interpolant, the flow ends at its non-negative fit.",
    settings=_out_of_reach, rule=power_fit_rule, run={"stop": Stop(gradient=1e-12)}, bound=1e-7,
    control=Control("the power 1: signs are free", 1e-2, {"model": PowerPropagation(1), "init": lambda s: s.w0}),
    conditions=(CLEAR_FIT,), figure=figures.coordinates,
)  # fmt: skip
