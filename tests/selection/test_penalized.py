"""Penalised least squares against cone solvers, closed forms, all supports, and the conditions of optimality."""

from itertools import product

import numpy as np
import pytest

from implicitbias import Lasso, LeastNorm, NonNegativeLeastSquares, PowerPenalty, Ridge, certify


def draw(seed, n=7, d=10):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n), rng


def largest(X, y):
    """λ from which the Lasso is zero."""
    return np.max(np.abs(X.T @ y)) / len(y)


SIGNS = np.array([1, 1, 1, -1, -1, 0, 0, np.nan, np.nan, 1])
SHAPES = pytest.mark.parametrize(("n", "d"), [(4, 10), (10, 10), (30, 10), (1, 10)])


# -- ridge ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", [None, "diagonal", "matrix"])
@SHAPES
def test_ridge_solves_its_normal_equations(metric, n, d):
    X, y, rng = draw(0, n, d)
    Q = rng.standard_normal((d, d))
    M = {None: np.eye(d), "diagonal": np.diag(np.arange(1.0, d + 1)), "matrix": Q @ Q.T + np.eye(d)}[metric]
    given = {None: None, "diagonal": np.diag(M), "matrix": M}[metric]
    for lam in (1e-3, 1.0, 1e3):
        program = Ridge(X, y, lam, given)
        w = np.linalg.solve(X.T @ X / n + lam * M, X.T @ y / n)
        np.testing.assert_allclose(program.solution, w, atol=1e-10 * np.abs(w).max())
        assert certify(program.solution, program).worst <= 1e-12


def test_the_ridge_gap_is_the_excess():
    X, y, rng = draw(1)
    program = Ridge(X, y, 0.3, np.linspace(1, 2, 10))
    for size in (1.0, 1e-1, 1e-2):
        w = program.solution + size * rng.standard_normal(10)
        excess = program.objective(w) - program.objective(program.solution)
        np.testing.assert_allclose(certify(w, program).gap * (y @ y) / 14, excess, rtol=1e-9)


def test_ridge_between_zero_and_the_least_norm():
    X, y, _ = draw(2)
    # ‖w_λ − X⁺y‖ ≤ nλ/σ_min² ‖X⁺y‖
    near = Ridge(X, y, 1e-12)
    np.testing.assert_allclose(near.solution, LeastNorm(2, X, y).solution, atol=1e-10)
    assert certify(near.solution, near).worst <= 1e-12
    far = Ridge(X, y, 1e12)
    np.testing.assert_allclose(far.solution, 1e-12 * X.T @ y / 7, rtol=1e-10)


# -- the Lasso -----------------------------------------------------------------------------------


def optimal(program, tolerance):
    """Each condition of optimality, by hand."""
    X, y, w = program.X, program.y, program.solution
    lam = np.broadcast_to(program.lam, w.shape)
    signs = np.full(w.size, np.nan) if program.signs is None else program.signs
    g = X.T @ (y - X @ w) / len(y)
    scale = tolerance * (largest(X, y) + lam.max())
    on = w != 0
    assert np.all(np.abs(g - lam * np.sign(w))[on] <= scale)
    bounded = {1.0: g - lam, -1.0: -g - lam}
    for s, excess in bounded.items():
        assert np.all(excess[~on & (signs == s)] <= scale)
    assert np.all((np.abs(g) - lam)[~on & np.isnan(signs)] <= scale)
    assert np.all(w[signs == 0] == 0)
    assert np.all((signs * w)[np.abs(signs) == 1] >= 0)
    assert not np.any(on) or np.linalg.matrix_rank(X[:, on]) == on.sum()


@SHAPES
@pytest.mark.parametrize("signs", [None, SIGNS], ids=["free", "orthant"])
@pytest.mark.parametrize("fraction", [0.9, 0.3, 1e-2, 1e-6])
def test_the_lasso_is_optimal(n, d, signs, fraction):
    for seed in range(4):
        X, y, rng = draw(seed, n, d)
        for lam in (fraction * largest(X, y), fraction * largest(X, y) * np.exp(rng.standard_normal(d))):
            program = Lasso(X, y, lam, signs)
            optimal(program, 1e-13)
            assert certify(program.solution, program).worst <= 1e-12


@pytest.mark.parametrize("signs", [None, SIGNS], ids=["free", "orthant"])
def test_the_lasso_against_a_cone_solver(signs):
    cp = pytest.importorskip("cvxpy", reason="the cone program needs the extra sdp")
    X, y, _ = draw(5)
    lam = 0.2 * largest(X, y) * np.linspace(0.5, 2.0, 10)
    w = cp.Variable(10)
    value = cp.sum_squares(X @ w - y) / 14 + lam @ cp.abs(w)
    constraints = [] if signs is None else [cp.multiply(np.nan_to_num(signs), w) >= 0, w[signs == 0] == 0]
    least = cp.Problem(cp.Minimize(value), constraints).solve(solver="CLARABEL")
    program = Lasso(X, y, lam, signs)
    np.testing.assert_allclose(program.objective(program.solution), least, rtol=1e-7)
    np.testing.assert_allclose(program.solution, w.value, atol=1e-4)


def test_the_lasso_by_all_signs():
    """Least over the 3^4 sign patterns, each of whose stationary points is a linear system."""
    X, y, _ = draw(6, 3, 4)
    lam = 0.15 * largest(X, y)
    program = Lasso(X, y, lam)
    values = []
    for pattern in product((-1, 0, 1), repeat=4):
        s = np.array(pattern, dtype=float)
        F = np.flatnonzero(s)
        w = np.zeros(4)
        if F.size <= 3:
            w[F] = np.linalg.solve(X[:, F].T @ X[:, F], X[:, F].T @ y - 3 * lam * s[F]) if F.size else []
            if np.all(s * w >= 0):
                values.append(program.objective(w))
    np.testing.assert_allclose(program.objective(program.solution), min(values), rtol=1e-13)


def test_orthogonal_designs_are_thresholded():
    rng = np.random.default_rng(7)
    Q, _ = np.linalg.qr(rng.standard_normal((12, 6)))
    y = rng.standard_normal(12)
    lam = 0.02
    wanted = np.sign(Q.T @ y) * np.maximum(np.abs(Q.T @ y) - 12 * lam, 0)
    np.testing.assert_allclose(Lasso(Q, y, lam).solution, wanted, atol=1e-14)


def test_the_ends_of_the_lasso():
    X, y, _ = draw(8, 5, 12)
    assert not np.any(Lasso(X, y, largest(X, y)).solution)
    assert np.any(Lasso(X, y, 0.999 * largest(X, y)).solution)
    near, least = Lasso(X, y, 1e-9).solution, LeastNorm(1, X, y)
    assert least.unique
    # w_λ − w = −nλ(X_SᵀX_S)⁻¹s on the common support
    np.testing.assert_allclose(near, least.solution, atol=1e-6)
    program = Lasso(X, y, 0.0)  # least squares, which is legal
    assert certify(program.solution, program).worst <= 1e-13


def test_equal_columns_share_a_vertex():
    X, y, _ = draw(9, 6, 5)
    X = np.hstack([X, X[:, :2], -X[:, 2:3], np.zeros((6, 1))])
    program = Lasso(X, y, 0.1 * largest(X, y))
    optimal(program, 1e-13)
    w = program.solution
    moved = w[[5, 6, 2, 3, 4, 0, 1, 7, 8]]  # the copies change places
    for point in (moved, 0.3 * w + 0.7 * moved):
        assert certify(point, program).worst <= 1e-12


@pytest.mark.parametrize(("a", "b"), [(1e6, 1e-6), (1e-6, 1e6), (1e-3, 1.0)])
def test_scales(a, b):
    X, y, _ = draw(10)
    lam = 0.1 * largest(X, y)
    w = Lasso(X, y, lam).solution
    program = Lasso(a * X, b * y, a * b * lam)
    assert certify(program.solution, program).worst <= 1e-12
    np.testing.assert_allclose(program.solution, w * b / a, atol=1e-12 * b / a)
    program = Ridge(a * X, b * y, a * a * lam)
    assert certify(program.solution, program).worst <= 1e-12
    program = NonNegativeLeastSquares(a * X, b * y)
    assert certify(program.solution, program).worst <= 1e-12


# -- non-negative least squares ------------------------------------------------------------------


@SHAPES
def test_non_negative_least_squares(n, d):
    from scipy.optimize import nnls

    for seed in range(5):
        X, y, rng = draw(seed, n, d)
        program = NonNegativeLeastSquares(X, y)
        assert np.min(program.solution) >= 0
        assert certify(program.solution, program).worst <= 1e-13
        np.testing.assert_allclose(X @ program.solution, X @ nnls(X, y)[0], atol=1e-12)  # fits are unique
        flipped = NonNegativeLeastSquares(X * np.sign(SIGNS[[0, 1, 2, 3, 4, 0, 0, 0, 0, 9]]), y)
        signed = NonNegativeLeastSquares(X, y, np.sign(SIGNS[[0, 1, 2, 3, 4, 0, 0, 0, 0, 9]]))
        np.testing.assert_allclose(X @ signed.solution, flipped.X @ flipped.solution, atol=1e-12)
        free = NonNegativeLeastSquares(X, y, np.full(d, np.nan))
        np.testing.assert_allclose(X @ free.solution, X @ np.linalg.lstsq(X, y, rcond=None)[0], atol=1e-12)
        # consistent data: the residual is rounding, and so must be the gap
        exact = NonNegativeLeastSquares(X, X @ np.abs(rng.standard_normal(d)))
        assert certify(exact.solution, exact).worst <= 1e-13


def test_a_few_hundred_dimensions():
    X, y, _ = draw(3, 80, 250)
    for program in (Lasso(X, y, 0.05 * largest(X, y)), NonNegativeLeastSquares(X, y), LeastNorm(1, X, y)):
        assert certify(program.solution, program).worst <= 1e-11


# -- what certificates see -----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_moves_are_seen_at_their_size(size):
    X, y, rng = draw(11, 12, 10)
    lam = 0.1 * largest(X, y)
    for program in (Ridge(X, y, lam), Lasso(X, y, lam), NonNegativeLeastSquares(X, y)):
        w = program.solution
        move = rng.standard_normal(10)
        move = np.abs(move) if isinstance(program, NonNegativeLeastSquares) else move
        move *= size * np.linalg.norm(w) / np.linalg.norm(move)
        c = certify(w + move, program)
        assert 1e-2 * size < c.stationarity < 1e2 * size, program
        assert c.feasibility == 0.0
        excess = (program.objective(w + move) - program.objective(w)) / (y @ y / 24)
        assert excess > 0
        assert excess * (1 - 1e-6) - 1e-14 <= c.gap < 1e3 * size
    program = NonNegativeLeastSquares(X, y)
    w = program.solution - size * np.linalg.norm(program.solution)
    assert size < certify(w, program).feasibility < 10 * size


def test_the_bound_never_exceeds_the_optimum():
    """Weak duality at any point, from the certificate's own dual vector."""
    X, y, rng = draw(12)
    lam = 0.1 * largest(X, y)
    program = Lasso(X, y, lam)
    best = program.objective(program.solution)
    for _ in range(20):
        theta = certify(rng.standard_normal(10), program).dual
        assert np.max(np.abs(X.T @ theta)) <= lam * (1 + 1e-12)
        assert theta @ y - 7 / 2 * theta @ theta <= best


def test_zero_weights_leave_the_gap_to_the_solution():
    X, y, rng = draw(13, 12, 6)
    lam = np.array([0.0, 0.1, 0.1, 0.0, 0.2, 0.2])
    program = Lasso(X, y, lam)
    assert certify(program.solution, program).worst <= 1e-13
    w = program.solution + 0.1 * rng.standard_normal(6)
    excess = program.objective(w) - program.objective(program.solution)
    np.testing.assert_allclose(certify(w, program).gap * (y @ y) / 24, excess, rtol=1e-10)


# -- powers below one ----------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.3, 0.5, 2 / 3, 0.9])
def test_powers_descend_to_a_stationary_point(q):
    for seed in range(6):
        X, y, rng = draw(seed)
        start = rng.standard_normal(10)
        start[0] = 0.0
        program = PowerPenalty(X, y, 0.05 * largest(X, y), q, start)
        w = program.solution
        assert program.objective(w) <= program.objective(start)
        c = certify(w, program)
        assert c.stationarity <= 1e-8
        assert np.isnan(c.gap)
        assert c.worst == c.stationarity
        S = np.flatnonzero(w)
        g = X.T @ (X @ w - y) / 7 + program.lam * q * np.sign(w) * np.abs(np.where(w == 0, 1, w)) ** (q - 1)
        assert np.all(np.abs((w * g)[S]) <= 1e-8 * largest(X, y) * np.abs(w).max())
        assert w[0] == 0
        assert np.all(w * start >= 0)
        assert certify(w * (1 + 1e-4), program).stationarity > 1e-6


def test_one_coordinate_by_its_cubic():
    """½(w − 2)² + λ√w: with w = s², s³ − 2s + λ/2 = 0; the larger root is the minimum."""
    program = PowerPenalty([[1.0]], [2.0], 0.4, 0.5, [1.0])
    roots = np.roots([1.0, 0.0, -2.0, 0.2])
    np.testing.assert_allclose(program.solution, [np.max(roots.real) ** 2], rtol=1e-13)
    assert certify([0.0], program).worst == 0.0


def test_no_start_no_solution():
    program = PowerPenalty([[1.0]], [2.0], 0.4, 0.5)
    with pytest.raises(ValueError, match="give it a start="):
        _ = program.solution
    assert certify([1.0], program).stationarity > 0.1  # but any point can be certified


# -- input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ridge([[1.0]], [1.0], 0.0), "lam must be finite and > 0"),
        (lambda: Ridge([[1.0]], [1.0], -1.0), "lam must be finite and > 0"),
        (lambda: Ridge([[1.0]], [1.0], 1.0, [1.0, 2.0]), "metric is of 2 coordinates"),
        (lambda: Ridge([[1.0]], [1.0], 1.0, [-1.0]), "every entry of metric"),
        (lambda: Ridge([[1.0]], [1.0, 2.0], 1.0), r"y has shape \(2,\)"),
        (lambda: Lasso([[1.0]], [1.0], -1e-9), "lam must be ≥ 0"),
        (lambda: Lasso([[1.0]], [1.0], [0.1, -0.1]), r"lam has shape \(2,\)"),
        (lambda: Lasso([[1.0]], [1.0], [-0.1]), "lam must be ≥ 0"),
        (lambda: Lasso([[1.0]], [1.0], np.inf), "finite"),
        (lambda: Lasso([[1.0]], [1.0], 1.0, [0.5]), "signs must be 1"),
        (lambda: Lasso([[1.0]], [1.0], 1.0, ["+"]), "signs"),
        (lambda: NonNegativeLeastSquares([1.0], [1.0]), r"X has shape \(1,\)"),
        (lambda: PowerPenalty([[1.0]], [1.0], 0.0, 0.5), "lam must be finite and > 0"),
        (lambda: PowerPenalty([[1.0]], [1.0], 1.0, 1.0), r"power must be in \(0, 1\)"),
        (lambda: PowerPenalty([[1.0]], [1.0], 1.0, 0.5, [1.0, 2.0]), r"start has shape \(2,\)"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_programs_say_what_they_are():
    X, y, _ = draw(0)
    programs = (
        Ridge(X, y, 1.0),
        Lasso(X, y, 1.0),
        NonNegativeLeastSquares(X, y),
        PowerPenalty(X, y, 1.0, 0.5),
    )
    for program in programs:
        assert (program.shape, program.kind) == ((10,), "point")
        assert hash(program) == hash(
            type(program)(**{k: getattr(program, k) for k in program.__dataclass_fields__})
        )
        with pytest.raises(ValueError, match="w has shape"):
            certify(np.zeros(9), program)


@pytest.mark.parametrize("zero", ["X", "y"])
def test_nothing_to_fit(zero):
    X, y, _ = draw(1)
    X, y = (0 * X, y) if zero == "X" else (X, 0 * y)
    for program in (Ridge(X, y, 1.0), Lasso(X, y, 0.1), NonNegativeLeastSquares(X, y)):
        assert not np.any(program.solution)
        assert certify(program.solution, program).worst == 0.0
