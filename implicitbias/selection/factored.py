"""Newton's method for the least nuclear norm on factors of a known rank."""

from __future__ import annotations

import numpy as np

__all__: list[str] = []

STEPS = 12


def polish(
    A: np.ndarray, b: np.ndarray, V: np.ndarray, nu: np.ndarray, rank: int, definite: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(W, ν) with F = YF and ⟨B_i, FFᵀ⟩ = β_i, Y = Σν_iB_i: the optimality conditions of ½‖F‖² on W = FFᵀ.

    A general W = PQᵀ is a corner of FFᵀ, F = (P, Q), and B_i = [[0, A_i], [A_iᵀ, 0]], β = 2b. F is determined up to
    rotations, which the least step of each (singular) linear system leaves alone.
    """
    p = V.shape[0]
    U, s, Vt = np.linalg.svd(V, full_matrices=False)
    root = np.sqrt(s[:rank])
    if definite:
        B, beta, F = A, b, U[:, :rank] * root
    else:
        zero = np.zeros
        m, _, q = A.shape
        B = np.concatenate(
            [
                np.concatenate([zero((m, p, p)), A], axis=2),
                np.concatenate([A.transpose(0, 2, 1), zero((m, q, q))], axis=2),
            ],
            axis=1,
        )
        beta, F = 2 * b, np.vstack([U[:, :rank] * root, Vt[:rank].T * root])
    best, least = (F, nu), np.inf
    for _ in range(STEPS):
        Y, BF = np.tensordot(nu, B, 1), B @ F
        R, off = F - Y @ F, 0.5 * (beta - np.sum(BF * F, axis=(1, 2)))
        size = float(np.linalg.norm(R) + np.linalg.norm(off))
        if size >= 0.5 * least:
            break
        best, least = (F, nu), size
        C = BF.reshape(len(b), -1)
        K = np.kron(np.eye(len(F)) - Y, np.eye(rank))
        system = np.block([[K, -C.T], [-C, np.zeros((len(b), len(b)))]])
        step = np.linalg.lstsq(system, -np.concatenate([R.ravel(), off]), rcond=1e-12)[0]
        F, nu = F + step[: F.size].reshape(F.shape), nu + step[F.size :]
    F, nu = best
    return F[:p] @ (F if definite else F[p:]).T, nu
