"""Interpolants of least norm against cone solvers, closed forms and their own duals; orthants that hold none."""

import numpy as np
import pytest

from implicitbias import Infeasible, LeastNorm, LpNorm, certify

NORMS = [1, 1.2, 4 / 3, 2, 3, 6, np.inf]
every_norm = pytest.mark.parametrize("p", NORMS, ids=lambda p: f"p={p:.3g}")
EXACT = {1: 1e-12, 2: 1e-12, np.inf: 1e-12}  # linear and quadratic programs; the others to 1e-10


def gaussian(seed, n=5, d=12):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, d)), rng.standard_normal(n), rng


def in_an_orthant(seed, n=5, d=12):
    """Data whose interpolants in the orthant include a sparse one; signs of all four kinds."""
    X, _, rng = gaussian(seed, n, d)
    w = rng.standard_normal(d)
    signs = np.sign(w)
    w[rng.random(d) < 0.4] = 0.0
    signs[:2], signs[-1], w[-1] = np.nan, 0.0, 0.0
    return X, X @ w, signs


def onto(signs, z):
    return np.where(np.isnan(signs), z, np.where(signs * z > 0, z, 0.0))


def check_by_hand(program, rtol):
    """Feasibility, and a dual of the same value, from X, y, the signs and the weights alone."""
    w, nu = program.solution, program.dual
    free = np.full(w.size, np.nan) if program.signs is None else program.signs
    s = np.ones(w.size) if program.weights is None else program.weights
    normal = program.X.T @ (program.X @ w - program.y)  # zero for interpolants and least-squares solutions
    size = np.linalg.norm(program.X) * (np.linalg.norm(program.X @ w) + np.linalg.norm(program.y))
    assert np.linalg.norm(normal) <= rtol * size
    assert np.all(np.where(free == 0, w == 0, True))
    assert np.all(np.where(np.abs(free) == 1, free * w >= 0, True))
    q = program.norm.q
    assert np.linalg.norm(onto(free, program.X.T @ nu) / s, q) <= 1 + rtol
    np.testing.assert_allclose(nu @ program.y, np.linalg.norm(s * w, program.norm.p), rtol=rtol)


@every_norm
@pytest.mark.parametrize("kind", ["free", "orthant", "weights", "both", "inconsistent", "more rows"])
def test_primal_and_dual_agree(p, kind):
    for seed in range(5):
        X, y, rng = gaussian(seed)
        signs = weights = None
        if kind in ("orthant", "both"):
            X, y, signs = in_an_orthant(seed)
        if kind in ("weights", "both"):
            weights = np.exp(rng.standard_normal(12))
        if kind == "inconsistent":
            X, y = np.vstack([X, X[:2]]), np.append(y, [3.0, -1.0])
        if kind == "more rows":  # of rank 4
            X, y = rng.standard_normal((20, 4)) @ rng.standard_normal((4, 12)), rng.standard_normal(20)
        program = LeastNorm(p, X, y, signs, weights)
        assert certify(program.solution, program).worst <= EXACT.get(p, 1e-10)
        check_by_hand(program, 1e-9)


@every_norm
@pytest.mark.parametrize("constrained", [False, True])
def test_against_a_cone_solver(p, constrained):
    cp = pytest.importorskip("cvxpy", reason="the cone program needs the extra sdp")
    X, y, signs = in_an_orthant(11)
    weights = np.linspace(0.5, 2.0, 12)
    w = cp.Variable(12)
    constraints = [X @ w == y]
    if constrained:
        constraints += [cp.multiply(np.nan_to_num(signs), w) >= 0, w[signs == 0] == 0]
    least = cp.Problem(cp.Minimize(cp.norm(cp.multiply(weights, w), p)), constraints).solve(solver="CLARABEL")
    program = LeastNorm(p, X, y, signs if constrained else None, weights)
    # Clarabel stops at a relative gap of 1e-8; the value is certain to that, the point to its root
    np.testing.assert_allclose(program.objective(program.solution), least, rtol=1e-6)
    if 1 < p < np.inf:
        np.testing.assert_allclose(program.solution, w.value, atol=2e-3 * np.abs(program.solution).max())


def test_closed_forms():
    X, y, rng = gaussian(3)
    pinv = np.linalg.pinv(X)  # κ(X) < 10
    np.testing.assert_allclose(LeastNorm(2, X, y).solution, pinv @ y, atol=1e-14)
    s = np.exp(rng.standard_normal(12))
    # min ‖s∘w‖₂ is S⁻²Xᵀ(XS⁻²Xᵀ)⁻¹y
    weighted = (X / s**2).T @ np.linalg.solve((X / s**2) @ X.T, y)
    np.testing.assert_allclose(LeastNorm(2, X, y, weights=s).solution, weighted, atol=1e-12)
    # one row: Hölder's equality, ‖w‖_p = |y|/‖x‖_q
    for p in NORMS:
        q = LpNorm(p).q
        np.testing.assert_allclose(LeastNorm(p, X[:1], y[:1]).objective(LeastNorm(p, X[:1], y[:1]).solution),
                                   abs(y[0]) / np.linalg.norm(X[0], q), rtol=1e-12)  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_l1_by_all_supports(seed):
    """A vertex of the ℓ1 program is supported on n independent columns."""
    from itertools import combinations

    rng = np.random.default_rng(seed)
    X, y, s = rng.standard_normal((3, 7)), rng.standard_normal(3), np.exp(rng.standard_normal(7))
    values = {S: np.sum(np.abs(s[list(S)] * np.linalg.solve(X[:, S], y))) for S in combinations(range(7), 3)}
    best = min(values, key=values.get)
    program = LeastNorm(1, X, y, weights=s)
    assert tuple(np.flatnonzero(program.solution)) == best
    np.testing.assert_allclose(program.objective(program.solution), values[best], rtol=1e-13)
    # on a full support the multiplier is one: Xᵀν = s∘sgn on it
    S = list(best)
    nu = np.linalg.solve(X[:, S].T, s[S] * np.sign(program.solution[S]))
    off = np.delete(np.abs(X.T @ nu) / s, S)
    np.testing.assert_allclose(program.dual, nu, atol=1e-11)
    np.testing.assert_allclose(program.dual_slack, 1 - off.max(), atol=1e-12)
    assert program.unique


def test_the_multiplier_of_a_sparse_solution_is_the_strictest():
    """min_ν max_off |Xᵀν| subject to Xᵀν = sgn on a support smaller than n, by a cone solver."""
    cp = pytest.importorskip("cvxpy", reason="the reference needs the extra sdp")
    X, *_ = gaussian(5, 8, 20)
    w = np.zeros(20)
    w[[3, 11]] = [1.0, -2.0]
    program = LeastNorm(1, X, X @ w)
    np.testing.assert_allclose(program.solution, w, atol=1e-13)
    nu = cp.Variable(8)
    off = np.delete(np.arange(20), [3, 11])
    fixed = X[:, [3, 11]].T @ nu == np.array([1.0, -1.0])
    rho = cp.Problem(cp.Minimize(cp.norm(X[:, off].T @ nu, "inf")), [fixed]).solve(solver="CLARABEL")
    np.testing.assert_allclose(program.dual_slack, 1 - rho, atol=1e-6)
    assert program.dual_slack > 0.1


def test_an_orthant_of_everything_changes_nothing():
    X, y, _ = gaussian(4)
    for p in NORMS:
        assert LeastNorm(p, X, y, np.full(12, np.nan)) == LeastNorm(p, X, y)
    # and neither does the orthant of the solution itself
    for p in NORMS:
        w = LeastNorm(p, X, y).solution
        np.testing.assert_allclose(LeastNorm(p, X, y, np.sign(w)).solution, w, atol=1e-9 * np.abs(w).max())


# -- what a certificate sees ---------------------------------------------------------------------


@every_norm
@pytest.mark.parametrize("size", [1e-2, 1e-4, 1e-6])
def test_moves_are_seen_at_their_size(p, size):
    X, y, rng = gaussian(8)
    program = LeastNorm(p, X, y)
    w = program.solution
    N = np.eye(12) - np.linalg.pinv(X) @ X
    feasible = N @ rng.standard_normal(12)
    feasible *= size * np.linalg.norm(w) / np.linalg.norm(feasible)
    c = certify(w + feasible, program)
    assert c.feasibility <= 1e-14
    assert 1e-2 * size < c.stationarity < 1e2 * size
    excess = program.objective(w + feasible) - program.objective(w)
    np.testing.assert_allclose(c.gap, excess / (2 * program.objective(w) + excess), rtol=1e-5, atol=1e-14)
    across = np.linalg.pinv(X) @ rng.standard_normal(5)
    across *= size * np.linalg.norm(w) / np.linalg.norm(across)
    assert 1e-2 * size < certify(w + across, program).feasibility < size


def test_a_step_out_of_the_orthant_is_seen():
    X, y, signs = in_an_orthant(2)
    for p in NORMS:
        program = LeastNorm(p, X, y, signs)
        w = program.solution.copy()
        w[-1] = 1e-6 * np.linalg.norm(w)  # held at zero
        assert certify(w, program).feasibility > 1e-7


def test_the_bound_never_exceeds_the_optimum():
    """Weak duality, whatever is certified."""
    X, y, rng = gaussian(9)
    for p in NORMS:
        program = LeastNorm(p, X, y)
        best = program.objective(program.solution)
        for _ in range(5):
            w = rng.standard_normal(12)
            c = certify(w, program)
            value = program.objective(w)
            bound = value * (1 - c.gap) / (1 + c.gap)
            assert bound <= best * (1 + 1e-12)


# -- degenerate data -----------------------------------------------------------------------------

COPY = np.array([[1.0, 2.0, 2.0, -1.0], [0.5, 1.0, 1.0, 3.0]])


@pytest.mark.parametrize("p", [1, np.inf])
def test_ties_are_told(p):
    X = {1: COPY, np.inf: np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1e-3]])}[p]
    y = X @ {1: np.array([0.0, 1.0, 0.5, 0.1]), np.inf: np.array([1.0, 1.0, 0.3])}[p]
    program = LeastNorm(p, X, y)
    assert certify(program.solution, program).worst <= 1e-13
    if p == 1:
        assert not program.unique
        assert abs(program.dual_slack) <= 1e-12
        # a vertex: one of the equal columns only
        assert np.sum(program.solution[1:3] != 0) == 1
        other = program.solution[[0, 2, 1, 3]]
        assert certify(other, program).worst <= 1e-13
        assert certify(0.5 * (other + program.solution), program).worst <= 1e-13
    else:
        assert program.unique


def test_the_cube_s_flat_side_is_told():
    """min max|w| with w₁ = 2: the other coordinates are anything in [−2, 2]."""
    program = LeastNorm(np.inf, [[1.0, 0.0, 0.0]], [2.0])
    assert not program.unique
    assert program.objective(program.solution) == 2.0
    assert certify([2.0, 1.0, -2.0], program).worst <= 1e-15
    assert certify([2.0, 1.0, -2.1], program).worst > 1e-2


@every_norm
def test_integer_data_full_of_ties(p):
    for seed in range(15):
        rng = np.random.default_rng(seed)
        X = rng.integers(-1, 2, (4, 8)).astype(float)
        X[3] = X[0]
        w = rng.integers(-1, 2, 8).astype(float)
        signs = np.where(rng.random(8) < 0.2, np.nan, np.where(w == 0, rng.choice([-1, 0, 1], 8), w))
        for s in (None, signs):
            program = LeastNorm(p, X, X @ w, s)
            assert certify(program.solution, program).worst <= EXACT.get(p, 1e-10)


@every_norm
def test_scales(p):
    X, y, signs = in_an_orthant(6)
    for s in (None, signs):
        w = LeastNorm(p, X, y, s).solution
        for a, b in ((1e6, 1e-6), (1e-6, 1e6), (1e-6, 1e-6)):
            program = LeastNorm(p, a * X, b * y, s)
            assert certify(program.solution, program).worst <= EXACT.get(p, 1e-10)
            np.testing.assert_allclose(program.solution * a / b, w, atol=1e-9 * np.abs(w).max())


@every_norm
def test_nothing_to_fit(p):
    X, _, signs = in_an_orthant(1)
    for X0, y0 in ((X, np.zeros(5)), (np.zeros((5, 12)), np.ones(5))):
        program = LeastNorm(p, X0, y0, signs)
        assert not np.any(program.solution)
        assert certify(program.solution, program).worst == 0.0
    # targets orthogonal to the columns: rounding must not be fitted
    program = LeastNorm(p, [[1.0, 2.0], [1.0, 2.0]], [1.0, -1.0])
    assert not np.any(program.solution)


def test_an_orthant_that_holds_one_point():
    """w ≥ 0 with Σw = 0: nothing may move, and the multiplier must say so."""
    for p in NORMS:
        program = LeastNorm(p, [[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [0.0, 2.0], [1, 1, 1])
        np.testing.assert_allclose(program.solution, [0.0, 0.0, 2.0], atol=1e-14)
        assert certify(program.solution, program).worst <= 1e-12


# -- orthants without a solution -----------------------------------------------------------------


@every_norm
def test_an_orthant_without_an_interpolant(p):
    X, y, _ = gaussian(7)
    X = np.abs(X)
    with pytest.raises(Infeasible, match="holds no") as caught:
        _ = LeastNorm(p, X, -np.abs(y), np.ones(12)).solution
    assert isinstance(caught.value, ValueError)
    weights = caught.value.weights
    assert weights.shape == (5,)
    # Farkas: ⟨Xᵀp, w⟩ ≤ 0 for all w ≥ 0, and ⟨p, y⟩ > 0
    assert np.max(X.T @ weights) <= 1e-12 * np.abs(X).max()
    assert weights @ -np.abs(y) > 0


def test_farkas_on_every_kind_of_sign():
    """Which orthants hold an interpolant, by a linear program; each that does not is proved not to."""
    from scipy.optimize import linprog

    none = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        X, y = rng.standard_normal((4, 6)), rng.standard_normal(4)
        signs = rng.choice([1.0, -1.0, 0.0, np.nan], 6)
        bounds = [{1.0: (0, None), -1.0: (None, 0), 0.0: (0, 0)}.get(float(s), (None, None)) for s in signs]
        program = LeastNorm(1, X, y, signs)
        if linprog(np.zeros(6), A_eq=X, b_eq=y, bounds=bounds).status == 0:
            assert certify(program.solution, program).worst <= 1e-12
            continue
        none += 1
        with pytest.raises(Infeasible) as caught:
            _ = program.solution
        z, limit = X.T @ caught.value.weights, 1e-10 * np.abs(X).max()
        assert np.all(np.abs(z[np.isnan(signs)]) <= limit)
        assert np.all((signs * z)[np.abs(signs) == 1] <= limit)
        assert caught.value.weights @ y > 1e-3
    assert 20 < none < 60


# -- input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.5, [[1.0]], [1.0]), "1 ≤ p ≤ inf"),
        ((1, [1.0], [1.0]), r"X has shape \(1,\)"),
        ((1, [[1.0]], [1.0, 2.0]), r"y has shape \(2,\)"),
        ((1, [[np.nan]], [1.0]), "data must be finite"),
        ((1, [[1.0]], [1.0], [2]), "signs must be 1"),
        ((1, [[1.0]], [1.0], [1, 1]), r"signs has shape \(2,\)"),
        ((1, [[1.0]], [1.0], None, [0.0]), "weights must be > 0"),
        ((1, [[1.0]], [1.0], None, [1.0, 1.0]), r"weights has shape \(2,\)"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        LeastNorm(*arguments)


def test_programs_say_what_they_are():
    program = LeastNorm(1, [[3, 4]], [8], signs=[1, 1])
    assert (program.shape, program.kind) == ((2,), "point")
    assert program == LeastNorm(1, [[3.0, 4.0]], [8.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="dual_slack belongs to p = 1"):
        _ = LeastNorm(2, [[1.0]], [1.0]).dual_slack
