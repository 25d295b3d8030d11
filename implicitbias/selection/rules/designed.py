"""Methods made for a potential: a reparametrised model, a preconditioner, mirror maps of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry.arc_length import arc_length
from ...models import Reparametrized
from ...optimizers import InverseHessian, PreconditionedFlow
from ..programs import BregmanProjection
from ..rule import Hypothesis, Rule
from .common import CONVERGED, GRADIENT_FLOW, LINEAR, NO_DECAY, ONE_RATE, SQUARE_LOSS, mirror_projection
from .powers import SIGNS_KEPT
from .sensing import MEASUREMENTS_CONSISTENT, SENSING

__all__: list[str] = []


def preconditioned_projection(setting: Any, run: Any = None) -> BregmanProjection:
    """argmin ψ(w) − ⟨∇ψ(w₀), w⟩ subject to Xw = y, for P = (∇²ψ)⁻¹."""
    psi, problem = setting.optimizer.P.potential, setting.problem
    return BregmanProjection(psi, psi.gradient(setting.w0), problem.X, problem.y)


def _crosses_zero(setting: Any) -> bool:
    """Whether coordinates go through zero as through any other point: ψ″ is finite and positive there."""
    if isinstance(setting.model, Reparametrized):
        return not setting.model.keeps_signs
    psi = setting.optimizer.P.potential
    return not psi.separable or not arc_length(psi).keeps_signs


def _stays(projection: Any) -> Any:
    return lambda s: _crosses_zero(s) or bool(np.all(projection(s).solution * s.w0 > 0))


SAME_SIGNS = (
    "ψ″ is finite and positive at zero, or no coordinate of the start, or of its projection, is zero or of \
another sign"
)
NO_SIGN_CHANGE = Hypothesis(
    SIGNS_KEPT.text + ", where ψ″ is not finite at zero",
    lambda run: _crosses_zero(run.setting) or SIGNS_KEPT.holds(run),
    of="run",
)

reparametrized_flow_rule = Rule(
    name="mirror flow of a reparametrised model",
    source="amid2020reparameterizing",
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis(
            "the model is Reparametrized, and its start not held at zero",
            lambda s: (
                isinstance(s.model, Reparametrized)
                and s.model.mirror_form(s.optimizer, s.theta0, {}) is not None
            ),
        ),
        GRADIENT_FLOW,
        ONE_RATE,
        NO_DECAY,
        Hypothesis(SAME_SIGNS, _stays(mirror_projection)),
        CONVERGED,
        NO_SIGN_CHANGE,
    ),
    apply=mirror_projection,
)

inverse_hessian_rule = Rule(
    name="mirror flow of an inverse Hessian as the preconditioner",
    source="amari1998natural",
    hypotheses=(
        SQUARE_LOSS,
        LINEAR,
        Hypothesis(
            "the optimizer is the PreconditionedFlow of an InverseHessian",
            lambda s: (
                isinstance(s.optimizer, PreconditionedFlow) and isinstance(s.optimizer.P, InverseHessian)
            ),
        ),
        NO_DECAY,
        Hypothesis(SAME_SIGNS, _stays(preconditioned_projection)),
        CONVERGED,
        NO_SIGN_CHANGE,
    ),
    apply=preconditioned_projection,
)


def matrix_projection(setting: Any, run: Any = None) -> np.ndarray:
    """argmin ψ(W) − ⟨∇ψ(W₀), W⟩ subject to the measurements, ψ a function of the entries of W, row by row."""
    psi, data, w0 = setting.optimizer.row_potential, setting.problem.in_entries, np.ravel(setting.w0)
    return BregmanProjection(psi, psi.gradient(w0), data.X, data.y).solution.reshape(setting.problem.w_shape)


matrix_mirror_rule = Rule(
    name="Bregman projection of the start, of a matrix",
    source="gunasekar2018geometry",
    hypotheses=(
        SENSING,
        LINEAR,
        Hypothesis(
            "every update moves the optimizer's dual point ∇ψ(W) inside the span of the measurements",
            lambda s: s.optimizer.row_potential is not None,
        ),
        MEASUREMENTS_CONSISTENT,
        CONVERGED,
    ),
    apply=matrix_projection,
)
