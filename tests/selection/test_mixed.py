"""The flow of W between lazy and rich."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.selection.mixed import mixed_scale


def orthonormal_start(widths: tuple[int, int, int], c: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    d, h, k = widths
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((h, d + k)))[0] * np.sqrt(c)
    return Q[:, :d], Q[:, d:].T


def regression(widths: tuple[int, int, int], n: int, c: float) -> ib.Setting:
    rng = np.random.default_rng(1)
    d, _, k = widths
    problem = ib.MatrixRegression(rng.standard_normal((n, d)), rng.standard_normal((n, k)))
    return ib.Setting(problem, ib.DeepLinear(widths), ib.GradientFlow(), orthonormal_start(widths, c))


def test_velocity_of_two_modes() -> None:
    """Entry (i, j) moves at the rate √(σ_i² + c²) + √(σ_j² + c²)."""
    W, G = np.diag([4.0, 12.0]), np.array([[1.0, 2.0], [3.0, 4.0]])
    c = 3.0, 9.0
    assert np.allclose(
        ib.mixed_velocity(W, G, c[0]), -G * [[10, 5 + np.sqrt(153)], [5 + np.sqrt(153), 2 * np.sqrt(153)]]
    )
    assert np.allclose(
        ib.mixed_velocity(W, G, c[1]), -G * [[2 * np.sqrt(97), 15 + np.sqrt(97)], [15 + np.sqrt(97), 30]]
    )


def test_scale_of_a_start() -> None:
    c, off = mixed_scale(orthonormal_start((2, 7, 3), 0.3))
    assert np.isclose(c, 0.3, rtol=1e-12)
    assert off <= 1e-12
    assert mixed_scale((np.eye(2), np.eye(2)))[1] == np.inf  # balanced: c = 0
    assert (
        mixed_scale((2 * np.eye(2), np.eye(2)))[1] > 0.5
    )  # a multiple of the identity between them is no such start


def test_the_curve_is_that_of_the_layers() -> None:
    setting = regression((3, 8, 2), 6, 0.4)
    prediction = ib.predict(setting)
    assert isinstance(prediction.value, ib.MixedFlow)
    run = ib.simulate(setting, stop=ib.Stop(time=3), save=ib.Save(at=[1, 2, 3], fields=("w",)), rtol=1e-11)
    assert ib.compare(run, prediction).relative <= 1e-9
    # the start may lie on the way
    later = ib.Setting(setting.problem, setting.model, ib.GradientFlow(), run.theta)
    assert np.allclose(ib.closed_form(later)(1.0), prediction.at(4.0), atol=1e-9)


def test_the_limit_is_the_least_squares_solution() -> None:
    setting = regression((3, 8, 2), 6, 0.4)
    expected = np.linalg.lstsq(setting.problem.X, setting.problem.Y, rcond=None)[0].T
    curve = ib.closed_form(setting)
    assert np.allclose(curve(np.inf), expected, atol=1e-10)
    assert np.allclose(curve.singular_values([0.0, np.inf]), [[0, 0], np.linalg.svd(expected)[1]], atol=1e-10)


def test_a_large_start_is_lazy() -> None:
    """c → ∞: Ẇ = −2cG, so that underdetermined data are fitted with the least ‖W‖_F."""
    setting = regression((5, 9, 2), 3, 1e4)
    expected = np.linalg.lstsq(setting.problem.X, setting.problem.Y, rcond=None)[0].T
    assert np.allclose(ib.closed_form(setting)(np.inf), expected, atol=1e-6)


def test_whitened_modes() -> None:
    """u̇ = 2√(u² + c²)(s − u), whose solution DeepModes holds."""
    T, c, widths = np.diag([3.0, 1.0]), 0.2, (2, 4, 2)
    setting = ib.Setting(
        ib.MatrixRegression.whitened(T),
        ib.DeepLinear(widths),
        ib.GradientFlow(),
        orthonormal_start(widths, c),
    )
    exact = ib.DeepModes(np.eye(2), np.eye(2), np.zeros(2), np.diag(T), 2, c)
    t = np.linspace(0, 3, 5)
    assert np.allclose(ib.MixedFlow(setting)(t), exact(t), atol=1e-10)
    assert isinstance(ib.closed_form(setting), ib.DeepModes)


def test_other_starts_have_no_such_curve() -> None:
    setting = regression((3, 8, 2), 6, 0.4)
    other = tuple(np.random.default_rng(0).standard_normal(W.shape) for W in setting.theta0)
    with pytest.raises(ib.NoPrediction, match="relative to c², they are off by"):
        ib.closed_form(ib.Setting(setting.problem, setting.model, ib.GradientFlow(), other))
