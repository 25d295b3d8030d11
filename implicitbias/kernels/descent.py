"""One fused loop for every step rule the kernels know, on every elementwise model and linear loss.

The loop branches on integer codes, which costs nothing once compiled, and is compiled once for all of them.
It is valid Python as it stands (NUMBA_DISABLE_JIT=1).

Codes
-----
loss    0 squared (1/2n Σ r²) · 1 exponential · 2 logistic (both (1/n) Σ, rows of X signed)
model   0 w = θ · 1 w = u² − v² · 2 w = u∘v · 3 w = φ|φ|^{a−1}
rule    0 gradient · 1 heavy ball · 2 Nesterov · 3 steepest in ℓp · 4 row projection (Kaczmarz) ·
        5 AdaGrad, RMSProp · 6 Adam · 7 Lion, Signum · 8 SAM · 9 stochastic gradient flow ·
        10 mirror descent · 11 preconditioned · 12 natural gradient · 13 dual acceleration
batch   0 all samples · b > 0 b of them uniformly · −1 one row by ``cumulative`` weights ·
        −1 − b the next b of them in turn
reason  0 all steps done · 1 a goal is met · 2 not finite ·
        4 the next step is NumPy's: its system is close to singular · 5 log L has left the unit of the gradients

Constants: rule 0 σ of label noise, or none · 8 ρ, whether per sample · 9 γ · 12 δ · others in rules.py.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .accumulators import FLUSH, accumulate, accumulate_across, flush
from .gradients import drawn_gradient, full_gradient, predict, pull, slopes
from .philox import uniform
from .rules import (
    accelerate,
    adam,
    ascend_each,
    ascent,
    disturb,
    log_euler,
    mirror,
    natural,
    precondition,
    project,
    scaled,
    signed,
    steepest,
)

__all__ = ["descend"]

GRADIENT, HEAVY_BALL, NESTEROV, STEEPEST, PROJECTION = 0, 1, 2, 3, 4
SCALED, ADAM, SIGNED, SAM, FLOW, MIRROR, PRECONDITIONED, NATURAL, DUAL = 5, 6, 7, 8, 9, 10, 11, 12, 13


@njit(cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")
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
    constants,
    batch,
    cumulative,
    key0,
    key1,
    k0,
    decays,
    mean,
    weights,
    goal_loss,
    goal_gradient,
    goal_margin,
    goal_decay,
    period,
    log_unit,
    room,
    relative,
    track,
    logs,
):
    """Advance ``theta``, ``memory`` and ``mean`` in place by up to len(etas) steps; (steps done, reason).

    X (n, d); y (n,); theta (P,); memory (rows, P); etas, betas, decays (count,): η_k, β_k, λ_k; constants: the
    rule's own; cumulative (n,) row weights summed, scaled to 1; mean (P,): θ̄, moved by weights (count,) of the
    way to θ before each step and looked at in its place (no weights: there is none); goals: the loss (squared)
    or log-loss (classification) at or below ``goal_loss``, ‖∇_θ L + goal_decay·θ‖₂ ≤ ``goal_gradient`` (< 0:
    not asked), min margin ≥ ``goal_margin``, each looked at when k % period = 0; logs (2, d): Σ ln|m₊m₋| and
    Σ [ln|m₊/m₋| + 2x] are added when ``track`` = 1 or 2, the factor of x = track·η·g; m± = 1 ∓ x − s with
    s = η(track²·cross + λ), or exp(∓x − s) for rule 9. Gradients are measured in the unit e^log_unit, which suits
    |log L − log_unit| ≤ ``room`` (inf: it suits all), or in L itself when ``relative``: they are then those of log L.
    """
    n, d = X.shape
    P = theta.size
    w, q = np.empty(d), np.empty(P)
    c, m = np.empty(n), np.empty(n)
    g, G = np.empty(d), np.empty(P)
    cross, G_i = np.zeros(d), np.empty(P)
    L = np.empty((n, n) if rule == NATURAL else (0, 0))
    minus, plus, twice = np.ones(d), np.ones(d), np.zeros(d)
    pending, done, reason = 0, 0, 0
    averages, asks = weights.size > 0, goal_gradient >= 0.0
    noise = constants[0] if rule == FLOW or (rule == GRADIENT and constants.size > 0) else 0.0
    products = model in (1, 2)
    each = rule == SAM and constants[1] != 0.0
    scale_free = rule == STEEPEST and normalized and not asks
    # whether what a look needs is no part of the step
    apart = averages or batch != 0 or rule == NESTEROV or (asks and (noise > 0.0 or each))
    last = 3 if rule == SAM and not each else 2

    for s in range(etas.size):
        k, eta, decay = k0 + s, etas[s], decays[s]
        looks = k % period == 0
        factor, value, top, shift = 1.0, 0.0, 0.0, 0.0

        # stage 0: a look apart from the step · 1: the step's gradient · 2: SAM's, after the ascent
        for stage in range(0 if looks and apart else 1, last):
            judges = looks and (stage == 0 or (stage == 1 and not apart))
            if stage == 0 and averages:
                for j in range(P):
                    q[j] = mean[j]
            elif stage == 1 and rule == NESTEROV:
                for j in range(P):
                    q[j] = theta[j] + betas[s] * (theta[j] - memory[0, j])
            elif stage < 2:
                for j in range(P):
                    q[j] = theta[j]
            predict(model, power, q, w)

            if stage == 0 or batch == 0:
                value, top, least = slopes(loss, X, y, w, m, c)
                if judges and loss != 0 and least >= goal_margin:
                    reason = 1
                if not value < np.inf and (judges or (stage == 1 and not averages)):
                    reason = 2
                elif judges and value <= goal_loss:
                    reason = 1
                elif stage == 1 and abs(value - log_unit) > room:
                    reason = 5
                if reason != 0:
                    break
            if (stage == 0 and not asks) or (stage == 1 and (each or rule == PROJECTION)):
                continue

            if stage == 1 and batch not in (0, -1):
                drawn_gradient(loss, X, y, w, g, batch, noise, k, key0, key1)
            else:
                if stage == 1 and noise > 0.0:
                    disturb(rule, X, c, value, cross, eta, noise, k, key0, key1)
                full_gradient(X, c, g)
                shift = value if relative else log_unit
                factor = np.exp(top - shift)
                if factor != 1.0 and not (scale_free and decay == 0.0):
                    for j in range(d):
                        g[j] *= factor
                    factor = 1.0
            pull(model, power, q, g, G)

            if judges and asks:
                a = 0.0
                for j in range(P):
                    a += (G[j] + goal_decay * q[j]) ** 2
                if np.sqrt(a) * np.exp(shift) <= goal_gradient:
                    reason = 1
                    break
            if stage == 1 and last == 3:
                size = ascent(constants[0], normalized, G)
                for j in range(P):
                    q[j] += size * G[j]
                for j in range(d):
                    cross[j] = size * g[j]
        if reason != 0:
            break
        if rule == NATURAL and not natural(X, y, model, power, theta, m, constants[0], G, c, cross, w, L):
            reason = 4
            break
        if averages:
            for j in range(P):
                mean[j] += weights[s] * (theta[j] - mean[j])

        if last == 3:
            for j in range(d):
                cross[j] *= g[j]
        elif each:
            ascend_each(loss, X, y, model, power, theta, m, constants[0], normalized, g, cross, G, w, G_i, q)
        if decay != 0.0:
            for j in range(P):
                G[j] += decay * (q[j] if rule == NESTEROV else theta[j])

        if track != 0:
            rate, shrink = track * eta, eta * decay
            if rule in (SAM, FLOW):
                accumulate_across(
                    minus, plus, twice, logs, rate, g, track * rate, cross, shrink, rule == FLOW
                )
            else:
                accumulate(minus, plus, twice, rate * factor, g, shrink)
            pending += 1

        if rule in (GRADIENT, SAM, NATURAL) or (rule == FLOW and not products):
            for j in range(P):
                theta[j] -= eta * G[j]
        elif rule == HEAVY_BALL:
            for j in range(P):
                memory[0, j] = betas[s] * memory[0, j] - eta * G[j]
                theta[j] += memory[0, j]
        elif rule == NESTEROV:
            for j in range(P):
                memory[0, j] = theta[j]
                theta[j] = q[j] - eta * G[j]
        elif rule == STEEPEST:
            steepest(theta, G, eta, p, normalized)
        elif rule == PROJECTION:
            i = min(np.searchsorted(cumulative, uniform(k, 0, key0, key1), side="right"), n - 1)
            project(theta, X[i], y[i])
        elif rule == FLOW:
            log_euler(model, theta, g, cross, eta, decay)
        elif rule == MIRROR:
            mirror(theta, memory, G, q, eta, constants)
        elif rule == PRECONDITIONED:
            precondition(theta, G, eta, constants)
        elif rule == SCALED:
            scaled(theta, memory, G, eta, constants)
        elif rule == ADAM:
            adam(theta, memory, G, eta, k, constants)
        elif rule == SIGNED:
            signed(theta, memory, G, eta, constants)
        elif rule == DUAL:
            accelerate(theta, memory, G, eta, k)
        done += 1

        if pending == FLUSH:
            pending = 0
            flush(minus, plus, twice, logs)
        if done % FLUSH == 0:
            a = 0.0
            for j in range(P):
                a += theta[j]
            if not np.isfinite(a):
                reason = 2
                break

    if pending > 0:
        flush(minus, plus, twice, logs)
    return done, reason
