"""Two-layer diagonal networks on separable data: the ℓ1 margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Balanced, Diagonal
from ...optimizers import GradientFlow
from ...selection import Hypothesis, SignedMargin, max_margin
from ...selection.rules.sparse_margins import sparse_margin_rule
from ..base import Control, Evidence, Sample, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification

SLOW = 0.1
"""The rate of v in the control."""


def _diagonal(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 5, 10), Diagonal(2), GradientFlow(), Balanced(1.0))


def slack(d: int, n: int, c: float, gamma: float, reach: np.ndarray) -> np.ndarray:
    """Λ − ln((d − 1 + cosh Λ)/d) + (ln n/γ₁c) ∫₀^∞ dx/(d − 1 + cosh x)."""
    integral = 2 / np.sqrt((d - 1) ** 2 - 1) * np.arctanh(np.sqrt((d - 2) / d))
    rest: np.ndarray = reach - np.log((d - 1 + np.cosh(reach)) / d) + np.log(n) * integral / (gamma * c)
    return rest


def l1_margin_gap(run: Run) -> Evidence:
    """(1 − γ(w)/γ₁)Λ over its bound, the largest along the run since n L < 1; Λ = arcsinh(‖w‖∞/c)."""
    Z, w = run.setting.problem.Z, run.history["w"][run.history["log_loss"] < -np.log(run.setting.problem.n)]
    c, best = 2 * run.setting.init.scale**2, max_margin(run.setting.problem, 1).margin
    reach = np.arcsinh(np.max(np.abs(w), axis=1) / c)
    lhs = (1 - np.min(w @ Z.T, axis=1) / np.sum(np.abs(w), axis=1) / best) * reach
    rhs = slack(Z.shape[1], Z.shape[0], c, best, reach)
    return Evidence(np.max(lhs / rhs), 0.0, {"reach": reach, "lhs": lhs, "rhs": rhs})


def _slow_share(setting: Setting) -> float:
    """γ(w)/γ₁ of min ‖w₊‖₁ + ‖w₋‖₁/SLOW subject to Zw ≥ 1, which the control selects."""
    Z = setting.problem.Z
    plus, minus = np.split(SignedMargin(np.hstack([Z, -SLOW * Z]), np.ones(2 * Z.shape[1])).solution, 2)
    w = plus - SLOW * minus
    return float(np.min(Z @ w) / np.sum(np.abs(w)) / max_margin(setting.problem, 1).margin)


def _figure(claim: Sample, control: Sample, ax: Any) -> Any:
    """The scaled ℓ1 margin gap and its bound over Λ."""
    detail, other = claim.evidence.detail, control.evidence.detail
    artists = plotting.curve(
        other["reach"], other["lhs"], ax, color=plotting.CONTROL, lw=0.8, label="control"
    )
    return artists + plotting.bound(
        detail["reach"], detail["lhs"], detail["rhs"], ax, log="y",
        xlabel="Λ = arcsinh(‖w‖∞/c)", ylabel="relative ℓ1 margin gap × Λ",
    )  # fmt: skip


EVEN = Hypothesis(
    "the start is u = v, the same in all entries of a Diagonal(2)",
    lambda s: s.model == Diagonal(2) and np.ptp(s.theta0) == 0,
)
SIGNS_COUNT = Hypothesis(
    "the direction that the control selects has at most 45 % of the largest ℓ1 margin",
    lambda s: _slow_share(s) <= 0.45,
)

sparse_margin_flow = Theorem(
    id="sparse-margin-flow", family="classification", kind="bound", source="gunasekar2018convolutional",
    claim="On u² − v² the gradient flow closes the ℓ1 margin gap at an explicit rate, one over log log t.",
    settings=_diagonal, measure=l1_margin_gap, bound=1.0, figure=_figure,
    hypotheses=(*sparse_margin_rule.hypotheses, EVEN, EXPONENTIAL), conditions=(SIGNS_COUNT,),
    run={"stop": Stop(margin=1e6), "save": Save(every=10, fields=("w", "log_loss")), "rtol": 1e-8},
    control=Control("v moves at a tenth of the rate", 1.1, {"optimizer": GradientFlow(rates=(1.0, SLOW))}),
)  # fmt: skip
