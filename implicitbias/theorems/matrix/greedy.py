"""Vanishing starts of W = UUᵀ: a first phase of rank one, and the greedy path of critical points."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import MatrixFactorization
from ...optimizers import GradientFlow
from ...problems import MatrixCompletion
from ...selection import Hypothesis
from ...selection.flatness import loss_hessian
from ...selection.rules.common import NO_DECAY
from ...selection.rules.greedy import greedy_path
from ...selection.rules.networks import UNIT_FLOW
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng


def completion(rng: Rng) -> MatrixCompletion:
    """A symmetric 4×4 matrix without one pair of entries, scaled so that the largest eigenvalue of A(0) is 1."""
    V = rng.standard_normal((4, 4))
    mask = np.ones((4, 4), dtype=bool)
    i, j = rng.choice(4, 2, replace=False)
    mask[i, j] = mask[j, i] = False
    V = np.where(mask, V + V.T, 0.0)
    return MatrixCompletion(V / (2 * np.linalg.eigvalsh(V)[-1]), mask)


@lru_cache(maxsize=1024)
def spectrum(problem: MatrixCompletion) -> tuple[np.ndarray, np.ndarray]:
    """(μ, v): the eigenvalues of A(0) = −(G + Gᵀ), falling, and its eigenvectors in columns."""
    G = problem.gradient(np.zeros(problem.w_shape))
    mu, v = np.linalg.eigh(-(G + G.T))
    return mu[::-1], v[:, ::-1]


TIED = Hypothesis("the model is W = UUᵀ", lambda s: isinstance(s.model, MatrixFactorization) and s.model.tied)
TIED_FLOW = (TIED, UNIT_FLOW, NO_DECAY)

# -- the first phase -------------------------------------------------------------------------------

SCALES, SMALLER = (1e-6, 1e-9, 1e-12), (1e-8, 1e-11, 1e-14)
LIMIT, LIMIT_SCALE = "α → 0", 1e-24
LATE = 0.5
"""The time s in X(s), in units in which μ₁ = 1; ⟨v₁, W₀v₁⟩ = 1."""


def _overlap(problem: MatrixCompletion, U: np.ndarray) -> float:
    """‖Uᵀv₁‖ = ⟨v₁, UUᵀv₁⟩^½."""
    return float(np.linalg.norm(U.T @ spectrum(problem)[1][:, 0]))


def _scaled_starts(problem: MatrixCompletion, B: np.ndarray, scales: tuple[float, ...]) -> dict[str, Setting]:
    """W(0) = αW₀, W₀ = BBᵀ/‖Bᵀv₁‖², at each α; and, at one far below, of rank one: αv₁v₁ᵀ."""
    starts = {f"α = {a:g}": np.sqrt(a) / _overlap(problem, B) * B for a in scales}
    starts[LIMIT] = np.sqrt(LIMIT_SCALE) * spectrum(problem)[1][:, :1]
    return {
        label: Setting(problem, MatrixFactorization(U.shape[1], tied=True), GradientFlow(), (U,))
        for label, U in starts.items()
    }


def _turned(problem: MatrixCompletion) -> np.ndarray:
    """I + qqᵀ, q = (v₁ + v₂)/√2."""
    q = spectrum(problem)[1][:, :2].sum(axis=1) / np.sqrt(2)
    return np.asarray(np.eye(4) + np.outer(q, q))


def _isotropic(rng: Rng) -> dict[str, Setting]:
    return _scaled_starts(completion(rng), np.eye(4), SCALES)


def _generic(rng: Rng) -> dict[str, Setting]:
    problem = completion(rng)
    return _scaled_starts(problem, _turned(problem) + rng.standard_normal((4, 4)) / 5, SMALLER)


def _at(scale: float) -> dict[str, object]:
    return {"stop": Stop(time=LATE - np.log(scale) / 2), "rtol": 1e-12}


FIRST_PHASE = {f"α = {a:g}": _at(a) for a in SCALES + SMALLER} | {LIMIT: _at(LIMIT_SCALE)}


def exponent(runs: dict[str, Run], share: float) -> Evidence:
    """ln(‖E_a‖/‖E_b‖)/ln(a/b) of the two smallest scales, E_α = X_α(s + ½ln(1/α)) − X(s)."""
    mu = spectrum(runs[LIMIT].setting.problem)[0]
    near = [r for k, r in runs.items() if k != LIMIT]
    off = np.array([np.linalg.norm(r.w - runs[LIMIT].w) for r in near])
    scales = np.array([_overlap(r.setting.problem, r.setting.theta0[0]) ** 2 for r in near])
    p = share * (mu[0] - mu[1]) / mu[0]
    seen = np.log(off[-2] / off[-1]) / np.log(scales[-2] / scales[-1])
    detail = {
        "x": scales, "seen": off, "theory": off[-1] * (scales / scales[-1]) ** p,
        "axes": ("scale α of W(0)", "‖X_α − X‖", "xy"),
    }  # fmt: skip
    return Evidence(seen, p, detail)


def _shares(setting: Setting) -> np.ndarray:
    """⟨v_j, W₀v₁⟩/⟨v₁, W₀v₁⟩."""
    v = spectrum(setting.problem)[1]
    row: np.ndarray = v.T @ setting.w0 @ v[:, 0]
    return row / row[0]


def _restart(setting: Setting, B: np.ndarray) -> tuple[np.ndarray]:
    """B at the scale of U₀, so that ⟨v₁, W₀v₁⟩ is kept; a start of rank one stays."""
    (U,) = setting.theta0
    if U.shape[1] == 1:
        return (U,)
    return (B * (_overlap(setting.problem, U) / _overlap(setting.problem, B)),)


def _well_mixed(setting: Setting) -> bool:
    scale = _overlap(setting.problem, setting.theta0[0]) ** 2
    return bool(abs(_shares(setting)[1]) >= 0.3 and np.linalg.norm(setting.w0, 2) <= 4 * scale)


OVERLAP = Hypothesis(
    "⟨v₁, W₀v₁⟩ > 0", lambda s: _overlap(s.problem, s.theta0[0]) > 1e-6 * np.linalg.norm(s.theta0[0])
)
ALONE = Hypothesis("v₁ is an eigenvector of W₀", lambda s: np.linalg.norm(_shares(s)[1:]) <= 1e-12)
MIXED = Hypothesis(
    "⟨v₁, W₀v₂⟩ ≠ 0, unless the start has rank one",
    lambda s: s.model.rank == 1 or abs(_shares(s)[1]) > 1e-12,
)
WELL_MIXED = Hypothesis(
    "|⟨v₁, W₀v₂⟩| ≥ 0.3 and ‖W₀‖₂ ≤ 4, in units of ⟨v₁, W₀v₁⟩, unless the start has rank one",
    lambda s: s.model.rank == 1 or _well_mixed(s),
)


def _gaps(least: float) -> Hypothesis:
    return Hypothesis(
        f"μ₂/μ₁ is between {least:g} and 0.6, and (μ₂ − μ₃)/μ₁ ≥ 0.5",
        lambda s: least <= spectrum(s.problem)[0][1] <= 0.6 and -np.diff(spectrum(s.problem)[0])[1] >= 0.5,
    )


greedy_first_phase = Theorem(
    id="greedy-first-phase", family="matrix", kind="rate", source="li2021greedy",
    claim="From αI the flow on UUᵀ leaves zero on a path of rank one, up to an error of order α^{(μ₁−μ₂)/μ₁}.",
    settings=_isotropic, measure=lambda runs: exponent(runs, 1.0), run=FIRST_PHASE, bound=1e-2,
    hypotheses=(*TIED_FLOW, OVERLAP, ALONE), conditions=(_gaps(0.2),), figure=figures.along,
    control=Control("a start that mixes v₁ and v₂: the exponent halves", 0.1,
                    {"init": lambda s: _restart(s, _turned(s.problem))}),
)  # fmt: skip

greedy_first_phase_generic = Theorem(
    id="greedy-first-phase-generic", family="matrix", kind="rate", source="li2021greedy",
    claim="From a generic start αW₀ the error of the path of rank one is of order α^{(μ₁−μ₂)/(2μ₁)}.",
    settings=_generic, measure=lambda runs: exponent(runs, 0.5), run=FIRST_PHASE, bound=3e-2,
    hypotheses=(*TIED_FLOW, OVERLAP, MIXED), conditions=(_gaps(0.35), WELL_MIXED), figure=figures.along,
    control=Control("a multiple of the identity: the exponent doubles", 0.1,
                    {"init": lambda s: _restart(s, np.eye(4))}),
)  # fmt: skip

# -- from saddle to saddle ---------------------------------------------------------------------------

TINY_SCALE, END = 1e-20, 1000.0


@lru_cache(maxsize=1024)
def relaxations(problem: MatrixCompletion) -> np.ndarray:
    """λ_k: U approaches U_k, k ≥ 1, as e^{−λt}; the least non-zero eigenvalue of the Hessian of L(UUᵀ), U (n, k)."""
    rates = []
    for k, U in enumerate(greedy_path(problem).factors[1:], 1):
        s = Setting(problem, MatrixFactorization(k, tied=True), GradientFlow(), (U,))
        turns = k * (k - 1) // 2  # of U on the right, along which L does not change
        rates.append(float(np.sort(np.linalg.eigvalsh(loss_hessian(s, (U,))))[turns]))
    return np.array(rates)


def least_exponent(setting: Setting) -> float:
    """m: the flow comes to each W_k within e^{−m}, up to constants; −inf where the time is too short."""
    path, rates = greedy_path(setting.problem), relaxations(setting.problem)
    mu, here, time = path.eigenvalues, -np.log(TINY_SCALE) / 2, 0.0
    least = [np.inf]
    for k in range(len(path.points) - 1):
        if k:
            least.append(2 * here * rates[k - 1] / (rates[k - 1] + 2 * mu[k, 0]))
        time += here / mu[k, 0]
        here *= 1 - max(mu[k, 1], 0.0) / mu[k, 0]
    least.append(rates[-1] * (END - time))
    return float(min(least))


def off_the_path(run: Run) -> Evidence:
    """The least ‖W_t − W_k‖/‖W_K‖ over the saved t, the largest over k ≥ 1; inf when they are met in another order."""
    path = greedy_path(run.setting.problem)
    points = path.points[1:]
    off = np.linalg.norm(run.history["w"][:, None] - points, axis=(2, 3)) / np.linalg.norm(points[-1])
    nearest = np.argmin(off, axis=0)
    worst = float(np.max(np.min(off, axis=0))) if np.all(np.diff(nearest) > 0) else np.inf
    return Evidence(worst, 0.0, {"losses": path.losses, **run.history})


def plateaus(claim: Sample, control: Sample, ax: Any) -> Any:
    """L(W_t) − L(W_K), with the values of the other W_k as lines."""
    losses = claim.evidence.detail["losses"]
    artists = [ax.axhline(x - losses[-1], color=plotting.THEORY, ls="--", lw=0.9) for x in losses[:-1]]
    artists[0].set_label("greedy path")
    for sample, color, name in (
        (control, plotting.CONTROL, "control"),
        (claim, plotting.SIMULATION, "simulation"),
    ):
        t, above = sample.evidence.detail["time"], sample.evidence.detail["loss"] - losses[-1]
        shown = above > 1e-9 * losses[0]
        artists += ax.plot(t[shown], above[shown], color=color, label=name)
    ax.set(xlabel="time", ylabel="loss above that of the last point", yscale="log")
    plotting.legend(ax)
    return artists


TINY = Hypothesis(
    "the start is αI, α ≤ 1e-20",
    lambda s: (
        np.linalg.norm(s.w0 - s.w0[0, 0] * np.eye(len(s.w0))) <= 1e-12 * np.linalg.norm(s.w0)
        and 0 < s.w0[0, 0] <= TINY_SCALE * (1 + 1e-12)
    ),
)
SETTLED = Hypothesis(
    "there are two phases at least, and the flow comes to each W_k within e^{−12}, up to constants",
    lambda s: len(greedy_path(s.problem).points) > 2 and least_exponent(s) >= 12,
)
SECOND_PHASE = Hypothesis(
    "μ₂/μ₁ is between 0.15 and 0.45", lambda s: 0.15 <= spectrum(s.problem)[0][1] <= 0.45
)
APART = Hypothesis(
    "neighbouring W_k are at least ‖W_K‖/5 apart",
    lambda s: (
        np.min(np.linalg.norm(np.diff(greedy_path(s.problem).points, axis=0), axis=(1, 2)))
        >= np.linalg.norm(greedy_path(s.problem).points[-1]) / 5
    ),
)


def _tiny_start(rng: Rng) -> Setting:
    U = np.sqrt(TINY_SCALE) * np.eye(4)
    return Setting(completion(rng), MatrixFactorization(4, tied=True), GradientFlow(), (U,))


greedy_low_rank = Theorem(
    id="greedy-low-rank", family="matrix", kind="limit", source="li2021greedy",
    claim="From a vanishing start, the flow on UUᵀ visits the greedy path, a critical point of each rank, to the last.",
    settings=_tiny_start, measure=off_the_path, bound=1e-2, figure=plateaus,
    run={"stop": Stop(time=END), "save": Save(every=1, fields=("loss", "w"))},
    hypotheses=(*TIED_FLOW, TINY), conditions=(SECOND_PHASE, SETTLED, APART), instances=2,
    control=Control("a start of ordinary size", 5e-2, {"init": (0.7 * np.eye(4),)}),
)  # fmt: skip
