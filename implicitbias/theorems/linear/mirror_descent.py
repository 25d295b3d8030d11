"""Mirror descent selects the Bregman projection of its start."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Setting, Stop
from ...geometry import Entropy, Hypentropy, PNorm, Potential, SquaredPNorm
from ...models import Linear
from ...optimizers import MirrorDescent, PreconditionedGradientDescent
from ...problems import Regression
from ...records import record
from ...selection import BregmanProjection, Hypothesis
from ...selection.rules.linear import mirror_rule
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng

SIGNED = {
    "hyperbolic entropy": Hypentropy(np.log(0.5)),
    "ℓ1.5": PNorm(1.5),
    "ℓ3": PNorm(3.0),
    "½‖w‖²_1.5": SquaredPNorm(1.5),
}
POSITIVE = {"entropy": Entropy(), "entropy on the simplex": Entropy(simplex=True)}


@record
class InverseHessian:
    """w ↦ (∇²ψ(w))⁻¹: the metric in which mirror descent is a natural gradient, to first order in the step."""

    potential: Potential

    def __call__(self, w: np.ndarray) -> np.ndarray:
        return self.potential.inverse_hessian(self.potential.gradient(w))


def potential_of(optimizer: Any) -> Potential:
    """ψ of a mirror step, or of a step in the metric of ψ."""
    psi: Potential = optimizer.potential if isinstance(optimizer, MirrorDescent) else optimizer.P.potential
    return psi


def data_in_metric(setting: Setting) -> np.ndarray:
    """XD^½, D = (∇²ψ(w₀))⁻¹: as gradient descent sees the data near the start."""
    D = InverseHessian(potential_of(setting.optimizer))(setting.w0)
    if D.ndim == 1:
        return np.asarray(setting.problem.X * np.sqrt(D))
    s, V = np.linalg.eigh(D)
    return np.asarray(setting.problem.X @ (V * np.sqrt(np.maximum(s, 0.0))))


def with_step(setting: Setting, factor: float, batch: int | None = None) -> Setting:
    """At η = factor/λ, λ the largest eigenvalue of XDXᵀ/n, or of one sample's x_iᵀDx_i."""
    Z, psi = data_in_metric(setting), potential_of(setting.optimizer)
    top = np.linalg.norm(Z, 2) ** 2 / len(Z) if batch is None else np.max(np.sum(Z**2, axis=1))
    return Setting(
        setting.problem, Linear(), MirrorDescent(psi, factor / float(top), batch=batch), setting.init
    )


def near_its_start(rng: Rng, psi: Potential, n: int, d: int) -> Setting:
    """A start of either sign, or positive, or on the simplex, and targets of another such point of equal signs."""
    w0 = np.exp(rng.uniform(-0.5, 0.5, d))
    w1 = w0 * np.exp(rng.normal(0.0, 0.2, d))
    if isinstance(psi, Entropy):
        w0, w1 = (w / np.sum(w) if psi.simplex else w for w in (w0, w1))
    else:
        signs = rng.choice([-1.0, 1.0], d)
        w0, w1 = signs * w0, signs * w1
    X = rng.standard_normal((n, d))
    return Setting(Regression(X, X @ w1), Linear(), MirrorDescent(psi, 1.0), w0)


def to_bregman_projections(runs: dict[str, Run]) -> Evidence:
    """‖w_T − w∞‖/‖w∞‖ of each run, w∞ the Bregman projection of w₀ by Newton's method."""
    distances = {}
    for label, run in runs.items():
        psi, problem = potential_of(run.setting.optimizer), run.setting.problem
        w = BregmanProjection(psi, psi.gradient(run.setting.w0), problem.X, problem.y).solution
        distances[label] = float(np.linalg.norm(run.w - w) / np.linalg.norm(w))
    return Evidence(list(distances.values()), 0.0, {"distances": distances})


def distances(claim: Sample, control: Sample, ax: Any) -> Any:
    """How far each run ended from its projection, and the control's."""
    artists = []
    for sample, marker, color, name in (
        (claim, "o", plotting.SIMULATION, "simulation"), (control, "x", plotting.CONTROL, "control")
    ):  # fmt: skip
        seen = sample.evidence.detail["distances"]
        artists += ax.plot(list(seen.values()), range(len(seen)), marker, color=color, ms=4, label=name)
    ax.set(xscale="log", xlabel="distance to the Bregman projection", ylabel="potential and step")
    ax.set_yticks(range(len(seen)), list(seen), fontsize="small")
    plotting.legend(ax)
    return artists


def first_turn(setting: Setting) -> float:
    """max_j |δ_j/w₀_j|, δ = DXᵀ(XDXᵀ)⁻¹(y − Xw₀): how much the way to the interpolants changes D, to first order."""
    X, y, w0 = setting.problem.X, setting.problem.y, setting.w0
    D = InverseHessian(potential_of(setting.optimizer))(w0)
    DX = (D * X).T if D.ndim == 1 else D @ X.T
    return float(np.max(np.abs(DX @ np.linalg.solve(X @ DX, y - X @ w0) / w0)))


WELL_CONDITIONED_AT_START = Hypothesis(
    "κ(XD^½) ≤ 3 at the start, D = (∇²ψ(w₀))⁻¹", lambda s: np.linalg.cond(data_in_metric(s)) <= 3
)
NEAR = Hypothesis(
    "to first order no coordinate changes by more than a third on the way", lambda s: first_turn(s) <= 1 / 3
)

RUN = {"stop": Stop(loss=1e-26, steps=100_000)}

# -- the full gradient ---------------------------------------------------------------------------

LONG, SHORT = 0.6, 0.2


def _two_steps_each(rng: Rng) -> dict[str, Setting]:
    drawn: dict[str, Setting] = {}
    for name, psi in (SIGNED | POSITIVE).items():
        setting = near_its_start(rng, psi, 3, 10)
        drawn |= {
            f"{name}, {word} step": with_step(setting, f) for word, f in (("long", 0.6), ("short", 0.2))
        }
    return drawn


def in_the_same_metric(setting: Setting) -> PreconditionedGradientDescent:
    """A control's change: P(w) = (∇²ψ(w))⁻¹ at the long step."""
    step = with_step(setting, LONG).optimizer.step
    return PreconditionedGradientDescent(InverseHessian(setting.optimizer.potential), step)


mirror_descent = Theorem(
    id="mirror-descent", family="linear", kind="exact", source="gunasekar2018geometry",
    claim="Mirror descent selects the Bregman projection of its start onto the interpolants, at every stable step.",
    settings=_two_steps_each, measure=to_bregman_projections, run=RUN, bound=1e-11,
    hypotheses=mirror_rule.hypotheses, conditions=(WELL_CONDITIONED_AT_START, NEAR), figure=distances,
    control=Control("gradient steps in the metric of ψ", 1e-5, {"optimizer": in_the_same_metric}),
)  # fmt: skip


# -- one sample a step ---------------------------------------------------------------------------


def _one_sample(rng: Rng) -> dict[str, Setting]:
    names = ("hyperbolic entropy", "ℓ1.5", "entropy")
    chosen = {name: (SIGNED | POSITIVE)[name] for name in names}
    return {name: with_step(near_its_start(rng, psi, 3, 10), 0.6, batch=1) for name, psi in chosen.items()}


def with_primal_momentum(setting: Setting) -> MirrorDescent:
    """A control's change: ∇ψ is taken at w_k + ½(w_k − w_{k−1})."""
    o = setting.optimizer
    return MirrorDescent(o.potential, 0.5 * o.step, momentum=0.5, primal=True, batch=o.batch)


stochastic_mirror_descent = Theorem(
    id="stochastic-mirror-descent", family="linear", kind="exact", source="azizan2019mirror",
    claim="One sample a step, mirror descent on solvable data still selects the Bregman projection of its start.",
    settings=_one_sample, measure=to_bregman_projections, run=RUN, bound=1e-11,
    hypotheses=mirror_rule.hypotheses, conditions=(WELL_CONDITIONED_AT_START, NEAR), figure=distances,
    control=Control("momentum in the primal", 1e-5, {"optimizer": with_primal_momentum}),
)  # fmt: skip
