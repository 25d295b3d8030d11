"""The fused step loop of matrix models: products of layers, UVᵀ and UUᵀ, on square losses of a matrix.

Tiny products are loops, others are BLAS. It is valid Python as it stands (NUMBA_DISABLE_JIT=1).

Codes
-----
loss    0 entries ½ Σ A_ij(W_ij − B_ij)², A of zeros and ones · 1 samples 1/(2n) ‖AWᵀ − B‖² ·
        2 measurements 1/(2n) Σ(A_i·vec W − B_i)²
model   0 W = W_N⋯W_1 · 1 W = UVᵀ · 2 W = UUᵀ
rule    0 gradient · 1 heavy ball · 2 Nesterov · 3 steepest in ℓp · 5 AdaGrad, RMSProp · 6 Adam · 7 Lion, Signum
reason  0 all steps done · 1 a goal is met · 2 not finite
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .gradients import APART
from .rules import adam, scaled, signed, steepest

__all__ = ["descend_layers"]

HEAVY_BALL, NESTEROV, STEEPEST, SCALED, ADAM, SIGNED = 1, 2, 3, 5, 6, 7
CHECK = 16
"""Steps between two looks at whether θ is finite."""
LOOPS = 200
"""Multiplications of a product beyond which BLAS is called: below, the call itself takes longer."""


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")
def descend_layers(  # type: ignore[no-untyped-def]
    loss,
    A,
    B,
    samples,
    model,
    widths,
    rule,
    theta,
    memory,
    etas,
    betas,
    p,
    normalized,
    constants,
    k0,
    decays,
    goal_loss,
    goal_gradient,
    goal_decay,
):
    """Advance ``theta`` (P,) and ``memory`` (rows, P) in place by up to len(etas) steps; (steps done, reason).

    widths (N + 1,): n_0, …, n_N of the layers; (q, rank, p) of UVᵀ and UUᵀ, with θ = (U, V), (U,). Goals: the loss
    at or below ``goal_loss``, ‖∇_θ L + goal_decay·θ‖₂ ≤ ``goal_gradient`` (< 0: not asked), at every step.
    """
    P, N, p_rows, q_cols = theta.size, widths.size - 1, widths[-1], widths[0]
    below = np.empty(np.sum(widths[1:]) * q_cols)
    W, R = np.empty(p_rows * q_cols), np.empty(B.size)
    H, H_next = np.empty(widths.max() * q_cols), np.empty(widths.max() * q_cols)
    G, q = np.empty(P), np.empty(P)
    for s in range(etas.size):
        eta, decay = etas[s], decays[s]
        for stage in range(0 if rule == NESTEROV else 1, 2):  # 0: a look at θ apart from the step's gradient
            extrapolates = rule == NESTEROV and stage == 1
            for j in range(P):
                q[j] = theta[j] + betas[s] * (theta[j] - memory[0, j]) if extrapolates else theta[j]
            product(model, widths, q, below, W)
            value = residual(loss, A, B, samples, W, p_rows, q_cols, R)
            if not value < np.inf:
                return s, 2
            if not extrapolates and value <= goal_loss:
                return s, 1
            if stage == 0 and goal_gradient < 0.0:
                continue
            slope(loss, A, R, samples, p_rows, q_cols, H)
            pull_back(model, widths, N, q, below, H, H_next, G)
            if not extrapolates and goal_gradient >= 0.0:
                a = 0.0
                for j in range(P):
                    a += (G[j] + goal_decay * q[j]) ** 2
                if np.sqrt(a) <= goal_gradient:
                    return s, 1
        if decay != 0.0:
            for j in range(P):
                G[j] += decay * q[j]
        if rule == HEAVY_BALL:
            for j in range(P):
                memory[0, j] = betas[s] * memory[0, j] - eta * G[j]
                theta[j] += memory[0, j]
        elif rule == NESTEROV:
            for j in range(P):
                memory[0, j] = theta[j]
                theta[j] = q[j] - eta * G[j]
        elif rule == STEEPEST:
            steepest(theta, G, eta, p, normalized)
        elif rule == SCALED:
            scaled(theta, memory, G, eta, constants)
        elif rule == ADAM:
            adam(theta, memory, G, eta, k0 + s, constants)
        elif rule == SIGNED:
            signed(theta, memory, G, eta, constants)
        else:
            for j in range(P):
                theta[j] -= eta * G[j]
        if (s + 1) % CHECK == 0 and not np.isfinite(np.sum(theta)):
            return s + 1, 2
    return etas.size, 0


@njit(**APART)
def product(model, widths, theta, below, W):  # type: ignore[no-untyped-def]
    """W ← W(θ) and, of layers, below ← (W_1, W_2W_1, …), one after the other."""
    q, p = widths[0], widths[-1]
    if model > 0:
        r = widths[1]
        times_transpose(theta, 0, p, r, theta, p * r if model == 1 else 0, q, W, 0)
        return
    at, source, target = 0, 0, 0
    for j in range(1, widths.size):
        size = widths[j] * widths[j - 1]
        if j == 1:
            for i in range(size):
                below[i] = theta[i]
        else:
            times(theta, at, widths[j], widths[j - 1], below, source, q, below, target)
        at, source, target = at + size, target, target + widths[j] * q
    for i in range(p * q):
        W[i] = below[source + i]


@njit(**APART)
def pull_back(model, widths, N, theta, below, H, H_next, G):  # type: ignore[no-untyped-def]
    """G ← ∇_θ L of H = ∇_W L, by the partial products; H and H_next are overwritten."""
    q, p = widths[0], widths[-1]
    if model > 0:
        r = widths[1]
        if model == 2:
            for i in range(p):  # (H + Hᵀ)/2, twice below
                for j in range(i):
                    a = 0.5 * (H[i * q + j] + H[j * q + i])
                    H[i * q + j], H[j * q + i] = a, a
        times(H, 0, p, q, theta, p * r if model == 1 else 0, r, G, 0)
        if model == 1:
            transpose_times(H, 0, p, q, theta, 0, r, G, p * r)
        else:
            for i in range(p * r):
                G[i] *= 2.0
        return
    at = 0
    for j in range(1, N + 1):
        at += widths[j] * widths[j - 1]
    source = (np.sum(widths[1:]) - p) * q
    for j in range(N, 1, -1):  # H holds (W_N⋯W_{j+1})ᵀ ∇_W L, (n_j, n_0)
        n, m = widths[j], widths[j - 1]
        at, source = at - n * m, source - m * q
        times_transpose(H, 0, n, q, below, source, m, G, at)
        transpose_times(theta, at, n, m, H, 0, q, H_next, 0)
        for i in range(m * q):
            H[i] = H_next[i]
    for i in range(widths[1] * q):
        G[i] = H[i]


@njit(**APART)
def residual(loss, A, B, samples, W, p, q, R):  # type: ignore[no-untyped-def]
    """R ← the residuals, flat; L."""
    value = 0.0
    if loss == 0:
        for i in range(p):
            for j in range(q):
                R[i * q + j] = A[i, j] * (W[i * q + j] - B[i, j])
                value += R[i * q + j] ** 2
        return 0.5 * value
    n, d, outputs = A.shape[0], A.shape[1], B.shape[1]  # for measurements d = pq, and there is one output
    fast = n * d * outputs > LOOPS
    if fast:
        np.dot(A, rows(W, 0, outputs, d).T, rows(R, 0, n, outputs))
    for i in range(n):
        for o in range(outputs):
            a = R[i * outputs + o] if fast else 0.0
            for j in range(0 if fast else d):
                a += A[i, j] * W[o * d + j]
            R[i * outputs + o] = a - B[i, o]
            value += R[i * outputs + o] ** 2
    return value / (2.0 * samples)


@njit(**APART)
def slope(loss, A, R, samples, p, q, H):  # type: ignore[no-untyped-def]
    """H ← ∇_W L, flat."""
    for i in range(p * q):
        H[i] = R[i] if loss == 0 else 0.0
    if loss == 0:
        return
    n, d = A.shape
    outputs = R.size // n
    if n * d * outputs > LOOPS:
        for i in range(R.size):
            R[i] /= samples
        np.dot(rows(R, 0, n, outputs).T, A, rows(H, 0, outputs, d))
        return
    for i in range(n):
        for o in range(outputs):
            a = R[i * outputs + o] / samples
            for j in range(d):
                H[o * d + j] += a * A[i, j]


@njit(**APART)
def times(A, a, n, k, B, b, m, C, c):  # type: ignore[no-untyped-def]
    """C (n, m) ← A (n, k) B (k, m), each flat from its offset on."""
    if n * k * m > LOOPS:
        np.dot(rows(A, a, n, k), rows(B, b, k, m), rows(C, c, n, m))
        return
    for i in range(n):
        for j in range(m):
            C[c + i * m + j] = 0.0
        for l in range(k):
            x = A[a + i * k + l]
            for j in range(m):
                C[c + i * m + j] += x * B[b + l * m + j]


@njit(**APART)
def times_transpose(A, a, n, k, B, b, m, C, c):  # type: ignore[no-untyped-def]
    """C (n, m) ← A (n, k) Bᵀ, B (m, k)."""
    if n * k * m > LOOPS:
        np.dot(rows(A, a, n, k), rows(B, b, m, k).T, rows(C, c, n, m))
        return
    for i in range(n):
        for j in range(m):
            x = 0.0
            for l in range(k):
                x += A[a + i * k + l] * B[b + j * k + l]
            C[c + i * m + j] = x


@njit(**APART)
def transpose_times(A, a, n, k, B, b, m, C, c):  # type: ignore[no-untyped-def]
    """C (k, m) ← Aᵀ B, A (n, k), B (n, m)."""
    if n * k * m > LOOPS:
        np.dot(rows(A, a, n, k).T, rows(B, b, n, m), rows(C, c, k, m))
        return
    for i in range(k * m):
        C[c + i] = 0.0
    for l in range(n):
        for i in range(k):
            x = A[a + l * k + i]
            for j in range(m):
                C[c + i * m + j] += x * B[b + l * m + j]


@njit(**APART)
def rows(A, a, n, k):  # type: ignore[no-untyped-def]
    """The (n, k) matrix that begins at A[a]."""
    return A[a : a + n * k].reshape(n, k)
