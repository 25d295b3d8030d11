"""Linear programs in the ball of the spectral norm, by a barrier method that Newton's method on the optimum completes.

    max c·x   subject to   Cx ≥ 0,   σ₁(𝒢x) ≤ 1,   𝒢x = Σ_j x_j G_j

has the dual   min ‖Y‖_nuclear   subject to   λ ≥ 0,   c + Cᵀλ = 𝒢*Y.   Maximum margins in the spectral norm are of the
first kind, and those in the nuclear norm of the second.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..threads import one_blas_thread

__all__ = ["BallSolution", "maximize_in_ball"]

EPS = float(np.finfo(float).eps)
NEAR = 1e-9
"""Where the barrier hands over to Newton's method: 1 − 10⁻⁹ still has seven digits."""
SHRINK = 0.25
"""Of μ. A larger fall begins so far from the next centre that damped steps come next to the walls, and stay there."""
NEXT, LAST = 0.25, 1e-3
"""Lengths of a Newton step, in the metric of the barrier, from where the next μ may begin, and at the last one."""
AT_ONCE = ((0.0, 1e-6),) * 3 + ((0.0, 1e-13),) * 2
BY_DEGREES = (*((NEAR * 0.45**k, 1e-11) for k in range(40)), *AT_ONCE)
"""(μ, part) of each Newton step. Pivots of its system below this part of the largest mean a solution that is not
unique: first to what the barrier leaves, then to rounding.
"""
FOUND, LOST = 1e-12, 1e3
"""Residuals at which Newton's method has succeeded, and will not."""
LARGE = 1500
"""Above so many unknowns Newton's systems take minutes, and the solution stays at what the barrier leaves."""


class BallSolution(NamedTuple):
    """The solution x (v,) of the program, and the multipliers λ (m,) and Y (p, q)."""

    x: np.ndarray
    lam: np.ndarray
    Y: np.ndarray


def maximize_in_ball(c: np.ndarray, C: np.ndarray, G: np.ndarray, x: np.ndarray) -> BallSolution:
    """max c·x subject to Cx ≥ 0 and σ₁(Σ_j x_j G_j) ≤ 1, from an x where both are strict.

    c (v,), C (m, v), G (v, p, q), all of order one.

    >>> E = np.eye(4).reshape(4, 2, 2)
    >>> x = maximize_in_ball(np.array([1.0, 0.0, 0.0, 2.0]), np.ones((1, 4)), E, np.full(4, 0.1)).x
    >>> np.allclose(x.reshape(2, 2), np.eye(2), atol=1e-12)
    True
    """
    with one_blas_thread(max(C.shape)):
        mu = 1.0
        while mu > NEAR:
            mu *= SHRINK
            x = _centre(c / mu, C, G, x, NEXT if mu > NEAR else LAST)
        start = _multipliers(mu, C, G, x)
        off, found = _completed(c, C, G, start, AT_ONCE)
        if off > FOUND:  # weights and slacks that are both small: which of them vanish has to be found out
            found = min((off, found), _completed(c, C, G, start, BY_DEGREES), key=lambda pair: pair[0])[1]
        return found


def _multipliers(mu: float, C: np.ndarray, G: np.ndarray, x: np.ndarray) -> BallSolution:
    """λ = μ/(Cx) and Y = 2μ(I − WWᵀ)⁻¹W, W = 𝒢x: the gradients of the barrier."""
    U, s, Vt = np.linalg.svd(np.tensordot(x, G, 1), full_matrices=False)
    return BallSolution(x, mu / (C @ x), (U * (2 * mu * s / ((1 - s) * (1 + s)))) @ Vt)


def _centre(c: np.ndarray, C: np.ndarray, G: np.ndarray, x: np.ndarray, near: float) -> np.ndarray:
    """max c·x + Σ log(Cx) + log det(I − WᵀW), W = 𝒢x, by Newton steps, halved until the objective rises, until the next
    would be shorter than ``near`` or rounding hides its rise.
    """
    v, p, q = G.shape
    flat = G.reshape(v, -1)
    for _ in range(100):
        slack, W = C @ x, (x @ flat).reshape(p, q)
        U, s, Vt = np.linalg.svd(W)
        short = np.ones(max(p, q))
        short[: s.size] = (1 - s) * (1 + s)
        P, R = (U / short[:p]) @ U.T, (Vt.T / short[:q]) @ Vt  # (I − WWᵀ)⁻¹, (I − WᵀW)⁻¹
        PW = P @ W
        slope = c + (1 / slack) @ C - 2 * flat @ PW.ravel()
        curved = P @ G @ R + PW @ G.transpose(0, 2, 1) @ PW  # the derivative of PW along each G_j
        scaled = C / slack[:, None]
        H = scaled.T @ scaled + 2 * flat @ curved.reshape(v, -1).T
        move, decrement = _newton_step((H + H.T) / 2, slope)
        if decrement < near:
            break
        t, here = 1.0, _barrier(c, C, G, x)
        while t > EPS and not _barrier(c, C, G, x + t * move) >= here + 0.1 * t * decrement**2:
            t /= 2
        if t <= EPS:
            break
        x = x + t * move
    return x


def _barrier(c: np.ndarray, C: np.ndarray, G: np.ndarray, x: np.ndarray) -> float:
    """c·x + Σ log(Cx) + log det(I − WᵀW), −∞ outside."""
    slack, s = C @ x, np.linalg.svd(np.tensordot(x, G, 1), compute_uv=False)
    if np.min(slack) <= 0 or s[0] >= 1:
        return -np.inf
    return float(c @ x + np.sum(np.log(slack)) + np.sum(np.log((1 - s) * (1 + s))))


def _newton_step(H: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, float]:
    """(H⁻¹g, √(gᵀH⁻¹g)), with H scaled to unit diagonal, and its null space to rounding."""
    size = 1 / np.sqrt(np.diag(H))
    scaled = H * size * size[:, None] + len(H) * EPS * np.eye(len(H))
    move = size * np.linalg.solve(scaled, size * slope)
    return move, float(np.sqrt(max(float(slope @ move), 0.0)))


def _completed(
    c: np.ndarray,
    C: np.ndarray,
    G: np.ndarray,
    start: BallSolution,
    schedule: tuple[tuple[float, float], ...],
) -> tuple[float, BallSolution]:
    """Newton's method for c + Cᵀλ = 𝒢*Y, λ = (λ − Cx)₊, 𝒢x = Π(𝒢x + Y), Π the projection onto the ball: what these are
    missed by, and where by least. With μ > 0 the corners are rounded, so that λ∘Cx = μ.
    """
    from scipy.linalg import lstsq

    v, p, q = G.shape
    m, flat = len(C), G.reshape(v, -1)
    if v + m + p * q > LARGE:
        return 0.0, start
    best, least = start, float("inf")
    # in (λ − Cx)₊ both are to be of one size
    scale = float(np.sqrt(np.max(start.lam) / np.max(C @ start.x)))
    C = C * scale
    x, lam, Y = start.x, start.lam / scale, start.Y.ravel()
    for mu, dropped in (*schedule, (0.0, 0.0)):
        point, slack = x @ flat, C @ x
        fall, active = _positive_part(lam - slack, mu)
        inside, DP = _project((point + Y).reshape(p, q), mu)
        off = np.concatenate([c + lam @ C - flat @ Y, lam - fall, point - inside.ravel()])
        size = float(np.linalg.norm(off))
        if mu == 0 and size < least:
            best, least = BallSolution(x, np.maximum(lam * scale, 0.0), Y.reshape(p, q)), size
        if dropped == 0 or (mu == 0 and size < 32 * EPS) or not size < LOST:
            break
        K = np.block(
            [
                [np.zeros((v, v)), C.T, -flat],
                [C * active[:, None], np.diag(1.0 - active), np.zeros((m, p * q))],
                [flat.T - DP @ flat.T, np.zeros((p * q, m)), -DP],
            ]
        )
        move = lstsq(K, -off, cond=dropped, lapack_driver="gelsy")[0]
        x, lam, Y = x + move[:v], lam + move[v : v + m], Y + move[v + m :]
    return least, best


def _positive_part(t: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray]:
    """t₊ and its slope; with μ the larger root u of u(u − t) = μ."""
    root = np.sqrt(t * t + 4 * mu)
    return (t + root) / 2, np.where(root > 0, 1 + t / np.where(root > 0, root, 1.0), 0.0) / 2


def _project(M: np.ndarray, mu: float) -> tuple[np.ndarray, np.ndarray]:
    """Π(M), its singular values clipped at one, and DΠ(M) (pq, pq).

    In the eigenbasis of the symmetric (0 M; Mᵀ 0) the derivative multiplies by divided differences of the clipping,
    t ↦ (t + 1)₊ − (t − 1)₊ − 1.
    """
    p, q = M.shape
    S = np.block([[np.zeros((p, p)), M], [M.T, np.zeros((q, q))]])
    s, Q = np.linalg.eigh(S)
    (up, slope_up), (down, slope_down) = _positive_part(s + 1, mu), _positive_part(s - 1, mu)
    f = up - down - 1
    gap = s[:, None] - s
    same = np.abs(gap) < 1e-12
    divided = np.where(same, (slope_up - slope_down)[:, None], (f[:, None] - f) / np.where(same, 1.0, gap))
    top, low = Q[:p], Q[p:]
    # QᵀEQ for E = (0 e_ie_jᵀ; e_je_iᵀ 0)
    E = np.einsum("ia,jb->ijab", top, low)
    E = (E + E.transpose(0, 1, 3, 2)) * divided
    D = np.einsum("ka,ijab,lb->klij", top, E, low, optimize=True).reshape(p * q, p * q)
    return (top * f) @ low.T, D
