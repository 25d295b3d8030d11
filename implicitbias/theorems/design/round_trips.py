"""Identification returns what an optimizer was designed from: exactly, or to first order in the step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...discovery.families import off_rows, polished
from ...discovery.samples import coordinates
from ...dynamics import Run, Save, Setting, Stop
from ...geometry import PNorm
from ...models import Linear, PowerPropagation
from ...optimizers import GradientDescent, PreconditionedGradientDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, NO_DECAY, SQUARE_LOSS
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, inputs_with_spectrum
from .discretisation import NO_CROSSING, ONE_FLOW, A, jacobian_once, jacobian_squared, tilts
from .solutions import samples_of

STEPS = (1, 2, 4)
PROBLEMS, FEW, WIDTH = 4, 4, 12
STEP = 0.2 / A**2
P_OF_A = 2 / A
"""The exponent p of R = Σ|w|^p/p."""
H = 1e-5


def _problems(rng: Rng) -> tuple[list[Regression], np.ndarray]:
    """Solvable without a change of sign, XᵀX/n with eigenvalues ½ to 1."""
    w0, drawn = rng.uniform(0.5, 1.5, WIDTH), []
    for _ in range(PROBLEMS):
        X = inputs_with_spectrum(rng, FEW, WIDTH, np.linspace(0.5, 1, FEW))
        drawn.append(Regression(X, X @ (w0 * np.exp(0.2 * rng.standard_normal(WIDTH)))))
    return drawn, w0


def _reparametrised(rng: Rng) -> dict[str, Setting]:
    """Gradient descent on w = φ|φ|^{a−1} at η, η/2, η/4."""
    problems, w0 = _problems(rng)
    return {
        f"{k} η/{part}": Setting(p, PowerPropagation(A), GradientDescent(STEP / part), w0 ** (1 / A))
        for part in STEPS
        for k, p in enumerate(problems)
    }


def _preconditioned(rng: Rng) -> dict[str, Setting]:
    """Steps of P = 1/R″ at η, η/2, η/4."""
    problems, w0 = _problems(rng)
    return {
        f"{k} η/{part}": Setting(
            p, Linear(), PreconditionedGradientDescent(jacobian_squared, STEP / part), w0
        )
        for part in STEPS
        for k, p in enumerate(problems)
    }


def shift_of_exponent(runs: list[Run], eta: float) -> tuple[float, float, float]:
    """((p̂ − p)/η, κ, size of κ): the exponent that is identified, and what the law says that one Jacobian adds."""
    samples = samples_of(runs)
    at = coordinates(samples)

    def shares(p: float) -> np.ndarray:
        return off_rows(PNorm(p), samples, at)

    found, _ = polished(shares, P_OF_A, 1.05, 4.0, 0.0)
    slope = (shares(P_OF_A + H) - shares(P_OF_A - H)) / (2 * H)
    dual = PNorm(P_OF_A).gradient
    size = np.linalg.norm(dual(samples.w) - dual(samples.start), axis=1, keepdims=True)
    d = A * (2 - A) * np.array([tilts(run, eta)[1] for run in runs]) / size
    return (
        (found - P_OF_A) / eta,
        -float(np.sum(d * slope) / np.sum(slope**2)),
        float(np.linalg.norm(d) / np.linalg.norm(slope)),
    )


def law_of_shift(runs: dict[str, Run], jacobians: int) -> Evidence:
    """(p̂ − p)/η against m κ, both extrapolated to η = 0 (Richardson, orders one and two), in units of |κ|'s size."""
    seen = []
    for part in STEPS:
        of_step = [runs[f"{k} η/{part}"] for k in range(PROBLEMS)]
        seen.append(shift_of_exponent(of_step, STEP / part))
    one, two, four = np.array(seen)
    slope, kappa, size = (8 * four - 6 * two + one) / 3
    steps = STEP / np.array(STEPS)
    detail = {"x": steps, "seen": np.array(seen)[:, 0] * steps, "theory": jacobians * kappa * steps}
    return Evidence(slope / size, jacobians * kappa / size, detail)


def one_jacobian(runs: dict[str, Run]) -> Evidence:
    """m = 1."""
    return law_of_shift(runs, 1)


def two_jacobians(runs: dict[str, Run]) -> Evidence:
    """m = 2."""
    return law_of_shift(runs, 2)


def shifts(claim: Sample, control: Sample, ax: Any) -> Any:
    """p̂ − p over the step, with its tangent at zero; the control's, a hundred times larger, would hide both."""
    detail = claim.evidence.detail
    return plotting.theory_over_simulation(
        detail["x"], detail["seen"], detail["theory"], ax, xlabel="step η", ylabel="p̂ − p", log=""
    )


OTHER = 1.25
RUN = {"stop": Stop(loss=1e-9), "save": Save(every=1, fields=("w",))}
HYPOTHESES = (SQUARE_LOSS, ONE_FLOW, NO_DECAY, NO_CROSSING, CONVERGED)
UNSOLVED = Hypothesis("the loss of the start is at least 0.004", lambda s: s.problem.loss(s.w0) >= 4e-3)

identified_reparametrization = Theorem(
    id="identified-reparametrization", family="design", kind="rate", source="amid2020reparameterizing",
    claim="The exponent read off a reparametrised model errs by one Jacobian's share of the step.",
    settings=_reparametrised, measure=one_jacobian, bound=5e-3, instances=2, figure=shifts, run=RUN,
    hypotheses=HYPOTHESES, conditions=(UNSOLVED,),
    control=Control(
        "the power 5/4: the architecture of another potential", 1.0,
        {"model": PowerPropagation(OTHER), "init": lambda s: s.w0 ** (1 / OTHER)},
    ),
)  # fmt: skip

identified_preconditioner = Theorem(
    id="identified-preconditioner", family="design", kind="rate", source="pascanu2025optimizers",
    claim="The exponent read off a preconditioner errs by twice what it does for the reparametrised model.",
    settings=_preconditioned, measure=two_jacobians, bound=5e-3, instances=2, figure=shifts, run=RUN,
    hypotheses=HYPOTHESES, conditions=(UNSOLVED,),
    control=Control(
        "one Jacobian factor in P: the flow of another potential", 1.0,
        {"optimizer": lambda s: PreconditionedGradientDescent(jacobian_once, s.optimizer.step)},
    ),
)  # fmt: skip
