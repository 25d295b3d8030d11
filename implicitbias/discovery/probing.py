"""Problems drawn to tell one bias from another, and what a source selects on them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..checks import number, positive, real_array, whole
from ..dynamics import Setting, Stop, simulate
from ..models import Balanced, Linear
from ..problems import Classification, MatrixSensing, Problem, Regression
from .samples import Samples, starts_of

__all__: list[str] = []

LOSSES = ("square", "exp", "logistic")
FUSED, PLAIN = 100_000, 20_000
"""Limits on steps: of compiled loops, and of others."""
LOG_TIME = 2000.0
"""When flows on classifications stop: ln t."""
EXACT = 1e-26
"""The loss asked for, in units of that at zero."""
ALIKE = 1e-8
"""Two runs of one problem closer than this are of a method that does not draw."""


class Probe:
    """A source of solutions: an optimizer of this package on a model, or a callable (X, y) → w."""

    def __init__(self, source: Any, model: Any, start: Any, stop: Stop | None) -> None:
        self.source, self.model, self.start, self.stop = source, model, start, stop
        self.is_optimizer = any(hasattr(source, name) for name in ("velocity", "update"))
        if not self.is_optimizer and not callable(source):
            raise ValueError(
                "identify needs an optimizer, a callable (X, y) -> w, or a list of pairs (X, w) or triples (X, y, w); "
                f"got {source!r:.80}"
            )

    def w0(self, problem: Problem) -> np.ndarray:
        """Where the source starts on this problem, flat."""
        if self.is_optimizer:
            return np.ravel(self._setting(problem).w0)
        return starts_of(self.start, problem.w_shape, 1)[0]

    def solve(self, problem: Problem, key: int) -> np.ndarray:
        """The selected w, flat."""
        if not self.is_optimizer:
            X, y = _data(problem)
            w = real_array("the w that the callable returned", self.source(X, y))
            if w.shape != problem.w_shape:
                raise ValueError(f"the callable returned w of shape {w.shape}; expected {problem.w_shape}")
            return w.ravel()
        run = simulate(self._setting(problem), stop=self.stop or self._default_stop(problem), rng=key)
        if run.status in ("diverged", "failed"):
            raise ValueError(
                f"a run of {type(self.source).__name__} {run.status} on a drawn problem ({run.message}): the "
                "problems have λ_max(XᵀX/n) = 1; take a step below the limit that this sets"
            )
        return np.ravel(run.w)

    def _setting(self, problem: Problem) -> Setting:
        return Setting(problem, self.model, self.source, self._init(problem))

    def _init(self, problem: Problem) -> Any:
        if isinstance(self.start, Balanced | tuple) or not np.isscalar(self.start):
            return self.start
        w0 = np.full(problem.w_shape, number("start", self.start, "be finite", lambda x: True))
        if isinstance(self.model, Linear):
            return w0
        theta_of = getattr(self.model, "theta_of", None)
        if theta_of is None:
            raise ValueError(
                f"start = {self.start!r} is a predictor w₀; {type(self.model).__name__} needs to know its parameters: "
                "give start=Balanced(scale), or θ as an array"
            )
        return theta_of(w0)

    def _default_stop(self, problem: Problem) -> Stop:
        flow = hasattr(self.source, "velocity")
        if isinstance(problem, Classification):
            return Stop(log_time=LOG_TIME) if flow else Stop(steps=PLAIN)
        rule = getattr(self.source, "kernel_rule", lambda: None)()
        fused = rule is not None and getattr(self.model, "dynamics_code", -1) >= 0
        loss = EXACT * float(problem.loss(np.zeros(problem.w_shape)))
        return Stop(loss=loss) if flow else Stop(loss=loss, steps=FUSED if fused else PLAIN)


def probed(
    probe: Probe, problems: int, samples: int, dimension: Any, cover: tuple[float, float], loss: str, repeats: int,
    rng: np.random.Generator, progress: Callable[[int], Any] | None,
) -> Samples:  # fmt: skip
    """Draw problems, solve them, and collect what identification needs.

    A source that draws, as two runs of the first problem show, is repeated and averaged.
    """
    drawn = list(_drawn(probe, problems, samples, dimension, cover, loss, rng))
    keys = rng.integers(2**31, size=(len(drawn), whole("repeats", repeats, 2)))
    first = [probe.solve(drawn[0], int(key)) for key in keys[0][:2]]
    draws = np.linalg.norm(first[0] - first[1]) > ALIKE * np.linalg.norm(first[0])
    ends, noise = [], []
    for k, problem in enumerate(drawn):
        found = np.array([probe.solve(problem, int(key)) for key in keys[k][: None if draws else 1]])
        ends.append(np.mean(found, axis=0))
        noise.append(
            np.std(found, axis=0, ddof=1) / np.sqrt(len(found)) if draws else np.zeros_like(ends[-1])
        )
        if progress is not None:
            progress(k + 1)
    data = [_data(problem) for problem in drawn]
    return Samples(
        [X.reshape(len(X), -1) for X, _ in data], np.array(ends), np.array([probe.w0(p) for p in drawn]),
        [y for _, y in data], drawn[0].w_shape, np.array(noise),
    )  # fmt: skip


def _data(problem: Any) -> tuple[np.ndarray, np.ndarray]:
    return (problem.A, problem.b) if isinstance(problem, MatrixSensing) else (problem.X, problem.y)


def _drawn(
    probe: Probe, problems: int, samples: int, dimension: Any, cover: tuple[float, float], loss: str,
    rng: np.random.Generator,
) -> Iterator[Problem]:  # fmt: skip
    """Gaussian X with λ_max(XᵀX/n) = 1, and y = Xw for a planted w whose size is log-uniform over ``cover``."""
    low, high = (positive(f"cover[{i}]", c) for i, c in enumerate(cover))
    if not low <= high:
        raise ValueError(f"cover must be (low, high) with low ≤ high, got {cover}")
    if loss not in LOSSES:
        raise ValueError(f"loss must be {', '.join(map(repr, LOSSES))}, got {loss!r:.40}")
    shape = tuple(dimension) if isinstance(dimension, tuple | list) else (whole("dimension", dimension, 2),)
    if len(shape) > 2 or (len(shape) == 2 and loss != "square"):
        raise ValueError(f"dimension must be d, or (p, q) with the square loss, got {dimension!r}")
    size, n = int(np.prod(shape)), whole("samples", samples, 1)
    if loss == "square" and n >= size:
        raise ValueError(
            f"samples = {n} must be less than dimension = {size}: else there is one solution only"
        )
    for _ in range(whole("problems", problems, 1)):
        X = rng.standard_normal((n, size))
        X *= np.sqrt(n) / np.linalg.norm(X, 2)
        planted = _planted(shape, rng) * np.exp(rng.uniform(np.log(low), np.log(high)))
        if len(shape) == 2:
            yield MatrixSensing(X.reshape(n, *shape), X @ planted.ravel())
            continue
        if loss != "square":
            y = np.sign(X @ planted)
            yield Classification(X, y if np.ptp(y) else y * np.where(np.arange(n) == 0, -1, 1), loss)
            continue
        problem = Regression(X, X @ planted)
        w0 = probe.w0(problem)
        # where signs may be kept, a solution with those of the start must exist
        yield (
            Regression(X, X @ np.where(w0 == 0, planted, np.sign(w0) * np.abs(planted)))
            if np.any(w0)
            else problem
        )


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


def checked_cover(cover: Any) -> tuple[float, float]:
    """(low, high) as floats."""
    pair = real_array("cover", cover, (2,))
    return number("cover[0]", pair[0], "be > 0", lambda x: x > 0), float(pair[1])
