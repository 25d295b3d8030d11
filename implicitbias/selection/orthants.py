"""Orthants: which signs the coordinates of a predictor may have, and whether a linear system has a solution there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import real_array
from ..geometry.bregman import row_space
from .active_set import EPS, nonnegative_least
from .programs import Infeasible

__all__ = ["half_lines", "onto", "orthant", "require_solution", "room"]


def orthant(signs: Any, d: int) -> np.ndarray | None:
    """``signs`` (d,), checked: 1 for w_j ≥ 0, −1 for w_j ≤ 0, 0 for w_j = 0, NaN for a free w_j; None frees all.

    Raises
    ------
    ValueError
        for another shape, or another number.
    """
    if signs is None:
        return None
    given = np.asarray(signs)
    free = np.isnan(given) if given.dtype.kind == "f" else np.zeros(given.shape, dtype=bool)
    known = np.where(free, 0.0, given) if np.any(free) else signs
    checked = real_array("signs", known, (d,), "(one per column of X)")
    if not np.all(np.isin(checked, (-1.0, 0.0, 1.0))):
        bad = checked[~np.isin(checked, (-1.0, 0.0, 1.0))][0]
        raise ValueError(f"signs must be 1 (w_j ≥ 0), −1 (w_j ≤ 0), 0 (w_j = 0) or NaN (free), got {bad:g}")
    if np.all(free):
        return None
    made: np.ndarray = np.where(free, np.nan, checked)
    made.flags.writeable = False
    return made


def onto(signs: np.ndarray | None, w: np.ndarray) -> np.ndarray:
    """The point of the orthant that is nearest to w.

    The orthant is symmetric in this sense too: max {⟨z, w⟩ : ‖w‖ ≤ 1 in the orthant} = ‖onto(z)‖_*.
    """
    if signs is None:
        return w
    return np.where(np.isnan(signs), w, np.where(signs * w > 0, w, 0.0))


def half_lines(signs: np.ndarray | None, d: int) -> tuple[np.ndarray, np.ndarray]:
    """(j, σ): the half-lines σe_j, of which the orthant is all sums with weights u ≥ 0."""
    signs = np.full(d, np.nan) if signs is None else signs
    up, down = np.flatnonzero(~(signs <= 0)), np.flatnonzero(~(signs >= 0))
    return np.append(up, down), np.append(np.ones(up.size), -np.ones(down.size))


def require_solution(A: np.ndarray, b: np.ndarray, R: np.ndarray, signs: np.ndarray | None) -> np.ndarray:
    """The weights u ≥ 0 of the half-lines in a solution of Aw = b in the orthant; A (r, d) has orthonormal rows.

    By Farkas' lemma there is none exactly when some ν has ⟨ν, b⟩ > 0 and ⟨Aᵀν, w⟩ ≤ 0 for all w of the orthant. The
    residual of the nearest Aw is such a ν. ``R`` turns it into a multiplier of Xw = y.

    Raises
    ------
    Infeasible
        with that multiplier of Xw = y, when there is none.
    ArithmeticError
        when rounding leaves it undecided.
    """
    j, sigma = half_lines(signs, A.shape[1])
    columns = A[:, j] * sigma
    u = nonnegative_least(columns, b)
    nu = b - columns @ u
    # rounding is that of the data, whose singular values are the reciprocal lengths of R's columns
    singular = 1.0 / np.linalg.norm(R, axis=0)
    scale = float(np.linalg.norm(singular * b) + np.max(singular) * np.linalg.norm(u))
    residual = float(np.linalg.norm(nu))
    if np.linalg.norm(singular * nu) <= 64 * EPS * sum(A.shape) * scale:
        return u
    excess = float(np.max(columns.T @ nu, initial=0.0)) / residual
    if excess > 1e-6 or nu @ b <= 0:
        raise ArithmeticError(
            "whether the orthant holds a solution of Xw = y is undecided: the nearest one found misses it by "
            f"{residual / float(np.linalg.norm(b)):.2g}, and the multiplier that would exclude one by {excess:.2g}"
        )
    p = R @ (nu / residual)
    p = p / float(np.linalg.norm(p))
    raise Infeasible(
        "the orthant of signs holds no (least-squares) solution of Xw = y: the multipliers p of this exception give "
        f"⟨Xᵀp, w⟩ ≤ 0 for every w of the orthant (to {excess:.1g}), but ⟨p, y⟩ > 0",
        p,
    )


def room(X: np.ndarray, y: np.ndarray, signs: np.ndarray) -> float:
    """The largest t ≤ 1 for which some least-squares solution of Xw = y has signs∘w ≥ t·‖X⁺y‖_∞, signs of ±1; −1
    where the orthant holds none at all.
    """
    from scipy.optimize import linprog

    A, b, _ = row_space(X, y)
    size = float(np.max(np.abs(A.T @ b))) or 1.0
    columns = A * signs
    ask = np.append(np.zeros(A.shape[1]), -1.0)
    equal = np.column_stack([columns, columns.sum(axis=1)])
    found = linprog(ask, A_eq=equal, b_eq=b / size, bounds=[*[(0, None)] * A.shape[1], (0, 1)])
    return float(found.x[-1]) if found.status == 0 else -1.0
