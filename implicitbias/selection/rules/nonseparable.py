"""Data that cannot be separated: a finite limit on one subspace, the maximum margin across it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...problems import Classification
from ..nonseparable import SeparableSplit
from ..programs import Program
from ..rule import Hypothesis, Rule
from .classification import CLASSIFICATION, EXPONENTIAL_TAIL, FLOW_LIKE, SEPARABLE, MarginCurve, tail_weight
from .common import LINEAR, NO_DECAY

__all__ = ["SplitCurve"]

STEPS = 200


@dataclass(frozen=True)
class SplitCurve:
    """w(t) ≈ v̄ + ŵ log t + w̃: v̄ in the span of the samples that cannot be separated, ŵ and w̃ across it.

    v̄ (``pinned``) minimises the loss of those samples. With z_i′ the parts of the others across their span, ŵ is the
    ℓ2 maximum-margin vector of the z_i′ and w̃ the constant of the tail Σ (1/n) e^{−z_i·v̄} e^{−z_i′·w}: the curve
    ``margin``, with the start's component off the support vectors.
    """

    split: SeparableSplit
    pinned: np.ndarray
    margin: MarginCurve

    @property
    def program(self) -> Program:
        """The maximum margin across the span; its solution is the direction of w."""
        return self.margin.program

    def __call__(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """v̄ + ŵ log t + w̃ + the start's component."""
        return self.pinned + self.margin(t, log_time=log_time)


def _derivatives(loss: str, m: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(ℓ, −ℓ′, ℓ″) of the exponential or the logistic loss."""
    if loss == "exp":
        return (np.exp(-m),) * 3
    slope = np.exp(-np.logaddexp(0.0, m))
    return np.logaddexp(0.0, -m), slope, slope * (1 - slope)


def finite_minimiser(problem: Classification, split: SeparableSplit) -> np.ndarray:
    """argmin Σ ℓ(z_i·v) over the samples that cannot be separated, v in their span, by Newton's method.

    Raises
    ------
    ArithmeticError
        when it does not settle.
    """
    A, loss = problem.Z[~split.separable] @ split.basis, problem.loss_name
    x = np.zeros(A.shape[1])
    if not x.size:
        return split.basis @ x
    for _ in range(STEPS):
        value, slope, curvature = _derivatives(loss, A @ x)
        move = np.linalg.solve((A.T * curvature) @ A, slope @ A)
        decrease, size = float(slope @ A @ move), 1.0
        with np.errstate(over="ignore"):
            while decrease > 1e-12 * np.sum(value) and not (
                np.sum(_derivatives(loss, A @ (x + size * move))[0]) <= np.sum(value) - 0.25 * size * decrease
            ):
                size /= 2
        x = x + size * move
        if decrease <= 1e-28 * np.sum(value):
            return np.asarray(split.basis @ x)
    raise ArithmeticError(f"Newton's method on the inseparable part did not settle in {STEPS} steps")


def split_curve(setting: Any, run: Any = None) -> SplitCurve | np.ndarray:
    """The asymptotic curve in t, as ``margin_curve`` across the span; where nothing can be separated, the limit."""
    problem = setting.problem
    split = SeparableSplit(problem.Z)
    pinned, across = finite_minimiser(problem, split), split.off(setting.w0)
    if not np.any(split.separable):
        return pinned + across
    Z = problem.Z[split.separable]
    weights = tail_weight(setting) * np.exp(-Z @ pinned)
    return SplitCurve(split, pinned, MarginCurve(split.off(Z), across, weights))


NOT_SEPARABLE = Hypothesis("the data are not separable", lambda s: not SEPARABLE.holds(s))

split_rule = Rule(
    name="finite minimiser and maximum margin of data that are not separable",
    source="ji2019nonseparable",
    hypotheses=(CLASSIFICATION, EXPONENTIAL_TAIL, LINEAR, FLOW_LIKE, NO_DECAY, NOT_SEPARABLE),
    apply=split_curve,
)
