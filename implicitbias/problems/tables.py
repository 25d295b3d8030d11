"""Tables of numbers, split into rows to fit and rows to hold out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..checks import real_array, whole
from ..records import record
from .splits import FEATURES, ClassSplit, Split

__all__ = ["Table"]

MAX_FEATURES = 3000
"""A flow on two factors of as many features has a dense Jacobian of 288 MB."""

MOST_MARGINS = 500
"""Margins, one for each fitted row and other class, that are fitted at most where classes are given, unless more are
asked."""


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
        self,
        samples: int | None = None,
        test: int | None = None,
        features: str = "none",
        seed: Any = 0,
        classes: Sequence[float] | None = None,
    ) -> Split | ClassSplit:
        """Draw rows to fit, and rows to hold out.

        Parameters
        ----------
        samples : rows to fit; None: of a regression half as many as there are features, at most four fifths of all
            rows; of k classes half their rows, at most 500/(k − 1).
        test : rows to hold out; None: all others.
        features : "none" (the columns), "poly2" or "poly3" (all monomials of them up to that degree).
        seed : of the drawn order of the rows.
        classes : values of the target, at least two: only their rows are drawn, and the problem is a Classification.

        Raises
        ------
        ValueError
            for more rows than there are, fewer than two to fit, a target that is constant on them, or classes that
            the target does not have or that are no class codes.
        """
        if features not in FEATURES:
            raise ValueError(f"features must be one of {', '.join(FEATURES)}, got {features!r}")
        d = self.X.shape[1]
        count = math.comb(d + FEATURES[features], d) - 1
        if count > MAX_FEATURES:
            raise ValueError(
                f"{features} of {d} columns makes {count} features, more than {MAX_FEATURES}: take a lower degree or "
                "drop columns"
            )
        codes = None if classes is None else self._codes(classes)
        rows = np.arange(len(self.X)) if codes is None else np.flatnonzero(np.isin(self.y, codes))
        if samples is None:
            n = len(rows)
            samples = max(
                2,
                min(count // 2, n - n // 5)
                if codes is None
                else min(n // 2, MOST_MARGINS // (len(codes) - 1)),
            )
        fit, held = self._drawn(rows, whole("samples", samples, 2), test, seed)
        split = (
            Split(self, fit, held, features)
            if codes is None
            else ClassSplit(self, fit, held, features, codes)
        )
        _ = split.problem  # what is wrong with these rows is said here
        return split

    def _drawn(
        self, rows: np.ndarray, samples: int, test: int | None, seed: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows to fit and rows to hold out, of ``rows``."""
        n = len(rows)
        test = max(n - samples, 0) if test is None else whole("test", test, 0)
        if samples + test > n:
            held = f" and {test} to hold out" if test else ""
            which = "" if n == len(self.X) else " of these classes"
            raise ValueError(f"{self.source} has {n} rows{which}; {samples} to fit{held} were asked")
        order = rows[np.random.default_rng(seed).permutation(n)]
        return order[:samples], order[samples : samples + test]

    def _codes(self, classes: Sequence[float]) -> tuple[float, ...]:
        """The classes in increasing order; each is a value of the target."""
        values = np.unique(self.y)
        held = ", ".join(f"{v:g}" for v in values[:12]) + (
            f", … ({len(values)} in all)" if len(values) > 12 else ""
        )
        codes, where = (
            np.unique(np.asarray(classes, dtype=float)),
            f"the target {self.target!r} of {self.source}",
        )
        foreign = np.setdiff1d(codes, values)
        if foreign.size:
            hint = "; without classes it is fitted as a regression" if len(values) > 12 else ""
            raise ValueError(f"{where} has no class {foreign[0]:g}; it has {held}{hint}")
        if len(codes) < 2:
            given = ", ".join(f"{c:g}" for c in codes) or "none"
            raise ValueError(f"at least two classes are needed, got {given}")
        if codes.tolist() != [-1.0, 1.0] and np.any((codes < 0) | (codes != np.round(codes))):
            raise ValueError(
                f"{where} holds {held}: class codes are integers ≥ 0, or −1 and 1; without classes it is fitted as a "
                "regression"
            )
        return tuple(float(c) for c in codes)
