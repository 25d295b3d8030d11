"""The dual Newton solver, against its optimality conditions, closed forms, and other solvers."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog

import implicitbias as ib
from implicitbias import Euclidean, Hypentropy, Mahalanobis, PNorm, bregman_projection

EPS = np.finfo(float).eps
LN2 = np.log(2)


def data(seed, n=5, d=12, scale=1.0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), scale * rng.standard_normal(n), rng


def spd(d, rng):
    A = rng.standard_normal((d, d))
    return A @ A.T + 0.1 * np.eye(d)


def optimality(psi, z0, X, y, w):
    """(violation of Xᵀ(Xw − y) = 0, distance of ∇ψ(w) − z₀ from range(Xᵀ)), both relative."""
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    A = Vt[s > 1e-12 * s[0]]
    z = psi.gradient(w) - z0
    size = np.linalg.norm(y) + s[0] * np.linalg.norm(w)
    feasibility = np.linalg.norm(X.T @ (X @ w - y)) / (s[0] * size)
    return feasibility, np.linalg.norm(z - A.T @ (A @ z)) / (np.linalg.norm(z) + np.linalg.norm(z0) + 1e-300)


POTENTIALS = {
    "euclidean": lambda d, rng: Euclidean(),
    "mahalanobis": lambda d, rng: Mahalanobis(spd(d, rng)),
    "mahalanobis-diagonal": lambda d, rng: Mahalanobis(rng.uniform(0.1, 3.0, d)),
    **{f"p={p:g}": lambda d, rng, p=p: PNorm(p) for p in (1.1, 1.3, 1.5, 2, 2.5, 3, 4)},
    **{f"hypentropy {c:g}": lambda d, rng, c=c: Hypentropy(c) for c in (10, 5, 0, -5, -30, -100, -700)},
    "hypentropy by coordinate": lambda d, rng: Hypentropy(rng.uniform(-700, 5, d)),
}
every_potential = pytest.mark.parametrize("make", POTENTIALS.values(), ids=POTENTIALS.keys())


@every_potential
@pytest.mark.parametrize("start", ["zero", "generic"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 17), (5, 12), (8, 20), (7, 7), (9, 4)])
def test_optimality_conditions(make, start, shape):
    for seed in range(3):
        X, y, rng = data(seed, *shape)
        psi = make(shape[1], rng)
        z0 = psi.gradient(rng.standard_normal(shape[1])) if start == "generic" else np.zeros(shape[1])
        found = bregman_projection(psi, z0, X, y)
        # 1e-12: z is known to eps·|z| with |z| ≤ 1400, and w moves by |z|-sized multiples of that
        assert max(optimality(psi, z0, X, y, found.w)) <= 1e-12
        # solved in two orders of summation; κ(M) < 1e3
        np.testing.assert_allclose(found.w, psi.inverse_gradient(found.z), rtol=1e-11, atol=1e-13)
        # z and z₀ + Xᵀν are sums of the same numbers in another order; κ(X) < 1e3
        slack = found.z - z0 - X.T @ found.multiplier
        assert np.linalg.norm(slack) <= 1e-11 * (np.linalg.norm(found.z) + np.linalg.norm(z0))


@pytest.mark.parametrize("size", [1e-6, 1e6])
@pytest.mark.parametrize("log_c", [0.0, -30.0, -700.0])
def test_targets_of_any_size(size, log_c):
    X, y, _ = data(3, scale=size)
    psi = Hypentropy(log_c)
    found = bregman_projection(psi, np.zeros(12), X, y)
    assert max(optimality(psi, np.zeros(12), X, y, found.w)) <= 1e-12


@pytest.mark.parametrize("p", [6, 10])
def test_large_exponents(p):
    """Where z^{1/(p − 1)} is steep, only its own rounding may be lost."""
    for seed in range(5):
        X, y, _ = data(seed)
        found = bregman_projection(PNorm(p), np.zeros(12), X, y)
        w = found.w
        # w = z^{1/(p−1)}, z known to eps·max|z|: an error eps·max|z|·|w|^{2−p}/(p − 1)
        moved = EPS * np.abs(found.z).max() * np.abs(w) ** (2 - p) / (p - 1)
        floor = 8 * np.linalg.norm(np.abs(X) @ moved) / np.linalg.norm(y)
        assert optimality(PNorm(p), np.zeros(12), X, y, w)[0] <= 1e-12 + floor


@pytest.mark.parametrize("seed", range(3))
def test_euclidean_closed_form(seed):
    X, y, rng = data(seed)
    w0 = rng.standard_normal(12)
    exact = w0 + np.linalg.pinv(X) @ (y - X @ w0)
    # both are backward stable; κ(X) < 20
    np.testing.assert_allclose(bregman_projection(Euclidean(), w0, X, y).w, exact, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_mahalanobis_closed_form(seed):
    X, y, rng = data(seed)
    M, w0 = spd(12, rng), rng.standard_normal(12)
    P = np.linalg.inv(M)
    exact = w0 + P @ X.T @ np.linalg.solve(X @ P @ X.T, y - X @ w0)
    psi = Mahalanobis(M)
    # κ(M) ≈ 400 and κ(XPXᵀ) ≈ 1e3 multiply rounding
    np.testing.assert_allclose(bregman_projection(psi, psi.gradient(w0), X, y).w, exact, atol=1e-10)


@every_potential
def test_a_square_system_has_one_solution(make):
    X, y, rng = data(0, 6, 6)
    X = X + 3 * np.eye(6)
    psi = make(6, rng)
    w = bregman_projection(psi, np.zeros(6), X, y).w
    np.testing.assert_allclose(w, np.linalg.solve(X, y), atol=1e-11)  # κ(X) < 10, |z| < 1400


@every_potential
def test_an_overdetermined_system_means_least_squares(make):
    X, noise, rng = data(1, 15, 4)
    w = np.array([1.0, -0.5, 2.0, -0.3])
    y = X @ w + noise - X @ (np.linalg.pinv(X) @ noise)
    found = bregman_projection(make(4, rng), np.zeros(4), X, y).w
    np.testing.assert_allclose(found, w, atol=1e-11)  # κ(X) < 10, |z| < 1400


@every_potential
def test_no_target_selects_the_origin(make):
    X, _, rng = data(2)
    found = bregman_projection(make(12, rng), np.zeros(12), X, np.zeros(5))
    assert not np.any(found.w)


@every_potential
def test_a_start_that_interpolates_is_kept(make):
    X, _, rng = data(4)
    psi, w0 = make(12, rng), rng.standard_normal(12)
    w = bregman_projection(psi, psi.gradient(w0), X, X @ w0).w
    # w = ∇ψ*(∇ψ(w₀)) up to the solver's 1e-12
    np.testing.assert_allclose(w, w0, atol=1e-11)


@every_potential
def test_repeated_rows_and_their_order_do_not_matter(make):
    X, y, rng = data(5)
    psi = make(12, rng)
    w = bregman_projection(psi, np.zeros(12), X, y).w
    rows = [4, 0, 1, 1, 2, 3, 0]
    again = bregman_projection(psi, np.zeros(12), X[rows], y[rows]).w
    np.testing.assert_allclose(again, w, atol=1e-11)


@every_potential
def test_rank_deficient_inconsistent_data(make):
    """y outside range(X): the same as y's projection on it."""
    X, y, rng = data(6)
    psi = make(12, rng)
    deficient = np.vstack([X[:3], X[0] + X[1]])  # rank three, four rows
    target = y[:4]
    w = bregman_projection(psi, np.zeros(12), deficient, target).w
    U = np.linalg.svd(deficient)[0][:, :3]
    consistent = bregman_projection(psi, np.zeros(12), deficient, U @ (U.T @ target)).w
    assert max(optimality(psi, np.zeros(12), deficient, target, w)) <= 1e-12
    np.testing.assert_allclose(w, consistent, atol=1e-11)


@pytest.mark.parametrize("scale", [1, 1e-1, 1e-3, 1e-8, 1e-30, 1e-100, 1e-150])
def test_hypentropy_is_feasible_at_every_scale(scale):
    X, y, _ = data(7, 20, 100)
    found = bregman_projection(Hypentropy(LN2 + 2 * np.log(scale)), np.zeros(100), X, y)
    assert np.linalg.norm(X @ found.w - y) <= 1e-13 * (
        np.linalg.norm(y) + np.linalg.norm(X, 2) * np.linalg.norm(found.w)
    )


@pytest.mark.parametrize("log_c", [2.0, 0.0, -4.0, -8.0])
@pytest.mark.parametrize("start", ["zero", "generic"])
def test_hypentropy_against_an_exponential_cone_program(log_c, start):
    """ψ is the infimal convolution of KL(a, c/2) and KL(b, c/2) over a − b = w."""
    cp = pytest.importorskip("cvxpy", reason="the cone program needs the extra sdp")
    X, y, rng = data(8, 4, 9)
    psi = Hypentropy(log_c)
    z0 = psi.gradient(rng.standard_normal(9)) if start == "generic" else np.zeros(9)
    a, b = cp.Variable(9), cp.Variable(9)
    half = np.full(9, np.exp(log_c) / 2)
    objective = cp.sum(cp.kl_div(a, half) + cp.kl_div(b, half)) - z0 @ (a - b)
    with warnings.catch_warnings():  # "may be inaccurate": it is, to the tolerance below
        warnings.simplefilter("ignore", UserWarning)
        cp.Problem(cp.Minimize(objective), [X @ (a - b) == y]).solve(
            solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11
        )
    w = bregman_projection(psi, z0, X, y).w
    # cone solvers stop near 1e-5 on programs that are not quadratic
    np.testing.assert_allclose(w, a.value - b.value, atol=2e-5)


@pytest.mark.parametrize("seed", [0, 1, 3, 4])
def test_hypentropy_at_a_tiny_scale_is_the_l1_program(seed):
    rng = np.random.default_rng(seed)
    n, d = 12, 30
    X, sparse = rng.standard_normal((n, d)), np.zeros(d)
    sparse[rng.choice(d, 3, replace=False)] = [1.0, -2.0, 0.7]
    y = X @ sparse
    lp = linprog(np.ones(2 * d), A_eq=np.hstack([X, -X]), b_eq=y, bounds=(0, None), method="highs")
    assert abs(lp.fun - 3.7) < 1e-9  # the sparse vector is what ℓ1 selects from these data
    w = bregman_projection(Hypentropy(LN2 - 300 * np.log(10)), np.zeros(d), X, y).w
    # off the support |w_j| = ½c^{δ_j} with δ = 1 − |x_jᵀν|: 1e-8 for δ ≥ 0.027, far below generic slacks;
    # HiGHS's vertex is exact to its feasibility tolerance of 1e-9 or better
    np.testing.assert_allclose(w, lp.x[:d] - lp.x[d:], atol=1e-8)


@pytest.mark.parametrize("p", [1.1, 1.5, 3, 4])
def test_least_p_norm_against_a_search(p):
    """No feasible point near w has a smaller norm, and convexity does the rest."""
    X, y, rng = data(9)
    w = bregman_projection(PNorm(p), np.zeros(12), X, y).w
    N = np.eye(12) - np.linalg.pinv(X) @ X
    least = np.linalg.norm(w, p)
    for _ in range(50):
        move = N @ rng.standard_normal(12)
        for size in (1e-3, 1e-1, 1.0):
            # strictly larger: a move of 1e-3 raises a strictly convex norm by more than rounding
            assert np.linalg.norm(w + size * move, p) > least


def test_a_given_multiplier_is_a_start_only():
    X, y, rng = data(10)
    psi = Hypentropy(-3.0)
    free = bregman_projection(psi, np.zeros(12), X, y)
    again = bregman_projection(
        psi, np.zeros(12), X, y, multiplier=free.multiplier + 1e-3 * rng.standard_normal(5)
    )
    np.testing.assert_allclose(again.w, free.w, atol=1e-12)
    assert again.iterations < free.iterations + 5


def test_a_potential_of_restricted_domain_starts_from_its_tilt():
    """Entropy: ψ = Σ w ln w − w on w > 0; w = exp z, and the nearest point to zero may be negative."""

    class Entropy(ib.Potential):
        def value(self, w):
            return np.sum(w * np.log(w) - w, axis=-1)

        def gradient(self, w):
            with np.errstate(invalid="ignore", divide="ignore"):
                return np.log(w)

        def inverse_gradient(self, z):
            return np.exp(z)

        def hessian(self, w):
            return 1 / w

    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.standard_normal((4, 9))
        y = X @ rng.uniform(0.1, 2.0, 9)
        found = bregman_projection(Entropy(), np.zeros(9), X, y)
        assert found.residual < 1e-12
        np.testing.assert_allclose(X @ found.w, y, atol=1e-11)
