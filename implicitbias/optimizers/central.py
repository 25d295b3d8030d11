"""The central flow: what gradient descent does on average while it oscillates at the edge of stability."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import positive
from ..records import record
from .base import Flow
from .modified import REACH, ProbingChart, hessian_product

__all__ = ["CentralFlow"]


@record
class CentralFlow(Flow):
    """θ̇ = −∇[L + ½σ² S](θ), S the sharpness and σ² ≥ 0 the least for which Ṡ ≤ (2/η − S)/η.

    S = λ_max(∇²L) with the unit eigenvector u, ∇S = ∇³L(u, u, ·), and

        σ² = max(0, [−⟨∇S, ∇L⟩ − (2/η − S)/η] / (½‖∇S‖²)).

    Below the edge of stability S = 2/η this is the gradient flow of L; at the edge it stays there, and σ² is the
    mean square of gradient descent's oscillation along u. The edge is approached at the rate of one step, so that
    the field is continuous. Time is that of the steps, t = kη.

    | symbol | argument | |
    |---|---|---|
    | η | ``step`` | > 0, the step of gradient descent |

    One direction may be unstable: the run fails where a second eigenvalue of the Hessian reaches 2/η, and where ∇S = 0
    at the edge. The Hessian (P, P) is formed at every call, by differences of the gradient: for small models.

    >>> CentralFlow(0.1).step
    0.1
    """

    step: float

    source = "cohen2025central"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "step", positive("step", self.step))

    def chart(self, setting: Any) -> ProbingChart:
        return ProbingChart(setting, self._field)

    def oscillation(self, setting: Any, theta: np.ndarray) -> np.ndarray:
        """σu at flat θ (P,), of either sign: at the edge gradient descent visits θ + σu and θ − σu in turn."""
        chart = self.chart(setting)
        variance, _, u = self._variance(chart, theta, chart.slope(theta))
        sigma_u: np.ndarray = np.sqrt(variance) * u
        return sigma_u

    def _field(self, chart: ProbingChart, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        """−θ̇; of one real θ, since eigenvectors are not analytic."""
        if theta.ndim > 1 or np.iscomplexobj(theta):
            raise TypeError("the central flow has no complex or batched form")
        variance, ascent, _ = self._variance(chart, theta, g)
        return g + variance / 2 * ascent

    def _variance(
        self, chart: ProbingChart, theta: np.ndarray, g: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray]:
        """σ², ∇S and u."""
        S, second, u = _sharpness(chart, theta)
        edge = 2 / self.step
        if second >= edge:
            raise ArithmeticError(
                f"a second eigenvalue of the Hessian, {second:.6g}, is at the edge 2/η = {edge:.6g}"
            )
        ascent = _sharpness_gradient(chart, theta, u)
        excess, size = -float(ascent @ g) - (edge - S) / self.step, float(np.linalg.norm(ascent))
        if excess <= 0:
            return 0.0, ascent, u
        if size * float(np.linalg.norm(theta)) <= 1e-8 * S:  # rounding of the differences
            raise ArithmeticError(
                f"the sharpness {S:.6g} is at the edge 2/η = {edge:.6g} and its gradient is zero"
            )
        return 2 * excess / size**2, ascent, u


def _sharpness(chart: ProbingChart, theta: np.ndarray) -> tuple[float, float, np.ndarray]:
    """The two largest eigenvalues of the Hessian (−∞ where it is 1×1), and the eigenvector of the first."""
    P = theta.size
    H = hessian_product(chart.slope, np.tile(theta, (P, 1)), np.eye(P))
    values, vectors = np.linalg.eigh((H + H.T) / 2)
    return float(values[-1]), float(values[-2]) if P > 1 else -np.inf, vectors[:, -1]


def _sharpness_gradient(chart: ProbingChart, theta: np.ndarray, u: np.ndarray) -> np.ndarray:
    """∇³L(u, u, ·) = d²/dε² ∇L(θ + εu) at ε = 0, exact for polynomials of degree five."""
    eps = 10 * REACH * (float(np.linalg.norm(theta)) or 1.0)
    points = theta + eps * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None] * u
    second: np.ndarray = np.array([-1.0, 16.0, -30.0, 16.0, -1.0]) @ chart.slope(points) / (12 * eps**2)
    return second
