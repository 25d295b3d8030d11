"""What an atlas needs to know of a kind of problem: what runs on it, until when, and what is told of a solution."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..dynamics import Run, Setting, Stop
from ..selection import Comparison, Prediction

__all__ = ["Column", "Figure", "Kind", "Limits", "Measure", "Seen"]


SAME = 1e-6
"""Points of a smaller relative distance are told as one: far above what goals leave, far below what differs."""


class Limits(NamedTuple):
    """Default limits on the steps that a fused loop takes, on those of single samples, and on those of Python."""

    fused: int = 1_000_000
    single: int = 10_000_000
    plain: int = 200_000


@dataclass(frozen=True, eq=False)
class Seen:
    """What a measure may look at.

    run : where a setting ended.
    held_out : rows that were not fitted, or None.
    prediction : what theory says, or None.
    trail : (clock, w) of moments on the way (``Kind.clock``), each a fifth later than the one before, and of the end.
    """

    run: Run
    held_out: Any = None
    prediction: Prediction | None = None
    trail: Sequence[tuple[float, np.ndarray]] = ()


@dataclass(frozen=True)
class Measure:
    """A number that a row tells of its solution: ``of`` takes a :class:`Seen`, ``text`` formats it for people."""

    key: str
    head: str
    of: Callable[[Seen], float]
    text: str = "{:.4g}"
    about: str = ""

    @property
    def column(self) -> Column:
        """The measure in a table."""
        return Column(self.head, lambda row: row.measures.get(self.key, np.nan), self.text)


class Column(NamedTuple):
    """A column of numbers of the tables; ``of`` takes a row."""

    head: str
    of: Callable[[Any], float]
    text: str

    def cell(self, row: Any) -> str:
        """The number of a row; a dash where it has none."""
        x = self.of(row)
        return self.text.format(x) if np.isfinite(x) else "—"


class Figure(NamedTuple):
    """A figure of an atlas: ``draw`` takes (atlas, ax), ``size`` (inches) is that of its axes."""

    draw: Callable[[Any, Any], Any]
    caption: str
    size: tuple[float, float]
    css: str = ""


class Kind(ABC):
    """One problem as an atlas reads it. A subclass for each class of problems; its ``problem`` is what is fitted."""

    limits = Limits()
    measures: tuple[Measure, ...] = ()
    explanation = ""
    """Of the columns, in HTML."""

    def __init__(self, problem: Any, about: Mapping[str, Any] | None = None) -> None:
        self.problem, self.about = problem, dict(about or {})

    @abstractmethod
    def recipes(self) -> dict[str, Callable[[Any], Setting]]:
        """The default settings by name, as functions of a problem."""

    @abstractmethod
    def held_out(self, given: Any) -> Any:
        """Rows that are not fitted, of the problem's width and finite; None for None."""

    @abstractmethod
    def baseline(self, held_out: Any) -> float:
        """The held-out error of a predictor that has seen the targets alone."""

    @abstractmethod
    def stop(self, setting: Setting) -> Stop:
        """The goals of a run."""

    @abstractmethod
    def clock(self, setting: Setting, moment: Any) -> float:
        """By which moments of a run the ``trail`` is kept."""

    @abstractmethod
    def ending(self, seen: Seen) -> tuple[str, str]:
        """The status and the message of a row."""

    @abstractmethod
    def distance(self, pred: Prediction, seen: Comparison) -> float:
        """From a run to its prediction, relative to that; NaN where the prediction is not one point."""

    def predicted(self, pred: Prediction) -> np.ndarray | None:
        """The point that a prediction names."""
        return pred.w

    def norm(self, pred: Prediction) -> str:
        """The key of the measure in whose norm a prediction maximises the margin; empty without one."""
        return ""

    @abstractmethod
    def point(self, w: np.ndarray) -> np.ndarray:
        """What of a solution is compared with that of others."""

    @abstractmethod
    def groups(self, rows: Sequence[Any], distances: np.ndarray) -> list[list[int]]:
        """Row numbers (from 0) of rows that belong together."""

    @property
    @abstractmethod
    def rank(self) -> int:
        """The rank of X."""

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """Columns of numbers."""

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """The problem, for the JSON file."""

    @abstractmethod
    def reference(self) -> dict[str, Any]:
        """What rows are held against, for the JSON file."""

    def stored(self, row: Any) -> dict[str, Any]:
        """What the JSON file has of a row beside what all have."""
        return {}

    @abstractmethod
    def facts(self, atlas: Any) -> list[str]:
        """What there is to say of the data and of all rows together, a sentence a line."""

    @abstractmethod
    def figures(self, atlas: Any) -> list[Figure]:
        """The figures of the page, the first for ``--figure``."""

    def draw(self, own_shape: bool) -> Any:
        """The problems (``discovery.probing.Draw``) by which a recipe's bias is identified, of the shape of this one
        where ``own_shape``; None where there are none.
        """
        return None

    def left_out(self) -> list[str]:
        """Which columns were left out, and which say the same as others."""
        lines = []
        for key, why in (
            ("dropped", "left out, constant on the fitted rows"),
            ("repeated", "equal to an earlier column or its negative"),
        ):
            names = self.about.get(key, ())
            if names:
                more = f" and {len(names) - 8} more" if len(names) > 8 else ""
                lines.append(f"columns {why}: {', '.join(names[:8])}{more}")
        return lines


def held_out_error(seen: Seen) -> float:
    """That of the run; NaN without held-out rows."""
    return np.nan if seen.held_out is None else float(seen.held_out.error(seen.run.w))


def near(rows: Sequence[int], distances: np.ndarray) -> list[list[int]]:
    """``rows`` in groups: each is the same as the first of its group."""
    groups: list[list[int]] = []
    for i in rows:
        group = next((g for g in groups if distances[i, g[0]] <= SAME), None)
        groups.append([i]) if group is None else group.append(i)
    return groups


def pairwise(points: Sequence[np.ndarray | None], shape: tuple[int, ...]) -> np.ndarray:
    """(m, m) ‖p_i − p_j‖₂ / max(‖p_i‖₂, ‖p_j‖₂); NaN where there is no point."""
    missing = np.full(shape, np.nan)
    P = np.array([missing if p is None else p for p in points]).reshape(len(points), -1)
    size = np.linalg.norm(P, axis=1)
    larger = np.maximum(size[:, None], size[None])
    apart = np.array([np.linalg.norm(P - p, axis=1) for p in P]).reshape(larger.shape)
    result: np.ndarray = apart / np.where(larger == 0, 1.0, larger)
    return result
