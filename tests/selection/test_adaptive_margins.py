"""Which margin signs with memory, adaptive methods and AdaGrad are said to maximise."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.selection.rules.adagrad import adagrad_curve, metric
from implicitbias.selection.rules.adaptive_margins import eps_curve
from implicitbias.theorems.classification.adaptive import memory_lags

RNG = np.random.default_rng(8)
X, Y = RNG.standard_normal((6, 14)), np.where(np.arange(6) % 2, 1, -1)
STEP = ib.Decay(0.05, 0.5)


def setting(optimizer, loss="exp"):
    return ib.Setting(ib.Classification(X, Y, loss), ib.Linear(), optimizer)


@pytest.mark.parametrize(
    "optimizer",
    [
        ib.SignDescent(STEP),
        ib.SignDescent(STEP, 0.9),
        ib.Lion(STEP),
        ib.RMSProp(STEP, eps=0.0),
        ib.Adam(STEP, 0.9, 0.99, eps=0.0),
    ],
)
@pytest.mark.parametrize("loss", ["exp", "logistic"])
def test_signs_select_the_largest_margin_in_the_max_norm(optimizer, loss):
    program = ib.predict(setting(optimizer, loss)).program
    assert isinstance(program, ib.MaxMargin)
    assert program.norm == ib.LpNorm(np.inf)


@pytest.mark.parametrize(
    "optimizer",
    [
        ib.Adam(STEP, 0.99, 0.9, eps=0.0),  # β₁ > β₂
        ib.Adam(0.05, 0.9, 0.99, eps=0.0),  # a constant step
        ib.RMSProp(ib.Decay(0.05, 2.0), eps=0.0),  # steps that sum up
        ib.SignDescent(STEP, 0.9, weight_decay=0.1),
    ],
)
def test_no_margin_is_predicted_elsewhere(optimizer):
    with pytest.raises(ib.NoPrediction):
        ib.predict(setting(optimizer))


def test_decoupled_decay_selects_a_minimum_not_a_direction():
    assert isinstance(ib.predict(setting(ib.SignDescent(STEP, 0.9, 0.5))).program, ib.BallMinimum)


@pytest.mark.parametrize(
    ("optimizer", "eps"), [(ib.RMSProp(0.1, eps=0.2), 0.2), (ib.Adam(0.1, eps=0.1, eps_root=0.04), 0.3)]
)
def test_eps_divides_the_step(optimizer, eps):
    curve = ib.predict(setting(optimizer))
    flow = ib.predict(setting(ib.GradientFlow()))
    assert np.allclose(curve.direction, flow.direction, atol=1e-14)
    on = eps_curve(setting(optimizer)).project
    assert np.allclose(on(curve.at(50.0)), on(flow.at(50.0 / eps)), atol=1e-12)


def test_adagrad_asks_for_its_run():
    s = setting(ib.AdaGrad(0.5))
    with pytest.raises(ib.NoPrediction, match="the run is given"):
        ib.predict(s)
    run = ib.simulate(s, ib.Stop(steps=20_000))
    w = ib.predict(s, run).w
    # stationary: Mw is a combination of support vectors with positive weights
    M, Z = metric(run), s.problem.Z
    on = Z @ w < 1 + 1e-9
    alpha = np.linalg.lstsq(Z[on].T, M * w, rcond=None)[0]
    assert np.min(Z @ w) > 1 - 1e-9
    assert np.min(alpha) > 0
    assert np.allclose(Z[on].T @ alpha, M * w, rtol=1e-9)
    assert np.allclose(adagrad_curve(run).what / np.sqrt(M), w, rtol=1e-9)


def test_lags_of_a_constant_step_are_geometric_sums():
    # x_i = rⁱ − 1, r = e^{Bη}: Σ a_i x_i = (1 − β)/(1 − βr) − 1 in the limit
    B, eta, beta = 2.0, 0.01, 0.8
    E, F = memory_lags(np.full(400, eta), B, beta)
    r = np.exp(B * eta)
    mean, square = (1 - beta) / (1 - beta * r), (1 - beta) / (1 - beta * r * r)
    assert E[0] == F[0] == 0
    assert np.isclose(E[-1], mean - 1, rtol=1e-3)
    assert np.isclose(F[-1], np.sqrt(square - 2 * mean + 1), rtol=1e-2)
