"""Mirror maps by integer code: z = ∇ψ(θ) and θ = ∇ψ*(z), by the formulas of geometry/.

Codes
-----
0 Euclidean · 1 Mahalanobis, diagonal ``values`` · 2 Hypentropy of depth two, ``values`` = log c ·
3 PNorm(p) · 4 SquaredPNorm(p) · 5 Entropy · 6 Entropy on the simplex. ``values`` holds P numbers or one.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .gradients import APART

__all__ = ["mirror_map"]

LN2 = float(np.log(2.0))


@njit(**APART)
def mirror_map(code, p, values, x, inverse):  # type: ignore[no-untyped-def]
    """x ← ∇ψ(x), or ∇ψ*(x) when ``inverse`` (the entropies have only this)."""
    P = x.size
    own = 1 if values.size > 1 else 0
    if code == 1:
        for j in range(P):
            x[j] = x[j] / values[own * j] if inverse else x[j] * values[own * j]
    elif code == 2:
        for j in range(P):
            size, log_c = abs(x[j]), values[own * j]
            if inverse:
                size = np.exp(log_c + size - LN2) * -np.expm1(-2.0 * size)
            elif size > 0.0:
                log_ratio = np.log(size) - log_c
                # arcsinh(e^l) = l + ln 2 + O(e^{−2l})
                size = log_ratio + LN2 if log_ratio > 20.0 else np.arcsinh(np.exp(log_ratio))
            x[j] = np.sign(x[j]) * size
    elif code == 3 or code == 4:
        powers(x, p / (p - 1.0) if inverse else p, code == 4)
    elif code == 5 or code == 6:
        top, total = 0.0, 0.0
        if code == 6:
            top = x[0]
            for j in range(1, P):
                top = max(top, x[j])
        for j in range(P):
            x[j] = np.exp(x[j] - top)
            total += x[j]
        if code == 6:
            for j in range(P):
                x[j] /= total


@njit(**APART)
def powers(x, p, whole):  # type: ignore[no-untyped-def]
    """x ← sgn(x)|x|^{p−1}, the gradient of Σ|x|^p/p; of ½‖x‖_p² when ``whole``."""
    size, total = 1.0, 0.0
    if whole:
        largest = 0.0
        for j in range(x.size):
            largest = max(largest, abs(x[j]))
        if largest == 0.0:
            return
        for j in range(x.size):
            total += (abs(x[j]) / largest) ** p
        size = largest * total ** (1.0 / p)
    for j in range(x.size):
        x[j] = size * np.sign(x[j]) * (abs(x[j]) / size) ** (p - 1.0)
