"""One fused loop for every step rule the kernels know, on every elementwise model and linear loss.

The loop branches on integer codes in its body, which costs nothing once compiled, and is compiled
once for all of them. It is valid Python as it stands (NUMBA_DISABLE_JIT=1).

Codes
-----
loss    0 squared (1/2n Σ r²) · 1 exponential · 2 logistic (both (1/n) Σ, rows of X signed)
model   0 w = θ · 1 w = u² − v² · 2 w = u∘v · 3 w = φ|φ|^{a−1}
rule    0 gradient · 1 heavy ball · 2 Nesterov · 3 steepest in ℓp · 4 row projection (Kaczmarz)
batch   0 all samples · b > 0 b of them uniformly · −1 one row by ``cumulative`` weights
reason  0 all steps done · 1 a goal is met · 2 not finite
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .philox import uniform, uniform_index

__all__ = ["FLUSH", "descend"]

FLUSH = 16
"""Steps between two logarithms of the accumulated products."""


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"})
def descend(  # type: ignore[no-untyped-def]
    X,
    y,
    loss,
    model,
    power,
    rule,
    theta,
    memory,
    etas,
    betas,
    p,
    normalized,
    batch,
    cumulative,
    key0,
    key1,
    k0,
    decays,
    goal_loss,
    goal_gradient,
    goal_margin,
    period,
    track,
    logs,
):
    """Advance ``theta`` and ``memory`` in place by up to len(etas) steps; (steps done, reason).

    X (n, d); y (n,); theta, memory (P,); etas, betas, decays (count,): η_k, β_k, λ_k; cumulative (n,) row
    weights summed, scaled to 1; goals: the loss (squared) or log-loss (classification) at or below ``goal_loss``,
    ‖∇_θ L‖₂ ≤ ``goal_gradient`` (< 0: not asked), min margin ≥ ``goal_margin``, each looked at when k % period = 0;
    logs (2, d): Σ ln|m₊m₋| and Σ [ln|m₊/m₋| + 2x], m± = 1 ∓ x − ηλ, are added when ``track`` = 1 or 2, the
    factor of x = track·η·g.
    """
    n, d = X.shape
    P = theta.size
    w, q = np.empty(d), np.empty(P)
    c, m = np.empty(n), np.empty(n)
    g, G = np.empty(d), np.empty(P)
    minus, plus, twice = np.ones(d), np.ones(d), np.zeros(d)
    pending, done, reason = 0, 0, 0
    scale_free = rule == 3 and normalized and goal_gradient < 0.0
    q_exponent = np.inf if p == 1.0 else (1.0 if p == np.inf else p / (p - 1.0))

    for s in range(etas.size):
        k, eta, decay = k0 + s, etas[s], decays[s]
        looks = k % period == 0

        if rule == 2:
            for j in range(P):
                q[j] = theta[j] + betas[s] * (theta[j] - memory[j])
        else:
            for j in range(P):
                q[j] = theta[j]

        # where a goal is asked and the query point is not θ, the loss is looked at there first
        separate = looks and (rule == 2 or batch != 0)
        passes = 2 if separate else 1
        for stage in range(passes):
            at_theta = separate and stage == 0
            judges = looks and (at_theta or not separate)
            if at_theta:
                for j in range(P):
                    G[j] = theta[j]
            else:
                for j in range(P):
                    G[j] = q[j]
            if model == 0:
                for j in range(d):
                    w[j] = G[j]
            elif model == 1:
                for j in range(d):
                    w[j] = G[j] * G[j] - G[d + j] * G[d + j]
            elif model == 2:
                for j in range(d):
                    w[j] = G[j] * G[d + j]
            else:
                for j in range(d):
                    w[j] = G[j] * abs(G[j]) ** (power - 1.0)

            value, top = 0.0, 0.0
            if at_theta or batch == 0:
                for i in range(n):
                    a = 0.0
                    for j in range(d):
                        a += X[i, j] * w[j]
                    m[i] = a
                if loss == 0:
                    for i in range(n):
                        c[i] = m[i] - y[i]
                        value += c[i] * c[i]
                        c[i] /= n
                    value /= 2.0 * n
                else:
                    least = m[0]
                    for i in range(1, n):
                        least = min(least, m[i])
                    if loss == 1 or least > 36.0:  # there ln(1 + e^{−m}) = e^{−m} to rounding
                        top = -least
                        for i in range(n):
                            e = np.exp(-m[i] - top)
                            value += e
                            c[i] = -e / n
                    else:
                        top = 0.0
                        for i in range(n):
                            if m[i] > 0.0:
                                e = np.exp(-m[i])
                                value += np.log1p(e)
                                c[i] = -e / (1.0 + e) / n
                            else:
                                e = np.exp(m[i])
                                value += np.log1p(e) - m[i]
                                c[i] = -1.0 / (1.0 + e) / n
                    value = np.log(value / n) + top
                    if judges and least >= goal_margin:
                        reason = 1
                if not value < np.inf:
                    reason = 2
                elif judges and value <= goal_loss:
                    reason = 1
            if reason != 0:
                break
        if reason != 0:
            break

        if rule == 4:
            i = min(np.searchsorted(cumulative, uniform(k, 0, key0, key1), side="right"), n - 1)
            a, square = 0.0, 0.0
            for j in range(d):
                a += X[i, j] * w[j]
                square += X[i, j] * X[i, j]
            a = (a - y[i]) / square
            for j in range(d):
                theta[j] -= a * X[i, j]
            done += 1
            continue

        factor = 1.0  # what g still lacks of the gradient of L
        for j in range(d):
            g[j] = 0.0
        if batch == 0:
            for i in range(n):
                for j in range(d):
                    g[j] += c[i] * X[i, j]
            factor = np.exp(top)
            if top != 0.0 and not (scale_free and decay == 0.0):
                for j in range(d):
                    g[j] *= factor
                factor = 1.0
        else:
            for b in range(batch):
                i = uniform_index(k, b, n, key0, key1)
                a = 0.0
                for j in range(d):
                    a += X[i, j] * w[j]
                if loss == 0:
                    a = a - y[i]
                elif loss == 1:
                    a = -np.exp(-a)
                elif a > 0.0:
                    e = np.exp(-a)
                    a = -e / (1.0 + e)
                else:
                    a = -1.0 / (1.0 + np.exp(a))
                a /= batch
                for j in range(d):
                    g[j] += a * X[i, j]

        if model == 0:
            for j in range(d):
                G[j] = g[j]
        elif model == 1:
            for j in range(d):
                G[j] = 2.0 * q[j] * g[j]
                G[d + j] = -2.0 * q[d + j] * g[j]
        elif model == 2:
            for j in range(d):
                G[j] = q[d + j] * g[j]
                G[d + j] = q[j] * g[j]
        else:
            for j in range(d):
                G[j] = power * abs(q[j]) ** (power - 1.0) * g[j]
        if decay != 0.0:
            for j in range(P):
                G[j] += decay * q[j]
        if goal_gradient >= 0.0 and looks and batch == 0 and rule != 2:
            a = 0.0
            for j in range(P):
                a += G[j] * G[j]
            if np.sqrt(a) <= goal_gradient:
                reason = 1
                break

        if track != 0:
            rate = track * eta
            for j in range(d):
                x = rate * factor * g[j]
                minus[j] *= 1.0 - x - eta * decay
                plus[j] *= 1.0 + x - eta * decay
                twice[j] += 2.0 * x
            pending += 1

        if rule == 0:
            for j in range(P):
                theta[j] -= eta * G[j]
        elif rule == 1:
            for j in range(P):
                memory[j] = betas[s] * memory[j] - eta * G[j]
                theta[j] += memory[j]
        elif rule == 2:
            for j in range(P):
                memory[j] = theta[j]
                theta[j] = q[j] - eta * G[j]
        else:
            largest, where = 0.0, 0
            for j in range(P):
                if abs(G[j]) > largest:
                    largest, where = abs(G[j]), j
            if largest > 0.0:
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
                    a = 0.0
                    for j in range(P):
                        G[j] /= largest
                        a += abs(G[j]) ** q_exponent
                    dual = a ** (1.0 / q_exponent)
                    length = eta if normalized else eta * dual * largest
                    for j in range(P):
                        theta[j] -= length * np.sign(G[j]) * (abs(G[j]) / dual) ** (q_exponent - 1.0)
        done += 1

        if pending == FLUSH:
            pending = 0
            for j in range(d):
                a, b_ = np.log(abs(minus[j])), np.log(abs(plus[j]))
                logs[0, j] += a + b_
                logs[1, j] += (a - b_) + twice[j]
                minus[j], plus[j], twice[j] = 1.0, 1.0, 0.0
        if done % FLUSH == 0:
            a = 0.0
            for j in range(P):
                a += theta[j]
            if not np.isfinite(a):
                reason = 2
                break

    if pending > 0:
        for j in range(d):
            a, b_ = np.log(abs(minus[j])), np.log(abs(plus[j]))
            logs[0, j] += a + b_
            logs[1, j] += (a - b_) + twice[j]
    return done, reason
