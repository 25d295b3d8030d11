"""Preconditioned flows and steps: P multiplies the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import number
from ..geometry import Mahalanobis, Potential
from ..geometry.potentials import spd
from ..models import Layout
from ..models.base import layout_of
from ..problems import Regression
from ..records import record
from .base import Flow, KernelRule, Oracle, State, Step

__all__ = ["InverseHessian", "NaturalGradient", "PreconditionedFlow", "PreconditionedGradientDescent"]


def _apply(P: Any, theta: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    matrix = _evaluated(P, theta) if callable(P) else P
    return gradient * matrix if np.ndim(matrix) < 2 else gradient @ np.asarray(matrix).T


def _evaluated(P: Any, theta: np.ndarray) -> np.ndarray:
    """P(θ), which must be what a fixed P must be, wherever the iterate is."""
    matrix = np.asarray(P(theta))
    if np.iscomplexobj(matrix) or theta.ndim > 1:  # inside a derivative
        return matrix
    shape, d = matrix.shape, theta.size
    if shape not in ((), (d,), (d, d)):
        raise ValueError(f"P(θ) has shape {shape}; θ has {d} entries: ({d},) or ({d}, {d}) is needed")
    if matrix.ndim < 2:
        if not np.all((matrix >= 0) & np.isfinite(matrix)):  # zero where a coordinate rests
            raise ValueError(f"P(θ) has the entry {np.min(matrix):.3g}; a preconditioner is ≥ 0 and finite")
        return matrix
    if not np.allclose(matrix, matrix.T, rtol=1e-12, atol=1e-14 * np.abs(matrix).max()):
        raise ValueError(f"P(θ) is not symmetric: max |P − Pᵀ| = {np.abs(matrix - matrix.T).max():.3g}")
    least = float(np.linalg.eigvalsh(matrix)[0])
    if least < -1e-12 * np.abs(matrix).max():
        raise ValueError(f"P(θ) is not positive semidefinite: least eigenvalue {least:.3g}")
    return matrix


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
class InverseHessian:
    """P(w) = (∇²ψ(w))⁻¹ of a potential: a diagonal (d,) where ψ is a sum over coordinates, else (d, d).

    The flow that it preconditions is the mirror flow of ψ; the steps are not the mirror steps. P is zero where ∇²ψ
    is infinite: coordinates stay there.

    >>> from implicitbias import Hypentropy
    >>> InverseHessian(Hypentropy(0.0))(np.array([0.0, 1.0])) ** 2  # √(w² + c²)
    array([1., 2.])
    """

    potential: Potential

    def __call__(self, w: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(w):
            raise TypeError("second derivatives have no complex steps")
        with np.errstate(divide="ignore"):
            h = self.potential.hessian(w)
            return 1.0 / h if self.potential.separable else np.linalg.inv(h)


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

    def kernel_rule(self) -> KernelRule | None:
        return None if callable(self.P) else KernelRule(code=11, constants=np.ravel(self.P))


@record
class NaturalGradient(Step):
    """θ_{k+1} = θ_k − η_k (F + δI)⁺ ∇L(θ_k),  F = JᵀJ/n,  J = X ∂w/∂θ.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | δ | ``damping`` | ≥ 0; 0 takes the pseudo-inverse |

    F is the Fisher matrix of the Gaussian likelihood behind the square loss, and the Gauss–Newton matrix of
    the loss; J (n, P). With ∇L = Jᵀr/n, (F + δI)⁻¹∇L = Jᵀ(JJᵀ + nδI)⁻¹ r, an n-dimensional solve.
    """

    step: Any
    damping: float = 0.0

    source = "amari1998natural"

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        damping = number("damping", self.damping, "be finite and ≥ 0", lambda x: x >= 0)
        object.__setattr__(self, "damping", damping)

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        return (
            None
            if isinstance(problem, Regression)
            else "NaturalGradient has the Fisher matrix of a Regression"
        )

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        X, y = oracle.problem.X, oracle.problem.y
        J = np.stack([oracle.pull(theta, x) for x in X])
        r = X @ oracle.predictor(theta) - y
        oracle.g = r @ X / len(y)
        K = J @ J.T + len(y) * self.damping * np.eye(len(y))
        direction = J.T @ np.linalg.lstsq(K, r, rcond=len(y) * np.finfo(float).eps)[0]
        return theta - self.size(k) * (direction + oracle.decay * theta), state

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=12, constants=(self.damping,))
