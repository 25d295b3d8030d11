"""Sign descent on u∘v: the ℓ∞ margin of the product."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Balanced, Hadamard
from ...optimizers import Decay, NormalizedGradientDescent, SignDescent
from ...selection import Hypothesis, max_margin
from ...selection.rules.sparse_margins import product_sign_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from .margins import Rng, gaussian_classification

STEPS = Decay(0.1, 0.55)
EARLY, LATE = 300, 300_000


def _signs(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 8, 16), Hadamard(), SignDescent(STEPS), Balanced(0.1))


def product_gap(run: Run) -> Evidence:
    """(g/g′)√(A/A′), g the relative ℓ∞ margin gap after LATE steps, g′ after EARLY ones, A = Σ η."""
    Z, w, k = run.setting.problem.Z, run.history["w"], run.history["steps"].astype(int)
    total = np.cumsum(run.setting.optimizer.step.sizes(0, LATE))[k - 1]
    ratio = (
        np.min(w @ Z.T, axis=1) / np.max(np.abs(w), axis=1) / max_margin(run.setting.problem, np.inf).margin
    )
    gap, early = 1 - ratio, int(np.searchsorted(k, EARLY))
    x, seen = total[early:], gap[early:]
    detail = {
        "x": x,
        "seen": seen,
        "theory": seen[0] * np.sqrt(x[0] / x),
        "axes": ("Σ η", "relative ℓ∞ gap", "xy"),
    }
    return Evidence(float(seen[-1] / detail["theory"][-1]), 0.0, detail)


def _l1_share(setting: Setting) -> float:
    """The ℓ∞ margin of the ℓ1 solution, which the control selects, as a fraction of the largest."""
    w = max_margin(setting.problem, 1).w
    return float(1 / np.max(np.abs(w)) / max_margin(setting.problem, np.inf).margin)


L1_DIFFERS = Hypothesis(
    "the ℓ1 solution has at most 45 % of the largest ℓ∞ margin", lambda s: _l1_share(s) <= 0.45
)

product_sign_margin = Theorem(
    id="product-sign-margin", family="classification", kind="bound", source="tsilivis2024flavors",
    claim="Sign descent on the factors of u∘v tends to the ℓ∞ margin of the product, faster than 1/√Ση.",
    settings=_signs, measure=product_gap, bound=1.0, hypotheses=product_sign_rule.hypotheses, instances=2,
    run={"stop": Stop(steps=LATE), "save": Save(log=8, fields=("w",))}, conditions=(L1_DIFFERS,), figure=figures.along,
    control=Control("normalised gradient descent: the ℓ1 margin", 1.2, {"optimizer": NormalizedGradientDescent(STEPS)}),
)  # fmt: skip
