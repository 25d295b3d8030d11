"""Differences of powers and powers: diagonal linear networks and power propagation.

With x = η·(rate)·g, one gradient step multiplies the two product coordinates of a two-layer
network by 1 ∓ x exactly, and the gradient flow adds ∓∫(rate)·g to their logarithms. So the dual
point ln|w₊/w₋| moves inside range(Xᵀ), up to what a run accumulates:

    Diagonal(2):  w₊ = u, w₋ = v,   w = w₊² − w₋²,         c = 2|w₊w₋|,    x = 2ηg
    Hadamard:     w± = u ± v,       w = (w₊² − w₋²)/4,     c = |w₊w₋|/2,   x = ηg

and w = c sinh(ln|w₊/w₋|) in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import number, positive, real_array, whole
from ..geometry import Hypentropy, PNorm, Potential, Power
from ..records import record
from .base import Chart, Model

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["Diagonal", "PowerPropagation"]

LN2 = float(np.log(2.0))
EXPONENT_CAP = 250.0
"""Logarithms above this are rejected trial points of an implicit solver; they are clipped."""


def regression_width(model: Model, problem: Problem) -> int:
    if len(problem.w_shape) != 1:
        raise ValueError(
            f"{type(model).__name__} needs a vector predictor; this {type(problem).__name__} has w of "
            f"shape {problem.w_shape}"
        )
    return problem.w_shape[0]


@record
class Diagonal(Model):
    """w = u^D − v^D, θ = (u, v) of shape (2, d), D = ``depth`` ≥ 2.

    Gradient: ∇_u L = D u^{D−1}∘g, ∇_v L = −D v^{D−1}∘g. The gradient flow conserves u∘v for D = 2.
    The balanced start is u = v = scale.

    >>> model = Diagonal(depth=2)
    >>> model.predictor(np.array([[1.0, 2.0], [0.5, 1.0]]))
    array([0.75, 3.  ])
    """

    depth: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", whole("depth", self.depth, 2))

    source = "woodworth2020kernel"

    @property
    def dynamics_code(self) -> int:  # type: ignore[override]
        return 1 if self.depth == 2 else -1

    @property
    def product_rate(self) -> float:  # type: ignore[override]
        """Two at depth 2: u ← (1 − 2ηg)u, v ← (1 + 2ηg)v."""
        return 2.0 if self.depth == 2 else 0.0

    mirror_rate = 4.0

    def dual_rate(self, potential: Potential) -> float:
        """D(D − 2)α^{D−2} for the least α where the others are in its units: see ``Hypentropy``."""
        if self.depth == 2:
            return self.mirror_rate
        log_alpha = (np.min(potential.log_c) - LN2) / self.depth  # type: ignore[attr-defined]
        return float(self.depth * (self.depth - 2) * np.exp((self.depth - 2) * log_alpha))

    def shapes(self, problem: Problem) -> Any:
        return (2, regression_width(self, problem))

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        powers = theta**self.depth
        return powers[..., 0, :] - powers[..., 1, :]

    def pullback(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        slope = self.depth * theta ** (self.depth - 1) * g[..., None, :]
        slope[..., 1, :] *= -1
        return slope

    def products(self, theta: np.ndarray) -> np.ndarray:
        return theta

    def from_products(self, products: np.ndarray) -> np.ndarray:
        return products

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> np.ndarray:
        return np.full(self.shapes(problem), positive("scale", scale))

    def log_chart(self, theta: np.ndarray, rates: np.ndarray) -> Chart | None:
        return LogFactors(np.sign(theta), self.depth, rates) if np.all(theta != 0) else None

    def mirror_form(
        self, optimizer: Any, theta0: np.ndarray, accumulators: Mapping[str, np.ndarray]
    ) -> tuple[Potential, np.ndarray] | None:
        """D = 2: Hypentropy with log c = ln 2|u₀v₀| + log_shrink and z₀ = ln|u₀/v₀| + shift. D ≥ 3: Hypentropy with
        c = 2α^D, α^{2−D} the mean of |u₀|^{2−D} and |v₀|^{2−D}, and z₀ = ∇ψ(w₀). None for starts with zeros and, at
        odd depth, with negative entries, of which w keeps the sign.
        """
        if np.any(theta0 == 0) or (self.depth % 2 == 1 and np.any(theta0 < 0)):
            return None
        u, v = np.log(np.abs(theta0))
        if self.depth > 2:
            log_alpha = (np.logaddexp((2 - self.depth) * u, (2 - self.depth) * v) - LN2) / (2 - self.depth)
            psi = Hypentropy(LN2 + self.depth * log_alpha, self.depth)
            return psi, psi.gradient(self.predictor(theta0))
        log_c = LN2 + u + v + accumulators.get("log_shrink", 0.0)
        return Hypentropy(log_c), u - v + accumulators.get("shift", 0.0)

    def from_dual(self, theta0: np.ndarray, potential: Potential, z: np.ndarray) -> np.ndarray:
        half = (np.asarray(potential.log_c) - LN2) / self.depth  # type: ignore[attr-defined]
        if self.depth > 2:
            t = np.stack([z, -z]) / potential.reach  # type: ignore[attr-defined]
            return np.sign(theta0) * np.exp(half - np.log1p(-t) / (self.depth - 2))
        return np.sign(theta0) * np.exp(np.stack([half + z / 2, half - z / 2]))


@record
class PowerPropagation(Model):
    """w = φ|φ|^{a−1}, θ = φ of shape (d,), a = ``power`` ≥ 1.

    Gradient: ∇_φ L = a|φ|^{a−1}∘g. The balanced start is the φ with w = scale·signs (default +).
    """

    power: float

    source = "schwarz2021powerpropagation"
    dynamics_code = 3
    takes_signs = True

    def __post_init__(self) -> None:
        power = number("power", self.power, "be finite and ≥ 1", lambda a: a >= 1)
        object.__setattr__(self, "power", power)

    def shapes(self, problem: Problem) -> Any:
        return (regression_width(self, problem),)

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        sign = np.sign(np.real(theta))
        return sign * (sign * theta) ** self.power

    def log_chart(self, theta: np.ndarray, rates: np.ndarray) -> Chart | None:
        # for a ≥ 2 the flow never changes a sign; below, it may reach zero in finite time
        return LogPower(np.sign(theta), self.power, rates) if self.power >= 2 and np.all(theta != 0) else None

    def pullback(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        sign = np.sign(np.real(theta))
        return self.power * (sign * theta) ** (self.power - 1) * g

    @property
    def mirror_rate(self) -> float:  # type: ignore[override]
        """PNorm(2/a) is a(2 − a) times the ψ with ψ″ = w^{2/a−2}/a²; Power(a) is that ψ."""
        return self.power * (2 - self.power) if self.power < 2 else 1.0

    def mirror_form(
        self, optimizer: Any, theta0: np.ndarray, accumulators: Mapping[str, np.ndarray]
    ) -> tuple[Potential, np.ndarray] | None:
        """PNorm(2/a) for a < 2 (while no coordinate crosses zero), Power(a) in the start's orthant for a ≥ 2, and
        z₀ = ∇ψ(w₀). None for starts with zeros, which never move where a > 1.
        """
        if np.any(theta0 == 0) and self.power > 1:
            return None
        psi = PNorm(2 / self.power) if self.power < 2 else Power(self.power, np.sign(theta0))
        return psi, psi.gradient(self.predictor(theta0))

    def from_dual(self, theta0: np.ndarray, potential: Potential, z: np.ndarray) -> np.ndarray:
        w = potential.inverse_gradient(z)
        return np.sign(w) * np.abs(w) ** (1 / self.power)

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> np.ndarray:
        shape = self.shapes(problem)
        signs = np.ones(shape) if signs is None else np.sign(real_array("signs", signs, shape))
        return signs * positive("scale", scale) ** (1 / self.power)


class LogFactors(Chart):
    """q = (ln|u|, ln|v|) of Diagonal(D); d ln|u|/dt = −D s^D u^{D−2} g, with v's sign reversed."""

    name = "log"

    def __init__(self, signs: np.ndarray, depth: int, rates: np.ndarray) -> None:
        half = signs.size // 2
        self.signs, self.depth, self.rates = signs, depth, rates
        self.slope = depth * np.ones_like(signs) * rates
        self.slope[half:] *= -1

    def encode(self, theta: np.ndarray) -> np.ndarray:
        return np.log(np.abs(theta))

    def decode(self, q: np.ndarray) -> np.ndarray:
        return self.signs * np.exp(q)

    def predictor(self, q: np.ndarray) -> np.ndarray:
        powers = self.signs**self.depth * exp_capped(self.depth * q)
        half = q.shape[-1] // 2
        return powers[..., :half] - powers[..., half:]

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        both = np.concatenate([g, g], axis=-1) * self.slope
        if self.depth > 2:
            both = both * self.signs**self.depth * exp_capped((self.depth - 2) * q)
        return both + self.decay * self.rates if self.decay else both


class LogPower(Chart):
    """q = ln|φ| of PowerPropagation(a), a ≥ 2; dq/dt = −a sgn(φ)|φ|^{a−2} g."""

    name = "log"

    def __init__(self, signs: np.ndarray, power: float, rates: np.ndarray) -> None:
        self.signs, self.power, self.rates = signs, power, rates

    def encode(self, theta: np.ndarray) -> np.ndarray:
        return np.log(np.abs(theta))

    def decode(self, q: np.ndarray) -> np.ndarray:
        return self.signs * np.exp(q)

    def predictor(self, q: np.ndarray) -> np.ndarray:
        return self.signs * exp_capped(self.power * q)

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        slope = self.power * self.signs * exp_capped((self.power - 2) * q) * g
        return self.rates * (slope + self.decay)


def exp_capped(q: np.ndarray) -> np.ndarray:
    return np.exp(np.where(np.real(q) > EXPONENT_CAP, EXPONENT_CAP, q))
