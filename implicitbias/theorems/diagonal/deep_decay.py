"""Weight decay that is kept on products and powers of order three."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Diagonal, Hadamard, PowerPropagation
from ...optimizers import GradientFlow
from ...selection import Hypothesis
from ...selection.penalized import PowerPenalty
from ...selection.rules.common import GRADIENT_FLOW, SQUARE_LOSS, STATIONARY
from ...selection.rules.weight_decay import KEPT_DECAY
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

PER_DECAY: dict[type, float] = {Hadamard: 1.5, Diagonal: 0.5, PowerPropagation: 0.5}
"""The coefficient of Σ|w|^{2/3} per unit of λ: D/2 for a product of D = 3 factors, ½ for single powers."""


def _from_least_squares(rng: Rng) -> dict[str, Setting]:
    """Starts whose w₀ is X⁺y, and decays whose penalty is 0.05 max|Xᵀy|/n · Σ|w|^{2/3}."""
    problem, d = gaussian_regression(rng, 5, 9), 9
    w0, mu = problem.least_squares, 0.05 * float(np.max(np.abs(problem.gradient(np.zeros(d)))))
    a = np.exp(rng.uniform(-0.3, 0.3, (2, d)))
    root, rest = np.cbrt(w0), 0.05
    starts = {
        "u∘v∘s": (Hadamard(3), np.stack([a[0] * root, a[1] * np.abs(root), np.abs(root) / (a[0] * a[1])])),
        "u³ − v³": (Diagonal(3), np.cbrt(np.stack([np.maximum(w0, 0), np.maximum(-w0, 0)]) + rest)),
        "φ|φ|²": (PowerPropagation(3.0), root),
    }
    return {
        label: Setting(problem, model, GradientFlow(weight_decay=mu / PER_DECAY[type(model)]), start)
        for label, (model, start) in starts.items()
    }


def off_stationary(runs: dict[str, Run]) -> Evidence:
    """The stationarity of w_T for the penalty Σ|w|^{2/3}, the worst of the runs; NaN where w_T vanishes."""
    worst: list[float] = []
    detail: dict[str, object] = {}
    for run in runs.values():
        s = run.setting
        lam = PER_DECAY[type(s.model)] * s.optimizer.weight_decay
        program = PowerPenalty(s.problem.X, s.problem.y, lam, 2 / 3)
        on = np.abs(run.w) > 1e-6
        worst.append(program.certify(run.w).stationarity if np.any(on) else np.nan)
        slope = np.where(on, lam * 2 / 3 * np.sign(run.w) / np.cbrt(np.abs(run.w) + ~on), np.nan)
        seen = np.where(on, -s.problem.gradient(run.w), np.nan)
        detail = detail or {"seen": seen, "theory": slope, "ylabel": "−∂L/∂w on the support"}
    return Evidence(np.array(worst), np.zeros(len(worst)), detail)


def _two(setting: Setting) -> Hadamard | Diagonal | PowerPropagation:
    """The same with two factors, or squares."""
    model: Hadamard | Diagonal | PowerPropagation = type(setting.model)(2)
    return model


def _two_factors(setting: Setting) -> np.ndarray:
    return setting.init[:2] if isinstance(setting.model, Hadamard) else setting.init


def _starts_below(setting: Setting) -> bool:
    """L + (λ/2)‖θ‖² is less at the start than L at w = 0, so that it cannot end there."""
    decay, problem = setting.optimizer.weight_decay, setting.problem
    start = problem.loss(setting.w0) + decay / 2 * float(setting.start @ setting.start)
    return bool(start < 0.9 * problem.loss(np.zeros_like(setting.w0)))


STARTS_BELOW = Hypothesis("L + (λ/2)‖θ‖² at the start is at most nine tenths of L at w = 0", _starts_below)

deep_decay = Theorem(
    id="deep-decay-is-a-power", family="diagonal", kind="exact", source="hoff2017lasso",
    claim="Weight decay on three factors, or on third powers, ends stationary for the penalty Σ|w|^{2/3}.",
    settings=_from_least_squares, measure=off_stationary, run={"stop": Stop(gradient=1e-11), "rtol": 1e-7}, bound=1e-7,
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis(
            "the model is a product of three factors, a difference of third powers, or a third power",
            lambda s: s.model in (Hadamard(3), Diagonal(3), PowerPropagation(3.0)),
        ),
        GRADIENT_FLOW,
        KEPT_DECAY,
        STATIONARY,
    ),
    control=Control("two factors, or squares: the penalty is ℓ1", 1e-3, {"model": _two, "init": _two_factors}),
    conditions=(WELL_CONDITIONED, STARTS_BELOW), figure=figures.entries,
)  # fmt: skip
