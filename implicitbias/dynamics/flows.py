"""Flows: an adaptive integrator that is explicit until the problem is stiff and implicit from there.

LSODA does the switching, with the Jacobian from one batched complex step; where it gives up, Radau
goes on. Both preserve the linear invariants of a log chart to rounding.
"""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..optimizers import GradientFlow, Until
from ..optimizers.base import decay_integral
from ..threads import one_blas_thread
from .charts import checked_jacobian, choose_chart
from .clocks import Clock
from .determinant import determinant_guard
from .ending import End, Ending, Referee, at_start, is_near, is_same
from .midpoint import ImplicitMidpoint
from .oracle import SettingOracle, check_observe
from .recorder import Recorder
from .setting import Setting
from .stop import Save, Stop

__all__ = ["Numerics", "run_flow"]

FOREVER = 1e300
HUGE = 1e150
EPS = float(np.finfo(float).eps)
MAX_STEPS = 2_000_000
MAX_FALLBACKS = 6
CRAWL = 1000
"""Accepted steps after a fallback that must advance the time by a part in a thousand."""
PATIENCE = 2_000
"""Accepted steps in log t between two looks at whether rounding is all that they follow."""
LOOK_BACK = 50
"""Accepted steps between two looks at whether the iterate still changes."""


RTOLS, LOG_RTOLS = (1e-10,), (1e-12, 1e-10, 1e-8)
"""Unless told otherwise; in log t, where thousands of e-folds add up, the first that rounding lets the flow be
followed to.
"""


class Numerics(NamedTuple):
    """How a flow is integrated: its chart, tolerances (None: the package's, and from the start), and method."""

    chart: str
    rtol: float | None
    atol: float | None
    method: str


def run_flow(
    setting: Setting, stop: Stop, save: Save | None, observe: Any, numerics: Numerics, resume: dict[str, Any] | None,
) -> End:  # fmt: skip
    """Integrate a flow until ``stop``."""
    with one_blas_thread(setting.layout.size):
        run = _Integration(setting, stop, save, observe, numerics, resume)
        try:
            ending = run.at_start() or _integrate(run, stop) or run.time_is_up()
        except ArithmeticError as error:
            ending = Ending("failed", f"the flow has no velocity at time {run.t:.6g}: {error}")
        return run.end(ending)


def _integrate(run: _Integration, stop: Stop) -> Ending | None:
    """From the start to the end of time; weight decay that is switched off ends a first leg."""
    end, switch = FOREVER if stop.time is None else stop.time, run.switch
    if run.t < switch:
        if ending := _leg(run, stop, min(end, switch)):
            return ending
        if run.t < switch * (1 - 1e-12):  # the end of time comes first
            return None
        run.switch_off()
    return _leg(run, stop, end)


def _leg(run: _Integration, stop: Stop, end: float) -> Ending | None:
    """To time ``end``, in the clock that ``stop`` asks for."""
    ordinary, logarithmic = (Clock(run.setting, run.chart, log) for log in (False, True))
    if not stop.log_clock:
        return run.span(ordinary, end)
    log_end = np.inf if stop.log_time is None else stop.log_time
    if end < FOREVER:
        log_end = min(log_end, np.log(end) if end > 0 else -np.inf)
    return run.span(ordinary, float(np.exp(min(log_end, 0.0)))) or run.span(logarithmic, log_end)


class _Integration:
    """The coordinates q, the clock readings, and what has been looked at and saved so far."""

    def __init__(
        self,
        setting: Setting,
        stop: Stop,
        save: Save | None,
        observe: Any,
        numerics: Numerics,
        resume: dict[str, Any] | None,
    ) -> None:
        self.setting, self.stop, self.save, self.numerics = setting, stop, save, numerics
        self.chart = choose_chart(setting, numerics.chart)
        self.referee, self.guard = Referee(setting, stop, SettingOracle(setting)), determinant_guard(setting)
        self.recorder = Recorder(setting, save, stop.log_clock)
        self.counters = {"field": 0, "jacobian": 0, "steps": 0, "fallbacks": 0}
        usual = LOG_RTOLS if stop.log_clock else RTOLS
        self.rtols: tuple[float, ...] = usual if numerics.rtol is None else (numerics.rtol,)
        self.loosened = ""
        self.q = self.chart.encode(setting.start) if resume is None else self._resumed(resume)
        self.t = 0.0 if resume is None else resume["time"]
        self.log_t = -np.inf if resume is None else resume["log_time"]
        self.steps0 = 0 if resume is None else resume["steps"]
        decay = getattr(setting.optimizer, "weight_decay", 0.0)
        self.switch = decay.time if isinstance(decay, Until) else -np.inf
        self.may_rest = self.t >= self.switch
        if self.may_rest and isinstance(decay, Until):
            self.chart.decay = 0.0
        self.observe = observe
        check_observe(observe, tuple(self._accumulators()))
        if save is not None and save.keeps(self.t) and not stop.log_clock:
            self.recorder.add(self.flat, self.t, self.log_t, self.steps)

    def _resumed(self, state: dict[str, Any]) -> np.ndarray:
        """The coordinates where an earlier run ended, which may have used another chart."""
        if state["chart"] == self.chart.name:
            return np.array(state["q"])
        if "dual" in (state["chart"], self.chart.name):
            raise ValueError(f'a run in the chart "{state["chart"]}" cannot go on in "{self.chart.name}"')
        return self.chart.encode(state["theta"])

    @property
    def rtol(self) -> float:
        """The tolerance now in force."""
        return self.rtols[0]

    @cached_property
    def atol(self) -> float:
        """What was asked, or far below the smallest entry of θ₀, which may be all that a small start consists of; in
        other charts, coordinates are of order one or logarithms.
        """
        if self.numerics.atol is not None:
            return self.numerics.atol
        sizes = np.abs(self.q[self.q != 0])
        small = float(sizes.min()) if self.chart.name == "ordinary" and sizes.size else 1.0
        velocity = self.chart.gradient(self.q, self.setting.problem.gradient(self.chart.predictor(self.q)))
        largest = max(float(np.abs(self.q).max()), float(np.abs(velocity).max()))
        least = 1e-140 * largest if np.isfinite(largest) else 0.0  # the integrator squares its weights
        return max(1e-3 * self.rtol * min(1.0, small), least, 1e-300)

    def switch_off(self) -> None:
        """Weight decay ends here."""
        self.chart.decay, self.may_rest = 0.0, True

    def _accumulators(self) -> dict[str, np.ndarray]:
        """What the run has added up: the chart's integrals, and what weight decay does to products."""
        sums = self.chart.accumulators(self.q)
        optimizer, model = self.setting.optimizer, self.setting.model
        if getattr(model, "product_rate", 0.0) and isinstance(optimizer, GradientFlow) and self._decays:
            rate = float(optimizer.block_rates(self.setting.layout)[0])
            shrink = -2 * rate * decay_integral(optimizer, self.t)
            sums["log_shrink"] = np.full(self.setting.problem.w_shape, shrink)
        return sums

    @property
    def _decays(self) -> bool:
        return decay_integral(self.setting.optimizer) > 0

    @property
    def steps(self) -> int:
        return self.steps0 + self.counters["steps"]

    @property
    def flat(self) -> np.ndarray:
        return self.chart.decode(self.q)

    @property
    def amplification(self) -> float:
        """The relative error of w in units of rounding."""
        # a logarithm below −745 is a zero in w, and its rounding is no error of w
        return 1.0 if self.chart.name == "ordinary" else float(min(np.abs(self.q).max(), 800.0))

    def at_start(self) -> Ending | None:
        """The ending of a start that meets the goal, or that does not move at all."""
        ending = self.look()
        if ending is not None:
            return at_start(ending)
        if self.stop.steps == 0:
            return self.referee.limit("steps")
        g = self.setting.problem.gradient(self.chart.predictor(self.q))
        moves = not self.may_rest or np.any(self.chart.gradient(self.q, g))
        return None if moves else self.rest()

    def look(self) -> Ending | None:
        """The ending of a q that meets a goal, has left the flow, or is not finite."""
        if not np.max(np.abs(self.q)) < HUGE:
            return Ending("diverged", f"the flow is no longer finite at time {self.t:.6g}")
        lost = self.guard.look(self.flat, self.t) if self.guard is not None else None
        return lost or self.referee.goal(self.flat)

    def rest(self) -> Ending:
        """The ending of a q that no longer changes."""
        return self.referee.rest(self.flat, self.amplification)

    def is_least(self) -> bool:
        """Whether only rounding keeps the loss above the least."""
        return self.referee.is_least(self.flat, self.amplification)

    def time_is_up(self) -> Ending:
        """The last span got to its end."""
        if self.stop.time is None and self.stop.log_time is None:
            return Ending("budget", f"the flow still changes at time {FOREVER:g}: give a Stop")
        return self.referee.limit("time" if self.stop.log_time is None else "log_time")

    def span(self, clock: Clock, end: float) -> Ending | None:
        """Integrate in one clock up to s = ``end``; None when it gets there."""
        s = max(self.log_t, 0.0) if clock.logarithmic else self.t
        if s >= end:
            return None
        solver, count, least = self._solver(clock, s, end, self.numerics.method), 0, False
        begun, since = 0, -np.inf
        then, then_s, mark = self.q, s, s
        while True:
            before, q_before = solver.t, self.q
            message = _take_step(solver)
            if solver.status == "failed":
                if ending := self._gives_up(message):
                    return ending
                # LSODA's history may be all that is wrong: once begun anew it often goes on, and is much faster
                again = count - begun > LOOK_BACK and self.numerics.method == "lsoda"
                solver, begun, since = (
                    self._solver(clock, solver.t, end, "lsoda" if again else "radau"), count, solver.t,
                )  # fmt: skip
                continue
            self.q, count = np.array(solver.y), count + 1
            self.t, self.log_t = clock.time(solver.t), clock.log_time(solver.t)
            self.counters["steps"] += 1
            self.chart.watch(self.q, self.t, self.steps)
            self._save(clock, solver, before)
            ending = self.look()
            if ending is None and solver.status == "finished":
                return None
            ending = ending or self._out_of_steps()
            # At the least loss the field is rounding, which ever longer steps would add up to a drift in the
            # directions that the data do not see: the first step that no longer moves is the last.
            if ending is None and self.may_rest and is_near(self.q, q_before) and self.is_least():
                ending = self.rest()
            if ending is None and count - begun >= CRAWL and solver.t - since <= 1e-3 * abs(solver.t):
                ending = self._crawls()
            if ending is None and count % PATIENCE == 0 and self.may_rest:
                if self._follows_rounding(clock, solver.t, mark, end):
                    ending = self._loosen(solver.t)
                    if ending is None:
                        solver, begun = self._solver(clock, solver.t, end, self.numerics.method), count
                mark = solver.t
            if ending is None and count % LOOK_BACK == 0 and self.may_rest:
                least_then, least = least, self.is_least() or self._at_minimum(then)
                ending = self.rest() if least and least_then else self._stands(clock, solver.t, then_s, then)
                then, then_s = self.q, solver.t
            if ending is not None:
                return ending

    def _gives_up(self, message: str | None) -> Ending | None:
        """The ending of a step that could not be taken; None where another integrator may go on."""
        if self.is_least():  # there the integrator only chases rounding
            return self.rest()
        exact = self.numerics.method == "midpoint"  # no other method would keep the invariants
        if exact or self.counters["fallbacks"] >= MAX_FALLBACKS:
            return Ending("failed", f"the integrator stopped at time {self.t:.6g}: {message}")
        self.counters["fallbacks"] += 1
        return None

    def _crawls(self) -> Ending:
        """After a fallback the time hardly advances: rounding in the field is what the steps resolve."""
        return Ending(
            "failed", f"the integrator hardly advances at time {self.t:.6g}: the data are too ill-conditioned for "
            f"rtol = {self.rtol:g}, or the flow blows up there",
        )  # fmt: skip

    def _follows_rounding(self, clock: Clock, s: float, then_s: float, end: float) -> bool:
        """In log t the velocity is t∇L: where gradients that cancel leave rounding in ∇L, t magnifies it until it
        moves q by more than the tolerance in a unit of log t, and steps that shrink with it get nowhere.
        """
        if not (clock.logarithmic and s - then_s <= 0.1 * min(s, end - s)):
            return False
        noise = self.chart.gradient(self.q, self.setting.problem.gradient_noise(self.chart.predictor(self.q)))
        return bool(clock.time(s) * np.max(np.abs(noise)) > self.rtol * np.max(np.abs(self.q)))

    def _loosen(self, s: float) -> Ending | None:
        """Go on to the next larger tolerance; the ending where there is none."""
        why = f"at log t = {s:.4g} the rounding of ∇L moves the iterate more than rtol = {self.rtol:g} allows"
        if len(self.rtols) == 1:
            return Ending("floor", f"{why}: beyond, the flow can be followed to a larger rtol only", True)
        self.rtols = self.rtols[1:]
        self.loosened = f"; {why}, and was integrated to {self.rtol:g} from there on"
        return None

    def _at_minimum(self, then: np.ndarray) -> bool:
        """Whether q has settled, to the integrator's tolerance, where the objective is stationary and no saddle."""
        flat = self.flat  # θ itself: a logarithm goes on falling where θ is zero
        moved = np.max(np.abs(flat - self.chart.decode(then)))
        settled = moved <= 1e2 * self.rtol * np.max(np.abs(flat))
        return bool(settled) and self.referee.at_minimum(self.flat)

    def _stands(self, clock: Clock, s: float, then_s: float, then: np.ndarray) -> Ending | None:
        """The ending of a q that has not changed over a good part of all time, or of a clock that stands."""
        if not clock.logarithmic and s - then_s <= 4 * EPS * s:
            return Ending(
                "failed", f"the integrator no longer advances at time {s:.6g}: the flow may blow up there"
            )
        waited = clock.logarithmic or s > 2 * then_s
        # of θ, not of q: a logarithm goes on falling where θ is zero already
        still = is_same(self.q, then) or is_same(self.flat, self.chart.decode(then))
        return self.rest() if waited and still else None

    def _out_of_steps(self) -> Ending | None:
        if self.stop.steps is not None and self.counters["steps"] >= self.stop.steps:
            return self.referee.limit("steps")
        if self.counters["steps"] >= MAX_STEPS:
            return Ending("budget", f"{MAX_STEPS:,} steps of the integrator were taken: give a Stop")
        return None

    def _solver(self, clock: Clock, s: float, end: float, method: str) -> Any:
        from scipy.integrate import LSODA, Radau

        solvers: dict[str, Any] = {"lsoda": LSODA, "radau": Radau, "midpoint": ImplicitMidpoint}
        if method not in solvers:
            raise ValueError(f'method must be "lsoda", "radau" or "midpoint", got {method!r}')
        derivative = checked_jacobian(lambda q: clock.field(s, q), self.q)

        def field(s: float, q: np.ndarray) -> np.ndarray:
            self.counters["field"] += 1
            return clock.field(s, q)

        def jac(s: float, q: np.ndarray) -> np.ndarray:
            self.counters["jacobian"] += 1
            J: np.ndarray = derivative(lambda x: clock.field(s, x), q)
            return J

        return solvers[method](field, s, self.q, end, rtol=self.rtol, atol=self.atol, jac=jac)

    def _save(self, clock: Clock, solver: Any, before: float) -> None:
        save = self.save
        if save is None:
            return
        logs = self.stop.log_clock
        if save.every is not None and self.steps % save.every == 0:
            self.recorder.add(self.flat, self.t, self.log_t, self.steps)
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

    def end(self, ending: Ending) -> End:
        """Everything a Run needs."""
        ending = ending._replace(message=ending.message + self.loosened)
        self._finish(ending)
        state = {
            "q": self.q.copy(), "theta": self.flat, "chart": self.chart.name,
            "time": self.t, "log_time": self.log_t, "steps": self.steps,
        }  # fmt: skip
        history = self.recorder.result()
        return End(
            self.flat, self.steps, self.t, self.log_t, ending, history, state,
            accumulators={k: v for k, v in self._accumulators().items() if self.observe is None or k in self.observe},
            chart=self.chart.name, counters=self.counters,
        )  # fmt: skip

    def _finish(self, ending: Ending) -> None:
        """What was to be saved after the end: the same point where the flow rests, NaN where it diverged."""
        save, stop = self.save, self.stop
        if save is None or save.at is None:
            return
        logs = stop.log_clock
        limit = np.inf if stop.time is None else stop.time
        if logs:
            log_limit = np.inf if stop.log_time is None else stop.log_time
            later = save.at[
                (save.at > self.log_t) & (save.at <= min(log_limit, np.log(limit) if limit > 0 else -np.inf))
            ]
            moments = [
                (self.steps, float(np.exp(min(s, 709.0))) if s < 709 else np.inf, float(s)) for s in later
            ]
        else:
            later = save.at[(save.at > self.t) & (save.at <= limit)]
            moments = [(self.steps, float(t), float(np.log(t))) for t in later]
        self.recorder.finish(ending, self.flat, moments)


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
