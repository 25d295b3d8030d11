"""Power propagation: which orthants hold an interpolant, what is selected in them, and what outside."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import implicitbias as ib
from implicitbias.selection.orthants import room
from implicitbias.selection.rules.common import mirror_projection
from implicitbias.selection.rules.powers import nonnegative_fit, power_fit_rule, power_orthant_rule
from implicitbias.theorems.design.powers import sizes, vertex

FLOW = ib.GradientFlow()


def setting(X, y, power=3.0, signs=None, scale=0.5):
    return ib.Setting(ib.Regression(X, y), ib.PowerPropagation(power), FLOW, ib.Balanced(scale, signs=signs))


def test_room_by_hand():
    """w₁ + w₂ = 1: the most even positive solution is (½, ½), which is also X⁺y; with σ = (+, −), (1 + t, −t)."""
    X, y = np.ones((1, 2)), np.ones(1)
    assert room(X, y, np.array([1, 1])) == pytest.approx(1.0)
    assert room(X, y, np.array([1, -1])) == pytest.approx(1.0)
    assert room(X, y, np.array([-1, -1])) == -1.0
    # w₁ = 1, w₁ + w₂ = 1: the only solution has a zero
    assert room(np.array([[1.0, 0.0], [1.0, 1.0]]), np.ones(2), np.ones(2)) == pytest.approx(0.0)
    # inconsistent data ask for the least-squares solution, here w = 1
    assert room(np.ones((2, 1)), np.array([0.5, 1.5]), np.ones(1)) == pytest.approx(1.0)


def test_the_fit_of_an_orthant_by_hand():
    """y = (1, −1) on unit inputs: the positive fit is (1, 0)."""
    s = setting(np.eye(2), [1.0, -1.0])
    assert nonnegative_fit(s).solution.tolist() == [1.0, 0.0]
    pred = ib.predict(s)
    assert pred.rule is power_fit_rule
    assert pred.w.tolist() == [1.0, 0.0]
    assert pred.certificate.worst < 1e-12
    for power in (2.0, 3.0):
        run = ib.simulate(setting(np.eye(2), [1.0, -1.0], power), ib.Stop(gradient=1e-10))
        # a = 3: |w₂| = (a(a − 2)λt)^{−3}, and the gradient 3λ|w₂|^{2/3} has fallen to 1e-10
        np.testing.assert_allclose(run.w, [1.0, 0.0], atol=1e-9)
        assert ib.predict(run.setting, run).rule is power_fit_rule


def test_a_fit_that_is_not_unique_is_refused():
    s = setting([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [1.0, -1.0])
    with pytest.raises(ib.NoPrediction, match="unique"):
        ib.predict(s)


def test_an_early_end_is_no_fit():
    s = setting(np.eye(2), [1.0, -1.0])
    run = ib.simulate(s, ib.Stop(time=0.1))
    with pytest.raises(ib.NoPrediction, match="vanishes"):
        ib.predict(s, run)


@given(seed=st.integers(0, 1000), power=st.sampled_from([2.0, 3.0, 5.0]))
def test_small_starts_leave_what_the_certificate_says(seed, power):
    """The leading order against the exact projection at ε: another method altogether."""
    rng = np.random.default_rng(seed)
    X, signs = rng.standard_normal((3, 7)), rng.choice([-1.0, 1.0], 7)
    e = 1e-40 if power == 2 else 1e-9
    s = setting(X, X @ (signs * rng.uniform(0.5, 1.5, 7)), power, signs, e)
    w, S = vertex(s)
    u, c = sizes(s)
    np.testing.assert_allclose(X @ w, s.problem.y, atol=1e-9)
    np.testing.assert_allclose(c[S], 1.0, rtol=1e-9)
    off = np.setdiff1d(np.arange(7), S)
    if len(S) < 3 or np.max(c[off]) > 0.8 or np.min(np.abs(w[S])) < 0.1:
        return
    exact = np.abs(mirror_projection(s).solution)
    np.testing.assert_allclose(np.log(exact), np.log(u), atol=1e-3)
    assert power_orthant_rule.first_missed(s) is None
