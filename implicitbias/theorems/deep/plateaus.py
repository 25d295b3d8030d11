"""How near a two-layer network comes to the saddles on its way: a power of the scale of the start."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...optimizers import GradientFlow
from ...selection import Hypothesis
from ...selection.riccati import RiccatiSolution
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import TWO_LAYERS, UNIT_FLOW, WHITENED
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng
from .sequential import SEPARATED, SMALL_LAYERS, partial_sums, small_random

ENDS = {1e-6: 12.0, 1e-9: 18.0}
"""Scales α, and times after the last plateau: its middle is at 2 ln(1/α)/(s_{r−1} + s_r) ≤ 10.3 and 15.4."""


def _two_scales(rng: Rng) -> dict[str, Setting]:
    return {f"{a:g}": setting for a, setting in zip(ENDS, small_random(rng, (3, 5, 4), *ENDS))}


def tents(s: np.ndarray, tau: np.ndarray) -> np.ndarray:
    """e_k(τ) with ‖W − T_k‖ = α^{e_k} at t = τ ln(1/α): (m, r − 1)."""
    sk, after, tau = s[:-1], s[1:], tau[:, None]
    return np.maximum(
        np.minimum(np.minimum(2 * (sk * tau - 1), (sk - after) * tau), 2 * (1 - after * tau)), 0.0
    )


def depths(runs: dict[str, Run]) -> Evidence:
    """The slopes of ln min_t ‖W − T_k‖ over ln α, k = 1, …, r − 1."""
    T = next(iter(runs.values())).setting.problem.target
    s, alphas = np.linalg.svd(T, compute_uv=False), np.array(list(ENDS))
    distances = [
        np.array([np.linalg.norm(run.history["w"] - Tk, axis=(1, 2)) for Tk in partial_sums(T)[1:-1]])
        for run in runs.values()
    ]
    low = np.log([np.min(d, axis=1) for d in distances])
    L = -np.log(alphas[1])
    tau = list(runs.values())[1].history["time"] / L
    detail = {
        "x": tau, "seen": -np.log(distances[1].T) / L, "theory": tents(s, tau),
        "axes": ("time / ln(1/α)", "log_α ‖W − T_k‖", ""),
    }  # fmt: skip
    return Evidence(
        (low[0] - low[1]) / np.log(alphas[0] / alphas[1]), 2 * (s[:-1] - s[1:]) / (s[:-1] + s[1:]), detail
    )


REACHED = Hypothesis(
    "the start has a part of at least 0.3 of its scale along every mode",
    lambda s: RiccatiSolution(s.theta0, s.problem.target).smallest_pivot() >= 0.3 * np.std(s.start),
)

plateau_depths = Theorem(
    id="plateau-depths", family="deep", kind="rate", source="jacot2021saddle",
    claim="From scale α two layers come as near to saddle k as α^e, e = 2(s_k − s_{k+1})/(s_k + s_{k+1}).",
    settings=_two_scales, measure=depths, bound=5e-2, figure=figures.along,
    run={
        f"{a:g}": {"stop": Stop(time=T), "save": Save(every=1, fields=("w",)), "rtol": 1e-10, "atol": 1e-17}
        for a, T in ENDS.items()
    },
    hypotheses=(WHITENED, TWO_LAYERS, UNIT_FLOW, NO_DECAY, SEPARATED, SMALL_LAYERS), conditions=(REACHED,),
    control=Control("weight decay moves the saddles", 0.2, {"optimizer": GradientFlow(weight_decay=0.05)}),
)  # fmt: skip
