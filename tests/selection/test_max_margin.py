"""Maximum margins against independent solvers, closed forms, and their own duals."""

import numpy as np
import pytest

from implicitbias import Classification, MaxMargin, NoPrediction, Regression, certify, max_margin

NORMS = [1, 4 / 3, 2, 3, np.inf]
every_norm = pytest.mark.parametrize("p", NORMS, ids=lambda p: f"p={p:.3g}")


def dual_exponent(p):
    return np.inf if p == 1 else 1.0 if p == np.inf else p / (p - 1)


def separable(seed, n=8, d=16):
    rng = np.random.default_rng(seed)
    return Classification(rng.standard_normal((n, d)), np.where(np.arange(n) % 2, 1, -1))


def crowded(seed):
    """More samples than dimensions, separated by a margin."""
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(30) % 2, 1, -1)
    X = rng.standard_normal((30, 4))
    X[:, 0] = y * (0.3 + np.abs(X[:, 0]))
    return Classification(X, y)


@every_norm
@pytest.mark.parametrize("draw", [separable, crowded])
def test_primal_and_dual_agree(p, draw):
    for seed in range(4):
        problem = draw(seed)
        found = max_margin(problem, p)
        assert found.certificate.worst <= 1e-12
        # the certificate once more, by hand: least margin one, and a feasible dual of the same value
        assert abs(np.min(problem.Z @ found.w) - 1) <= 1e-12
        size = np.linalg.norm(found.w, p)
        alpha = found.certificate.dual
        assert np.all(alpha >= 0)
        assert np.linalg.norm(problem.Z.T @ alpha, dual_exponent(p)) <= 1 + 1e-12
        assert abs(np.sum(alpha) / size - 1) <= 1e-11
        np.testing.assert_allclose(found.margin, 1 / size, rtol=1e-14)
        np.testing.assert_allclose(found.direction * size, found.w, rtol=1e-14)


@every_norm
@pytest.mark.parametrize("draw", [separable, crowded])
def test_columns_of_very_different_sizes(p, draw):
    """Sizes from 10⁻³ to 10³: the condition of the data is 10⁶, and six digits may be lost of the sixteen."""
    for seed in range(5):
        problem = draw(seed)
        sizes = 10 ** np.random.default_rng(seed).uniform(-3, 3, problem.X.shape[1])
        assert max_margin(Classification(problem.X * sizes, problem.y), p).certificate.worst <= 1e-10


@every_norm
def test_nearly_opposite_samples(p):
    """z_1 = −z_0 + 10⁻⁶ e: the margin is of order 10⁻⁶, and z·w is known to |z|·|w| eps, 10⁷ eps or so."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        Z = rng.standard_normal((8, 16))
        Z[1] = 1e-6 * rng.standard_normal(16) - Z[0]
        y = np.where(np.arange(8) % 3, 1, -1)
        found = max_margin(Classification(y[:, None] * Z, y), p)
        assert found.margin <= 1e-5
        rounding = np.finfo(float).eps * np.max(np.abs(Z) @ np.abs(found.w))
        assert found.certificate.worst <= min(8 * rounding, 1e-8)


@every_norm
@pytest.mark.parametrize("draw", [separable, crowded])
def test_against_a_cone_solver(p, draw):
    cp = pytest.importorskip("cvxpy", reason="the cone program needs the extra sdp")
    problem = draw(11)
    w = cp.Variable(problem.Z.shape[1])
    least = cp.Problem(cp.Minimize(cp.norm(w, p)), [problem.Z @ w >= 1]).solve(solver="CLARABEL")
    found = max_margin(problem, p)
    # Clarabel stops at a relative gap of 1e-8; the value is certain to that, the point to its root
    np.testing.assert_allclose(1 / found.margin, least, rtol=1e-6)
    if 1 < p < np.inf:
        np.testing.assert_allclose(found.w, w.value, atol=1e-3 * np.abs(found.w).max())


@pytest.mark.parametrize("seed", range(3))
def test_l2_margin_against_slsqp(seed):
    from scipy.optimize import minimize

    problem = separable(seed)
    found = minimize(
        lambda w: w @ w / 2, np.linalg.pinv(problem.Z) @ np.ones(8), jac=lambda w: w,
        constraints={"type": "ineq", "fun": lambda w: problem.Z @ w - 1, "jac": lambda w: problem.Z},
        options={"ftol": 1e-14, "maxiter": 500},
    )  # fmt: skip
    # ftol 1e-14 of a strongly convex objective: the point to its square root
    np.testing.assert_allclose(max_margin(problem, 2).w, found.x, atol=1e-6)


def test_closed_form_when_every_sample_supports():
    seen = 0
    for seed in range(40):
        problem = separable(seed, 4, 40)
        Z = problem.Z
        if np.all(np.linalg.solve(Z @ Z.T, np.ones(4)) > 1e-3):
            seen += 1
            # κ(Z) < 3
            np.testing.assert_allclose(max_margin(problem, 2).w, np.linalg.pinv(Z) @ np.ones(4), atol=1e-13)
    assert seen > 5


@every_norm
def test_one_sample_is_solved_by_hoelder(p):
    # ‖w‖ = 1/‖z‖_*: both samples are the same z
    z = np.array([3.0, -4.0, 1.0])
    problem = Classification(np.stack([z, -z]), [1, -1])
    np.testing.assert_allclose(max_margin(problem, p).margin, np.linalg.norm(z, dual_exponent(p)), rtol=1e-10)


@every_norm
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_the_margin_scales_with_the_data(p, scale):
    problem = separable(2)
    scaled = Classification(scale * problem.X, problem.y)
    np.testing.assert_allclose(max_margin(scaled, p).margin / scale, max_margin(problem, p).margin, rtol=1e-9)


@every_norm
def test_certificates_see_worse_points(p):
    problem = separable(3)
    program = MaxMargin(problem.Z, p)
    w, best = program.solution, 1 / max_margin(problem, p).margin
    exact = certify(w, program)
    np.testing.assert_allclose(
        certify(7 * w, program)[:3], exact[:3], atol=1e-13
    )  # only the direction counts
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-2, 1e-1):
        move = size * np.linalg.norm(w) * rng.standard_normal(w.size) / 4
        c = certify(w + move, program)
        value = np.linalg.norm(w + move, p) / np.min(problem.Z @ (w + move))
        # the bound is the optimum, to 1e-10
        np.testing.assert_allclose(c.gap, (value - best) / (value + best), atol=1e-9)
        assert c.gap > 1e-6
        assert c.stationarity > 1e-6
    assert certify(-w, program).worst == np.inf


@pytest.mark.parametrize(
    "problem",
    [
        Classification(np.random.default_rng(5).standard_normal((30, 3)), np.where(np.arange(30) % 2, 1, -1)),
        Classification([[1.0], [1.0]], [1, -1]),
        Classification([[0.0, 0.0], [1.0, 1.0]], [1, -1]),
        Classification([[1.0, 0.0], [2.0, 0.0], [-1.0, 0.0], [3.0, 1.0]], [1, 1, 1, -1]),
        Classification(
            1e-9 * np.random.default_rng(6).standard_normal((30, 3)), np.where(np.arange(30) % 2, 1, -1)
        ),
    ],
    ids=["random", "contradiction", "zero row", "crossing", "small"],
)
@every_norm
def test_data_that_cannot_be_separated(problem, p):
    with pytest.raises(NoPrediction, match="not separable") as caught:
        max_margin(problem, p)
    weights = caught.value.certificate
    assert np.all(weights >= 0)
    assert abs(np.sum(weights) - 1) <= 1e-12
    # HiGHS's feasibility tolerance, relative to the data
    assert np.linalg.norm(problem.Z.T @ weights) <= 1e-8 * np.abs(problem.Z).max()


def test_max_margin_is_of_classifications():
    with pytest.raises(ValueError, match="max_margin needs a Classification, got Regression"):
        max_margin(Regression([[1.0]], [1.0]))


@pytest.mark.parametrize("norm", [0.5, np.nan, "l2"])
def test_unknown_norms(norm):
    with pytest.raises(ValueError, match="1 ≤ p ≤ inf"):
        max_margin(separable(0), norm)


@pytest.mark.slow
@pytest.mark.parametrize("p", [1.05, 1.5, 5, 10])
def test_extreme_norms(p):
    """Every p ≥ 1 is in the contract."""
    for seed in range(10):
        found = max_margin(separable(seed), p)
        # z^{1/(p−1)} is known to eps/(p−1)·|w|^{2−p}: larger exponents lose digits, not the answer
        assert found.certificate.worst <= 1e-8


@pytest.mark.parametrize("p", [4 / 3, 3, 5, 10])
@pytest.mark.parametrize("seed", range(6))
def test_many_samples_in_few_dimensions(p, seed):
    """Thirty samples in four dimensions, of which a few support: the active set must be found, not guessed."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(4)
    X = rng.standard_normal((30, 4))
    y = np.where(X @ w > 0, 1.0, -1.0)
    X += 0.3 * y[:, None] * w / np.linalg.norm(w)
    found = max_margin(Classification(X, y), p)
    assert found.certificate.worst <= 1e-9
