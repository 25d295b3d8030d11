"""Matrix sensing against its definition, finite differences, and completion as a special case."""

import numpy as np
import pytest

import implicitbias as ib


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    return ib.MatrixSensing(rng.standard_normal((7, 3, 4)), rng.standard_normal(7))


def test_loss_is_its_definition_on_batches_and_complex_numbers(problem):
    rng = np.random.default_rng(1)
    W = rng.standard_normal((5, 3, 4)) + 1j * rng.standard_normal((5, 3, 4))
    r = np.array([[np.trace(A.T @ w) for A in problem.A] for w in W]) - problem.b
    np.testing.assert_allclose(problem.measure(W), r + problem.b)
    np.testing.assert_allclose(problem.loss(W), np.sum(r**2, axis=1) / 14)
    np.testing.assert_allclose(problem.gradient(W), np.einsum("ki,ipq->kpq", r, problem.A) / 7)


def test_gradient_is_the_derivative(problem):
    W, h = np.random.default_rng(2).standard_normal((3, 4)), 1e-30
    for i, j in np.ndindex(3, 4):
        moved = W.astype(complex)
        moved[i, j] += 1j * h
        assert problem.gradient(W)[i, j] == pytest.approx(np.imag(problem.loss(moved)) / h, rel=1e-13)


def test_samples_average_to_the_gradient(problem):
    W = np.random.default_rng(3).standard_normal((3, 4))
    each = problem.each_gradient(np.broadcast_to(W, (7, 3, 4)))
    np.testing.assert_allclose(each.mean(axis=0), problem.gradient(W))
    np.testing.assert_allclose(problem.sample_gradient(W, np.array([2, 5])), each[[2, 5]].mean(axis=0))


def test_consistency():
    A = np.array([np.eye(2), 2 * np.eye(2)])
    assert ib.MatrixSensing(A, [1.0, 2.0]).attains_zero
    worse = ib.MatrixSensing(A, [1.0, 3.0])
    assert not worse.consistent
    assert worse.least_loss == pytest.approx(0.05)  # tr W = 7/5 leaves residuals 2/5 and −1/5
    W = np.diag([0.7, 0.7])
    assert worse.is_least(W)
    assert not worse.is_least(1.1 * W)


def test_measuring_entries_is_completion():
    rng = np.random.default_rng(4)
    values, mask = rng.standard_normal((3, 4)), rng.random((3, 4)) < 0.6
    index = np.flatnonzero(mask)
    sensing = ib.MatrixSensing(np.eye(12)[index].reshape(-1, 3, 4), values.ravel()[index])
    completion, W = ib.MatrixCompletion(values, mask), rng.standard_normal((3, 4))
    np.testing.assert_allclose(len(index) * sensing.loss(W), completion.loss(W))
    np.testing.assert_allclose(len(index) * sensing.gradient(W), completion.gradient(W))


def test_a_run_meets_the_measurements(problem):
    setting = ib.Setting(problem, ib.MatrixFactorization(3), ib.GradientFlow(), ib.Balanced(0.5, rng=0))
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    assert run.converged
    np.testing.assert_allclose(problem.measure(run.w), problem.b, atol=1e-11)
    assert ib.Setting.from_dict(setting.to_dict()) == setting


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="A"):
        ib.MatrixSensing(np.eye(2), [1.0])
    with pytest.raises(ValueError, match="one per measurement"):
        ib.MatrixSensing(np.ones((2, 3, 3)), [1.0])
    with pytest.raises(ValueError, match="finite"):
        ib.MatrixSensing(np.full((1, 2, 2), np.nan), [1.0])


def test_completion_names_rows_and_columns_without_entries():
    mask = np.array([[True, False, False], [False, False, False], [True, True, False]])
    problem = ib.MatrixCompletion(np.ones((3, 3)), mask)
    assert problem.unobserved_rows.tolist() == [1]
    assert problem.unobserved_columns.tolist() == [2]
