"""Tables of numbers, split into rows to fit and rows to hold out, and made into regressions."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any, NamedTuple

import numpy as np

from ..checks import real_array, whole
from ..records import record
from .regression import Regression

__all__ = ["HeldOut", "Split", "Table"]

FEATURES = {"none": 1, "poly2": 2, "poly3": 3}
"""Kinds of features, and the largest degree of their monomials."""

CONSTANT = 1e-12
"""A column whose spread is at most this share of its size carries nothing but rounding."""
MAX_FEATURES = 3000
"""A flow on two factors of as many features has a dense Jacobian of 288 MB."""


@record
class Table:
    """Rows of numbers with named columns: features X (n, d) and a target y (n,).

    ``names`` (d,) name the columns of X (default x1, x2, …), ``target`` names y, ``source`` says where the
    table comes from.

    Raises
    ------
    ValueError
        for wrong shapes, data that are not finite, fewer than two rows, or names that are not d distinct ones.

    Examples
    --------
    >>> table = Table([[1.0, 2.0], [2.0, 1.0], [4.0, 0.0]], [1.0, 0.0, 5.0], ("age", "dose"))
    >>> split = table.split(samples=2, features="poly2", seed=1)
    >>> split.problem.X.shape, split.names
    ((2, 2), ('age', 'dose'))
    >>> split.dropped  # two rows, standardised, are ±1: every product of them is 1 or −1
    ('age²', 'age·dose', 'dose²')
    """

    X: Any
    y: Any
    names: tuple[str, ...] = ()
    target: str = "y"
    source: str = "given"

    def __post_init__(self) -> None:
        X = real_array("X", self.X, (None, None))
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", real_array("y", self.y, (len(X),), "(one target per row of X)"))
        names = tuple(str(n) for n in self.names) or tuple(f"x{j + 1}" for j in range(X.shape[1]))
        if len(names) != X.shape[1] or len({*names, self.target}) != len(names) + 1:
            raise ValueError(
                f"names must be {X.shape[1]} distinct words beside the target {self.target!r}, got {names!r:.120}"
            )
        object.__setattr__(self, "names", names)
        if len(X) < 2:
            raise ValueError(f"{self.source} has {len(X)} row; at least 2 are needed")

    def split(
        self, samples: int | None = None, test: int | None = None, features: str = "none", seed: Any = 0
    ) -> Split:
        """Draw rows to fit, and rows to hold out.

        Parameters
        ----------
        samples : rows to fit; None: half as many as there are features, at most four fifths of all rows.
        test : rows to hold out; None: all others.
        features : "none" (the columns), "poly2" or "poly3" (all monomials of them up to that degree).
        seed : of the drawn order of the rows.

        Raises
        ------
        ValueError
            for more rows than there are, fewer than two to fit, or a target that is constant on them.
        """
        if features not in FEATURES:
            raise ValueError(f"features must be one of {', '.join(FEATURES)}, got {features!r}")
        n, d = self.X.shape
        count = math.comb(d + FEATURES[features], d) - 1
        if count > MAX_FEATURES:
            raise ValueError(
                f"{features} of {d} columns makes {count} features, more than {MAX_FEATURES}: take a lower degree or "
                "drop columns"
            )
        samples = max(2, min(count // 2, n - n // 5)) if samples is None else whole("samples", samples, 2)
        test = max(n - samples, 0) if test is None else whole("test", test, 0)
        if samples + test > n:
            held = f" and {test} to hold out" if test else ""
            raise ValueError(f"{self.source} has {n} rows; {samples} to fit{held} were asked")
        order = np.random.default_rng(seed).permutation(n)
        split = Split(self, order[:samples], order[samples : samples + test], features)
        _ = split.problem  # what is wrong with these rows is said here
        return split


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


class _Scaled(NamedTuple):
    """Standardised columns of the fitted and of the held-out rows, and which columns they are."""

    fit: np.ndarray
    test: np.ndarray
    names: tuple[str, ...]
    dropped: tuple[str, ...]


@record
class Split:
    """The rows of a table that are fitted, the rows that are held out, and the problem that they make.

    Columns are standardised to mean zero and variance one on the fitted rows, multiplied into monomials, and
    standardised again; the target is standardised too. Nothing of the held-out rows enters. A column that is
    constant on the fitted rows cannot be standardised: it is left out and ``dropped`` names it. ``repeated``
    names the columns that equal an earlier one or its negative, as the square of a column of two values does.

    Since the columns have mean zero, X has rank n − 1 at most, and so has y: Xw = y can be solved as soon as
    that rank is reached.
    """

    table: Table
    fit_rows: Any
    test_rows: Any
    features: str = "none"

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

    @property
    def held_out(self) -> HeldOut | None:
        """The other rows in the same units; None without any."""
        mean, spread = self._target
        if not len(self.test_rows):
            return None
        return HeldOut(self._columns.test, (self.table.y[self.test_rows] - mean) / spread)

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
        X = self.problem.X
        correlation = np.triu(np.abs(X.T @ X) / len(X), 1)
        return tuple(self.names[j] for j in np.flatnonzero(correlation.max(axis=0) >= 1 - 1e-10))

    def folds(self, count: int) -> list[tuple[Regression, HeldOut]]:
        """The fitted rows in ``count`` parts: for each part, the problem of the others, and the part held out.

        Each problem is standardised on its own rows; ``unit`` tells errors in the unit of the whole.

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
            split = Split(self.table, np.delete(rows, part), rows[part], self.features)
            held = split.held_out
            assert held is not None
            made.append((split.problem, held._replace(unit=split._target[1] / self._target[1])))
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
