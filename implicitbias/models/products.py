"""Elementwise products of factors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive, whole
from ..geometry import Hypentropy, Potential, ProductPotential
from ..records import record
from .base import Chart, Model
from .diagonal import LN2, exp_capped, regression_width

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["Hadamard"]


@record
class Hadamard(Model):
    """w = Π_k θ_k, θ of shape (D, d), D = ``depth`` ≥ 2; at depth two θ = (u, v) and w = u∘v.

    Gradient: ∇_{θ_k} L = Π_{l≠k} θ_l∘g. The gradient flow conserves θ_k² − θ_l². In the balanced start the last
    factor is zero and the others are √2·scale, so that at depth two c = |u² − v²|/2 = scale².
    """

    depth: int = 2

    source = "even2023sgd"

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", whole("depth", self.depth, 2))

    def shapes(self, problem: Problem) -> Any:
        return (self.depth, regression_width(self, problem))

    def predictor(self, theta: np.ndarray) -> np.ndarray:
        w: np.ndarray = np.prod(theta, axis=-2)
        return w

    def pullback(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        others = theta[..., ::-1, :] if self.depth == 2 else _others(theta)
        return others * g[..., None, :]

    @property
    def dynamics_code(self) -> int:  # type: ignore[override]
        return 2 if self.depth == 2 else -1

    @property
    def product_rate(self) -> float:  # type: ignore[override]
        """One at depth 2: u ± v ← (1 ∓ ηg)(u ± v)."""
        return 1.0 if self.depth == 2 else 0.0

    @property
    def mirror_rate(self) -> float:  # type: ignore[override]
        return 2.0 if self.depth == 2 else 1.0

    def products(self, theta: np.ndarray) -> np.ndarray:
        u, v = np.split(theta, 2, axis=-1)
        return np.concatenate([u + v, u - v], axis=-1)

    def from_products(self, products: np.ndarray) -> np.ndarray:
        return 0.5 * self.products(products)

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> np.ndarray:
        theta = np.full(self.shapes(problem), np.sqrt(2.0) * positive("scale", scale))
        theta[-1] = 0.0
        return theta

    def log_chart(self, theta: np.ndarray, rates: np.ndarray) -> Chart | None:
        if self.depth != 2:
            return None
        u, v = theta.reshape(2, -1)
        product = np.concatenate([u + v, u - v])
        # the flow keeps |u² − v²| only when both factors move at one rate; a u ± v that is zero stays zero,
        # which floating point keeps here alone, but a start of nothing else has no coordinates
        if not np.any(product) or np.ptp(rates) != 0:
            return None
        return LogSumDifference(np.sign(product), rates)

    def mirror_form(
        self, optimizer: Any, theta0: np.ndarray, accumulators: Mapping[str, np.ndarray]
    ) -> tuple[Potential, np.ndarray] | None:
        """D = 2: Hypentropy with log c = ln ½|u₀² − v₀²| + log_shrink and z₀ = ln|w₊/w₋| + shift. D ≥ 3:
        ProductPotential of the conserved differences to the least square, and z₀ = ∇ψ(w₀). None where the two
        least factors of a coordinate have the same size: its sign never changes then.
        """
        sizes = np.sort(np.abs(theta0), axis=0)
        if np.any(sizes[0] == sizes[1]):
            return None
        if self.depth > 2:
            psi = ProductPotential((sizes[1:] - sizes[0]) * (sizes[1:] + sizes[0]))
            return psi, psi.gradient(self.predictor(theta0))
        u, v = theta0
        plus, minus = np.log(np.abs(u + v)), np.log(np.abs(u - v))
        log_c = plus + minus - LN2 + accumulators.get("log_shrink", 0.0)
        return Hypentropy(log_c), plus - minus + accumulators.get("shift", 0.0)

    def from_dual(self, theta0: np.ndarray, potential: Potential, z: np.ndarray) -> np.ndarray:
        if self.depth > 2:
            return _factors(theta0, np.sign(z) * potential.factor_at(z))  # type: ignore[attr-defined]
        u, v = theta0
        half = (np.asarray(potential.log_c) + LN2) / 2  # type: ignore[attr-defined]
        plus = np.sign(u + v) * np.exp(half + z / 2)
        minus = np.sign(u - v) * np.exp(half - z / 2)
        return np.stack([plus + minus, plus - minus]) / 2


def _others(theta: np.ndarray) -> np.ndarray:
    """Π_{l≠k} θ_l in place of each θ_k (no quotient: factors may be zero)."""
    one = np.ones_like(theta[..., :1, :])
    before = np.cumprod(np.concatenate([one, theta[..., :-1, :]], axis=-2), axis=-2)
    after = np.cumprod(np.concatenate([one, theta[..., :0:-1, :]], axis=-2), axis=-2)
    return before * after[..., ::-1, :]


def _factors(theta0: np.ndarray, m: np.ndarray) -> np.ndarray:
    """θ on the flow from θ₀ where the least factor, with the sign of w, is m: the others keep their signs."""
    least = np.argmin(np.abs(theta0), axis=0)[None]
    small = np.take_along_axis(theta0, least, axis=0)
    theta = np.sign(theta0) * np.sqrt(m * m + (theta0 - small) * (theta0 + small))
    np.put_along_axis(theta, least, 1.0, axis=0)
    np.put_along_axis(theta, least, m * np.prod(np.sign(theta), axis=0), axis=0)
    return theta


class LogSumDifference(Chart):
    """q = (ln|u + v|, ln|u − v|) of Hadamard; d ln|u ± v|/dt = ∓g."""

    name = "log"

    def __init__(self, signs: np.ndarray, rates: np.ndarray) -> None:
        self.signs, self.rate = signs, float(rates[0])
        self.moves = np.abs(signs)

    def encode(self, theta: np.ndarray) -> np.ndarray:
        u, v = np.split(theta, 2, axis=-1)
        product = np.abs(np.concatenate([u + v, u - v], axis=-1))
        return np.log(np.where(self.moves == 0, 1.0, product))

    def decode(self, q: np.ndarray) -> np.ndarray:
        plus, minus = np.split(self.signs * np.exp(q), 2, axis=-1)
        return np.concatenate([plus + minus, plus - minus], axis=-1) / 2

    def predictor(self, q: np.ndarray) -> np.ndarray:
        plus, minus = np.split(self.moves * exp_capped(2 * q), 2, axis=-1)
        return (plus - minus) / 4

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        return self.rate * self.moves * (np.concatenate([g, -g], axis=-1) + self.decay)
