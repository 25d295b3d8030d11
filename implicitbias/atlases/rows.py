"""A row of an atlas: what one setting selects, and how that compares with its prediction."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..dynamics import Run, Save, Setting, Stop, simulate
from ..problems import HeldOut
from ..selection import NoPrediction, Prediction, compare, predict
from ..threads import one_blas_thread
from .words import describe, program_text

__all__ = ["AtlasRow"]

SUPPORT = 1e-3
"""A coordinate counts as used when |w_j| exceeds this share of the largest."""
FUSED, SINGLE, PLAIN = 1_000_000, 10_000_000, 200_000
"""Default limits on steps that a fused loop takes, on those of single samples, and on those that Python takes."""


@dataclass(frozen=True)
class Measure:
    """A number that a row tells of its solution w: a column of the atlas.

    ``text`` formats it for people; ``of`` takes (w, held-out rows or None).
    """

    key: str
    head: str
    of: Callable[[np.ndarray, HeldOut | None], float]
    text: str = "{:.4g}"
    about: str = ""


MEASURES = (
    Measure("l1", "‖w‖₁", lambda w, held: float(np.sum(np.abs(w))), "{:.4f}", "Σ|w_j|"),
    Measure("l2", "‖w‖₂", lambda w, held: float(np.linalg.norm(w)), "{:.4f}", "the Euclidean norm"),
    Measure("linf", "‖w‖∞", lambda w, held: float(np.max(np.abs(w))), "{:.4f}", "max|w_j|"),
    Measure(
        "support", "support", lambda w, held: _support(w), "{:.0f}",
        f"coordinates with |w_j| > {SUPPORT:g}·‖w‖∞",
    ),
    Measure(
        "held_out", "held-out", lambda w, held: np.nan if held is None else held.error(w), "{:.3f}",
        "mean squared error on rows that were not fitted",
    ),
)  # fmt: skip


def _support(w: np.ndarray) -> float:
    size = np.abs(w)
    return float(np.sum(size > SUPPORT * np.max(size)))


@dataclass(frozen=True)
class Budget:
    """What a run may cost: steps, and seconds of processor time, which other programs do not slow down.

    ``steps`` None: a million where a fused loop exists for the setting (ten million when a step sees few samples),
    200 thousand otherwise.
    """

    steps: int | None = None
    seconds: float = 10.0

    def steps_for(self, setting: Setting, stop: Stop) -> int:
        """The limit on the steps of a setting."""
        if setting.is_flow or not _is_fused(setting, stop):
            limit = PLAIN
        else:
            limit = SINGLE if setting.optimizer.kernel_rule().batch else FUSED
        return limit if self.steps is None else self.steps


def _is_fused(setting: Setting, stop: Stop) -> bool:
    """Whether a fused loop runs the setting: no step of it is refused."""
    try:
        simulate(setting, dataclasses.replace(stop, steps=0), engine="numba")
    except ValueError:
        return False
    return True


@dataclass(frozen=True, eq=False)
class AtlasRow:
    """What became of one setting.

    name, model, optimizer, init : what ran, in words.
    status, message : how its run ended (as in :class:`Run`); "error" when something raised, with what it said.
    loss, steps, time, seconds : where it ended, and what that took.
    w : the solution; None without a finite one. measures : numbers of w by key (see ``MEASURES``).
    cross_validated, folds_converged : the mean squared error over folds, and how many of their runs converged.
    rule, source, program, assumes : the rule of ``predict`` that answers, its reference, what is minimised, and
        what was taken on trust. A run that did not converge is predicted as if it would: ``assumes`` says so.
    predicted : the predicted solution (a direction and a curve have none).
    distance : ‖w − predicted‖₂ relative to the predicted; certificate : of w for the program.
    missed : where no rule answers, the hypothesis that each misses; note : an error in predicting.
    """

    name: str
    model: str = ""
    optimizer: str = ""
    init: str = ""
    status: str = "error"
    message: str = ""
    loss: float = np.nan
    steps: int = 0
    time: float = np.nan
    seconds: float = 0.0
    w: np.ndarray | None = None
    measures: dict[str, float] = field(default_factory=dict)
    cross_validated: float = np.nan
    folds_converged: int = 0
    rule: str = ""
    source: str = ""
    program: str = ""
    assumes: tuple[str, ...] = ()
    predicted: np.ndarray | None = None
    distance: float = np.nan
    certificate: dict[str, float] = field(default_factory=dict)
    missed: dict[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def converged(self) -> bool:
        return self.status == "converged"

    @property
    def certified(self) -> float:
        """The worst part of the certificate; NaN without one."""
        return max(self.certificate.values()) if self.certificate else np.nan


@dataclass(frozen=True, eq=False)
class Task:
    """A row to make. ``setting`` is what runs, or the error that making it raised."""

    name: str
    setting: Setting | Exception
    held_out: HeldOut | None
    folds: Sequence[tuple[Setting | Exception, HeldOut]]
    budget: Budget
    stop: Stop | None
    rng: np.random.SeedSequence


def measured_row(task: Task) -> AtlasRow:
    """Run a task. Whatever goes wrong inside is the row's, and no other row's."""
    began = time.perf_counter()
    row = AtlasRow(task.name)
    try:
        setting = _made(task.setting)
        row = dataclasses.replace(row, **_in_words(setting))
        with one_blas_thread(max(setting.problem.X.shape)):
            row = _measured(task, setting, row)
    except Exception as error:
        row = dataclasses.replace(row, status="error", message=_said(error))
    return dataclasses.replace(row, seconds=time.perf_counter() - began)


def _measured(task: Task, setting: Setting, row: AtlasRow) -> AtlasRow:
    run = run_within(setting, task)
    finite = run.status != "diverged" and bool(np.all(np.isfinite(run.w)))
    row = dataclasses.replace(
        row, status=run.status, message=run.message, loss=float(run.loss), steps=int(run.steps),
        time=float(run.time), w=run.w if finite else None,
        measures={m.key: m.of(run.w, task.held_out) if finite else np.nan for m in MEASURES},
    )  # fmt: skip
    if finite:
        row = _predicted(row, run)
    return _cross_validated(row, task) if task.folds else row


def _predicted(row: AtlasRow, run: Run) -> AtlasRow:
    """The row with what theory says of it."""
    try:
        pred = _prediction(run)
        seen = compare(run, pred)
    except NoPrediction as refusal:
        return dataclasses.replace(row, missed=refusal.candidates or {"": str(refusal)})
    except Exception as error:
        return dataclasses.replace(row, note=f"no prediction: {_said(error)}")
    c = seen.certificate
    parts = (
        {} if c is None else {"feasibility": c.feasibility, "stationarity": c.stationarity, "gap": abs(c.gap)}
    )
    return dataclasses.replace(
        row, rule=pred.rule.name, source=pred.rule.source, program=program_text(pred),
        assumes=pred.assumes, predicted=pred.w, distance=seen.relative,
        certificate={k: float(v) for k, v in parts.items()},
    )  # fmt: skip


def _prediction(run: Run) -> Prediction:
    """From the run; for one that did not converge from the setting, as if it would."""
    try:
        return predict(run.setting, run)
    except NoPrediction as refusal:
        if run.converged:
            raise
        try:
            return predict(run.setting)
        except NoPrediction:
            raise refusal from None


def _cross_validated(row: AtlasRow, task: Task) -> AtlasRow:
    """The row with its error over folds, each fold's rows counting alike."""
    total, rows, converged = 0.0, 0, 0
    for made, held in task.folds:
        try:
            run = run_within(_made(made), task)
        except Exception as error:
            return dataclasses.replace(row, note=f"{row.note} a fold raised {_said(error)}".strip())
        total, rows = total + len(held.y) * held.error(run.w), rows + len(held.y)
        converged += bool(run.converged)
    mean = total / rows
    return dataclasses.replace(
        row, cross_validated=mean if np.isfinite(mean) else np.nan, folds_converged=converged
    )


class _TimeIsUp(Exception):
    def __init__(self, moment: Any) -> None:
        self.moment = moment


def run_within(setting: Setting, task: Task) -> Run:
    """simulate within the budget; out of time, the run as it is then, with status "budget"."""
    if setting.batch is not None:
        raise ValueError("a row is one run, not a batch: give each of setting.unstack() its own row")
    stop = _goal(setting) if task.stop is None else task.stop
    limit = task.budget.steps_for(setting, stop)  # compiles what there is to compile, before the clock runs
    stop = dataclasses.replace(stop, steps=limit) if stop.steps is None else stop
    began, seconds = time.process_time(), task.budget.seconds

    def watch(moment: Any) -> float:
        if time.process_time() - began > seconds:
            raise _TimeIsUp(moment)
        return 0.0

    # 1024 is where the step loops pause anyway: what is watched changes no number
    save = Save(every=16 if setting.is_flow else 1024, last=1, fields=(watch,))
    try:
        return simulate(setting, stop, save, rng=task.rng)
    except _TimeIsUp as up:
        message = f"{seconds:g} seconds of processor time were over before the goal: raise the budget"
        return Run(**up.moment.numbers(), status="budget", message=message)


def _goal(setting: Setting) -> Stop:
    """A residual of 1e-11‖y‖ where it can be reached, else a gradient of 1e-12‖∇L(0)‖.

    It cannot where Xw = y has no solution, and under weight decay.
    """
    problem, zero = setting.problem, np.zeros(setting.problem.w_shape)
    decays = getattr(setting.optimizer, "weight_decay", 0.0) != 0.0
    if problem.consistent and not decays:
        return Stop(loss=1e-22 * float(problem.loss(zero)))
    return Stop(gradient=1e-12 * float(np.linalg.norm(problem.gradient(zero))))


def _made(setting: Setting | Exception) -> Setting:
    if isinstance(setting, Exception):
        raise setting
    return setting


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _in_words(setting: Setting) -> dict[str, Any]:
    return {
        "model": describe(setting.model),
        "optimizer": describe(setting.optimizer),
        "init": "zero" if not setting.start.any() else describe(setting.init),
    }
