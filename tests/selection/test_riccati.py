"""The closed form of two-layer linear networks against an integration of the layers themselves."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from implicitbias import (
    DeepLinear,
    GradientDescent,
    GradientFlow,
    MatrixRegression,
    NoPrediction,
    Regression,
    Setting,
    Stop,
    closed_form,
    compare,
    predict,
    simulate,
)

SHAPES = [(4, 4, 4, 0.0), (5, 3, 3, 0.8), (3, 3, 5, -0.8), (5, 2, 4, 0.4), (3, 5, 2, 0.0)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=lambda s: "{}-{}-{} λ={}".format(*s))


def orthonormal(n, r, rng):
    return np.linalg.qr(rng.standard_normal((n, r)))[0]


def balanced(shape, rng):
    """W₂ᵀW₂ − W₁W₁ᵀ = λI, on the first r hidden directions when h is the largest width (λ = 0)."""
    d_in, h, d_out, lam = shape
    r = min(shape[:3])
    q = np.sqrt(rng.uniform(0.3, 0.8, r) ** 2 + lam**2 / 4)
    R = orthonormal(h, r, rng)
    W1 = R @ np.diag(np.sqrt(q - lam / 2)) @ orthonormal(d_in, r, rng).T
    return W1, orthonormal(d_out, r, rng) @ np.diag(np.sqrt(q + lam / 2)) @ R.T


def target(shape, rng):
    r = min(shape[0], shape[2])
    return orthonormal(shape[2], r, rng) @ np.diag(np.linspace(1.6, 0.7, r)) @ orthonormal(shape[0], r, rng).T


def setting(shape, seed=0, sign=1):
    """For square shapes the sign of det W(0)·det T is chosen; the rest do not depend on it."""
    rng = np.random.default_rng(seed)
    T, (W1, W2) = target(shape, rng), balanced(shape, rng)
    if shape[0] == shape[1] == shape[2] and np.linalg.det(W2 @ W1) * np.linalg.det(T) * sign < 0:
        T = -T if len(T) % 2 else T @ np.diag([-1.0] + [1.0] * (len(T) - 1))
    return Setting(MatrixRegression.whitened(T), DeepLinear(shape[:3]), GradientFlow(), (W1, W2))


def integrate(s, times):
    """(W₁, W₂) by DOP853, with the gradients of ½‖W₂W₁ − T‖² written out here."""
    W1, W2 = s.init
    T, cut = s.problem.target, W1.size

    def field(t, q):
        A, B = q[:cut].reshape(W1.shape), q[cut:].reshape(W2.shape)
        E = B @ A - T
        return -np.concatenate([(B.T @ E).ravel(), (E @ A.T).ravel()])

    start = np.concatenate([W1.ravel(), W2.ravel()])
    path = solve_ivp(field, (0, times[-1]), start, "DOP853", times, rtol=1e-13, atol=1e-15).y.T
    return np.array([q[cut:].reshape(W2.shape) @ q[:cut].reshape(W1.shape) for q in path])


@every_shape
@pytest.mark.parametrize("seed", range(2))
def test_the_curve_is_the_flow(shape, seed):
    s, times = setting(shape, seed), np.linspace(0, 4, 17)
    # the integrator's 1e-13 a step, amplified by e^{s_max·t} ≤ 600 at most while modes leave their saddle
    assert np.abs(closed_form(s)(times) - integrate(s, times)).max() <= 1e-11


@every_shape
def test_late_times_and_the_limit(shape):
    s = setting(shape)
    f, T = closed_form(s), s.problem.target
    U, sigma, Vt = np.linalg.svd(T, full_matrices=False)
    r = min(shape[1], len(sigma))
    limit = (U[:, :r] * sigma[:r]) @ Vt[:r]  # the h largest modes; T itself when h ≥ rank
    late = f(200.0)
    assert np.all(np.isfinite(late))
    np.testing.assert_allclose(f(np.inf), limit, atol=1e-12)
    # the slowest rate of these spectra is ≥ 0.3: e^{−60} at t = 200, so only rounding is left
    np.testing.assert_allclose(late, limit, atol=1e-11)


@every_shape
def test_time_zero_is_the_start(shape):
    s = setting(shape)
    np.testing.assert_allclose(closed_form(s)(0), s.w0, atol=1e-15)


def test_an_array_of_times_adds_its_axes():
    s = setting(SHAPES[1])
    f = closed_form(s)
    times = np.array([[3.0, 0.0, np.inf], [0.5, 200.0, 3.0]])  # unsorted, repeated, infinite
    W = f(times)
    assert W.shape == (2, 3, 3, 5)
    assert f(1.0).shape == s.problem.w_shape == (3, 5)
    assert f([1.0]).shape == (1, 3, 5)
    for i in np.ndindex(2, 3):
        # the same semigroup in other pieces
        np.testing.assert_allclose(W[i], f(times[i]), atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_the_saddle_of_the_wrong_determinant(seed):
    """det W(0)·det T < 0 with λ = 0: the smallest mode is never reached."""
    s = setting(SHAPES[0], seed, sign=-1)
    W, T = closed_form(s)(np.inf), s.problem.target
    sigma = np.linalg.svd(T)[1]
    assert np.sum(np.linalg.svd(W)[1] > 1e-10) == 3
    # the rank-three truncation of T: its residual is s_min(T)
    np.testing.assert_allclose(np.linalg.norm(W - T), sigma[-1], rtol=1e-12)


@pytest.mark.parametrize("t", [-1.0, np.nan, [0.0, -1e-9]])
def test_times_that_are_none(t):
    with pytest.raises(ValueError, match="t ≥ 0"):
        closed_form(setting(SHAPES[0]))(t)


def rebuilt(s, **change):
    parts = {"problem": s.problem, "model": s.model, "optimizer": s.optimizer, "init": s.init}
    return Setting(**{**parts, **change})


S0 = setting(SHAPES[0])


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (rebuilt(S0, init=(2 * S0.init[0], S0.init[1])), "λ-balanced"),
        (rebuilt(S0, init=(S0.init[0], S0.init[1] + 1e-6)), "λ-balanced"),
        (rebuilt(S0, optimizer=GradientDescent(0.1)), "gradient flow"),
        (rebuilt(S0, optimizer=GradientFlow(rates=(1.0, 2.0))), "rate one"),
        (rebuilt(S0, optimizer=GradientFlow(weight_decay=0.1)), "weight decay"),
        (rebuilt(S0, model=DeepLinear((4, 4, 4, 4)), init=(*S0.init, np.eye(4))), "two layers"),
        (
            rebuilt(
                S0, problem=MatrixRegression(3 * np.eye(4), np.eye(4)), init=(2 * S0.init[0], S0.init[1])
            ),
            "whitened",
        ),
    ],
)
def test_hypotheses_that_fail_are_named(changed, says):
    for ask in (closed_form, predict):
        with pytest.raises(NoPrediction, match="Riccati") as caught:
            ask(changed)
        assert says in caught.value.candidates["exact curve of a two-layer linear network (matrix Riccati)"]


def test_predict_gives_the_same_curve():
    s = setting(SHAPES[3])
    pred = predict(s)
    times = np.array([0.0, 1.0, np.inf])
    np.testing.assert_array_equal(pred.at(times), closed_form(s)(times))
    assert pred.w is None
    assert pred.program is None
    assert pred.certificate is None


def test_a_whitened_problem_may_be_given_as_data():
    rng = np.random.default_rng(3)
    X = np.sqrt(10) * orthonormal(10, 4, rng)
    Y = rng.standard_normal((10, 4))
    s = Setting(MatrixRegression(X, Y), DeepLinear((4, 4, 4)), GradientFlow(), S0.init)
    times = np.linspace(0, 2, 5)
    # the loss is ½‖W − YᵀX/n‖² plus a constant
    assert np.abs(closed_form(s)(times) - integrate(s, times)).max() <= 1e-11


def test_vector_problems_have_no_riccati_curve():
    s = Setting(
        Regression(np.eye(2), [1.0, 2.0]), DeepLinear((2, 2, 1)), GradientFlow(), (np.eye(2), np.ones((1, 2)))
    )
    with pytest.raises(NoPrediction, match="MatrixRegression"):
        closed_form(s)


def test_the_curve_stays_at_its_saddle():
    """λ = 0, square, det W(0)·det T < 0: one mode is never reached, at any time, and the curve costs nothing late."""
    import implicitbias as ib

    T = np.diag([2.0, 1.5, -0.4])
    theta = (0.5 * np.eye(3), 0.5 * np.eye(3))
    setting = ib.Setting(ib.MatrixRegression.whitened(T), ib.DeepLinear((3, 3, 3)), ib.GradientFlow(), theta)
    f = ib.closed_form(setting)
    for t in (100.0, 200.0, 1e4, 1e7, np.inf):
        np.testing.assert_allclose(f(t), np.diag([2.0, 1.5, 0.0]), atol=2e-2 if t == 100 else 1e-2)
        assert np.linalg.norm(f(t) - T) > 0.39


# -- every shape, imbalance and hidden width, early and late -------------------------------------------


def admissible():
    """(d_in, h, d_out, λ): λ > 0 needs h ≤ d_out, λ < 0 needs h ≤ d_in, λ = 0 allows every h."""
    for d_in, d_out, lam in [
        (4, 4, 0),
        (5, 3, 0),
        (3, 5, 0),
        (5, 3, 0.8),
        (5, 3, -0.8),
        (3, 5, 0.8),
        (3, 5, -0.8),
    ]:
        widest = 7 if lam == 0 else d_out if lam > 0 else d_in
        yield from ((d_in, h, d_out, lam) for h in (2, 3, 4, 5, 7) if h <= widest)


def any_balanced(shape, rng):
    """One layer of normal entries, the other (|λ|I + its Gram matrix)^½ in a random basis, where |λ| > 0."""
    d_in, h, d_out, lam = shape
    if lam == 0:
        return balanced(shape, rng)
    small, wide = (d_out, d_in) if lam < 0 else (d_in, d_out)
    A = 0.5 * rng.standard_normal((small, h))
    f, O = np.linalg.eigh(abs(lam) * np.eye(h) + A.T @ A)
    B = orthonormal(wide, h, rng) @ (O * np.sqrt(f)) @ O.T
    return (B.T, A) if lam < 0 else (A.T, B)


def any_setting(shape, seed):
    """s_min(T) ≥ 0.6; square shapes at λ = 0 with det W(0)·det T > 0."""
    rng = np.random.default_rng(seed)
    d_in, h, d_out, lam = shape
    T, theta = target(shape, rng), any_balanced(shape, rng)
    if lam == 0 and d_in == h == d_out and np.linalg.det(theta[1] @ theta[0]) * np.linalg.det(T) < 0:
        T = T @ np.diag([-1.0] + [1.0] * (d_in - 1))
    return Setting(MatrixRegression.whitened(T), DeepLinear(shape[:3]), GradientFlow(), theta)


@pytest.mark.parametrize("shape", list(admissible()), ids=lambda s: "{}-{}-{} λ={}".format(*s))
def test_early_and_late(shape):
    s, times = any_setting(shape, 5), np.linspace(0, 4, 9)
    f, T = closed_form(s), s.problem.target
    assert np.abs(f(times) - integrate(s, times)).max() <= 1e-11
    U, sigma, Vt = np.linalg.svd(T, full_matrices=False)
    h = shape[1]
    late = f(100.0)
    assert np.all(np.isfinite(late))
    if h >= len(sigma):  # the slowest rate is √(0.7² + 0.4²) − 0.4 ≥ 0.4
        assert np.linalg.norm(late - T) <= 1e-12
    else:
        # towards the best of rank h, at the rate f_h − f_{h+1} of the eigenvalues of F
        fs = np.sqrt(sigma**2 + shape[3] ** 2 / 4)
        assert np.linalg.norm(late - (U[:, :h] * sigma[:h]) @ Vt[:h]) <= max(
            1e-12, 1e3 * np.exp(-100 * (fs[h - 1] - fs[h]))
        )
    assert predict(s).value.remarks == ()


# -- the other blocks of P ------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(4, 4, 4, 0.0), (5, 3, 3, 0.8), (5, 4, 2, -0.4)])
def test_representations_and_the_tangent_kernel(shape):
    s = any_setting(shape, 1)
    W1, W2 = s.init
    f = closed_form(s)
    inner, outer = f.representations(0.0)
    np.testing.assert_allclose(inner, W1.T @ W1, atol=1e-15)
    np.testing.assert_allclose(outer, W2 @ W2.T, atol=1e-15)
    # K = JJᵀ, J the derivative of W, row by row, in (W₁, W₂); Ẇ = −K(W − T)
    G = np.random.default_rng(0).standard_normal(s.problem.w_shape)
    pulled = s.model.pullback(s.init, G)
    moved = W2 @ pulled[0] + pulled[1] @ W1
    np.testing.assert_allclose(f.tangent_kernel(0.0) @ G.ravel(), moved.ravel(), atol=1e-14)
    h = 1e-3
    rate = (8 * (f(1 + h) - f(1 - h)) - f(1 + 2 * h) + f(1 - 2 * h)) / (12 * h)
    E = f(1.0) - s.problem.target
    np.testing.assert_allclose(-f.tangent_kernel(1.0) @ E.ravel(), rate.ravel(), atol=1e-9)
    assert f.tangent_kernel([0.0, np.inf]).shape == (2, E.size, E.size)
    # at ∞ the kernel has the eigenvalues of λ-balanced layers at the minimum, e.g. 2f_i on u_iv_iᵀ
    U, sigma, Vt = np.linalg.svd(s.problem.target, full_matrices=False)
    top = np.outer(U[:, 0], Vt[0]).ravel()
    np.testing.assert_allclose(
        f.tangent_kernel(np.inf) @ top, 2 * np.sqrt(sigma[0] ** 2 + shape[3] ** 2 / 4) * top, atol=1e-11
    )


# -- starts that end at a saddle -------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_predict_says_that_the_limit_is_a_saddle(seed):
    wrong, right = setting(SHAPES[0], seed, sign=-1), setting(SHAPES[0], seed)
    (remark,) = predict(wrong).assumes
    assert "tends to a saddle, at ‖W − T‖_F = 0.7:" in remark  # s_min(T)
    assert predict(right).assumes == ()


def test_no_run_leaves_the_saddle_as_a_success():
    """Rounding escapes after t ≈ 30: the run has failed, still at the saddle, as far as the curve says."""
    s = setting(SHAPES[0], sign=-1)
    run = simulate(s, Stop(loss=1e-20))
    assert run.status == "failed"
    assert "the sign of det W" in run.message
    assert compare(run, predict(s)).relative <= 1e-6


def test_a_start_that_misses_a_mode_ends_at_a_saddle():
    """W(0) = 0 in the second mode of layers wide enough for it."""
    T = np.diag([2.0, 1.0, 0.0])
    theta = tuple(np.diag([0.3, 0.0, 0.3]) for _ in range(2))
    s = Setting(MatrixRegression.whitened(T), DeepLinear((3, 3, 3)), GradientFlow(), theta)
    assert "‖W − T‖_F = 1:" in predict(s).assumes[0]
