"""Two-layer diagonal networks on separable data: the ℓ1 margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Balanced, Diagonal
from ...optimizers import GradientFlow, PreconditionedFlow
from ...selection import Hypothesis, MaxMargin, max_margin
from ...selection.rules.sparse_margins import sparse_margin_rule
from ..base import Control, Evidence, Sample, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification

SLOW = 0.01
"""The rate of some entries in the control."""
MARGIN = 1e6
"""Where the runs end."""


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


def _support(setting: Setting) -> np.ndarray:
    """Where the ℓ1 solution is not zero (d,)."""
    return np.asarray(max_margin(setting.problem, 1).w != 0)


def slow_support(setting: Setting) -> PreconditionedFlow:
    """A flow in which the entries of the ℓ1 solution move at the rate SLOW."""
    return PreconditionedFlow(np.tile(np.where(_support(setting), SLOW, 1.0), 2))


def control_quotient(setting: Setting) -> float:
    """What the quotient comes to without the entries of the ℓ1 solution, at the least Λ that goes with the margin."""
    Z, c = setting.problem.Z, 2 * setting.init.scale**2
    n, d = Z.shape
    best = max_margin(setting.problem, 1).margin
    share = 1 / float(np.sum(np.abs(MaxMargin(Z[:, ~_support(setting)], 1).solution))) / best
    reach = np.arcsinh(MARGIN / (best * d * c))
    return float((1 - share) * reach / slack(d, n, c, best, reach))


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
SUPPORT_COUNTS = Hypothesis(
    "without the entries of the ℓ1 solution the quotient comes to 1.3 at least",
    lambda s: control_quotient(s) >= 1.3,
)

sparse_margin_flow = Theorem(
    id="sparse-margin-flow", family="classification", kind="bound", source="gunasekar2018convolutional",
    claim="On u² − v² the gradient flow closes the ℓ1 margin gap at an explicit rate, one over log log t.",
    settings=_diagonal, measure=l1_margin_gap, bound=1.0, figure=_figure, instances=2,
    hypotheses=(*sparse_margin_rule.hypotheses, EVEN, EXPONENTIAL), conditions=(SUPPORT_COUNTS,),
    run={"stop": Stop(margin=MARGIN), "save": Save(every=10, fields=("w", "log_loss")), "rtol": 1e-8},
    control=Control("entries of the ℓ1 solution at a hundredth of the rate", 1.1, {"optimizer": slow_support}),
)  # fmt: skip
