"""Discrete steps on factored matrices whose iterates are known: two-cycles, and scaled gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import positive, whole
from .spectral import steps_within

__all__ = ["ScaledPath", "two_cycle"]

MOST_STEPS = 100_000
"""After which an iterate that still changes is said to have no limit."""
NULL = 1e-12


def two_cycle(target: float, step: float, depth: int = 2) -> tuple[float, float]:
    """(w₋, w₊), the values between which w = a^N alternates under a ↦ a + ηa^{N−1}(s − a^N), all layers equal.

    For two layers, with e = ηs, w± = s((1 + e) ± √((1 + e)² − 4))/(2e), for e > 1, and the cycle is stable for
    e < √5 − 1. At depth N it is born where ηNs^{2−2/N} = 2 and found by bisection, on a from 0.7 s^{1/N} on.

    Parameters
    ----------
    target : s > 0. step : η. depth : N ≥ 2.

    Raises
    ------
    ValueError
        where the minimum itself is stable, ηNs^{2−2/N} ≤ 2, and where no cycle is found next to it.

    >>> low, high = two_cycle(1.0, 1.1)
    >>> round(low, 9), round(high, 9)
    (0.663494353, 1.245596556)
    """
    s, eta, N = positive("target", target), positive("step", step), whole("depth", depth, 2)
    edge = eta * N * s ** (2 - 2 / N)
    if edge <= 2:
        raise ValueError(
            f"at ηNs^(2−2/N) = {edge:.6g} ≤ 2 the minimum is stable: there is no two-cycle next to it"
        )
    if N == 2:
        e = eta * s
        root = float(np.sqrt((e - 1) * (e + 3)))
        return s * (1 + e - root) / (2 * e), s * (1 + e + root) / (2 * e)
    from scipy.optimize import brentq

    def after(a: float) -> float:
        return float(a + eta * a ** (N - 1) * (s - a**N))

    root = s ** (1 / N)
    # a − s^{1/N} divides after(after(a)) − a: the minimum itself is a fixed point
    try:
        low = brentq(lambda a: (after(after(a)) - a) / (a - root), 0.7 * root, (1 - 1e-6) * root, xtol=1e-15)
    except ValueError as error:
        raise ValueError(f"no two-cycle is found above 0.7 s^(1/N) at ηNs^(2−2/N) = {edge:.6g}") from error
    return float(low**N), after(low) ** N


class ScaledPath:
    """W_k of scaled gradient descent on ½‖W − T‖_F²: W_{k+1} = M W_k⁺ M, M = W_k − η(W_k − T), W⁺ of the rank of W_0.

    The factors do not enter (theory/matrix/scaled-gd-sees-no-factors.md).

    Parameters
    ----------
    T, W0 : (p, q) the target and the start. step : η. rank : of W_0, the width of its factors.

    The path is a function f(t) of the time ηk of the run, or f(steps=k); an array adds a leading axis. At infinity it
    is the iterate that no longer changes, NaN where there is none within 100,000 steps.

    >>> path = ScaledPath(np.diag([2.0, 1.0]), np.diag([1.0, 2.0]), step=0.5, rank=2)
    >>> path(steps=[0, 1]).diagonal(axis1=1, axis2=2).tolist()
    [[1.0, 2.0], [2.25, 1.125]]
    >>> path(np.inf).round(9).tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, T: np.ndarray, W0: np.ndarray, step: float, rank: int) -> None:
        self.T, self.W0, self.step, self.rank = T, W0, step, rank

    def after(self, W: np.ndarray) -> np.ndarray:
        """W_{k+1} of W_k."""
        M = W - self.step * (W - self.T)
        U, s, Vt = (
            x[..., : self.rank] if i < 2 else x[: self.rank] for i, x in enumerate(np.linalg.svd(W, False))
        )
        mapped: np.ndarray = (M @ Vt.T / s) @ (U.T @ M)
        return mapped

    def __call__(self, t: Any = None, *, steps: Any = None) -> np.ndarray:
        """W at time t, or after so many steps; an array adds a leading axis."""
        if (t is None) == (steps is None):
            raise ValueError("give one of a time t and steps=…")
        with np.errstate(invalid="ignore"):  # at infinity
            k = (
                steps_within(np.asarray(t, dtype=float), self.step)
                if steps is None
                else np.asarray(steps, float)
            )
        if np.any(~(k >= 0)):
            raise ValueError("the path is defined for t ≥ 0")
        flat, W, done = k.ravel(), self.W0, 0
        path = np.full((flat.size, *W.shape), np.nan)
        for i in np.argsort(flat, kind="stable"):
            if np.isinf(flat[i]):
                path[i] = self._limit(W)
                continue
            for _ in range(int(flat[i]) - done):
                W = self.after(W)
            path[i], done = W, int(flat[i])
        return path.reshape(*k.shape, *W.shape)

    def _limit(self, W: np.ndarray) -> np.ndarray:
        for _ in range(MOST_STEPS):
            ahead = self.after(W)
            if not np.all(np.isfinite(ahead)):
                break
            if np.linalg.norm(ahead - W) <= 1e-15 * np.linalg.norm(W):
                return ahead
            W = ahead
        return np.full(W.shape, np.nan)


def full_rank(factors: Any) -> bool:
    """Whether every factor (n, r) has rank r."""
    return all(np.linalg.cond(F) <= 1 / NULL for F in factors)
