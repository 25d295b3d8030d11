"""Ranks that rounding and small singular values do not decide: of a matrix W (..., p, q), one number each.

All are functions of the singular values σ_1 ≥ σ_2 ≥ …, do not change when W is scaled, are zero for W = 0 and at
most rank W otherwise. They order matrices differently: say which one is meant.

| function | of the singular values | |
|---|---|---|
| ``effective_rank`` | exp(−Σ p_i log p_i), p_i = σ_i/Σσ | Roy and Vetterli (2007) |
| ``nuclear_rank`` | Σσ_i/σ_1 = ‖W‖_*/‖W‖_2 | for WᵀW, σ² in place of σ, it is the stable rank |
| ``stable_rank`` | Σσ_i²/σ_1² = ‖W‖_F²/‖W‖_2² | Rudelson and Vershynin (2007) |
| ``participation_ratio`` | (Σσ_i²)²/Σσ_i⁴ | of the eigenvalues σ_i² of WᵀW |
| ``energy_rank`` | the least k with Σ_{i≤k} σ_i² ≥ fraction · Σσ_i² | of principal components |
| ``numerical_rank`` | the number of σ_i > tol · σ_1 | of numerical linear algebra |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import number

__all__ = [
    "effective_rank",
    "energy_rank",
    "nuclear_rank",
    "numerical_rank",
    "participation_ratio",
    "stable_rank",
]


def effective_rank(W: Any) -> Any:
    """exp(−Σ p_i log p_i) with p_i = σ_i/Σσ: the entropy of the singular values (Roy and Vetterli 2007).

    >>> round(effective_rank(np.diag([1.0, 1.0, 0.0])), 12)
    2.0
    """
    p = _shares(_singular_values(W))
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    return _number(np.where(p.any(axis=-1), np.exp(-np.sum(p * logs, axis=-1)), 0.0))


def nuclear_rank(W: Any) -> Any:
    """‖W‖_*/‖W‖_2 = Σσ_i/σ_1.

    >>> nuclear_rank(np.diag([4.0, 2.0, 1.0]))
    1.75
    """
    return _number(np.sum(_relative(_singular_values(W)), axis=-1))


def stable_rank(W: Any) -> Any:
    """‖W‖_F²/‖W‖_2² = Σσ_i²/σ_1² (Rudelson and Vershynin 2007).

    >>> stable_rank(np.diag([4.0, 2.0, 1.0]))
    1.3125
    """
    return _number(np.sum(_relative(_singular_values(W)) ** 2, axis=-1))


def participation_ratio(W: Any) -> Any:
    """(Σσ_i²)²/Σσ_i⁴: how many of the eigenvalues σ_i² of WᵀW take part.

    >>> participation_ratio(np.diag([2.0, 2.0, 0.0]))
    2.0
    """
    q = _shares(_relative(_singular_values(W)) ** 2)
    squares = np.sum(q * q, axis=-1)
    return _number(np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0))


def energy_rank(W: Any, fraction: float = 0.99) -> Any:
    """The least k with Σ_{i≤k} σ_i² ≥ fraction · Σσ_i², 0 < fraction ≤ 1.

    >>> energy_rank(np.diag([3.0, 1.0, 0.1])), energy_rank(np.diag([3.0, 1.0, 0.1]), 0.8)
    (2, 1)
    """
    fraction = number("fraction", fraction, "satisfy 0 < fraction ≤ 1", lambda f: 0 < f <= 1)
    q = _relative(_singular_values(W)) ** 2
    energy = np.cumsum(q, axis=-1)
    # reversed sums: what is left out is small beside the whole, and is compared without cancellation
    left = np.cumsum(q[..., ::-1], axis=-1)[..., ::-1]
    return _number(np.sum(left > (1.0 - fraction) * energy[..., -1:], axis=-1))


def numerical_rank(W: Any, tol: float | None = None) -> Any:
    """The number of σ_i > tol · σ_1; None is max(p, q) eps, the rounding of the singular values themselves.

    >>> numerical_rank(np.diag([1.0, 1e-3, 1e-17])), numerical_rank(np.diag([1.0, 1e-3, 1e-17]), 0.01)
    (2, 1)
    """
    s = _singular_values(W)
    if tol is None:
        tol = max(np.shape(W)[-2:]) * float(np.finfo(float).eps)
    tol = number("tol", tol, "satisfy 0 ≤ tol < 1", lambda x: 0 <= x < 1)
    return _number(np.sum(s > tol * s[..., :1], axis=-1))


def _singular_values(W: Any) -> np.ndarray:
    W = np.asarray(W, dtype=float)
    if W.ndim < 2:
        raise ValueError(f"a rank is one of matrices (..., p, q); got shape {W.shape}")
    s: np.ndarray = np.linalg.svd(W, compute_uv=False)
    return s


def _relative(s: np.ndarray) -> np.ndarray:
    """σ/σ_1; zero where W is."""
    return np.divide(s, s[..., :1], out=np.zeros_like(s), where=s[..., :1] > 0)


def _shares(s: np.ndarray) -> np.ndarray:
    """s/Σs; zero where s is."""
    total = np.sum(s, axis=-1, keepdims=True)
    return np.divide(s, total, out=np.zeros_like(s), where=total > 0)


def _number(value: np.ndarray) -> Any:
    """A Python number for one matrix, an array for a batch."""
    return value.item() if np.ndim(value) == 0 else value
