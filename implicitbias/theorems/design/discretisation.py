"""Designing an optimizer for a bias, and what is lost on the way from flows to steps."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...geometry import PNorm
from ...models import Linear, PowerPropagation
from ...optimizers import GradientDescent, MirrorDescent, PreconditionedGradientDescent
from ...problems import Regression
from ...selection import BregmanProjection, Hypothesis
from ...selection.rules.common import CONVERGED, NO_DECAY, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import inputs_with_spectrum

Rng = np.random.Generator

A = 1.5
"""The power: w = |φ|^{a−1}φ, P = a²|w|^{2−2/a}, R″ = 1/P."""


def jacobian_squared(w: np.ndarray) -> np.ndarray:
    """P(w) = w′(φ)²."""
    return A**2 * np.abs(w) ** (2 - 2 / A)


def jacobian_once(w: np.ndarray) -> np.ndarray:
    """w′(φ): the preconditioner with one factor missing."""
    return A * np.abs(w) ** (1 - 1 / A)


def _three_steps(rng: Rng) -> dict[str, Setting]:
    """The mirror, reparametrised and preconditioned step at η, η/2, η/4, from one positive start."""
    X, w0 = inputs_with_spectrum(rng, 5, 12, rng.uniform(0.5, 1, 5)), rng.uniform(0.5, 1.5, 12)
    problem = Regression(X, X @ (w0 * np.exp(0.4 * rng.standard_normal(12))))
    settings = {}
    for part in (1, 2, 4):
        eta = 0.1 / (A**2 * problem.smoothness) / part
        # PNorm(2/a) is a(2 − a) R, so its step is a(2 − a) η
        mirror = MirrorDescent(PNorm(2 / A), A * (2 - A) * eta)
        settings[f"0 η/{part}"] = Setting(problem, Linear(), mirror, w0)
        settings[f"1 η/{part}"] = Setting(problem, PowerPropagation(A), GradientDescent(eta), w0 ** (1 / A))
        settings[f"2 η/{part}"] = Setting(
            problem, Linear(), PreconditionedGradientDescent(jacobian_squared, eta), w0
        )
    return settings


def tilts(run: Run, eta: float) -> tuple[np.ndarray, np.ndarray]:
    """(N[R′(w∞) − R′(w₀)], d)/η with d = −(η/2) a(a − 1) N Σ η sgn(w)|w|^{1−2/a} g² along the run."""
    problem, w = run.setting.problem, run.history["w"]
    N = np.eye(w.shape[1]) - np.linalg.pinv(problem.X) @ problem.X
    sums = np.sum(eta * np.sign(w) * np.abs(w) ** (1 - 2 / A) * problem.gradient(w) ** 2, axis=0)
    dual = PNorm(2 / A).gradient(w[[0, -1]]) / (A * (2 - A))
    return N @ (dual[1] - dual[0]) / eta, -A * (A - 1) / 2 * N @ sums


def zero_one_two(runs: dict[str, Run]) -> Evidence:
    """m and ‖tilt − m d‖/‖d‖ of each form, extrapolated to η = 0 (Richardson, orders one and two)."""
    eta = next(r.setting.optimizer.step for label, r in runs.items() if label == "1 η/1")
    raw, m, off = [], [], []
    for form in (0, 1, 2):
        one, two, four = (np.array(tilts(runs[f"{form} η/{k}"], eta / k)) for k in (1, 2, 4))
        tilt, d = (8 * four - 6 * two + one) / 3
        m.append(tilt @ d / (d @ d))
        off.append(np.linalg.norm(tilt - m[-1] * d) / np.linalg.norm(d))
        raw.append([t @ e / (e @ e) for t, e in (one, two, four)])
    return Evidence([*m, *off], [0.0, 1.0, 2.0, 0.0, 0.0, 0.0], {"raw": raw, "eta": eta})


def _metric(setting: Setting) -> np.ndarray:
    """dw/dt = −metric · g of the flow behind a step, at its start."""
    optimizer, model = setting.optimizer, setting.model
    if isinstance(optimizer, MirrorDescent):
        return A * (2 - A) / optimizer.potential.hessian(setting.w0)
    if isinstance(model, PowerPropagation):
        return model.pullback(setting.theta0, np.ones_like(setting.w0)) ** 2
    return optimizer.P(setting.w0)


def _one_factor(setting: Setting) -> object:
    """One Jacobian in place of two where a preconditioner stands; the other two forms stay."""
    optimizer = setting.optimizer
    if isinstance(optimizer, PreconditionedGradientDescent):
        return PreconditionedGradientDescent(jacobian_once, optimizer.step)
    return optimizer


ONE_FLOW = Hypothesis(
    "all three steps discretise one flow: P = w′² and R″ = 1/P",
    lambda s: np.allclose(_metric(s), jacobian_squared(s.w0), rtol=1e-12),
)
AWAY_FROM_ZERO = Hypothesis(
    "the flow's limit is at least 0.05 in every coordinate",
    lambda s: (
        np.min(
            BregmanProjection(PNorm(2 / A), PNorm(2 / A).gradient(s.w0), s.problem.X, s.problem.y).solution
        )
        >= 0.05
    ),
)
NO_CROSSING = Hypothesis(
    "no coordinate changes sign along the run", lambda r: np.min(r.history["w"]) > 0, of="run"
)

zero_one_two_law = Theorem(
    id="zero-one-two-law", family="design", kind="rate", source="pascanu2025optimizers",
    claim="Mirror, reparametrised and preconditioned steps of one flow carry biases in the ratio 0 : 1 : 2.",
    settings=_three_steps, measure=zero_one_two, bound=1e-3, instances=2, figure=figures.zero_one_two,
    run={"stop": Stop(loss=1e-24), "save": Save(every=1, fields=("w",))},
    hypotheses=(SQUARE_LOSS, ONE_FLOW, NO_DECAY, NO_CROSSING, CONVERGED), conditions=(AWAY_FROM_ZERO,),
    control=Control("one Jacobian factor in the preconditioner: another flow", 0.1, {"optimizer": _one_factor}),
)  # fmt: skip
