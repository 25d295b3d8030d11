"""Coordinates in which flows are integrated, and derivatives of their fields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..models import Chart, Model
from ..optimizers import GradientFlow
from ..optimizers.base import decay_at
from ..problems import Regression
from .oracle import SettingOracle
from .setting import Setting

__all__ = ["DualChart", "OrdinaryChart", "choose_chart", "jacobian"]


HUGE = 1e100
EPS = float(np.finfo(float).eps)


class OrdinaryChart(Chart):
    """q = θ."""

    name = "ordinary"

    def __init__(self, setting: Setting) -> None:
        self.setting, self.oracle = setting, SettingOracle(setting)

    def encode(self, theta: np.ndarray) -> np.ndarray:
        return theta.copy()

    def decode(self, q: np.ndarray) -> np.ndarray:
        return q

    def predictor(self, q: np.ndarray) -> np.ndarray:
        return self.oracle.predictor(q)

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        pulled = self.oracle.pull(q, g)
        if self.decay:
            pulled = pulled + self.decay * q
        velocity: np.ndarray = self.setting.optimizer.velocity(q, pulled, self.setting.layout)
        return -velocity


class DualChart(Chart):
    """q = ν with ∇ψ(w) = z₀ + Xᵀν: the gradient flow of a convex function of n variables.

    It keeps the row-space condition and ψ by construction, so it proves nothing about either; it
    is there for speed, and ``run.chart`` says "dual".
    """

    name = "dual"

    def __init__(self, setting: Setting) -> None:
        form = setting.model.mirror_form(setting.optimizer, setting.theta0, {})
        self.potential, self.z0 = form
        self.X, self.y = setting.problem.X, setting.problem.y
        rate = setting.model.dual_rate(self.potential)
        self.rate = rate * setting.optimizer.block_rates(setting.layout)[0]
        self.setting = setting

    def encode(self, theta: np.ndarray) -> np.ndarray:
        return np.zeros(self.X.shape[0])

    def dual_point(self, q: np.ndarray) -> np.ndarray:
        return self.z0 + q @ self.X

    def decode(self, q: np.ndarray) -> np.ndarray:
        setting = self.setting
        theta = setting.model.from_dual(setting.theta0, self.potential, self.dual_point(q))
        return setting.layout.join(theta)

    def predictor(self, q: np.ndarray) -> np.ndarray:
        w = self.potential.inverse_gradient(self.dual_point(q))
        far = ~(np.abs(np.real(w)) < HUGE)  # rejected trial points of the implicit solver
        return np.where(far, np.sign(np.real(self.dual_point(q))) * HUGE, w)

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        r = self.predictor(q) @ self.X.T - self.y
        return self.rate * r / len(self.y)


def choose_chart(setting: Setting, wanted: str) -> Chart:
    """The chart named ``wanted`` ("auto", "ordinary", "log" or "dual") for a flow."""
    if wanted not in ("auto", "ordinary", "log", "dual"):
        raise ValueError(f'chart must be "auto", "ordinary", "log" or "dual", got {wanted!r}')
    if wanted == "dual":
        return _dual_chart(setting)
    own = getattr(setting.optimizer, "chart", lambda setting: None)(setting)
    if own is not None:
        if wanted == "log":
            raise ValueError(f"{type(setting.optimizer).__name__} is integrated in coordinates of its own")
        return _decayed(own, setting)
    log = _log_chart(setting) if wanted != "ordinary" else None
    if wanted == "log" and log is None:
        raise ValueError(
            'chart="log" needs a model with a logarithmic chart, a GradientFlow, and a start without zeros; '
            'use chart="ordinary"'
        )
    return _decayed(log or OrdinaryChart(setting), setting)


def _decayed(chart: Chart, setting: Setting) -> Chart:
    chart.decay = decay_at(setting.optimizer, 0.0)
    return chart


def _log_chart(setting: Setting) -> Chart | None:
    flow, make = setting.optimizer, getattr(setting.model, "log_chart", None)
    rates = flow.block_rates(setting.layout) if hasattr(flow, "block_rates") else None
    if make is None or rates is None:
        return None
    chart: Chart | None = make(setting.start, rates)
    return chart


def _dual_chart(setting: Setting) -> DualChart:
    reason = no_dual_form(setting)
    if reason:
        raise ValueError(f'chart="dual" and polish=True need a mirror flow on a Regression: {reason}')
    return DualChart(setting)


def no_dual_form(setting: Setting) -> str | None:
    """Why the setting is no mirror flow on a regression; None when it is."""
    flow = setting.optimizer
    if not isinstance(setting.problem, Regression):
        return f"the problem is a {type(setting.problem).__name__}"
    if not isinstance(flow, GradientFlow) or flow.row_potential is None:
        return f"the optimizer is {type(flow).__name__} (with decay, or not a plain gradient flow)"
    if flow.rates is not None and len(set(flow.rates)) > 1:
        return "the block rates differ"
    if getattr(type(setting.model), "from_dual", Model.from_dual) is Model.from_dual:
        return f"{type(setting.model).__name__} has no dual coordinates"
    form = setting.model.mirror_form(flow, setting.theta0, {})
    return None if form is not None else f"{type(setting.model).__name__} at this start has no mirror form"


def jacobian(field: Callable[[np.ndarray], np.ndarray], q: np.ndarray) -> np.ndarray:
    """∂field/∂q (P, P) by one batched complex step, or by central differences where that fails."""
    J = _complex_step(field, q)
    return _central(field, q) if J is None else J


def checked_jacobian(field: Callable[[np.ndarray], np.ndarray], q: np.ndarray) -> Callable[..., Any]:
    """The faster of the two derivatives that is right at q: complex steps need analytic formulas."""
    J = _complex_step(field, q)
    if J is not None:
        # a fixed direction of no symmetry (a balanced start has many), small where q is
        direction = np.sin(1.0 + np.arange(q.size)) * np.where(q != 0, np.abs(q), 1.0)
        h = 1e-6
        ahead, behind = field(q + h * direction), field(q - h * direction)
        slope = (ahead - behind) / (2 * h)
        rounding = 1e3 * EPS * float(np.max(np.abs(ahead), initial=0.0)) / h
        if np.all(np.abs(J @ direction - slope) <= 1e-3 * np.max(np.abs(slope), initial=0.0) + rounding):
            return lambda field, q: _complex_step(field, q)
    return _central


def _complex_step(field: Callable[[np.ndarray], np.ndarray], q: np.ndarray) -> np.ndarray | None:
    h = 1e-40
    try:
        with np.errstate(all="ignore"):
            F = np.asarray(field(q + 1j * h * np.eye(q.size)))
    except Exception:
        return None
    return F.imag.T / h if F.shape == (q.size, q.size) and np.iscomplexobj(F) else None


def _central(field: Callable[[np.ndarray], np.ndarray], q: np.ndarray) -> np.ndarray:
    J = np.empty((q.size, q.size))
    for k in range(q.size):
        h = 6e-6 * max(abs(q[k]), 1e-6 * float(np.abs(q).max()), 1e-300)
        e = np.zeros_like(q)
        e[k] = h
        J[:, k] = (field(q + e) - field(q - e)) / (2 * h)
    return J
