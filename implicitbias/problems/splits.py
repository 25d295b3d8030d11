"""Rows to fit and rows to hold out: standardised on the fitted rows, and made into a problem."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..checks import whole
from ..records import record
from .classification import Classification
from .regression import Regression

if TYPE_CHECKING:
    from .tables import Table

__all__ = ["ClassSplit", "HeldOut", "HeldOutClasses", "Split"]

FEATURES = {"none": 1, "poly2": 2, "poly3": 3}
"""Kinds of features, and the largest degree of their monomials."""

CONSTANT = 1e-12
"""A column whose spread is at most this share of its size carries nothing but rounding."""


class HeldOut(NamedTuple):
    """Rows that are not fitted: X (m, d) and y (m,), in the units of a problem.

    ``unit`` is the size of that problem's unit of y in the unit in which errors are to be told.
    """

    X: np.ndarray
    y: np.ndarray
    unit: float = 1.0

    def error(self, w: np.ndarray) -> float:
        """The mean squared error unit²·‖Xw − y‖²/m."""
        return float(self.unit**2 * np.mean((self.X @ w - self.y) ** 2))


class HeldOutClasses(NamedTuple):
    """Rows X (m, d) and their classes y (m,) as a Classification has them: ±1, or rows of W (k, d).

    >>> HeldOutClasses(np.eye(2), np.array([1.0, -1.0])).error(np.array([3.0, 1.0]))
    0.5
    """

    X: np.ndarray
    y: np.ndarray

    def error(self, w: np.ndarray) -> float:
        """The share of misclassified rows; a tie is an error."""
        if w.ndim == 1:
            return float(np.mean(self.y * (self.X @ w) <= 0))
        scores, each = self.X @ w.T, np.arange(len(self.y))
        own = scores[each, self.y]
        scores[each, self.y] = -np.inf
        return float(np.mean(own <= scores.max(axis=1)))


class _Scaled(NamedTuple):
    """Standardised columns of the fitted and of the held-out rows, and which columns they are."""

    fit: np.ndarray
    test: np.ndarray
    names: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Drawn(ABC):
    """The rows of a table that are fitted, and those that are held out, of which nothing enters the problem.

    Columns are standardised to mean zero and variance one on the fitted rows, multiplied into monomials, and
    standardised again. A column that is constant on the fitted rows cannot be standardised: it is left out and
    ``dropped`` names it. ``repeated`` names the columns that equal an earlier one or its negative, as the square of
    a column of two values does.
    """

    table: Table
    fit_rows: Any
    test_rows: Any
    features: str = "none"

    @property
    @abstractmethod
    def problem(self) -> Any:
        """The problem of the fitted rows."""

    @abstractmethod
    def _held_out(self, whole: Any) -> Any:
        """The other rows in this split's units, which tell errors in those of the split ``whole``."""

    @property
    def held_out(self) -> Any:
        """The other rows in the same units; None without any."""
        return self._held_out(self) if len(self.test_rows) else None

    @cached_property
    def _columns(self) -> _Scaled:
        X, names = self.table.X, self.table.names
        base = _standardised(X[self.fit_rows], X[self.test_rows], names)
        degree = FEATURES[self.features]
        if not base.names:
            raise ValueError(f"every column of {self.table.source} is constant on the fitted rows")
        if degree == 1:
            return base
        factors = [
            c for k in range(1, degree + 1) for c in combinations_with_replacement(range(len(base.names)), k)
        ]
        fit, test = (
            np.stack([np.prod(part[:, c], axis=1) for c in factors], axis=1) for part in (base.fit, base.test)
        )
        return _standardised(fit, test, tuple(_monomial(base.names, c) for c in factors), base.dropped)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the problem's columns."""
        return self._columns.names

    @property
    def dropped(self) -> tuple[str, ...]:
        """Names of the columns that are constant on the fitted rows."""
        return self._columns.dropped

    @cached_property
    def repeated(self) -> tuple[str, ...]:
        """Names of the columns that equal an earlier one, or its negative."""
        X = self._columns.fit
        correlation = np.triu(np.abs(X.T @ X) / len(X), 1)
        return tuple(self._columns.names[j] for j in np.flatnonzero(correlation.max(axis=0) >= 1 - 1e-10))

    def folds(self, count: int) -> list[tuple[Any, Any]]:
        """The fitted rows in ``count`` parts: for each part, the problem of the others, and the part held out.

        Each problem is standardised on its own rows, and tells errors in the units of the whole.

        Raises
        ------
        ValueError
            for fewer than two parts, or more than there are fitted rows.
        """
        count = whole("folds", count, 2)
        rows = np.asarray(self.fit_rows)
        if count > len(rows):
            raise ValueError(f"{count} folds of {len(rows)} rows were asked: at most one a row is possible")
        made = []
        for part in np.array_split(np.arange(len(rows)), count):
            split = replace(self, fit_rows=np.delete(rows, part), test_rows=rows[part])
            made.append((split.problem, split._held_out(self)))
        return made

    def describe(self) -> dict[str, Any]:
        """What the split is, in words and numbers."""
        table = self.table
        return {
            "source": table.source,
            "target": table.target,
            "rows": len(table.y),
            "fitted": len(self.fit_rows),
            "held_out": len(self.test_rows),
            "features": self.features,
            "names": list(self.names),
            "dropped": list(self.dropped),
            "repeated": list(self.repeated),
        }


@record
class Split(Drawn):
    """Rows of a table to fit and rows to hold out, as a Regression: the target is standardised like the columns.

    Since the columns have mean zero, X has rank n − 1 at most, and so has y: Xw = y can be solved as soon as
    that rank is reached.
    """

    @cached_property
    def _target(self) -> tuple[float, float]:
        """Mean and standard deviation of y on the fitted rows."""
        y = self.table.y[self.fit_rows]
        mean, spread = float(np.mean(y)), float(np.std(y))
        if spread <= CONSTANT * float(np.max(np.abs(y))):
            raise ValueError(
                f"the target {self.table.target!r} is constant ({y[0]:g}) on the {len(y)} fitted rows: fit more of "
                "them, or draw others by another seed"
            )
        return mean, spread

    @cached_property
    def problem(self) -> Regression:
        """The regression of the fitted rows."""
        mean, spread = self._target
        return Regression(self._columns.fit, (self.table.y[self.fit_rows] - mean) / spread)

    def _held_out(self, whole: Split) -> HeldOut:
        mean, spread = self._target
        y = (self.table.y[self.test_rows] - mean) / spread
        return HeldOut(self._columns.test, y, spread / whole._target[1])


@record
class ClassSplit(Drawn):
    """Rows of some ``classes`` of a table to fit and rows to hold out, as a Classification with loss "exp".

    To the standardised columns a constant one is added, the intercept, so that a hyperplane need not pass through
    the mean; then all rows are divided by one number, ``length``, so that max_i ‖x_i‖₂ = 1 over the fitted rows.
    """

    classes: tuple[float, ...] = ()

    def _with_intercept(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, np.ones(len(X))])

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the problem's columns."""
        return (*self._columns.names, "intercept")

    @cached_property
    def length(self) -> float:
        """max_i ‖x_i‖₂ of the fitted rows before they are divided by it."""
        return float(np.max(np.linalg.norm(self._with_intercept(self._columns.fit), axis=1)))

    @property
    def counts(self) -> dict[float, int]:
        """Fitted rows of each class."""
        y = self.table.y[self.fit_rows]
        return {c: int(np.sum(y == c)) for c in self.classes}

    @cached_property
    def problem(self) -> Classification:
        """The classification of the fitted rows."""
        missing = [c for c, count in self.counts.items() if count == 0]
        if missing:
            raise ValueError(
                f"none of the {len(self.fit_rows)} fitted rows is of class {missing[0]:g}: fit more of them, or draw "
                "others by another seed"
            )
        X = self._with_intercept(self._columns.fit) / self.length
        return Classification(X, self.table.y[self.fit_rows])

    def _held_out(self, whole: ClassSplit) -> HeldOutClasses:
        row = np.searchsorted(self.classes, self.table.y[self.test_rows])
        y = 2.0 * row - 1.0 if len(self.classes) == 2 else row
        return HeldOutClasses(self._with_intercept(self._columns.test) / self.length, y)

    def describe(self) -> dict[str, Any]:
        """What the split is, in words and numbers; ``fitted_rows`` are rows of the table, from 0."""
        return Drawn.describe(self) | {
            "classes": list(self.classes),
            "counts": list(self.counts.values()),
            "length": self.length,
            "fitted_rows": np.asarray(self.fit_rows).tolist(),
        }


def _standardised(
    fit: np.ndarray, test: np.ndarray, names: tuple[str, ...], dropped: tuple[str, ...] = ()
) -> _Scaled:
    """Mean zero and variance one on the rows ``fit``, the same map for ``test``; constant columns left out."""
    mean, spread = np.mean(fit, axis=0), np.std(fit, axis=0)
    varies = spread > CONSTANT * np.max(np.abs(fit), axis=0)
    kept, gone = np.flatnonzero(varies), np.flatnonzero(~varies)
    mean, spread = mean[kept], spread[kept]
    return _Scaled(
        (fit[:, kept] - mean) / spread,
        (test[:, kept] - mean) / spread,
        tuple(names[j] for j in kept),
        dropped + tuple(names[j] for j in gone),
    )


def _monomial(names: tuple[str, ...], factors: tuple[int, ...]) -> str:
    powers = {j: factors.count(j) for j in factors}
    return "·".join(names[j] + ("", "²", "³")[k - 1] for j, k in powers.items())
