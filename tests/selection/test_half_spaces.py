"""Bregman projection onto half-spaces, and where a large start is at each loss."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.selection.rules.loss_levels import at_level


def separable(seed, n=5, d=10):
    rng = np.random.default_rng(seed)
    return ib.Classification(rng.standard_normal((n, d)), np.where(np.arange(n) % 2, 1, -1))


@pytest.mark.parametrize("seed", range(4))
def test_the_euclidean_projection_is_a_least_distance_problem(seed):
    from scipy.optimize import minimize

    rng = np.random.default_rng(seed)
    Z, b, w0 = rng.standard_normal((4, 6)), rng.standard_normal(4), rng.standard_normal(6)
    program = ib.HalfSpaceProjection(ib.Euclidean(), w0, Z, b)
    other = minimize(
        lambda w: 0.5 * np.sum((w - w0) ** 2), w0, jac=lambda w: w - w0, method="SLSQP", options={"ftol": 1e-15},
        constraints={"type": "ineq", "fun": lambda w: Z @ w - b, "jac": lambda w: Z},
    )  # fmt: skip
    assert np.allclose(program.solution, other.x, atol=1e-6)


@pytest.mark.parametrize("log_c", [-3.0, 0.0, 5.0])
def test_the_solution_has_its_certificate_and_its_multipliers(log_c):
    rng = np.random.default_rng(7)
    Z, b = rng.standard_normal((6, 9)), rng.uniform(-1, 2, 6)
    psi, z0 = ib.Hypentropy(log_c), 0.3 * rng.standard_normal(9)
    program = ib.HalfSpaceProjection(psi, z0, Z, b)
    w, alpha = program.solution, program.multipliers
    assert ib.certify(w, program).worst <= 1e-12
    assert np.all(alpha >= 0)
    assert np.allclose(psi.gradient(w), z0 + Z.T @ alpha, atol=1e-11)
    assert np.allclose(alpha * (Z @ w - b), 0, atol=1e-10)


def test_a_start_that_meets_all_constraints_is_its_own_projection():
    program = ib.HalfSpaceProjection(ib.Euclidean(), [2.0, 3.0], np.eye(2), 1.0)
    assert program.solution.tolist() == [2.0, 3.0]
    assert program.multipliers.tolist() == [0.0, 0.0]


def test_contradicting_half_spaces_are_refused_with_weights():
    Z, b = np.array([[2.0, 0.0], [-1.0, 0.0], [0.0, 1.0]]), np.ones(3)
    with pytest.raises(ValueError, match="meets all") as caught:
        _ = ib.HalfSpaceProjection(ib.Euclidean(), np.zeros(2), Z, b).solution
    p = caught.value.weights
    assert np.all(p >= 0)
    assert np.allclose(Z.T @ p, 0, atol=1e-12)
    assert p @ b > 0


def test_the_path_goes_from_the_l2_to_the_l1_margin():
    # z = (2, 1, 1) twice: the ℓ2 solution is along z, the ℓ1 solution along e₁
    problem = ib.Classification([[2.0, 1.0, 1.0], [-2.0, -1.0, -1.0]], [1, -1])
    setting = ib.Setting(problem, ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(10.0))
    early, late = (at_level(setting, level).solution for level in (1e-3, 1e30))
    assert np.allclose(early / early[1], [2, 1, 1], rtol=1e-6)
    assert late[1] / late[0] < 1e-12


@pytest.mark.parametrize("model", [ib.Diagonal(2), ib.Hadamard()])
def test_predict_says_where_a_large_start_is(model):
    setting = ib.Setting(separable(1), model, ib.GradientFlow(), ib.Balanced(30.0))
    run = ib.simulate(setting, ib.Stop(log_loss=-1e4))
    prediction = ib.predict(setting, run)
    assert isinstance(prediction.program, ib.HalfSpaceProjection)
    assert ib.compare(run, prediction).relative < 3e-3
    assert isinstance(ib.predict(setting).program, ib.MaxMargin)  # the limit, which no run is needed for


def test_no_prediction_where_a_multiplier_has_decreased():
    setting = ib.Setting(separable(0), ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(30.0))
    run = ib.simulate(setting, ib.Stop(log_loss=-2e5), rtol=1e-7)
    assert isinstance(ib.predict(setting, run).program, ib.MaxMargin)
