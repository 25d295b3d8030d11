"""Maximum margins of matrices: closed forms, cone programs, duality, and degenerate data."""

import numpy as np
import pytest

from implicitbias import (
    LpNorm,
    MahalanobisNorm,
    MaxMargin,
    SchattenNorm,
    SteepestDescent,
    certify,
)
from implicitbias.selection.margins import NotSeparable, separating_direction
from implicitbias.selection.spectral_ball import maximize_in_ball

WORDS = ["frobenius", "spectral", "nuclear", "max"]
NORMS = [*WORDS, 1, 4 / 3, 3]
every_word = pytest.mark.parametrize("word", WORDS)
every_norm = pytest.mark.parametrize("norm", NORMS, ids=str)


def rows(X, y, k):
    """(e_y − e_c)xᵀ for the samples and the other classes, (n(k − 1), k, d)."""
    E = np.eye(k)
    return np.array([np.outer(E[c] - E[o], x) for x, c in zip(X, y) for o in range(k) if o != c])


def multiclass(seed, n=12, d=6, k=3):
    rng = np.random.default_rng(seed)
    X, W = rng.standard_normal((n, d)), rng.standard_normal((k, d))
    return rows(X, np.argmax(X @ W.T, axis=1), k)


@every_norm
def test_primal_and_dual_agree(norm):
    for seed in range(4):
        program = MaxMargin(multiclass(seed), norm)
        W = program.solution
        assert W.shape == program.shape == (3, 6)
        certificate = certify(W, program)
        assert certificate.worst <= 1e-10
        # by hand: margins at least one, a dual point in the ball of the dual norm, and equal values
        assert np.min(np.sum(program.Z * W, axis=(1, 2))) >= 1 - 1e-10
        alpha = certificate.dual
        assert np.all(alpha >= 0)
        assert program.norm.dual(np.tensordot(alpha, program.Z, 1)) <= 1 + 1e-12
        assert abs(np.sum(alpha) / program.norm.value(W) - 1) <= 1e-9


@every_word
def test_against_a_cone_solver(word):
    cp = pytest.importorskip("cvxpy", reason="the cone program needs the extra sdp")
    Z = multiclass(7)
    W = cp.Variable(Z.shape[1:])
    size = {"frobenius": lambda W: cp.norm(W, "fro"), "spectral": cp.sigma_max, "nuclear": cp.normNuc,
            "max": lambda W: cp.max(cp.abs(W))}[word](W)  # fmt: skip
    margins = [cp.sum(cp.multiply(z, W)) >= 1 for z in Z]
    least = cp.Problem(cp.Minimize(size), margins).solve(solver="CLARABEL")
    program = MaxMargin(Z, word)
    # Clarabel stops at a relative gap of 1e-8
    np.testing.assert_allclose(program.objective(program.solution), least, rtol=1e-6)


@pytest.mark.parametrize(("word", "margin"), [("spectral", 1.0), ("nuclear", 1 / (1 + 1 / 2 + 1 / 4))])
def test_a_diagonal(word, margin):
    """z_i = s_i e_ie_iᵀ, s = (1, 2, 4): W = diag(1/s) has least norm, by the dual α = 1/s or α ∝ e_1."""
    Z = np.stack([np.diag(row) for row in np.diag([1.0, 2.0, 4.0])])
    program = MaxMargin(Z, word)
    np.testing.assert_allclose(1 / program.objective(program.solution), margin, rtol=1e-12)


def test_identical_rows_are_solved_by_hoelder():
    """One distinct z: the margin is ‖z‖_*, whatever the norm."""
    z = np.array([[3.0, 0.0, 1.0], [0.0, -4.0, 2.0]])
    M = np.linspace(0.5, 2.0, 6)
    for norm in (*NORMS, np.inf, MahalanobisNorm(M)):
        program = MaxMargin(np.stack([z, z, z]), norm)
        np.testing.assert_allclose(1 / program.objective(program.solution), program.norm.dual(z), rtol=1e-10)


def test_schatten_norms_of_two_and_of_vectors_are_l2():
    Z = multiclass(3)
    euclidean = MaxMargin(Z, 2).solution
    np.testing.assert_array_equal(MaxMargin(Z, SchattenNorm(2)).solution, euclidean)
    vectors = Z.reshape(len(Z), -1)
    for word in ("spectral", "nuclear"):
        np.testing.assert_array_equal(MaxMargin(vectors, word).solution, euclidean.ravel())
    # entry by entry, a matrix is its vector
    for p in (1, 3, np.inf):
        np.testing.assert_array_equal(MaxMargin(Z, p).solution.ravel(), MaxMargin(vectors, p).solution)


@pytest.mark.parametrize("full", [False, True])
def test_mahalanobis_margins_are_l2_margins_after_a_change_of_variables(full):
    rng = np.random.default_rng(0)
    Z, B = rng.standard_normal((8, 16)), rng.standard_normal((16, 16))
    M = np.eye(16) + B @ B.T if full else np.linspace(0.5, 2.0, 16)
    program = MaxMargin(Z, MahalanobisNorm(M))
    w, alpha = program.pair
    assert certify(w, program).worst <= 1e-12
    # stationarity: Mw = Σ α_i z_i on the support, κ(M) of a hundred
    gradient = M @ w if full else M * w
    np.testing.assert_allclose(gradient, program.multipliers @ Z, atol=1e-11 * np.abs(gradient).max())
    support = alpha > 1e-9 * alpha.max()
    np.testing.assert_allclose(Z[support] @ w, 1.0, atol=1e-11)


@every_norm
@pytest.mark.parametrize("seed", range(5))
def test_repeated_and_dependent_rows(norm, seed):
    """Entries in {−1, 0, 1}, ties among the support, and every sample twice."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 2, (10, 4)).astype(float)
    X[~X.any(axis=1)] = 1.0
    Z = rows(X, np.argmax(X @ rng.standard_normal((3, 4)).T, axis=1), 3)
    once, twice = MaxMargin(Z, norm), MaxMargin(np.concatenate([Z, Z]), norm)
    assert certify(once.solution, once).worst <= 1e-7
    assert certify(twice.solution, twice).worst <= 1e-7
    np.testing.assert_allclose(twice.objective(twice.solution), once.objective(once.solution), rtol=1e-7)


@every_norm
def test_lengths_of_rows_may_differ(norm):
    """A row that is ten times as long has ten times its margin: only the shortest of parallel rows matters."""
    Z = multiclass(1, 6)
    best = MaxMargin(Z, norm)
    more = MaxMargin(np.concatenate([Z, 10 * Z, 1000 * Z]), norm)
    np.testing.assert_allclose(more.objective(more.solution), best.objective(best.solution), rtol=1e-9)


@every_norm
@pytest.mark.parametrize("side", ["columns", "rows", "both"])
def test_columns_and_rows_of_very_different_sizes(norm, side):
    """Sizes from 10⁻³ to 10³: columns cost six digits of the sixteen, and rows none."""
    for seed in range(5):
        n, d, k = 6 + 4 * seed, 3 + seed, 2 + seed % 3
        rng = np.random.default_rng(seed)
        X, W = rng.standard_normal((n, d)), rng.standard_normal((k, d))
        y = np.argmax(X @ W.T, axis=1)
        if side != "rows":
            X = X * 10 ** rng.uniform(-3, 3, d)
        if side != "columns":
            X = X * 10 ** rng.uniform(-3, 3, (n, 1))
        program = MaxMargin(rows(X, y, k), norm)
        bound = {"columns": 1e-9, "rows": 1e-12, "both": 1e-9}[side]
        assert certify(program.solution, program).worst <= bound


@every_norm
def test_nearly_equal_rows(norm):
    """Each sample twice, 10⁻⁸ apart: which of the two supports is hard to see, and hardly matters."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X, W = rng.standard_normal((10, 5)), rng.standard_normal((3, 5))
        X = np.concatenate([X, X + 1e-8 * rng.standard_normal((10, 5))])
        program = MaxMargin(rows(X, np.argmax(X @ W.T, axis=1), 3), norm)
        assert certify(program.solution, program).worst <= 1e-9


@every_norm
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_margin_scales_with_the_data(norm, scale):
    Z = multiclass(2)
    sizes = [
        program.objective(program.solution) for program in (MaxMargin(Z, norm), MaxMargin(scale * Z, norm))
    ]
    np.testing.assert_allclose(sizes[1] * scale, sizes[0], rtol=1e-9)


@every_norm
def test_a_zero_row_and_contradictions(norm):
    Z = multiclass(4)
    with pytest.raises(NotSeparable) as caught:
        MaxMargin(np.concatenate([Z, np.zeros((1, 3, 6))]), norm).solution  # noqa: B018
    # a zero row is its own certificate
    np.testing.assert_allclose(caught.value.weights, np.eye(len(Z) + 1)[-1], atol=1e-12)
    with pytest.raises(NotSeparable) as caught:
        MaxMargin(np.concatenate([Z, -Z[:1]]), norm).solution  # noqa: B018
    p = caught.value.weights
    assert np.all(p >= 0)
    np.testing.assert_allclose(np.sum(p), 1.0)
    np.testing.assert_allclose(np.tensordot(p, np.concatenate([Z, -Z[:1]]), 1), 0.0, atol=1e-10)


def test_a_separating_matrix():
    Z = multiclass(5)
    W = separating_direction(Z)
    assert W.shape == (3, 6)
    assert np.min(np.sum(Z * W, axis=(1, 2))) > 0


def test_many_more_samples_than_dimensions():
    rng = np.random.default_rng(3)
    X, w = rng.standard_normal((1000, 20)), rng.standard_normal(20)
    Z = X * np.sign(X @ w)[:, None]
    for norm in (1, 1.5, 2, 4, np.inf):
        program = MaxMargin(Z, norm)
        # margins of 1e-3 of ‖z‖: three digits of the sixteen
        assert certify(program.solution, program).worst <= 1e-10
    for word in ("spectral", "nuclear"):
        program = MaxMargin(multiclass(3, 700, 10, 4), word)
        assert certify(program.solution, program).worst <= 1e-10


def test_refused_norms():
    with pytest.raises(ValueError, match=r"spectral and nuclear ones, not SchattenNorm\(p=3"):
        MaxMargin(multiclass(0), SchattenNorm(3))


def test_norms_mean_the_same_as_in_steepest_descent():
    for word in WORDS:
        assert MaxMargin(multiclass(0), word).norm == SteepestDescent(word, 0.1).norm
    assert MaxMargin(multiclass(0), "frobenius").norm == LpNorm(2)


def test_the_nuclear_norm_of_the_dual():
    """max ⟨A, X⟩ over σ₁(X) ≤ 1 is ‖A‖_nuclear, at the polar factor of A; a constraint that does not bind has λ = 0."""
    A = np.array([[3.0, 1.0], [0.0, 2.0], [1.0, 1.0]])
    found = maximize_in_ball(A.ravel(), A.reshape(1, -1), np.eye(6).reshape(6, 3, 2), 0.01 * A.ravel())
    U, _, Vt = np.linalg.svd(A, full_matrices=False)
    np.testing.assert_allclose(found.x.reshape(3, 2), U @ Vt, atol=1e-13)
    np.testing.assert_allclose(found.Y, A, atol=1e-13)
    np.testing.assert_allclose(found.lam, 0.0, atol=1e-13)
