"""What geometric averages tend to: ridge, against a sum over plain iterates."""

import numpy as np
import pytest

from implicitbias import (
    SGD,
    Averaged,
    Decay,
    GradientDescent,
    HeavyBall,
    Linear,
    Nesterov,
    NoPrediction,
    Regression,
    Setting,
    Stop,
    predict,
    simulate,
)

RNG = np.random.default_rng(0)
PROBLEM = Regression(RNG.standard_normal((6, 9)), RNG.standard_normal(6))
START = RNG.standard_normal(9)
TOP = float(np.linalg.norm(PROBLEM.X, 2)) ** 2 / 6


def summed(step, beta, p, terms=4000):
    """Σ p(1 − p)^k w_k, the iterates written out here."""
    w, v, total = START, np.zeros(9), np.zeros(9)
    for k in range(terms):
        total = total + p * (1 - p) ** k * w
        v = beta * v - step * PROBLEM.X.T @ (PROBLEM.X @ w - PROBLEM.y) / 6
        w = w + v
    return total


@pytest.mark.parametrize("p", [0.02, 0.3, 0.8])
@pytest.mark.parametrize(("factor", "beta"), [(1.0, 0.0), (0.2, 0.0), (0.7, 0.6)])
def test_the_sum(p, factor, beta):
    step = factor / TOP
    inner = HeavyBall(step, beta) if beta else GradientDescent(step)
    pred = predict(Setting(PROBLEM, Linear(), Averaged(inner, decay=p), START))
    assert pred.rule.name == "ridge of a geometric average"
    np.testing.assert_allclose(pred.w, summed(step, beta, p), atol=1e-12)


def test_averages_of_a_diverging_method():
    """Descent diverges for ηs > 2; its average converges up to ηs < (2 − p)/(1 − p)."""
    p = 0.5
    fine, too_far = (Averaged(GradientDescent(f / TOP), decay=p) for f in (2.9, 3.1))
    np.testing.assert_allclose(
        predict(Setting(PROBLEM, Linear(), fine, START)).w, summed(2.9 / TOP, 0.0, p, 600), atol=1e-9
    )
    with pytest.raises(NoPrediction) as caught:
        predict(Setting(PROBLEM, Linear(), too_far, START))
    assert (
        "small enough for the average to converge" in caught.value.candidates["ridge of a geometric average"]
    )


def test_a_run_too_short_to_have_averaged():
    s = Setting(PROBLEM, Linear(), Averaged(GradientDescent(1 / TOP), decay=0.1), START)
    short, long = (simulate(s, Stop(steps=k)) for k in (50, 400))
    with pytest.raises(NoPrediction, match="weights still to come"):
        predict(s, short)
    assert np.linalg.norm(predict(s, long).w - long.w) <= 1e-13 * np.linalg.norm(long.w)


@pytest.mark.parametrize(
    "optimizer",
    [
        Averaged(Nesterov(0.5 / TOP, 0.5), decay=0.1),
        Averaged(SGD(0.1 / TOP), decay=0.1),
        Averaged(GradientDescent(Decay(0.5 / TOP, 0.5)), decay=0.1),
        Averaged(GradientDescent(0.5 / TOP, weight_decay=0.1), decay=0.1),
    ],
    ids=["Nesterov", "SGD", "decaying steps", "weight decay"],
)
def test_other_averages_are_refused(optimizer):
    """In particular by the rule of interpolants, whose row space they never leave."""
    with pytest.raises(NoPrediction) as caught:
        predict(Setting(PROBLEM, Linear(), optimizer, START))
    assert "geometric average" in caught.value.candidates["ridge of a geometric average"]


def test_the_mean_of_all_iterates_tends_to_the_interpolant():
    s = Setting(PROBLEM, Linear(), Averaged(GradientDescent(0.5 / TOP)), START)
    np.testing.assert_allclose(
        predict(s).w, START + np.linalg.pinv(PROBLEM.X) @ (PROBLEM.y - PROBLEM.X @ START)
    )
