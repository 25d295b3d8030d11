"""A row of an atlas: what one setting selects, and how that compares with its prediction."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..dynamics import Run, Save, Setting, Stop, simulate
from ..selection import NoPrediction, Prediction, Rule, compare, predict
from ..selection.rules import RULES
from ..threads import one_blas_thread
from .kinds import Kind, Limits, Seen
from .words import describe, program_text

__all__ = ["AtlasRow"]

LIMITS = Limits()
FOREIGN = ("the problem is", "the model is", "the optimizer is")
"""How hypotheses begin that say for which settings a rule is."""


@dataclass(frozen=True)
class Budget:
    """What a run may cost: steps, and seconds of processor time, which other programs do not slow down.

    ``steps`` None: the limits of the kind of problem, by whether a fused loop exists and how many samples a step sees.
    """

    steps: int | None = None
    seconds: float = 10.0

    def steps_for(self, setting: Setting, stop: Stop, limits: Limits = LIMITS) -> int:
        """The limit on the steps of a setting."""
        if setting.is_flow or not _is_fused(setting, stop):
            limit = limits.plain
        else:
            limit = limits.single if setting.optimizer.kernel_rule().batch else limits.fused
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
    loss, log_loss, steps, time, log_time, seconds : where it ended, and what that took.
    w : the solution; None without a finite one. measures : numbers of it by key (those of the atlas' ``kind``).
    cross_validated, folds_converged : the held-out error over folds, and how many of their runs converged.
    rule, source, program, assumes : the rule of ``predict`` that answers, its reference, what is minimised, and
        what was taken on trust. A run that did not converge is predicted as if it would: ``assumes`` says so.
    norm : of a margin, the key of the measure in that norm.
    predicted : the predicted solution, or unit direction (a curve has none).
    distance : ‖w − predicted‖₂ relative to the predicted; certificate : of w for the program.
    missed : where no rule answers, the hypothesis that each misses; nearest : that of the rule which misses least.
    note : an error in predicting.
    identified : what ``identify`` reads off runs of the setting's recipe on drawn problems, in short; bias : in full,
        as JSON can hold it. Empty when it was not asked.
    """

    name: str
    model: str = ""
    optimizer: str = ""
    init: str = ""
    status: str = "error"
    message: str = ""
    loss: float = np.nan
    log_loss: float = np.nan
    steps: int = 0
    time: float = np.nan
    log_time: float = np.nan
    seconds: float = 0.0
    w: np.ndarray | None = None
    measures: dict[str, float] = field(default_factory=dict)
    cross_validated: float = np.nan
    folds_converged: int = 0
    rule: str = ""
    source: str = ""
    program: str = ""
    assumes: tuple[str, ...] = ()
    norm: str = ""
    predicted: np.ndarray | None = None
    distance: float = np.nan
    certificate: dict[str, float] = field(default_factory=dict)
    missed: dict[str, str] = field(default_factory=dict)
    nearest: str = ""
    note: str = ""
    identified: str = ""
    bias: dict[str, Any] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        return self.status == "converged"

    @property
    def certified(self) -> float:
        """The worst part of the certificate; NaN without one."""
        return max(self.certificate.values()) if self.certificate else np.nan


@dataclass(frozen=True, eq=False)
class Task:
    """A row to make. ``setting`` is what runs, or the error that making it raised; ``trials`` are the settings of its
    recipe on drawn problems, to identify its bias by.
    """

    name: str
    kind: Kind
    setting: Setting | Exception
    held_out: Any
    folds: Sequence[tuple[Setting | Exception, Any]]
    budget: Budget
    stop: Stop | None
    rng: np.random.SeedSequence
    trials: Sequence[Setting] = ()


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
    seen = run_within(setting, task)
    run, (status, message) = seen.run, task.kind.ending(seen)
    finite = run.status != "diverged" and bool(np.all(np.isfinite(run.w)))
    row = dataclasses.replace(
        row, status=status, message=message, loss=float(run.loss), log_loss=float(run.log_loss), steps=int(run.steps),
        time=float(run.time), log_time=float(run.log_time), w=run.w if finite else None,
    )  # fmt: skip
    row = _told(row, seen, task.kind) if finite else row
    row = _cross_validated(row, task) if task.folds else row
    return _identified(row, task) if task.trials else row


def _identified(row: AtlasRow, task: Task) -> AtlasRow:
    """The row with the bias that runs on drawn problems show."""
    from ..discovery.recipes import bias_of, in_short

    try:
        bias = bias_of(list(task.trials), task.rng)
    except ValueError as refusal:
        return dataclasses.replace(row, identified="—", bias={"refused": str(refusal)})
    return dataclasses.replace(row, identified=in_short(bias), bias=bias.to_dict())


def _told(row: AtlasRow, seen: Seen, kind: Kind) -> AtlasRow:
    """The row with what theory says of it, and its measures."""
    try:
        pred = _prediction(seen.run, row.converged)
        row = _compared(row, seen.run, pred, kind)
        seen = dataclasses.replace(seen, prediction=pred)
    except NoPrediction as refusal:
        missed = refusal.candidates or {"": str(refusal)}
        row = dataclasses.replace(row, missed=missed, nearest=nearest(missed))
    except Exception as error:
        row = dataclasses.replace(row, note=f"no prediction: {_said(error)}")
    return dataclasses.replace(row, measures={m.key: m.of(seen) for m in kind.measures})


def _compared(row: AtlasRow, run: Run, pred: Prediction, kind: Kind) -> AtlasRow:
    """The row with a prediction, and how far its run is from that."""
    seen = compare(run, pred)
    c = seen.certificate
    parts = (
        {} if c is None else {"feasibility": c.feasibility, "stationarity": c.stationarity, "gap": abs(c.gap)}
    )
    return dataclasses.replace(
        row, rule=pred.rule.name, source=pred.rule.source, program=program_text(pred), norm=kind.norm(pred),
        assumes=pred.assumes, predicted=kind.predicted(pred), distance=kind.distance(pred, seen),
        certificate={k: float(v) for k, v in parts.items()},
    )  # fmt: skip


def _prediction(run: Run, settled: bool) -> Prediction:
    """From the run; for one that has not settled from the setting, as if it would."""
    try:
        return predict(run.setting, run)
    except NoPrediction as refusal:
        if settled:
            raise
        try:
            return predict(run.setting)
        except NoPrediction:
            raise refusal from None


def nearest(missed: dict[str, str]) -> str:
    """What is missed by the rule of which the largest share is met before it; rules for other settings do not count."""

    def met(rule: Rule) -> float:
        texts = [h.text for h in rule.hypotheses]
        at = next((i for i, text in enumerate(texts) if missed[rule.name].startswith(text)), 0)
        return at / len(texts)

    rules = [r for r in RULES if r.name in missed and not missed[r.name].startswith(FOREIGN)]
    return missed[max(rules, key=met).name] if rules else ""


def _cross_validated(row: AtlasRow, task: Task) -> AtlasRow:
    """The row with its error over folds, each fold's rows counting alike."""
    total, rows, converged = 0.0, 0, 0
    for made, held in task.folds:
        try:
            run = run_within(_made(made), task).run
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


def run_within(setting: Setting, task: Task) -> Seen:
    """simulate within the budget; out of time, the run as it is then, with status "budget"."""
    if setting.batch is not None:
        raise ValueError("a row is one run, not a batch: give each of setting.unstack() its own row")
    stop = task.kind.stop(setting) if task.stop is None else task.stop
    # compiles what there is to compile, before the clock runs
    limit = task.budget.steps_for(setting, stop, task.kind.limits)
    limit = limit if stop.steps is None else stop.steps
    stop = dataclasses.replace(stop, steps=limit)
    began, seconds = time.process_time(), task.budget.seconds
    trail: list[tuple[float, np.ndarray]] = []

    def watch(moment: Any) -> float:
        clock = task.kind.clock(setting, moment)
        if clock > 1.2 * (trail[-1][0] if trail else 0.0):
            trail.append((clock, moment.w))
        if time.process_time() - began > seconds:
            raise _TimeIsUp(moment)
        return 0.0

    # 1024 is where the step loops pause anyway: what is watched changes no number
    save = {"every": 1} if setting.is_flow else {"every": 1024, "log": 10}
    try:
        run = simulate(setting, stop, Save(**save, last=1, fields=(watch,)), rng=task.rng)
    except _TimeIsUp as up:
        message = f"{seconds:g} seconds of processor time were over before the goal: raise the budget"
        run = Run(**up.moment.numbers(), status="budget", message=message)
    return Seen(run, task.held_out, trail=[*trail, (task.kind.clock(setting, run), run.w)])


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
