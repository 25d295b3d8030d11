"""Flows: an adaptive integrator that is explicit until the problem is stiff and implicit from there.

LSODA does the switching, with the Jacobian from one batched complex step; where it gives up, Radau
goes on. Both preserve the linear invariants of a log chart to rounding.

Clocks. In ordinary time q̇ = F(q). In the logarithmic clock τ = log t,

    dq/dτ = t F(q) = exp(τ + log L(w)) · F̂(q),   F̂ the field of ∇ log L = ∇L/L,

so that a loss which vanishes exponentially neither underflows nor slows the integrator: along the
classification flow τ + log L stays bounded. The first unit of time is run in the ordinary clock.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models import Chart
from .charts import checked_jacobian, choose_chart
from .ending import Ending, fixed_point_ending, goal_met, is_fixed, limit_ending
from .oracle import SettingOracle
from .recorder import Recorder
from .setting import Setting
from .stop import Save, Stop

__all__ = ["FlowResult", "run_flow"]

FOREVER = 1e300
MAX_STEPS = 2_000_000
LOOK_BACK = 50
"""Accepted steps between two looks at whether the iterate still changes."""


@dataclass
class FlowResult:
    """Where a flow ended."""

    flat: np.ndarray
    state: Any
    steps: int
    time: float
    log_time: float
    ending: Ending
    recorder: Recorder
    chart: Chart
    counters: dict[str, int]


class _Clock:
    """The field in one clock, and the two readings of its independent variable s."""

    def __init__(self, setting: Setting, chart: Chart, logarithmic: bool) -> None:
        self.setting, self.chart, self.logarithmic = setting, chart, logarithmic

    def field(self, s: float, q: np.ndarray) -> np.ndarray:
        """dq/ds."""
        problem, chart = self.setting.problem, self.chart
        w = chart.predictor(q)
        if not self.logarithmic:
            return -chart.gradient(q, problem.gradient(w))
        power = s + problem.log_loss(w)
        power = np.where(np.real(power) > 300.0, 300.0, power)  # rejected trial points only
        return -np.exp(power)[..., None] * chart.gradient(q, problem.log_gradient(w))

    def time(self, s: float) -> float:
        """t at s (inf beyond the range of floats)."""
        if not self.logarithmic:
            return s
        return float(np.exp(s)) if s < 709.0 else np.inf

    def log_time(self, s: float) -> float:
        """Log t at s."""
        if self.logarithmic:
            return s
        return float(np.log(s)) if s > 0 else -np.inf


def run_flow(
    setting: Setting,
    stop: Stop,
    save: Save | None,
    chart_name: str,
    rtol: float,
    atol: float | None,
    method: str,
    resume: dict[str, Any] | None,
) -> FlowResult:
    """Integrate a flow until ``stop``."""
    chart = choose_chart(setting, chart_name)
    flat = setting.start if resume is None else resume["theta"]
    integration = _Integration(setting, stop, save, chart, rtol, atol, method)
    integration.begin(chart.encode(flat) if resume is None else resume["q"], resume)
    ordinary, logarithmic = _Clock(setting, chart, False), _Clock(setting, chart, True)
    limit = "log_time" if stop.log_time is not None else "time"
    end = np.inf if stop.time is None else stop.time
    log_end = min(np.inf if stop.log_time is None else stop.log_time, np.log(end) if end > 0 else -np.inf)
    ending = integration.look("the start meets the goal: ")
    if ending is None and not stop.log_clock:
        ending = integration.span(ordinary, min(end, FOREVER))
    elif ending is None:
        ending = integration.span(ordinary, float(np.exp(min(log_end, 0.0))))
        ending = ending or integration.span(logarithmic, log_end)
    ending = ending or limit_ending(stop, limit)
    return integration.result(ending)


class _Integration:
    """q, its clock readings, and what has been looked at and saved so far."""

    def __init__(
        self,
        setting: Setting,
        stop: Stop,
        save: Save | None,
        chart: Chart,
        rtol: float,
        atol: Any,
        method: str,
    ) -> None:
        self.setting, self.stop, self.save, self.chart = setting, stop, save, chart
        self.rtol, self.atol, self.method = rtol, atol, method
        self.oracle = SettingOracle(setting)
        self.recorder = Recorder(setting, save, stop.log_clock)
        self.counters = {"field": 0, "jacobian": 0, "steps": 0, "fallbacks": 0}
        self.fallback: Any = None

    def begin(self, q: np.ndarray, resume: dict[str, Any] | None) -> None:
        """Take the start, or where an earlier run ended."""
        self.q = q
        self.t = 0.0 if resume is None else resume["time"]
        self.log_t = -np.inf if resume is None else resume["log_time"]
        self.steps0 = 0 if resume is None else resume["steps"]
        if self.save is not None and not self.stop.log_clock and self.save.keeps_start:
            self.recorder.add(self.chart.decode(q), self.t, self.log_t, self.steps)
        scale = np.abs(q[q != 0])
        if self.atol is None:
            smallest = float(scale.min()) if scale.size else 1.0
            ordinary = self.chart.name == "ordinary"
            self.atol = 1e-3 * self.rtol * (min(1.0, smallest) if ordinary else 1.0)

    @property
    def steps(self) -> int:
        return self.steps0 + self.counters["steps"]

    @property
    def amplification(self) -> float:
        return float(np.abs(self.q).max()) if self.chart.name != "ordinary" else 1.0

    def look(self, prefix: str) -> Ending | None:
        """Whether θ meets a goal, is not finite, or does not move at all."""
        flat = self.flat
        if not np.all(np.isfinite(self.q)):
            return "diverged", f"the flow is no longer finite at time {self.t:.3g}"
        met = goal_met(self.setting, self.stop, flat, self.oracle)
        if met is not None:
            return "converged", prefix + met
        if prefix and not np.any(
            self.chart.gradient(self.q, self.setting.problem.gradient(self.chart.predictor(self.q)))
        ):
            return self._fixed()
        return None

    def span(self, clock: _Clock, end: float) -> Ending | None:
        """Integrate in one clock up to s = ``end``; None when it gets there."""
        s = max(self.log_t, 0.0) if clock.logarithmic else self.t
        if s >= end:
            return None
        solver, then, since = self._solver(clock, s, end, self.method), self.q.copy(), 0
        while True:
            before = solver.t
            message = _take_step(solver)
            if solver.status == "failed":
                if self._at_least_loss():
                    return self._fixed()
                if solver is self.fallback:
                    return "failed", f"the integrator stopped at time {self.t:.3g}: {message}"
                self.counters["fallbacks"] += 1
                solver = self.fallback = self._solver(clock, solver.t, end, "radau")
                continue
            self.counters["steps"] += 1
            self.counters["field"] = solver.nfev
            self.q = np.asarray(solver.y)
            self.t, self.log_t = clock.time(solver.t), clock.log_time(solver.t)
            self._save(clock, solver, before)
            ending = self.look("")
            if ending is None and solver.status == "finished":
                return None
            if ending is None and self.stop.steps is not None and self.counters["steps"] >= self.stop.steps:
                ending = limit_ending(self.stop, "steps")
            if ending is None and self.counters["steps"] >= MAX_STEPS:
                ending = "budget", f"{MAX_STEPS:,} steps of the integrator were taken: give a Stop"
            since += 1
            if ending is None and since >= LOOK_BACK:
                if is_fixed(self.setting, self.flat, self.chart.decode(then), self.amplification):
                    ending = self._fixed()
                then, since = self.q.copy(), 0
            if ending is not None:
                return ending

    @property
    def flat(self) -> np.ndarray:
        return self.chart.decode(self.q)

    def _at_least_loss(self) -> bool:
        w = self.setting.predictor(self.flat)
        return self.setting.problem.is_least(float(self.setting.problem.loss(w)), w, self.amplification)

    def _fixed(self) -> Ending:
        return fixed_point_ending(self.setting, self.stop, self.flat, self.oracle, self.amplification)

    def _solver(self, clock: _Clock, s: float, end: float, method: str) -> Any:
        from scipy.integrate import LSODA, Radau

        derivative = checked_jacobian(lambda q: clock.field(s, q), self.q)

        def jac(s: float, q: np.ndarray) -> np.ndarray:
            self.counters["jacobian"] += 1
            J: np.ndarray = derivative(lambda x: clock.field(s, x), q)
            return J

        solvers = {"lsoda": LSODA, "radau": Radau}
        if method not in solvers:
            raise ValueError(f'method must be "lsoda" or "radau", got {method!r}')
        return solvers[method](clock.field, s, self.q, end, rtol=self.rtol, atol=self.atol, jac=jac)

    def _save(self, clock: _Clock, solver: Any, before: float) -> None:
        save = self.save
        if save is None:
            return
        logs = self.stop.log_clock
        if save.every is not None and self.steps % save.every == 0:
            self.recorder.add(self.chart.decode(self.q), self.t, self.log_t, self.steps)
        if save.at is None and save.log is None:
            return
        a, b = before, solver.t
        if logs and not clock.logarithmic:  # the first unit of time, read in log t
            a, b = (np.log(x) if x > 0 else -745.0 for x in (a, b))
        times = save.times_between(a, b, logs)
        if times.size:
            dense = solver.dense_output()
            for moment in times:
                s = float(np.exp(moment)) if logs and not clock.logarithmic else float(moment)
                flat = self.chart.decode(dense(s))
                self.recorder.add(flat, clock.time(s), clock.log_time(s), self.steps)

    def result(self, ending: Ending) -> FlowResult:
        """Everything a Run needs."""
        flat = self.flat
        state = {
            "q": self.q.copy(),
            "theta": flat.copy(),
            "time": self.t,
            "log_time": self.log_t,
            "steps": self.steps,
        }
        return FlowResult(
            flat,
            state,
            self.steps,
            self.t,
            self.log_t,
            ending,
            self.recorder,
            self.chart,
            self.counters,
        )


def _take_step(solver: Any) -> str | None:
    """One step of the integrator; whatever goes wrong inside is a failed step, with its reason."""
    try:
        with (
            np.errstate(over="ignore", invalid="ignore", divide="ignore"),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            message: str | None = solver.step()
    except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
        solver.status, message = "failed", str(error)
    return message
