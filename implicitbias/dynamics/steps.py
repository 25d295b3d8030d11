"""Step methods: the Python oracle loop, and the fused Numba loop that agrees with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..optimizers import step_sizes
from .ending import Ending, fixed_point_ending, goal_met, is_fixed, limit_ending
from .oracle import Accumulators, SettingOracle
from .recorder import Recorder
from .setting import Setting
from .stop import Save, Stop

__all__ = ["StepResult", "run_steps"]

CHUNK = 1024
FOREVER = 10_000_000


@dataclass
class StepResult:
    """Where a step method ended."""

    flat: np.ndarray
    state: Any
    steps: int
    time: float
    ending: Ending
    recorder: Recorder
    accumulators: Accumulators
    fused: bool


def run_steps(
    setting: Setting,
    stop: Stop,
    save: Save | None,
    observe: Any,
    key: tuple[int, int],
    engine: str,
    resume: dict[str, Any] | None,
) -> StepResult:
    """Run a step method until ``stop``, chunk by chunk; a chunk ends where something is to be saved."""
    loop = _Loop(setting, stop, observe, key, engine, resume)
    recorder = Recorder(setting, save, log_clock=False)
    limit = loop.k + (FOREVER if stop.steps is None else stop.steps)
    if save is not None and save.keeps_start:
        recorder.add(loop.flat, loop.time, loop.log_time, loop.k)
    ending = loop.look("the start meets the goal: ")
    then, then_k = loop.flat.copy(), loop.k
    while ending is None:
        upto = min(limit, save.steps_after(loop.k) if save else np.inf, loop.k + CHUNK)
        try:
            ending = loop.advance(int(upto) - loop.k)
        except ValueError as error:
            ending = "failed", str(error)
        if save is not None and loop.k in (upto, limit) and save.steps_after(loop.k - 1) == loop.k:
            recorder.add(loop.flat, loop.time, loop.log_time, loop.k)
        if ending is None and loop.k >= limit:
            ending = loop.look("") or (
                limit_ending(stop, "steps")
                if stop.steps is not None
                else (
                    "budget",
                    f"{FOREVER:,} steps were taken and the iterate still changes: give a Stop",
                )
            )
        if ending is None and loop.k - then_k >= 256:
            # a cycle whose period divides the distance is not at rest: one more step tells
            if is_fixed(setting, loop.flat, then) and loop.rests():
                ending = fixed_point_ending(setting, stop, loop.flat, loop.oracle)
            then, then_k = loop.flat.copy(), loop.k
    if ending[0] == "diverged" and save is not None and save.at is not None:
        recorder.lost(save.at[save.at > loop.k], loop.k)
    state = {"optimizer": loop.state, "k": loop.k, "time": loop.time, "theta": loop.flat.copy()}
    state["accumulators"] = loop.accumulators.sums.copy()
    return StepResult(
        loop.flat,
        state,
        loop.k,
        loop.time,
        ending,
        recorder,
        loop.accumulators,
        loop.rule is not None,
    )


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
        self.accumulators = Accumulators(setting, observe)
        self.flat, self.k, self.time = setting.start.copy(), 0, 0.0
        self.state = self.optimizer.init(self.flat)
        if resume is not None:
            self.flat, self.state = resume["theta"].copy(), resume["optimizer"]
            self.k, self.time = resume["k"], resume["time"]
            self.accumulators.sums = resume["accumulators"].copy()
        self.rule = self._rule(engine)
        batch = getattr(self.optimizer, "batch", None)
        stochastic = self.rule.batch if self.rule is not None else batch
        n = setting.problem.n
        if type(self.optimizer).__name__ == "RandomizedKaczmarz":
            self.period = n
        else:
            self.period = -(-n // abs(stochastic)) if stochastic else 1

    @property
    def log_time(self) -> float:
        return float(np.log(self.time)) if self.time > 0 else -np.inf

    def _rule(self, engine: str) -> Any:
        """The kernel's rule, or None where the Python loop must run."""
        if engine not in ("auto", "numba", "python"):
            raise ValueError(f'engine must be "auto", "numba" or "python", got {engine!r}')
        make = getattr(self.optimizer, "kernel_rule", None)
        rule = make() if make is not None and engine != "python" else None
        kind = type(self.setting.problem).__name__
        fits = (
            rule is not None
            and getattr(self.setting.model, "dynamics_code", -1) >= 0
            and kind in ("Regression", "Classification")
            and not (self.stop.gradient is not None and (rule.batch != 0 or rule.code == 2))
            and not (kind == "Regression" and self.stop.log_loss is not None)
            and not (kind == "Classification" and self.stop.loss == 0.0)
        )
        if engine == "numba" and not fits:
            raise ValueError(
                f"no fused kernel for {type(self.optimizer).__name__} on {type(self.setting.model).__name__} "
                f'with this {kind} and Stop; use engine="auto"'
            )
        return rule if fits else None

    def look(self, prefix: str) -> Ending | None:
        """Whether θ meets a goal, or is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            loss = float(self.setting.problem.loss(self.setting.predictor(self.flat)))
            if not np.isfinite(loss) or not np.all(np.isfinite(self.flat)):
                return self.diverged()
            met = goal_met(self.setting, self.stop, self.flat, self.oracle)
        return None if met is None else ("converged", prefix + met)

    def rests(self) -> bool:
        """Whether one step more would change nothing but rounding (it is not taken)."""
        sizes = step_sizes(self.optimizer, self.k, 1)
        kept = self.flat.copy(), self.state, self.accumulators.sums.copy()
        (self._python if self.rule is None else self._fused)(sizes)
        moved = self.flat
        self.flat, self.state, self.accumulators.sums = kept
        return is_fixed(self.setting, moved, self.flat)

    def diverged(self) -> Ending:
        """Overflow: the step is too large."""
        size = step_sizes(self.optimizer, max(self.k - 1, 0), 1)[0]
        return "diverged", (
            f"the iterate is no longer finite after {self.k} steps (step size {size:.3g}): take a smaller step"
        )

    def advance(self, count: int) -> Ending | None:
        """Take up to ``count`` steps; an ending when one is reached on the way."""
        sizes = step_sizes(self.optimizer, self.k, count)
        timed = False
        if self.stop.time is not None:
            within = int(np.searchsorted(self.time + np.cumsum(sizes), self.stop.time * (1 - 1e-12)))
            timed = within < count
            sizes = sizes[: within + 1]
        run = self._python if self.rule is None else self._fused
        done, reason = run(sizes)
        self.k += done
        self.time += float(np.sum(sizes[:done]))
        if reason == 1:
            return self.look("") or ("converged", "the goal is met")
        if reason == 2:
            return self.diverged()
        ending = self.look("") if timed or self.k % self.period == 0 else None
        return ending or (limit_ending(self.stop, "time") if timed else None)

    def _python(self, sizes: np.ndarray) -> tuple[int, int]:
        """The oracle loop: any optimizer on any model."""
        acc, oracle = self.accumulators, self.oracle
        with np.errstate(over="ignore", invalid="ignore"):
            for s in range(sizes.size):
                k = self.k + s
                if k % self.period == 0 and s > 0:
                    if not np.isfinite(self.setting.problem.loss(self.setting.predictor(self.flat))):
                        return s, 2
                    if self.stop.has_goal and goal_met(self.setting, self.stop, self.flat, oracle):
                        return s, 1
                oracle.k = k
                self.flat, self.state = self.optimizer.update(oracle, self.state, self.flat, k)
                if acc.rate:
                    acc.add(sizes[s], oracle.g)
        return sizes.size, 0

    def _fused(self, sizes: np.ndarray) -> tuple[int, int]:
        """The Numba loop."""
        from ..kernels.descent import descend

        problem, rule, stop = self.setting.problem, self.rule, self.stop
        regression = type(problem).__name__ == "Regression"
        goal = stop.loss if regression else stop.log_loss
        if not regression and stop.loss is not None:
            goal = max(np.log(stop.loss), -np.inf if goal is None else goal)
        cumulative = np.ones(problem.n)
        if rule.code == 4:
            weights = self.optimizer.row_weights(problem)
            cumulative = np.cumsum(weights / np.sum(weights))
        memory = self.state.copy() if isinstance(self.state, np.ndarray) else np.zeros(self.flat.size)
        self.flat = self.flat.copy()
        betas = rule.momentum(self.k, sizes.size) if rule.momentum else np.zeros(sizes.size)
        done, reason = descend(
            problem.X if regression else problem.Z,
            problem.y,
            0 if regression else 1 if problem.loss_name == "exp" else 2,
            self.setting.model.dynamics_code,
            float(getattr(self.setting.model, "power", 1.0)),
            rule.code, self.flat, memory, sizes, betas, float(rule.p), bool(rule.normalized), int(rule.batch),
            cumulative, self.oracle.key[0], self.oracle.key[1], self.k, self.oracle.decay,
            -np.inf if goal is None else float(goal),
            0.0 if stop.gradient is None else stop.gradient,
            np.inf if stop.margin is None else stop.margin,
            self.period, int(self.accumulators.rate), self.accumulators.sums,
        )  # fmt: skip
        if isinstance(self.state, np.ndarray):
            self.state = memory
        return int(done), int(reason)
