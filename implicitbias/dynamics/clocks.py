"""The clocks of a flow.

In ordinary time q̇ = F(q). In the logarithmic clock τ = log t,

    dq/dτ = t F(q) = exp(τ + log L(w)) · F̂(q),   F̂ the field of ∇ log L = ∇L/L,

so that a loss which vanishes exponentially neither underflows nor slows the integrator: along the
classification flow τ + log L stays bounded. The first unit of time is run in the ordinary clock.
"""

from __future__ import annotations

import numpy as np

from ..models import Chart
from .setting import Setting

__all__ = ["Clock"]


class Clock:
    """The field in one clock, and the two readings of its independent variable s."""

    def __init__(self, setting: Setting, chart: Chart, logarithmic: bool) -> None:
        self.setting, self.chart, self.logarithmic = setting, chart, logarithmic

    def field(self, s: float, q: np.ndarray) -> np.ndarray:
        """dq/ds."""
        problem, chart = self.setting.problem, self.chart
        w = chart.predictor(q)
        if not self.logarithmic:
            return -chart.gradient(q, problem.gradient(w))
        if not chart.homogeneous:
            return -np.exp(s) * chart.gradient(q, problem.gradient(w))
        power = s + problem.log_loss(w)
        power = np.where(np.real(power) > 300.0, 300.0, power)  # rejected trial points only
        return -np.exp(power)[..., None] * chart.gradient(q, problem.log_gradient(w))

    def time(self, s: float) -> float:
        """t at s (inf beyond the range of floats)."""
        if not self.logarithmic:
            return s
        return float(np.exp(s)) if s < 709.0 else np.inf

    def log_time(self, s: float) -> float:
        """log t at s."""
        if self.logarithmic:
            return s
        return float(np.log(s)) if s > 0 else -np.inf
