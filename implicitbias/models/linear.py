"""The linear model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..geometry import Euclidean, Potential
from ..records import record
from .base import Balanced, Model

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["Linear"]


@record
class Linear(Model):
    """w = θ: the parameters are the predictor, of the problem's own shape.

    The balanced start is zero, whatever the scale.
    """

    dynamics_code = 0
    default_init = Balanced(1.0)

    def shapes(self, problem: Problem) -> Any:
        return problem.w_shape

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        return theta

    def pullback(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        return g

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> np.ndarray:
        return np.zeros(problem.w_shape)

    def mirror_form(
        self, optimizer: Any, theta0: np.ndarray, accumulators: Mapping[str, np.ndarray]
    ) -> tuple[Potential, np.ndarray]:
        """The potential that the optimizer declares or moves in; Euclidean where it has none."""
        declared = getattr(optimizer, "row_potential", None) or getattr(optimizer, "potential", None)
        potential = declared or Euclidean()
        return potential, potential.gradient(theta0)

    def from_dual(self, theta0: np.ndarray, potential: Potential, z: np.ndarray) -> np.ndarray:
        return potential.inverse_gradient(z)
