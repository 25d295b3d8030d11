"""Linear programs min c·x subject to Mx = b, 0 ≤ x ≤ upper: vertices, strict multipliers, the face of solutions.

HiGHS finds the basis; here its solution is recomputed on that basis to rounding, since a solver stops at 1e-7 or so.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .active_set import EPS

__all__ = ["basic_solution", "highs", "inner_point", "strict_multiplier"]

TIES = 1e-9
"""Reduced costs and slacks below this are zero: whether a solution is unique is decided to this precision."""
GUESSES = (1e-6, 1e-8, 1e-10, 1e-12)
OPTIONS = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def highs(c: np.ndarray, what: str, **constraints: Any) -> Any:
    """min c·x by HiGHS; an ArithmeticError names what it was for, when it is not solved."""
    from scipy.optimize import linprog

    result = linprog(c, method="highs-ds", options=OPTIONS, **constraints)
    if result.status != 0:
        raise ArithmeticError(f"the linear program of {what} was not solved: {result.message}")
    return result


def basic_solution(
    c: np.ndarray, M: np.ndarray, b: np.ndarray, upper: np.ndarray, what: str
) -> tuple[np.ndarray, np.ndarray]:
    """(x, ν): a vertex among the solutions, with each bound it meets met exactly, and a multiplier ν.

    c − Mᵀν is ≥ 0 where x = 0, ≤ 0 where x is at its upper bound, and zero in between.
    """
    result = highs(c, what, A_eq=M, b_eq=b, bounds=np.column_stack([np.zeros(len(c)), upper]))
    x = _on_basis(M, b, upper, result.x)
    return x, _on_ties(c, M, _side(x, upper), np.asarray(result.eqlin.marginals))


def _side(x: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """1 at the lower bound, −1 at the upper one, 0 between: the sign of a reduced cost."""
    side: np.ndarray = np.where(x == 0, 1.0, np.where(x == upper, -1.0, 0.0))
    return side


def _on_basis(M: np.ndarray, b: np.ndarray, upper: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The solution of Mx = b with the others at their bounds, of the guesses at these that of least residual."""
    best, least = np.clip(x, 0.0, upper), np.inf
    for guess in GUESSES:
        if least <= 4 * EPS * np.linalg.norm(x):
            break
        near = guess * np.max(x, initial=0.0)
        moved = np.where(x <= near, 0.0, np.where(x >= upper - near, upper, x))
        S = (x > near) & (x < upper - near)
        for _ in range(2):
            moved[S] += np.linalg.lstsq(M[:, S], b - M @ moved, rcond=None)[0]
        residual = float(np.linalg.norm(M @ moved - b))
        if (
            np.all((moved >= 0) & (moved <= upper)) and residual < 0.1 * least
        ):  # the largest guess comes first
            best, least = moved, residual
    return best


def _on_ties(c: np.ndarray, M: np.ndarray, side: np.ndarray, nu: np.ndarray) -> np.ndarray:
    """ν with Mᵀν = c on its ties to rounding, if that makes it a better multiplier."""

    def failure(nu: np.ndarray) -> float:
        slack = c - M.T @ nu
        return max(
            float(np.max(np.abs(slack[side == 0]), initial=0.0)), -float(np.min(side * slack, initial=0.0))
        )

    best, least = nu, failure(nu)
    for guess in GUESSES:
        if least <= 16 * EPS * (1.0 + np.linalg.norm(nu)):
            break
        T = (np.abs(c - M.T @ nu) < guess) | (side == 0)
        moved = nu
        for _ in range(2):
            moved = moved + np.linalg.lstsq(M[:, T].T, (c - M.T @ moved)[T], rcond=None)[0]
        if failure(moved) < least:
            best, least = moved, failure(moved)
    return best


def strict_multiplier(
    c: np.ndarray, M: np.ndarray, x: np.ndarray, upper: np.ndarray, nu: np.ndarray
) -> tuple[np.ndarray, bool]:
    """(ν, unique): of all multipliers one with the largest least |c − Mᵀν| over the bounds that x meets.

    x is the only solution exactly when that is not zero and the columns of M between the bounds are independent.
    """
    side = _side(x, upper)
    off = side != 0
    U, s, _ = np.linalg.svd(M[:, ~off])
    rank = int(np.sum(s > 1e-12 * s[0])) if s.size else 0
    N = U[:, rank:]  # the multipliers are ν + Nη
    slack = (side * (c - M.T @ nu))[off]
    if N.shape[1] and slack.size:
        rows = np.hstack([side[off, None] * (M[:, off].T @ N), np.ones((slack.size, 1))])
        bounds = [*[(None, None)] * N.shape[1], (None, 1.0)]
        cost = np.append(np.zeros(N.shape[1]), -1.0)
        found = highs(cost, "the strict multiplier", A_ub=rows, b_ub=slack, bounds=bounds)
        nu = nu + N @ found.x[:-1]
        slack = (side * (c - M.T @ nu))[off]
    return nu, bool(np.min(slack, initial=1.0) > TIES and rank == int(np.sum(~off)))


def inner_point(M: np.ndarray, x: np.ndarray) -> np.ndarray:
    """From x ≥ 0 to an x + z ≥ 0 with Mz = 0 that is positive wherever any such point is.

    Of the directions z with z ≥ e off the support of x, e ∈ [0, 1], one of largest Σe has e_j > 0 for all such j.
    """
    off = np.flatnonzero(x == 0)
    if off.size == 0:
        return x
    free = [(-1e6, 1e6) if on else (0.0, 1e6) for on in x > 0]
    link = np.zeros((off.size, x.size))
    link[np.arange(off.size), off] = -1.0
    result = highs(
        np.append(np.zeros(x.size), -np.ones(off.size)),
        "the face of solutions",
        A_eq=np.hstack([M, np.zeros((len(M), off.size))]),
        b_eq=np.zeros(len(M)),
        A_ub=np.hstack([link, np.eye(off.size)]),
        b_ub=np.zeros(off.size),
        bounds=[*free, *[(0.0, 1.0)] * off.size],
    )
    z = result.x[: x.size]
    z[off[result.x[x.size :] < 1e-3]] = 0.0
    falls = z < 0
    return x + z * min(1.0, 0.5 * float(np.min(x[falls] / -z[falls], initial=np.inf)))
