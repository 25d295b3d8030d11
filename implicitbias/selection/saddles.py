"""The saddles that a vanishing start visits, one after the other, and when."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..problems import Regression
from .active_set import nonnegative_least

__all__ = ["SaddlePath"]

TIE = 1e-9
"""Slopes of this size relative to the first are zero; those this close to one are one."""


class Saddle(NamedTuple):
    """A plateau of the path: from ``time`` on, w stays here and the dual slopes s move with −∇L(w)."""

    time: float
    w: np.ndarray
    slopes: np.ndarray
    gradient: np.ndarray


class SaddlePath:
    """The path of two-layer diagonal networks on a regression as the scale of their start tends to zero.

    With z = ∇φ_c(w), ż = −κ∇L(w), L = ln(2/c) and the time τ = κt/L, the dual slopes s = z/L obey
    ds/dτ = −∇L(w), and as c → 0 the path w(τ) jumps between the points

        argmin L(w)   subject to   w_j ≥ 0 where s_j = 1,  w_j ≤ 0 where s_j = −1,  w_j = 0 elsewhere.

    It leaves one when another |s_j| reaches one, and ends at the solution of least ‖w‖₁ (at the least-squares
    solution, when Xw = y has none) [pesme2023saddle]. κ is 4 for Diagonal(2) and 2 for Hadamard().

    Attributes
    ----------
    times : (K,) τ of arrival at each saddle, the first 0. points : (K, d). slopes : (K, d) s at arrival.
    gradients : (K, d) ∇L at each saddle. entering : (K − 1,) the coordinate whose |s| reaches one.

    Raises
    ------
    ArithmeticError
        when the saddles do not come to an end, which happens for data with ties only.

    Examples
    --------
    >>> path = SaddlePath(Regression([[2.0, 0.0], [0.0, 1.0]], [2.0, 3.0]))
    >>> path.times.round(3).tolist(), path.points.tolist()
    ([0.0, 0.5, 0.667], [[0.0, 0.0], [1.0, 0.0], [1.0, 3.0]])
    >>> path(0.6).tolist(), path.average(1.0).round(3).tolist()
    ([1.0, 0.0], [0.5, 1.0])
    """

    def __init__(self, problem: Regression) -> None:
        self.problem = problem
        saddles, entering = self._visit()
        self.times = np.array([s.time for s in saddles])
        self.points = np.array([s.w for s in saddles])
        self.slopes = np.array([s.slopes for s in saddles])
        self.gradients = np.array([s.gradient for s in saddles])
        self.entering = np.array(entering, dtype=int)

    def _visit(self) -> tuple[list[Saddle], list[int]]:
        d = self.problem.w_shape[0]
        g = self.problem.gradient(np.zeros(d))
        flat = TIE * float(np.max(np.abs(g)))
        saddles, entering = [Saddle(0.0, np.zeros(d), np.zeros(d), g)], []
        while np.max(np.abs(saddles[-1].gradient)) > flat:
            if len(saddles) > 50 * d:
                raise ArithmeticError(f"no end after {len(saddles)} saddles: the data have ties")
            here = saddles[-1]
            g = np.where(np.abs(here.gradient) > flat, here.gradient, 0.0)
            with np.errstate(divide="ignore", invalid="ignore"):
                wait = np.where(g == 0, np.inf, (1 + here.slopes * np.sign(g)) / np.abs(g))
            first = int(np.argmin(wait))
            s = here.slopes - wait[first] * g
            s = np.where(np.abs(s) > 1 - TIE, np.sign(s), s)
            w = self._least(s)
            saddles.append(Saddle(here.time + float(wait[first]), w, s, self.problem.gradient(w)))
            entering.append(first)
        return saddles, entering

    def _least(self, s: np.ndarray) -> np.ndarray:
        """argmin L over the face of s."""
        face = np.flatnonzero(np.abs(s) == 1)
        w = np.zeros(s.size)
        w[face] = s[face] * nonnegative_least(self.problem.X[:, face] * s[face], self.problem.y)
        return w

    @cached_property
    def monotone(self) -> bool:
        """Whether no coordinate that has become non-zero ever becomes zero again."""
        on = self.points != 0
        return bool(np.all(on[1:] >= on[:-1]))

    @property
    def middles(self) -> np.ndarray:
        """(K − 1,) the middles of all plateaus but the last, which has no end."""
        middles: np.ndarray = (self.times[1:] + self.times[:-1]) / 2
        return middles

    def _plateau(self, tau: Any) -> tuple[np.ndarray, np.ndarray]:
        tau = np.asarray(tau, dtype=float)
        return tau, np.searchsorted(self.times, tau, side="right") - 1

    def __call__(self, tau: Any) -> np.ndarray:
        """w(τ), continuous from the right; an array τ adds a leading axis."""
        return np.asarray(self.points[self._plateau(tau)[1]])

    def slopes_at(self, tau: Any) -> np.ndarray:
        """s(τ), continuous and piecewise linear."""
        tau, k = self._plateau(tau)
        return np.asarray(self.slopes[k] - (tau - self.times[k])[..., None] * self.gradients[k])

    def average(self, tau: Any) -> np.ndarray:
        """(1/τ) ∫₀^τ w, τ > 0."""
        tau, k = self._plateau(tau)
        lengths = np.diff(self.times)[:, None] * self.points[:-1]
        before = np.concatenate([np.zeros_like(self.points[:1]), np.cumsum(lengths, axis=0)])
        return np.asarray((before[k] + (tau - self.times[k])[..., None] * self.points[k]) / tau[..., None])
