"""A regulariser as a metric and as an architecture: which metrics have one, and the architecture of any."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...discovery import Expression, has_potential
from ...dynamics import Run, Setting, Stop
from ...geometry import Potential
from ...models import Linear, Reparametrized
from ...optimizers import GradientFlow, PreconditionedFlow
from ...problems import Regression
from ...records import record
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, LINEAR, NO_DECAY, SQUARE_LOSS, is_a
from ...selection.rules.designed import reparametrized_flow_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, gaussian_regression
from .powers import DECAY_AT_FIRST

__all__ = ["Ridges"]

Rng = np.random.Generator

# -- which metrics have a potential -----------------------------------------------------------------


@record
class Ridges:
    """P(w) = G(w)⁻¹, G = I + Bᵀ diag(sech²(Aw)) B, A and B (m, d).

    For B = A, G is the Hessian of ½‖w‖² + Σ_k ln cosh(a_k·w), a_k the rows.
    """

    A: Any
    B: Any

    def __call__(self, w: np.ndarray) -> np.ndarray:
        return np.linalg.inv(np.eye(w.size) + (self.B.T / np.cosh(self.A @ w) ** 2) @ self.B)

    def dual(self, w: np.ndarray) -> np.ndarray:
        """∫₀¹ G(tw)w dt = w + Bᵀ(tanh(Aw)/(Aw) ∘ Bw): ∇ψ(w), where there is a ψ."""
        ridge = self.A @ w
        return np.asarray(w + self.B.T @ (np.tanh(ridge) / ridge * (self.B @ w)))


def _two_weightings(rng: Rng) -> dict[str, Setting]:
    """One start, one metric, and two losses with the same interpolants: rows and targets scaled by ½ to 2."""
    problem, w0 = gaussian_regression(rng, 2, 5), rng.standard_normal(5)
    A = rng.standard_normal((4, 5))
    scale = np.array([2.0, 0.5])
    problems = {"as drawn": problem, "reweighted": Regression(problem.X * scale[:, None], problem.y * scale)}
    flow = PreconditionedFlow(Ridges(A, A))
    return {label: Setting(p, Linear(), flow, w0) for label, p in problems.items()}


def path_dependence(runs: dict[str, Run]) -> Evidence:
    """‖N(z(w∞) − z(w₀))‖/‖z(w∞) − z(w₀)‖ of both runs, z the dual map along rays, and the distance of their ends."""
    off = []
    for run in runs.values():
        X, P = run.setting.problem.X, run.setting.optimizer.P
        z = P.dual(run.w) - P.dual(run.setting.w0)
        off.append(np.linalg.norm(z - np.linalg.pinv(X) @ (X @ z)) / np.linalg.norm(z))
    a, b = (run.w for run in runs.values())
    apart = np.linalg.norm(a - b) / np.linalg.norm(a)
    detail = {"seen": b, "theory": a, "axes": ("coordinate", "w", "")}
    return Evidence([*off, apart], np.zeros(3), detail)


def _crossed(setting: Setting) -> PreconditionedFlow:
    """Each ridge pulls along the direction of the next."""
    A = setting.optimizer.P.A
    return PreconditionedFlow(Ridges(A, np.roll(A, 1, axis=0)))


HESSIAN = Hypothesis(
    "P(w)⁻¹ is a Hessian: ∂_k(P⁻¹)_ij is symmetric in i, j, k at four points",
    lambda s: has_potential(s.optimizer.P, s.w0.size, points=4),
    explain=lambda s: f"violated by {has_potential(s.optimizer.P, s.w0.size, points=4).violation:.2g}",
)
APART = Hypothesis(
    "the start misses y by at least half of it",
    lambda s: np.linalg.norm(s.problem.X @ s.w0 - s.problem.y) >= 0.5 * np.linalg.norm(s.problem.y),
)

hessian_metric = Theorem(
    id="hessian-metric", family="design", kind="exact", source="amari1998natural",
    claim="A preconditioned flow is a mirror flow just if P⁻¹ is a Hessian; then only start and solution set matter.",
    settings=_two_weightings, measure=path_dependence, run={"stop": Stop(loss=1e-24)}, bound=1e-7,
    hypotheses=(
        SQUARE_LOSS, LINEAR, Hypothesis("the optimizer is a PreconditionedFlow", is_a(PreconditionedFlow, "optimizer")),
        HESSIAN, NO_DECAY, CONVERGED,
    ),
    conditions=(WELL_CONDITIONED, APART), figure=figures.points,
    control=Control("ridges that pull along each other's directions: no Hessian", 1e-5, {"optimizer": _crossed}),
)  # fmt: skip


# -- the architecture of a potential ------------------------------------------------------------------

REGULARISERS = {
    text: Potential.from_gradient(Expression(text).derivative) for text in ("log(cosh(x))", "sqrt(1 + x**2)")
}


def _architecture(rng: Rng) -> Setting:
    """One of the regularisers, from a start between −1 and 1."""
    problem = gaussian_regression(rng, 3, 8)
    model = Reparametrized(REGULARISERS[rng.choice(list(REGULARISERS))])
    return Setting(problem, model, GradientFlow(), model.straighten(rng.uniform(-1, 1, 8)))


SMALL_TARGETS = Hypothesis(
    "‖X⁺y‖ ≤ 2: solutions stay where ρ″ is not tiny",
    lambda s: np.linalg.norm(s.problem.least_squares) <= 2,
)

reparametrized_flow = Theorem(
    id="reparametrized-mirror-flow", family="design", kind="exact", source="amid2020reparameterizing",
    claim="Any smooth convex ρ is what the gradient flow on w(φ) with w′² = 1/ρ″(w) selects by.",
    settings=_architecture, rule=reparametrized_flow_rule, run={"stop": Stop(loss=1e-22)}, bound=1e-8,
    conditions=(WELL_CONDITIONED, SMALL_TARGETS), figure=figures.coordinates,
    control=Control("weight decay for one unit of time", 1e-5, {"optimizer": DECAY_AT_FIRST}),
)  # fmt: skip
