"""Margins of fixed signs, stationary points of Σ|w|^p, and what diagonal networks select on separable data."""

import numpy as np
import pytest

import implicitbias as ib


def separable(seed, n=5, d=10):
    rng = np.random.default_rng(seed)
    y = np.where(np.arange(n) % 2, 1, -1)
    return ib.Classification(rng.standard_normal((n, d)), y)


@pytest.mark.parametrize("seed", range(5))
def test_the_signed_margin_with_the_right_signs_is_the_l1_margin(seed):
    problem = separable(seed)
    best = ib.max_margin(problem, 1)
    program = ib.SignedMargin(problem.Z, np.where(best.w < 0, -1.0, 1.0))
    assert np.abs(program.solution).sum() == pytest.approx(np.abs(best.w).sum(), rel=1e-10)
    assert ib.certify(program.solution, program).worst <= 1e-10
    assert ib.certify(-program.solution, program).worst == np.inf


def test_signs_that_separate_nothing_are_refused_with_weights():
    with pytest.raises(ValueError, match="signs") as caught:
        _ = ib.SignedMargin([[-1.0, -2.0], [1.0, 0.5]], [1.0, 1.0]).solution
    p = caught.value.weights
    assert np.all(p >= 0)
    assert np.max(np.array([[-1.0, -2.0], [1.0, 0.5]]).T @ p) <= 1e-12
    with pytest.raises(ValueError, match="±1"):
        ib.SignedMargin([[1.0, 2.0]], [1.0, 0.0])


@pytest.mark.parametrize("p", [1.0, 4 / 3, 1.7])
def test_beside_the_solution_of_a_convex_program_the_stationary_point_is_it(p):
    problem = separable(3)
    best = ib.max_margin(problem, p).w
    program = ib.StationaryMargin(problem.Z, p, best * (1 + 1e-4 * np.cos(np.arange(best.size))))
    support = np.abs(best) > np.max(np.abs(best)) / 30
    if np.all(np.abs(best[~support]) <= 1e-12):
        assert np.allclose(program.solution, best, rtol=1e-8, atol=1e-12)
    assert ib.certify(best, program).stationarity <= 1e-8


def test_below_one_a_vertex_is_stationary_and_a_mixture_is_not():
    # z = (1, 1): both unit vectors are local minima of Σ√|w|; the diagonal is stationary, (0.7, 0.3) is not
    program = ib.StationaryMargin([[1.0, 1.0]], 0.5, [1.0, 0.0])
    assert program.solution.tolist() == [1.0, 0.0]
    assert ib.certify(np.array([0.5, 0.5]), program).stationarity <= 1e-12
    assert ib.certify(np.array([0.7, 0.3]), program).stationarity > 0.1


@pytest.mark.parametrize("p", [1.0, 2 / 3, 0.5])
@pytest.mark.parametrize("seed", range(4))
def test_from_any_separator_a_stationary_point_below_it(p, seed):
    """Whose support does not stand out: linear programs above the concave objective, equal to it at near, descend."""
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(12)
    Z = rng.standard_normal((40, 12))
    Z *= np.sign(Z @ w)[:, None]
    program = ib.StationaryMargin(Z, p, w)
    v = program.solution
    assert ib.certify(v, program).stationarity <= 1e-10
    assert np.min(Z @ v) == pytest.approx(1.0, abs=1e-12)
    assert program.objective(v) < program.objective(w / np.min(Z @ w))
    assert np.all(v * w >= 0)
    # stationary from itself as well
    assert np.allclose(ib.StationaryMargin(Z, p, v).solution, v, atol=1e-9 * np.max(np.abs(v)))


def test_no_stationary_point_of_a_convex_program_beside_a_bad_guess():
    Z = np.array([[1.0, 0.0], [0.0, 1.0]])
    with pytest.raises(ArithmeticError, match="has the support of near"):
        _ = ib.StationaryMargin(Z, 1.5, [1.0, 10.0]).solution
    with pytest.raises(ArithmeticError, match="margin ≤ 0"):
        _ = ib.StationaryMargin(Z, 1.5, [1.0, -1.0]).solution


@pytest.mark.parametrize(
    ("model", "program"),
    [
        (ib.Diagonal(2), ib.MaxMargin),
        (ib.Hadamard(), ib.MaxMargin),
        (ib.PowerPropagation(2.0), ib.SignedMargin),
        (ib.Diagonal(3), ib.StationaryMargin),
        (ib.Hadamard(3), ib.StationaryMargin),
        (ib.PowerPropagation(3.0), ib.StationaryMargin),
    ],
)
def test_predict_names_the_program_and_the_flow_agrees(model, program):
    problem = separable(1)
    if isinstance(model, ib.PowerPropagation):  # from the signs of a separator
        w = ib.max_margin(problem, 2).w
        init = np.sign(w) * 0.7
    else:
        init = ib.Balanced(0.7)
    setting = ib.Setting(problem, model, ib.GradientFlow(), init)
    run = ib.simulate(setting, ib.Stop(margin=1e5), rtol=1e-8)
    prediction = ib.predict(setting, run)
    assert isinstance(prediction.program, program)
    assert prediction.certificate.worst <= 1e-9
    # the ℓ1 shares of what is not selected fall only as powers of log t
    size = prediction.program.objective
    selected = prediction.w / np.min(problem.Z @ prediction.w)
    assert size(run.w / np.min(problem.Z @ run.w)) <= 1.2 * size(selected)


def test_a_polynomial_tail_selects_no_margin_of_a_diagonal_network():
    rng = np.random.default_rng(0)
    problem = ib.Classification(rng.standard_normal((4, 8)), [1, -1, 1, -1], loss=ib.PolynomialTail(2.0))
    with pytest.raises(ib.NoPrediction):
        ib.predict(ib.Setting(problem, ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(0.5)))
