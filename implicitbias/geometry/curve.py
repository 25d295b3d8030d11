"""Newton's method along the curve of all pairs (w, ∇ψ(w)) of a separable potential.

The projection is the pair that meets two affine conditions, Aw = b and ∇ψ(w) − z₀ ∈ range(Aᵀ), of
complementary dimensions. Newton's method replaces the curve by its tangents dw = D dz, D = ∇²ψ*, and
solves for both at once. Neither coordinate is eliminated, so a w that z no longer resolves (next to the
wall of a box, or beyond a large z₀) is as well determined as any other.

Digits survive in the basic form of the constraints: a basis S of r columns of A, those that D weighs
most, makes them w_S + Mᵀw_N = A_S⁻¹b and (z − z₀)_N = M(z − z₀)_S. The unknowns are then the dz_S
themselves, and the matrix of their equations, D_S + MᵀD_N M, is well conditioned once its diagonal is
scaled to one, however D is graded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .potentials import Potential

__all__ = ["Pair", "curve_newton", "joint_newton"]

EPS = float(np.finfo(float).eps)
STEEPEST = 1e200
"""Where ψ″ vanishes, as that of w⁴ does at zero, ∂w/∂z is infinite."""
SLIGHT = 1e-3
"""Coordinates below this share of the largest may grow by z, although the tangent does not follow them."""


class _Basic(NamedTuple):
    """T = A_S⁻¹A, with unit columns at S, and t = A_S⁻¹b."""

    S: np.ndarray
    T: np.ndarray
    t: np.ndarray


class Pair(NamedTuple):
    """A point w with its dual point z = ∇ψ(w), each as exact as a float can hold it."""

    w: np.ndarray
    z: np.ndarray


def curve_newton(
    psi: Potential, z0: np.ndarray, A: np.ndarray, b: np.ndarray, start: Pair, limit: int, good: float
) -> tuple[Pair, int]:
    """The best pair met from ``start`` on, by the larger of both relative residuals; stops below ``good``."""
    at = best = start
    least, idle = np.inf, 0
    basic: _Basic | None = None
    for k in range(limit):
        worst = max(residuals(z0, A, b, *at))
        idle = 0 if worst < 0.5 * least else idle + 1
        if worst < least:
            best, least = at, worst
        # rounding stops the decrease, or nothing has come of many steps
        if not np.isfinite(worst) or least <= good or (idle > 1 and least < 1e-10) or idle > 80:
            return best, k
        D = np.minimum(1.0 / psi.hessian(at.w), STEEPEST)
        S = heaviest_basis(A, np.sqrt(D))
        if basic is None or not np.array_equal(S, basic.S):
            basic = _basic_form(A, b, S)
        try:
            dz = _tangent_step(basic, D, z0, at)
        except np.linalg.LinAlgError:
            return best, k
        ahead = _nearest_on_curve(psi, at, D * dz, dz)
        if ahead is None:
            return best, k
        at = ahead
    return best, limit


def joint_newton(
    psi: Potential, z0: np.ndarray, A: np.ndarray, b: np.ndarray, start: Pair, limit: int, good: float
) -> tuple[Pair, int]:
    """The same for a ψ that is not separable: tangents of z = ∇ψ(w), followed as far as both residuals decrease."""
    at, idle = start, 0
    least = _joint_size(z0, A, b, at)
    for k in range(limit):
        if least <= good or idle > 1:
            return at, k
        try:
            inverse = np.linalg.inv(psi.hessian(at.w))
            e = at.z - z0
            q = e - A.T @ (A @ e)
            r = b - A @ at.w
            dz = A.T @ np.linalg.solve(A @ inverse @ A.T, r + A @ (inverse @ q)) - q
        except (np.linalg.LinAlgError, ValueError):
            return at, k
        for t in 0.5 ** np.arange(40):
            try:
                ahead = Pair(at.w + t * inverse @ dz, psi.gradient(at.w + t * inverse @ dz))
            except ValueError:
                continue
            size = _joint_size(z0, A, b, ahead)
            if size <= (1 - 0.1 * t) * least:
                break
        else:  # rounding stops the decrease
            return at, k
        idle = idle + 1 if size > 0.5 * least and t == 1.0 and least < 1e-10 else 0
        at, least = ahead, size
    return at, limit


def _joint_size(z0: np.ndarray, A: np.ndarray, b: np.ndarray, at: Pair) -> float:
    size = float(np.hypot(*residuals(z0, A, b, *at)))
    return size if np.isfinite(size) else np.inf


def residuals(
    z0: np.ndarray, A: np.ndarray, b: np.ndarray, w: np.ndarray, z: np.ndarray
) -> tuple[float, float]:
    """‖Aw − b‖ relative to ‖b‖ + ‖w‖, and the part of z − z₀ outside range(Aᵀ) relative to ‖z‖ + ‖z₀‖."""
    size = float(np.linalg.norm(b) + np.linalg.norm(w)) or 1.0
    off = z - z0 - A.T @ (A @ (z - z0))
    dual_size = float(np.linalg.norm(z) + np.linalg.norm(z0)) or 1.0
    return float(np.linalg.norm(A @ w - b)) / size, float(np.linalg.norm(off)) / dual_size


def heaviest_basis(A: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Indices (r,) of linearly independent columns of A (r, d), greedily by weight times new length."""
    G, lengths = A.copy(), np.linalg.norm(A, axis=0)
    weight = np.maximum(weight, 1e-100 * np.max(weight))
    S: list[int] = []
    for _ in range(len(A)):
        new = np.linalg.norm(G, axis=0)
        # what is left of a dependent column is rounding, which a large weight must not raise
        new[new < 1e-10 * lengths] = 0.0
        j = int(np.argmax(weight * new))
        S.append(j)
        u = G[:, j] / (np.linalg.norm(G[:, j]) or 1.0)
        G = G - np.outer(u, u @ G)
        G[:, j] = 0.0
    return np.array(S, dtype=int)


def _basic_form(A: np.ndarray, b: np.ndarray, S: np.ndarray) -> _Basic:
    solved = np.linalg.solve(A[:, S], np.column_stack([A, b]))
    T = solved[:, :-1]
    T[:, S] = np.eye(len(A))
    return _Basic(S, T, solved[:, -1])


def _tangent_step(basic: _Basic, D: np.ndarray, z0: np.ndarray, at: Pair) -> np.ndarray:
    """dz with z + dz − z₀ ∈ range(Tᵀ) and T(w + D dz) = t."""
    S, T, t = basic
    e = at.z - z0
    q = e - T.T @ e[S]
    q[S] = 0.0
    r = t - T @ at.w
    # where the solution does not feel a dual direction, a small r would be met by a huge dz: none is made for
    # its rounding, and one of the size dz = dw/D of a dw = w at most for what is left
    size = float(np.max(np.where(D > 0, np.abs(at.w) / D, 0.0))) or 1.0
    rounding = 16 * EPS * np.max(np.abs(t) + np.abs(T) @ np.abs(at.w))
    r = np.where(D[S] * size > 1e3 * rounding, r, np.sign(r) * np.maximum(np.abs(r) - rounding, 0.0))
    damping = (np.abs(r) + 8 * rounding) / size
    H = (T * D) @ T.T + np.diag(damping)
    s = 1.0 / np.sqrt(np.diag(H))
    x = s * np.linalg.solve(s[:, None] * H * s, s * (r + T @ (D * q)))
    return T.T @ x - q


def _nearest_on_curve(psi: Potential, at: Pair, dw: np.ndarray, dz: np.ndarray) -> Pair | None:
    """From the end (w + dw, z + dz) of a tangent back to the curve, at that w or at that z.

    Of the two the nearer is taken, which is also the one on the tangent's side of the curve. Small
    steps go by w, whose digits are good, unless w has underflowed. A step out of the domain is halved.
    """
    w, z = at
    for t in 0.5 ** np.arange(30):
        by_z, by_w = psi.inverse_or_nan(z + t * dz), w + t * dw
        # z has run into a wall that it leaves on the other side: no farther there than it was here
        crossed = (by_w * w < 0) & ~np.isfinite(by_z)
        by_w = np.where(crossed, np.clip(by_w, -np.abs(w), np.abs(w)), by_w)
        slight = np.abs(by_z) <= SLIGHT * np.max(np.abs(w))
        nearer = (
            np.isfinite(by_z)
            & ((np.abs(by_z - w) < t * np.abs(dw)) | slight)
            & (t * np.abs(dw) > 0.5 * np.abs(w))
        )
        nearer |= (dw == 0) & (dz != 0)
        try:
            z_w = psi.gradient(np.where(nearer, psi.interior(w), by_w))
        except ValueError:
            continue
        return Pair(np.where(nearer, by_z, by_w), np.where(nearer, z + t * dz, z_w))
    return None
