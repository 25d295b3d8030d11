"""Parts of the theorems on sequential learning, and planted errors that they must see."""

from importlib import import_module

import numpy as np
import pytest
from scipy.integrate import quad

from implicitbias.theorems import verify
from implicitbias.theorems.deep.sequential import partial_sums, reached, threshold, waiting_time

MODULE = "implicitbias.theorems.deep.sequential"


@pytest.mark.parametrize("N", [2, 3, 5])
def test_waiting_time_is_the_integral(N):
    """t = ∫ du/(N u^{2−2/N}(s − u)), in ln u."""
    s, start, part = 1.7, 1e-3, 0.8
    expected, _ = quad(
        lambda x: np.exp(-x * (1 - 2 / N)) / (N * (s - np.exp(x))),
        np.log(start), np.log(part * s), epsabs=0, epsrel=1e-12,
    )  # fmt: skip
    assert waiting_time(start, s, part, N) == pytest.approx(expected, rel=1e-9)


def test_reached_is_nan_where_nothing_is_reached():
    t = np.linspace(0, 1, 9)
    assert np.isnan(reached(0.5, 0.4 * t, t))
    assert np.isnan(reached(0.5, 1 - 0.1 * t, t))


def test_threshold_of_two_layers():
    """u₀^{r−1} = ((e s₂/(1 − e))^r (1 − f)/(f s₁) up to O(u₀), f = 0.9, e = 0.1."""
    s1, s2 = 2.0, 1.6
    r = s1 / s2
    law = ((0.1 / 0.9 * s2) ** r * 0.1 / (0.9 * s1)) ** (1 / (r - 1))
    assert threshold(s1, s2, 2) == pytest.approx(law, rel=1e-7)


@pytest.mark.parametrize("N", [3, 4])
def test_threshold_is_a_power_of_the_gap(N):
    """u₀ ∝ (r − 1)^{N/(N−2)}."""
    u = [threshold(1 + gap, 1.0, N) for gap in (1e-4, 1e-5)]
    assert np.log10(u[0] / u[1]) == pytest.approx(N / (N - 2), rel=1e-3)


def test_reached_on_a_logistic_curve():
    """The logit of a logistic curve is a line, on which a cubic is exact."""
    t = np.linspace(-4, 4, 17)
    assert reached(0.3, 1 / (1 + np.exp(-2 * (t - 0.1))), t) == pytest.approx(
        0.1 + np.log(3 / 7) / 2, abs=1e-12
    )


def test_partial_sums_are_the_best_approximations():
    T = np.random.default_rng(0).standard_normal((4, 3))
    s = np.linalg.svd(T, compute_uv=False)
    for k, Tk in enumerate(partial_sums(T)):
        assert np.linalg.matrix_rank(Tk) == k
        assert np.sum((T - Tk) ** 2) == pytest.approx(np.sum(s[k:] ** 2))


CASES = [
    ("plateaus", "partial_sums", lambda v: [1.03 * Tk for Tk in v]),
    ("escape-times", "_values", lambda v: 1.003 * v),
    ("discrete-phases", "correlation_modes", lambda v: (v[0], 1.001 * v[1], *v[2:])),
    ("depth-makes-learning-incremental", "threshold", lambda v: 1.001 * v),
]


@pytest.mark.slow
@pytest.mark.parametrize(("id", "name", "change"), CASES, ids=[c[0] for c in CASES])
def test_an_error_in_what_is_derived(monkeypatch, id, name, change):
    owner = import_module(MODULE)
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a: change(real(*a)))
    result = verify(ids=[id], seed=12, quick=True).results[0]
    assert result.status == "refuted", result
    assert result.deviation > result.bound
