"""Why a run ends: the statuses, and the messages a person reads."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .oracle import SettingOracle
from .setting import Setting
from .stop import GOALS, Stop

__all__ = ["End", "Ending", "Referee", "is_near", "is_same"]

EPS = float(np.finfo(float).eps)


class Ending(NamedTuple):
    """Why a run ends; ``at_rest`` when the iterate no longer changes."""

    status: str
    message: str
    at_rest: bool = False


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


class Referee:
    """Judges flat θ against what ``stop`` asks and what the setting allows."""

    def __init__(self, setting: Setting, stop: Stop, oracle: SettingOracle) -> None:
        self.setting, self.stop, self.oracle = setting, stop, oracle
        self.problem = setting.problem

    def goal(self, flat: np.ndarray) -> Ending | None:
        """The ending of a θ that meets a goal."""
        stop = self.stop
        if not stop.has_goal:
            return None
        w = self.oracle.predictor(flat)
        if stop.loss is not None and (loss := float(self.problem.loss(w))) <= stop.loss:
            return Ending("converged", f"the loss {loss:.3g} is at most {stop.loss:.3g}")
        if stop.log_loss is not None and (log_loss := float(self.problem.log_loss(w))) <= stop.log_loss:
            return Ending("converged", f"the log-loss {log_loss:.6g} is at most {stop.log_loss:.6g}")
        if stop.margin is not None and (least := float(np.min(self.problem.margins(w)))) >= stop.margin:
            return Ending("converged", f"the margin {least:.6g} is at least {stop.margin:.6g}")
        if stop.gradient is not None and (size := float(np.linalg.norm(self.oracle(flat)))) <= stop.gradient:
            return Ending("converged", f"the gradient norm {size:.3g} is at most {stop.gradient:.3g}")
        return None

    def limit(self, name: str) -> Ending:
        """A limit was reached: the goal itself when nothing else is asked, else the budget's end."""
        asked = f"{name} = {getattr(self.stop, name):g}"
        if not self.stop.has_goal:
            return Ending("converged", f"{asked} was reached, as asked")
        return Ending(
            "budget",
            f"{asked} was reached before the goal ({self._goals()}): raise the limit or relax the goal",
        )

    def _goals(self) -> str:
        asked = {g: getattr(self.stop, g) for g in GOALS}
        return ", ".join(f"{g} {v:.3g}" for g, v in asked.items() if v is not None)

    def is_least(self, flat: np.ndarray, amplification: float = 1.0) -> bool:
        """Whether θ has the least loss that the data allow, up to rounding."""
        return bool(self.problem.is_least(self.oracle.predictor(flat), amplification))

    def at_minimum(self, flat: np.ndarray) -> bool:
        """Whether the objective is stationary at θ up to rounding, and θ is no saddle of it."""
        return self._is_stationary(flat) and not self._is_saddle(flat)

    def rest(self, flat: np.ndarray, amplification: float = 1.0) -> Ending:
        """θ no longer changes in floating point: at the least loss, at a saddle, or above either."""
        w = self.setting.predictor(flat)
        loss = float(self.problem.loss(w))
        asks_loss = any(getattr(self.stop, g) is not None for g in ("loss", "log_loss", "margin"))
        if self.is_least(flat, amplification):
            reached = (
                f"the iterate no longer changes in floating point, and its loss {loss:.3g} is at the "
                "rounding level of the least loss the data allow"
            )
            if asks_loss and not self.problem.attains_zero:
                return Ending("floor", f"{reached}; what was asked ({self._goals()}) cannot be reached", True)
            below = f"; what was asked ({self._goals()}) lies below it" if asks_loss else ""
            return Ending("converged", reached + below, True)
        if self._is_saddle(flat):
            size = float(np.linalg.norm(self.problem.gradient(w)))
            return Ending(
                "stalled",
                f"a fixed point that is not a minimum (a saddle): the parameters no longer move, with loss "
                f"{loss:.3g} and ‖∇_w L‖ = {size:.3g}; start elsewhere",
                True,
            )
        if self.oracle.decay and not asks_loss:
            message = (
                f"the iterate no longer changes in floating point, at loss {loss:.3g} under weight decay"
            )
            return Ending("converged", message, True)
        return Ending(
            "floor",
            f"the iterate no longer changes in floating point at loss {loss:.3g}, above the least loss the "
            "data allow: the step is too small for it, or the model holds it there",
            True,
        )

    def _is_stationary(self, flat: np.ndarray) -> bool:
        size = max(1.0, float(np.abs(flat).max()))
        g_size = float(np.linalg.norm(self.problem.gradient(self.setting.predictor(flat))))
        return bool(np.linalg.norm(self.oracle(flat)) <= 1e-10 * (g_size + self.oracle.decay) * size)

    def _is_saddle(self, flat: np.ndarray) -> bool:
        """Whether the objective's gradient vanishes to rounding at θ, which is not a local minimum of it.

        The Hessian decides where it can; where it vanishes too (depth ≥ 3 at zero), the objective at
        small displacements does.
        """
        decay = self.oracle.decay

        def objective(theta: np.ndarray) -> float:
            loss = float(self.problem.loss(self.setting.predictor(theta)))
            return loss + 0.5 * decay * float(theta @ theta)

        if not self._is_stationary(flat):
            return False
        size = max(1.0, float(np.abs(flat).max()))
        g_size = float(np.linalg.norm(self.problem.gradient(self.setting.predictor(flat))))
        if flat.size <= 600:
            from .charts import jacobian

            H = jacobian(self.oracle, flat)
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


def at_start(ending: Ending) -> Ending:
    """The same ending, said of the start."""
    said = ending.status == "diverged"
    return ending if said else ending._replace(message=f"the start meets the goal: {ending.message}")


def is_same(now: np.ndarray, then: np.ndarray) -> bool:
    """Whether no coordinate has moved by more than rounding of itself."""
    return bool(np.all(np.abs(now - then) <= 4 * EPS * np.abs(now)))


def is_near(now: np.ndarray, then: np.ndarray) -> bool:
    """Whether no coordinate has moved by more than rounding of the largest.

    A start of tiny coordinates beside large ones can grow from here: only at the least loss is this rest.
    """
    return bool(np.max(np.abs(now - then)) <= 8 * EPS * np.max(np.abs(now)))
