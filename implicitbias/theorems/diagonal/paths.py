"""Runs as smooth curves: the saved moments of a flow, joined by what the flow itself says of the slopes there."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save

__all__ = ["EVERY_STEP", "loss_curve", "w_curve"]

EVERY_STEP = Save(every=1, fields=("w", "theta"))
"""What a run must have saved."""


def _velocity(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """(θ̇, ∇_θ L) (m, P) of the flow at every saved moment."""
    s = run.setting
    theta = run.history["theta"]
    pulled = s.layout.join(s.model.pullback(theta, s.problem.gradient(run.history["w"])))
    return s.optimizer.velocity(s.layout.join(theta), pulled, s.layout), pulled


def w_curve(run: Run) -> Any:
    """w(t) (a piecewise cubic of scipy), with ẇ = (∂w/∂θ)θ̇ by a complex step."""
    from scipy.interpolate import CubicHermiteSpline

    s, h = run.setting, 1e-20
    moved = s.layout.join(run.history["theta"]) + 1j * h * _velocity(run)[0]
    slopes = np.imag(s.predictor(moved)) / h
    return CubicHermiteSpline(run.history["time"], run.history["w"], slopes)


def loss_curve(run: Run) -> Any:
    """L(t) (a piecewise cubic of scipy), with dL/dt = ⟨∇_θ L, θ̇⟩."""
    from scipy.interpolate import CubicHermiteSpline

    velocity, pulled = _velocity(run)
    return CubicHermiteSpline(
        run.history["time"], run.setting.problem.loss(run.history["w"]), np.sum(velocity * pulled, axis=1)
    )
