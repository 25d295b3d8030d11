"""The Lasso's path against the Lasso, point by point."""

import numpy as np
import pytest

from implicitbias import Lasso, LeastNorm, certify, lasso_path


def worst(path, X, y):
    """The worst certificate at and between breakpoints, and above the first."""
    lams = np.concatenate([path.lams[:-1], 0.5 * (path.lams[1:] + path.lams[:-1]), 1.5 * path.lams[:1]])
    return max(certify(path.at(lam), Lasso(X, y, lam)).worst for lam in lams)


@pytest.mark.parametrize(("n", "d"), [(5, 12), (12, 5), (8, 8), (1, 4), (20, 1)])
@pytest.mark.parametrize("seed", range(4))
def test_the_path_is_the_lasso(n, d, seed):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    path = lasso_path(X, y)
    np.testing.assert_allclose(path.lams[0], np.max(np.abs(X.T @ y)) / n, rtol=1e-15)
    assert path.lams[-1] == 0.0
    assert np.all(np.diff(path.lams) < 0)
    assert not np.any(path.points[0])
    assert worst(path, X, y) <= 1e-12
    assert certify(path.points[-1], LeastNorm(1, X, y)).worst <= 1e-11


def test_coordinates_that_leave():
    """A path on which the support shrinks, against the Lasso on a fine grid."""
    left = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((6, 4)) @ rng.standard_normal((4, 8)), rng.standard_normal(6)
        path = lasso_path(X, y)
        support = path.points != 0
        left += np.any(support[1:-1] & ~support[2:])
        assert worst(path, X, y) <= 1e-12
    assert left >= 3


@pytest.mark.parametrize("seed", range(20))
def test_degenerate_data(seed):
    """Equal columns and rows, a zero column, small integers, equal correlations: ties of every kind."""
    rng = np.random.default_rng(seed)
    integers = rng.integers(-2, 3, (5, 7)).astype(float)
    X = rng.standard_normal((5, 4))
    copies = np.hstack([X, X[:, :2], -X[:, 2:3], np.zeros((5, 1))])
    copies[4] = copies[3]
    for X, y in (
        (integers, integers @ rng.integers(-1, 2, 7)),
        (integers, rng.integers(-2, 3, 5).astype(float)),
        (copies, rng.standard_normal(5)),
        (np.eye(5, 7), np.ones(5)),
    ):
        assert worst(lasso_path(X, y), X, y) <= 1e-12


def test_scales():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((6, 9)), rng.standard_normal(6)
    path = lasso_path(X, y)
    for a, b in ((1e6, 1e-6), (1e-6, 1e6)):
        scaled = lasso_path(a * X, b * y)
        np.testing.assert_allclose(scaled.lams, a * b * path.lams, rtol=1e-9)
        np.testing.assert_allclose(scaled.points, path.points * b / a, atol=1e-10 * b / a)


def test_at():
    path = lasso_path([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0])
    # λ = |y|/n: soft thresholds at 2λ
    np.testing.assert_allclose(path.at(0.5), [1.0, 0.0], atol=1e-15)
    np.testing.assert_allclose(path.at(0.2), [1.6, -0.6], atol=1e-15)
    np.testing.assert_array_equal(path.at(7.0), [0.0, 0.0])
    assert path.at(np.zeros((3, 2))).shape == (3, 2, 2)
    for lam in path.lams:
        np.testing.assert_allclose(path.at(lam), path.at(lam * (1 - 1e-15)), atol=1e-14)
    assert path == lasso_path([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0])
    with pytest.raises(ValueError, match="lam must be ≥ 0"):
        path.at(-1.0)


def test_nothing_to_fit():
    path = lasso_path([[1.0, 2.0]], [0.0])
    np.testing.assert_array_equal(path.at([0.0, 1.0]), np.zeros((2, 2)))


def test_bad_input():
    with pytest.raises(ValueError, match="y has shape"):
        lasso_path([[1.0]], [1.0, 2.0])
