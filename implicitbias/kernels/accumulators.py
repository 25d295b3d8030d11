"""What steps on a two-layer product network add up to (see dynamics/oracle.py), with few logarithms."""

from __future__ import annotations

import numpy as np
from numba import njit

from .gradients import APART, INLINE

__all__ = ["FLUSH", "accumulate", "accumulate_across", "flush"]

FLUSH = 16
"""Steps between two logarithms: sixteen factors m± below 1e19 do not overflow, and a larger one is divergence."""


@njit(**INLINE)
def accumulate(minus, plus, twice, rate, g, s):  # type: ignore[no-untyped-def]
    """minus, plus ← their products with 1 ∓ x − s, x = rate·g."""
    for j in range(g.size):
        x = rate * g[j]
        minus[j] *= 1.0 - x - s
        plus[j] *= 1.0 + x - s
        twice[j] += 2.0 * x


@njit(**APART)
def accumulate_across(minus, plus, twice, logs, rate, g, across, cross, shrink, exponential):  # type: ignore[no-untyped-def]
    """The same with s = across·cross + shrink of each coordinate; an exponential step has ln m± = ∓x − s."""
    for j in range(g.size):
        x, s = rate * g[j], across * cross[j] + shrink
        if exponential:
            logs[0, j] -= 2.0 * s
        else:
            minus[j] *= 1.0 - x - s
            plus[j] *= 1.0 + x - s
            twice[j] += 2.0 * x


@njit(**INLINE)
def flush(minus, plus, twice, logs):  # type: ignore[no-untyped-def]
    """Add the logarithms of the products to ``logs``, and begin anew."""
    for j in range(minus.size):
        a, b = np.log(abs(minus[j])), np.log(abs(plus[j]))
        logs[0, j] += a + b
        logs[1, j] += (a - b) + twice[j]
        minus[j], plus[j], twice[j] = 1.0, 1.0, 0.0
