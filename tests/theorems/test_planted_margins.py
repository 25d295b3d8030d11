"""A wrong constant, norm or exponent planted in what is said of separable data: verify must see each."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.optimizers import spectral
from implicitbias.selection.rules import MarginCurve, adagrad, classification, nonseparable, sam_margins
from implicitbias.theorems import verify
from implicitbias.theorems.classification import adagrad as adagrad_theorem
from implicitbias.theorems.classification import adaptive, tails


def assert_refuted(id):
    result = verify([id], seed=12, quick=True).results[0]
    assert result.status == "refuted", result
    assert result.deviation > result.bound


def test_a_relaxation_at_the_second_exponent(monkeypatch):
    real = MarginCurve.__init__

    def second(self, Z, w0, weights):
        real(self, Z, w0, weights)
        self.kappa = float(self.exponents[1])

    monkeypatch.setattr(MarginCurve, "__init__", second)
    assert_refuted("margin-relaxation")


def test_a_gradient_that_is_not_that_of_the_loss(monkeypatch):
    real = ib.Classification.log_gradient
    monkeypatch.setattr(ib.Classification, "log_gradient", lambda self, w: 1.000001 * real(self, w))
    assert_refuted("separable-loss-constant")


def test_steps_with_momentum_in_the_time_of_steps_without(monkeypatch):
    """The weights 1/n, without 1/(1 − β)."""
    monkeypatch.setattr(classification, "tail_weight", lambda setting: 1 / setting.problem.n)
    assert_refuted("margin-constants-of-steps")


def test_an_ascent_that_helps(monkeypatch):
    """e^{−ργ} in place of e^{ργ}."""
    monkeypatch.setattr(
        sam_margins, "MarginCurve", lambda Z, w0, c: MarginCurve(Z, w0, np.exp(-np.log(c * len(Z))) / len(Z))
    )
    assert_refuted("sam-margin-curve")


def test_a_finite_part_that_is_too_short(monkeypatch):
    real = nonseparable.finite_minimiser
    monkeypatch.setattr(nonseparable, "finite_minimiser", lambda *asked: 0.95 * real(*asked))
    assert_refuted("nonseparable-split")


@pytest.mark.parametrize("id", ["polynomial-tail-direction", "polynomial-tail-growth"])
def test_a_tail_of_another_exponent(monkeypatch, id):
    real = tails.PowerMeanMargin
    monkeypatch.setattr(tails, "PowerMeanMargin", lambda Z, a: real(Z, 1.001 * a))
    assert_refuted(id)


def test_a_polar_factor_that_is_a_sign(monkeypatch):
    """Steps in the norm of the largest entry, not of the largest singular value."""
    monkeypatch.setattr(spectral, "polar_factor", np.sign)
    assert_refuted("spectral-descent-margin")


def test_a_metric_of_squares_without_the_root(monkeypatch):
    def squares(run):
        return run.state["optimizer"]

    monkeypatch.setattr(adagrad, "metric", squares)
    monkeypatch.setattr(adagrad_theorem, "metric", squares)
    assert_refuted("adagrad-margin")


def test_a_throttle_ten_percent_off(monkeypatch):
    monkeypatch.setattr(adaptive, "LOCK", 1.1 * adaptive.LOCK)
    assert_refuted("adam-throttle")
