"""Bregman projection onto {w : Xw = y}, for every potential.

    min_w ψ(w) − ⟨z₀, w⟩   subject to Xw = y

has the optimality conditions w = ∇ψ*(z₀ + Xᵀν), Xw = y. The multiplier ν ∈ Rⁿ maximises the
concave dual ⟨ν, y⟩ − ψ*(z₀ + Xᵀν), whose Hessian −X ∇²ψ* Xᵀ Newton's method uses: one Newton in n
dimensions, on the dual itself or, where z does not hold w to its digits, on both conditions at once
(:mod:`.curve`). Rank-deficient or inconsistent data are legal: Xw = y is then read as "w is a
least-squares solution".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..threads import one_blas_thread
from .curve import Pair, curve_newton, joint_newton, residuals
from .potentials import Potential, Stage

__all__ = ["DualSolution", "bregman_projection"]

EPS = float(np.finfo(float).eps)


class DualSolution(NamedTuple):
    """The projection w, its dual point z = ∇ψ(w), the multiplier ν, and the larger of ‖Aw − b‖ relative to
    ‖b‖ + ‖w‖ and of the part of z − z₀ outside range(Xᵀ) relative to ‖z‖ + ‖z₀‖.
    """

    w: np.ndarray
    z: np.ndarray
    multiplier: np.ndarray
    residual: float
    iterations: int


def row_space(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(A, b, R): orthonormal rows A (r, d) of range(Xᵀ) with {Aw = b} the least-squares solutions
    of Xw = y, and R (n, r) that turns multipliers of Aw = b into multipliers of Xw = y.
    """
    U, s, Vt = np.linalg.svd(X, full_matrices=False)
    r = int(np.sum(s > EPS * max(X.shape) * s[0])) if s[0] > 0 else 0
    R = U[:, :r] / s[:r]
    return Vt[:r], R.T @ y, R


def bregman_projection(
    potential: Potential,
    z0: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    *,
    multiplier: np.ndarray | None = None,
    max_iterations: int = 200,
) -> DualSolution:
    """argmin ψ(w) − ⟨z₀, w⟩ subject to Xw = y, by Newton's method.

    The residual of what is returned says whether it was found. It is not where no w inside the domain of ψ
    satisfies Xw = y; the program ``BregmanProjection`` then raises ArithmeticError.

    Parameters
    ----------
    potential : the strictly convex ψ.
    z0 : (d,) the dual point that tilts it; ∇ψ(w₀) gives the Bregman projection of w₀.
    X, y : (n, d), (n,); rank-deficient or inconsistent data mean the least-squares solutions.
    multiplier : (n,) a start for ν; without one, the potential's continuation is followed.
    max_iterations : of Newton's method, for each stage of the continuation.

    Examples
    --------
    >>> from implicitbias.geometry import Euclidean
    >>> bregman_projection(Euclidean(), np.zeros(2), np.array([[1.0, 1.0]]), np.array([2.0])).w
    array([1., 1.])
    """
    with one_blas_thread(max(X.shape)):
        return _project(potential, z0, X, y, multiplier, max_iterations)


def constraints(
    potential: Potential, X: np.ndarray, y: np.ndarray
) -> tuple[Potential, np.ndarray, np.ndarray, np.ndarray]:
    """(ψ, A, b, R): the program without the constraints that the domain of a potential imposes, these
    being among Aw = b; and R, which turns multipliers of Aw = b into those of Xw = y.
    """
    A, b, R = row_space(X, y)
    psi, full, target = potential.lift(A, b)
    if full is A:
        return psi, A, b, R
    A_full, b_full, back = row_space(full, target)
    off = float(np.linalg.norm(full @ (A_full.T @ b_full) - target))
    if off > 1e-10 * float(np.linalg.norm(target)):
        raise ArithmeticError(
            f"the constraints contradict the domain of {type(potential).__name__}: together with it they are missed by "
            f"{off:.2g} at least"
        )
    return psi, A_full, b_full, R @ back[: len(A)]


def _project(
    potential: Potential,
    z0: np.ndarray,
    X: np.ndarray,
    y: np.ndarray,
    multiplier: np.ndarray | None,
    max_iterations: int,
) -> DualSolution:
    psi, A, b, R = constraints(potential, X, y)
    if len(A) == 0:
        return DualSolution(potential.inverse_gradient(z0), z0, np.zeros(len(y)), 0.0, 0)
    z = None if multiplier is None else z0 + X.T @ multiplier
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        solve = _by_stages if psi.newton in ("dual", "primal") else _by_pairs
        w, z, iterations = solve(psi, z0, A, b, z, max_iterations)
        return DualSolution(w, z, R @ (A @ (z - z0)), max(residuals(z0, A, b, w, z)), iterations)


def _by_stages(
    potential: Potential, z0: np.ndarray, A: np.ndarray, b: np.ndarray, z: np.ndarray | None, limit: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Newton on the dual or the primal, along the relaxations of the potential; (w, z, iterations)."""
    stages = [potential] if z is not None else potential.relaxations()
    tilt = [potential.carry(psi, z0) if psi is not potential else z0 for psi in stages]
    if z is None:
        z = stages[0].gradient(A.T @ b)
    if not np.all(np.isfinite(z)):  # a potential of restricted domain: z₀ always lies in the dual one
        z = tilt[0]
    iterations = 0
    for i, psi in enumerate(stages):
        if i > 0:
            z = stages[i - 1].carry(psi, z)
        newton = _primal_newton if psi.newton == "primal" else _dual_newton
        z, k = newton(psi, tilt[i], A, b, z, limit)
        iterations += k
    return potential.inverse_gradient(z), z, iterations


def _by_pairs(
    potential: Potential, z0: np.ndarray, A: np.ndarray, b: np.ndarray, z: np.ndarray | None, limit: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """Newton on pairs (w, z), through easier potentials and tilts."""
    start = potential.interior(A.T @ b)
    stages = [Stage(potential, z0)] if z is not None else potential.approach(z0, start)
    at = (
        Pair(start, stages[0].potential.gradient(start))
        if z is None
        else Pair(potential.inverse_gradient(z), z)
    )
    iterations = 0
    for i, stage in enumerate(stages):
        if i > 0:
            at = _handed_on(stages[i - 1], stage, at)
        good = 4 * EPS if i == len(stages) - 1 else 1e-6
        newton = curve_newton if stage.potential.newton == "curve" else joint_newton
        at, k = newton(stage.potential, stage.tilt, A, b, at, limit, good)
        iterations += k
    return at.w, at.z, iterations


def _handed_on(before: Stage, stage: Stage, at: Pair) -> Pair:
    """The start of a stage: of each coordinate w, or z − z₀ but for its length, whichever disturbs its own
    condition less; a lost w takes many steps to grow again, a lost z one, so that w counts a hundredfold.
    """
    psi = stage.potential
    z = stage.tilt + stage.stretch * before.potential.carry(psi, at.z - before.tilt)
    w_z, z_w = psi.inverse_or_nan(z), psi.gradient(at.w) if psi is not before.potential else at.z
    by_z = np.abs(w_z - at.w) * np.max(np.abs(z_w)) < 0.01 * np.abs(z_w - z) * np.max(np.abs(at.w))
    return Pair(np.where(by_z, w_z, at.w), np.where(by_z, z, z_w))


def _primal_newton(
    psi: Potential, z0: np.ndarray, A: np.ndarray, b: np.ndarray, z: np.ndarray, limit: int
) -> tuple[np.ndarray, int]:
    """Newton on ψ(w) − ⟨z₀, w⟩ over w = Aᵀb + Bξ, B an orthonormal basis of null(A); returns ∇ψ(w)."""
    _, _, Vt = np.linalg.svd(A)
    B = Vt[len(A) :].T
    w = A.T @ b + B @ (B.T @ psi.inverse_gradient(z))
    value, g = float(psi.value(w) - z0 @ w), B.T @ (psi.gradient(w) - z0)
    for k in range(limit if B.shape[1] else 0):
        h = psi.hessian(w)
        delta = B @ _solve((B.T * h if psi.separable else B.T @ h) @ B, -g)
        t = 1.0
        while t > 1e-12:
            trial = w + t * delta
            new, g_new = float(psi.value(trial) - z0 @ trial), B.T @ (psi.gradient(trial) - z0)
            # values agree to half the digits only: from there on the gradient decides
            if np.linalg.norm(g_new) < (1 - 0.1 * t) * np.linalg.norm(g) or new < value - 1e-12 * abs(value):
                break
            t *= 0.5
        else:  # rounding stops the decrease
            return psi.gradient(w), k
        w, value, g = trial, new, g_new
    return psi.gradient(w), limit


def _dual_newton(
    psi: Potential, z0: np.ndarray, A: np.ndarray, b: np.ndarray, z: np.ndarray, limit: int
) -> tuple[np.ndarray, int]:
    """Damped Newton on ‖A∇ψ*(z₀ + Aᵀν) − b‖; stops when rounding stops it; returns z₀ + Aᵀν."""
    nu = A @ (z - z0)
    step_cap = 1.5 * max(1.0, float(np.max(np.abs(z0 + A.T @ nu))) * 0.02)

    def residual(nu: np.ndarray) -> tuple[np.ndarray, float, float]:
        with np.errstate(over="ignore", invalid="ignore"):
            w = psi.inverse_gradient(z0 + A.T @ nu)
            r = A @ w - b
            size = float(np.linalg.norm(r))
        return r, size if np.isfinite(size) else np.inf, float(np.linalg.norm(w))

    r, size, w_size = residual(nu)
    while not np.isfinite(size) and np.any(np.abs(nu) > 1e-3):  # the start overshoots: pull it towards z₀
        nu = nu * 0.5
        r, size, w_size = residual(nu)
    stuck = 0
    for k in range(limit):
        if size <= 2 * EPS * (np.linalg.norm(b) + w_size) or stuck >= 2:
            return z0 + A.T @ nu, k
        D = psi.inverse_hessian(z0 + A.T @ nu)
        H = (A * D) @ A.T if psi.separable else A @ D @ A.T
        delta = _solve(H, -r)
        reach = float(np.max(np.abs(A.T @ delta))) if psi.separable else 0.0
        t = min(1.0, step_cap / reach) if reach > 0 else 1.0
        best = (nu, r, size, w_size)
        for _ in range(30):
            trial = nu + t * delta
            r_new, size_new, w_new = residual(trial)
            if size_new < best[2]:
                best = (trial, r_new, size_new, w_new)
            if size_new <= (1 - 0.1 * t) * size:
                break
            t *= 0.5
        # at the rounding floor Newton only wanders: keep the best, and leave after two such steps
        stuck = stuck + 1 if best[2] > 0.5 * size and t < 1.0 and best[2] < 1e-6 * np.linalg.norm(b) else 0
        if best[2] >= size:
            return z0 + A.T @ nu, k
        nu, r, size, w_size = best
    return z0 + A.T @ nu, limit


def _solve(H: np.ndarray, r: np.ndarray) -> np.ndarray:
    """H⁻¹r on the eigenspaces above rounding: directions the solution does not feel are left alone."""
    values, vectors = np.linalg.eigh(0.5 * (H + H.T))
    keep = values > 1e-15 * values[-1]
    return vectors[:, keep] @ ((vectors[:, keep].T @ r) / values[keep])
