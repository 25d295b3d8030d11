"""Non-negative quadratic programs, linear programs and faces, each against its conditions of optimality."""

import numpy as np
import pytest

from implicitbias.selection.active_set import nonnegative_least
from implicitbias.selection.linear_programs import basic_solution, inner_point, strict_multiplier


def conditions(B, y, cost, u):
    """The largest violation of u ≥ 0, g ≥ 0, g∘u = 0, over the terms of g."""
    g = cost + B.T @ (B @ u - y)
    size = np.linalg.norm(B, axis=0) * np.linalg.norm(y) + cost + 1e-300
    return max(-np.min(u), np.max(-g / size), np.max(np.abs(g[u > 0] / size[u > 0]), initial=0.0))


@pytest.mark.parametrize("seed", range(25))
def test_quadratic_programs(seed):
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 12, 2)
    kinds = (
        rng.standard_normal((n, m)),
        rng.integers(-1, 2, (n, m)).astype(float),
        rng.standard_normal((n, 2)) @ rng.standard_normal((2, m)),
        rng.standard_normal((n, m)) * 10.0 ** rng.uniform(-6, 6, m),
    )
    for B in kinds:
        for y in (rng.standard_normal(n), B @ rng.random(m), np.zeros(n)):
            for cost in (np.zeros(m), 0.1 * np.abs(B.T @ y) + 0.01, np.where(rng.random(m) < 0.5, 0.0, 0.1)):
                u = nonnegative_least(B, y, cost)
                assert conditions(B, y, cost, u) <= 1e-12
                columns = B[:, u > 0] / np.linalg.norm(B[:, u > 0], axis=0)
                assert columns.size == 0 or np.linalg.matrix_rank(columns) == columns.shape[1]


def test_opposite_columns():
    """B = [X, −X] without cost is plain least squares, and only one of each pair is used."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((6, 10)), rng.standard_normal(6)
    u = nonnegative_least(np.hstack([X, -X]), y)
    np.testing.assert_allclose(X @ (u[:10] - u[10:]), y, atol=1e-13)
    assert not np.any(u[:10] * u[10:])


@pytest.mark.parametrize("seed", range(20))
def test_linear_programs_are_solved_to_rounding(seed):
    rng = np.random.default_rng(seed)
    M = rng.standard_normal((4, 9)) if seed % 2 else rng.integers(-1, 2, (4, 9)).astype(float)
    upper = np.where(rng.random(9) < 0.5, 1.0, np.inf)
    b = M @ np.where(rng.random(9) < 0.6, 0.0, rng.random(9))
    c = rng.random(9)
    x, nu = basic_solution(c, M, b, upper, "the test")
    np.testing.assert_allclose(M @ x, b, atol=1e-13)
    assert np.all((x >= 0) & (x <= upper))
    for multiplier in (nu, strict_multiplier(c, M, x, upper, nu)[0]):
        slack = c - M.T @ multiplier
        assert np.min(slack[x == 0], initial=0.0) >= -1e-12
        assert np.max(slack[x == upper], initial=0.0) <= 1e-12
        assert np.max(np.abs(slack[(x > 0) & (x < upper)]), initial=0.0) <= 1e-12


def test_a_program_without_a_solution_says_so():
    with pytest.raises(ArithmeticError, match="of the test was not solved"):
        basic_solution(np.ones(1), np.ones((1, 1)), -np.ones(1), np.full(1, np.inf), "the test")


def test_inner_points_are_positive_where_any_point_is():
    # x₁ + x₂ = 1, x₃ = 0 by x₃ + x₄ = 0, x₅ free of all
    M = np.array([[1.0, 1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0, 0.0]])
    x = inner_point(M, np.array([1.0, 0.0, 0.0, 0.0, 0.0]))
    np.testing.assert_allclose(M @ x, [1.0, 0.0], atol=1e-15)
    np.testing.assert_array_equal(x > 0, [True, True, False, False, True])
