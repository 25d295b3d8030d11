"""Flattest minima against factorizations: explicit ones that attain them, random ones that never pass them."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import implicitbias as ib
from implicitbias import flattest_minimum, hessian_trace, least_trace, loss_hessian


def setting(problem, theta):
    widths = (theta[0].shape[1], *(len(W) for W in theta))
    return ib.Setting(problem, ib.DeepLinear(widths), ib.GradientFlow(), theta)


def sharpness(problem, theta):
    return float(np.linalg.eigvalsh(loss_hessian(setting(problem, theta), theta))[-1])


def refactored(theta, rng):
    """The same product: W_{j+1}P⁻¹, PW_j with random P."""
    layers = list(theta)
    for j in range(len(layers) - 1):
        P = np.eye(len(layers[j])) + 0.3 * rng.standard_normal((len(layers[j]),) * 2)
        layers[j], layers[j + 1] = P @ layers[j], layers[j + 1] @ np.linalg.inv(P)
    return tuple(layers)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_balanced_layers_are_flattest_under_whitened_inputs(depth):
    rng = np.random.default_rng(depth)
    T = rng.standard_normal((3, 4))
    problem, model = ib.MatrixRegression.whitened(T), ib.DeepLinear((4, *[5] * (depth - 1), 3))
    theta = model.factorize(T, rng=rng)
    least = flattest_minimum(problem, depth).sharpness
    np.testing.assert_allclose(least, depth * np.linalg.norm(T, 2) ** (2 - 2 / depth), rtol=1e-14)
    np.testing.assert_allclose(sharpness(problem, theta), least, rtol=1e-10)
    assert all(sharpness(problem, refactored(theta, rng)) >= least * (1 - 1e-12) for _ in range(20))


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_one_output_both_sides_agree_and_a_chain_attains_them(depth):
    rng = np.random.default_rng(10 + depth)
    problem = ib.Regression(rng.standard_normal((7, 4)), rng.standard_normal(7))
    least = flattest_minimum(problem, depth)
    np.testing.assert_allclose(least.at_least, least.sharpness, rtol=1e-12)
    w = problem.least_squares

    def chain(log_t):
        """‖W_N⋯W_2‖² = t, one unit wide, the layers above the first of equal size."""
        upper = np.exp(log_t / 2) ** (1 / (depth - 1))
        return (np.exp(-log_t / 2) * w[None], *[np.full((1, 1), upper)] * (depth - 1))

    found = minimize_scalar(lambda log_t: sharpness(problem, chain(log_t)), bounds=(-8, 8), method="bounded")
    np.testing.assert_allclose(found.fun, least.sharpness, rtol=1e-8)
    model = ib.DeepLinear((4, *[3] * (depth - 1), 1))
    theta = model.factorize(w[None], rng=rng)
    assert all(sharpness(problem, refactored(theta, rng)) >= least.at_least for _ in range(20))


def test_it_is_sharper_than_the_bound_of_the_literature():
    """N a ‖w*‖^{2−2/N} with a = w*ᵀCw*/‖w*‖² (after halving the loss) bounds it from below."""
    rng = np.random.default_rng(3)
    for depth in (2, 3, 4):
        problem = ib.Regression(rng.standard_normal((7, 4)), rng.standard_normal(7))
        w, C = problem.least_squares, problem.X.T @ problem.X / 7
        size = np.linalg.norm(w)
        assert flattest_minimum(problem, depth).at_least >= depth * (w @ C @ w) / size ** (2 / depth)


def test_white_inputs_and_one_output_agree_with_the_matrix_formula():
    w = np.array([1.0, -2.0, 0.5])
    problem = ib.MatrixRegression.whitened(w[None])
    for depth in (2, 3):
        one = flattest_minimum(ib.Regression(np.sqrt(3) * np.eye(3), np.sqrt(3) * w), depth)
        np.testing.assert_allclose(one.sharpness, depth * np.linalg.norm(w) ** (2 - 2 / depth), rtol=1e-9)
        np.testing.assert_allclose(flattest_minimum(problem, depth).sharpness, one.sharpness, rtol=1e-9)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_least_trace_is_attained_by_isometries_between_equal_ends(depth):
    """W_1 = c_1 S^½VᵀC^{−½}, W_j = c_j I, W_N = c_N US^½, where each layer has the same share of the trace."""
    rng = np.random.default_rng(20 + depth)
    X, T = rng.standard_normal((9, 4)), rng.standard_normal((3, 4))
    problem, C = ib.MatrixRegression(X, X @ T.T), X.T @ X / 9
    values, vectors = np.linalg.eigh(C)
    root, inverse = ((vectors * values**p) @ vectors.T for p in (0.5, -0.5))
    U, s, Vt = np.linalg.svd(T @ root, full_matrices=False)
    least, nuclear = least_trace(problem, depth), np.sum(s)
    share = least / depth
    c = np.sqrt([nuclear * np.trace(C) / share, *[nuclear**2 / share] * (depth - 2), 3 * nuclear / share])
    middle = [c[j] * np.eye(3) for j in range(1, depth - 1)]
    theta = (c[0] * (np.sqrt(s)[:, None] * Vt) @ inverse, *middle, c[-1] * U * np.sqrt(s))
    np.testing.assert_allclose(ib.DeepLinear((4, *[3] * depth)).predictor(theta), T, rtol=1e-9)
    np.testing.assert_allclose(hessian_trace(problem, theta), least, rtol=1e-10)
    assert all(hessian_trace(problem, refactored(theta, rng)) >= least for _ in range(50))


def test_the_trace_of_the_hessian_has_no_part_of_the_residual():
    rng = np.random.default_rng(0)
    problem = ib.MatrixRegression(rng.standard_normal((6, 3)), rng.standard_normal((6, 2)))
    theta = tuple(rng.standard_normal(shape) for shape in ((4, 3), (5, 4), (2, 5)))
    H = loss_hessian(setting(problem, theta), theta)
    np.testing.assert_allclose(hessian_trace(problem, theta), np.trace(H), rtol=1e-12)


def test_what_is_not_known_is_refused():
    rng = np.random.default_rng(1)
    skewed = ib.MatrixRegression(rng.standard_normal((6, 3)), rng.standard_normal((6, 2)))
    with pytest.raises(ValueError, match="whitened inputs only"):
        flattest_minimum(skewed, 2)
    with pytest.raises(ValueError, match="expected a Regression"):
        least_trace(ib.Classification([[1.0], [-1.0]], [1, -1]), 2)
    assert flattest_minimum(ib.Regression([[1.0, 1.0]], [0.0]), 3).sharpness == 0.0


def test_predict_says_the_flattest_layers_of_label_noise():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5, 3))
    T = rng.standard_normal((2, 3))
    problem, model = ib.MatrixRegression(X, X @ T.T), ib.DeepLinear((3, 3, 2))
    setting = ib.Setting(problem, model, ib.LabelNoiseSGD(0.05, 0.05, batch=None), model.factorize(T))
    pred = ib.predict(setting)
    assert pred.rule.name.startswith("flattest layers")
    assert pred.assumes == ("the run lasts for ten times n/((ησ)²(d_0 + d_N)) steps",)
    np.testing.assert_allclose(pred.w, T, rtol=1e-12)
    assert pred.certificate.worst <= 1e-13
    # of no factors of T is the trace smaller
    least = pred.program.objective(pred.w)
    for A in rng.standard_normal((50, 3, 3)):
        W1, W2 = setting.theta0
        assert ib.selection.flatness.hessian_trace(problem, (A @ W1, W2 @ np.linalg.inv(A))) >= least * (
            1 - 1e-12
        )
    assert ib.certify(2 * T, pred.program).feasibility > 0.1
    few = ib.simulate(setting, ib.Stop(steps=100))
    with pytest.raises(ib.NoPrediction, match="the run lasts"):
        ib.predict(setting, few)
