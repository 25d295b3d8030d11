"""Step rules (see descent.py): θ and its memory moved in place along the objective's gradient G.

Compiled with :func:`~implicitbias.kernels.descent.descend`; see the note in gradients.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .gradients import APART, predict, pull, slope
from .mirrors import mirror_map
from .philox import normal, uniform

__all__ = [
    "accelerate",
    "adam",
    "ascend_each",
    "ascent",
    "disturb",
    "log_euler",
    "mirror",
    "natural",
    "precondition",
    "project",
    "scaled",
    "signed",
    "steepest",
]


@njit(**APART)
def steepest(theta, G, eta, p, normalized):  # type: ignore[no-untyped-def]
    """θ ← θ − η ‖G‖_* s(G) in ℓp, without the factor ‖G‖_* when ``normalized``."""
    P = theta.size
    largest, where = 0.0, 0
    for j in range(P):
        if abs(G[j]) > largest:
            largest, where = abs(G[j]), j
    if largest == 0.0:
        return
    if p == 1.0:
        length = eta if normalized else eta * largest
        theta[where] -= length * np.sign(G[where])
    elif p == np.inf:
        a = 0.0
        for j in range(P):
            a += abs(G[j])
        length = eta if normalized else eta * a
        for j in range(P):
            theta[j] -= length * np.sign(G[j])
    else:
        q = p / (p - 1.0)
        a = 0.0
        for j in range(P):
            G[j] /= largest
            a += abs(G[j]) ** q
        dual = a ** (1.0 / q)
        length = eta if normalized else eta * dual * largest
        for j in range(P):
            theta[j] -= length * np.sign(G[j]) * (abs(G[j]) / dual) ** (q - 1.0)


@njit(**APART)
def scaled(theta, memory, G, eta, constants):  # type: ignore[no-untyped-def]
    """v ← av + bG², θ ← θ − ηG/(√v + ε) with 0/0 = 0; constants: a, b, ε. AdaGrad and RMSProp."""
    keep, add, eps = constants[0], constants[1], constants[2]
    for j in range(theta.size):
        memory[0, j] = keep * memory[0, j] + add * G[j] * G[j]
        size = np.sqrt(memory[0, j]) + eps
        theta[j] -= eta * (G[j] / size if size != 0.0 else 0.0)


@njit(**APART)
def adam(theta, memory, G, eta, k, constants):  # type: ignore[no-untyped-def]
    """Adam and AdamW; constants: β₁, β₂, ε, ε_r, decoupled decay."""
    beta1, beta2, eps = constants[0], constants[1], constants[2]
    inside, decay = constants[3], constants[4]
    part1, part2 = elapsed(beta1, k), elapsed(beta2, k)
    for j in range(theta.size):
        memory[0, j] = beta1 * memory[0, j] + (1.0 - beta1) * G[j]
        memory[1, j] = beta2 * memory[1, j] + (1.0 - beta2) * G[j] * G[j]
        size = np.sqrt(memory[1, j] / part2 + inside) + eps
        move = memory[0, j] / part1 / size if size != 0.0 else 0.0
        theta[j] -= eta * (move + decay * theta[j])


@njit(**APART)
def signed(theta, memory, G, eta, constants):  # type: ignore[no-untyped-def]
    """θ ← θ − η[sgn(am + bG) + λθ], m ← a'm + b'G; constants: a, b, a', b', λ. Lion and Signum."""
    a, b, keep, add, decay = constants[0], constants[1], constants[2], constants[3], constants[4]
    for j in range(theta.size):
        sign = np.sign(a * memory[0, j] + b * G[j])
        memory[0, j] = keep * memory[0, j] + add * G[j]
        theta[j] -= eta * (sign + decay * theta[j])


@njit(**APART)
def accelerate(theta, memory, G, eta, k):  # type: ignore[no-untyped-def]
    """u ← (k/(k + 1))(u + G), θ ← θ − η(u + G)."""
    for j in range(theta.size):
        memory[0, j] = k / (k + 1.0) * (memory[0, j] + G[j])
        theta[j] -= eta * (memory[0, j] + G[j])


@njit(**APART)
def elapsed(beta, k):  # type: ignore[no-untyped-def]
    """1 − β^{k+1}."""
    count = k + 1.0
    # −ln β ≥ 1 − β: here β^{k+1} ≤ e^{−38} is below half a unit in the last place of 1
    return 1.0 if count * (1.0 - beta) > 38.0 else 1.0 - beta**count


@njit(**APART)
def project(w, x, target):  # type: ignore[no-untyped-def]
    """w ← its projection on x·w = target."""
    a, square = 0.0, 0.0
    for j in range(w.size):
        a += x[j] * w[j]
        square += x[j] * x[j]
    a = (a - target) / square
    for j in range(w.size):
        w[j] -= a * x[j]


@njit(**APART)
def precondition(theta, G, eta, constants):  # type: ignore[no-untyped-def]
    """θ ← θ − ηPG, P the diagonal or the matrix that ``constants`` hold."""
    P = theta.size
    if constants.size == P:
        for j in range(P):
            theta[j] -= eta * constants[j] * G[j]
        return
    for i in range(P):
        a = 0.0
        for j in range(P):
            a += constants[i * P + j] * G[j]
        theta[i] -= eta * a


@njit(**APART)
def mirror(theta, memory, G, q, eta, constants):  # type: ignore[no-untyped-def]
    """z ← z − ηG, θ ← ∇ψ*(z), with momentum β on z or on θ; constants: code of ψ, p, β, primal, values of ψ."""
    P = theta.size
    code, p, beta, primal = int(constants[0]), constants[1], constants[2], constants[3] != 0.0
    for inverse in range(0 if primal else 1, 2):
        for j in range(P):
            if inverse == 0:
                q[j] = theta[j] + beta * (theta[j] - memory[1, j])
                memory[1, j] = theta[j]
            else:
                z = memory[0, j]
                if primal:
                    memory[0, j] = q[j] - eta * G[j]
                elif beta > 0.0:
                    memory[0, j] = z + beta * (z - memory[1, j]) - eta * G[j]
                    memory[1, j] = z
                else:
                    memory[0, j] = z - eta * G[j]
                q[j] = memory[0, j]
        mirror_map(code, p, constants[4:], q, inverse == 1)
    for j in range(P):
        theta[j] = q[j]


@njit(**APART)
def pulled(model, power, theta, g, G):  # type: ignore[no-untyped-def]
    """G ← (∂w/∂θ)ᵀg, compiled once for those who may call."""
    pull(model, power, theta, g, G)


@njit(**APART)
def natural(X, y, model, power, theta, m, damping, G, a, D, v, L):  # type: ignore[no-untyped-def]
    """G ← Jᵀ(JJᵀ + nδI)⁻¹r, J = X ∂w/∂θ and r = m − y; False where that matrix is close to singular.

    a (n,), D and v (d,), L (n, n) are overwritten.
    """
    n, d = X.shape
    for j in range(d):
        D[j], v[j] = 0.0, 1.0
    pulled(model, power, theta, v, G)
    for b in range(0, theta.size, d):
        for j in range(d):
            D[j] += G[b + j] * G[b + j]
    floor = 0.0
    for i in range(n):
        for l in range(i + 1):
            t = 0.0
            for j in range(d):
                t += X[i, j] * D[j] * X[l, j]
            L[i, l] = t
        L[i, i] += n * damping
        floor = max(floor, 1e-8 * L[i, i])
    # LLᵀ in place, and the forward substitution on the way
    for i in range(n):
        for l in range(i + 1):
            t = L[i, l]
            for j in range(l):
                t -= L[i, j] * L[l, j]
            if l < i:
                L[i, l] = t / L[l, l]
            elif t > floor:
                L[i, i] = np.sqrt(t)
            else:
                return False
        t = m[i] - y[i]
        for l in range(i):
            t -= L[i, l] * a[l]
        a[i] = t / L[i, i]
    for j in range(d):
        v[j] = 0.0
    for i in range(n - 1, -1, -1):
        t = a[i]
        for l in range(i + 1, n):
            t -= L[l, i] * a[l]
        a[i] = t / L[i, i]
        for j in range(d):
            v[j] += a[i] * X[i, j]
    pulled(model, power, theta, v, G)
    return True


@njit(**APART)
def ascend_each(  # type: ignore[no-untyped-def]
    loss, X, y, model, power, theta, m, rho, normalized, g, cross, G, own, G_i, q
):
    """G ← (1/n) Σ_i ∇L_i(θ + ρ_i ∇L_i(θ)); g and cross: the means of g̃_i and of ρ_i g_i∘g̃_i.

    own (d,), G_i and q (P,) are overwritten.
    """
    n, d = X.shape
    P = theta.size
    for j in range(d):
        g[j], cross[j] = 0.0, 0.0
    for j in range(P):
        G[j] = 0.0
    for i in range(n):
        s = slope(loss, m[i], y[i])
        for j in range(d):
            own[j] = s * X[i, j]
        pulled(model, power, theta, own, G_i)
        size = ascent(rho, normalized, G_i)
        for j in range(P):
            q[j] = theta[j] + size * G_i[j]
        predict(model, power, q, own)
        a = 0.0
        for j in range(d):
            a += own[j] * X[i, j]
        a = slope(loss, a, y[i])
        for j in range(d):
            own[j] = a * X[i, j] / n
            g[j] += own[j]
            cross[j] += size * s * X[i, j] * own[j]
        pulled(model, power, q, own, G_i)
        for j in range(P):
            G[j] += G_i[j]


@njit(**APART)
def disturb(rule, X, c, value, cross, eta, size, k, key0, key1):  # type: ignore[no-untyped-def]
    """Noise of step k added to the slopes c: ±size/n, or for rule 9 √(strength/η)·B, strength = 2·size·L/n."""
    n, d = X.shape
    if rule == 0:
        for i in range(n):
            c[i] += (size if uniform(k, n + i, key0, key1) < 0.5 else -size) / n
        return
    strength = 2.0 * size * value / n
    for j in range(d):
        cross[j] = 0.0
    for i in range(n):
        c[i] += np.sqrt(strength / eta) * normal(k, i, key0, key1)
        for j in range(d):
            cross[j] += 0.5 * strength * X[i, j] * X[i, j]


@njit(**APART)
def ascent(rho, normalized, G):  # type: ignore[no-untyped-def]
    """ρ, or ρ/‖G‖₂ (0 at G = 0)."""
    if not normalized:
        return rho
    a = 0.0
    for j in range(G.size):
        a += G[j] * G[j]
    return rho / np.sqrt(a) if a > 0.0 else 0.0


@njit(**APART)
def log_euler(model, theta, g, cross, eta, decay):  # type: ignore[no-untyped-def]
    """The product coordinates multiplied by exp(∓x − s), x = rate·ηg and s = η(rate²·cross + λ)."""
    d = g.size
    rate = 2.0 if model == 1 else 1.0
    for j in range(d):
        x, s = rate * eta * g[j], eta * (rate * rate * cross[j] + decay)
        shrink, grow = np.exp(-x - s), np.exp(x - s)
        if model == 1:
            theta[j] *= shrink
            theta[d + j] *= grow
        else:
            plus = (theta[j] + theta[d + j]) * shrink
            minus = (theta[j] - theta[d + j]) * grow
            theta[j], theta[d + j] = 0.5 * (plus + minus), 0.5 * (plus - minus)
