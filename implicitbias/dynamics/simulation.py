"""simulate: from a setting to a run."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from ..checks import number, positive
from ..geometry import bregman_projection
from ..problems import Tasks
from ..threads import one_blas_thread
from .charts import no_dual_form
from .flows import Numerics, run_flow
from .oracle import key_of
from .recorder import Moment
from .run import Run
from .setting import Setting
from .steps import run_steps
from .stop import Save, Stop

__all__ = ["simulate"]


def simulate(
    setting: Setting,
    stop: Stop | None = None,
    save: Save | None = None,
    observe: Sequence[str] | None = None,
    rng: Any = 0,
    *,
    state: Any = None,
    engine: str = "auto",
    chart: str = "auto",
    polish: bool = False,
    rtol: float | None = None,
    atol: float | None = None,
    method: str = "lsoda",
) -> Run:
    """Run the dynamics of a setting.

    Flows solve θ̇ = velocity(θ, ∇L) with an error-controlled integrator; steps are taken one by one,
    by a fused kernel where one exists. Nothing dynamic raises: how a run ended is ``run.status`` and
    ``run.message``.

    Parameters
    ----------
    setting : what to run; a batch (leading axis on init or step) is run one by one and stacked.
    stop : goals and limits; None: until the iterate no longer changes in floating point.
    save : what ``run.history`` keeps; None: nothing.
    observe : names of accumulators; None: all that are defined for the model.
    rng : a seed, SeedSequence or Generator (which contributes one draw); the runs of a batch get spawned streams.
        A list of them, one per run, also makes a batch of a single setting.
    state : ``run.state`` of an earlier run, to go on from there (limits on steps then count from there).
    engine : "auto", "numba" (refused where there is no kernel) or "python" (the oracle loop).
    chart : "auto", "ordinary", "log" or "dual": coordinates of a flow. Log charts exist for elementwise
        products; the dual chart keeps by construction what theorems about mirror flows prove.
    polish : finish a mirror flow by Newton's method on its dual (``run.polished`` says so).
    rtol, atol : tolerances of the integrator, for the error of each of its steps. rtol None: 1e-10, and 1e-12 in the
        logarithmic clock, where thousands of e-folds of time add up (1e-10 or 1e-8 once rounding hides more, which
        the message says); atol None: from the start.
    method : "lsoda", "radau", or "midpoint": the implicit midpoint rule, of order two, which conserves quadratic
        invariants (the balancedness of layers) to rounding at any rtol, in many more steps where rtol is small.

    Returns
    -------
    Run

    Examples
    --------
    >>> from implicitbias import GradientDescent, Linear, Regression
    >>> run = simulate(Setting(Regression([[1.0, 1.0]], [2.0]), Linear(), GradientDescent(0.5)))
    >>> run.status, run.w.tolist()
    ('converged', [1.0, 1.0])
    """
    stop = Stop() if stop is None else stop
    _check(setting, stop, save)
    if rtol is not None:
        rtol = number("rtol", rtol, "satisfy 1e-13 ≤ rtol < 1", lambda r: 1e-13 <= r < 1)
    atol = None if atol is None else positive("atol", atol)
    how = {"engine": engine, "chart": chart, "polish": polish, "rtol": rtol, "atol": atol, "method": method}
    if setting.batch is not None or isinstance(rng, list | tuple | np.ndarray):
        return _simulate_batch(setting, stop, save, observe, rng, state, how)
    maker = type(setting.optimizer).__name__
    if state is not None and state.get("optimizer_type") != maker:
        raise ValueError(f"state must be run.state of an earlier run of the same setting, here with {maker}")
    if isinstance(setting.problem, Tasks):
        return _simulate_tasks(setting, stop, save, observe, rng, state, how)
    began = time.perf_counter()
    # numbers beyond the range of floats are a status here, not a warning
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        run = _simulate_one(
            setting, stop, save, observe, rng, state, engine, Numerics(chart, rtol, atol, method), polish
        )
    return replace(run, seconds=time.perf_counter() - began)


def _simulate_one(
    setting: Setting,
    stop: Stop,
    save: Save | None,
    observe: Any,
    rng: Any,
    state: Any,
    engine: str,
    numerics: Numerics,
    polish: bool,
) -> Run:
    if setting.is_flow:
        reason = no_dual_form(setting) if polish else None
        if reason:
            raise ValueError(f"polish=True needs a mirror flow on a Regression: {reason}")
        end = run_flow(setting, stop, save, observe, numerics, state)
    else:
        if polish or numerics.chart not in ("auto", "ordinary"):
            raise ValueError("chart and polish belong to flows; steps are exact in the parameters themselves")
        shapes = setting.layout.shapes
        with (
            nullcontext() if setting.layout.single else one_blas_thread(max(map(max, shapes)))
        ):  # of matrices
            end = run_steps(setting, stop, save, observe, key_of(rng), engine, state)
    run = Run(
        **Moment(setting, end.flat, end.time, end.log_time, end.steps).numbers(),
        status=end.ending.status,
        message=end.ending.message,
        history=end.history,
        accumulators=end.accumulators,
        state=end.state | {"optimizer_type": type(setting.optimizer).__name__},
        chart=end.chart,
        counters=end.counters,
    )
    return _polished(run) if polish else run


def _check(setting: Setting, stop: Stop, save: Save | None) -> None:
    if not isinstance(setting, Setting):
        raise ValueError(f"simulate needs a Setting, got {type(setting).__name__}")
    if stop.margin is not None and not hasattr(setting.problem, "margins"):
        raise ValueError(f"Stop(margin=…) needs a Classification, not a {type(setting.problem).__name__}")
    if save is not None and save.at is not None and not setting.is_flow and np.any(save.at % 1 != 0):
        raise ValueError(
            f"Save(at=…) counts steps here: integers are needed, got {save.at[save.at % 1 != 0][0]}"
        )
    if stop.log_time is not None and not setting.is_flow:
        raise ValueError("Stop(log_time=…) is the clock of flows; for steps give time or steps")


def _polished(run: Run) -> Run:
    """Newton on the dual from where the flow ended."""
    setting = run.setting
    assert setting is not None
    potential, z0 = setting.model.mirror_form(setting.optimizer, setting.theta0, {})
    problem: Any = setting.problem
    nu = np.linalg.lstsq(problem.X.T, potential.gradient(run.w) - z0, rcond=None)[0]
    solution = bregman_projection(potential, z0, problem.X, problem.y, multiplier=nu)
    flat = setting.layout.join(setting.model.from_dual(setting.theta0, potential, solution.z))
    end = Moment(setting, flat, run.time, run.log_time, run.steps)
    # next to the walls of a box of dual points, z no longer holds w to the last digits
    lost = np.linalg.norm(end.w - solution.w) > 1e-9 * np.linalg.norm(solution.w)
    done = solution.residual <= 1e-10 and not lost
    return replace(
        run, w=end.w, theta=end.theta, loss=end.loss, log_loss=end.log_loss, polished=True,
        status="converged" if done else run.status,
        message=f"{run.message}; polished by Newton's method on the dual to residual {solution.residual:.2g}",
    )  # fmt: skip


def _simulate_batch(
    setting: Setting,
    stop: Stop,
    save: Any,
    observe: Any,
    rng: Any,
    state: Any,
    numerics: dict[str, Any],
) -> Run:
    members = setting.unstack() if setting.batch is not None else [setting] * len(rng)
    if isinstance(rng, list | tuple | np.ndarray):
        if len(rng) != len(members):
            raise ValueError(f"rng has {len(rng)} seeds for a batch of {len(members)}")
        streams = list(rng)
    else:
        if isinstance(rng, np.random.Generator):
            rng = int(rng.integers(2**63))
        sequence = rng if isinstance(rng, np.random.SeedSequence) else np.random.SeedSequence(rng)
        streams = [
            np.random.SeedSequence(sequence.entropy, spawn_key=(*sequence.spawn_key, b))
            for b in range(len(members))
        ]
    states = [None] * len(members) if state is None else state
    if len(states) != len(members):
        raise ValueError(f"state has {len(states)} members for a batch of {len(members)}")
    runs = [
        simulate(m, stop, save, observe, r, state=s, **numerics) for m, r, s in zip(members, streams, states)
    ]
    return _stack(setting, runs)


def _simulate_tasks(
    setting: Setting, stop: Stop, save: Any, observe: Any, rng: Any, state: Any, numerics: dict[str, Any]
) -> Run:
    """Each task in turn, from where the last one ended; what all tasks' losses then are."""
    tasks: Any = setting.problem
    if state is not None:
        raise ValueError("a run of Tasks goes on by starting from its end: init=run.theta")
    a, b = key_of(rng)
    runs: list[Run] = []
    for m, problem in enumerate(tasks.problems):
        single = replace(setting, problem=problem, init=runs[-1].theta if runs else setting.init)
        kept = runs[-1].state if runs and tasks.keep_state and not setting.is_flow else None
        stream = np.random.SeedSequence([a, b], spawn_key=(m,))
        runs.append(simulate(single, stop, save, observe, stream, state=kept, **numerics))
    first_bad = next((m for m, r in enumerate(runs) if not r.converged), None)
    told = runs[-1] if first_bad is None else runs[first_bad]
    w = np.array([r.w for r in runs])
    counted = runs[-1:] if tasks.keep_state and not setting.is_flow else runs  # kept counts go on
    steps, spent = sum(r.steps for r in counted), float(sum(r.time for r in counted))
    return replace(
        runs[-1], setting=setting, parts=tuple(runs), status=told.status, steps=steps, time=spent,
        loss=float(tasks.loss(runs[-1].w)), log_loss=float(tasks.log_loss(runs[-1].w)),
        log_time=float(np.log(spent)) if spent > 0 else -np.inf, seconds=sum(r.seconds for r in runs), state=None,
        message=told.message if first_bad is None else f"task {first_bad}: {told.message}",
        history={"task": np.arange(float(len(runs))), "w": w, "losses": np.array([tasks.losses(v) for v in w])},
    )  # fmt: skip


def _stack(setting: Setting, runs: list[Run]) -> Run:
    first = runs[0]
    if isinstance(first.theta, tuple):
        theta: Any = tuple(np.stack([r.theta[i] for r in runs]) for i in range(len(first.theta)))
    else:
        theta = np.stack([r.theta for r in runs])
    rows = {n: max(len(r.history[n]) for r in runs) for n in first.history}
    names = ("w", "loss", "log_loss", "time", "log_time", "steps")
    numbers: dict[str, Any] = {n: np.array([getattr(r, n) for r in runs]) for n in names}
    return Run(
        setting=setting,
        theta=theta,
        status=[r.status for r in runs],
        message=[r.message for r in runs],
        history={n: np.stack([_padded(r.history[n], rows[n]) for r in runs]) for n in rows},
        accumulators={n: np.stack([r.accumulators[n] for r in runs]) for n in first.accumulators},
        state=[r.state for r in runs],
        parts=tuple(runs),
        chart=first.chart,
        polished=first.polished,
        seconds=sum(r.seconds for r in runs),
        **numbers,
    )


def _padded(values: np.ndarray, rows: int) -> np.ndarray:
    """Histories of different lengths are filled up with NaN."""
    missing = np.full((rows - len(values), *values.shape[1:]), np.nan)
    return np.concatenate([values, missing]) if len(missing) else values
