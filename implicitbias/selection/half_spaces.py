"""Bregman projection onto half-spaces: what the multipliers of an inequality add to an equation."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array
from ..geometry import Potential, bregman_projection
from ..records import record
from .active_set import nonnegative_least
from .programs import Certificate, Infeasible, Program, conjugate, data

__all__ = ["HalfSpaceProjection"]

ROUNDING, DEPENDENT = 1e-12, 1e-10


@record
class HalfSpaceProjection(Program):
    """min_w ψ(w) − ⟨z₀, w⟩ subject to z_i·w ≥ b_i.

    With z₀ = ∇ψ(w₀) it is the Bregman projection of w₀. Its solution has ∇ψ(w) = z₀ + Zᵀα with multipliers α ≥ 0
    that vanish where z_i·w > b_i.

    Parameters
    ----------
    potential : ψ. z0 : (d,). Z : (n, d) the normals. b : (n,) or one level for all.

    >>> from implicitbias.geometry import Euclidean
    >>> program = HalfSpaceProjection(Euclidean(), np.zeros(2), np.eye(2), [1.0, -1.0])
    >>> program.solution.tolist(), program.multipliers.tolist()
    ([1.0, 0.0], [1.0, 0.0])
    """

    potential: Potential
    z0: Any
    Z: Any
    b: Any

    def __post_init__(self) -> None:
        Z = real_array("Z", self.Z, (None, None))
        for name, value in zip(("Z", "b"), data(Z, np.broadcast_to(self.b, len(Z)).copy())):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "z0", real_array("z0", self.z0, (Z.shape[1],), "(one per column of Z)"))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.Z.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return float(self.potential.value(w) - self.z0 @ w)

    @cached_property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """(w, α): the primal and the dual solution.

        Raises
        ------
        Infeasible
            with weights p ≥ 0, Zᵀp = 0, p·b > 0, when no w meets the constraints.
        """
        rows = np.linalg.norm(self.Z, axis=1)
        rows[rows == 0] = 1.0
        A, b = self.Z / rows[:, None], self.b / rows
        try:
            w, alpha = onto_half_spaces(self.potential, self.z0, A, b, np.zeros(len(b)))
        except Infeasible as error:
            raise Infeasible(str(error), error.weights / rows) from None
        return w, alpha / rows

    @property
    def solution(self) -> np.ndarray:
        return self.pair[0]

    @property
    def multipliers(self) -> np.ndarray:
        """α ≥ 0."""
        return self.pair[1]

    def certify(self, w: np.ndarray) -> Certificate:
        """Dual bound b·α − ψ*(z₀ + Zᵀα) with the α ≥ 0 whose Zᵀα is nearest to ∇ψ(w) − z₀."""
        short = np.maximum(self.b - self.Z @ w, 0.0)
        feasibility = float(
            np.max(short / (np.abs(self.b) + np.linalg.norm(self.Z, axis=1) * np.linalg.norm(w)))
        )
        z, value = self.potential.gradient(w) - self.z0, self.objective(w)
        alpha = nonnegative_least(self.Z.T, z)
        bound = float(self.b @ alpha) - conjugate(self.potential, self.z0 + self.Z.T @ alpha)
        stationarity = float(np.linalg.norm(z - self.Z.T @ alpha)) / (float(np.linalg.norm(z)) or 1.0)
        terms = abs(value) + abs(bound) + abs(float(self.b @ alpha)) or 1.0
        return Certificate(feasibility, stationarity, (value - bound) / terms, alpha)


def onto_half_spaces(
    potential: Potential, z0: np.ndarray, A: np.ndarray, b: np.ndarray, alpha: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(w, α) of max b·α − ψ*(z₀ + Aᵀα) over α ≥ 0, rows of A of length one, from ``alpha``: on each face
    {α_i = 0 off S} by the projection onto A_S w = b_S; a face whose maximiser is not positive is left where the segment
    to it does, and the most violated constraint enters. The objective never decreases.
    """
    n = len(b)
    S = np.flatnonzero(alpha)
    for _ in range(20 * n):
        move = -alpha
        if S.size:
            found = bregman_projection(potential, z0, A[S], b[S])
            w, multiplier = found.w, found.multiplier
            move[S] += multiplier
            if np.min(multiplier) < -ROUNDING * np.abs(multiplier).max():
                alpha, S = until_blocked(alpha, move)
                continue
        else:
            w = potential.inverse_gradient(z0)
        alpha = np.maximum(alpha + move, 0.0)
        excess = A @ w - b
        j = int(np.argmin(excess))
        if excess[j] >= -ROUNDING * (abs(b[j]) + float(np.linalg.norm(w))):
            return w, alpha
        combination, *_ = np.linalg.lstsq(A[S].T, A[j], rcond=None)
        if np.linalg.norm(A[S].T @ combination - A[j]) <= DEPENDENT:  # no w meets all: linear on this line
            line = np.eye(n)[j]
            line[S] -= combination
            if np.all(line >= -ROUNDING):
                raise Infeasible("no w meets all of z_i·w ≥ b_i", np.maximum(line, 0.0))
            alpha, S = until_blocked(alpha, line)
        S = np.union1d(S, j)
    raise ArithmeticError(f"the active set of {type(potential).__name__} was not found in {20 * n} changes")


def until_blocked(alpha: np.ndarray, move: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """α moved until an entry vanishes, and which are positive then."""
    falling = np.flatnonzero(move < 0)
    reach = alpha[falling] / -move[falling]
    alpha = np.maximum(alpha + float(np.min(reach)) * move, 0.0)
    alpha[falling[np.argmin(reach)]] = 0.0
    return alpha, np.flatnonzero(alpha > 0)
