"""What identification is given of a theorem's runs, and the φ′ that it finds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...discovery.samples import Samples, samples_from
from ...discovery.separable import SplineFit, fit_spline
from ...dynamics import Run
from ...threads import one_blas_thread

__all__: list[str] = []


def samples_of(runs: Iterable[Run]) -> Samples:
    """(X, y, w∞) of every run, and the start that they share."""
    done = list(runs)
    problems = [run.setting.problem for run in done]
    return samples_from([(p.X, p.y, run.w) for p, run in zip(problems, done)], done[0].setting.w0)


def spline_of(samples: Samples) -> SplineFit:
    """The free φ′ that explains the samples best; its bootstrap has a seed of its own."""
    with one_blas_thread(samples.w.shape[1]):
        return fit_spline(samples, np.random.default_rng(0))
