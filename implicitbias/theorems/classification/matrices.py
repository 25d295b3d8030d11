"""Several classes: the margins that spectral descent, Muon and Shampoo maximise."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...geometry import polar_factor
from ...models import Linear
from ...optimizers import Decay, Muon, Shampoo, SignDescent, SpectralDescent
from ...problems import Classification
from ...selection import Hypothesis, MaxMargin
from ...selection.rules.common import FROM_ZERO
from ...selection.rules.matrix_margins import matrix_margin_rule
from .. import figures
from ..base import Control, Evidence, Theorem

Rng = np.random.Generator

STEPS = 1000
STEP = Decay(0.7, 0.5)


def unit_classes(rng: Rng, n: int, d: int, k: int) -> Classification:
    """Inputs uniform on the sphere, the k > 2 classes in turn: separable when d ≥ n."""
    X = rng.standard_normal((n, d))
    return Classification(X / np.linalg.norm(X, axis=1, keepdims=True), np.arange(n) % k)


@lru_cache(maxsize=8)
def spectral_margin(problem: Classification) -> float:
    """γ: claim, control and condition ask for that of one problem."""
    program = MaxMargin(problem.Z, "spectral")
    return 1 / program.objective(program.solution)


# -- spectral descent ----------------------------------------------------------------------------


def _spectral(rng: Rng) -> Setting:
    return Setting(unit_classes(rng, 10, 20, 10), Linear(), SpectralDescent(STEP))


def spectral_gap(run: Run) -> Evidence:
    """(γ − margin(W_k)) Σ η over ln n + ln ln k + nL + Σ [½B²η² + γη(1 − r) + Bηr‖p̄ − p‖₁], its largest on the run."""
    problem, W = run.setting.problem, run.history["w"]
    eta, gamma = run.setting.optimizer.step.sizes(0, run.steps), spectral_margin(problem)
    B = np.sqrt(2) * float(np.max(np.linalg.norm(problem.X, axis=1)))
    m = problem.margins(W)
    odds = np.sum(np.exp(-m).reshape(len(W), problem.n, -1), axis=2)  # S_i = Σ_c e^{−m_ic}
    losses, weights = np.log1p(odds), np.exp(-m) / np.repeat(1 + odds, m.shape[1] // problem.n, axis=1)
    r = np.sum(weights, axis=1) / np.sum(losses, axis=1)
    lost = gamma * (1 - r) + B * r * _lags(weights, getattr(run.setting.optimizer, "momentum", 0.0))
    A, spent = np.cumsum(eta), np.cumsum(0.5 * B**2 * eta**2 + eta * lost[:-1])
    rhs = np.log(problem.n * np.log(len(problem.classes))) + np.sum(losses[1:], axis=1) + spent
    lhs = (gamma - np.maximum(np.min(m[1:], axis=1), 0) / np.linalg.norm(W[1:], 2, axis=(1, 2))) * A
    return Evidence(float(np.max(lhs / rhs)), detail={"k": np.arange(1, len(W)), "lhs": lhs, "rhs": rhs})


def _lags(weights: np.ndarray, beta: float) -> np.ndarray:
    """‖p̄_k − p_k‖₁, p_k the weights (steps, N) over their sum, and p̄_k those of Σ_j β^{k−j} weights_j."""
    lags, mean = np.zeros(len(weights)), np.zeros(weights.shape[1])
    for k, p in enumerate(weights if beta else ()):
        mean = beta * mean + p
        lags[k] = np.sum(np.abs(mean / np.sum(mean) - p / np.sum(p)))
    return lags


def _sign_misses_by(setting: Setting) -> float:
    """The gap in the direction of the ℓ∞ margin after all steps, over the bound of a loss that has vanished."""
    problem, eta = setting.problem, STEP.sizes(0, STEPS)
    W = MaxMargin(problem.Z, "max").solution
    rhs = np.log(problem.n * np.log(len(problem.classes))) + np.sum(eta**2)  # B² = 2
    return float((spectral_margin(problem) - 1 / np.linalg.norm(W, 2)) * np.sum(eta) / rhs)


SPECTRAL_DESCENT = Hypothesis(
    "the optimizer is SpectralDescent", lambda s: isinstance(s.optimizer, SpectralDescent)
)
SEVERAL = Hypothesis("there are more than two classes", lambda s: not s.problem.is_binary)
NORMS_DIFFER = Hypothesis(
    "in the direction of the ℓ∞ margin the gap is 1.45 times the bound", lambda s: _sign_misses_by(s) >= 1.45
)
PATH = {"stop": Stop(steps=STEPS), "save": Save(every=1, fields=("w",))}
SIGN = Control("sign descent: the margin of another norm", 1.02, {"optimizer": SignDescent(STEP)})

spectral_descent_margin = Theorem(
    id="spectral-descent-margin", family="classification", kind="bound", source="fan2025spectral",
    claim="In several classes spectral descent closes its spectral margin gap at an explicit rate.",
    settings=_spectral, measure=spectral_gap, bound=1.0, figure=figures.margin_gap, run=PATH,
    hypotheses=(*matrix_margin_rule.hypotheses, SEVERAL, SPECTRAL_DESCENT, FROM_ZERO), conditions=(NORMS_DIFFER,),
    control=SIGN, instances=1,
)  # fmt: skip


# -- Muon ----------------------------------------------------------------------------------------


def _muon(rng: Rng) -> Setting:
    return Setting(unit_classes(rng, 10, 20, 10), Linear(), Muon(STEP, 0.5))


MUON = Hypothesis("the optimizer is Muon", lambda s: isinstance(s.optimizer, Muon))

muon_margin = Theorem(
    id="muon-margin", family="classification", kind="bound", source="fan2025spectral",
    claim="Muon with momentum and exact polar factors maximises the spectral margin, its lag added to the bound.",
    settings=_muon, measure=spectral_gap, bound=1.0, figure=figures.margin_gap, run=PATH,
    hypotheses=(*matrix_margin_rule.hypotheses, SEVERAL, MUON, FROM_ZERO), conditions=(NORMS_DIFFER,),
    control=SIGN, instances=1,
)  # fmt: skip


# -- Shampoo -------------------------------------------------------------------------------------


def _shampoo(rng: Rng) -> Setting:
    return Setting(unit_classes(rng, 12, 16, 4), Linear(), Shampoo(STEP, beta=0.0, eps=0.0))


def polar_residual(run: Run) -> Evidence:
    """‖(W_k − W_{k+1})/η_k − UVᵀ‖_F/‖UVᵀ‖_F with ∇L(W_k) = UΣVᵀ, the largest along the run."""
    W, eta = run.history["w"], run.setting.optimizer.step.sizes(0, run.steps)
    steps = (W[:-1] - W[1:]) / eta[:, None, None]
    polar = np.stack([polar_factor(run.setting.problem.log_gradient(w)) for w in W[:-1]])
    off = np.linalg.norm(steps - polar, axis=(1, 2)) / np.linalg.norm(polar, axis=(1, 2))
    sizes = [np.linalg.svd(x, compute_uv=False)[:, : W.shape[1] - 1] for x in (steps, polar)]
    return Evidence(
        float(np.max(off)), detail={"k": np.arange(1, len(W)), "steps": sizes[0], "polar": sizes[1]}
    )


def singular_values(claim: Any, control: Any, ax: Any) -> Any:
    """Those of the steps (W_k − W_{k+1})/η_k: all are one, and the control's are not."""
    seen, other = claim.evidence.detail, control.evidence.detail
    return plotting.theory_over_simulation(
        seen["k"], seen["steps"], seen["polar"], ax, control=other["steps"], log="x",
        xlabel="step k", ylabel="singular values of a step",
    )  # fmt: skip


FORGETS = Hypothesis(
    "Shampoo keeps no memory: β = 0", lambda s: isinstance(s.optimizer, Shampoo) and s.optimizer.beta == 0
)

shampoo_without_memory = Theorem(
    id="shampoo-without-memory", family="classification", kind="exact", source="gupta2018shampoo",
    claim="Shampoo without memory takes the steps of spectral descent, and so maximises the spectral margin.",
    settings=_shampoo, measure=polar_residual, bound=1e-6, run=PATH | {"stop": Stop(steps=300)},
    hypotheses=(*matrix_margin_rule.hypotheses, SEVERAL, FORGETS), figure=singular_values,
    control=Control("an average over the last gradients", 1e-2, {"optimizer": Shampoo(STEP, beta=0.9, eps=0.0)}),
)  # fmt: skip
