"""Projections along the curve (w, ∇ψ(w)): boxes and orthants, at every scale, against other solvers."""

import warnings

import numpy as np
import pytest
from scipy.optimize import linprog, minimize

import implicitbias as ib
from implicitbias import Entropy, Hypentropy, Power, SquaredPNorm, bregman_projection
from implicitbias.geometry.curve import heaviest_basis

LN2 = np.log(2.0)


def deep(depth, alpha):
    return Hypentropy(LN2 + depth * np.log(alpha), depth)


def data(seed, n, d, support=None):
    """X and a w with ``support`` non-zero entries, all by default, of size 0.1 to 1."""
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((n, d)), np.zeros(d)
    chosen = rng.choice(d, d if support is None else support, replace=False)
    w[chosen] = rng.uniform(0.1, 1.0, chosen.size)
    return X, w, rng


def certified(psi, z0, X, y):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        program = ib.BregmanProjection(psi, z0, X, y)
        return program.solution, ib.certify(program.solution, program).worst


@pytest.mark.parametrize("depth", [3, 4, 5])
@pytest.mark.parametrize("alpha", [1.0, 0.1, 1e-2, 1e-3, 1e-5, 1e-10, 1e-30])
@pytest.mark.parametrize(
    "shape", [(5, 12, None), (8, 20, 8), (8, 20, 3), (20, 60, 4), (6, 6, None), (1, 9, 2)]
)
def test_boxes_at_every_scale(depth, alpha, shape):
    """Where 1 − |z| = α^{D−2} is far below the rounding of z, too."""
    for seed in range(2):
        X, w, rng = data(seed, *shape)
        y = X @ (w * rng.choice([-1.0, 1.0], w.size))
        psi = deep(depth, alpha)
        found, worst = certified(psi, np.zeros(w.size), X, y)
        # feasibility and stationarity to rounding; a dual point beside the wall is drawn back by 1e-12 at most
        assert worst <= 1e-11
        scale = np.linalg.norm(y) + np.linalg.norm(X, 2) * np.linalg.norm(found)
        assert np.linalg.norm(X @ found - y) <= 1e-13 * scale


@pytest.mark.parametrize("depth", [3, 5])
@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_targets_of_any_size_and_tilts(depth, scale):
    for alpha in (1.0, 1e-3):
        X, _, rng = data(3, 5, 12)
        psi = deep(depth, alpha)
        z0 = psi.gradient(alpha**depth * rng.standard_normal(12))
        for tilt in (np.zeros(12), z0):
            assert certified(psi, tilt, X, scale * rng.standard_normal(5))[1] <= 1e-12


def test_boxes_of_different_coordinates():
    X, w, rng = data(4, 5, 12)
    psi = Hypentropy(LN2 + 3 * rng.uniform(-9, 0, 12), depth=3)
    assert certified(psi, np.zeros(12), X, X @ w)[1] <= 1e-12
    w0 = np.exp(psi.log_c) * rng.standard_normal(12)
    assert certified(psi, psi.gradient(w0), X, X @ w)[1] <= 1e-12


def test_repeated_columns_share():
    """By symmetry two equal columns get equal weights, and opposite columns opposite ones."""
    X, w, _ = data(5, 5, 12)
    for alpha in (1.0, 1e-3):
        u = certified(deep(4, alpha), np.zeros(36), np.hstack([X, X, -X]), X @ w)[0].reshape(3, 12)
        # w = ∇ψ*(z) has the condition D|w|⁻¹ of z's rounding: 1/(1 − |z|) = α^{−2} = 1e6
        np.testing.assert_allclose(u[1], u[0], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(u[2], -u[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_small_boxes_are_the_l1_program(depth):
    X, w, rng = data(6, 12, 30, 3)
    w *= np.sign(rng.standard_normal(30))
    lp = linprog(np.ones(60), A_eq=np.hstack([X, -X]), b_eq=X @ w, bounds=(0, None), method="highs")
    assert abs(lp.fun - np.abs(w).sum()) < 1e-9  # the sparse vector is what ℓ1 selects from these data
    for alpha in (1e-5, 1e-40):
        found = certified(deep(depth, alpha), np.zeros(30), X, X @ w)[0]
        # off the support |w_j| = α^D h(z_j), h of order one away from the wall: generic slacks are above 0.01
        np.testing.assert_allclose(found, w, atol=1e-12 + alpha**depth * 1e5)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_wide_boxes_are_least_squares(depth):
    X, w, _ = data(7, 5, 12)
    found = certified(deep(depth, 1e4), np.zeros(12), X, X @ w)[0]
    # ψ = w²/(2ck)(1 + O(w²/c²)), c = 2e12 and more
    np.testing.assert_allclose(found, np.linalg.pinv(X) @ (X @ w), atol=1e-13)


def searched(psi, z0, X, y, start):
    """The same program by sequential quadratic programming in SciPy, from a feasible start."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", RuntimeWarning
        )  # some versions say that they clip a step to its bounds
        fit = minimize(
            lambda w: float(psi.value(w) - z0 @ w),
            start,
            jac=lambda w: psi.gradient(w) - z0,
            constraints=[{"type": "eq", "fun": lambda w: X @ w - y, "jac": lambda w: X}],
            bounds=[(1e-9, None) if s > 0 else (None, None) for s in np.broadcast_to(start > 0, start.shape)],
            method="SLSQP",
            options={"ftol": 1e-15, "maxiter": 500},
        )
    return fit.x


@pytest.mark.parametrize("depth", [3, 4])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
def test_boxes_against_a_search(depth, alpha):
    X, w, rng = data(8, 3, 7)
    w *= np.array([1, -1, 1, -1, 1, -1, 1])
    psi = deep(depth, alpha)
    z0 = psi.gradient(0.3 * rng.standard_normal(7))
    N = np.linalg.svd(X)[2][3:].T
    free = minimize(
        lambda xi: float(psi.value(w + N @ xi) - z0 @ (w + N @ xi)),
        np.zeros(4),
        jac=lambda xi: N.T @ (psi.gradient(w + N @ xi) - z0),
        method="BFGS",
        options={"gtol": 1e-12},
    )
    # a search stops near the square root of rounding in the objective
    np.testing.assert_allclose(certified(psi, z0, X, X @ w)[0], w + N @ free.x, atol=1e-6)


@pytest.mark.parametrize("psi", [Power(2), Power(2.5), Power(4), Entropy()], ids=repr)
def test_orthants_against_a_search(psi):
    X, w, _ = data(9, 3, 7)
    z0 = psi.gradient(np.full(7, 0.2))
    found = certified(psi, z0, X, X @ w)[0]
    np.testing.assert_allclose(found, searched(psi, z0, X, X @ w, w), atol=1e-5)


@pytest.mark.parametrize("simplex", [False, True])
def test_entropies_against_a_cone_program(simplex):
    cp = pytest.importorskip("cvxpy", reason="the cone program needs the extra sdp")
    X, w, rng = data(10, 4, 9)
    w = w / w.sum() if simplex else w
    z0 = np.log(rng.dirichlet(np.ones(9)))
    v = cp.Variable(9)
    extra = [cp.sum(v) == 1] if simplex else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        cp.Problem(cp.Minimize(-cp.sum(cp.entr(v)) - cp.sum(v) - z0 @ v), [X @ v == X @ w, *extra]).solve(
            solver="CLARABEL", tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11
        )
    found, worst = certified(Entropy(simplex), z0, X, X @ w)
    assert worst <= 1e-13
    # cone solvers stop near 1e-5 on programs that are not quadratic
    np.testing.assert_allclose(found, v.value, atol=2e-5)


@pytest.mark.parametrize("a", [2, 2.2, 3, 10])
@pytest.mark.parametrize("scale", [1e3, 1.0, 1e-3, 1e-8, 1e-30])
def test_powers_from_starts_of_every_size(a, scale):
    for seed, shape in enumerate([(5, 12, None), (8, 20, 8), (8, 20, 3), (20, 60, None), (1, 9, 2)]):
        X, w, rng = data(seed, *shape)
        signs = rng.choice([-1.0, 1.0], w.size)
        psi = Power(a, signs)
        w0 = scale * rng.uniform(0.5, 2.0, w.size) * signs
        found, worst = certified(psi, psi.gradient(w0), X, X @ (w * signs))
        assert worst <= 1e-11
        assert np.all(found * signs > 0)


@pytest.mark.parametrize("scale", [1e3, 1e-3, 1e-12, 1e-30])
def test_entropies_from_starts_of_every_size(scale):
    for seed, shape in enumerate([(5, 12, None), (8, 20, 8), (20, 60, None), (1, 9, 2)]):
        X, w, rng = data(seed, *shape)
        w0 = scale * rng.uniform(0.5, 2.0, w.size)
        assert certified(Entropy(), np.log(w0), X, X @ w)[1] <= 1e-12
        if shape[2] is None:
            w /= w.sum()
            assert certified(Entropy(simplex=True), np.log(w0 / w0.sum()), X, X @ w)[1] <= 1e-12


def test_tilts_beyond_the_floats_of_w():
    """z₀ = ±700 and −800: w₀ is next to the end of the floats, or zero."""
    X, w, _ = data(11, 4, 9)
    for z0 in (np.where(np.arange(9) % 2, 700.0, -700.0), np.full(9, -800.0)):
        found = bregman_projection(Entropy(), z0, X, X @ w)
        assert found.residual <= 1e-13
        np.testing.assert_allclose(X @ found.w, X @ w, rtol=1e-12)
        # w = exp z, also where it is zero; ln w is known to eps·800
        np.testing.assert_allclose(found.w, np.exp(found.z), rtol=1e-11, atol=1e-300)


@pytest.mark.parametrize("p", [1.1, 1.5, 2, 3, 6])
def test_squared_norms(p):
    X, w, rng = data(12, 5, 12)
    w *= rng.choice([-1.0, 1.0], 12)
    psi, origin = SquaredPNorm(p), np.zeros(12)
    found, worst = certified(psi, origin, X, X @ w)
    assert worst <= 1e-12
    # from the origin a monotone function of the norm selects the same point; both to 1e-12 of z, w = z^{1/(p−1)}
    np.testing.assert_allclose(found, bregman_projection(ib.PNorm(p), origin, X, X @ w).w, atol=1e-8)
    z0 = psi.gradient(rng.standard_normal(12))
    tilted, worst = certified(psi, z0, X, X @ w)
    assert worst <= 1e-11
    N = np.linalg.svd(X)[2][5:].T

    def objective(v):
        return float(psi.value(v) - z0 @ v)

    for size in np.geomspace(1e-3, 1, 20):
        # strictly larger: ψ is strongly convex in every direction that is not radial, and z₀ tilts the radial one
        assert objective(tilted + size * N @ rng.standard_normal(7)) > objective(tilted)


@pytest.mark.parametrize("psi", [Entropy(), Entropy(simplex=True), Power(2), Power(3)], ids=repr)
def test_constraints_that_no_point_meets_are_an_error(psi):
    X = np.abs(data(13, 4, 9)[0])
    z0 = psi.gradient(psi.interior(np.ones(9)))
    program = ib.BregmanProjection(psi, z0, X, -np.ones(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ArithmeticError, match=r"not found.*any w in the domain"):
            _ = program.solution
        # a point outside has a feasibility, and neither of the other two
        seen = ib.certify(-np.ones(9), program)
    assert 0 < seen.feasibility < 1
    assert seen.stationarity == seen.gap == np.inf


def test_the_simplex_is_a_constraint_of_the_program():
    """The nearest point to the start is the start itself, whatever Xw = y allows in size."""
    w = np.array([0.5, 0.3, 0.2])
    found, worst = certified(Entropy(simplex=True), np.log(w), np.ones((1, 3)), np.ones(1))
    np.testing.assert_allclose(found, w, rtol=1e-14)
    assert worst <= 1e-15
    certificate = ib.certify(
        2 * w, ib.BregmanProjection(Entropy(simplex=True), np.log(w), np.eye(1, 3), w[:1])
    )
    assert certificate.feasibility > 0.1
    program = ib.BregmanProjection(Entropy(simplex=True), np.log(w), np.ones((1, 3)), np.array([2.0]))
    with pytest.raises(ArithmeticError, match="contradict the domain of Entropy"):
        _ = program.solution


@pytest.mark.parametrize(
    "psi", [deep(3, 0.1), Entropy(), Entropy(simplex=True), Power(3), SquaredPNorm(3)], ids=repr
)
def test_multipliers_and_degenerate_data(psi):
    X, w, _ = data(14, 4, 9)
    w = w / w.sum()
    z0 = psi.gradient(np.full(9, 1 / 9))
    X = np.vstack([X, X[0] + X[1]])
    found = bregman_projection(psi, z0, X, X @ w)
    slack = found.z - z0 - X.T @ found.multiplier
    if psi == Entropy(simplex=True):
        slack = slack - slack.mean()
    assert np.linalg.norm(slack) <= 1e-12 * (np.linalg.norm(found.z) + np.linalg.norm(z0))
    again = bregman_projection(psi, z0, X, X @ w, multiplier=found.multiplier * (1 + 1e-6))
    np.testing.assert_allclose(again.w, found.w, rtol=1e-9, atol=1e-12)
    # no constraint at all: the start
    free = bregman_projection(psi, z0, np.zeros((2, 9)), np.zeros(2))
    np.testing.assert_allclose(free.w, 1 / 9, rtol=1e-12)


def test_a_basis_of_graded_columns():
    """The heaviest columns enter, but none that depends on those already there."""
    A = np.linalg.qr(np.array([[1.0, 1.0, 0.0, 0.3], [0.0, 0.0, 1.0, 0.7]]).T)[0].T
    assert set(heaviest_basis(A, np.array([1e10, 1e9, 1e-10, 1e-12]))) == {0, 2}
