"""Weight normalisation on a regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import WeightNormalized
from ..rule import Hypothesis, Rule
from .common import CONVERGED, GRADIENT_FLOW, NO_DECAY, SQUARE_LOSS, is_a

__all__: list[str] = []


def weight_norm_limit(setting: Any, run: Any = None) -> np.ndarray:
    """w∞ = X⁺y + g∞ Nu₀ exp((g₀² − g∞²)/(2q)), N = I − X⁺X, q = c‖v₀‖², c the rate of g over that of v.

    Along the flow g ġ = −c g u·G and d(Nu)/dt = (g/‖v‖²)(u·G)Nu, so that Nu exp(g²/(2q)) is conserved. The
    sign of g∞ is the run's; without one it is that of g₀, which holds where L(w₀) < L(0).
    """
    (g0,), v0 = setting.theta0
    least = setting.problem.least_squares
    u0 = v0 / np.linalg.norm(v0)
    off = u0 - _row_part(setting.problem.X, u0)
    rates = setting.optimizer.block_rates(setting.layout)
    q = float(rates[0] / rates[1] * (v0 @ v0))
    square = _end_of_g_squared(float(least @ least), float(off @ off), float(g0**2), q)
    g = np.copysign(np.sqrt(square), g0 if run is None else run.theta[0][0])
    w: np.ndarray = least + g * off * np.exp((g0**2 - square) / (2 * q))
    return w


def _end_of_g_squared(m: float, a: float, start: float, q: float) -> float:
    """The s with s (1 − h(s)) = m > 0, h(s) = a exp((start − s)/q): g∞² = ‖X⁺y‖² + g∞²‖Nu∞‖².

    Where h ≥ 1 the left side is not positive; beyond that its derivative 1 − h + s h/q is, so s is unique.
    """
    from scipy.optimize import brentq

    low = max(0.0, start + q * np.log(a)) if a > 0 else 0.0
    if a == 0:
        return m

    def excess(s: float) -> float:
        return float(-s * np.expm1(np.log(a) + (start - s) / q) - m)

    high = low + m + q
    while excess(high) <= 0:
        high = low + 2 * (high - low)
    return float(brentq(excess, low, high, xtol=1e-300, rtol=1e-15))


def _row_part(X: np.ndarray, u: np.ndarray) -> np.ndarray:
    """X⁺Xu."""
    part: np.ndarray = np.linalg.lstsq(X, X @ u, rcond=None)[0]
    return part


_SHARED = (
    SQUARE_LOSS,
    Hypothesis("the model is WeightNormalized()", is_a(WeightNormalized, "model")),
    GRADIENT_FLOW,
    NO_DECAY,
    Hypothesis(
        "w = 0 is no least-squares solution", lambda s: np.any(np.abs(s.problem.X.T @ s.problem.y) > 0)
    ),
)

weight_norm_rule = Rule(
    name="weight normalisation from below the loss of zero",
    source="wu2020weightnorm",
    hypotheses=(
        *_SHARED,
        Hypothesis(
            "the start fits better than w = 0, so that g never changes its sign",
            lambda s: s.problem.loss(s.w0) < s.problem.loss(np.zeros_like(s.w0)),
        ),
        CONVERGED,
    ),
    apply=weight_norm_limit,
)

weight_norm_run_rule = Rule(
    name="weight normalisation with the sign of g from the run",
    source="wu2020weightnorm",
    hypotheses=(*_SHARED, CONVERGED),
    apply=weight_norm_limit,
    needs_run=True,
)
