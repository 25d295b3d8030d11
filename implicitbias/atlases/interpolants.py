"""The atlas of a regression: which interpolant does each setting select?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..dynamics import Setting, Stop
from ..geometry.bregman import row_space
from ..problems import HeldOut, Regression
from ..selection import Comparison, LeastNorm, Prediction
from . import figures
from .defaults import recipes
from .kinds import SAME, Column, Figure, Kind, Measure, Seen, held_out_error, near

__all__ = ["Interpolants"]

SUPPORT = 1e-3
"""A coordinate counts as used when |w_j| exceeds this share of the largest."""
TRIALS = 12
"""Drawn problems by which a bias is identified."""


def _support(w: np.ndarray) -> float:
    size = np.abs(w)
    return float(np.sum(size > SUPPORT * np.max(size)))


class Interpolants(Kind):
    """A Regression: the solutions w with Xw = y, or of least squares."""

    problem: Regression

    measures = (
        Measure("l1", "‖w‖₁", lambda s: float(np.sum(np.abs(s.run.w))), "{:.4f}", "Σ|w_j|"),
        Measure("l2", "‖w‖₂", lambda s: float(np.linalg.norm(s.run.w)), "{:.4f}", "the Euclidean norm"),
        Measure("linf", "‖w‖∞", lambda s: float(np.max(np.abs(s.run.w))), "{:.4f}", "max|w_j|"),
        Measure(
            "support", "support", lambda s: _support(s.run.w), "{:.0f}",
            f"coordinates with |w_j| > {SUPPORT:g}·‖w‖∞",
        ),
        Measure("held_out", "held-out", held_out_error, "{:.3f}", "mean squared error on rows that were not fitted"),
    )  # fmt: skip
    explanation = (
        "Each row is one setting: a model, an optimizer and a start. <b>status</b> says how its run ended; rows with "
        "one letter ended at one solution. <b>selects</b> is what theory says the setting minimises, <b>distance</b> "
        "how far the run ended from the predicted minimiser, relative to it, and <b>certificate</b> the worst of "
        "feasibility, stationarity and duality gap of the simulated solution for that program: it trusts neither "
        "theory nor solver. A run that did not converge is held against the prediction as it stands. Where no rule "
        "answers, the row says which hypothesis each misses."
    )

    @cached_property
    def rank(self) -> int:
        """The rank of X."""
        return len(row_space(self.problem.X, self.problem.y)[0])

    @cached_property
    def least(self) -> dict[str, float]:
        """The least ‖w‖₁, ‖w‖₂ and ‖w‖∞ of any w with Xw = y, by key of the measure; empty where there is none."""
        if not self.problem.consistent:
            return {}
        programs = {
            key: LeastNorm(p, self.problem.X, self.problem.y)
            for key, p in (("l1", 1), ("l2", 2), ("linf", np.inf))
        }
        return {key: program.objective(program.solution) for key, program in programs.items()}

    def recipes(self) -> dict[str, Callable[[Any], Setting]]:
        return recipes()

    def held_out(self, given: Any) -> HeldOut | None:
        if given is None:
            return None
        part = Regression(given[0], given[1])
        if part.w_shape != self.problem.w_shape:
            raise ValueError(
                f"the held-out rows have {part.w_shape[0]} columns; the problem has {self.problem.w_shape[0]}"
            )
        return HeldOut(part.X, part.y, *given[2:])

    def baseline(self, held_out: HeldOut) -> float:
        """That of w = 0, the mean of standardised targets."""
        return held_out.error(np.zeros(self.problem.w_shape))

    def draw(self, own_shape: bool) -> Any:
        from ..discovery.probing import Draw

        if not own_shape:
            return Draw(TRIALS)
        n, d = self.problem.X.shape
        return Draw(TRIALS, n, d) if n < d else None

    def stop(self, setting: Setting) -> Stop:
        """A residual of 1e-11‖y‖ where it can be reached, else a gradient of 1e-12‖∇L(0)‖.

        It cannot where Xw = y has no solution, and under weight decay.
        """
        problem, zero = setting.problem, np.zeros(setting.problem.w_shape)
        decays = getattr(setting.optimizer, "weight_decay", 0.0) != 0.0
        if problem.consistent and not decays:
            return Stop(loss=1e-22 * float(problem.loss(zero)))
        return Stop(gradient=1e-12 * float(np.linalg.norm(problem.gradient(zero))))

    def clock(self, setting: Setting, moment: Any) -> float:
        return float(moment.steps)

    def ending(self, seen: Seen) -> tuple[str, str]:
        return seen.run.status, seen.run.message

    def distance(self, pred: Prediction, seen: Comparison) -> float:
        return seen.relative

    def point(self, w: np.ndarray) -> np.ndarray:
        return w

    def groups(self, rows: Sequence[Any], distances: np.ndarray) -> list[list[int]]:
        """The converged rows, those of one solution together."""
        return near([i for i, row in enumerate(rows) if row.converged and row.w is not None], distances)

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column("loss", lambda row: row.loss, "{:.1e}"),
            *(m.column for m in self.measures),
            Column("distance", lambda row: row.distance, "{:.1e}"),
            Column("certificate", lambda row: row.certified, "{:.1e}"),
        )

    def summary(self) -> dict[str, Any]:
        return {
            "samples": self.problem.n,
            "features": self.problem.w_shape[0],
            "rank": self.rank,
            "consistent": self.problem.consistent,
        }

    def reference(self) -> dict[str, Any]:
        return {"least": self.least}

    def facts(self, atlas: Any) -> list[str]:
        n, d, about = self.problem.n, self.problem.w_shape[0], self.about
        origin = f"{about['source']}, target {about['target']}: " if about else ""
        solvable = "can" if self.problem.consistent else "cannot"
        lines = [f"{origin}{n} fitted rows, {d} features, rank {self.rank}; Xw = y {solvable} be solved"]
        lines += self.left_out()
        if self.least:
            told = [
                f"{m.head} {m.text.format(self.least[m.key])}" for m in self.measures if m.key in self.least
            ]
            lines.append(f"least of any interpolant: {', '.join(told)}")
        if np.isfinite(atlas.baseline):
            lines.append(f"held-out error of w = 0 (the mean of the fitted targets): {atlas.baseline:.3f}")
        count, different = sum(row.converged for row in atlas.rows), len(atlas.groups)
        return [
            *lines,
            f"{count} of {len(atlas.rows)} settings converged, to {different} different solutions "
            f"(letters; equal up to {SAME:g})",
        ]

    def figures(self, atlas: Any) -> list[Figure]:
        size = 1.2 + 0.15 * len(atlas.rows)
        drawn = [
            Figure(
                figures.draw_distances,
                "How far apart: ‖w_i − w_j‖₂ over the larger norm. Dark is one solution.",
                (size + 3.4, size),
            )
        ]
        if self.least:
            caption = "What each interpolant costs in two norms; dashed: the least of any."
            drawn.append(Figure(figures.draw_norms, caption, (4.6, 3.4), "half"))
        return drawn
