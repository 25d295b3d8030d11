"""Preconditioned flows and steps: P multiplies the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import Mahalanobis, Potential
from ..geometry.potentials import spd
from ..models import Layout
from ..models.base import layout_of
from ..records import record
from .base import Flow, Oracle, State, Step

__all__ = ["PreconditionedFlow", "PreconditionedGradientDescent"]


def _apply(P: Any, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    matrix = P(theta) if callable(P) else P
    return gradient * matrix if np.ndim(matrix) < 2 else gradient @ np.asarray(matrix).T


def _potential(P: Any, weight_decay: float) -> Potential | None:
    if callable(P) or weight_decay:
        return None
    return Mahalanobis(1.0 / P if P.ndim == 1 else np.linalg.inv(P))


def _requires(P: Any, problem: Any, model: Any) -> str | None:
    size = layout_of(model, problem).size
    if callable(P) or P.shape in ((size,), (size, size)):
        return None
    return f"P has shape {P.shape}; θ has {size} entries: ({size},) or ({size}, {size}) is needed"


@record
class PreconditionedFlow(Flow):
    """θ̇ = −P ∇L(θ), P a positive diagonal (P,), a symmetric positive definite matrix, or a callable
    of θ returning either.
    """

    P: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.P):
            object.__setattr__(self, "P", spd("P", self.P))

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this flow cannot run there; None when it can."""
        return _requires(self.P, problem, model)

    def velocity(self, theta: np.ndarray, gradient: np.ndarray, layout: Layout) -> np.ndarray:
        return -_apply(self.P, theta, gradient)

    @property
    def row_potential(self) -> Potential | None:
        return _potential(self.P, self.weight_decay)


@record
class PreconditionedGradientDescent(Step):
    """θ_{k+1} = θ_k − η_k P ∇L(θ_k).

    | symbol | argument | |
    |---|---|---|
    | P | ``P`` | positive diagonal (d,), symmetric positive definite (d, d), or a callable of θ |
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    """

    P: Any
    step: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.P):
            object.__setattr__(self, "P", spd("P", self.P))

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        return _requires(self.P, problem, model)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        return theta - self.size(k) * _apply(self.P, theta, oracle(theta)), state

    @property
    def row_potential(self) -> Potential | None:
        return _potential(self.P, self.weight_decay)
