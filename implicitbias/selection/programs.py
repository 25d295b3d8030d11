"""Programs: what is minimised subject to what, their solvers, and certificates that trust neither.

A certificate is computed from the point alone. It gives feasibility, stationarity and a duality
gap: an upper bound on how much better any feasible point could be, whatever produced the point.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..checks import real_array
from ..geometry import Potential, bregman_projection
from ..geometry.bregman import constraints
from ..records import record
from ..threads import one_blas_thread

__all__ = ["BregmanProjection", "Certificate", "Infeasible", "Program", "certify"]

EPS = float(np.finfo(float).eps)
UNSOLVED = 1e-8
"""A solver whose relative residual stays above this has failed, and says so."""
NOT_FOUND = dict.fromkeys(
    ("curve", "joint"), "is there any w in the domain of the potential that satisfies Xw = y?"
)
NOT_FOUND |= dict.fromkeys(("dual", "primal"), "the problem is too ill-conditioned for floats")
SHORT = (4 * EPS, 32 * EPS, 1e-12, 1e-8, 1e-4, 1e-2, 1.0)
"""How far a dual point that rounding has put outside a box is drawn back; the bound weakens by as much."""


def data(X: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
    """X (n, d) and y (n,), checked."""
    X = real_array("X", X, (None, None))
    return X, real_array("y", y, (X.shape[0],), "(one per row of X)")


class Certificate(NamedTuple):
    """How good a point is for a program; all relative, zero is perfect.

    feasibility : violation of the constraints.
    stationarity : distance of the optimality condition from being met.
    gap : (objective − dual bound)/(|objective| + |dual bound|); NaN for a program that is not convex, of
        which no dual bounds the minimum.
    dual : the multiplier the bound was computed with.
    """

    feasibility: float
    stationarity: float
    gap: float
    dual: np.ndarray

    @property
    def worst(self) -> float:
        """The largest of the three (of two where there is no gap)."""
        gap = 0.0 if np.isnan(self.gap) else abs(self.gap)
        return float(np.max([self.feasibility, self.stationarity, gap]))


class Infeasible(ValueError):
    """No point meets a program's constraints; ``weights`` are multipliers of its equations that prove it."""

    def __init__(self, message: str, weights: np.ndarray) -> None:
        self.weights = weights
        super().__init__(message)


class Program(ABC):
    """A program whose solution is a predictor w (or a direction)."""

    kind = "point"
    """"point", or "direction" when only w/‖w‖ is selected."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of w."""

    @abstractmethod
    def objective(self, w: np.ndarray) -> float:
        """What is minimised."""

    @property
    @abstractmethod
    def solution(self) -> np.ndarray:
        """The minimiser."""

    @abstractmethod
    def certify(self, w: np.ndarray) -> Certificate:
        """How good ``w`` is."""


@record
class BregmanProjection(Program):
    """min_w ψ(w) − ⟨z₀, w⟩ subject to Xw = y (for inconsistent y: to w being a least-squares solution).

    With z₀ = ∇ψ(w₀) it is the Bregman projection of w₀.
    """

    potential: Potential
    z0: np.ndarray
    X: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        for name, value in zip(("X", "y"), data(self.X, self.y)):
            object.__setattr__(self, name, value)
        z0 = real_array("z0", self.z0, (self.X.shape[1],), "(one per column of X)")
        object.__setattr__(self, "z0", z0)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return float(self.potential.value(w) - self.z0 @ w)

    @cached_property
    def solution(self) -> np.ndarray:
        found = bregman_projection(self.potential, self.z0, self.X, self.y)
        if not found.residual <= UNSOLVED:
            raise ArithmeticError(
                f"the projection by {type(self.potential).__name__} was not found: Newton's method stopped at "
                f"relative residual {found.residual:.2g}; {NOT_FOUND[self.potential.newton]}"
            )
        return found.w

    def certify(self, w: np.ndarray) -> Certificate:
        """Dual bound ⟨ν, b⟩ − ψ*(z₀ + Aᵀν) at ν = A(∇ψ(w) − z₀), A an orthonormal basis of range(Xᵀ).

        Where ψ lives on w > 0 or on an orthant, a w outside has no dual point: only its feasibility is finite.
        """
        with one_blas_thread(max(self.X.shape)):
            psi, A, b, R = constraints(self.potential, self.X, self.y)
        feasibility = float(np.linalg.norm(A @ w - b)) / (float(np.linalg.norm(b) + np.linalg.norm(w)) or 1.0)
        try:
            dual, value = psi.gradient(w), float(psi.value(w) - self.z0 @ w)
        except ValueError:
            return Certificate(feasibility, np.inf, np.inf, np.full(len(self.y), np.nan))
        z = dual - self.z0
        nu = A @ z
        # a start that is the solution has z = 0: what rounding of ∇ψ(w) and z₀ leaves of it has no direction
        off = np.linalg.norm(z - A.T @ nu) - 4 * EPS * np.linalg.norm(np.abs(dual) + np.abs(self.z0))
        stationarity = max(float(off), 0.0) / (float(np.linalg.norm(z)) or 1.0)
        for short in (0.0, *SHORT):
            bound = float((1 - short) * nu @ b) - conjugate(psi, self.z0 + (1 - short) * (A.T @ nu))
            if np.isfinite(bound):
                break
        terms = abs(value) + abs(bound) + abs(float(nu @ b)) or 1.0
        return Certificate(feasibility, stationarity, (value - bound) / terms, R @ nu)


def conjugate(psi: Potential, z: np.ndarray) -> float:
    """ψ*(z), infinite or NaN where ∇ψ* is."""
    with np.errstate(all="ignore"):
        w = psi.inverse_or_nan(z)
        return float(z @ w - psi.value(w)) if np.all(np.isfinite(w)) else np.inf


def certify(w: np.ndarray, program: Program) -> Certificate:
    """Feasibility, stationarity and duality gap of ``w`` for ``program``, whatever produced ``w``.

    Raises
    ------
    ValueError
        for a w of the wrong shape, or not finite.
    """
    return program.certify(real_array("w", w, program.shape, "(the predictor of this program)"))
