"""The limit of weight normalisation: what the flow conserves, and the sign that only a run knows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import implicitbias as ib
from implicitbias.selection.rules.weight_norm import weight_norm_rule, weight_norm_run_rule


def drawn(seed, c=2.0):
    rng = np.random.default_rng(seed)
    problem = ib.Regression(rng.standard_normal((4, 9)), rng.standard_normal(4))
    init = (rng.standard_normal(1), rng.standard_normal(9))
    return ib.Setting(problem, ib.WeightNormalized(), ib.GradientFlow((c, 1.0)), init)


@given(seed=st.integers(0, 10_000), c=st.floats(0.05, 20.0))
def test_the_limit_interpolates_and_keeps_the_invariant(seed, c):
    """Xw = y, and Nu exp(g²/(2c‖v‖²)) is that of the start, whichever sign g ends with."""
    setting = drawn(seed, c)
    X, y, (g0, v0) = setting.problem.X, setting.problem.y, setting.theta0
    w = weight_norm_rule.apply(setting, None)
    np.testing.assert_allclose(X @ w, y, atol=1e-12 * np.linalg.norm(w))
    N = np.eye(9) - np.linalg.pinv(X) @ X
    u0, g = v0 / np.linalg.norm(v0), np.sign(g0) * np.linalg.norm(w)  # ‖u‖ = 1
    expected = N @ u0 * np.exp((g0**2 - g**2) / (2 * c * (v0 @ v0)))
    # where g² is close to the root of h = 1 it is known to eps/(1 − h) only
    np.testing.assert_allclose(N @ w / g, expected, atol=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_runs_end_there(seed):
    setting = drawn(seed)
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    pred = ib.predict(setting, run)
    assert ib.compare(run, pred).relative < 1e-8  # the flow's tolerance, 1e-10 a step
    v0, v = setting.theta0[1], run.theta[1]
    np.testing.assert_allclose(np.linalg.norm(v), np.linalg.norm(v0), rtol=1e-8)


def test_the_sign_is_taken_from_the_run_where_the_setting_leaves_it_open():
    """d = 1: w = ±g, so that g flips exactly when its sign is not that of y."""
    below = ib.Setting(
        ib.Regression([[1.0, 0.0]], [1.0]), ib.WeightNormalized(), ib.GradientFlow(), ([0.5], [1.0, 0.1])
    )
    assert ib.predict(below).rule is weight_norm_rule
    wrong = ib.Setting(below.problem, below.model, below.optimizer, (np.array([-0.5]), np.array([1.0, 0.1])))
    with pytest.raises(ib.NoPrediction) as refusal:
        ib.predict(wrong)
    assert refusal.value.candidates[weight_norm_run_rule.name].startswith("the run is given")
    run = ib.simulate(wrong, ib.Stop(loss=1e-24))
    pred = ib.predict(wrong, run)
    assert pred.rule is weight_norm_run_rule
    assert np.sign(run.theta[0][0]) == np.sign(pred.w @ run.theta[1])
    assert ib.compare(run, pred).relative < 1e-8


def test_a_start_in_the_row_space_stays_there():
    X = np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    setting = ib.Setting(
        ib.Regression(X, [1.0, -1.0]), ib.WeightNormalized(), ib.GradientFlow(), ([1.0], X.sum(axis=0))
    )
    np.testing.assert_allclose(
        weight_norm_rule.apply(setting, None), setting.problem.least_squares, atol=1e-12
    )
