"""The implicit midpoint rule, which conserves every quadratic invariant of a flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__: list[str] = []

EPS = float(np.finfo(float).eps)
NEWTON = 12
"""Simplified Newton iterations before a step is halved."""


class ImplicitMidpoint:
    """q₁ = q₀ + h F((q₀ + q₁)/2), of order two, in the interface of scipy's ``OdeSolver``.

    If qᵀCq is constant along q̇ = F(q), that is F(m)ᵀCm = 0 at every m, then q₁ᵀCq₁ − q₀ᵀCq₀ =
    2hF(m)ᵀCm = 0 with m = (q₀ + q₁)/2, whatever h is [hairer2006geometric]: the balancedness of layers among
    others. So each equation is solved to rounding, and the sum over the steps is compensated. Only the accuracy
    of the curve depends on h: the error of a step is estimated by its difference to the trapezoidal rule,

        h F(m) − (h/2)(F(q₀) + F(q₁)) = O(h³),

    and h is chosen so that this stays below atol + rtol·|q| in the largest entry. The rule multiplies a mode that
    decays at the rate λ by (1 − hλ/2)/(1 + hλ/2), which is −1 for large hλ: such a mode would neither decay nor be
    seen by the estimate, and h ≤ 2/‖∂F/∂q‖₂ keeps it from that.

    Parameters
    ----------
    field, jac : (s, q) ↦ F (P,) and ∂F/∂q (P, P). s, q, end : where to begin, and the end of s.
    """

    def __init__(
        self,
        field: Callable[[float, np.ndarray], np.ndarray],
        s: float,
        q: np.ndarray,
        end: float,
        *,
        rtol: float,
        atol: float,
        jac: Callable[[float, np.ndarray], np.ndarray],
    ) -> None:
        self.field, self.jac, self.end, self.rtol, self.atol = field, jac, end, rtol, atol
        self.t, self.y, self.f = s, np.array(q), field(s, q)
        self.lost = np.zeros_like(self.y)
        self.status, self.before = "running", (s, self.y, self.f)
        self.h = self._first()

    def _weigh(self, error: np.ndarray) -> float:
        return float(np.max(np.abs(error) / (self.atol + self.rtol * np.abs(self.y).max())))

    def _first(self) -> float:
        """A length over which q changes by a small part of itself, and F little."""
        speed, size = float(np.abs(self.f).max()), float(np.abs(self.y).max())
        change = self.rtol ** (1 / 3) * (size + self.atol)
        return change / speed if speed > 0 else self.end - self.t

    def step(self) -> str | None:
        """One accepted step; the message when there is none."""
        J = self.jac(self.t, self.y)
        longest = 2 / max(float(np.linalg.norm(J, 2)), 1e-300)
        while True:
            h = min(self.h, longest, self.end - self.t)
            if not self.t + h > self.t:
                self.status = "failed"
                return "the step has become smaller than the spacing of floats"
            middle = self._middle(h, J)
            if middle is None:
                self.h = h / 4
                continue
            increment = h * self.field(self.t + h / 2, middle) - self.lost
            ahead = self.y + increment
            f = self.field(self.t + h, ahead)
            error = self._weigh(increment - h / 2 * (self.f + f))
            self.h = h * min(4.0, max(0.1, 0.9 / max(error, 1e-9) ** (1 / 3)))
            if error <= 1.0:
                break
        self.before = (self.t, self.y, self.f)
        self.lost = (ahead - self.y) - increment  # what rounding added, taken off the next increment
        self.t = self.end if h == self.end - self.t else self.t + h
        self.y, self.f = ahead, f
        if self.t >= self.end:
            self.status = "finished"
        return None

    def _middle(self, h: float, J: np.ndarray) -> np.ndarray | None:
        """m = q₀ + (h/2)F(m) to rounding, by Newton's method with the Jacobian at q₀; None where that is too far."""
        s, least = self.t + h / 2, np.inf
        m = self.y + h / 2 * self.f
        inverse = np.linalg.inv(np.eye(m.size) - h / 2 * J)
        for _ in range(NEWTON):
            change = inverse @ (self.y + h / 2 * self.field(s, m) - m)
            size = float(np.abs(change).max())
            if not np.isfinite(size):
                return None
            m, rounding = m + change, EPS * float(np.abs(m).max())
            if size <= 2 * rounding or (size >= least and least <= 1e3 * rounding):
                return m
            least = min(least, size)
        return None

    def dense_output(self) -> Any:
        """The cubic through both ends of the last step and their slopes."""
        (s0, q0, f0), s1, q1, f1 = self.before, self.t, self.y, self.f
        h = s1 - s0

        def cubic(s: float) -> np.ndarray:
            x = (s - s0) / h
            ends = (1 + 2 * x) * (1 - x) ** 2 * q0 + x**2 * (3 - 2 * x) * q1
            slopes = x * (1 - x) ** 2 * f0 - x**2 * (1 - x) * f1
            return np.asarray(ends + h * slopes)

        return cubic
