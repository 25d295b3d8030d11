"""R(w) = ½(w − w₀)ᵀM(w − w₀) with an unknown symmetric M, up to its scale: the inverse of a preconditioner."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .samples import EPS, Samples

__all__: list[str] = []

LARGEST = 3e7
"""Entries of the linear system that are still worth building."""
FOLDS, SPLITS = 5, 3
"""Parts of the problems, and how many of them are left out in turn."""
ITERATIONS = 8


class QuadraticFit(NamedTuple):
    """The best M."""

    matrix: np.ndarray
    """(D, D), of trace D."""
    residual: float
    """Root mean square over problems left out of the fit of ‖N_k v‖/‖v‖, v = M(w − w₀)."""
    runner_up: float
    positive: bool
    """Whether M is positive definite."""


def undetermined(samples: Samples) -> str | None:
    """Why these samples do not determine an M; None when they do."""
    D = samples.w.shape[1]
    unknown = D * (D + 1) // 2
    a_problem = samples.equations / len(samples)
    left_out = -(-len(samples) // FOLDS)
    if (len(samples) - left_out) * a_problem < unknown:
        wanted = int(np.ceil(1.25 * (unknown / a_problem + 1)))
        return f"its {unknown} unknowns need some {wanted} problems like these {len(samples)}"
    if unknown * len(samples) * D > LARGEST:
        return f"its {unknown} unknowns are too many to solve for"
    return None


def fit_quadratic(samples: Samples) -> QuadraticFit:
    """The M that explains the samples best."""
    shift = samples.w - samples.start
    unit = shift / np.linalg.norm(shift, axis=1, keepdims=True)  # each problem counts alike
    F = _features(unit)
    NF = samples.off(F)
    K, shares = len(samples), []
    for left_out in np.array_split(np.random.default_rng(0).permutation(K), FOLDS)[:SPLITS]:
        a = _smallest_two(NF[np.setdiff1d(np.arange(K), left_out)])[:, 0]
        shares.append(samples.share(F @ a)[left_out])
    a, second = _smallest_two(NF).T
    M = _symmetric(a, shift.shape[1])
    M = M * (len(M) / np.trace(M)) if np.trace(M) != 0 else M
    positive = bool(np.linalg.eigvalsh(M)[0] > 0)
    runner_up = float(np.linalg.norm(NF @ second) / np.linalg.norm(F @ second))
    return QuadraticFit(M, float(np.sqrt(np.mean(np.concatenate(shares) ** 2))), runner_up, positive)


def _smallest_two(NF: np.ndarray) -> np.ndarray:
    """(unknowns, 2): the two directions a in which N F is smallest, by inverse iteration on its triangular factor."""
    from scipy.linalg import solve_triangular

    R = np.linalg.qr(NF.reshape(-1, NF.shape[-1]), mode="r")
    diagonal = np.diagonal(R)
    least = EPS * np.max(np.abs(diagonal))
    R = R + np.diag(
        np.where(np.abs(diagonal) < least, least, 0.0)
    )  # singular to rounding, which is what is wanted
    a = np.random.default_rng(0).standard_normal((len(R), 2))
    for _ in range(ITERATIONS):
        a = np.linalg.qr(solve_triangular(R, solve_triangular(R, a, trans="T")))[0]
    _, _, Vt = np.linalg.svd(R @ a, full_matrices=False)
    return a @ Vt[::-1].T


def _features(shift: np.ndarray) -> np.ndarray:
    """(K, D, D(D+1)/2): M(w − w₀), linear in the entries of M on the diagonal and √2 times those above it."""
    K, D = shift.shape
    rows, columns = np.triu_indices(D)
    F = np.zeros((K, D, len(rows)))
    entry = np.arange(len(rows))
    F[:, rows, entry] = shift[:, columns]
    F[:, columns, entry] = shift[:, rows]  # the same number on the diagonal
    return F * np.where(rows == columns, 1.0, np.sqrt(0.5))


def _symmetric(a: np.ndarray, D: int) -> np.ndarray:
    M = np.zeros((D, D))
    M[np.triu_indices(D)] = a
    above = np.triu(M, 1) * np.sqrt(0.5)
    return np.diag(np.diagonal(M)) + above + above.T
