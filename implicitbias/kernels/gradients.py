"""What every step asks: predictors, slopes of the losses and pullbacks, by integer code (see descent.py).

They are inlined in :func:`~implicitbias.kernels.descent.descend` and compiled with it. Numba's cache looks at the
file of the compiled function alone: after an edit of another file of this folder, touch descent.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .philox import uniform, uniform_index

__all__ = ["drawn_gradient", "full_gradient", "predict", "pull", "slope", "slopes"]

APART: dict[str, Any] = {
    "fastmath": {"contract", "reassoc", "nsz"},
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
"""How a function that only kernels call is compiled."""
INLINE: dict[str, Any] = APART | {"forceinline": True}
"""The same, to be copied into its callers: a call costs a fast step a quarter of its time."""


@njit(**INLINE)
def predict(model, power, theta, w):  # type: ignore[no-untyped-def]
    """w ← w(θ)."""
    d = w.size
    if model == 0:
        for j in range(d):
            w[j] = theta[j]
    elif model == 1:
        for j in range(d):
            w[j] = theta[j] * theta[j] - theta[d + j] * theta[d + j]
    elif model == 2:
        for j in range(d):
            w[j] = theta[j] * theta[d + j]
    else:
        for j in range(d):
            w[j] = theta[j] * abs(theta[j]) ** (power - 1.0)


@njit(**INLINE)
def pull(model, power, theta, g, G):  # type: ignore[no-untyped-def]
    """G ← (∂w/∂θ)ᵀg."""
    d = g.size
    if model == 0:
        for j in range(d):
            G[j] = g[j]
    elif model == 1:
        for j in range(d):
            G[j] = 2.0 * theta[j] * g[j]
            G[d + j] = -2.0 * theta[d + j] * g[j]
    elif model == 2:
        for j in range(d):
            G[j] = theta[d + j] * g[j]
            G[d + j] = theta[j] * g[j]
    else:
        for j in range(d):
            G[j] = power * abs(theta[j]) ** (power - 1.0) * g[j]


@njit(**INLINE)
def slopes(loss, X, y, w, m, c):  # type: ignore[no-untyped-def]
    """m ← Xw and c ← e^{−top} ℓ'(m)/n; (L for the squared loss, log L for the others; top; min m)."""
    n, d = X.shape
    for i in range(n):
        a = 0.0
        for j in range(d):
            a += X[i, j] * w[j]
        m[i] = a
    value, least = 0.0, m[0]
    if loss == 0:
        for i in range(n):
            c[i] = m[i] - y[i]
            value += c[i] * c[i]
            c[i] /= n
        return value / (2.0 * n), 0.0, least
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
    return np.log(value / n) + top, top, least


@njit(**INLINE)
def slope(loss, a, target):  # type: ignore[no-untyped-def]
    """ℓ' of one sample at x·w = a."""
    if loss == 0:
        return a - target
    if loss == 1:
        return -np.exp(-a)
    if a > 0.0:
        e = np.exp(-a)
        return -e / (1.0 + e)
    return -1.0 / (1.0 + np.exp(a))


@njit(**INLINE)
def full_gradient(X, c, g):  # type: ignore[no-untyped-def]
    """g ← Xᵀc."""
    n, d = X.shape
    for j in range(d):
        g[j] = 0.0
    for i in range(n):
        for j in range(d):
            g[j] += c[i] * X[i, j]


@njit(**INLINE)
def drawn_gradient(loss, X, y, w, g, batch, sigma, k, key0, key1):  # type: ignore[no-untyped-def]
    """g ← the mean gradient of the samples of step k, the targets moved by ±sigma; −1 − batch of them in turn."""
    n, d = X.shape
    drawn = batch > 0
    batch = batch if drawn else -1 - batch
    for j in range(d):
        g[j] = 0.0
    for b in range(batch):
        i = uniform_index(k, b, n, key0, key1) if drawn else (k * batch + b) % n
        a = 0.0
        for j in range(d):
            a += X[i, j] * w[j]
        a = slope(loss, a, y[i])
        if sigma > 0.0:
            a += sigma if uniform(k, batch + b, key0, key1) < 0.5 else -sigma
        a /= batch
        for j in range(d):
            g[j] += a * X[i, j]
