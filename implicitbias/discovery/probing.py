"""Problems drawn to tell one bias from another, and what a source selects on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import positive, whole
from ..problems import Classification, MatrixSensing, Problem, Regression
from .samples import Samples
from .sources import Source, data_of

__all__: list[str] = []

LOSSES = ("square", "exp", "logistic")
ALIKE = 1e-8
"""Two runs of one problem closer than this are of a method that does not draw."""


@dataclass(frozen=True)
class Draw:
    """Problems with Gaussian X, λ_max(XᵀX/n) = 1, and y = Xw for a planted w of a size log-uniform over ``cover``.

    ``dimension`` is d, or (p, q) for matrix sensing; with another ``loss`` than "square", y = sgn(Xw).
    """

    problems: int = 40
    samples: int = 10
    dimension: Any = 30
    loss: str = "square"
    cover: Any = (0.1, 3.0)

    def __post_init__(self) -> None:
        whole("problems", self.problems, 1)
        if self.loss not in LOSSES:
            raise ValueError(f"loss must be {', '.join(map(repr, LOSSES))}, got {self.loss!r:.40}")
        if not isinstance(self.cover, tuple | list) or len(self.cover) != 2:
            raise ValueError(f"cover must be (low, high), got {self.cover!r:.40}")
        low, high = (positive(f"cover[{i}]", c) for i, c in enumerate(self.cover))
        if low > high:
            raise ValueError(f"cover must be (low, high) with low ≤ high, got {self.cover}")
        if len(self.shape) > 2 or (len(self.shape) == 2 and self.loss != "square"):
            raise ValueError(f"dimension must be d, or (p, q) with the square loss, got {self.dimension!r}")
        size = int(np.prod(self.shape))
        if self.loss == "square" and whole("samples", self.samples, 1) >= size:
            raise ValueError(
                f"samples = {self.samples} must be less than dimension = {size}: else there is one solution only"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of w."""
        extents = self.dimension if isinstance(self.dimension, tuple | list) else (self.dimension,)
        return tuple(whole("dimension", extent, 1) for extent in extents)

    def __call__(self, source: Source, rng: np.random.Generator) -> Iterator[Problem]:
        n, size = self.samples, int(np.prod(self.shape))
        low, high = np.log(self.cover)
        # a problem in every K-th of the range of sizes: none is left out by chance
        places = (rng.permutation(self.problems) + rng.random(self.problems)) / self.problems
        for place in places:
            X = rng.standard_normal((n, size))
            X *= np.sqrt(n) / np.linalg.norm(X, 2)
            planted = _planted(self.shape, rng) * np.exp(low + place * (high - low))
            if len(self.shape) == 2:
                yield MatrixSensing(X.reshape(n, *self.shape), X @ planted.ravel())
            elif self.loss != "square":
                y = np.sign(X @ planted)
                yield Classification(X, y if np.ptp(y) else y * np.where(np.arange(n) == 0, -1, 1), self.loss)
            else:
                # where signs may be kept, a solution with those of the start must exist, away from zero
                w0 = source.w0(Regression(X, X @ planted))
                inside = np.sign(w0) * np.max(np.abs(planted)) * np.exp(rng.uniform(np.log(0.02), 0.0, size))
                yield Regression(X, X @ np.where(w0 == 0, planted, inside))


def _planted(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Of a vector a fifth of the entries, normal; of a matrix all singular values, spread over two decades."""
    if len(shape) == 1:
        w = np.where(rng.random(shape) < 0.2, rng.standard_normal(shape), 0.0)
        w[rng.integers(shape[0])] += 1.0
        return w
    U, _, Vt = np.linalg.svd(rng.standard_normal(shape), full_matrices=False)
    sigma = np.exp(rng.uniform(np.log(0.01), 0.0, size=len(Vt)))
    out: np.ndarray = (U * sigma) @ Vt
    return out


def probed(
    source: Source, problems: list[Problem], rng: np.random.Generator, repeats: int = 5,
    progress: Callable[[int], Any] | None = None,
) -> Samples:  # fmt: skip
    """Solve problems, and collect what identification needs.

    A source that draws, as two runs of the first problem show, is repeated and averaged.
    """
    keys = rng.integers(2**31, size=(len(problems), whole("repeats", repeats, 2)))
    first, again = (source.solve(problems[0], int(key)) for key in keys[0][:2])
    draws = np.linalg.norm(first - again) > ALIKE * np.linalg.norm(first)
    ends, noise = [], np.zeros((len(problems), len(first)))
    for k, problem in enumerate(problems):
        found = np.array([source.solve(problem, int(key)) for key in keys[k][: None if draws else 1]])
        ends.append(np.mean(found, axis=0))
        if draws:
            noise[k] = np.std(found, axis=0, ddof=1) / np.sqrt(len(found))
        if progress is not None:
            progress(k + 1)
    X, y = zip(*map(data_of, problems))
    starts = np.array([source.w0(problem) for problem in problems])
    return Samples([x.reshape(len(x), -1) for x in X], np.array(ends), starts, y, problems[0].w_shape, noise)
