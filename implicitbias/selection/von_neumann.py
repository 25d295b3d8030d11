"""The von Neumann entropy subject to linear measurements: what factored flows select when measurements commute."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..checks import real_array
from ..records import record
from ..threads import one_blas_thread
from .programs import EPS, UNSOLVED, Certificate, Program

__all__ = ["VonNeumannProjection"]

STEPS = 200
LEVEL = 4.0
"""The largest exponent of the first of the warm starts, and by how much the exponent may move in one step."""


class _Exponential(NamedTuple):
    """exp M = Q diag(e^λ) Qᵀ, and ⟨A_i, D exp(M)[A_j]⟩ by divided differences."""

    X: np.ndarray
    Q: np.ndarray
    lam: np.ndarray

    @classmethod
    def of(cls, M: np.ndarray) -> _Exponential:
        lam, Q = np.linalg.eigh(M)
        return cls((Q * np.exp(lam)) @ Q.T, Q, lam)

    def slope(self, A: np.ndarray) -> np.ndarray:
        """(m, m), with Φ_kl = (e^{λ_k} − e^{λ_l})/(λ_k − λ_l) = e^{(λ_k + λ_l)/2} sinhc((λ_k − λ_l)/2)."""
        half = np.abs(self.lam[:, None] - self.lam) / 2
        sinhc = np.sinh(np.minimum(half, 1.0)) / np.where(half > 0, half, 1.0)
        near = np.exp((self.lam[:, None] + self.lam) / 2) * np.where(half > 0, sinhc, 1.0)
        apart = np.abs(np.exp(self.lam)[:, None] - np.exp(self.lam)) / np.where(half > 0, 2 * half, 1.0)
        B = self.Q.T @ A @ self.Q
        return np.asarray(np.einsum("ikl,kl,jkl->ij", B, np.where(half < 1, near, apart), B))


@record
class VonNeumannProjection(Program):
    """min_X tr X(log X − I) − ⟨S, X⟩ subject to ⟨A_i, X⟩ = b_i, X ⪰ 0: the projection of the start exp S.

    With S = (log α²) I it is min Σ_k x_k (log(x_k/α²) − 1) over the eigenvalues x_k of X. The dual is smooth,
    max_ν b·ν − tr exp(S + Σ_i ν_i A_i), and X = exp(S + Σ_i ν_i A_i). Only the symmetric part of A_i counts.

    Parameters
    ----------
    S : (p, p) symmetric. A : (m, p, p), b : (m,). They need not commute.

    Raises
    ------
    ArithmeticError
        by ``solution``, when no positive definite X meets the measurements: then there is no ν.

    Examples
    --------
    >>> program = VonNeumannProjection(np.zeros((2, 2)), [np.diag([1.0, 2.0])], [3.0])  # x₁ = ν, x₂ = ν²: ν + 2ν² = 3
    >>> program.solution.round(12).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    S: Any
    A: Any
    b: Any

    source = "gunasekar2017factorization"

    def __post_init__(self) -> None:
        A = real_array("A", self.A, (None, None, None))
        S = real_array("S", self.S, A.shape[1:], "(that of the measurements)")
        if S.shape[0] != S.shape[1] or np.abs(S - S.T).max() > 1e-12 * np.abs(S).max():
            raise ValueError("S must be a symmetric matrix")
        for name, value in (("A", (A + A.transpose(0, 2, 1)) / 2), ("S", (S + S.T) / 2), ("b", self.b)):
            object.__setattr__(self, name, real_array(name, value))
        real_array("b", self.b, (len(A),), "(one per measurement)")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.S.shape

    def objective(self, w: np.ndarray) -> float:
        x = np.maximum(np.linalg.eigvalsh(_symmetric(w)), 0.0)
        return float(np.sum(x * (np.log(np.where(x > 0, x, 1.0)) - 1)) - np.sum(self.S * w))

    @cached_property
    def _rows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Orthonormal measurements that say the same, what they measure, and R with ν = Rᵀν' for those given."""
        U, s, Vt = np.linalg.svd(self.A.reshape(len(self.b), -1), full_matrices=False)
        kept = s > 1e-12 * s[0]
        R = U[:, kept].T / s[kept, None]
        return Vt[kept].reshape(-1, *self.shape), R @ self.b, R

    def _dual(self, S: np.ndarray, nu: np.ndarray) -> tuple[np.ndarray, float]:
        """(ν, residual) of Newton's method for A(exp(S + A*ν)) = b; a step moves the exponent by at most ``LEVEL``."""
        A, b, _ = self._rows
        best, least, worse = nu, np.inf, 0
        for _ in range(STEPS):
            state = _Exponential.of(S + np.tensordot(nu, A, 1))
            off = np.tensordot(A, state.X, 2) - b
            size = float(np.linalg.norm(off))
            worse = 0 if size < least else worse + 1
            if size < least:
                best, least = nu, size
            if worse > 3 and least <= 1e-10 * np.linalg.norm(b):
                break  # at rounding
            step = np.linalg.lstsq(state.slope(A), off, rcond=EPS)[0]
            moved = float(np.linalg.norm(np.tensordot(step, A, 1), 2))
            nu = nu - step * min(1.0, LEVEL / moved if moved else 1.0)
        return best, least / (float(np.linalg.norm(b)) or 1.0)

    @cached_property
    def _multiplier(self) -> np.ndarray:
        """ν' of the orthonormal measurements, through S/2^k, …, S/2, S: ν grows in proportion to a large S."""
        with one_blas_thread(len(self.S)):
            doublings = max(int(np.ceil(np.log2(max(float(np.linalg.norm(self.S, 2)), 1.0) / LEVEL))), 0)
            nu, residual = self._dual(self.S / 2**doublings, np.zeros(len(self._rows[1])))
            for k in range(doublings - 1, -1, -1):
                nu, residual = self._dual(self.S / 2**k, 2 * nu)
        if not residual <= UNSOLVED:
            raise ArithmeticError(
                f"Newton's method stopped at relative residual {residual:.2g}: does any positive definite X meet the "
                "measurements?"
            )
        return nu

    @property
    def multiplier(self) -> np.ndarray:
        """ν (m,), that of least norm where the measurements are dependent."""
        nu: np.ndarray = self._rows[2].T @ self._multiplier
        return nu

    @cached_property
    def solution(self) -> np.ndarray:
        return _Exponential.of(self.S + np.tensordot(self._multiplier, self._rows[0], 1)).X

    def certify(self, w: np.ndarray) -> Certificate:
        """Dual bound b·ν − tr exp(S + A*ν), at the ν for which A*ν is nearest to log X − S.

        Rounding of X leaves its eigenvalues x with relative errors ε‖X‖/x. So distances of log X are weighted by √x,
        as in tr X(log X − S − A*ν)², and eigenvalues of the size of rounding are not asked; negative ones have no
        logarithm.
        """
        A, b, R = self._rows
        X = _symmetric(w)
        size = float(np.linalg.norm(b) + np.linalg.norm(X)) or 1.0
        feasibility = float(np.linalg.norm(np.tensordot(A, X, 2) - b)) / size
        x, Q = np.linalg.eigh(X)
        noise = 8 * EPS * len(x) * float(np.abs(x).max())
        if x[0] < -noise or x[-1] <= 0 or float(np.abs(w - w.T).max()) > 1e-9 * x[-1]:
            return Certificate(feasibility, np.inf, np.inf, np.full(len(self.b), np.nan))
        x, Q = x[x > noise], Q[:, x > noise]
        root = (Q * np.sqrt(x)).T
        z = (np.log(x)[:, None] * root - root @ self.S).ravel()
        rows = (root @ A).reshape(len(b), -1)
        nu = np.linalg.lstsq(rows.T, z, rcond=None)[0]
        off = float(np.linalg.norm(z - nu @ rows)) / (float(np.linalg.norm(z)) or 1.0)
        lam = np.linalg.eigvalsh(self.S + np.tensordot(nu, A, 1))
        bound, value = float(nu @ b - np.sum(np.exp(np.minimum(lam, 700.0)))), self.objective(X)
        terms = abs(value) + abs(bound) + abs(float(nu @ b)) or 1.0
        return Certificate(feasibility, off, (value - bound) / terms, R.T @ nu)


def _symmetric(w: np.ndarray) -> np.ndarray:
    return np.asarray((w + w.T) / 2)
