"""The path of a vanishing start: by hand where X is diagonal, and against its own optimality conditions."""

import numpy as np
import pytest

from implicitbias import Regression, SaddlePath


def test_independent_coordinates_appear_by_the_size_of_their_gradients():
    # L = Σ (x_j w_j − y_j)²/(2n): each |s_j| reaches one at n/|x_j y_j|, and w_j jumps to y_j/x_j
    x, y = np.array([2.0, 1.0, 0.5]), np.array([1.0, -3.0, 1.0])
    path = SaddlePath(Regression(np.diag(x), y))
    arrivals = 3 / np.abs(x * y)
    order = np.argsort(arrivals)
    np.testing.assert_allclose(path.times, [0, *arrivals[order]], rtol=1e-14)
    np.testing.assert_array_equal(path.entering, order)
    np.testing.assert_allclose(path.points[-1], y / x, rtol=1e-14)
    assert path.monotone
    assert [np.count_nonzero(w) for w in path.points] == [0, 1, 2, 3]


@pytest.mark.parametrize("seed", range(6))
def test_each_saddle_is_optimal_on_its_face_and_slopes_are_the_integral_of_gradients(seed):
    rng = np.random.default_rng(seed)
    problem = Regression(rng.standard_normal((3, 7)), rng.standard_normal(3))
    path = SaddlePath(problem)
    assert np.max(np.abs(path.slopes)) <= 1
    for w, s, g in zip(path.points, path.slopes, path.gradients):
        np.testing.assert_allclose(g, problem.gradient(w), atol=1e-14)
        assert np.all(w * s >= 0)
        np.testing.assert_allclose(np.abs(s[w != 0]), 1)
        np.testing.assert_allclose(g[w != 0], 0, atol=1e-12)
        assert np.all((s * g)[np.abs(s) == 1] >= -1e-12)  # none on the face wants to grow
    steps = np.diff(path.times)[:, None] * path.gradients[:-1]
    np.testing.assert_allclose(np.diff(path.slopes, axis=0), -steps, atol=1e-12)
    assert np.all(np.diff(problem.loss(path.points)) < 0)


@pytest.mark.parametrize("seed", range(4))
def test_it_ends_at_the_least_l1_norm_with_the_slopes_as_certificate(seed):
    rng = np.random.default_rng(100 + seed)
    problem = Regression(rng.standard_normal((4, 9)), rng.standard_normal(4))
    path = SaddlePath(problem)
    w, s = path.points[-1], path.slopes[-1]
    np.testing.assert_allclose(problem.X @ w, problem.y, atol=1e-12)
    nu = np.linalg.lstsq(problem.X.T, s, rcond=None)[0]
    np.testing.assert_allclose(problem.X.T @ nu, s, atol=1e-12)
    np.testing.assert_allclose(nu @ problem.y, np.sum(np.abs(w)), rtol=1e-12)


def test_more_samples_than_dimensions_end_at_least_squares():
    rng = np.random.default_rng(5)
    problem = Regression(rng.standard_normal((9, 3)), rng.standard_normal(9))
    np.testing.assert_allclose(SaddlePath(problem).points[-1], problem.least_squares, rtol=1e-12)


def test_the_curves_are_continuous_and_their_averages_are_integrals():
    rng = np.random.default_rng(7)
    path = SaddlePath(Regression(rng.standard_normal((3, 6)), rng.standard_normal(3)))
    end = 1.2 * path.times[-1]
    tau = np.linspace(0, end, 200_001)[1:] - end / 400_000  # midpoints
    np.testing.assert_allclose(path.average(end), np.mean(path(tau), axis=0), atol=1e-4)
    np.testing.assert_allclose(
        -end * path.problem.gradient(path.average(end)), path.slopes_at(end), atol=1e-12
    )
    np.testing.assert_allclose(path.slopes_at(path.times), path.slopes, atol=1e-12)
    assert path(0.0).tolist() == [0.0] * 6
    assert np.all(path.times[:-1] < path.middles)
    assert np.all(path.middles < path.times[1:])


def test_an_entry_can_vanish_again():
    path = SaddlePath(Regression([[1.5, 0.8, 0.1], [0.4, 0.0, 0.2]], [-1.9, 0.4]))
    assert not path.monotone
    assert path.points[1][0] != 0 == path.points[2][0]
    # X_2 and X_3 alone: w₂ = (y₁ − X₁₃ w₃)/X₁₂ with w₃ = y₂/X₂₃
    np.testing.assert_allclose(path.points[-1], [0, -2.625, 2.0], atol=1e-12)


def test_a_start_at_the_minimum_has_one_saddle():
    path = SaddlePath(Regression([[1.0, 2.0]], [0.0]))
    assert path.times.tolist() == [0.0]
    assert path.middles.size == 0
