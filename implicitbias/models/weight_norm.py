"""Weight normalisation: the length and the direction of the predictor as separate parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive
from ..records import record
from .base import Model

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["WeightNormalized"]


@record
class WeightNormalized(Model):
    """w = g v/‖v‖, θ = (g, v) with g (1,) and v (d,) ≠ 0.

    Gradient: ∇_g L = u·G, ∇_v L = (g/‖v‖)(I − uuᵀ)G with u = v/‖v‖ and G = ∇_w L. The gradient flow conserves
    ‖v‖, and on linear data g² + 2c‖v‖² ln‖Nu‖, N the projector on null(X) and c the rate of g over that of v:
    ``GradientFlow(rates=(c, 1))``. The balanced start is g = scale and ‖v‖ = 1, with equal entries of v or,
    given ``rng``, a uniformly random direction.

    >>> WeightNormalized().predictor((np.array([10.0]), np.array([3.0, 4.0])))
    array([6., 8.])
    """

    source = "wu2020weightnorm"

    def shapes(self, problem: Problem) -> Any:
        if len(problem.w_shape) != 1:
            raise ValueError(
                f"WeightNormalized needs a vector predictor; this {type(problem).__name__} has w of shape "
                f"{problem.w_shape}"
            )
        return {"g": (1,), "v": problem.w_shape}

    def refuses(self, theta: Any) -> str | None:
        undirected = ~np.any(theta[1], axis=-1)
        return "v is zero and has no direction: w = g v/‖v‖ needs v ≠ 0" if np.any(undirected) else None

    def predictor(self, theta: Any) -> np.ndarray:
        g, v = theta
        w: np.ndarray = g * v / _length(v)
        return w

    def pullback(self, theta: Any, g: np.ndarray) -> Any:
        length = _length(theta[1])
        u = theta[1] / length
        along = np.sum(u * g, axis=-1, keepdims=True)
        return along, theta[0] / length * (g - along * u)

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> Any:
        (d,) = self.shapes(problem)["v"]
        v = np.ones(d) if rng is None else np.random.default_rng(rng).standard_normal(d)
        return np.array([positive("scale", scale)]), v / np.linalg.norm(v)


def _length(v: np.ndarray) -> np.ndarray:
    """‖v‖ as √(v·v), which is analytic in v."""
    length: np.ndarray = np.sqrt(np.sum(v * v, axis=-1, keepdims=True))
    return length
