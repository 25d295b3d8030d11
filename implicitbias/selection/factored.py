"""Newton's method for the least nuclear norm on factors of a known rank."""

from __future__ import annotations

import numpy as np

__all__: list[str] = []

STEPS = 12


def polish(
    A: np.ndarray, b: np.ndarray, V: np.ndarray, nu: np.ndarray, rank: int, definite: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(W, ν) near (V, ν), ⟨A_i, W⟩ = b_i, of this rank: stationary for the nuclear norm (``definite``: for the trace).

    A general W = PQᵀ is a corner of FFᵀ, F = (P, Q), and 2⟨A_i, W⟩ = ⟨B_i, FFᵀ⟩ with B_i = [[0, A_i], [A_iᵀ, 0]].
    """
    U, s, Vt = np.linalg.svd(V, full_matrices=False)
    left, right = U[:, :rank] * np.sqrt(s[:rank]), Vt[:rank].T * np.sqrt(s[:rank])
    if definite:
        F, nu = _stationary(A, b, left, nu)
        return F @ F.T, nu
    p, B = A.shape[1], np.zeros((len(A), sum(V.shape), sum(V.shape)))
    B[:, :p, p:], B[:, p:, :p] = A, A.transpose(0, 2, 1)
    F, nu = _stationary(B, 2 * b, np.vstack([left, right]), nu)
    return F[:p] @ F[p:].T, nu


def _stationary(B: np.ndarray, b: np.ndarray, F: np.ndarray, nu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F = YF and ⟨B_i, FFᵀ⟩ = b_i with Y = Σν_iB_i, the stationary points of ½‖F‖²; the best of the iterates.

    F is determined up to rotations, which the least step of each (singular) linear system leaves alone.
    """
    best, least = (F, nu), np.inf
    for _ in range(STEPS):
        Y, BF = np.tensordot(nu, B, 1), B @ F
        R, off = F - Y @ F, (b - np.sum(BF * F, axis=(1, 2))) / 2
        size = float(np.linalg.norm(R) + np.linalg.norm(off))
        if not size < least / 2:
            break
        best, least = (F, nu), size
        C, K = BF.reshape(len(b), -1), np.kron(np.eye(len(F)) - Y, np.eye(F.shape[1]))
        system = np.block([[K, -C.T], [-C, np.zeros((len(b), len(b)))]])
        step = np.linalg.lstsq(system, -np.concatenate([R.ravel(), off]), rcond=1e-12)[0]
        F, nu = F + step[: F.size].reshape(F.shape), nu + step[F.size :]
    return best
