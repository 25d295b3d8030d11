"""Norms: duality, steepest directions, and the words that name them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implicitbias import LpNorm, Norm
from implicitbias.geometry.norms import as_norm

EPS = np.finfo(float).eps
every_p = pytest.mark.parametrize("p", [1, 1.3, 2, 5, np.inf])
quick = settings(max_examples=50, derandomize=True, deadline=None)
entries = st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3)
vectors = st.lists(entries, min_size=1, max_size=7).map(np.array).filter(np.any)


@every_p
@given(g=vectors)
@quick
def test_the_direction_attains_the_dual_norm(p, g):
    norm = LpNorm(p)
    s = norm.direction(g)
    # sums of at most seven powers, each a few ulps (a power q multiplies the error of its base by q ≤ 5)
    assert abs(norm.value(s) - 1) <= 40 * EPS
    assert abs(g @ s - norm.dual(g)) <= 40 * EPS * norm.dual(g)


@every_p
@given(g=vectors, data=st.data())
@quick
def test_hoelder(p, g, data):
    w = np.array(data.draw(st.lists(entries, min_size=g.size, max_size=g.size)))
    norm = LpNorm(p)
    assert abs(g @ w) <= norm.dual(g) * norm.value(w) * (1 + 40 * EPS)


@every_p
def test_the_dual_of_the_dual_is_the_norm(p):
    w = np.array([3.0, -4.0, 0.5])
    np.testing.assert_allclose(LpNorm(LpNorm(p).q).dual(w), LpNorm(p).value(w), rtol=8 * EPS)


@every_p
@pytest.mark.parametrize("size", [1e-100, 1e-8, 1e100])
def test_norms_are_homogeneous(p, size):
    g, norm = np.array([3.0, -4.0, 0.5]), LpNorm(p)
    # ‖αg‖ = α‖g‖ whatever α: neither underflow nor overflow
    np.testing.assert_allclose(norm.value(size * g), size * norm.value(g), rtol=1e-13)
    np.testing.assert_allclose(norm.dual(size * g), size * norm.dual(g), rtol=1e-13)
    np.testing.assert_allclose(norm.direction(size * g), norm.direction(g), rtol=1e-13)


def test_a_norm_near_the_l1_norm_sees_small_gradients():
    # q = 51: |g|^q underflows at |g| = 1e-7, a gradient that every converging run reaches
    g = np.full(4, 1e-8)
    np.testing.assert_allclose(LpNorm(1.02).dual(g), 1e-8 * 4 ** (1 / 51), rtol=1e-12)


@every_p
def test_the_direction_of_zero_is_zero(p):
    assert not np.any(LpNorm(p).direction(np.zeros(3)))


@every_p
def test_matrices_are_read_entry_by_entry(p):
    G, norm = np.array([[3.0, -4.0], [0.5, 1.0]]), LpNorm(p)
    assert norm.value(G) == norm.value(G.ravel())
    assert norm.dual(G) == norm.dual(G.ravel())
    np.testing.assert_array_equal(norm.direction(G).ravel(), norm.direction(G.ravel()))


def test_known_values():
    g = np.array([3.0, -4.0])
    assert [LpNorm(p).value(g) for p in (1, 2, np.inf)] == [7.0, 5.0, 4.0]
    assert LpNorm(1).direction(g).tolist() == [0.0, -1.0]
    assert LpNorm(1).direction(np.array([2.0, -2.0])).tolist() == [1.0, 0.0]  # the first largest
    assert LpNorm(np.inf).direction(g).tolist() == [1.0, -1.0]
    np.testing.assert_allclose(LpNorm(2).direction(g), [0.6, -0.8], rtol=4 * EPS)


@pytest.mark.parametrize("norm", [1, 2, 1.5, np.inf, np.float64(3.0), LpNorm(2.0)])
def test_as_norm_accepts_numbers_and_norms(norm):
    made = as_norm(norm)
    assert isinstance(made, Norm)
    assert made.p == (norm.p if isinstance(norm, LpNorm) else norm)


@pytest.mark.parametrize("norm", [0.5, 0, -1, np.nan, "l2", None, True, [2.0]])
def test_as_norm_refuses_the_rest(norm):
    with pytest.raises(ValueError, match=r"norm .* 1 ≤ p ≤ inf"):
        as_norm(norm)
