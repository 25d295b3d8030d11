"""Sharpness-aware minimisation on u∘v."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, Hadamard
from ...optimizers import SAM, GradientDescent, Nesterov
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, NO_DECAY, SQUARE_LOSS, is_a
from ...selection.rules.diagonal import TWO_LAYERS
from ...selection.rules.diagonal_steps import sam_rule
from .. import figures
from ..base import Control, Evidence, Theorem
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


# -- one ascent for each sample ------------------------------------------------------------------------------

FORMS = ("descent", "full batch", "per sample")
SIZES = (0.02, 0.01)


def _three_forms(rng: Rng) -> dict[str, Setting]:
    """Orthogonal inputs; first |x| of 0.02 and of 0.01; ascents so short that only their first order is left."""
    n, d = 4, 10
    Q, _ = np.linalg.qr(rng.standard_normal((d, n)))
    X = (Q * np.exp(rng.uniform(-0.5, 0.5, n))).T * np.sqrt(d)
    problem = Regression(X, rng.choice([-1.0, 1.0], n) * np.exp(rng.uniform(-0.5, 0.5, n)))
    g = float(np.max(np.abs(problem.gradient(np.zeros(d)))))
    settings = {}
    for size in SIZES:
        step, rho = size / g, 1e-4 / g
        optimizers = (GradientDescent(step), SAM(step, rho), SAM(step, rho, per_sample=True))
        for form, optimizer in zip(FORMS, optimizers):
            settings[f"{form}, {size:g}"] = Setting(problem, Hadamard(), optimizer, Balanced(0.1))
    return settings


def gain_per_sample(runs: dict[str, Run]) -> Evidence:
    """Σ_j of what ascents take from ln c, per sample over full batch, over n, at both η and extrapolated to η = 0."""
    quotients = []
    for size in SIZES:
        shrink = [np.sum(runs[f"{form}, {size:g}"].accumulators["log_shrink"]) for form in FORMS]
        quotients.append((shrink[2] - shrink[0]) / (shrink[1] - shrink[0]))
    seen = (
        np.array([*quotients, 2 * quotients[1] - quotients[0]]) / next(iter(runs.values())).setting.problem.n
    )
    axes = ("first |x|", "gain per sample / (n × full batch)", "")
    return Evidence(seen[-1], 1.0, {"x": [*SIZES, 0.0], "seen": seen, "theory": np.ones(3), "axes": axes})


def _orthogonal(setting: Setting) -> bool:
    gram = setting.problem.X @ setting.problem.X.T
    off = gram - np.diag(np.diag(gram))
    return bool(np.max(np.abs(off)) <= 1e-10 * np.max(np.abs(gram)))


def _aligned(setting: Setting) -> Regression:
    """Inputs with a common part, of the sign of their targets."""
    X, y = setting.problem.X, setting.problem.y
    return Regression(X + np.sign(y)[:, None] * np.mean(np.sign(y)[:, None] * X, axis=0), y)


sam_per_sample = Theorem(
    id="sam-per-sample", family="diagonal", kind="rate", source="andriushchenko2022sam",
    claim="On n orthogonal inputs, short ascents of each sample shrink the scale n times as much as those of all.",
    settings=_three_forms, measure=gain_per_sample, run={"stop": Stop(loss=1e-24)}, bound=1e-3,
    hypotheses=(
        SQUARE_LOSS,
        TWO_LAYERS,
        Hypothesis("the inputs are orthogonal", _orthogonal),
        Hypothesis("each step is one of descent or of SAM", is_a(GradientDescent | SAM, "optimizer")),
        NO_DECAY,
        CONVERGED,
    ),
    control=Control("inputs with a common part, of the sign of their targets", 0.05, {"problem": _aligned}),
    conditions=(WELL_CURVED,), figure=figures.along,
)  # fmt: skip
