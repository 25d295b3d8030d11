"""design: from a regulariser to optimizers and an architecture that select by it."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import CustomPotential, Entropy, Potential, Spectral, SquaredPNorm
from ..geometry.arc_length import arc_length
from ..geometry.arc_table import VanishingCurvature
from ..models import Reparametrized
from ..optimizers import (
    InverseHessian,
    MirrorDescent,
    MirrorFlow,
    PreconditionedFlow,
    PreconditionedGradientDescent,
)

__all__ = ["design"]

FORMS = ("mirror", "preconditioner", "reparametrization")
OUT = np.geomspace(1e-3, 30.0, 97)
"""How far from a point inside its domain a potential is looked at, relative to that point."""
GRADUAL = 1e-6
"""Derivatives that level off are below this part of their largest before they vanish."""


def design(potential: Any, form: str = "mirror", step: Any = None) -> Any:
    """An optimizer, or a model, that selects argmin ρ(w) − ⟨∇ρ(w₀), w⟩ subject to Xw = y, ρ = ``potential``.

    | ``form`` | the flow (``step`` None) | the step |
    |---|---|---|
    | "mirror" | MirrorFlow(ρ) | MirrorDescent(ρ, step): exact at every step that converges |
    | "preconditioner" | PreconditionedFlow(P), P = (∇²ρ)⁻¹ | PreconditionedGradientDescent(P, step) |
    | "reparametrization" | Reparametrized(ρ), a model w(φ) with w′(φ)² = 1/ρ″(w) | |

    The three flows are one. Their steps differ: as ``step`` → 0 the first-order errors of the last two in what is
    selected are as 2 : 1, and the mirror step has none (see the theorem zero-one-two-law). The model runs under
    GradientFlow and GradientDescent. For matrices, let ρ be Spectral(potential, (p, q)).

    Parameters
    ----------
    potential : a Potential of this package, or one's own by Potential.from_value and from_gradient.
    step : a float > 0, Decay or a callable of k.

    Raises
    ------
    ValueError
        where the form does not exist. None does where ρ is flat on an interval; the last two do not where ρ″ vanishes
        at a point inside the domain; a reparametrization entry by entry does not for a joint ρ.

    Examples
    --------
    >>> rho = Potential.from_value(np.cosh)
    >>> design(rho, step=0.1) == MirrorDescent(rho, 0.1)
    True
    >>> design(rho, "preconditioner", 0.1).P(np.array([0.0, 1.0])).round(6)
    array([1.      , 0.648054])
    >>> design(rho, "reparametrization").predictor(np.array([0.5])).round(6)
    array([0.490238])
    """
    if not isinstance(potential, Potential):
        advice = (
            ": wrap a function of w by Potential.from_value(f), its derivative by Potential.from_gradient(g)"
        )
        raise ValueError(
            f"design needs a Potential, got {potential!r:.80}{advice if callable(potential) else ''}"
        )
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}, got {form!r:.80}")
    if form == "reparametrization" and step is not None:
        raise ValueError(
            "a reparametrization is a model: the step belongs to its optimizer, GradientDescent(step) for one"
        )
    if reason := obstacle(potential, form):
        raise ValueError(f"there is no {form} of this {type(potential).__name__}: {reason}")
    if form == "mirror":
        return MirrorFlow(potential) if step is None else MirrorDescent(potential, step)
    if form == "reparametrization":
        return Reparametrized(potential)
    P = InverseHessian(potential)
    return PreconditionedFlow(P) if step is None else PreconditionedGradientDescent(P, step)


def obstacle(potential: Potential, form: str) -> str | None:
    """Why a form does not exist for a potential; None where it does."""
    if flat := flat_part(potential):
        return f"ρ is flat: ρ″ = 0 from w = {flat[0]:.4g} to {flat[1]:.4g}, where neither ρ′ nor ρ″ has an inverse"
    if form == "mirror":
        return None
    if not potential.separable:
        return _joint_obstacle(potential, form)
    try:
        arc_length(potential)
    except VanishingCurvature as error:
        return str(error).replace("ψ", "ρ")
    except ValueError as error:
        return str(error) if form == "reparametrization" else None
    return None


def keeps_signs(potential: Potential) -> bool:
    """Whether coordinates of the flow cannot cross zero: ρ″ or ρ′ is infinite there, or zero is outside."""
    try:
        return potential.separable and arc_length(potential).keeps_signs
    except ValueError:
        return False


def flat_part(potential: Potential) -> tuple[float, float] | None:
    """An interval on which ρ″ is zero, next to one where it is not small; None where none was seen."""
    if not isinstance(potential, CustomPotential) or not potential.separable or np.ndim(potential.point) > 0:
        return None
    home = potential.point
    for sign in (1, -1):
        w = home + sign * (abs(home) or 1.0) * OUT
        inside = potential.interior(w) == w
        with np.errstate(all="ignore"):
            h = np.where(inside, potential.hessian(np.where(inside, w, home)), np.nan)
        flat = np.flatnonzero(h == 0)
        if len(flat) > 1 and flat[1] == flat[0] + 1 and h[flat[0] - 1] > GRADUAL * np.nanmax(h):
            low, high = sorted((float(w[flat[0]]), float(w[flat[1]])))
            return low, high
    return None


def _joint_obstacle(potential: Potential, form: str) -> str | None:
    if form == "reparametrization":
        return "it is no sum over coordinates, and w′(φ)² = 1/ρ″(w) is for one coordinate each"
    if isinstance(potential, Entropy):
        return "its domain, the simplex, has no interior, and ∇²ρ no inverse"
    if isinstance(potential, Spectral):
        return obstacle(potential.potential, form)
    if isinstance(potential, SquaredPNorm) and potential.p > 2:
        return "∇²ρ has no inverse where a coordinate is zero"
    return None
