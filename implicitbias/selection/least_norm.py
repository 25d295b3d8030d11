"""Interpolants of least norm: min ‖s∘w‖_p subject to Xw = y, in an orthant or everywhere, with dual certificates."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array
from ..geometry import LpNorm, PNorm, bregman_projection
from ..geometry.bregman import row_space
from ..geometry.norms import as_norm
from ..records import record
from ..threads import one_blas_thread
from .active_set import nonnegative_least
from .linear_programs import basic_solution, inner_point, strict_multiplier
from .orthants import half_lines, onto, orthant, require_solution
from .programs import EPS, UNSOLVED, Certificate, Program, data

__all__ = ["LeastNorm"]

Pair = tuple[np.ndarray, np.ndarray]


@record
class LeastNorm(Program):
    """min_w ‖s∘w‖ subject to Xw = y (for inconsistent y: to w being a least-squares solution), w in an orthant.

    By duality the minimum equals max {⟨ν, y⟩ : ‖Π(Xᵀν)/s‖_* ≤ 1}, Π the projection onto the orthant, which certifies
    any candidate.

    Parameters
    ----------
    norm : p with 1 ≤ p ≤ ∞, or an ``LpNorm``.
    X, y : (n, d), (n,); rank-deficient or inconsistent data are legal.
    signs : (d,) of 1 (w_j ≥ 0), −1 (w_j ≤ 0), 0 (w_j = 0) or NaN (free); None frees every coordinate.
    weights : (d,) the s > 0; None is one everywhere.

    Raises
    ------
    ValueError
        for bad shapes or numbers.
    Infeasible
        by ``solution``, when no (least-squares) solution of Xw = y lies in the orthant; its ``weights`` prove that.

    Notes
    -----
    For 1 < p < ∞ the solution is unique. For p = 1 and p = ∞ it need not be, and ``solution`` is then a vertex of the
    set of solutions: ``unique`` says which is the case. For p = 1 it is unique exactly when the columns of X on its
    support are independent and some multiplier has |Xᵀν| < s off the support, which ``dual_slack`` > 0 says. Equal
    columns, columns that are weighted sums of others with Σ|coefficients| = 1, and data in small integers make ties;
    on data with a density ties have probability zero. The multiplier of least max_{off S}|Xᵀν| is the one in ``dual``.

    Examples
    --------
    >>> least = LeastNorm(1, [[3.0, 4.0]], [8.0])
    >>> least.solution.round(12).tolist(), least.unique, round(least.dual_slack, 12)
    ([0.0, 2.0], True, 0.25)
    """

    norm: Any
    X: Any
    y: Any
    signs: Any = None
    weights: Any = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "norm", as_norm(self.norm))
        if not isinstance(self.norm, LpNorm):
            raise ValueError(f"LeastNorm solves ℓp norms, not {type(self.norm).__name__}")
        for name, value in zip(("X", "y"), data(self.X, self.y)):
            object.__setattr__(self, name, value)
        d = self.X.shape[1]
        object.__setattr__(self, "signs", orthant(self.signs, d))
        if self.weights is not None:
            weights = real_array("weights", self.weights, (d,), "(one per column of X)")
            if np.min(weights) <= 0:
                raise ValueError(f"weights must be > 0, got {np.min(weights):g}")
            object.__setattr__(self, "weights", weights)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    @property
    def scale(self) -> np.ndarray:
        """s (d,)."""
        return np.ones(self.shape) if self.weights is None else self.weights

    def objective(self, w: np.ndarray) -> float:
        return float(self.norm.value(self.scale * w))

    @cached_property
    def system(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(A, b, R) of v = s∘w: orthonormal rows A (r, d), Av = b, and multipliers Rν of Xw = y."""
        X = self.X / self.scale
        with one_blas_thread(max(X.shape)):
            A, b, R = row_space(X, self.y)
        A[:, ~np.any(X, axis=0)] = 0.0
        reached = float(np.linalg.norm(X @ (A.T @ b)))  # the part of y that X can fit
        return A, b if reached > EPS * sum(X.shape) * np.linalg.norm(self.y) else np.zeros(len(A)), R

    @cached_property
    def pair(self) -> tuple[np.ndarray, np.ndarray, bool]:
        """(v, ν, unique) of the problem in v."""
        A, b, R = self.system
        size = float(np.linalg.norm(b))
        if size == 0.0:
            return np.zeros(A.shape[1]), np.zeros(len(A)), True
        with one_blas_thread(max(A.shape)):
            u = None if self.signs is None else require_solution(A, b / size, R, self.signs)
            if self.norm.p in (1.0, np.inf):
                v, nu, unique = _vertex(A, b / size, self.signs, self.norm.p)
            else:
                (v, nu), unique = _smooth(A, b / size, self.signs, u, self.norm.p), True
        return size * v, nu, unique

    @property
    def solution(self) -> np.ndarray:
        w: np.ndarray = self.pair[0] / self.scale
        return w

    @property
    def dual(self) -> np.ndarray:
        """ν (n,): ⟨ν, y⟩ is the minimum and ‖Π(Xᵀν)/s‖_* ≤ 1. For p = 1 that of least max |Xᵀν|/s off the support."""
        nu: np.ndarray = self.system[2] @ self.pair[1]
        return nu

    @property
    def unique(self) -> bool:
        """Whether ``solution`` is the only one (ties below 1e-9 are ties)."""
        return self.pair[2]

    @property
    def dual_slack(self) -> float:
        """1 − ρ, ρ = min_ν max_{j off the support} |Xᵀν|_j/s_j over the multipliers of ``solution``; for p = 1.

        Zero, to rounding, where the solution is not unique. On an orthant ρ is that of Π(Xᵀν).
        """
        if self.norm.p != 1.0:
            raise ValueError(f"dual_slack belongs to p = 1; this is the ℓ{self.norm.p:g} norm")
        v, nu, _ = self.pair
        off = onto(self.signs, self.system[0].T @ nu)[v == 0]
        return 1.0 - float(np.max(np.abs(off), initial=0.0))

    def certify(self, w: np.ndarray) -> Certificate:
        """Gap to ⟨ν, b⟩ of the program's multiplier; stationarity as Hölder's equality of s∘w and Xᵀν.

        For 1 < p < ∞ that is the distance between v/‖v‖ and the unit vector at which Π(Aᵀν) attains its dual norm
        (for p > 2, between their images under the duality map: where a power flattens, points are not resolved).
        """
        A, b, R = self.system
        v, nu = self.scale * w, self.pair[1]
        z = onto(self.signs, A.T @ nu)
        nu, z = (a / max(1.0, float(self.norm.dual(z))) for a in (nu, z))
        value, bound = float(self.norm.value(v)), float(nu @ b)
        size = float(np.linalg.norm(b) + np.linalg.norm(v)) or 1.0
        outside = float(np.linalg.norm(A @ v - b)) + float(np.linalg.norm(v - onto(self.signs, v)))
        return Certificate(
            feasibility=outside / size,
            stationarity=self._misalignment(v, z, value),
            gap=(value - bound) / (value + abs(bound) or 1.0),
            dual=R @ nu,
        )

    def _misalignment(self, v: np.ndarray, z: np.ndarray, value: float) -> float:
        if value == 0.0:  # optimal wherever it is feasible
            return 0.0
        if self.norm.p in (1.0, np.inf):
            return abs(1.0 - float(z @ v) / value)
        if self.norm.p <= 2:
            unit, wanted = v / value, self.norm.direction(z)
        else:
            unit, wanted = LpNorm(self.norm.q).direction(v), z
        return float(np.linalg.norm(unit - wanted) / np.linalg.norm(unit))


def _vertex(
    A: np.ndarray, b: np.ndarray, signs: np.ndarray | None, p: float
) -> tuple[np.ndarray, np.ndarray, bool]:
    """(v, ν, unique) for p = 1 and p = ∞, by a linear program; ‖b‖₂ = 1."""
    d = A.shape[1]
    signs = np.full(d, np.nan) if signs is None else signs
    if p == 1:  # min Σu : Σ u_i σ_i A_{j_i} = b, u ≥ 0
        j, sigma = half_lines(signs, d)
        start = np.zeros(j.size)
        M, cost, upper = A[:, j] * sigma, np.ones(j.size), np.full(j.size, np.inf)
    else:  # max τ : A(start + σx) = τb, x between its bounds: the largest multiple of b that the unit box reaches
        j = np.flatnonzero(signs != 0)
        free = np.isnan(signs[j])
        sigma, start = np.where(free, 1.0, signs[j]), np.where(free, -1.0, 0.0)
        M, cost = np.hstack([A[:, j] * sigma, -b[:, None]]), np.append(np.zeros(j.size), -1.0)
        upper = np.append(1.0 - start, np.inf)
    right = b if p == 1 else -A[:, j] @ start
    x, nu = basic_solution(cost, M, right, upper, f"the least ℓ{p:g} norm")
    nu, unique = strict_multiplier(cost, M, x, upper, nu)
    v = np.zeros(d)
    np.add.at(v, j, start + sigma * x[: j.size])
    if p == np.inf:
        v, nu = v / x[-1], nu / np.sum(np.abs(onto(signs, A.T @ nu)))
    return v, nu, unique


def _smooth(A: np.ndarray, b: np.ndarray, signs: np.ndarray | None, u: np.ndarray | None, p: float) -> Pair:
    """(v, ν) for 1 < p < ∞, ‖Π(Aᵀν)‖_q = 1."""
    if signs is None or u is None:
        v, nu = _projected(A, b, p)
    else:
        v, nu = _in_orthant(A, b, signs, u, p)
    return v, nu / LpNorm(p).value(v) ** (p - 1)


def _projected(A: np.ndarray, b: np.ndarray, p: float) -> Pair:
    """(v, ν) without an orthant; ∇Σ|v|^p/p = Aᵀν."""
    U, s, A_row = np.linalg.svd(A, full_matrices=False)
    r = int(
        np.sum(s > 1e-12 * s[0])
    )  # A carries the rounding of its own making: columns of rank r have more by it
    A_row, b_row = A_row[:r], (U[:, :r].T @ b) / s[:r]
    if p == 2:
        return A_row.T @ b_row, U[:, :r] @ (b_row / s[:r])
    found = bregman_projection(PNorm(p), np.zeros(A.shape[1]), A_row, b_row)
    if not found.residual <= UNSOLVED:
        raise ArithmeticError(
            f"the least ℓ{p:g} norm was not found: Newton's method stopped at relative residual {found.residual:.2g}"
        )
    return found.w, U[:, :r] @ (found.multiplier / s[:r])


def _in_orthant(A: np.ndarray, b: np.ndarray, signs: np.ndarray, u: np.ndarray, p: float) -> Pair:
    """Active sets: from the solution for p = 2, as p moves to its value; u are the half-lines of a solution."""
    j, sigma = half_lines(signs, A.shape[1])
    inside = np.zeros(A.shape[1])
    np.add.at(inside, j, sigma * inner_point(A[:, j] * sigma, u))
    # what no solution has is held at zero: what remains has an interior
    held = np.where(np.isnan(signs) | (inside != 0), signs, 0.0)
    v = _euclidean(A, b, held, inside)
    on = _spanning(A, v, held)
    for stage in PNorm(p).relaxations():
        assert isinstance(stage, PNorm)
        v, nu = _settle(A, b, held, stage.p, v, on)
    return v, _least_violation(A, signs, v, nu)


def _euclidean(A: np.ndarray, b: np.ndarray, signs: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The orthant's point of {Av = b} of least ‖v‖₂, to the precision of a guess.

    On v = v₀ + Bξ that is the least ‖ξ‖₂ with Gξ ≥ h, which Lawson and Hanson's least distance programming turns into
    the non-negative least squares of [Gᵀ; hᵀ]u = (0, …, 0, 1): its residual is proportional to (ξ, −1).
    """
    E = np.vstack([A, np.eye(A.shape[1])[signs == 0]])
    v = np.linalg.lstsq(E, np.append(b, np.zeros(len(E) - len(A))), rcond=None)[0]
    _, s, Vt = np.linalg.svd(E)
    B = Vt[int(np.sum(s > 1e-12)) :].T
    signed = np.flatnonzero(np.abs(signs) == 1)
    if B.shape[1] and signed.size:
        turn = signs[signed]
        system = np.vstack([(turn[:, None] * B[signed]).T, -turn * v[signed]])
        last = np.append(np.zeros(B.shape[1]), 1.0)
        residual = system @ nonnegative_least(system, last) - last
        if residual[-1] > -1e-12:  # −1/(1 + ‖ξ‖²): the orthant's part is too far or too thin for this
            return inside
        v = v - B @ (residual[:-1] / residual[-1])
    return np.where(np.abs(v) > 1e-9 * np.max(np.abs(v)), onto(signs, v), 0.0)


def _spanning(A: np.ndarray, v: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """The support of v, and as many more of the coordinates that may move as make the columns of A span R^r."""
    from scipy.linalg import qr

    on: np.ndarray = (v != 0) | np.isnan(signs)
    rest = np.flatnonzero(~on & (signs != 0))
    Q, s, _ = np.linalg.svd(A[:, on])
    missing = Q[:, int(np.sum(s > 1e-10)) :]
    if missing.shape[1] and rest.size:
        _, R, order = qr(missing.T @ A[:, rest], mode="economic", pivoting=True)
        on[rest[order[: int(np.sum(np.abs(np.diag(R)) > 1e-10))]]] = True
    return on


def _settle(A: np.ndarray, b: np.ndarray, signs: np.ndarray, p: float, v: np.ndarray, on: np.ndarray) -> Pair:
    """(v, ν) of least ℓp norm, from a v of the orthant; ``on``, the coordinates that may move, is updated.

    The columns that may move always span R^r, so that the multiplier is one.
    """
    turn, d = np.nan_to_num(signs), len(v)
    for _ in range(20 * d):
        F = np.flatnonzero(on)
        aim, (aim[F], nu) = np.zeros(d), _projected(A[:, F], b, p)
        below = turn * aim < -1e-14 * np.max(np.abs(aim))
        if np.any(below):  # to the first face on the way
            reach = np.where(below, turn * v / np.where(below, turn * (v - aim), 1.0), np.inf)
            first = int(np.argmin(reach))
            v = v + min(max(reach[first], 0.0), 1.0) * (aim - v)
            v[first], on[first] = 0.0, False
            continue
        v = onto(signs, aim)
        rising = np.where(on, 0.0, turn * (A.T @ nu))
        if np.max(rising) <= 1e-12 * np.max(np.abs(A.T @ nu)):
            return v, nu
        on[np.argmax(rising)] = True
    raise ArithmeticError(f"the support of the least ℓ{p:g} norm did not settle after {20 * d} changes")


def _least_violation(A: np.ndarray, signs: np.ndarray, v: np.ndarray, nu: np.ndarray) -> np.ndarray:
    """Of the multipliers that agree with ν on the support of v, one that no other coordinate exceeds."""
    off = (v == 0) & (np.abs(signs) == 1)
    exceeds = A[:, off] * signs[off]
    if np.max(exceeds.T @ nu, initial=0.0) <= 1e-12 * np.max(np.abs(A.T @ nu)):
        return nu
    on = (v != 0) | np.isnan(signs)
    M = np.hstack([A[:, on], exceeds])
    x = np.append(np.ones(on.sum()), np.zeros(off.sum()))
    return strict_multiplier(np.where(x > 0, M.T @ nu, 0.0), M, x, np.full(x.size, np.inf), nu)[0]
