"""The least nuclear norm against closed forms, a cone solver, and its own dual; large tables by their certificate."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import LeastNuclearNorm, certify


def sensing(seed, p, q, m, rank):
    rng = np.random.default_rng(seed)
    A, X = rng.standard_normal((m, p, q)), rng.standard_normal((p, rank)) @ rng.standard_normal((rank, q))
    return ib.MatrixSensing(A, np.tensordot(A, X, 2))


def definite_sensing(seed, p, m, rank):
    rng = np.random.default_rng(seed)
    A, U = rng.standard_normal((m, p, p)), rng.standard_normal((p, rank))
    return ib.MatrixSensing(A, np.tensordot(A, U @ U.T, 2))


def completion(seed, p, q, rank, share):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((p, rank)) @ rng.standard_normal((rank, q))
    return ib.MatrixCompletion(X, rng.random((p, q)) < share)


CASES = {
    "sensing": (sensing(0, 5, 4, 7, 2), False),
    "wide": (sensing(1, 3, 6, 8, 2), False),
    "completion": (completion(2, 6, 5, 2, 0.6), False),
    "definite": (definite_sensing(3, 5, 6, 2), True),
}


@pytest.mark.parametrize(("problem", "definite"), CASES.values(), ids=CASES.keys())
def test_solutions_are_dual_optimal(problem, definite):
    program = LeastNuclearNorm(problem, definite)
    W, Y = program.solution, program.dual
    assert certify(W, program).worst <= 1e-11
    # Y is a combination of the measurements, within the dual's constraint, and supports W
    rows = (
        problem.A.reshape(problem.n, -1)
        if isinstance(problem, ib.MatrixSensing)
        else np.eye(problem.mask.size)[np.flatnonzero(problem.mask)]
    )
    if definite:
        rows = ((problem.A + problem.A.transpose(0, 2, 1)) / 2).reshape(problem.n, -1)
        assert np.linalg.eigvalsh(Y)[-1] <= 1 + 1e-12
        assert np.linalg.eigvalsh(W)[0] >= -1e-12
    else:
        assert np.linalg.norm(Y, 2) <= 1 + 1e-12
    nu = np.linalg.lstsq(rows.T, Y.ravel(), rcond=None)[0]
    np.testing.assert_allclose(rows.T @ nu, Y.ravel(), atol=1e-12)
    assert np.sum(Y * W) == pytest.approx(np.linalg.norm(W, "nuc"), rel=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize(("problem", "definite"), CASES.values(), ids=CASES.keys())
def test_against_a_cone_solver(problem, definite):
    cvxpy = pytest.importorskip("cvxpy")
    p, q = problem.w_shape
    W = cvxpy.Variable((p, q), PSD=True) if definite else cvxpy.Variable((p, q))
    if isinstance(problem, ib.MatrixSensing):
        meets = [cvxpy.sum(cvxpy.multiply(A, W)) == b for A, b in zip(problem.A, problem.b)]
    else:
        meets = [cvxpy.multiply(problem.mask * 1.0, W) == problem.values]
    value = cvxpy.Problem(cvxpy.Minimize(cvxpy.trace(W) if definite else cvxpy.normNuc(W)), meets).solve(
        solver="CLARABEL"
    )
    # the cone solver's own tolerance is 1e-8
    assert LeastNuclearNorm(problem, definite).objective(
        LeastNuclearNorm(problem, definite).solution
    ) == pytest.approx(value, rel=1e-6)


def test_the_gap_bounds_how_much_better_a_point_could_be():
    problem = CASES["sensing"][0]
    program = LeastNuclearNorm(problem)
    W, rows = program.solution, problem.A.reshape(problem.n, -1)
    D = np.random.default_rng(5).standard_normal(W.size)
    D = (D - np.linalg.pinv(rows) @ (rows @ D)).reshape(W.shape)
    for size in (1e-6, 1e-2):
        V = W + size * D
        excess = program.objective(V) - program.objective(W)
        assert excess > 0
        assert certify(V, program).gap * program.objective(V) == pytest.approx(excess, rel=1e-6, abs=1e-10)


def test_a_single_measurement_has_a_closed_form():
    # ⟨A, W⟩ = b: W = b u₁v₁ᵀ/σ₁(A), of nuclear norm b/σ₁
    A = np.random.default_rng(6).standard_normal((1, 4, 3))
    U, s, Vt = np.linalg.svd(A[0])
    W = LeastNuclearNorm(ib.MatrixSensing(A, [2.0])).solution
    np.testing.assert_allclose(W, 2 / s[0] * np.outer(U[:, 0], Vt[0]), atol=1e-12)


def test_constant_columns_and_full_tables():
    rng = np.random.default_rng(7)
    values = np.column_stack([np.zeros(6), np.full(6, 2.0), rng.standard_normal((6, 2))])
    mask = rng.random((6, 4)) < 0.7
    mask[np.arange(6), np.arange(6) % 4] = True  # no row is without an entry
    program = LeastNuclearNorm(ib.MatrixCompletion(values, mask))
    assert np.abs(program.solution[:, 0]).max() <= 1e-12
    assert certify(program.solution, program).worst <= 1e-10
    full = LeastNuclearNorm(ib.MatrixCompletion(values, np.ones((6, 4), dtype=bool)))
    np.testing.assert_allclose(full.solution, values, atol=1e-13)
    assert certify(values, full).worst <= 1e-11


def test_a_table_of_real_size():
    problem = completion(8, 120, 40, 5, 0.5)
    program = LeastNuclearNorm(problem)
    assert certify(program.solution, program).worst <= 1e-9
    # at half of the entries and rank 5 the table itself is the minimiser, as its dual certificate says
    np.testing.assert_allclose(program.solution[problem.mask], problem.values[problem.mask], atol=1e-9)


def test_what_cannot_be_solved_is_said():
    with pytest.raises(ib.Infeasible, match="no matrix") as caught:
        _ = LeastNuclearNorm(ib.MatrixSensing([np.eye(2), np.eye(2)], [1.0, 2.0])).solution
    weights = caught.value.weights  # a combination of the measurements that is zero, of b that is not
    assert abs(weights.sum()) <= 1e-12
    assert abs(weights @ [1.0, 2.0]) > 0.1
    with pytest.raises(ArithmeticError, match="semidefinite"):
        _ = LeastNuclearNorm(ib.MatrixSensing([np.eye(2)], [-1.0]), definite=True).solution
    with pytest.raises(ValueError, match="square"):
        LeastNuclearNorm(sensing(0, 3, 2, 2, 1), definite=True)
    with pytest.raises(ValueError, match="MatrixSensing"):
        LeastNuclearNorm(ib.MatrixRegression.whitened(np.eye(2)))


def test_rows_and_columns_without_entries_are_named():
    mask = np.ones((4, 5), bool)
    mask[2], mask[:, 0] = False, False
    with pytest.raises(
        ValueError, match=r"rows \[2\] and columns \[0\] have no observed entry.*leave them out"
    ):
        LeastNuclearNorm(ib.MatrixCompletion(np.ones((4, 5)), mask))
