"""Step methods: the Python oracle loop, and the fused Numba loop that agrees with it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from ..optimizers.base import Until, decay_sizes, step_sizes
from .ending import EPS, End, Ending, Referee, at_start, is_near, is_same
from .oracle import Accumulators, SettingOracle
from .recorder import Recorder
from .setting import Setting
from .stop import Save, Stop

__all__ = ["run_steps"]

CHUNK = 1024
FOREVER = 10_000_000
LAST_RULE = 13
"""The last code that kernels/descent.py has a branch for."""
LAYER_RULES = (0, 1, 2, 3, 5, 6, 7)
"""The codes that kernels/layers.py has a branch for."""
LOG_2 = float(np.log(2.0))
LARGEST = 690.0
"""Of the logarithms whose exponentials are floats, nearly."""
LARGE = 256
"""Layers of so many rows are left to the oracle loop: a step takes milliseconds, and it can be interrupted."""
ROOM = 60.0
"""How far log L may go from the unit of the gradients; their squares then stay far inside the range of floats."""
FAR = 10_000
"""A power of two that takes every float to zero or beyond the range."""
SETTLED = 32
"""Chunks at the least loss after which a run is at rest, whatever it still does."""


def run_steps(
    setting: Setting,
    stop: Stop,
    save: Save | None,
    observe: Any,
    key: tuple[int, int],
    engine: str,
    resume: dict[str, Any] | None,
) -> End:
    """Run a step method until ``stop``, in chunks that end where something is to be saved."""
    loop = _Loop(setting, stop, observe, key, engine, resume)
    recorder = Recorder(setting, save, log_clock=False)
    limit = loop.k + (FOREVER if stop.steps is None else stop.steps)
    if save is not None and save.keeps(loop.k):
        recorder.add(loop.flat, loop.time, loop.log_time, loop.k)
    ending, then, least = loop.at_start(), loop.flat.copy(), 0
    if ending is None and stop.time is not None and loop.time >= stop.time:
        ending = loop.referee.limit("time")
    while ending is None:
        upto = min(limit, save.steps_after(loop.k) if save else np.inf, loop.k - loop.k % CHUNK + CHUNK)
        try:
            sizes = step_sizes(setting.optimizer, loop.k, int(upto) - loop.k)
        except ValueError as error:
            ending = Ending("failed", str(error))
            break
        ending = loop.advance(sizes)
        if save is not None and loop.k == upto == save.steps_after(int(upto) - 1):
            recorder.add(loop.flat, loop.time, loop.log_time, loop.k)
        if ending is None and loop.k >= limit:
            ending = loop.look() or _out_of_steps(loop.referee)
        if ending is None and loop.k % CHUNK == 0 and loop.may_rest:
            # a method that never comes to rest (accelerated, say) has done so when its loss stays the least
            least = least + 1 if loop.referee.is_least(loop.flat) else 0
            # a cycle whose period divides the distance is not at rest: one more step tells
            if least >= SETTLED or (loop.is_at(then) and loop.rests()):
                ending = loop.referee.rest(loop.flat)
            then = loop.flat.copy()
    if save is not None and save.at is not None:
        recorder.finish(
            ending, loop.flat, [(k, *loop.clock_at(k)) for k in save.at[save.at > loop.k] if k <= limit]
        )
    return loop.end(ending, recorder.result())


def _out_of_steps(referee: Referee) -> Ending:
    if referee.stop.steps is not None:
        return referee.limit("steps")
    return Ending("budget", f"{FOREVER:,} steps were taken and the iterate still changes: give a Stop")


def _equal(a: Any, b: Any) -> bool:
    """Whether two optimizer states, arrays or nested tuples of them, are the same."""
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b))
    return bool(np.array_equal(a, b))


def _rescaled(state: Any, degrees: tuple[int, ...], change: int) -> Any:
    """An optimizer's state, whose rows scale with these degrees, in a unit 2^−change times as large."""
    change = min(max(change, -FAR), FAR)
    if isinstance(state, tuple | list):
        return type(state)(_rescaled(part, degrees, change) for part in state)
    rows = np.ldexp(state.reshape(len(degrees), -1), change * np.array(degrees)[:, None])
    return rows.reshape(state.shape)


def _all_finite(state: Any) -> bool:
    """Whether all numbers of an optimizer's state are finite."""
    if isinstance(state, tuple | list):
        return all(map(_all_finite, state))
    return bool(np.all(np.isfinite(state)))


class _Loop:
    """θ, the optimizer's state and the clock, advanced by whichever engine runs."""

    def __init__(
        self,
        setting: Setting,
        stop: Stop,
        observe: Any,
        key: tuple[int, int],
        engine: str,
        resume: Any,
    ) -> None:
        self.setting, self.stop = setting, stop
        self.optimizer = setting.optimizer
        self.oracle = SettingOracle(setting, key)
        self.referee = Referee(setting, stop, self.oracle)
        self.accumulators = Accumulators(setting, observe)
        self.flat, self.k, self.time = setting.start.copy(), 0, 0.0
        self.state = self.optimizer.init(self.flat)
        if resume is not None:
            self.flat, self.state = resume["theta"].copy(), resume["optimizer"]
            self.k, self.time = resume["k"], resume["time"]
            self.accumulators.sums = resume["accumulators"].copy()
            self.oracle.log_unit = resume["log_unit"]
        self.acting = self._in_unit()
        suits_all = getattr(self.optimizer, "state_degrees", None) is None or setting.problem.attains_zero
        self.room = np.inf if suits_all or self.optimizer.weight_decay else ROOM
        self.failure = ""
        self.layers: Any = None
        self.rule = self._rule(engine)
        look_every = getattr(self.optimizer, "look_every", None)
        self.period = look_every(setting.problem.n) if look_every is not None else 1

    @property
    def log_time(self) -> float:
        return float(np.log(self.time)) if self.time > 0 else -np.inf

    @property
    def may_rest(self) -> bool:
        """Whether the law of motion no longer changes: weight decay that will be switched off has been."""
        decay = getattr(self.optimizer, "weight_decay", 0.0)
        return not (isinstance(decay, Until) and self.time < decay.time)

    def _rule(self, engine: str) -> Any:
        """The kernel's rule, or None where the Python loop must run."""
        if engine not in ("auto", "numba", "python"):
            raise ValueError(f'engine must be "auto", "numba" or "python", got {engine!r}')
        make = getattr(self.optimizer, "kernel_rule", None)
        rule = make() if make is not None and engine != "python" else None
        fits = rule is not None and (self._fits(rule) or self._fits_layers(rule))
        if engine == "numba" and not fits:
            raise ValueError(
                f"no fused kernel for {type(self.optimizer).__name__} on {type(self.setting.model).__name__} "
                f'with this {type(self.setting.problem).__name__} and Stop; use engine="auto"'
            )
        return rule if fits else None

    def _fits(self, rule: Any) -> bool:
        """Whether kernels/descent.py knows the rule, the model and the problem, and can see the goal."""
        data, stop = self.setting.problem.kernel_data(), self.stop
        return (
            0 <= rule.code <= LAST_RULE
            and data is not None
            and getattr(self.setting.model, "dynamics_code", -1) >= 0
            and (stop.log_loss is None if data[2] == 0 else stop.loss != 0.0)
        )

    def _fits_layers(self, rule: Any) -> bool:
        """The same of kernels/layers.py."""
        problem, form = self.setting.problem, getattr(self.setting.model, "layer_form", None)
        if form is None or rule.code not in LAYER_RULES or rule.batch or rule.average is not None:
            return False
        self.layers = form(problem)
        return (
            self.layers is not None
            and problem.layer_data() is not None
            and max(self.layers[1]) < LARGE
            and self.stop.log_loss is None
            and not (rule.code == 0 and len(rule.constants))  # label noise
        )

    def at_start(self) -> Ending | None:
        """The ending of a start that meets the goal, or that a full-gradient step does not move."""
        ending = self.look()
        if ending is not None:
            return at_start(ending)
        try:
            moves = self.step_changes(lambda moved: not np.array_equal(moved, self.flat), memory=True)
        except ValueError:  # a step size that is none: the run itself will say so
            return None
        still = moves is False if self.period == 1 else not self.oracle.can_move(self.flat)
        return self.referee.rest(self.flat) if still and self.may_rest else None

    def look(self) -> Ending | None:
        """The ending of a θ that meets a goal, or is not finite."""
        if not np.all(np.isfinite(self.flat)) or not self.finite_loss():
            return self.diverged()
        return self.referee.goal(self.flat)

    def finite_loss(self) -> bool:
        """Whether log L is a number or −∞: L itself may be beyond the range of floats."""
        return self._log_loss() < np.inf

    def _log_loss(self) -> float:
        return float(self.setting.problem.log_loss(self.oracle.predictor(self.flat)))

    def _suits_unit(self) -> bool:
        """Whether L is near the unit of the gradients, or need not be."""
        return self.room == np.inf or abs(self._log_loss() - self.oracle.log_unit) <= self.room

    def _change_unit(self) -> bool:
        """Measure gradients, and what the optimizer remembers of them, in the power of two nearest to L; False where
        its memory is then beyond the range of floats.
        """
        log_loss = self._log_loss()
        if EPS * abs(log_loss) > 1 and np.isfinite(log_loss):
            self.failure = (
                f"log L came to {log_loss:.4g}, which no float holds to within one: take smaller steps"
            )
            return False
        powers = round(log_loss / LOG_2) if np.isfinite(log_loss) else 0
        change = round(self.oracle.log_unit / LOG_2) - powers
        self.oracle.log_unit = powers * LOG_2
        self.state = _rescaled(self.state, self.optimizer.state_degrees, change)
        self.acting = self._in_unit()
        if _all_finite(self.state):
            return True
        forgetful = getattr(self.optimizer, "beta1", 0.0) > getattr(self.optimizer, "beta2", 1.0)
        self.failure = (
            f"log L came to {log_loss:.4g} in so few steps that what {type(self.optimizer).__name__} remembers of "
            f"earlier gradients is too large for a float: take {'beta1 ≤ beta2' if forgetful else 'smaller steps'}"
        )
        return False

    @property
    def constants(self) -> np.ndarray:
        """The kernel rule's own numbers."""
        rule = self.rule if self.acting is self.optimizer else self.acting.kernel_rule()
        return np.array(rule.constants, dtype=float)

    def _in_unit(self) -> Any:
        """The optimizer, its floors ε measured in the unit of the gradients."""
        if self.oracle.log_unit == 0.0:
            return self.optimizer
        floors = {
            name: np.exp(min(np.log(getattr(self.optimizer, name)) - degree * self.oracle.log_unit, LARGEST))
            for name, degree in self.optimizer.floor_degrees.items()
        }
        return replace(self.optimizer, **floors)

    def clock_at(self, k: float) -> tuple[float, float]:
        """(t, log t) after step k > self.k."""
        time = self.time + float(np.sum(step_sizes(self.optimizer, self.k, int(k) - self.k)))
        return time, float(np.log(time)) if time > 0 else -np.inf

    def is_at(self, other: np.ndarray) -> bool:
        """Whether θ is ``other`` up to rounding."""
        return is_same(self.flat, other) or (is_near(self.flat, other) and self.referee.is_least(self.flat))

    def rests(self) -> bool:
        """Whether one step more would change nothing but rounding."""
        return self.step_changes(lambda moved: not self.is_at(moved)) is False

    def step_changes(self, differs: Callable[[np.ndarray], bool], memory: bool = False) -> bool | None:
        """Whether θ (or, asked so, the optimizer's memory) after one step more, which is not taken, differs;
        None where no step can be made.
        """
        kept = self.flat.copy(), deepcopy(self.state), self.accumulators.sums.copy()
        unit, acting = self.oracle.log_unit, self.acting
        run = self._python if self.rule is None else self._fused
        done, _ = run(step_sizes(self.optimizer, self.k, 1))
        moved, state = self.flat, self.state
        self.flat, self.state, self.accumulators.sums = kept
        self.oracle.log_unit, self.acting = unit, acting
        return (differs(moved) or (memory and not _equal(state, self.state))) if done else None

    def end(self, ending: Ending, history: dict[str, np.ndarray]) -> End:
        """Everything a Run needs."""
        state = {"optimizer": self.state, "k": self.k, "time": self.time, "theta": self.flat.copy()}
        return End(
            self.flat,
            self.k,
            self.time,
            self.log_time,
            ending,
            history,
            state | {"accumulators": self.accumulators.sums.copy(), "log_unit": self.oracle.log_unit},
            accumulators=self.accumulators.result(),
            counters={"fused": int(self.rule is not None)},
        )

    def diverged(self) -> Ending:
        """Overflow: the step is too large."""
        size = step_sizes(self.optimizer, max(self.k - 1, 0), 1)[0]
        return Ending(
            "diverged",
            f"the iterate is no longer finite after {self.k} steps (step size {size:.3g}): take a smaller step",
        )

    def advance(self, sizes: np.ndarray) -> Ending | None:
        """Take up to one step per size; an ending when one is reached on the way."""
        timed = False
        if self.stop.time is not None:
            within = int(np.searchsorted(self.time + np.cumsum(sizes), self.stop.time * (1 - 1e-12)))
            timed = within < sizes.size
            sizes = sizes[: within + 1]
        run = self._python if self.rule is None else self._fused
        done, reason = run(sizes)
        self.k += done
        self.time += float(np.sum(sizes[:done]))
        timed = timed and done == sizes.size  # a kernel may leave a step to the other loop
        if reason == 1:
            return self.look() or Ending("converged", "the goal is met up to the rounding of the loss")
        if reason == 2:
            return self.diverged()
        if reason == 3:
            return Ending("failed", self.failure)
        ending = self.look() if timed or self.k % self.period == 0 else None
        return ending or (self.referee.limit("time") if timed else None)

    def _python(self, sizes: np.ndarray) -> tuple[int, int]:
        """The oracle loop: any optimizer on any model."""
        oracle = self.oracle
        decays = decay_sizes(self.optimizer, self.time, sizes)
        for s in range(sizes.size):
            k = self.k + s
            if k % self.period == 0 and s > 0:
                if not self.finite_loss():
                    return s, 2
                if self.referee.goal(self.flat) is not None:
                    return s, 1
            if not self._suits_unit() and not self._change_unit():
                return s, 3
            oracle.k, oracle.cross, kept = k, 0.0, oracle.decay
            oracle.decay = decays[s]
            try:
                self.flat, self.state = self.acting.update(oracle, self.state, self.flat, k)
            except (ArithmeticError, ValueError, np.linalg.LinAlgError) as error:
                self.failure = f"step {k} could not be taken: {error}"
                return s, 3
            finally:
                oracle.decay = kept
            self.accumulators.add(sizes[s], oracle.g, oracle.cross, decays[s])
        return sizes.size, 0

    def _fused(self, sizes: np.ndarray) -> tuple[int, int]:
        """The Numba loop."""
        theta, memory, mean = self._unpacked()
        done, reason = self._descend(sizes, theta, memory, mean)
        if reason == 4 and done == 0:
            return self._python(sizes[:1])
        self.flat = theta if self.rule.average is None else mean
        self._repack(theta, memory)
        if reason == 5:
            reason = 0 if self._change_unit() else 3
        return int(done), 0 if reason == 4 else int(reason)

    def _descend(
        self, sizes: np.ndarray, theta: np.ndarray, memory: np.ndarray, mean: np.ndarray
    ) -> tuple[int, int]:
        """The kernel, called with what it needs; θ, its memory and θ̄ are moved in place."""
        from ..kernels.descent import descend

        if self.layers is not None:
            return self._descend_layers(sizes, theta, memory)
        problem, rule, stop, count = self.setting.problem, self.rule, self.stop, sizes.size
        X, y, loss = problem.kernel_data()
        goal = stop.loss if loss == 0 else stop.log_loss
        if loss != 0 and stop.loss is not None:
            goal = max(np.log(stop.loss), -np.inf if goal is None else goal)
        law = np.ones(problem.n) if rule.row_weights is None else rule.row_weights(problem)
        done, reason = descend(
            X, y, loss,
            self.setting.model.dynamics_code,
            float(getattr(self.setting.model, "power", 1.0)),
            rule.code, theta, memory, sizes,
            np.zeros(count) if rule.momentum is None else rule.momentum(self.k, count),
            float(rule.p), bool(rule.normalized), self.constants, int(rule.batch),
            np.cumsum(law / np.sum(law)), self.oracle.key[0], self.oracle.key[1], self.k,
            decay_sizes(self.optimizer, self.time, sizes), mean,
            np.empty(0) if rule.average is None else rule.average(self.k, count),
            -np.inf if goal is None else float(goal),
            -1.0 if stop.gradient is None else stop.gradient,
            np.inf if stop.margin is None else stop.margin,
            self.oracle.decay, self.period, self.oracle.log_unit, self.room, bool(rule.relative),
            int(self.accumulators.rate), self.accumulators.sums,
        )  # fmt: skip
        return done, reason

    def _descend_layers(self, sizes: np.ndarray, theta: np.ndarray, memory: np.ndarray) -> tuple[int, int]:
        """The same of a matrix model."""
        from ..kernels.layers import descend_layers

        rule, stop, count = self.rule, self.stop, sizes.size
        code, A, B, samples = self.setting.problem.layer_data()
        model, widths = self.layers
        done, reason = descend_layers(
            code, A, B, samples, model, np.array(widths), rule.code, theta, memory, sizes,
            np.zeros(count) if rule.momentum is None else rule.momentum(self.k, count),
            float(rule.p), bool(rule.normalized), self.constants, self.k,
            decay_sizes(self.optimizer, self.time, sizes),
            -np.inf if stop.loss is None else float(stop.loss),
            -1.0 if stop.gradient is None else stop.gradient,
            self.oracle.decay,
        )  # fmt: skip
        return done, reason

    def _unpacked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Copies of what the kernel moves: θ (P,), its memory (rows, P) and, for averages, θ̄ (P,)."""
        theta, state, mean = self.flat.copy(), self.state, np.empty(0)
        if self.rule.average is not None:
            mean, (theta, state) = theta, (self.state[0].copy(), self.state[1])
        memory = state.reshape(-1, theta.size) if isinstance(state, np.ndarray) else np.empty((0, theta.size))
        return theta, memory.copy(), mean

    def _repack(self, theta: np.ndarray, memory: np.ndarray) -> None:
        """The optimizer's state of the kernel's arrays."""
        inner = self.state if self.rule.average is None else self.state[1]
        if isinstance(inner, np.ndarray):
            inner = memory.reshape(inner.shape)
        self.state = inner if self.rule.average is None else (theta, inner)
