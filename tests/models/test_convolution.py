"""Linear convolutions against sums, what their flows conserve, and their Fourier programs against cone solvers."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import FourierHypentropy, FourierMargin, LinearConvolution, certify
from implicitbias.dynamics.charts import jacobian
from implicitbias.dynamics.oracle import SettingOracle
from implicitbias.models.convolution import convolve
from implicitbias.theorems.deep.convolution import rows_of_one_phase, vertex


def circular(a, b):
    d = len(a)
    return np.array([sum(a[j] * b[(k - j) % d] for j in range(d)) for k in range(d)])


@pytest.mark.parametrize("d", [1, 4, 7, 80])
def test_the_predictor_is_the_circular_convolution(d):
    rng = np.random.default_rng(d)
    a, b, c = rng.standard_normal((3, d))
    np.testing.assert_allclose(
        LinearConvolution(2).predictor((a, b)), circular(a, b) / np.sqrt(d), atol=1e-14
    )
    three = circular(circular(a, b), c) / d
    np.testing.assert_allclose(LinearConvolution(3).predictor((a, b, c)), three, atol=1e-14)


def test_the_network_of_cross_correlations_is_the_same_up_to_reversal():
    """x ↦ ⟨x ⋆ w₁, w₂⟩ has the predictor of filters (w₁, w₂): no reversal is needed at depth two."""
    rng = np.random.default_rng(0)
    d = 6
    x, w1, w2 = rng.standard_normal((3, d))
    hidden = np.array([sum(w1[k] * x[(j + k) % d] for k in range(d)) for j in range(d)]) / np.sqrt(d)
    np.testing.assert_allclose(hidden @ w2, x @ LinearConvolution(2).predictor((w1, w2)), rtol=1e-12)


def drawn(depth, seed=0, n=3, d=7):
    rng = np.random.default_rng(seed)
    problem = ib.Regression(rng.standard_normal((n, d)), rng.standard_normal(n))
    theta = tuple(rng.standard_normal((depth, d)))
    return ib.Setting(problem, LinearConvolution(depth), ib.GradientFlow(), theta)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_hessian_by_complex_steps_is_symmetric(depth):
    setting = drawn(depth)
    H = jacobian(SettingOracle(setting), setting.start)
    np.testing.assert_allclose(H, H.T, atol=1e-12 * np.abs(H).max())
    h, e = 1e-6, np.random.default_rng(1).standard_normal(setting.start.size)
    ahead, behind = (SettingOracle(setting)(setting.start + s * h * e) for s in (1, -1))
    np.testing.assert_allclose(H @ e, (ahead - behind) / (2 * h), atol=1e-7 * np.abs(H).max())


def test_batches_are_one_at_a_time():
    setting = drawn(3)
    flat = np.random.default_rng(2).standard_normal((4, setting.start.size))
    oracle = SettingOracle(setting)
    np.testing.assert_allclose(oracle(flat), [oracle(theta) for theta in flat], atol=1e-13)


def test_long_and_complex_filters_by_transform_and_by_sum():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 70))
    for transposed in (False, True):
        np.testing.assert_allclose(
            convolve(a, b, transposed), convolve(a + 0j, b, transposed).real, atol=1e-13
        )


@pytest.mark.parametrize("depth", [2, 3])
def test_the_flow_conserves_differences_of_squares(depth):
    setting = drawn(depth)
    run = ib.simulate(setting, ib.Stop(time=5.0), rtol=1e-11)
    before, after = (np.array(setting.model.imbalances(t)) for t in (setting.theta0, run.theta))
    np.testing.assert_allclose(after, before, atol=1e-8 * np.abs(before).max())
    assert np.linalg.norm(run.w - setting.w0) > 0.1


def test_the_balanced_start():
    problem = drawn(3).problem
    theta = LinearConvolution(3).balanced(problem, 0.3)
    sizes = [np.abs(np.fft.fft(w, norm="ortho")) for w in theta]
    np.testing.assert_allclose(sizes, [[np.sqrt(0.18)] * 7] * 2 + [[0.0] * 7], atol=1e-15)
    assert not np.any(LinearConvolution(3).predictor(theta))
    with pytest.raises(ValueError, match="vector predictor"):
        LinearConvolution().shapes(ib.MatrixRegression.whitened(np.eye(2)))


# -- programs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [6, 7])
def test_the_potential_is_consistent(d):
    rng = np.random.default_rng(d)
    size = 1 + rng.uniform(size=d)
    log_c = np.log(size * np.roll(size[::-1], 1))
    psi, w, h = FourierHypentropy(log_c), rng.standard_normal(d), 1e-6
    slopes = [(psi.value(w + h * e) - psi.value(w - h * e)) / (2 * h) for e in np.eye(d)]
    np.testing.assert_allclose(psi.gradient(w), slopes, atol=1e-8)
    bends = [(psi.gradient(w + h * e) - psi.gradient(w - h * e)) / (2 * h) for e in np.eye(d)]
    np.testing.assert_allclose(psi.hessian(w), bends, atol=1e-8)
    z = psi.gradient(w)
    np.testing.assert_allclose(psi.inverse_gradient(z), w, rtol=1e-12)
    np.testing.assert_allclose(psi.hessian(w) @ psi.inverse_hessian(z), np.eye(d), atol=1e-12)
    with pytest.raises(ValueError, match="k and −k"):
        FourierHypentropy(np.arange(d))


def test_even_rows_reduce_to_the_hypentropy_of_cosines():
    """Coordinates of the orthonormal cosines: c once at k = 0, doubled (with the coordinate by √2) at pairs."""
    rng = np.random.default_rng(3)
    X, y, d = rng.standard_normal((2, 7)), rng.standard_normal(2), 7
    X = X + np.roll(X[:, ::-1], 1, axis=1)
    j = np.arange(d)
    cosines = np.array([np.cos(2 * np.pi * k * j / d) for k in range(4)])
    cosines /= np.linalg.norm(cosines, axis=1)[:, None]
    scale, c = np.array([1, *[np.sqrt(2)] * 3]), 0.01 * np.array([1.0, 2, 2, 2])
    real = ib.BregmanProjection(ib.Hypentropy(np.log(c)), np.zeros(4), X @ cosines.T / scale, y)
    program = ib.BregmanProjection(FourierHypentropy(np.log(0.01)), np.zeros(d), X, y)
    np.testing.assert_allclose(program.solution, (real.solution / scale) @ cosines, atol=1e-11)
    setting = ib.Setting(ib.Regression(X, y), LinearConvolution(2), ib.GradientFlow(), ib.Balanced(0.1))
    prediction = ib.predict(setting)
    np.testing.assert_allclose(prediction.w, program.solution, atol=1e-11)
    assert prediction.certificate.worst <= 1e-10


def test_rows_of_several_phases_have_no_prediction():
    setting = ib.Setting(drawn(2).problem, LinearConvolution(2), ib.GradientFlow(), ib.Balanced(0.1))
    with pytest.raises(ib.NoPrediction, match="real multiples of one number"):
        ib.predict(setting)


@pytest.mark.parametrize("d", [6, 7])
def test_the_vertex_is_the_limit_of_the_entropies(d):
    rng = np.random.default_rng(9)
    problem = ib.Regression(rows_of_one_phase(rng, 2, d), rng.standard_normal(2))
    v = vertex(problem)
    w = np.fft.irfft(v.rho * v.phases, d, norm="ortho")
    np.testing.assert_allclose(problem.X @ w, problem.y, atol=1e-12)
    limit = ib.BregmanProjection(FourierHypentropy(-1e4), np.zeros(d), problem.X, problem.y).solution
    np.testing.assert_allclose(limit, w, atol=1e-6)
    # off the support c sinh(ξ·ν), to the next order, against the projection at a small c
    near = ib.BregmanProjection(FourierHypentropy(np.log(1e-12)), np.zeros(d), problem.X, problem.y).solution
    seen = (np.fft.rfft(near, norm="ortho") / v.phases).real[~v.on]
    np.testing.assert_allclose(seen, v.off(1e-12), rtol=1e-5, atol=1e-16)


def separable(seed, n=4, d=5):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d))


def test_the_fourier_margin_is_certified_and_others_are_not_better():
    pytest.importorskip("cvxpy")
    for seed in range(3):
        program = FourierMargin(separable(seed))
        w = program.solution
        assert certify(w, program).worst <= 1e-11
        assert np.min(program.Z @ w) == pytest.approx(1)
        other = np.linalg.lstsq(program.Z, np.ones(4), rcond=None)[0]  # all margins one
        assert program.objective(other) > program.objective(w) * 1.001
        assert certify(other, program).gap > 1e-3


def test_deeper_margins_are_only_certified():
    program = FourierMargin(separable(0), depth=3)
    with pytest.raises(ValueError, match="not convex"):
        _ = program.solution
    w = np.linalg.lstsq(program.Z, np.ones(4), rcond=None)[0]
    report = certify(w, program)
    assert np.isnan(report.gap)
    assert report.stationarity > 1e-3
    assert certify(-w, program).feasibility == np.inf


def test_a_single_sample_is_stationary_at_its_loudest_frequencies_at_every_depth():
    """min ‖Fw‖_{2/L} : z·w = 1 with one frequency only: every frequency alone is stationary, whatever the depth."""
    z = separable(1, n=1, d=7)
    z_hat = np.fft.fft(z[0], norm="ortho")
    only = np.zeros(7, dtype=complex)
    k = int(np.argmax(np.abs(z_hat[1:]))) + 1
    only[[k, -k]] = z_hat[[k, -k]]
    w = np.fft.ifft(only, norm="ortho").real
    for depth in (2, 3, 4):
        assert certify(w, FourierMargin(z, depth)).stationarity <= 1e-7  # (1e-16)^{1/2}
