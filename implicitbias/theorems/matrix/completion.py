"""Completion of a 2×2 matrix from three entries: norms diverge, the rank does not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...geometry import effective_rank
from ...models import DeepLinear, MatrixFactorization
from ...optimizers import GradientFlow
from ...problems import MatrixCompletion
from ...selection.rules.completion import COMPLETION_FLOW, POSITIVE_DETERMINANT
from ...selection.rules.networks import UNIT_FLOW
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng

LONG = {"stop": Stop(time=1e5), "save": Save(log=4, fields=("loss", "w")), "rtol": 1e-8}
TIED, DEEP = "UUᵀ", "W₃W₂W₁"


def _two_models(rng: Rng, least: float = 0.05, most: float = 0.5) -> dict[str, Setting]:
    problem = MatrixCompletion([[np.nan, 1], [1, 0]], [[False, True], [True, True]])
    layer = rng.uniform(least, most) * np.eye(2)
    return {
        TIED: Setting(problem, MatrixFactorization(2, tied=True), GradientFlow(), (layer,)),
        DEEP: Setting(problem, DeepLinear((2, 2, 2, 2)), GradientFlow(), (layer, layer, layer)),
    }


def _untied(setting: Setting) -> Any:
    return setting.model if isinstance(setting.model, DeepLinear) else MatrixFactorization(2)


def _reflected(setting: Setting) -> tuple[np.ndarray, ...]:
    first, *others = setting.theta0
    return (first * np.array([1, -1]), *(others or (first,)))


NEGATIVE_DETERMINANT = {"model": _untied, "init": _reflected}
HYPOTHESES = (*COMPLETION_FLOW, POSITIVE_DETERMINANT)


def _below(run: Run, loss: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(t, r = √(2l), W) at the saved times with l < ``loss``."""
    kept = run.history["loss"] < loss
    return run.history["time"][kept], np.sqrt(2 * run.history["loss"][kept]), run.history["w"][kept]


# -- norms -----------------------------------------------------------------------------------------


def divergence_bound(runs: dict[str, Run]) -> Evidence:
    """(1 − r)²/r over |w₁₁|, r = √(2l) < 1, the largest of both runs."""
    worst: list[float] = []
    detail: dict[str, Any] = {}
    for run in runs.values():
        t, r, W = _below(run, 0.5)
        w11 = np.abs(W[:, 0, 0])
        with np.errstate(divide="ignore"):
            least = (1 - r) ** 2 / r
        worst.append(np.max(least / w11) if t.size else np.nan)
        detail = detail or {"time": t, "w11": w11, "bound": least}
    return Evidence(np.array(worst), detail=detail)


norms_diverge_completion = Theorem(
    id="norms-diverge-completion", family="matrix", kind="bound", source="razin2020norms",
    claim="Fitting three entries of a 2×2 matrix from a positive determinant sends every norm to infinity.",
    settings=_two_models, measure=divergence_bound, bound=1.0, figure=figures.divergence, run=LONG,
    hypotheses=HYPOTHESES, instances=2,
    control=Control("a start of negative determinant: w₁₁ stays bounded", 10.0, NEGATIVE_DETERMINANT),
)  # fmt: skip


# -- how fast --------------------------------------------------------------------------------------


def divergence_law(setting: Setting) -> tuple[float, float]:
    """(p, c) with |w₁₁|^p ~ ct: p = 2 + 2/N and c = 2N + 2; W = UUᵀ is two layers at twice the speed."""
    model = setting.model
    N = model.depth if isinstance(model, DeepLinear) else 2
    return 2 + 2 / N, (2 * N + 2) * (2 if N == 2 and model == MatrixFactorization(2, tied=True) else 1)


def divergence_rate(runs: dict[str, Run]) -> Evidence:
    """|w₁₁|√(2l) at the end, and Δ|w₁₁|^p/(cΔt) over the last third of a decade, of both runs."""
    seen, curves, laws = [], [], []
    for run in runs.values():
        p, c = divergence_law(run.setting)
        t, w11, loss = run.history["time"], np.abs(run.history["w"][:, 0, 0]), run.history["loss"]
        seen += [w11[-1] * np.sqrt(2 * loss[-1]), (w11[-1] ** p - w11[-2] ** p) / (c * (t[-1] - t[-2]))]
        curves.append(w11)
        laws.append((c * t) ** (1 / p))
    detail = {
        "x": t, "seen": np.array(curves).T, "theory": np.array(laws).T, "axes": ("time", "|w₁₁|", "xy"),
    }  # fmt: skip
    return Evidence(np.array(seen), np.ones(len(seen)), detail)


norms_diverge_rate = Theorem(
    id="norms-diverge-rate", family="matrix", kind="limit", source="razin2020norms",
    claim="There |w₁₁|√(2l) tends to 1, and N layers reach |w₁₁| ~ ((2N + 2)t)^{N/(2N + 2)}.",
    settings=_two_models, measure=divergence_rate, bound=1e-3, figure=figures.along,
    run={"stop": Stop(time=1e6), "save": Save(at=np.logspace(0, 6, 19), fields=("loss", "w")), "rtol": 1e-8},
    hypotheses=(*HYPOTHESES, UNIT_FLOW), instances=2,
    control=Control("a start of negative determinant: w₁₁ stays bounded", 0.5, NEGATIVE_DETERMINANT),
)  # fmt: skip


# -- the rank --------------------------------------------------------------------------------------


def _large_starts(rng: Rng) -> dict[str, Setting]:
    """Where the loss falls before det W does, σ₂ comes near its bound."""
    return _two_models(rng, 1.0, 2.5)


def largest_rank(r: np.ndarray) -> np.ndarray:
    """exp H(p), p = r²/((1 − r)² + r²), H(p) = −p ln p − (1 − p) ln(1 − p), r < ½."""
    p = r**2 / ((1 - r) ** 2 + r**2)
    return np.asarray(np.exp(-p * np.log(np.where(p > 0, p, 1.0)) - (1 - p) * np.log1p(-p)))


def rank_bounds(runs: dict[str, Run]) -> Evidence:
    """σ₂(W)/r, and (effective rank − 1)/(exp H(p) − 1), at r = √(2l) < ½: the largest of both runs."""
    worst: list[float] = []
    detail: dict[str, Any] = {}
    for run in runs.values():
        t, r, W = _below(run, 0.125)
        ranks, most = effective_rank(W), largest_rank(r)
        with np.errstate(divide="ignore"):
            quotients = [np.linalg.svd(W, compute_uv=False)[:, 1] / r, (ranks - 1) / (most - 1)]
        worst.append(np.max(quotients) if t.size else np.nan)
        detail = {"x": t, "seen": ranks - 1, "bound": most - 1}
    return Evidence(np.array(worst), detail=detail)


def rank_along(claim: Sample, control: Sample, ax: Any) -> Any:
    """Effective rank − 1 of three layers, below its bound, and the control's, which stays."""
    detail, other = claim.evidence.detail, control.evidence.detail
    artists = plotting.bound(
        detail["x"], detail["seen"], detail["bound"], ax, xlabel="time", ylabel="effective rank − 1"
    )
    artists += ax.loglog(other["x"], other["seen"], color=plotting.CONTROL, lw=0.8, label="control")
    plotting.legend(ax)
    return artists


norms_diverge_rank = Theorem(
    id="norms-diverge-rank", family="matrix", kind="bound", source="razin2020norms",
    claim="While its norms diverge, W comes within √(2l) of rank one, and its effective rank tends to one.",
    settings=_large_starts, measure=rank_bounds, bound=1.0, figure=rank_along, run=LONG, hypotheses=HYPOTHESES,
    instances=2,
    control=Control("a start of negative determinant: both singular values stay", 10.0, NEGATIVE_DETERMINANT),
)  # fmt: skip
