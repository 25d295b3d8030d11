"""Why a run ends: the statuses, and the messages a person reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .oracle import SettingOracle
from .setting import Setting
from .stop import Stop

__all__ = [
    "End",
    "Ending",
    "at_least_loss",
    "fixed_point_ending",
    "goal_met",
    "is_near",
    "is_same",
    "limit_ending",
    "met_at_start",
]

EPS = float(np.finfo(float).eps)
Ending = tuple[str, str]
"""(status, message)."""


@dataclass(frozen=True)
class End:
    """Where and why a run ended: what the two engines (flows, steps) give to ``simulate``."""

    flat: np.ndarray
    steps: int
    time: float
    log_time: float
    ending: Ending
    history: dict[str, np.ndarray]
    state: dict[str, Any]
    accumulators: dict[str, np.ndarray] = field(default_factory=dict)
    chart: str = "ordinary"
    counters: dict[str, int] = field(default_factory=dict)


def goal_met(setting: Setting, stop: Stop, flat: np.ndarray, oracle: SettingOracle) -> str | None:
    """The first goal of ``stop`` that θ meets, as a sentence; None when none is met."""
    if not stop.has_goal:
        return None
    w = setting.predictor(flat)
    if stop.loss is not None:
        loss = float(setting.problem.loss(w))
        if loss <= stop.loss:
            return f"the loss {loss:.3g} is at most {stop.loss:.3g}"
    if stop.log_loss is not None:
        log_loss = float(setting.problem.log_loss(w))
        if log_loss <= stop.log_loss:
            return f"the log-loss {log_loss:.6g} is at most {stop.log_loss:.6g}"
    if stop.margin is not None:
        margin = float(np.min(setting.problem.margins(w)))
        if margin >= stop.margin:
            return f"the margin {margin:.6g} is at least {stop.margin:.6g}"
    if stop.gradient is not None:
        size = float(np.linalg.norm(oracle(flat)))
        if size <= stop.gradient:
            return f"the gradient norm {size:.3g} is at most {stop.gradient:.3g}"
    return None


def met_at_start(ending: Ending) -> Ending:
    """The same ending, said of the start."""
    status, message = ending
    return ending if status == "diverged" else (status, f"the start meets the goal: {message}")


def limit_ending(stop: Stop, limit: str) -> Ending:
    """A limit was reached: the goal itself when nothing else is asked, else the budget's end."""
    asked = f"{limit} = {getattr(stop, limit):g}"
    if stop.has_goal:
        goals = ", ".join(
            f"{g} {getattr(stop, g):.3g}"
            for g in ("loss", "log_loss", "gradient", "margin")
            if getattr(stop, g) is not None
        )
        return (
            "budget",
            f"{asked} was reached before the goal ({goals}): raise the limit or relax the goal",
        )
    return "converged", f"{asked} was reached, as asked"


def fixed_point_ending(
    setting: Setting, stop: Stop, flat: np.ndarray, oracle: SettingOracle, amplification: float = 1.0
) -> Ending:
    """θ no longer changes in floating point: at the least loss, at a saddle, or above either."""
    problem = setting.problem
    w = setting.predictor(flat)
    loss = float(problem.loss(w))
    wants_loss = any(getattr(stop, goal) is not None for goal in ("loss", "log_loss", "margin"))
    if problem.is_least(w, amplification):
        reached = (
            f"the iterate no longer changes in floating point, and its loss {loss:.3g} is at the "
            "rounding level of the least loss the data allow"
        )
        if wants_loss and not problem.attains_zero:
            return "floor", f"{reached}; what was asked cannot be reached"
        return "converged", reached
    if _is_saddle(setting, flat, oracle):
        return "stalled", (
            f"a fixed point that is not a minimum (a saddle): the parameters no longer move, with loss "
            f"{loss:.3g} and ‖∇_w L‖ = {np.linalg.norm(problem.gradient(w)):.3g}; start elsewhere"
        )
    if oracle.decay and not wants_loss:
        return (
            "converged",
            f"the iterate no longer changes in floating point, at loss {loss:.3g} under weight decay",
        )
    return "floor", (
        f"the iterate no longer changes in floating point at loss {loss:.3g}, above the least loss the data "
        "allow: the step is too small for it, or the model holds it there"
    )


def _is_saddle(setting: Setting, flat: np.ndarray, oracle: SettingOracle) -> bool:
    """Whether the objective's gradient vanishes to rounding at θ, which is not a local minimum of it.

    The Hessian decides where it can; where it vanishes too (depth ≥ 3 at zero), the objective at
    small displacements does.
    """

    def objective(theta: np.ndarray) -> float:
        loss = float(setting.problem.loss(setting.predictor(theta)))
        return loss + 0.5 * oracle.decay * float(theta @ theta)

    size = max(1.0, float(np.abs(flat).max()))
    g_size = float(np.linalg.norm(setting.problem.gradient(setting.predictor(flat))))
    if float(np.linalg.norm(oracle(flat))) > 1e-10 * (g_size + oracle.decay) * size:
        return False
    if flat.size <= 600:
        from .charts import jacobian

        H = jacobian(oracle, flat)
        least = float(np.linalg.eigvalsh(0.5 * (H + H.T))[0])
        if least < -1e-10 * max(g_size, float(np.abs(H).max())):
            return True
    here = objective(flat)
    rng = np.random.default_rng(0)
    for radius in 0.1 * size * 10.0 ** -np.arange(4):
        for _ in range(64):
            if objective(flat + radius * rng.standard_normal(flat.size)) < here * (1 - 1e-9):
                return True
    return False


def is_same(now: np.ndarray, then: np.ndarray) -> bool:
    """Whether no coordinate has moved by more than rounding of itself."""
    return bool(np.all(np.abs(now - then) <= 4 * EPS * np.abs(now)))


def is_near(now: np.ndarray, then: np.ndarray) -> bool:
    """Whether no coordinate has moved by more than rounding of the largest.

    A start of tiny coordinates beside large ones can grow from here: only at the least loss is this rest.
    """
    return bool(np.max(np.abs(now - then)) <= 8 * EPS * np.max(np.abs(now)))


def at_least_loss(setting: Setting, flat: np.ndarray, amplification: float = 1.0) -> bool:
    """Whether θ has the least loss that the data allow, up to rounding."""
    return bool(setting.problem.is_least(setting.predictor(flat), amplification))
