"""Heavy tails: the direction that losses with a polynomial tail select."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..checks import positive, real_array
from ..records import record
from .margins import MaxMargin
from .programs import Certificate, Program

__all__ = ["PowerMeanMargin"]

STEPS = 200


@record
class PowerMeanMargin(Program):
    """min Σ_i (z_i·u)^{−a} subject to ‖u‖₂ ≤ 1, over the u with all margins positive.

    Equivalently the power mean (Σ_i m_i^{−a})^{−1/a} of the margins m_i = z_i·u is the largest: between the
    harmonic mean, a = 1, and the least margin, a → ∞. Z (n, d) are the signed inputs, ``a`` > 0 the power of
    the tail. A loss with the tail m^{−a} selects the direction ("ji2020regularization").

    Raises
    ------
    NotSeparable
        by ``solution``, when no u has all margins positive.

    Examples
    --------
    >>> program = PowerMeanMargin([[2.0, 0.0], [0.0, 1.0]], 1.0)
    >>> bool(np.allclose(program.solution, np.array([1.0, 2.0 ** (1 / 3)]) / np.hypot(1.0, 2.0 ** (1 / 3))))
    True
    """

    Z: np.ndarray
    a: float

    kind = "direction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", real_array("Z", self.Z, (None, None)))
        object.__setattr__(self, "a", positive("a", self.a))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.Z.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        """Σ_i (z_i·u)^{−a} at u = w/‖w‖₂; inf where a margin is not positive."""
        margins = self.Z @ w / np.linalg.norm(w)
        return float(np.sum(margins**-self.a)) if np.min(margins) > 0 else np.inf

    @cached_property
    def solution(self) -> np.ndarray:
        """u = w/‖w‖₂, w the minimiser of ½‖w‖² + (1/a) Σ_i (z_i·w)^{−a}, by Newton's method."""
        w = MaxMargin(self.Z, 2).solution  # the limit a → ∞
        w = w * np.sum((self.Z @ w) ** -self.a / (w @ w)) ** (1 / (self.a + 2))  # least along its own ray
        for _ in range(STEPS):
            m = self.Z @ w
            gradient = w - m ** (-self.a - 1) @ self.Z
            hessian = np.eye(w.size) + (self.a + 1) * (self.Z.T * m ** (-self.a - 2)) @ self.Z
            move = -np.linalg.solve(hessian, gradient)
            decrease = float(-gradient @ move)
            w = w + self._size(w, move, decrease) * move
            if decrease <= 1e-26 * (w @ w):
                return np.asarray(w / np.linalg.norm(w))
        raise ArithmeticError(f"Newton's method for the tail a = {self.a:g} did not settle in {STEPS} steps")

    def _size(self, w: np.ndarray, move: np.ndarray, decrease: float) -> float:
        """Of a Newton step: halved until the value falls by a quarter of what the gradient says."""
        size, before = 1.0, self._value(w)
        while size > 1e-12 and not self._value(w + size * move) <= before - 0.25 * size * decrease:
            if decrease <= 1e-12 * abs(before) and np.min(self.Z @ (w + size * move)) > 0:
                break  # the fall is below rounding
            size /= 2
        return size

    def _value(self, w: np.ndarray) -> float:
        m = self.Z @ w
        return float(0.5 * w @ w + np.sum(m**-self.a) / self.a) if np.min(m) > 0 else np.inf

    def certify(self, w: np.ndarray) -> Certificate:
        """By convexity, f(v) ≥ (1 + a) f(u) − ‖p‖ for all ‖v‖ ≤ 1, with u = w/‖w‖, f(u) = Σ m_i^{−a}, p = −∇f(u).

        ``dual`` are the weights a m_i^{−a−1} of the z_i in p, in units of the largest m_i^{−a}.
        """
        u = w / np.linalg.norm(w)
        m = self.Z @ u
        least = float(np.min(m))
        if least <= 0:
            return Certificate(np.inf, np.inf, np.inf, np.zeros(len(m)))
        f, dual = float(np.sum((m / least) ** -self.a)), self.a * (m / least) ** (-self.a - 1) / least
        p = dual @ self.Z  # p·u = a f(u)
        size = float(np.linalg.norm(p))
        bound = (1 + self.a) * f - size
        return Certificate(0.0, float(np.linalg.norm(p / size - u)), (f - bound) / (f + abs(bound)), dual)
