"""Sharpness-aware minimisation on u∘v."""

from __future__ import annotations

import numpy as np

from ...dynamics import Setting, Stop
from ...models import Balanced, Hadamard
from ...optimizers import SAM, Nesterov
from ...selection import Hypothesis
from ...selection.rules.diagonal_steps import sam_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression
from .curvature import WELL_CURVED, sharpness


def _stable(setting: Setting) -> bool:
    """A step from the limit plus δ is to δ − ηH(1 + ρH)δ there."""
    lam, o = sharpness(setting), setting.optimizer
    return o.step * lam * (1 + o.rho * lam) <= 1


STABLE = Hypothesis("η λ (1 + ρ λ) ≤ 1, λ the sharpness at the gradient flow's limit", _stable)


def _two_ascents(rng: Rng) -> dict[str, Setting]:
    """Steps whose first |x| is 0.2, and ascents whose first ρ|g| is 0.3 (the worst sample's, for its own)."""
    problem = gaussian_regression(rng, 5, 15)
    full = float(np.max(np.abs(problem.gradient(np.zeros(15)))))
    one = float(np.max(np.abs(problem.y[:, None] * problem.X)))
    forms = {
        "full batch": SAM(0.2 / full, 0.3 / full),
        "per sample": SAM(0.2 / full, 0.3 / one, per_sample=True),
    }
    return {label: Setting(problem, Hadamard(), sam, Balanced(0.1)) for label, sam in forms.items()}


def _look_ahead(setting: Setting) -> Nesterov:
    """A gradient at another point than θ too, but one that memory gives."""
    return Nesterov(setting.optimizer.step / 5, 0.8)


sam_entropy = Theorem(
    id="sam-entropy", family="diagonal", kind="exact", source="andriushchenko2022sam",
    claim="At any step size, SAM on u∘v selects by the hyperbolic entropy that its own steps accumulate.",
    settings=_two_ascents, rule=sam_rule, run={"stop": Stop(loss=1e-28)}, bound=1e-10,
    control=Control("Nesterov: its gradient is elsewhere too, but by memory", 1e-4, {"optimizer": _look_ahead}),
    conditions=(WELL_CONDITIONED, WELL_CURVED, STABLE), figure=figures.coordinates,
)  # fmt: skip
