"""Maximum margins: min ‖w‖ subject to ⟨z_i, w⟩ ≥ 1, in every norm, and what proves that there is none."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..checks import real_array
from ..geometry import LpNorm, MahalanobisNorm, Norm, PNorm, SchattenNorm
from ..geometry.norms import as_norm
from ..records import record
from .active_set import nonnegative_least
from .half_spaces import onto_half_spaces
from .programs import EPS, Certificate, Infeasible, Program
from .spectral_ball import LARGE, maximize_in_ball

__all__ = ["MaxMargin", "MaxMarginSolution", "NotSeparable", "max_margin"]

TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
"""The least that HiGHS takes."""
SMALL, UNSOLVED = 1e-10, 1e-6
"""Duality gaps: below the first nothing more is tried; above the other there is no answer."""


class NotSeparable(Infeasible):
    """The data admit no w with Zw > 0; ``weights`` p ≥ 0, Σp = 1 with Zᵀp = 0 prove it."""

    def __init__(self, weights: np.ndarray, residual: float) -> None:
        self.residual = residual
        message = (
            f"not separable: the weights p ≥ 0 of this exception sum to one and give ‖Zᵀp‖ = {residual:.2g}, so no w "
            "has all margins positive"
        )
        super().__init__(message, weights)


@record
class MaxMargin(Program):
    """min ‖w‖ subject to ⟨z_i, w⟩ ≥ 1 for all i; its direction maximises min_i ⟨z_i, w⟩/‖w‖.

    Z (m, *shape) are the signed inputs y_i x_i, with shape (d,), or of several classes the (e_y − e_c)xᵀ, with shape
    (k, d). ``norm`` is a p with 1 ≤ p ≤ ∞, "frobenius", "spectral", "nuclear", "max" (entry by entry), or a Norm that
    these words name, or a ``MahalanobisNorm``. By duality the minimum equals
    max {1ᵀα : α ≥ 0, ‖Σ α_i z_i‖_* ≤ 1}, which certifies any candidate.

    >>> Z = np.stack([np.diag([1.0, 0.0]), np.diag([0.0, 2.0])])
    >>> [round(p.objective(p.solution), 9) for p in (MaxMargin(Z, "spectral"), MaxMargin(Z, "nuclear"))]
    [1.0, 1.5]
    """

    Z: np.ndarray
    norm: Any

    kind = "direction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", real_array("Z", self.Z, (None,) * max(np.ndim(self.Z), 2)))
        object.__setattr__(self, "norm", as_norm(self.norm))
        schatten = isinstance(self._norm, SchattenNorm) and self._norm.p in (1.0, np.inf)
        if not (schatten or isinstance(self._norm, LpNorm | MahalanobisNorm)):
            raise ValueError(
                f"MaxMargin solves ℓp and Mahalanobis norms, spectral and nuclear ones, not {self.norm!r}"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.Z.shape[1:]

    def objective(self, w: np.ndarray) -> float:
        return float(self.norm.value(w))

    @property
    def _norm(self) -> Norm:
        """ℓ2 for the Frobenius norm, and for every Schatten norm of a vector."""
        euclidean = isinstance(self.norm, SchattenNorm) and (self.norm.p == 2 or len(self.shape) == 1)
        return LpNorm(2.0) if euclidean else self.norm

    @cached_property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """(w, α): the primal and the dual solution."""
        rows, w = self.Z.reshape(len(self.Z), -1), separating_direction(self.Z).ravel()
        match self._norm:
            case SchattenNorm() as norm:
                w, alpha = _in_spectral_ball(self.Z, norm, w)
            case MahalanobisNorm(root=R):  # ‖w‖ = ‖Rw‖₂
                v, alpha = _active_set(np.linalg.solve(R.T, rows.T).T, 2.0, R @ w)
                w = np.linalg.solve(R, v)
            case LpNorm(p=p) as norm if p in (1.0, np.inf):
                w, alpha = _linear_program(rows, norm, w)
            case LpNorm(p=p):
                w, alpha = _active_set(rows, p, w)
        w = _pushed_inside(rows, w).reshape(self.shape)
        if not _gap(self.Z, self.norm, w, alpha) <= UNSOLVED:
            raise ArithmeticError(
                f"the margin in {self.norm!r} was not found to a duality gap of {UNSOLVED:g}"
            )
        return w, alpha

    @property
    def solution(self) -> np.ndarray:
        return self.pair[0]

    @property
    def multipliers(self) -> np.ndarray:
        """α ≥ 0 with Σ α_i z_i in the subdifferential of ½‖w‖²; positive on support vectors only."""
        w, alpha = self.pair
        return alpha * self.objective(w)

    def _margins(self, w: np.ndarray) -> np.ndarray:
        return np.asarray(np.tensordot(self.Z, w, w.ndim))

    def certify(self, w: np.ndarray) -> Certificate:
        """For w scaled to least margin one; −w or a w with a non-positive margin is infeasible."""
        least = float(np.min(self._margins(w)))
        _, alpha = self.pair
        alpha = np.maximum(alpha, 0.0)
        alpha = alpha / float(self.norm.dual(np.tensordot(alpha, self.Z, 1)))
        bound = float(np.sum(alpha))
        if least <= 0:
            return Certificate(np.inf, np.inf, np.inf, alpha)
        v = w / least
        value = self.objective(v)
        slack = float(alpha @ (self._margins(v) - 1)) / value
        gap = (value - bound) / (value + bound)
        # ⟨Σαz, v⟩ ≤ ‖Σαz‖_* ‖v‖ must be an equality, and slack weights must vanish
        return Certificate(0.0, max(abs(slack), 1 - float(alpha @ self._margins(v)) / value), gap, alpha)


def separating_direction(Z: np.ndarray) -> np.ndarray:
    """A w (*shape) with all margins positive for Z (m, *shape), by a linear program.

    Raises
    ------
    NotSeparable
        with its certificate, when there is none.
    ArithmeticError
        when rounding leaves it undecided.
    """
    from scipy.optimize import linprog

    shape, Z = Z.shape[1:], Z.reshape(len(Z), -1)
    n, d = Z.shape
    # separability does not see the scales of rows and columns, but a solver's tolerances do
    columns = np.abs(Z).max(axis=0)
    columns[columns == 0] = 1.0
    rows = np.abs(Z / columns).max(axis=1)
    rows[rows == 0] = 1.0
    scaled = Z / columns / rows[:, None]
    result = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-scaled, np.ones((n, 1))]),
        b_ub=np.zeros(n),
        bounds=[*[(-1.0, 1.0)] * d, (-np.inf, np.inf)],
        method="highs",
    )
    if result.status != 0:
        raise ArithmeticError(f"the linear program of separability was not solved: {result.message}")
    w: np.ndarray = result.x[:d] / columns
    if np.min(scaled @ result.x[:d]) > 8 * EPS * d and np.min(Z @ w) > 0:  # certified by w itself
        return w.reshape(shape)
    p = np.maximum(-result.ineqlin.marginals, 0.0) / rows
    p = p / np.sum(p)
    residual = float(np.linalg.norm(Z.T @ p))
    if np.linalg.norm(scaled.T @ (p * rows)) > 1e-12 * np.sum(p * rows):
        raise ArithmeticError(
            f"separability is undecided: the least margin found is {np.min(Z @ w):.2g}, and the weights that would "
            f"exclude one leave ‖Zᵀp‖ = {residual:.2g}"
        )
    raise NotSeparable(p, residual)


def _linear_program(Z: np.ndarray, norm: LpNorm, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ℓ∞: max s subject to Aw ≥ bs, |w| ≤ 1, s ≥ 0. ℓ1: min Σ u + v subject to A(u − v) ≥ b, u, v ≥ 0. The solver's
    tolerances are absolute: rows of A have length one, and margins are in units of the ℓ2 one.
    """
    from scipy.optimize import linprog

    d = Z.shape[1]
    rows, size = np.linalg.norm(Z, axis=1), norm.value(_active_set(Z, 2.0, w)[0])
    A, b = Z / rows[:, None], 1 / (rows * size)
    if norm.p == np.inf:
        c, M, g = -np.eye(d + 1)[d], np.column_stack([-A, b]), 0 * b
        lower, upper = np.append(-np.ones(d), 0.0), np.append(np.ones(d), np.inf)
    else:
        c, M, g = np.ones(2 * d), np.hstack([-A, A]), -b
        lower, upper = np.zeros(2 * d), np.full(2 * d, np.inf)
    pairs = []
    for method in ("highs-ds", "highs-ipm"):  # an entry of 1e-10 that either leaves out may matter
        found = linprog(c, M, g, bounds=np.column_stack([lower, upper]), method=method, options=TIGHT)
        if found.status == 0:
            x, y = _on_face(c, M, g, found.x, found.ineqlin.marginals, (lower < found.x) & (found.x < upper))
            w = x[:d] / x[d] if norm.p == np.inf else x[:d] - x[d:]
            w, alpha = _pushed_inside(Z, size * w), np.maximum(-y, 0.0) / rows
            pairs.append((_gap(Z, norm, w, alpha), w, alpha))
            if pairs[-1][0] <= SMALL:
                break
    if not pairs:
        raise ArithmeticError(f"the linear program of the margin in {norm!r} was not solved: {found.message}")
    return min(pairs, key=lambda pair: pair[0])[1:]


def _on_face(
    c: np.ndarray, M: np.ndarray, g: np.ndarray, x: np.ndarray, y: np.ndarray, free: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(x, y) with M_tight x = g_tight and c_free = M_freeᵀy, where y ≠ 0 and x is at no bound: HiGHS is near it."""
    tight = y != 0
    face = M[np.ix_(tight, free)]
    x[free] = _refined(face, g[tight] - M[np.ix_(tight, ~free)] @ x[~free], x[free])
    y[tight] = _refined(face.T, c[free], y[tight])
    return x, y


def _gap(Z: np.ndarray, norm: Norm, w: np.ndarray, alpha: np.ndarray) -> float:
    """‖w‖/(1ᵀα) − 1 at least margin one and ‖Σ α_i z_i‖_* = 1; infinite where w does not separate."""
    least, bound = np.min(np.tensordot(Z, w, w.ndim)), np.sum(alpha) / norm.dual(np.tensordot(alpha, Z, 1))
    return float(norm.value(w) / least / bound - 1) if least > 0 else np.inf


def _active_set(Z: np.ndarray, p: float, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Smooth norms, 1 < p < ∞, from a w that separates: min ‖w‖ subject to Aw ≥ b with unit rows, ‖w‖₂ ≤ 1.

    The first face is that of the ℓ2 problem, by Lawson and Hanson's least distance programming.
    """
    rows = np.linalg.norm(Z, axis=1)
    A = Z / rows[:, None]
    size = np.linalg.norm(w) / float(np.min(Z @ w))
    b = 1 / (rows * size)
    w, nu = onto_half_spaces(PNorm(p), np.zeros(Z.shape[1]), A, b, _least_distance(A, b))
    on = nu > 0
    w = _refined(A[on], b[on], w)  # ∇ψ*(Aᵀν) loses digits where columns differ in size
    best = np.inf
    for again in (True, False):
        # ∇Σ|w|^p/p = Aᵀν gives ‖Aᵀν‖_q = ‖w‖_p^{p−1}: scaled to the unit ball of the dual norm
        pair = w * size, nu / LpNorm(p).value(w) ** (p - 1) / rows
        gap = _gap(Z, LpNorm(p), _pushed_inside(Z, pair[0]), pair[1])
        if gap < best:
            best, found = gap, pair
        if not again or best <= SMALL or len(w) > LARGE:
            break
        w, nu[on] = _stationary(A[on], b[on], p, w, nu[on])
    return found


def _stationary(
    A: np.ndarray, b: np.ndarray, p: float, w: np.ndarray, nu: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Two Newton steps for |w|^{p−1} sgn w = Aᵀν, Aw = b, in units of max |w|; for p < 2 times |w|^{2−p}."""
    unit = float(np.max(np.abs(w)))
    x, y, d = w / unit, nu / unit ** (p - 1), len(w)
    for _ in range(2):
        times, bend = np.abs(x) ** max(2 - p, 0.0), (p - 1) * np.abs(x) ** max(p - 2, 0.0)
        off = times * (np.sign(x) * np.abs(x) ** (p - 1) - y @ A)
        K = np.block([[np.diag(bend), -times[:, None] * A.T], [A, np.zeros((len(A), len(A)))]])
        move = np.linalg.lstsq(K, np.append(-off, b / unit - A @ x), rcond=1e-15)[0]
        x, y = x + move[:d], y + move[d:]
    return x * unit, np.maximum(y, 0.0) * unit ** (p - 1)


def _least_distance(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """ν ≥ 0 for which Aᵀν is the shortest u with Au ≥ b, some b_i > 0, after Lawson and Hanson."""
    u = nonnegative_least(np.vstack([A.T, b]), np.append(np.zeros(A.shape[1]), 1.0))
    return u / (1 - b @ u)


def _pushed_inside(Z: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The w nearest to this one with Zw ≥ 1 in spite of rounding.

    To scale w instead would cost the relative error of a long row's margin, ‖z_i‖‖w‖ eps, of all.
    """
    rows = np.linalg.norm(Z, axis=1)
    A = Z / rows[:, None]
    w = w / max(1.0, float(np.min(Z @ w)))
    for _ in range(2):
        if np.min(Z @ w) >= 1 - 4 * EPS:
            return w
        short = 1 / rows + 4 * EPS * (np.abs(A) @ np.abs(w)) - A @ w
        w = w + np.max(short) * (_least_distance(A, short / np.max(short)) @ A)
    return w / min(1.0, float(np.min(Z @ w)))


def _refined(A: np.ndarray, b: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The w nearest to this one with Aw = b."""
    for _ in range(2):
        w = w + np.linalg.lstsq(A, b - A @ w, rcond=None)[0]
    return w


def _in_spectral_ball(Z: np.ndarray, norm: SchattenNorm, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the rows first those of least ℓ2 margin, and then what the solution violates, until it violates none."""
    rows = Z.reshape(len(Z), -1)
    W = _active_set(rows, 2.0, w)[0]
    length, size = np.linalg.norm(rows, axis=1), float(np.linalg.norm(W))
    used, new = np.zeros(len(Z), dtype=bool), np.ones(len(Z), dtype=bool)
    while np.any(new):
        excess = np.where(new, (rows @ W - 1) / length, np.inf)
        used[np.argsort(excess)[: min(np.sum(new), W.size)]] = True
        W, found = _spectral_pair(Z[used], norm, size)
        new = ~used & (rows @ W < 1 - 1e-13 * length * np.linalg.norm(W))
    alpha = np.zeros(len(Z))
    alpha[used] = found
    return W, alpha


def _spectral_pair(Z: np.ndarray, norm: SchattenNorm, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Spectral: max s subject to ⟨z_i, W⟩ ≥ s, σ₁(W) ≤ 1, in x = (W, s). Nuclear: max 1ᵀα subject to α ≥ 0,
    σ₁(Σ α_i z_i) ≤ 1. Rows are scaled to length one, and margins by the ℓ2 one, which both share up to a factor √k.
    """
    m, p, q = Z.shape
    flat = Z.reshape(m, -1)
    rows = np.linalg.norm(flat, axis=1)
    unit = flat / rows[:, None]
    if norm.p == np.inf:
        last = np.eye(p * q + 1)[-1]
        C, G = np.column_stack([unit, -1 / (rows * size)]), np.eye(p * q + 1, p * q).reshape(-1, p, q)
        found = maximize_in_ball(last, C, G, -last)
        return found.x[:-1] * size / found.x[-1], found.lam / rows
    found = maximize_in_ball(1 / (rows * size), np.eye(m), unit.reshape(Z.shape), np.full(m, 0.5 / m))
    return found.Y.ravel() * size, found.x / rows


class MaxMarginSolution(NamedTuple):
    """The maximum margin of separable data in a norm.

    w : least margin one. direction : unit in the norm. margin : max over ‖w‖ ≤ 1 of min_i ⟨z_i, w⟩.
    """

    w: np.ndarray
    direction: np.ndarray
    margin: float
    certificate: Certificate


def max_margin(problem: Any, norm: Any = 2) -> MaxMarginSolution:
    """The maximum-margin solution of a Classification in a norm: the words of ``MaxMargin``.

    Raises
    ------
    NoPrediction
        when the data are not separable; its message says so and ``certificate`` proves it.

    Examples
    --------
    >>> from implicitbias import Classification
    >>> max_margin(Classification([[1.0, 0.0], [0.0, -2.0]], [1, -1])).w.tolist()
    [1.0, 0.5]
    """
    from .prediction import NoPrediction

    if not hasattr(problem, "Z"):
        raise ValueError(f"max_margin needs a Classification, got {type(problem).__name__}")
    program = MaxMargin(problem.Z, norm)
    try:
        w = program.solution
    except NotSeparable as error:
        raise NoPrediction(str(error), certificate=error.weights) from error
    size = program.objective(w)
    return MaxMarginSolution(w, w / size, 1.0 / size, program.certify(w))
