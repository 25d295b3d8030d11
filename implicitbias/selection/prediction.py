"""predict: from a setting (and, where a rule needs it, a run) to what theory says is selected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..optimizers import Decay
from .programs import Certificate, Infeasible, Program
from .rule import Rule

__all__ = ["Comparison", "NoPrediction", "Prediction", "closed_form", "compare", "predict"]


class NoPrediction(ValueError):
    """No rule applies. ``candidates`` maps each rule's name to the first hypothesis it missed; ``certificate`` proves
    that one fails (that data are not separable, say), where something does.
    """

    def __init__(
        self, message: str, candidates: dict[str, str] | None = None, certificate: Any = None
    ) -> None:
        self.candidates = candidates or {}
        self.certificate = certificate
        lines = [
            message,
            *(f"  {name}: needs that {text}" for name, text in self.candidates.items()),
        ]
        super().__init__("\n".join(lines))


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a rule says. One of ``program``, a point, or a curve is what its rule gave.

    w : the selected solution (None for a curve; for a direction, the program's own scaling).
    direction : w/‖w‖₂ when only a direction is selected, else None.
    program, certificate : what w minimises, and the certificate of w for it.
    rule, assumes : where it comes from, and what was taken on trust, or is worth a remark.
    """

    rule: Rule
    value: Any
    assumes: tuple[str, ...] = ()

    @property
    def program(self) -> Program | None:
        return self.value if isinstance(self.value, Program) else getattr(self.value, "program", None)

    @property
    def is_curve(self) -> bool:
        """Whether the prediction is a function of time."""
        return callable(self.value)

    @cached_property
    def w(self) -> np.ndarray | None:
        if isinstance(self.value, Program):
            return self.value.solution
        return None if self.is_curve else np.asarray(self.value)

    @property
    def direction(self) -> np.ndarray | None:
        program = self.program
        if program is None or program.kind != "direction":
            return None
        return program.solution / np.linalg.norm(program.solution)

    @cached_property
    def certificate(self) -> Certificate | None:
        program = self.program
        return None if program is None else program.certify(program.solution)

    def at(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """The curve at time t (an array adds a leading axis; inf allowed), or at log t."""
        if not self.is_curve:
            raise ValueError(
                f"the rule {self.rule.name!r} predicts a limit, not a curve: use .w or .direction"
            )
        if (t is None) == (log_time is None):
            raise ValueError("at takes a time, or log_time=…, and not both")
        w: np.ndarray = self.value(t) if log_time is None else self.value(log_time=log_time)
        return w


def predict(setting: Any, run: Any = None) -> Prediction:
    """What theory says ``setting`` selects.

    Each rule's hypotheses are asked in order; the first rule that misses none is applied. Hypotheses of
    the run are checked when ``run`` is given and listed in ``assumes`` when it is not. Some rules need
    the run's accumulators.

    Raises
    ------
    NoPrediction
        naming each candidate rule and the first hypothesis it missed.
    ValueError
        for a batch, or a run of another setting.
    ArithmeticError
        when a rule applies, but its program was not solved to a small residual.

    Examples
    --------
    >>> from implicitbias import GradientDescent, Linear, Regression, Setting
    >>> predict(Setting(Regression([[1.0, 1.0]], [2.0]), Linear(), GradientDescent(0.1))).w
    array([1., 1.])
    """
    from .rules import RULES

    if setting.batch is not None:
        raise ValueError("predict takes one setting, not a batch: predict each of setting.unstack()")
    if run is not None and run.setting is not None and run.setting != setting:
        raise ValueError("the run is of another setting: predict(run.setting, run)")
    missed: dict[str, str] = {}
    for rule in RULES:
        miss = _first_missed(rule, setting, run)
        if miss is None:
            try:
                value = rule.apply(setting, run)
                if isinstance(value, Program):
                    _ = value.solution
            except Infeasible as error:
                raise NoPrediction(str(error), certificate=error.weights) from error
            return Prediction(rule, value, _assumed(rule, setting, run) + getattr(value, "remarks", ()))
        missed[rule.name] = miss
    raise NoPrediction(_summary(setting), missed, _disproof(setting, missed))


def _disproof(setting: Any, missed: dict[str, str]) -> Any:
    """What proves that a missed hypothesis fails; None where nothing does."""
    from .rules import RULES

    disproofs = (
        h.disproof for r in RULES for h in r.hypotheses if h.disproof is not None and h.text == missed[r.name]
    )
    return next((disproof(setting) for disproof in disproofs), None)


def _first_missed(rule: Rule, setting: Any, run: Any) -> str | None:
    miss = rule.first_missed(setting, run)
    lacking = [name for name in rule.observe if run is not None and name not in run.accumulators]
    if miss is None and lacking:
        return (
            f"the run has the accumulators {', '.join(lacking)}: simulate it without naming fewer in observe"
        )
    if miss is None and rule.needs_run and run is None:
        return "the run is given, from which it takes what the setting does not fix: predict(setting, run)"
    if miss is None and rule.observe and run is None:
        return f"the run is given, since it uses the accumulators {', '.join(rule.observe)}: predict(setting, run)"
    return miss


def _assumed(rule: Rule, setting: Any, run: Any) -> tuple[str, ...]:
    texts = [h.text for h in rule.hypotheses if h.of == "run" and run is None]
    step = getattr(setting.optimizer, "step", None)
    if callable(step) and not isinstance(step, Decay):
        texts.append("the step sizes of the callable behave as the rule needs for all k")
    return tuple(texts)


def _summary(setting: Any) -> str:
    parts = (setting.problem, setting.model, setting.optimizer)
    return (
        "no rule applies to " + ", ".join(type(p).__name__ for p in parts) + "; the rules and what they miss:"
    )


def closed_form(setting: Any) -> Callable[..., np.ndarray]:
    """The curve t ↦ w(t) of a setting whose dynamics is solved exactly.

    f(t) has the shape of w; an array t adds a leading axis; ``np.inf`` is allowed.

    Raises
    ------
    NoPrediction
        when no rule gives a curve for the setting.
    ValueError
        for a batch.
    """
    from .rules import RULES

    if setting.batch is not None:
        raise ValueError("closed_form takes one setting, not a batch: ask it of each of setting.unstack()")
    missed: dict[str, str] = {}
    for rule in RULES:
        if not rule.exact_curve:
            continue
        miss = _first_missed(rule, setting, None)
        if miss is None:
            curve: Callable[..., np.ndarray] = rule.apply(setting, None)
            return curve
        missed[rule.name] = miss
    raise NoPrediction(_summary(setting), missed)


class Comparison(NamedTuple):
    """Distances from a run to a prediction.

    distance : ‖w − w*‖₂; relative : that over ‖w*‖₂. For a direction both are between unit vectors. For a
    curve, the largest over the saved moments.
    certificate : of run.w for the prediction's program (None without one).
    """

    distance: float
    relative: float
    certificate: Certificate | None


def compare(run: Any, pred: Prediction) -> Comparison:
    """How far a run ended from a prediction, and how good its end is for the predicted program."""
    if isinstance(run.status, list):
        raise ValueError("compare takes one run, not a batch: simulate and compare each of setting.unstack()")
    pairs: list[tuple[Any, Any]]
    if pred.direction is not None:
        pairs = [(run.w / np.linalg.norm(run.w), pred.direction)]
    elif pred.is_curve:
        pairs = _along(run, pred)
    else:
        pairs = [(run.w, pred.w)]
    distances = [float(np.linalg.norm(a - b)) for a, b in pairs]
    sizes = [float(np.linalg.norm(b)) or 1.0 for _, b in pairs]
    program = pred.program
    certificate = None if program is None or np.ndim(run.loss) else program.certify(run.w)
    return Comparison(max(distances), max(d / s for d, s in zip(distances, sizes)), certificate)


def _along(run: Any, pred: Prediction) -> list[tuple[Any, Any]]:
    if "w" not in run.history:
        return [(run.w, pred.at(run.time))]
    return list(zip(run.history["w"], pred.at(run.history["time"])))
