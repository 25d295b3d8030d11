"""What identification is given of a theorem's runs, and the φ′ that it finds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ...discovery.samples import Samples, samples_from
from ...discovery.separable import SplineFit, fit_spline
from ...dynamics import Run
from ...geometry import Potential
from ...problems import Regression
from ...threads import one_blas_thread

__all__: list[str] = []


def samples_of(runs: Iterable[Run]) -> Samples:
    """(X, y, w∞) of every run, and the start that they share."""
    done = list(runs)
    problems = [run.setting.problem for run in done]
    return samples_from([(p.X, p.y, run.w) for p, run in zip(problems, done)], done[0].setting.w0)


def problem_of_size(psi: Potential, X: np.ndarray, largest: float, rng: np.random.Generator) -> Regression:
    """A drawn y for which ψ selects, from zero, a w of largest |w_j| = ``largest``: ∇ψ(w) is normal in range(Xᵀ)."""
    z = X.T @ rng.standard_normal(len(X))
    w = psi.inverse_gradient(z * psi.gradient(np.array(largest)) / np.max(np.abs(z)))
    return Regression(X, X @ w)


def spline_of(samples: Samples) -> SplineFit:
    """The free φ′ that explains the samples best; its bootstrap has a seed of its own."""
    with one_blas_thread(samples.w.shape[1]):
        return fit_spline(samples, np.random.default_rng(0))
