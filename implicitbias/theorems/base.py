"""A theorem is three maps: draw settings, run them, measure the runs. Its control changes the
settings, goes through the same maps, and must fail.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..dynamics import Run, Setting
from ..models import Model
from ..optimizers import Optimizer
from ..problems import Problem
from ..selection import Hypothesis, Prediction, Rule, compare

__all__ = ["Control", "Evidence", "Sample", "Theorem"]

KINDS = ("exact", "rate", "limit", "bound")


class Evidence(NamedTuple):
    """What a measure saw: numbers, the numbers that theory expects, and whatever else is worth showing."""

    measured: Any
    expected: Any = 0.0
    detail: dict[str, Any] = {}  # noqa: RUF012 (never written to)

    def deviation(self, kind: str) -> float:
        """|measured − expected|, the largest of them; for a bound, the worst lhs/rhs itself."""
        measured, expected = np.asarray(self.measured, dtype=float), np.asarray(self.expected, dtype=float)
        if expected.ndim and expected.shape != measured.shape:
            raise ValueError(f"measured has shape {measured.shape}, but expected {expected.shape}")
        worst = np.max(measured if kind == "bound" else np.abs(measured - expected))
        return float(worst)  # NaN, when a measure did not see its event, stays NaN


@dataclass(frozen=True)
class Control:
    """A change of the settings under which the claim must fail.

    description : what is changed and why it matters.
    above : the deviation must exceed this, which is larger than the theorem's bound.
    change : {field of Setting: new value, or a function of the setting}.
    """

    description: str
    above: float
    change: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.change) - {f.name for f in dataclasses.fields(Setting)}
        if unknown or not self.change:
            raise ValueError(f"a control changes fields of a Setting; got {sorted(self.change) or 'none'}")

    def apply(self, setting: Setting) -> Setting:
        """The controlled setting."""
        parts = (Optimizer, Model, Problem, np.ndarray)
        new = {
            k: v(setting) if callable(v) and not isinstance(v, parts) else v for k, v in self.change.items()
        }
        return dataclasses.replace(setting, **new)


@dataclass(frozen=True)
class Sample:
    """One instance of a theorem: its settings by label, their runs, and what was measured."""

    theorem: Theorem
    settings: dict[str, Setting]
    runs: dict[str, Run]
    evidence: Evidence

    @property
    def deviation(self) -> float:
        return self.evidence.deviation(self.theorem.kind)

    def prediction(self, label: str) -> Prediction:
        """What the theorem's rule says of one of the settings, asked or not whether it may."""
        rule = self.theorem.rule
        assert rule is not None
        return Prediction(rule, rule.apply(self.settings[label], self.runs.get(label)))


@dataclass(frozen=True)
class Theorem:
    """One claim about which solution is selected, ready to be put to the test.

    Parameters
    ----------
    id, family : name and family; the page is theory/FAMILY/ID.md.
    kind : "exact", "rate" or "limit" (deviation |measured − expected|), or "bound" (deviation the worst
        lhs/rhs along the run).
    source : key of refs.bib. claim : one sentence.
    settings : rng ↦ Setting, or {label: Setting} for claims about several.
    bound : the largest deviation with which the claim holds.
    control : what must make it fail.
    rule : a selection rule; then the measure is the worst relative distance of run to prediction.
    measure : Run (or {label: Run}) ↦ float or Evidence. One of rule and measure is needed.
    run : keywords of simulate (or {label: keywords}); None: nothing runs, the measure gets the settings.
    hypotheses : what the claim assumes; default: the rule's.
    conditions : further conditions of the draw, as Hypothesis objects; named on the page.
    instances : how many instances ``verify`` draws unless told otherwise.
    figure : (claim, control, ax) ↦ artists, from a Sample of each.
    """

    id: str
    family: str
    kind: str
    source: str
    claim: str
    settings: Callable[[np.random.Generator], Setting | dict[str, Setting]]
    bound: float
    control: Control
    rule: Rule | None = None
    measure: Callable[[Any], float | Evidence] | None = None
    run: Mapping[str, Any] | None = field(default_factory=dict)
    hypotheses: tuple[Hypothesis, ...] | None = None
    conditions: tuple[Hypothesis, ...] = ()
    instances: int = 3
    figure: Callable[[Sample, Sample, Any], Any] | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", self.id):
            raise ValueError(f"a theorem's id is lower-case words joined by hyphens, got {self.id!r}")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.rule is None and self.measure is None:
            raise ValueError(f"{self.id} needs a rule or a measure")
        if self.hypotheses is None:
            if self.rule is None:
                raise ValueError(f"{self.id} has no rule, so it must state its hypotheses")
            object.__setattr__(self, "hypotheses", self.rule.hypotheses)
        if not self.control.above > self.bound:
            raise ValueError(f"{self.id}: the control's threshold must exceed the bound {self.bound:g}")

    # -- the three maps -------------------------------------------------------------------------

    def draw(self, rng: np.random.Generator) -> dict[str, Setting]:
        """Settings by label; a single one has the label ""."""
        drawn = self.settings(rng)
        return drawn if isinstance(drawn, dict) else {"": drawn}

    def keywords(self, label: str) -> dict[str, Any]:
        """The keywords of simulate for one of the settings."""
        run = self.run or {}
        own = run.get(label) if label else None
        return dict(own if isinstance(own, Mapping) else run)

    def measured(self, settings: dict[str, Setting], runs: dict[str, Run]) -> Evidence:
        """What the measure sees, as Evidence."""
        subject: Any = settings if self.run is None else runs
        if self.measure is not None:
            seen = self.measure(subject[""] if set(subject) == {""} else subject)
            return seen if isinstance(seen, Evidence) else Evidence(seen)
        assert self.rule is not None
        distances = {}
        for label, run in runs.items():
            prediction = Prediction(self.rule, self.rule.apply(settings[label], run))
            distances[label] = compare(run, prediction).relative
        return Evidence(max(distances.values()), 0.0, {"distances": distances})

    # -- what must be true of the settings --------------------------------------------------------

    def missed(self, settings: dict[str, Setting], runs: dict[str, Run] | None = None) -> str | None:
        """The first hypothesis that one of the settings (with ``runs``, one of the runs) misses."""
        of, subjects = ("setting", settings) if runs is None else ("run", runs)
        for h in self.hypotheses or ():
            if h.of == of:
                for label, subject in subjects.items():
                    if not h.holds(subject):
                        return h.missed_by(subject) + (f" ({label})" if label else "")
        return None

    def refusal(self, settings: dict[str, Setting]) -> str | None:
        """The first hypothesis of the setting, or condition of the draw, that a draw misses."""
        conditions = (c.text for c in self.conditions for s in settings.values() if not c.holds(s))
        return self.missed(settings) or next(conditions, None)
