"""The architecture whose gradient flow is the mirror flow of a given potential."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive, real_array
from ..geometry import Potential
from ..geometry.arc_length import ArcLength, arc_length
from ..records import record
from .base import Balanced, Model
from .diagonal import regression_width

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["Reparametrized"]


@record
class Reparametrized(Model):
    """w = w(φ) entry by entry with w′(φ)² = 1/ψ″(w), θ = φ of shape (d,): φ = ∫√ψ″ dw, from w = 0 where it can.

    Gradient: ∇_φ L = w′(φ)∘g. The gradient flow moves w by ẇ = −w′²g = −g/ψ″(w), so that d∇ψ(w)/dt = −g: it is the
    mirror flow of ψ [amid2020reparameterizing], in time as well. A finite step of gradient descent is not the mirror
    step. Where ψ″ is finite and positive at zero, the balanced start is w = 0, whatever the scale. Where it is
    infinite, w′(0) = 0 and coordinates keep their signs; where zero is outside, they have one sign. There the
    balanced start is w = scale·signs (default +).

    Raises
    ------
    ValueError
        for a potential that is no sum over coordinates, and where ψ″ vanishes inside its domain: w′ is infinite.

    Examples
    --------
    >>> model = Reparametrized(Potential.from_value(np.cosh))
    >>> phi = model.straighten(np.array([0.0, 2.0]))
    >>> w, slope = model.forward(phi)
    >>> w.round(12), (slope**2 * np.cosh(w)).round(9)
    (array([0., 2.]), array([1., 1.]))
    """

    potential: Potential

    source = "amid2020reparameterizing"
    takes_signs = True

    def __post_init__(self) -> None:
        if not isinstance(self.potential, Potential):
            raise ValueError(f"Reparametrized needs a Potential, got {self.potential!r:.80}")
        _ = self._arc

    @cached_property
    def _arc(self) -> ArcLength:
        return arc_length(self.potential)

    def __getstate__(self) -> dict[str, Any]:
        return {"potential": self.potential}  # the table is made again

    @property
    def keeps_signs(self) -> bool:
        """Whether no coordinate crosses w = 0 under the gradient flow, nor leaves it."""
        return self._arc.keeps_signs

    @property
    def default_init(self) -> Balanced | None:  # type: ignore[override]
        """Zero, where flows can leave it."""
        return None if self.keeps_signs else Balanced(1.0)

    def straighten(self, w: np.ndarray) -> np.ndarray:
        """φ(w), the inverse of :meth:`predictor`; infinite or NaN outside the domain."""
        return self._arc.length(w)

    def shapes(self, problem: Problem) -> Any:
        return (regression_width(self, problem),)

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        return self._arc.point(theta)[0]

    def forward(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(w, w′)."""
        return self._arc.point(theta)

    def pullback(self, theta: np.ndarray, g: np.ndarray, parts: np.ndarray | None = None) -> np.ndarray:
        return (self._arc.point(theta)[1] if parts is None else parts) * g

    def refuses(self, theta: np.ndarray) -> str | None:
        w = self.predictor(theta)
        if np.all(np.isfinite(w)):
            return None
        return f"φ = {float(theta[~np.isfinite(w)][0])!r} belongs to no w of the potential's domain"

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> np.ndarray:
        shape = self.shapes(problem)
        if not self.keeps_signs:
            return np.zeros(shape)
        signs = np.ones(shape) if signs is None else np.sign(real_array("signs", signs, shape))
        phi = self.straighten(positive("scale", scale) * signs)
        if not np.all(np.isfinite(phi)):
            raise ValueError(f"w = ±{scale:g} is outside the domain of the potential for some of the signs")
        return phi

    def mirror_form(
        self, optimizer: Any, theta0: np.ndarray, accumulators: Mapping[str, np.ndarray]
    ) -> tuple[Potential, np.ndarray] | None:
        """ψ and z₀ = ∇ψ(w₀). None for starts with zeros that coordinates cannot leave."""
        w0 = self.predictor(theta0)
        return None if self.keeps_signs and np.any(w0 == 0) else (self.potential, self.potential.gradient(w0))

    def from_dual(self, theta0: np.ndarray, potential: Potential, z: np.ndarray) -> np.ndarray:
        return self.straighten(potential.inverse_gradient(z))
