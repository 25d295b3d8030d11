"""The flow of W alone."""

import numpy as np
import pytest

import implicitbias as ib


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_one_output_has_the_radial_form(depth: int) -> None:
    """ẇ = −‖w‖^{2−2/N}(g + (N − 1)⟨ŵ, g⟩ŵ)."""
    w, g = np.random.default_rng(0).standard_normal((2, 5))
    r = np.linalg.norm(w)
    expected = -(r ** (2 - 2 / depth)) * (g + (depth - 1) * (w @ g) / r**2 * w)
    assert np.allclose(ib.end_to_end_velocity(w[None], g[None], depth)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("widths", [(4, 3, 3), (4, 2, 3, 3), (4, 2, 2, 2, 3)])
def test_it_is_the_product_rule_of_balanced_layers(widths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    model, r = ib.DeepLinear(widths), min(widths)
    theta = model.factorize(rng.standard_normal((3, r)) @ rng.standard_normal((r, 4)), rng=1)
    W, G = model.predictor(theta), rng.standard_normal((3, 4))
    h, pulled = 1e-30, model.pullback(theta, G)
    change = model.predictor(tuple(A - 1j * h * D for A, D in zip(theta, pulled))).imag / h
    assert np.allclose(ib.end_to_end_velocity(W, G, model.depth, rank=r), change, rtol=1e-9, atol=1e-10)
    if r == 3:
        U, _, Vt = np.linalg.svd(W, full_matrices=False)
        along = np.einsum("ir,ij,rj->r", U, change, Vt)
        assert np.allclose(ib.singular_value_velocities(W, G, model.depth), along, rtol=1e-9)


def test_equal_singular_values_have_no_velocities() -> None:
    with pytest.raises(ValueError, match="equal ones have no singular vectors"):
        ib.singular_value_velocities(np.eye(3), np.ones((3, 3)), 2)


def test_the_curve_of_two_layers_is_that_of_the_riccati_equation() -> None:
    model = ib.DeepLinear((3, 3, 3))
    rng = np.random.default_rng(2)
    setting = ib.Setting(
        ib.MatrixRegression.whitened(rng.standard_normal((3, 3))), model, ib.GradientFlow(),
        model.factorize(rng.standard_normal((3, 3))),
    )  # fmt: skip
    t = np.array([0.3, 0.0, 2.0])
    assert np.allclose(ib.EndToEndFlow(setting)(t), ib.closed_form(setting)(t), atol=1e-9)
    assert ib.EndToEndFlow(setting)(0.5).shape == (3, 3)


def whitened(T: np.ndarray, widths: tuple[int, ...], W: np.ndarray) -> ib.Setting:
    model = ib.DeepLinear(widths)
    return ib.Setting(ib.MatrixRegression.whitened(T), model, ib.GradientFlow(), model.factorize(W))


def rotations(seed: int, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    A, B = np.random.default_rng(seed).standard_normal((2, n, n))
    return np.linalg.qr(A)[0], np.linalg.qr(B)[0]


@pytest.mark.parametrize("depth", [2, 3, 5])
def test_at_infinity_wide_layers_hold_the_least_squares_solution(depth: int) -> None:
    rng = np.random.default_rng(3)
    X, Y, model = (
        rng.standard_normal((7, 4)),
        rng.standard_normal((7, 3)),
        ib.DeepLinear((4, 3, 3, 3, 3, 3)[: depth + 1]),
    )
    W0 = np.linalg.lstsq(X, Y, rcond=None)[0].T + 0.1 * rng.standard_normal((3, 4))
    setting = ib.Setting(ib.MatrixRegression(X, Y), model, ib.GradientFlow(), model.factorize(W0))
    curve = ib.closed_form(setting)
    assert isinstance(curve, ib.EndToEndFlow)
    assert np.allclose(curve(np.inf), np.linalg.lstsq(X, Y, rcond=None)[0].T, atol=1e-9)
    path = curve([np.inf, 0.0, 0.5])
    assert np.allclose(path[[0, 1]], [curve(np.inf), W0], atol=1e-9)
    assert np.allclose(path[2], curve(log_time=np.log(0.5)), atol=1e-9)


def test_one_output_ends_in_its_bregman_projection() -> None:
    rng = np.random.default_rng(0)
    X, model = rng.standard_normal((2, 4)), ib.DeepLinear((4, 2, 2, 1))
    y = X @ rng.standard_normal(4)
    setting = ib.Setting(
        ib.Regression(X, y), model, ib.GradientFlow(), model.factorize(0.1 * (X.T @ y)[None])
    )
    curve = ib.EndToEndFlow(setting)
    assert np.allclose(curve(np.inf), ib.predict(setting).w, atol=1e-8)
    assert np.allclose(curve.singular_values([0.0, 1.0])[:, 0], np.linalg.norm(curve([0.0, 1.0]), axis=1))


@pytest.mark.parametrize("depth", [2, 4])
def test_a_bottleneck_ends_in_the_nearest_matrix_of_its_rank(depth: int) -> None:
    U, V = rotations(1)
    T, start = (U * [3.0, 2.0, 0.5]) @ V.T, np.random.default_rng(2).standard_normal((3, 2)) @ np.eye(2, 3)
    flow = ib.EndToEndFlow(whitened(T, (3, 2, 3, 3, 3)[:depth] + (3,), start))
    assert np.allclose(flow(np.inf), (U[:, :2] * [3.0, 2.0]) @ V[:, :2].T, atol=1e-8)
    assert np.allclose(flow.singular_values(np.inf), [3.0, 2.0, 0.0], atol=1e-9)


def test_singular_values_follow_the_modes_of_an_aligned_start() -> None:
    U, V = rotations(4)
    setting = whitened((U * [3.0, 2.0, 1.0]) @ V.T, (3,) * 4, (U * [0.3, 0.2, 0.5]) @ V.T)
    t = np.linspace(0, 3, 7)
    modes = ib.closed_form(setting)
    assert isinstance(modes, ib.DeepModes)  # which knows more
    expected = np.sort(modes.modes(t), axis=1)[:, ::-1]
    assert np.allclose(ib.EndToEndFlow(setting).singular_values(t), expected, atol=1e-9)


def test_a_limit_of_lower_rank_than_the_start_is_a_minimum_where_the_gradient_vanishes() -> None:
    """σ₃ = 1/(10 + 2t) for two layers."""
    U, V = rotations(5)
    T = (U * [2.0, 1.0, 0.0]) @ V.T
    found = ib.EndToEndFlow(whitened(T, (3, 3, 3), T + 0.1 * U @ V.T))(np.inf)
    assert np.linalg.norm(found - T) <= 1e-8 * 5**0.5


@pytest.mark.parametrize("depth", [2, 3])
def test_the_other_sign_of_the_determinant_ends_at_a_saddle(depth: int) -> None:
    U, V = rotations(6)
    T, W = (U * [2.0, 1.5, 1.0]) @ V.T, np.linalg.svd(rotations(7)[0] + 0.1)[0]
    W = W if np.linalg.det(T) * np.linalg.det(W) < 0 else -W
    flow = ib.EndToEndFlow(whitened(T, (3,) * (depth + 1), W))
    with pytest.raises(ArithmeticError, match="a saddle, unless ∇L = 0"):
        flow(np.inf)
    if depth == 2:  # σ₃ falls exponentially, and rounding would soon turn its sign
        with pytest.raises(ArithmeticError, match="no longer resolved"):
            flow(1000.0)


def test_saddles_of_a_conserved_rank() -> None:
    T = np.diag([3.0, 2.0, 1.0])
    missing = whitened(T, (3, 3, 3), np.random.default_rng(0).standard_normal((3, 1)) @ np.ones((1, 3)))
    with pytest.raises(
        ArithmeticError,
        match="tends to a saddle: it comes to rest at rank 1, where the layers have room for 3",
    ):
        ib.EndToEndFlow(missing)(np.inf)
    # of the full rank two, but not along the two largest modes
    with pytest.raises(
        ArithmeticError,
        match="tends to a saddle: it comes to rest at rank 2, where the layers have room for 2",
    ):
        ib.EndToEndFlow(whitened(T, (3, 2, 3), np.diag([0.5, 0.0, 0.4])))(np.inf)
    with pytest.raises(ArithmeticError, match="tends to a saddle"):
        ib.EndToEndFlow(whitened(T, (3, 3, 3), np.zeros((3, 3))))(np.inf)


def test_norms_that_diverge_have_no_limit() -> None:
    model, problem = (
        ib.DeepLinear((2, 2, 2)),
        ib.MatrixCompletion([[0, 1], [1, 0]], [[False, True], [True, True]]),
    )
    setting = ib.Setting(problem, model, ib.GradientFlow(), model.factorize(np.eye(2)))
    with pytest.raises(ArithmeticError, match=r"no limit|not integrated"):
        ib.EndToEndFlow(setting)(np.inf)


def test_times_before_the_start() -> None:
    with pytest.raises(ValueError, match="t ≥ 0"):
        ib.EndToEndFlow(whitened(np.eye(2), (2, 2, 2), np.eye(2)))(-1.0)
