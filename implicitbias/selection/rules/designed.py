"""Flows made for a potential: as a reparametrisation of a model, and as a preconditioner."""

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
