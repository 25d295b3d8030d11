"""Philox 4×32-10: random numbers that are a function of (key, counter), with no state to carry.

The generator of Salmon, Moraes, Dror and Shaw (2011), held to the vectors published with
Random123. Draw k of a run is the same number in Python, in a kernel, on any number of workers,
and after a run is continued: the counter is k, the key names the run.
"""

from __future__ import annotations

import numpy as np
from numba import njit

__all__ = ["normal", "philox4x32", "uniform", "uniform_index"]

_MASK = np.uint64(0xFFFFFFFF)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_32 = np.uint64(32)


@njit(cache=True, fastmath=False)
def philox4x32(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Ten rounds on four 32-bit counter words under two 32-bit key words (all held in uint64)."""
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c1, c2, c3 = (
            ((p1 >> _32) ^ c1 ^ k0) & _MASK,
            p1 & _MASK,
            ((p0 >> _32) ^ c3 ^ k1) & _MASK,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _W0) & _MASK, (k1 + _W1) & _MASK
    return c0, c1, c2, c3


@njit(cache=True, fastmath=False)
def uniform(k, slot, key0, key1):  # type: ignore[no-untyped-def]
    """Uniform on [0, 1) with 53 bits: draw number ``slot`` of step ``k``."""
    step, number = np.uint64(k), np.uint64(slot)
    a, b, _, _ = philox4x32(
        step & _MASK, step >> _32, number & _MASK, number >> _32, np.uint64(key0), np.uint64(key1)
    )
    return float(((np.uint64(a) << _32) | np.uint64(b)) >> np.uint64(11)) * 2.0**-53


@njit(cache=True, fastmath=False)
def uniform_index(k, slot, n, key0, key1):  # type: ignore[no-untyped-def]
    """Uniform on {0, …, n − 1}; the bias is below n·2⁻⁵³."""
    return min(int(uniform(k, slot, key0, key1) * n), n - 1)


@njit(cache=True, fastmath=False)
def normal(k, slot, key0, key1):  # type: ignore[no-untyped-def]
    """Standard normal by Box and Muller, from the four words of one counter: draw ``slot`` of step ``k``.

    The counter's fourth word is 1, so that normal and uniform draws of a slot are independent.
    """
    step, number = np.uint64(k), np.uint64(slot)
    a, b, c, d = philox4x32(
        step & _MASK, step >> _32, number & _MASK, np.uint64(1), np.uint64(key0), np.uint64(key1)
    )
    u = (float(((np.uint64(a) << _32) | np.uint64(b)) >> np.uint64(11)) + 1.0) * 2.0**-53
    v = float(((np.uint64(c) << _32) | np.uint64(d)) >> np.uint64(11)) * 2.0**-53
    return np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
