"""Maximum margins: min ‖w‖ subject to z_i·w ≥ 1, in every ℓp norm, and what proves that there is none."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..checks import real_array
from ..geometry import LpNorm, PNorm, bregman_projection
from ..geometry.norms import as_norm
from ..records import record
from .programs import EPS, Certificate, Infeasible, Program

__all__ = ["MaxMargin", "MaxMarginSolution", "NotSeparable", "max_margin"]


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
    """min ‖w‖ subject to z_i·w ≥ 1 for all i; its direction maximises min_i z_i·w / ‖w‖.

    Z (n, d) are the signed inputs, ``norm`` a p with 1 ≤ p ≤ ∞ or an ``LpNorm``. By duality the minimum
    equals max {1ᵀα : α ≥ 0, ‖Zᵀα‖_* ≤ 1}, which certifies any candidate.
    """

    Z: np.ndarray
    norm: Any

    kind = "direction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", real_array("Z", self.Z, (None, None)))
        object.__setattr__(self, "norm", as_norm(self.norm))
        if not isinstance(self.norm, LpNorm):
            raise ValueError(f"MaxMargin solves ℓp norms, not {type(self.norm).__name__}")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.Z.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return float(self.norm.value(w))

    @cached_property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """(w, α): the primal and the dual solution."""
        separating_direction(self.Z)
        if self.norm.p in (1.0, np.inf):
            return _linear_program(self.Z, self.norm.p)
        return _active_set(self.Z, self.norm.p)

    @property
    def solution(self) -> np.ndarray:
        return self.pair[0]

    @property
    def multipliers(self) -> np.ndarray:
        """α ≥ 0 with ∇½‖w‖² = Σ α_i z_i; positive on support vectors only."""
        w, alpha = self.pair
        return alpha * self.objective(w)

    def certify(self, w: np.ndarray) -> Certificate:
        """For w scaled to least margin one; −w or a w with a non-positive margin is infeasible."""
        margins = self.Z @ w
        least = float(np.min(margins))
        _, alpha = self.pair
        alpha = np.maximum(alpha, 0.0)
        alpha = alpha / max(1.0, float(self.norm.dual(self.Z.T @ alpha)))
        bound = float(np.sum(alpha))
        if least <= 0:
            return Certificate(np.inf, np.inf, np.inf, alpha)
        v = w / least
        value = self.objective(v)
        slack = float(alpha @ (self.Z @ v - 1)) / value
        gap = (value - bound) / (value + bound)
        # ⟨Zᵀα, v⟩ ≤ ‖Zᵀα‖_* ‖v‖ must be an equality, and slack weights must vanish
        return Certificate(0.0, max(abs(slack), 1 - float(alpha @ self.Z @ v) / value), gap, alpha)


def separating_direction(Z: np.ndarray) -> np.ndarray:
    """A w with all margins positive, by a linear program.

    Raises
    ------
    NotSeparable
        with its certificate, when there is none.
    ArithmeticError
        when rounding leaves it undecided.
    """
    from scipy.optimize import linprog

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
        return w
    p = np.maximum(-result.ineqlin.marginals, 0.0) / rows
    p = p / np.sum(p)
    residual = float(np.linalg.norm(Z.T @ p))
    if np.linalg.norm(scaled.T @ (p * rows)) > 1e-12 * np.sum(p * rows):
        raise ArithmeticError(
            f"separability is undecided: the least margin found is {np.min(Z @ w):.2g}, and the weights that would "
            f"exclude one leave ‖Zᵀp‖ = {residual:.2g}"
        )
    raise NotSeparable(p, residual)


def _linear_program(Z: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray]:
    """ℓ1 and ℓ∞ margins by HiGHS, with the dual read off its marginals."""
    from scipy.optimize import linprog

    n, d = Z.shape
    scale = float(np.max(np.abs(Z)))
    Z = Z / scale  # the solver's tolerances are absolute
    bounds: list[tuple[float, float]]
    if p == np.inf:  # min t : Zw ≥ 1, −t ≤ w ≤ t
        box = np.vstack([np.hstack([np.eye(d), -np.ones((d, 1))]), np.hstack([-np.eye(d), -np.ones((d, 1))])])
        A = np.vstack([np.hstack([-Z, np.zeros((n, 1))]), box])
        cost, bounds = np.append(np.zeros(d), 1.0), [(-np.inf, np.inf)] * (d + 1)
    else:  # min Σ a + b : Z(a − b) ≥ 1, a, b ≥ 0
        A, cost, bounds = np.hstack([-Z, Z]), np.ones(2 * d), [(0.0, np.inf)] * (2 * d)
    b = np.concatenate([-np.ones(n), np.zeros(len(A) - n)])
    result = linprog(cost, A_ub=A, b_ub=b, bounds=bounds, method="highs")
    w = result.x[:d] if p == np.inf else result.x[:d] - result.x[d:]
    alpha = np.maximum(-result.ineqlin.marginals[:n], 0.0)
    return w / (np.min(Z @ w) * scale), alpha / scale


def _active_set(Z: np.ndarray, p: float) -> tuple[np.ndarray, np.ndarray]:
    """Smooth norms: guess the support, project onto its equalities by dual Newton, correct the guess.

    The first guess is the non-negative least-squares form of the ℓ2 problem (Lawson and Hanson's least
    distance programming), which is exact for p = 2.
    """
    n, d = Z.shape
    scale = float(np.max(np.abs(Z)))
    Z = Z / scale  # tolerances below are absolute
    active = _first_support(Z, p)
    for _ in range(20 * n):
        S = np.flatnonzero(active)
        found = bregman_projection(PNorm(p), np.zeros(d), Z[S], np.ones(S.size))
        w, nu = found.w, found.multiplier
        margins = Z @ w
        if np.min(nu) < -1e-12 * np.abs(nu).max():
            active[S[np.argmin(nu)]] = False
        elif np.min(margins) < 1 - 1e-11:
            active[np.argmin(margins)] = True
        else:
            break
    else:
        raise ArithmeticError(f"the active set of the ℓ{p:g} margin did not settle after {20 * n} changes")
    # ∇Σ|w|^p/p = Zᵀν gives ‖Zᵀν‖_q = ‖w‖_p^{p−1}: scaled to the unit ball of the dual norm
    alpha = np.zeros(n)
    alpha[S] = np.maximum(nu, 0.0) / LpNorm(p).value(w) ** (p - 1)
    return w / scale, alpha / scale


def _first_support(Z: np.ndarray, p: float) -> np.ndarray:
    """Which constraints are active at the solution, as a first guess."""
    from scipy.optimize import minimize, nnls

    n, d = Z.shape
    u, _ = nnls(np.vstack([Z.T, np.ones(n)]), np.append(np.zeros(d), 1.0))
    if p == 2 or n <= d:
        active: np.ndarray = u > 1e-12 * u.max()
        return active
    # more samples than dimensions: from the ℓ2 solution by sequential quadratic programming
    r = np.vstack([Z.T, np.ones(n)]) @ u - np.append(np.zeros(d), 1.0)
    w = -r[:d] / r[d]
    w = w / np.min(Z @ w)
    size = LpNorm(p).value(w)

    def value(v: np.ndarray) -> tuple[float, np.ndarray]:
        x = v / size
        return float(np.sum(np.abs(x) ** p) / p), np.sign(x) * np.abs(x) ** (p - 1) / size

    constraint = {"type": "ineq", "fun": lambda v: Z @ v - 1, "jac": lambda v: Z}
    found = minimize(
        value, w, jac=True, constraints=[constraint], method="SLSQP", options={"ftol": 1e-14, "maxiter": 500}
    )
    margins = Z @ found.x / np.min(Z @ found.x)
    # multipliers of the nearly active constraints, by non-negative least squares on the gradient
    near = np.flatnonzero(margins < 1 + 1e-5)
    weights, _ = nnls(Z[near].T, value(found.x)[1] * size)
    active = np.zeros(n, dtype=bool)
    active[near[weights > 1e-9 * weights.max()]] = True
    return active


class MaxMarginSolution(NamedTuple):
    """The maximum margin of separable data in a norm.

    w : least margin one. direction : unit in the norm. margin : max over ‖w‖ ≤ 1 of min_i z_i·w.
    """

    w: np.ndarray
    direction: np.ndarray
    margin: float
    certificate: Certificate


def max_margin(problem: Any, norm: Any = 2) -> MaxMarginSolution:
    """The maximum-margin solution of a Classification in a norm (p with 1 ≤ p ≤ ∞).

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
