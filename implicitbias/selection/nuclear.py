"""The least nuclear norm of a matrix that meets linear measurements: what small factors are said to select.

Solved without a cone solver. Douglas and Rachford's splitting between {A(W) = b} and the soft threshold of the spectrum
finds the rank of the solution and a dual point; Newton's method on the factors of that rank does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..problems import MatrixCompletion, MatrixSensing
from ..records import record
from ..threads import one_blas_thread
from .factored import polish
from .programs import UNSOLVED, Certificate, Infeasible, Program

__all__ = ["LeastNuclearNorm"]

Pair = tuple[np.ndarray, np.ndarray]

ITERATIONS = 3_000
"""With each threshold."""
LOOK = 25
"""Iterations between two looks at the certificate."""
STEPS = (0.04, 0.6, 10.0)
"""Thresholds, in units of the largest singular value of the measured part. The first suits tables, where many singular
values matter; the others move further, where the objective is nearly constant on what the measurements leave free."""
SOLVED = 1e-11
DENSE = 900
"""Unknowns up to which Newton's method is tried."""


class Measurements(NamedTuple):
    """Orthonormal measurements Bᵢ, ⟨B_i, W⟩ = b_i, that say what a problem's do; entries of W, or rows of a matrix."""

    shape: tuple[int, ...]
    entries: Any
    rows: Any
    b: np.ndarray

    def forward(self, W: np.ndarray) -> np.ndarray:
        flat = W.ravel()
        return np.asarray(flat[self.entries] if self.rows is None else self.rows @ flat)

    def adjoint(self, nu: np.ndarray) -> np.ndarray:
        flat = np.zeros(self.shape[0] * self.shape[1]) if self.rows is None else nu @ self.rows
        if self.rows is None:
            flat[self.entries] = nu
        return np.asarray(flat.reshape(self.shape))

    def project(self, W: np.ndarray) -> np.ndarray:
        """The nearest matrix that meets the measurements."""
        return W + self.adjoint(self.b - self.forward(W))

    def matrices(self) -> np.ndarray:
        """(m, p, q)."""
        n = self.shape[0] * self.shape[1]
        rows = np.eye(n)[self.entries] if self.rows is None else self.rows
        return np.asarray(rows.reshape(-1, *self.shape))


@record
class LeastNuclearNorm(Program):
    """min ‖W‖_* subject to ⟨A_i, W⟩ = b_i; with ``definite``, min tr W over W ⪰ 0 that do so.

    Parameters
    ----------
    problem : MatrixSensing or MatrixCompletion, whose measurements are met exactly. definite : also ask for W ⪰ 0.

    Raises
    ------
    ValueError
        for rows or columns of a completion without any observed entry, which it names.
    Infeasible
        by ``solution``, where no matrix meets the measurements; ``weights`` prove it.
    ArithmeticError
        by ``solution``, where the iteration does not settle: no W ⪰ 0 meets them.

    Notes
    -----
    The dual is max b·ν subject to ‖Σν_iA_i‖₂ ≤ 1 (with ``definite``: Σν_iA_i ⪯ I, symmetric parts). Any ν, scaled into
    this set, bounds the minimum. The certificate takes the solver's ν; its gap is in units of the objective.

    Examples
    --------
    >>> entries = MatrixCompletion([[4.0, 2.0], [2.0, np.nan]], [[True, True], [True, False]])
    >>> LeastNuclearNorm(entries).solution.round(9).tolist()
    [[4.0, 2.0], [2.0, 1.0]]
    """

    problem: Any
    definite: bool = False

    source = "recht2010guaranteed"

    def __post_init__(self) -> None:
        if not isinstance(self.problem, MatrixSensing | MatrixCompletion):
            raise ValueError(
                f"LeastNuclearNorm takes a MatrixSensing or a MatrixCompletion, got a {type(self.problem).__name__}"
            )
        if isinstance(self.problem, MatrixCompletion):
            unseen = {"rows": self.problem.unobserved_rows, "columns": self.problem.unobserved_columns}
            if named := " and ".join(
                f"{kind} {index.tolist()}" for kind, index in unseen.items() if index.size
            ):
                raise ValueError(
                    f"{named} have no observed entry: every solution is zero there; leave them out"
                )
        if self.definite and self.shape[0] != self.shape[1]:
            raise ValueError(f"a semidefinite W is square; this problem's is {self.shape[0]}×{self.shape[1]}")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.problem.w_shape

    def objective(self, w: np.ndarray) -> float:
        """‖W‖_*; with ``definite`` tr W, infinite where W has a negative eigenvalue beyond rounding."""
        if not self.definite:
            return float(np.sum(np.linalg.svd(w, compute_uv=False)))
        lam = np.linalg.eigvalsh((w + w.T) / 2)
        return float(np.sum(lam)) if lam[0] >= -1e-9 * np.abs(lam).max() else np.inf

    @cached_property
    def _measurements(self) -> Measurements:
        problem = self.problem
        if isinstance(problem, MatrixCompletion) and not self.definite:
            entries = np.flatnonzero(problem.mask)
            return Measurements(problem.w_shape, entries, None, problem.values.ravel()[entries])
        A, b = _as_sensing(problem)
        if self.definite:
            A = (A + A.transpose(0, 2, 1)) / 2
        U, s, Vt = np.linalg.svd(A.reshape(len(b), -1), full_matrices=False)
        kept = s > 1e-12 * s[0]
        U, s, Vt = U[:, kept], s[kept], Vt[kept]
        off = b - U @ (U.T @ b)
        if np.linalg.norm(off) > 1e-10 * np.linalg.norm(b):
            raise Infeasible("no matrix meets all measurements", off)
        return Measurements(problem.w_shape, None, Vt, (U.T @ b) / s)

    def _threshold(self, W: np.ndarray, by: float) -> np.ndarray:
        """The proximal map of ``by`` times the objective."""
        if not self.definite:
            tall = W if W.shape[0] >= W.shape[1] else W.T
            lam, Q = np.linalg.eigh(
                tall.T @ tall
            )  # faster than a singular value decomposition, and as good above ``by``
            kept = lam > by**2
            V = tall @ (Q[:, kept] * (1 - by / np.sqrt(lam[kept]))) @ Q[:, kept].T
            return np.asarray(V if W.shape[0] >= W.shape[1] else V.T)
        lam, Q = np.linalg.eigh((W + W.T) / 2)
        kept = lam > by
        return np.asarray((Q[:, kept] * (lam[kept] - by)) @ Q[:, kept].T)

    def _scaled(self, nu: np.ndarray) -> np.ndarray:
        """ν within the dual's constraint."""
        Y = self._measurements.adjoint(nu)
        most = np.linalg.eigvalsh((Y + Y.T) / 2)[-1] if self.definite else np.linalg.norm(Y, 2)
        return nu / max(1.0, float(most))

    @cached_property
    def _solved(self) -> Pair:
        """(W, ν)."""
        with one_blas_thread(max(self.shape)):
            return self._solve()

    def _solve(self) -> Pair:
        data = self._measurements
        W = data.adjoint(data.b)
        size = float(np.linalg.norm(W, 2))
        best, least, nu = (W, np.zeros_like(data.b)), np.inf, np.zeros_like(data.b)
        if not size:
            return best
        for step in STEPS:
            for pair in self._splitting(W, nu, step * size):
                worst = self._certificate(*pair).worst
                best, least = (pair, worst) if worst < least else (best, least)
                if least <= SOLVED:
                    return best
            W, nu = best
        if not least <= UNSOLVED:
            raise ArithmeticError(
                f"the least nuclear norm was not found: the best certificate is {least:.2g}"
                + ("; does any positive semidefinite matrix meet the measurements?" if self.definite else "")
            )
        return best

    def _splitting(
        self, W: np.ndarray, nu: np.ndarray, step: float
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Douglas and Rachford's iteration from (W, ν); now and then what Newton makes of it, and its (W, ν)."""
        data, rank = self._measurements, 0
        Z = W - step * data.adjoint(nu)
        for k in range(1, ITERATIONS + 1):
            W = data.project(Z)
            V = self._threshold(2 * W - Z, step)
            Z = Z + V - W
            if k % LOOK:
                continue
            nu, then, rank = data.forward(W - Z) / step, rank, int(np.linalg.matrix_rank(V))
            if rank == then > 0 and rank * sum(self.shape) + data.b.size <= DENSE:
                X, dual = polish(data.matrices(), data.b, V, nu, rank, self.definite)
                yield X, self._scaled(dual)
            yield W, self._scaled(nu)

    @property
    def solution(self) -> np.ndarray:
        return self._solved[0]

    @property
    def dual(self) -> np.ndarray:
        """Y = Σν_iA_i (p, q) of a solution of the dual: ‖Y‖₂ ≤ 1 and ⟨Y, W⟩ = ‖W‖_* (with ``definite``, Y ⪯ I)."""
        return self._measurements.adjoint(self._solved[1])

    def certify(self, w: np.ndarray) -> Certificate:
        """Feasibility; stationarity |‖W‖_* − ⟨Y, W⟩|/‖W‖_*, Y the ``dual``; gap (‖W‖_* − b·ν)/‖W‖_*."""
        return self._certificate(w, self._solved[1])

    def _certificate(self, w: np.ndarray, nu: np.ndarray) -> Certificate:
        data = self._measurements
        size = float(np.linalg.norm(data.b) + np.linalg.norm(w)) or 1.0
        feasibility = float(np.linalg.norm(data.forward(w) - data.b)) / size
        value, seen = self.objective(w), float(np.sum(data.adjoint(nu) * w))
        terms = abs(value) or 1.0
        return Certificate(feasibility, abs(value - seen) / terms, (value - float(nu @ data.b)) / terms, nu)


def _as_sensing(problem: Any) -> Pair:
    """(A, b); observed entries are unit matrices."""
    if isinstance(problem, MatrixSensing):
        return problem.A, problem.b
    index = np.flatnonzero(problem.mask)
    return np.eye(problem.mask.size)[index].reshape(-1, *problem.w_shape), problem.values.ravel()[index]
