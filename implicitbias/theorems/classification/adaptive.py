"""Signum, Adam and RMSProp on separable data."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import Adam, Decay, RMSProp, SignDescent, SteepestDescent
from ...problems import Classification
from ...selection import Hypothesis, max_margin
from ...selection.rules.adaptive_margins import (
    eps_curve,
    eps_margin_rule,
    sign_margin_rule,
    total_eps,
)
from ...selection.rules.common import FROM_ZERO
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng
from .margins import EXPONENTIAL, gaussian_classification, share_of_l2

# -- Signum, and Adam with one β: an explicit bound --------------------------------------------------

BETA, BOUND_STEPS = 0.8, 100_000
SMALL = Decay(0.01, 0.5)


def _one_memory(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_classification(rng, 4, 16)
    optimizers = {"Signum": SignDescent(SMALL, BETA), "Adam": Adam(SMALL, BETA, BETA, eps=0.0)}
    return {name: Setting(problem, Linear(), o) for name, o in optimizers.items()}


def memory_lags(eta: np.ndarray, B: float, beta: float) -> tuple[np.ndarray, np.ndarray]:
    """E_k = Σ_i a_i x_i and F_k = √(Σ_i a_i x_i²), x_i = exp(B Σ_{j=k−i}^{k−1} η_j) − 1, a_i ∝ βⁱ, Σ_{i≤k} a_i = 1."""
    t = np.concatenate([[0.0], np.cumsum(eta)])
    mass, E, F = np.zeros((3, eta.size))
    for i in range(int(np.ceil(np.log(1e-6) / np.log(beta)))):  # what is left out would only raise the bound
        x = np.expm1(B * (t[i : eta.size] - t[: eta.size - i]))
        mass[i:] += beta**i
        E[i:] += beta**i * x
        F[i:] += beta**i * x * x
    return E / mass, np.sqrt(F / mass)


def bound_with_memory(Z: np.ndarray, eta: np.ndarray, adam: bool) -> np.ndarray:
    """ln n + Σ_{j<k} [½B²η_j² + Bη_j(2E_j + F_j)] for k = 1, 2, …; without F_j for Signum."""
    B = float(np.max(np.sum(np.abs(Z), axis=1)))
    E, F = memory_lags(eta, B, BETA)
    each = 0.5 * (B * eta) ** 2 + B * eta * (2 * E + (F if adam else 0.0))
    bound: np.ndarray = np.log(len(Z)) + np.cumsum(each)
    return bound


def gap_with_memory(runs: dict[str, Run]) -> Evidence:
    """(γ∞ − margin∞(w_k)) Σ η_j over its bound, the largest along both runs."""
    worst, detail = [], {}
    for label, run in runs.items():
        Z, k, w = run.setting.problem.Z, run.history["steps"].astype(int), run.history["w"]
        eta = SMALL.sizes(0, k[-1])
        margin = np.maximum(np.min(w @ Z.T, axis=1), 0) / np.max(np.abs(w), axis=1)
        lhs = (max_margin(run.setting.problem, np.inf).margin - margin) * np.cumsum(eta)[k - 1]
        rhs = bound_with_memory(Z, eta, adam=label == "Adam")[k - 1]
        worst.append(np.max(lhs / rhs))
        detail = {"k": k, "lhs": lhs, "rhs": rhs}
    return Evidence(np.array(worst), detail=detail)


def _told_apart(setting: Setting) -> bool:
    """Whether the ℓ2 solution's margin gap alone is 1.6 of Adam's bound at the end."""
    eta = SMALL.sizes(0, BOUND_STEPS)
    gap = (1 - share_of_l2(setting)) * max_margin(setting.problem, np.inf).margin
    return bool(gap * np.sum(eta) >= 1.6 * bound_with_memory(setting.problem.Z, eta, True)[-1])


ONE_BETA = Hypothesis(
    "the optimizer is Signum, or Adam with β₁ = β₂",
    lambda s: (
        isinstance(s.optimizer, SignDescent)
        or (isinstance(s.optimizer, Adam) and s.optimizer.beta1 == s.optimizer.beta2)
    ),
)
TOLD_APART = Hypothesis("the gap of the ℓ2 solution is at least 1.6 of the bound at the end", _told_apart)

signum_margin = Theorem(
    id="signum-margin", family="classification", kind="bound", source="zhang2024adam",
    claim="Signum, and Adam with β₁ = β₂, close the ℓ∞ margin gap at an explicit rate that pays for their memory.",
    settings=_one_memory, measure=gap_with_memory, bound=1.0, figure=figures.margin_gap,
    run={"stop": Stop(steps=BOUND_STEPS), "save": Save(log=12, fields=("w",))},
    hypotheses=(*sign_margin_rule.hypotheses, ONE_BETA, FROM_ZERO, EXPONENTIAL), conditions=(TOLD_APART,),
    control=Control("normalised gradient descent: the ℓ2 margin instead", 1.2,
                    {"optimizer": SteepestDescent(2, SMALL, normalized=True)}),
)  # fmt: skip


# -- Adam: the margin --------------------------------------------------------------------------------


def _adam(rng: Rng) -> dict[str, Setting]:
    problem, step = gaussian_classification(rng, 8, 16), Decay(0.05, 0.5)
    optimizers = {"Adam": Adam(step, 0.9, 0.99, eps=0.0), "RMSProp": RMSProp(step, 0.99, eps=0.0)}
    return {name: Setting(problem, Linear(), o) for name, o in optimizers.items()}


def relative_gap(runs: dict[str, Run]) -> Evidence:
    """1 − margin∞(w)/γ∞ at the end, of each run."""
    gaps, detail = [], {}
    for run in runs.values():
        Z, w = run.setting.problem.Z, run.history["w"]
        margin = np.min(w @ Z.T, axis=1) / np.max(np.abs(w), axis=1)
        path = 1 - margin / max_margin(run.setting.problem, np.inf).margin
        gaps.append(path[-1])
        detail = {"k": run.history["steps"], "gap": path}
    return Evidence(np.array(gaps), 0.0, detail)


def gap_alone(claim: Sample, control: Sample, ax: Any) -> Any:
    """The relative ℓ∞ margin gap along the run, and the control's."""
    artists = []
    for sample, color, name in (
        (claim, plotting.SIMULATION, "ε = 0"),
        (control, plotting.CONTROL, "control, ε > 0"),
    ):
        detail = sample.evidence.detail
        artists += plotting.curve(
            detail["k"], detail["gap"], ax, label=name, color=color, log="xy",
            xlabel="step k", ylabel="1 − margin∞/γ∞",
        )  # fmt: skip
    plotting.legend(ax)
    return artists


FAR_APART = Hypothesis(
    "the ℓ2 solution has at most 65 % of the largest ℓ∞ margin", lambda s: share_of_l2(s) <= 0.65
)

adam_margin = Theorem(
    id="adam-margin", family="classification", kind="limit", source="zhang2024adam",
    claim="With ε = 0 and vanishing steps, Adam (β₁ ≤ β₂) and RMSProp select the largest ℓ∞ margin.",
    settings=_adam, measure=relative_gap, bound=0.1, figure=gap_alone,
    run={"stop": Stop(steps=200_000), "save": Save(log=6, fields=("w",))},
    hypotheses=sign_margin_rule.hypotheses, conditions=(FAR_APART,),
    control=Control("ε far above the gradients: gradient descent, and the ℓ2 margin", 0.12,
                    {"optimizer": lambda s: dataclasses.replace(s.optimizer, eps=1e-3)}),
)  # fmt: skip


# -- constant steps: the throttle --------------------------------------------------------------------

LOCK = 0.5 * np.log(1 / 0.99)
"""½ log(1/β)."""
LOCKED_STEPS = 40_000


def _throttled(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 4, 16), Linear(), RMSProp(0.1, 0.99, eps=0.0))


def locked_slope(run: Run) -> Evidence:
    """The slope of −log L over the second half of the run, in units of ½ log(1/β)."""
    k, fall = run.history["steps"], -run.history["log_loss"]
    half = k >= k[-1] / 2
    slope = np.ptp(fall[half]) / np.ptp(k[half])
    detail = {"x": k, "seen": fall, "theory": fall[-1] - LOCK * (k[-1] - k), "axes": ("step k", "−log L", "")}
    return Evidence(slope / LOCK, 1.0, detail)


def _slow(setting: Setting) -> RMSProp:
    return dataclasses.replace(
        setting.optimizer, step=0.25 * LOCK / max_margin(setting.problem, np.inf).margin
    )


THROTTLED = Hypothesis(
    "the step is constant, with ηγ∞ ≥ 25·½ log(1/β)",
    lambda s: s.optimizer.step * max_margin(s.problem, np.inf).margin >= 25 * LOCK,
)
FORGETS = Hypothesis(
    "the optimizer is RMSProp with ε = 0",
    lambda s: isinstance(s.optimizer, RMSProp) and s.optimizer.eps == 0,
)

adam_throttle = Theorem(
    id="adam-throttle", family="classification", kind="rate", source="zhang2024adam",
    claim="With a large constant step the memory of v throttles RMSProp: log L falls by ½ log(1/β) a step.",
    settings=_throttled, measure=locked_slope, bound=5e-2, figure=figures.along,
    run={"stop": Stop(steps=LOCKED_STEPS), "save": Save(every=LOCKED_STEPS // 40, fields=("log_loss",))},
    hypotheses=(*sign_margin_rule.hypotheses[:3], *sign_margin_rule.hypotheses[5:], FORGETS, THROTTLED),
    control=Control("a step below the throttle: sign descent's own pace ηγ∞", 0.5, {"optimizer": _slow}),
)  # fmt: skip


# -- ε > 0 -------------------------------------------------------------------------------------------


def _with_eps(rng: Rng) -> dict[str, Setting]:
    Q, _ = np.linalg.qr(rng.standard_normal((12, 4)))
    X = 2 * Q.T + 0.1 * rng.standard_normal((4, 12))
    problem = Classification(X, np.where(np.arange(4) % 2, 1, -1))
    optimizers = {"RMSProp": RMSProp(0.05, 0.99, eps=0.1), "Adam": Adam(0.05, 0.9, 0.99, eps=0.1)}
    return {name: Setting(problem, Linear(), o) for name, o in optimizers.items()}


def on_the_curve(claim: Sample, control: Sample, ax: Any) -> Any:
    """The path along ŵ with its curve; the control's as far as it stays in sight."""
    artists = figures.along(claim, control, ax)
    ax.set_ylim(top=2 * np.max(claim.evidence.detail["theory"]))
    return artists


def off_the_curve(runs: dict[str, Run]) -> Evidence:
    """‖P_S(w − ŵ log t) − w̃‖/‖ŵ‖ of each run: an error in log t."""
    off, detail = [], {}
    for run in runs.values():
        curve = eps_curve(run.setting)
        what, t = curve.what / np.linalg.norm(curve.what), run.history["time"]
        far = curve.project(run.w - curve(run.time))
        off.append(np.linalg.norm(far) / np.linalg.norm(curve.what))
        axes = ("t = Σ η", "w along ŵ", "x")
        detail = {"x": t, "seen": run.history["w"] @ what, "theory": curve(t) @ what, "axes": axes}
    return Evidence(np.array(off), 0.0, detail)


LARGE_EPS = Hypothesis(
    "ε is at least 1 % of the gradient at the start",
    lambda s: total_eps(s.optimizer) >= 0.01 * np.max(np.abs(s.problem.gradient(s.w0))),
)
QUICK = Hypothesis(
    "all samples are support vectors, and κ ≥ 0.6",
    lambda s: len(eps_curve(s).support) == s.problem.n and eps_curve(s).kappa >= 0.6,
)

adam_epsilon = Theorem(
    id="adam-epsilon", family="classification", kind="limit", source="wang2021adaptive",
    claim="Once gradients are below ε, Adam and RMSProp are gradient descent of step η/ε: its curve ŵ log t + w̃.",
    settings=_with_eps, measure=off_the_curve, bound=5e-2, figure=on_the_curve,
    run={"stop": Stop(steps=50_000), "save": Save(log=6, fields=("w",))},
    hypotheses=(*eps_margin_rule.hypotheses, LARGE_EPS), conditions=(QUICK,),
    control=Control("an ε that no gradient of the run comes near: signs, and the ℓ∞ margin", 1.0,
                    {"optimizer": lambda s: dataclasses.replace(s.optimizer, eps=1e-200)}),
)  # fmt: skip
