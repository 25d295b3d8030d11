"""Parts of the theorems on spectral methods, and planted errors that they must see."""

import numpy as np
import pytest

from implicitbias import effective_rank, verify
from implicitbias.geometry import norms
from implicitbias.optimizers import spectral
from implicitbias.theorems.matrix.ranks import flow_values, rank_at_loss, spectral_values

S, W = np.array([2.0, 1.0, 0.3]), np.full(3, 1e-2)


def test_the_flow_s_values_solve_their_equation():
    """σ̇ = 2σ(s − σ), by central differences of order h²."""
    np.testing.assert_allclose(flow_values(S, W, 0.0), W, rtol=1e-14)
    for t in (0.5, 2.0, 5.0):
        h = 1e-4
        rate = (flow_values(S, W, t + h) - flow_values(S, W, t - h)) / (2 * h)
        value = flow_values(S, W, t)
        np.testing.assert_allclose(rate, 2 * value * (S - value), rtol=1e-6)


def test_spectral_values_by_hand():
    np.testing.assert_allclose(spectral_values(S, W, 0.9), [1.0, 1.0, 0.3], rtol=1e-14)


@pytest.mark.parametrize("values", [flow_values, spectral_values])
def test_ranks_at_the_ends(values):
    """At the start all modes are equal; at loss zero the rank is the target's."""
    start = 0.5 * float(np.sum((S - W) ** 2))
    np.testing.assert_allclose(rank_at_loss(values, S, W, start), 3.0, rtol=1e-6)
    np.testing.assert_allclose(rank_at_loss(values, S, W, 1e-24), effective_rank(np.diag(S)), rtol=1e-9)


def test_the_lemma_of_the_order():
    """Cut spectra have at least the target's rank at all times; the flow's at most, from t = 1/(2(s_r − w)) on."""
    target = effective_rank(np.diag(S))
    late = 1 / (2 * (S[-1] - W[-1]))
    for t in np.linspace(0.0, 10.0, 41):
        assert effective_rank(np.diag(spectral_values(S, W, t))) >= target - 1e-12
        assert effective_rank(np.diag(flow_values(S, W, late + t))) <= target + 1e-12


def assert_refuted(*ids):
    for result in verify(list(ids), seed=3, quick=True).results:
        assert result.status == "refuted", result


def test_a_step_of_scaled_gradient_descent_that_is_one_percent_off(monkeypatch):
    real = spectral._scaled
    monkeypatch.setattr(spectral, "_scaled", lambda g, F: 1.01 * real(g, F))
    assert_refuted("scaled-gd-sees-no-factors", "scaled-gd-rate")


def test_a_wrong_power_in_shampoo(monkeypatch):
    real = spectral._inverse_power
    monkeypatch.setattr(spectral, "_inverse_power", lambda A, power, eps: real(A, power + 0.01, eps))
    assert_refuted("muon-is-spectral-descent")


def test_a_polar_factor_that_keeps_rounding(monkeypatch):
    monkeypatch.setattr(norms, "NULL", 0.0)
    assert_refuted("rank-of-factors-is-kept")


def test_a_polar_factor_of_the_wrong_length(monkeypatch):
    real = spectral.polar_factor
    monkeypatch.setattr(spectral, "polar_factor", lambda G: (1 + 1e-5) * real(G))
    assert_refuted("spectral-descent-modes", "muon-is-spectral-descent")


def test_a_preconditioner_on_the_wrong_side(monkeypatch):
    """A factor that is not a function of the gradients leaves the row space."""
    real = spectral._inverse_power
    tilt = np.diag([1.0, 1.1, 1.0, 1.2, 1.0, 1.0])
    monkeypatch.setattr(spectral, "_inverse_power", lambda A, *a: tilt[: len(A), : len(A)] @ real(A, *a))
    assert_refuted("least-in-every-norm")
