"""Norms: duality, steepest directions, and the words that name them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import implicitbias as ib
from implicitbias import LpNorm, MahalanobisNorm, Norm, SchattenNorm, polar_factor
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


MATRIX = np.array([[2.0, -1.0, 0.5], [0.0, 1.5, -2.0]])
BLOCKS = (MATRIX, np.array([[3.0]]), np.array([0.3, -0.4]))
WORDS = {"frobenius": "fro", "spectral": 2, "nuclear": "nuc"}


def inner(a, b):
    return sum(np.sum(x * y) for x, y in zip(a, b))


@pytest.mark.parametrize(("word", "order"), WORDS.items())
def test_words_are_the_matrix_norms(word, order):
    norm, dual = as_norm(word), {"fro": "fro", 2: "nuc", "nuc": 2}[order]
    np.testing.assert_allclose(norm.value(MATRIX), np.linalg.norm(MATRIX, order), rtol=8 * EPS)
    np.testing.assert_allclose(norm.dual(MATRIX), np.linalg.norm(MATRIX, dual), rtol=8 * EPS)
    s = norm.direction(MATRIX)
    np.testing.assert_allclose(np.linalg.norm(s, order), 1.0, rtol=8 * EPS)
    np.testing.assert_allclose(np.sum(s * MATRIX), norm.dual(MATRIX), rtol=8 * EPS)
    np.testing.assert_allclose(
        norm.value(MATRIX[0]), np.linalg.norm(MATRIX[0]), rtol=8 * EPS
    )  # a vector is a column


def test_max_is_entrywise():
    norm = as_norm("max")
    assert norm.value(MATRIX) == 2.0
    assert norm.dual(MATRIX) == 7.0
    assert norm.direction(MATRIX).tolist() == np.sign(MATRIX).tolist()


@pytest.mark.parametrize("p", [1, 1.5, 2, 4, np.inf])
def test_blocks_are_one_block_diagonal_matrix(p):
    norm, whole = SchattenNorm(p), np.zeros((5, 5))
    whole[:2, :3], whole[2, 3], whole[3:, 4] = MATRIX, 3.0, BLOCKS[2]
    np.testing.assert_allclose(norm.value(BLOCKS), norm.value(whole), rtol=16 * EPS)
    np.testing.assert_allclose(norm.dual(BLOCKS), norm.dual(whole), rtol=16 * EPS)
    s = norm.direction(BLOCKS)
    assert [b.shape for b in s] == [b.shape for b in BLOCKS]
    np.testing.assert_allclose(norm.value(s), 1.0, rtol=16 * EPS)
    np.testing.assert_allclose(inner(s, BLOCKS), norm.dual(BLOCKS), rtol=16 * EPS)


def test_schatten_known_values():
    norm = SchattenNorm(3)  # singular values 3 and 4
    G = np.array([[0.0, 3.0], [-4.0, 0.0]])
    np.testing.assert_allclose(norm.value(G), 91 ** (1 / 3), rtol=8 * EPS)
    np.testing.assert_allclose(norm.dual(G), (3**1.5 + 8) ** (2 / 3), rtol=8 * EPS)
    np.testing.assert_allclose(polar_factor(G), [[0, 1], [-1, 0]], atol=4 * EPS)


def test_rounding_gets_no_direction():
    """A matrix of rank one with rounding in it: its polar factor is u₁v₁ᵀ, not an orthogonal matrix."""
    u, v = np.array([0.6, 0.8]), np.array([0.28, 0.96])
    noisy = np.outer(u, v) + 1e-15 * np.array([[1, -2], [2, 1]])
    np.testing.assert_allclose(polar_factor(noisy), np.outer(u, v), atol=1e-14)
    assert not polar_factor(np.zeros((3, 2))).any()
    assert not np.any(
        np.concatenate([b.ravel() for b in SchattenNorm(1).direction((np.zeros((2, 2)), np.zeros(3)))])
    )


def test_schatten_norms_of_tensors_are_refused():
    with pytest.raises(ValueError, match="matrices and vectors"):
        SchattenNorm(2).value(np.zeros((2, 2, 2)))


def test_words_where_norms_are_asked_for():
    """On vectors, which are columns, the spectral and the nuclear norm are ℓ2."""
    problem = ib.Classification([[1.0, 0.5], [0.2, -2.0]], [1, -1])
    run = ib.simulate(ib.Setting(problem, ib.Linear(), ib.GradientDescent(0.1), np.ones(2)), ib.Stop(steps=3))
    for word in ("frobenius", "spectral", "nuclear"):
        np.testing.assert_allclose(run.margin(word), run.margin(2), rtol=8 * EPS)
    assert run.margin("max") == run.margin(np.inf)
    assert ib.max_margin(problem, "max").w.tolist() == ib.max_margin(problem, np.inf).w.tolist()
    for word in ("frobenius", "spectral", "nuclear"):
        assert ib.max_margin(problem, word).w.tolist() == ib.max_margin(problem, 2).w.tolist()


@pytest.mark.parametrize("M", [[1.0, 4.0, 0.5], [[2.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 1.0]]])
def test_mahalanobis_norms(M):
    norm, g = MahalanobisNorm(M), np.array([3.0, -8.0, 1.0])
    full = np.diag(M) if np.ndim(M) == 1 else np.array(M)
    s = norm.direction(g)
    # three coordinates and κ(M) ≤ 8
    np.testing.assert_allclose(norm.value(g), np.sqrt(g @ full @ g), rtol=1e-14)
    np.testing.assert_allclose(norm.dual(g), np.sqrt(g @ np.linalg.inv(full) @ g), rtol=1e-14)
    np.testing.assert_allclose([norm.value(s), g @ s], [1.0, norm.dual(g)], rtol=1e-14)
    assert not norm.direction(np.zeros(3)).any()
    np.testing.assert_array_equal(norm.direction(g[:, None]), s[:, None])
    with pytest.raises(ValueError, match="every entry of M"):
        MahalanobisNorm([1.0, 0.0])
