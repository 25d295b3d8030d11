"""The von Neumann projection against closed forms, its own optimality conditions, and scalar entropies."""

import numpy as np
import pytest
from scipy.linalg import logm

import implicitbias as ib
from implicitbias import VonNeumannProjection, certify


def measured(seed, p, m, commuting):
    rng = np.random.default_rng(seed)
    if commuting:
        Q, _ = np.linalg.qr(rng.standard_normal((p, p)))
        A, X = (
            np.array([(Q * a) @ Q.T for a in rng.standard_normal((m, p))]),
            (Q * rng.uniform(0.2, 1, p)) @ Q.T,
        )
    else:
        G, B = rng.standard_normal((m, p, p)), rng.standard_normal((p, p))
        A, X = G + G.transpose(0, 2, 1), B @ B.T / p
    return A, np.tensordot(A, X, 2), rng


def start(p, alpha):
    return 2 * np.log(alpha) * np.eye(p)


def test_the_trace_alone_is_shared_equally():
    program = VonNeumannProjection(start(3, 1e-5), [np.eye(3)], [6.0])
    np.testing.assert_allclose(program.solution, 2 * np.eye(3), rtol=1e-14)


def test_with_the_trace_and_a_general_start_it_is_the_gibbs_state():
    S = np.array([[1.0, 0.5], [0.5, -1.0]])
    lam, Q = np.linalg.eigh(S)
    expected = (Q * np.exp(lam) / np.exp(lam).sum()) @ Q.T
    np.testing.assert_allclose(VonNeumannProjection(S, [np.eye(2)], [1.0]).solution, expected, rtol=1e-13)


@pytest.mark.parametrize("commuting", [True, False])
@pytest.mark.parametrize("alpha", [1.0, 1e-2])
@pytest.mark.parametrize("p", [4, 9])
def test_the_logarithm_is_the_start_and_measurements(p, alpha, commuting):
    A, b, _ = measured(p, p, 3, commuting)
    program = VonNeumannProjection(start(p, alpha), A, b)
    X = program.solution
    np.testing.assert_allclose(np.tensordot(A, X, 2), b, atol=1e-13 * np.abs(b).max())
    residual = logm(X) - start(p, alpha) - np.tensordot(program.multiplier, A, 1)
    # the logarithm of an eigenvalue x is known to eps/x
    assert np.abs(residual).max() <= 100 * np.finfo(float).eps / np.linalg.eigvalsh(X)[0]


def test_commuting_measurements_give_the_entropy_of_the_eigenvalues():
    A, b, _ = measured(3, 5, 2, True)
    Q = np.linalg.eigh(np.tensordot([1.0, np.pi], A, 1))[1]
    rows = np.einsum("ki,mkl,li->mi", Q, A, Q)
    alpha = 1e-3
    scalar = ib.BregmanProjection(ib.Entropy(), np.full(5, 2 * np.log(alpha)), rows, b).solution
    X = VonNeumannProjection(start(5, alpha), A, b).solution
    np.testing.assert_allclose(X, (Q * scalar) @ Q.T, atol=1e-12)


@pytest.mark.parametrize("alpha", [1e-3, 1e-8, 1e-30, 1e-100])
@pytest.mark.parametrize("commuting", [True, False])
def test_tiny_scales_are_certified(alpha, commuting):
    A, b, _ = measured(5, 8, 5, commuting)
    program = VonNeumannProjection(start(8, alpha), A, b)
    assert certify(program.solution, program).feasibility <= 1e-12
    assert abs(certify(program.solution, program).gap) <= 1e-12


def test_no_feasible_point_is_better_and_the_gap_says_by_how_much():
    A, b, rng = measured(6, 4, 3, False)
    program = VonNeumannProjection(start(4, 0.1), A, b)
    X, rows = program.solution, A.reshape(3, -1)
    for size in (1e-3, 1e-2):
        D = rng.standard_normal((4, 4))
        D = (D + D.T).ravel()
        D = (D - np.linalg.pinv(rows) @ (rows @ D)).reshape(4, 4)
        Y = X + size * np.linalg.eigvalsh(X)[0] * D / np.linalg.norm(D)
        excess = program.objective(Y) - program.objective(X)
        assert excess > 0
        certificate = certify(Y, program)
        assert certificate.feasibility <= 1e-14
        assert certificate.gap > 0
        assert certificate.stationarity > 1e-8


def test_points_without_a_logarithm_and_measurements_without_a_point():
    A = np.array([np.diag([1.0, 0.0]), np.diag([0.0, 1.0])])
    program = VonNeumannProjection(np.zeros((2, 2)), A, [1.0, 1.0])
    assert certify(np.diag([1.0, -1.0]), program).gap == np.inf
    with pytest.raises(ArithmeticError, match="positive definite"):
        _ = VonNeumannProjection(np.zeros((2, 2)), A, [1.0, -1.0]).solution
    with pytest.raises(ValueError, match="symmetric"):
        VonNeumannProjection([[0.0, 1.0], [0.0, 0.0]], A, [1.0, 1.0])


def sensing_setting(seed, commuting, model=None, init=None):
    A, b, _ = measured(seed, 4, 2, commuting)
    model = ib.MatrixFactorization(4, tied=True) if model is None else model
    return ib.Setting(ib.MatrixSensing(A, b), model, ib.GradientFlow(), init or ib.Balanced(0.1))


@pytest.mark.parametrize("model", [ib.MatrixFactorization(4), ib.DeepLinear((4, 4, 4))], ids=repr)
def test_two_equal_factors_select_as_one_does(model):
    setting = sensing_setting(7, True, model)
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    pred = ib.predict(setting, run)
    assert isinstance(pred.program, VonNeumannProjection)
    assert ib.compare(run, pred).relative <= 1e-8
    np.testing.assert_allclose(pred.w, ib.predict(sensing_setting(7, True)).w, atol=1e-12)


def test_a_start_that_commutes_enters_by_its_logarithm():
    setting = sensing_setting(8, True)
    Q = np.linalg.eigh(np.tensordot([1.0, np.pi], setting.problem.A, 1))[1]
    U = (Q * [0.1, 0.3, 0.5, 0.2]) @ Q.T
    setting = sensing_setting(8, True, init=(U,))
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    assert ib.compare(run, ib.predict(setting, run)).relative <= 1e-8


def test_measurements_that_do_not_commute_are_named():
    with pytest.raises(ib.NoPrediction) as refusal:
        ib.predict(sensing_setting(9, False))
    reason = refusal.value.candidates["von Neumann entropy (commuting measurements)"]
    assert "non-commuting measurements" in reason
