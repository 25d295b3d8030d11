"""Two-layer diagonal networks from a large start: the path that the loss draws, from the ℓ2 to the ℓ1 margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Balanced, Diagonal
from ...optimizers import GradientFlow
from ...selection import Hypothesis, max_margin
from ...selection.rules.loss_levels import MULTIPLIERS_GROW, at_level, loss_level_rule, multipliers_grow
from ..base import Control, Evidence, Sample, Theorem
from .margins import Rng, gaussian_classification
from .sparse import EVEN, slow_support

ALPHA = 20.0
LAST = 50.0
"""μ = ℓ/α² at the end of the run."""


def _large(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 5, 10), Diagonal(2), GradientFlow(), Balanced(ALPHA))


def path_gap(run: Run) -> Evidence:
    """‖θ − θ*‖² over ½ ln n (Λ/γ₁) e^R, the largest since nL < 1; θ* is that of the projection onto margins ≥ ℓ."""
    setting, alpha, n = run.setting, run.setting.init.scale, run.setting.problem.n
    level = -run.history["log_loss"] - np.log(n)
    w, level, c = run.history["w"][level > 0], level[level > 0], 2 * alpha**2
    path = np.array([at_level(setting, b).solution for b in level])
    xi, xi_path = np.arcsinh(w / c), np.arcsinh(path / c)
    sigma, delta = (xi + xi_path) / 2, xi - xi_path
    lhs = 4 * alpha**2 * np.sum(np.cosh(sigma) * (np.cosh(delta / 2) - 1), axis=1)
    growth = np.diff(np.log(np.cosh(sigma)), axis=0, prepend=0.0)
    R = np.cumsum(np.max(np.maximum(growth, 0.0), axis=1))
    gamma = max_margin(setting.problem, 1).margin
    rhs = 0.5 * np.log(n) * np.max(np.abs(xi), axis=1) / gamma * np.exp(R)
    off = np.linalg.norm(w - path, axis=1) / np.linalg.norm(path, axis=1)
    return Evidence(np.max(lhs / rhs), 0.0, {"mu": level / alpha**2, "lhs": lhs, "rhs": rhs, "off": off})


def _figure(claim: Sample, control: Sample, ax: Any) -> Any:
    """The squared distance of θ from the path and its bound, over μ."""
    detail, other = claim.evidence.detail, control.evidence.detail
    artists = plotting.curve(other["mu"], other["lhs"], ax, color=plotting.CONTROL, lw=0.8, label="control")
    return artists + plotting.bound(
        detail["mu"], detail["lhs"], detail["rhs"], ax, log="xy", xlabel="μ = ℓ/α²", ylabel="‖θ − θ*‖²"
    )


GROWING = Hypothesis(
    "no multiplier of the projection decreases on the way to the last level",
    lambda s: multipliers_grow(s, LAST * s.init.scale**2),
)

hypentropy_margin_path = Theorem(
    id="hypentropy-margin-path", family="classification", kind="bound", source="moroshko2020implicit",
    claim="From a large start u² − v² follows, loss by loss, the hypentropy projections onto margins log 1/(nL).",
    settings=_large, measure=path_gap, bound=1.0, figure=_figure,
    hypotheses=(*(h for h in loss_level_rule.hypotheses if h is not MULTIPLIERS_GROW), EVEN), conditions=(GROWING,),
    run={"stop": Stop(log_loss=-LAST * ALPHA**2), "save": Save(every=25, fields=("w", "log_loss")), "rtol": 1e-7},
    control=Control("entries of the ℓ1 solution at a hundredth of the rate", 10.0, {"optimizer": slow_support}),
)  # fmt: skip
