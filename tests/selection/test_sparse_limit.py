"""Least ℓ1 norm, then entropy: against general solvers on the face, and against the limit it stands for."""

import numpy as np
import pytest

from implicitbias import BregmanProjection, Hypentropy, Infeasible, L1ThenEntropy, LeastNorm, certify

depths = pytest.mark.parametrize("depth", [2, 3, 4, 7])


def ties(seed):
    """Integers, with signs and copies of columns: faces of every dimension."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 2, (3, 7)).astype(float)
    X = np.hstack([X, -X[:, :2]])
    return X, X @ rng.standard_normal(9)


@depths
def test_solutions_are_certified(depth):
    faces = set()
    for seed in range(25):
        X, y = ties(seed)
        program = L1ThenEntropy(X, y, depth)
        w = program.solution
        assert certify(w, program).worst <= 1e-11
        assert certify(w, LeastNorm(1, X, y)).worst <= 1e-12
        _, _, M, _ = program.face
        faces.add(M.shape[1] - np.linalg.matrix_rank(M) if M.size else 0)
    assert faces >= {0, 1, 2, 3}


@pytest.mark.parametrize("depth", [2, 3, 4])
@pytest.mark.parametrize("seed", range(4))
def test_against_a_cone_solver(depth, seed):
    cp = pytest.importorskip("cvxpy", reason="the cone program needs the extra sdp")
    X, y = ties(seed)
    program = L1ThenEntropy(X, y, depth)
    least = LeastNorm(1, X, y).objective(program.solution)
    u = cp.Variable(18, nonneg=True)  # w = p − q
    second = cp.sum(cp.entr(u)) if depth == 2 else cp.sum(cp.power(u, 2 / depth))
    constraints = [np.hstack([X, -X]) @ u == y, cp.sum(u) <= least * (1 + 1e-9)]
    best = -cp.Problem(cp.Maximize(second), constraints).solve(solver="CLARABEL")
    # the margin of 1e-9 admits 18 more coordinates of that size, and Clarabel stops at 1e-8
    assert program.objective(program.solution) <= best + 1e-6 + 18 * 1e-8 ** (2 / depth)
    np.testing.assert_allclose(program.solution, u.value[:9] - u.value[9:], atol=2e-2)


def test_equal_columns_share_equally():
    """On w₁ + w₂ + w₃ = 3 every strictly concave symmetric sum is largest at equal parts."""
    for depth in (2, 3, 5):
        program = L1ThenEntropy([[1.0, 1.0, 1.0, 0.2]], [3.0], depth)
        np.testing.assert_allclose(program.solution, [1.0, 1.0, 1.0, 0.0], atol=1e-14)


def test_one_point_of_least_norm_leaves_no_choice():
    """w₁ + w₂ + 2w₃ = 2, w₂ + w₃ = 1: ‖(t, t, 1 − t)‖₁ = 1 + t is least at t = 0."""
    X, y = [[1.0, 1.0, 2.0], [0.0, 1.0, 1.0]], [2.0, 1.0]
    np.testing.assert_allclose(L1ThenEntropy(X, y).solution, [0.0, 0.0, 1.0], atol=1e-14)


def test_an_edge_by_hand():
    """w₁ + w₂ + w₃ = 2 and w₁ + w₃/2 = s on w ≥ 0, where ‖w‖₁ = 2: w = (s − t/2, 2 − s − t/2, t)."""
    X = [[1.0, 1.0, 1.0], [1.0, 0.0, 0.5]]
    # Σ w ln w is stationary where t² = w₁w₂: at s = 1 where all are equal, for powers too
    for depth in (2, 3):
        np.testing.assert_allclose(
            L1ThenEntropy(X, [2.0, 1.0], depth).solution, np.full(3, 2 / 3), atol=1e-14
        )
    t = np.roots([3 / 4, 1.0, -3 / 4]).max()  # s = 1/2: t² = (1/2 − t/2)(3/2 − t/2)
    np.testing.assert_allclose(
        L1ThenEntropy(X, [2.0, 0.5]).solution, [0.5 - t / 2, 1.5 - t / 2, t], atol=1e-14
    )


def test_it_is_the_limit_of_the_hyperbolic_entropy():
    """ψ_c with ln c = −3000: what is left off the face is e^{−3000 slack}, and the O(1) terms agree."""
    for seed in range(8):
        X, y = ties(seed)
        program = L1ThenEntropy(X, y)
        limit = BregmanProjection(Hypentropy(-3000.0), np.zeros(9), X, y).solution
        np.testing.assert_allclose(program.solution, limit, atol=1e-9)


def test_powers_and_entropy_differ():
    X, y = [[1.0, 1.0, 1.0], [1.0, 0.0, 0.5]], [2.0, 0.5]
    solutions = [L1ThenEntropy(X, y, depth).solution for depth in (2, 3, 4)]
    assert np.linalg.norm(solutions[0] - solutions[1]) > 1e-3
    assert np.linalg.norm(solutions[1] - solutions[2]) > 1e-3
    for depth, w in zip((3, 4, 2), solutions):
        assert certify(w, L1ThenEntropy(X, y, depth)).worst > 1e-4


@depths
@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_moves_are_seen_at_their_size(depth, size):
    X, y = [[1.0, 1.0, 1.0, 0.3], [1.0, 0.0, 0.5, 0.1]], [2.0, 0.5]
    program = L1ThenEntropy(X, y, depth)
    w = program.solution
    along = np.array([0.5, 0.5, -1.0, 0.0])
    c = certify(w + size * along, program)
    assert c.feasibility <= 1e-14
    assert 1e-2 * size < c.stationarity < 1e2 * size
    excess = program.objective(w + size * along) - program.objective(w)
    if depth > 2:
        scale = -program.objective(w + size * along) + np.sum(w)
        # a multiplier fitted to w: no less than the excess, and of its order
        assert excess - 1e-14 <= c.gap * scale <= 5 * excess
    off = w.copy()
    off[3] = size
    assert certify(off, program).feasibility > 1e-2 * size


@depths
def test_scales_orthants_and_nothing_to_fit(depth):
    X, y = ties(3)
    w = L1ThenEntropy(X, y, depth).solution
    for a, b in ((1e6, 1e-6), (1e-6, 1e6)):
        program = L1ThenEntropy(a * X, b * y, depth)
        np.testing.assert_allclose(program.solution * a / b, w, atol=1e-9)
        assert certify(program.solution, program).worst <= 1e-10
    positive = L1ThenEntropy(np.abs(X), np.abs(X) @ np.ones(9), depth, np.ones(9))
    assert np.min(positive.solution) >= 0
    assert certify(positive.solution, positive).worst <= 1e-11
    assert not np.any(L1ThenEntropy(X, 0 * y, depth).solution)
    assert certify(np.zeros(9), L1ThenEntropy(X, 0 * y, depth)).worst == 0.0


def test_bad_input():
    with pytest.raises(ValueError, match="depth must be an integer ≥ 2"):
        L1ThenEntropy([[1.0]], [1.0], 1)
    with pytest.raises(ValueError, match="y has shape"):
        L1ThenEntropy([[1.0]], [1.0, 2.0])
    with pytest.raises(Infeasible):
        _ = L1ThenEntropy([[1.0]], [-1.0], signs=[1]).solution
