"""The path of linear methods in the eigenbasis, against stepping, exact arithmetic and matrix exponentials."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import expm

import implicitbias as ib
from implicitbias import (
    Decay,
    Diagonal,
    GradientDescent,
    GradientFlow,
    HeavyBall,
    Linear,
    Nesterov,
    NoPrediction,
    Regression,
    Setting,
    SpectralCurve,
    SteepestDescent,
    Stop,
    closed_form,
    predict,
    simulate,
)
from implicitbias.selection.spectral import recursion

KINDS = ("wide", "tall", "deficient", "graded")


def problem(kind, seed=0):
    """Consistent, inconsistent, rank-deficient and inconsistent, and of condition number about 300."""
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((5, 9)), rng.standard_normal(5)
    if kind == "tall":
        X, y = rng.standard_normal((12, 4)), rng.standard_normal(12)
    if kind == "deficient":
        X = np.vstack([X[:3], X[0] + X[1], X[1] - X[2]])
    if kind == "graded":
        X = X * np.geomspace(0.02, 1, 5)[:, None]
    return Regression(X, y)


def setting(kind, optimizer, seed=0):
    p = problem(kind, seed)
    return Setting(p, Linear(), optimizer, np.random.default_rng(seed + 100).standard_normal(p.X.shape[1]))


def top(kind):
    p = problem(kind)
    return float(np.linalg.norm(p.X, 2)) ** 2 / p.n


def stepped(s, steps):
    """Every iterate by the definitions, with gradients written out here."""
    X, y, n, o = s.problem.X, s.problem.y, s.problem.n, s.optimizer
    w = past = s.w0
    path = [w]
    for _ in range(steps):
        q = w + o.momentum * (w - past) if isinstance(o, Nesterov) else w
        g = X.T @ (X @ q - y) / n + o.weight_decay * q
        inertia = o.momentum * (w - past) if isinstance(o, HeavyBall) else 0.0
        w, past = q - o.step * g + inertia, w
        path.append(w)
    return np.array(path)


METHODS = {
    "descent": lambda L, lam: GradientDescent(1.7 / L, weight_decay=lam),
    "a short step": lambda L, lam: GradientDescent(0.05 / L, weight_decay=lam),
    "one over L": lambda L, lam: GradientDescent(1 / L, weight_decay=lam),
    "heavy ball": lambda L, lam: HeavyBall(1 / L, 0.9, weight_decay=lam),
    "a long heavy ball": lambda L, lam: HeavyBall(2.9 / L, 0.5, weight_decay=lam),
    "an overdamped ball": lambda L, lam: HeavyBall(0.01 / L, 0.3, weight_decay=lam),
    "no momentum": lambda L, lam: HeavyBall(0.8 / L, 0.0, weight_decay=lam),
    "Nesterov": lambda L, lam: Nesterov(1 / L, 0.8, weight_decay=lam),
    "a long Nesterov": lambda L, lam: Nesterov(1.2 / L, 0.7, weight_decay=lam),
    "a short Nesterov": lambda L, lam: Nesterov(0.01 / L, 0.3, weight_decay=lam),
}


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", KINDS)
def test_stepping(kind, method, decay):
    s = setting(kind, METHODS[method](top(kind) + decay, decay))
    path, K = stepped(s, 400), np.arange(401)
    f = closed_form(s)
    scale = np.linalg.norm(path, axis=1)
    assert np.max(np.linalg.norm(f(steps=K) - path, axis=1) / scale) <= 1e-12
    assert np.max(np.linalg.norm(f(K * s.optimizer.step) - path, axis=1) / scale) <= 1e-12
    np.testing.assert_array_equal(f(steps=0), f(0.0))


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_flow_is_a_matrix_exponential(kind, decay):
    s = setting(kind, GradientFlow(rates=(0.7,), weight_decay=decay))
    X, y, n, d = s.problem.X, s.problem.y, s.problem.n, s.w0.size
    f, times = closed_form(s), np.array([0.0, 1e-3, 0.5, 3.0, 20.0])
    for t in times:
        A = np.zeros((d + 1, d + 1))  # (w, 1)' = A (w, 1)
        A[:d, :d], A[:d, d] = -0.7 * (X.T @ X / n + decay * np.eye(d)), 0.7 * X.T @ y / n
        exact = (expm(t * A) @ np.append(s.w0, 1.0))[:d]
        np.testing.assert_allclose(f(t), exact, rtol=0, atol=1e-12 * np.linalg.norm(exact))
    np.testing.assert_allclose(f(log_time=np.log(times[1:])), f(times[1:]), rtol=1e-12, atol=1e-14)
    assert f(times).shape == (5, d)
    assert f(times.reshape(5, 1)).shape == (5, 1, d)


def exactly(x, b, k):
    """e_k and 1 − e_k by repeated squaring of the companion matrix in 60 digits."""
    with localcontext() as context:
        context.prec = 60
        x, b = Decimal(x), Decimal(b)
        M, P = (
            ((1 + b - x, -b), (Decimal(1), Decimal(0))),
            ((Decimal(1), Decimal(0)), (Decimal(0), Decimal(1))),
        )

        def times(A, B):
            return tuple(tuple(A[i][0] * B[0][j] + A[i][1] * B[1][j] for j in (0, 1)) for i in (0, 1))

        while k:
            P, M, k = (times(M, P) if k & 1 else P), times(M, M), k >> 1
        e = P[0][0] + P[0][1]  # (e_k, e_{k−1}) = M^k (1, 1)
        return float(e), float(1 - e)


def pair(x, b, k):
    with np.errstate(all="ignore"):
        e, rest = recursion(np.array([x]), np.array([b]), np.array([float(k)]))
    return e[0, 0], rest[0, 0]


@given(
    st.floats(-9, 0.29),
    st.sampled_from([0.0, 1e-9, 0.3, 0.5, 0.9, 0.99]),
    st.booleans(),
    st.integers(0, 2000),
)
def test_modes(log_x, beta, nesterov, k):
    x = 10.0**log_x
    if nesterov:
        x = x / 1.95 * (2 + 2 * beta) / (1 + 2 * beta)  # up to the limit of stability
    b = beta * (1 - x) if nesterov else beta
    e, rest = pair(x, b, k)
    exact, exact_rest = exactly(x, b, k)
    assert abs(e - exact) <= 1e-13
    # the part of the way that is done keeps its digits as it is made by real roots
    lost = 1e-12 if x < (1 - np.sqrt(max(b, 0.0))) ** 2 else 1e-12 / x
    assert abs(rest - exact_rest) <= lost * abs(exact_rest) + 1e-300


@pytest.mark.parametrize("beta", [0.04, 0.25, 0.81])
@pytest.mark.parametrize("off", [0.0, 1e-15, -1e-15, 1e-12, -1e-12, 1e-7, -1e-7])
@pytest.mark.parametrize("side", [-1, 1])
def test_double_roots(beta, off, side):
    x = (1 + side * np.sqrt(beta)) ** 2 * (1 + off)
    for k in (0, 1, 2, 7, 100, 501):
        exact, _ = exactly(x, beta, k)
        assert abs(pair(x, beta, k)[0] - exact) <= 1e-13 * max(1.0, abs(exact))
    q = 4 * beta / (1 + beta) ** 2 * (1 - off)  # Nesterov's double root
    b = beta * (1 - (1 - q))
    for k in (1, 7, 100):
        assert abs(pair(1 - q, b, k)[0] - exactly(1 - q, b, k)[0]) <= 1e-13


@pytest.mark.parametrize("x", [1e-7, 3e-7, 2e-6])
@pytest.mark.parametrize("b", [0.0, 0.5, 0.9])
def test_a_million_steps(x, b):
    for k in (10**6, 10**6 + 1, 10**7):
        e, rest = pair(x, b, k)
        exact, exact_rest = exactly(x, b, k)
        assert abs(e / exact - 1) <= 1e-13 * max(1.0, k * x / (1 - b))
        assert abs(rest / exact_rest - 1) <= 1e-13


def test_the_polynomial_at_its_zeros():
    """ηs = 1: gradient descent and Nesterov are there after one step; ηs = 2 never stops turning."""
    for b in (0.0, -0.0):
        assert pair(1.0, b, 1) == (0.0, 1.0)
        assert pair(1.0, b, 50) == (0.0, 1.0)
    assert pair(2.0, 0.0, 11) == (-1.0, 2.0)
    assert pair(2.0, 0.0, 10**9) == (1.0, 0.0)
    assert np.isnan(pair(2.0, 0.0, np.inf)).all()
    assert np.isnan(pair(2.5, 0.0, np.inf)).all()
    assert pair(0.0, 0.5, np.inf) == (1.0, 0.0)
    assert pair(0.3, 0.5, np.inf) == (0.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_where_it_ends(kind):
    L = top(kind)
    for o in (GradientFlow(), GradientDescent(1 / L), HeavyBall(1 / L, 0.5), Nesterov(1 / L, 0.5)):
        s = setting(kind, o)
        p = s.problem
        nearest = s.w0 + np.linalg.pinv(p.X, rcond=1e-10) @ (p.y - p.X @ s.w0)
        np.testing.assert_allclose(closed_form(s)(np.inf), nearest, atol=1e-11 * np.linalg.norm(nearest))
        # and predict goes on answering with the limit, not with the curve
        pred = predict(s)
        assert not pred.is_curve
        np.testing.assert_allclose(pred.w, nearest, atol=1e-11 * np.linalg.norm(nearest))


@pytest.mark.parametrize("kind", KINDS)
def test_with_decay_it_ends_at_ridge(kind):
    s = setting(kind, HeavyBall(0.5 / top(kind), 0.5, weight_decay=0.2))
    p = s.problem
    ridge = np.linalg.solve(p.X.T @ p.X / p.n + 0.2 * np.eye(s.w0.size), p.X.T @ p.y / p.n)
    pred = predict(s)
    assert pred.rule.name == "exact path of a linear method"
    np.testing.assert_allclose(pred.at(np.inf), ridge, atol=1e-13)
    np.testing.assert_allclose(pred.at(1e9), ridge, atol=1e-13)


def test_diverging_paths():
    s = setting("wide", GradientDescent(2.5 / top("wide")))
    f = closed_form(s)
    np.testing.assert_allclose(f(steps=30), stepped(s, 30)[-1], rtol=1e-12)
    assert not np.any(np.isfinite(f(steps=10**7)))
    assert np.isnan(f(np.inf)).all()
    # a mode that the start does not excite does not diverge
    p = Regression(np.diag([1.0, 3.0]), [1.0, 0.0])
    f = closed_form(Setting(p, Linear(), GradientDescent(0.6), np.array([5.0, 0.0])))
    np.testing.assert_array_equal(f(np.inf), [1.0, 0.0])


def test_between_two_steps_the_last_one_counts():
    s = setting("wide", GradientDescent(0.1))
    f, path = closed_form(s), stepped(s, 40)
    for t, k in [
        (0.0999, 0),
        (0.1, 1),
        (0.30000000000000004, 3),
        (0.3, 3),
        (0.349, 3),
        (0.7, 7),
        (0.7999999, 7),
    ]:
        np.testing.assert_allclose(f(t), path[k], rtol=1e-12, err_msg=str(t))
    # a run's own clock, a sum of 4000 steps
    run = simulate(s, Stop(steps=4000))
    np.testing.assert_array_equal(f(run.time), f(steps=4000))


def test_early_runs_are_on_the_curve():
    s = setting("wide", Nesterov(0.1, 0.6))
    run = simulate(s, Stop(loss=1e-26, steps=12))
    assert run.status == "budget"
    pred = predict(s, run)  # the limit is refused: the run has not converged
    assert pred.is_curve
    assert ib.compare(run, pred).relative <= 1e-13


def test_what_it_refuses():
    curve = closed_form(setting("wide", GradientDescent(0.1)))
    assert isinstance(curve, SpectralCurve)
    for bad in ({}, {"t": 1.0, "steps": 3}, {"steps": 1, "log_time": 0.0}):
        with pytest.raises(ValueError, match="give one of"):
            curve(**bad)
    for t in (-1.0, np.nan):
        with pytest.raises(ValueError, match="t ≥ 0"):
            curve(t)
    with pytest.raises(ValueError, match="whole numbers"):
        curve(steps=[1, 2.5])
    with pytest.raises(ValueError, match="a flow has no steps"):
        closed_form(setting("wide", GradientFlow()))(steps=3)
    with pytest.raises(ValueError, match="not a batch"):
        closed_form(setting("wide", GradientDescent([0.1, 0.2])))


@pytest.mark.parametrize(
    "optimizer",
    [GradientDescent(Decay(0.1, 0.5)), HeavyBall(lambda k: 0.1, 0.5), Nesterov(0.1), SteepestDescent(2, 0.1)],
    ids=["decaying", "callable", "varying momentum", "another method"],
)
def test_what_has_no_closed_form(optimizer):
    with pytest.raises(NoPrediction, match="exact path of a linear method"):
        closed_form(setting("wide", optimizer))
    with pytest.raises(NoPrediction):
        closed_form(Setting(problem("wide"), Diagonal(2), GradientDescent(0.1), ib.Balanced(0.1)))
