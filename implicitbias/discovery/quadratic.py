"""R(w) = ½(w − w₀)ᵀM(w − w₀) with an unknown symmetric M, up to its scale: the inverse of a preconditioner."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .samples import Samples
from .separable import smallest_pair

__all__: list[str] = []

LARGEST = 3e7
"""Entries of the linear system that are still worth building."""
SPLITS = 3


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
    left_out = max(1, len(samples) // 5)
    if (len(samples) - left_out) * a_problem < unknown:
        wanted = int(np.ceil(1.25 * (unknown / a_problem + 1)))
        return f"its {unknown} unknowns need some {wanted} problems like these {len(samples)}"
    if unknown * len(samples) * D > LARGEST:
        return f"its {unknown} unknowns are too many to solve for"
    return None


def fit_quadratic(samples: Samples) -> QuadraticFit:
    """The M that explains the samples best."""
    shift = samples.w - samples.start
    F = _features(shift)
    NF = samples.off(F)
    K, shares = len(samples), []
    for left_out in np.array_split(np.random.default_rng(0).permutation(K), max(SPLITS, 5))[:SPLITS]:
        used = np.setdiff1d(np.arange(K), left_out)
        a, _, _ = smallest_pair(F[used], NF[used])
        shares.append(samples.share(F @ a)[left_out])
    a, _, runner_up = smallest_pair(F, NF)
    M = _symmetric(a, shift.shape[1])
    M = M * (len(M) / np.trace(M)) if np.trace(M) != 0 else M
    positive = bool(np.linalg.eigvalsh(M)[0] > 0)
    return QuadraticFit(M, float(np.sqrt(np.mean(np.concatenate(shares) ** 2))), runner_up, positive)


def _features(shift: np.ndarray) -> np.ndarray:
    """(K, D, D(D+1)/2): M(w − w₀) as a linear function of the entries of M on and above the diagonal."""
    K, D = shift.shape
    rows, columns = np.triu_indices(D)
    F = np.zeros((K, D, len(rows)))
    entry = np.arange(len(rows))
    F[:, rows, entry] = shift[:, columns]
    F[:, columns, entry] = shift[:, rows]  # the same number on the diagonal
    return F


def _symmetric(a: np.ndarray, D: int) -> np.ndarray:
    M = np.zeros((D, D))
    M[np.triu_indices(D)] = a
    return M + np.triu(M, 1).T
