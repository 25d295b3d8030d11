"""The atlas of separable data: which separator does each setting select, and what is its margin in each norm?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..dynamics import Setting, Stop
from ..geometry import LpNorm, MahalanobisNorm, SchattenNorm
from ..geometry.norms import as_norm
from ..problems import Classification, HeldOutClasses
from ..selection import (
    Comparison,
    FourierMargin,
    MaxMargin,
    NoPrediction,
    NotSeparable,
    Prediction,
    SignedMargin,
    max_margin,
)
from ..selection.margins import separating_direction
from . import figures
from .classifiers import recipes
from .kinds import Column, Figure, Kind, Limits, Measure, Seen, held_out_error, near, pairwise

__all__ = ["Separators"]

LOG_TIME = 1e4
"""log t at which flows end: a direction is approached like 1/log t."""
SETTLED = 2e-2
"""A direction that has moved by less since its w was half as long is told as settled."""
TRIALS = 8
"""Drawn problems by which a bias is identified."""


class NormColumn(NamedTuple):
    """A norm in which margins are measured."""

    head: str
    norm: Any


NORMS = {"l1": NormColumn("ℓ1", 1), "l2": NormColumn("ℓ2", 2), "linf": NormColumn("ℓ∞", np.inf)}
OF_MATRICES = {"spectral": NormColumn("spectral", "spectral"), "nuclear": NormColumn("nuclear", "nuclear")}


def _is_confined(setting: Setting) -> bool:
    """Whether decay keeps w in a bounded set."""
    return bool(getattr(setting.optimizer, "decay", 0.0) or getattr(setting.optimizer, "weight_decay", 0.0))


def _training(seen: Seen) -> float:
    problem = seen.run.setting.problem
    return HeldOutClasses(problem.X, problem.y).error(seen.run.w)


def moved(seen: Seen) -> float:
    """‖u − u′‖₂ of the unit directions at the end and at the last moment of half its clock; NaN without one."""
    if len(seen.trail) < 2:
        return np.nan
    clock, w = seen.trail[-1]
    before = [v for c, v in seen.trail[:-1] if 2 * c <= clock]
    return float(np.linalg.norm(unit(w) - unit(before[-1]))) if before else np.nan


def gap(seen: Seen) -> float:
    """1 − margin/best margin in the norm that theory names; NaN where it names none."""
    program = None if seen.prediction is None else seen.prediction.program
    if not isinstance(program, MaxMargin | SignedMargin | FourierMargin):
        return np.nan
    w = seen.run.w
    least = float(np.min(seen.run.setting.problem.margins(w)))
    return 1.0 - least / program.objective(w) * program.objective(program.solution)


def unit(w: np.ndarray) -> np.ndarray:
    """w/‖w‖₂, and zero for zero."""
    size = float(np.linalg.norm(w))
    return w / size if size else w


MARGINAL = (
    Measure("training", "train", _training, "{:.3f}", "share of misclassified fitted rows"),
    Measure(
        "held_out", "held-out", held_out_error, "{:.3f}", "share of misclassified rows that were not fitted"
    ),
    Measure("moved", "moved", moved, "{:.1e}", "how far the direction has moved since w was half as long"),
    Measure("gap", "gap", gap, "{:.1e}", "1 − margin/best margin in the norm that theory names"),
)


class Separators(Kind):
    """A separable Classification: the directions of w.

    Raises
    ------
    NoPrediction
        for data that are not separable, naming rows that prove it, with the weights in ``certificate``.
    """

    problem: Classification

    limits = Limits(300_000, 10_000_000, 20_000)
    explanation = (
        "Each row is one setting: a model, an optimizer and a start. Columns with the name of a norm hold the least "
        "margin of the direction in that norm, as a fraction of the best that any direction has. <b>selects</b> is the "
        "program that theory says the setting solves, <b>gap</b> one minus the fraction in the norm of that program, "
        "and <b>distance</b> that between the directions, where the program has one solution; rows with one letter "
        "have one prediction. <b>moved</b> is how far the direction has moved since w was half as long (under decay: "
        "since half of the steps): where it settles like 1/‖w‖, as much is left to come. <b>status</b> is "
        f"<i>converged</i> where that is at most {SETTLED:g}, and <i>budget</i> where the direction still moves. Where "
        "no rule answers, the row says which hypothesis each misses."
    )

    def __init__(self, problem: Classification, about: Mapping[str, Any] | None = None) -> None:
        super().__init__(problem, about)
        try:
            separating_direction(problem.Z)
        except NotSeparable as proof:
            raise NoPrediction(self._inseparable(proof.weights), certificate=proof.weights) from proof
        except ArithmeticError as undecided:
            raise ValueError(str(undecided)) from undecided
        self.best = {key: self._best(c.norm) for key, c in self.norms.items()}

    def _best(self, norm: Any) -> float:
        """The best margin in a norm; NaN where its solver fails."""
        try:
            return max_margin(self.problem, norm).margin
        except (ArithmeticError, np.linalg.LinAlgError):
            return np.nan

    def _inseparable(self, weights: np.ndarray) -> str:
        """Which samples cannot be separated, and what may help."""
        sample = np.flatnonzero(weights.reshape(self.problem.n, -1).sum(axis=1) > 0)
        table = self.about.get("fitted_rows")
        named = sample if table is None else np.asarray(table)[sample]
        shown = ", ".join(str(i) for i in np.sort(named)[:10]) + (" …" if len(named) > 10 else "")
        return (
            f"the data are not separable: there are weights p ≥ 0 on {len(named)} of the {self.problem.n} fitted rows "
            f"({shown}; from 0{'' if table is None else ', of the table'}) with Σ p_i z_i = 0, so that no w has all of "
            'their margins positive; fit fewer rows (samples), or features that separate them (features "poly2")'
        )

    @cached_property
    def norms(self) -> dict[str, NormColumn]:
        """The norms in which margins are measured, by key of the measure."""
        return NORMS if self.problem.is_binary else NORMS | OF_MATRICES

    @property
    def measures(self) -> tuple[Measure, ...]:  # type: ignore[override]
        return (*(self._margin(key) for key in self.norms), *MARGINAL)

    def _margin(self, key: str) -> Measure:
        head, norm = self.norms[key]
        best = self.best[key]
        return Measure(
            key,
            head,
            lambda seen: seen.run.margin(norm) / best,
            "{:.4f}",
            f"margin in {head} over the best one",
        )

    @cached_property
    def rank(self) -> int:
        """The rank of X."""
        return int(np.linalg.matrix_rank(self.problem.X))

    def recipes(self) -> dict[str, Callable[[Any], Setting]]:
        return recipes(self.problem.is_binary)

    def held_out(self, given: Any) -> HeldOutClasses | None:
        """(X, y) with the labels of the problem, or as they come from a split."""
        if given is None or isinstance(given, HeldOutClasses):
            return given
        X, y = np.asarray(given[0], dtype=float), np.asarray(given[1], dtype=float)
        d = self.problem.X.shape[1]
        if X.ndim != 2 or X.shape[1] != d or y.shape != X.shape[:1] or not np.all(np.isfinite(X)):
            raise ValueError(
                f"the held-out rows must be finite (m, {d}) with m labels, got shapes {X.shape} and {y.shape}"
            )
        foreign = np.setdiff1d(y, self.problem.classes)
        if foreign.size:
            raise ValueError(f"the held-out rows have a class {foreign[0]:g} that no fitted row has")
        row = np.searchsorted(self.problem.classes, y)
        return HeldOutClasses(X, 2.0 * row - 1.0 if self.problem.is_binary else row)

    def baseline(self, held_out: HeldOutClasses) -> float:
        """That of saying always the class of most fitted rows."""
        labels, counts = np.unique(self.problem.y, return_counts=True)
        return float(np.mean(held_out.y != labels[np.argmax(counts)]))

    def draw(self, own_shape: bool) -> Any:
        from ..discovery.probing import Draw

        if not self.problem.is_binary:
            return None
        n, d = self.problem.X.shape if own_shape else (8, 16)
        return Draw(TRIALS, n, d, "exp") if n < d else None

    def stop(self, setting: Setting) -> Stop:
        """Flows end at log t = 10⁴, steps with their budget."""
        return Stop(log_time=LOG_TIME) if setting.is_flow else Stop()

    def clock(self, setting: Setting, moment: Any) -> float:
        """‖w‖₂, which grows without end and by which directions settle; under decay the steps."""
        return float(moment.steps if _is_confined(setting) else np.linalg.norm(moment.w))

    def ending(self, seen: Seen) -> tuple[str, str]:
        run, much = seen.run, moved(seen)
        if run.status != "converged" or not much > SETTLED:
            return run.status, run.message
        since = "the first half of the steps" if _is_confined(run.setting) else "w was half as long"
        return "budget", f"{run.message}; the direction still moves, by {much:.2g} since {since}"

    def distance(self, pred: Prediction, seen: Comparison) -> float:
        """Between directions; NaN for norms that are not strictly convex, where there may be several."""
        norm = getattr(pred.program, "norm", None)
        flat = isinstance(pred.program, MaxMargin) and not _is_round(norm)
        return np.nan if flat else seen.relative

    def predicted(self, pred: Prediction) -> np.ndarray | None:
        return pred.w if pred.direction is None else pred.direction

    def norm(self, pred: Prediction) -> str:
        norm = pred.program.norm if isinstance(pred.program, MaxMargin) else None
        return next((key for key, c in self.norms.items() if as_norm(c.norm) == norm), "")

    def point(self, w: np.ndarray) -> np.ndarray:
        return unit(w)

    def groups(self, rows: Sequence[Any], distances: np.ndarray) -> list[list[int]]:
        """The rows with a prediction, those of one prediction together."""
        points = [None if row.predicted is None else unit(row.predicted) for row in rows]
        apart = pairwise(points, self.problem.w_shape)
        return near([i for i, p in enumerate(points) if p is not None], apart)

    @property
    def columns(self) -> tuple[Column, ...]:
        margins, others = self.measures[: len(self.norms)], self.measures[len(self.norms) :]
        return (
            Column("log L", lambda row: row.log_loss, "{:.4g}"),
            *(m.column for m in margins),
            *(m.column for m in others),
            Column("distance", lambda row: row.distance, "{:.1e}"),
        )

    def summary(self) -> dict[str, Any]:
        return {
            "samples": self.problem.n,
            "features": self.problem.X.shape[1],
            "rank": self.rank,
            "classes": list(self.problem.classes),
            "separable": True,
        }

    def reference(self) -> dict[str, Any]:
        return {"best": self.best}

    def stored(self, row: Any) -> dict[str, Any]:
        return {
            "log_loss": row.log_loss,
            "log_time": row.log_time,
            "norm": row.norm,
            "direction": None if row.w is None else unit(row.w),
        }

    def facts(self, atlas: Any) -> list[str]:
        about, (n, d) = self.about, self.problem.X.shape
        origin = f"{about['source']}, target {about['target']}: " if about else ""
        counts = np.unique(self.problem.y, return_counts=True)[1]
        held = ", ".join(f"{c:g} ({k})" for c, k in zip(self.problem.classes, counts))
        lines = [f"{origin}{n} fitted rows of the classes {held}, {d} features, rank {self.rank}; separable"]
        if "length" in about:
            lines.append(
                "columns are standardised, a constant one is the intercept, and all rows are divided by "
                f"{about['length']:.4g}, so that max ‖x‖₂ = 1"
            )
        lines += self.left_out()
        told = ", ".join(
            f"{c.head} {self.best[key]:.4g}" if np.isfinite(self.best[key]) else f"{c.head} not found"
            for key, c in self.norms.items()
        )
        lines.append(f"best margin of any direction: {told}")
        if np.isfinite(atlas.baseline):
            lines.append(f"held-out error of the class of most fitted rows: {atlas.baseline:.3f}")
        count = sum(row.converged for row in atlas.rows)
        return [
            *lines,
            f"the directions of {count} of {len(atlas.rows)} settings have settled; theory names {len(atlas.groups)} "
            "different ones (letters)",
        ]

    def figures(self, atlas: Any) -> list[Figure]:
        tall = 1.2 + 0.15 * len(atlas.rows)
        return [
            Figure(
                figures.draw_margins,
                "Margin in each norm over the best; framed is the norm that theory names.",
                (3.4 + 0.55 * len(self.norms), tall),
                "half",
            ),
            Figure(
                figures.draw_distances,
                "How far apart: ‖u_i − u_j‖₂ of unit directions. Dark is one direction.",
                (tall + 3.4, tall),
            ),
        ]


def _is_round(norm: Any) -> bool:
    """Whether a norm is strictly convex."""
    if isinstance(norm, MahalanobisNorm):
        return True
    return isinstance(norm, LpNorm | SchattenNorm) and 1 < norm.p < np.inf
