"""Maps of steps against the steps themselves."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import ScaledPath, two_cycle


@pytest.mark.parametrize("depth", [2, 3, 5])
@pytest.mark.parametrize("s", [0.5, 1.0, 2.5])
@pytest.mark.parametrize("beyond", [1.02, 1.1])
def test_a_two_cycle_is_one(depth, s, beyond):
    eta = beyond * 2 / (depth * s ** (2 - 2 / depth))
    low, high = two_cycle(s, eta, depth)

    def after(w):
        a = w ** (1 / depth)
        return (a + eta * a ** (depth - 1) * (s - w)) ** depth

    assert low < s < high
    assert after(low) == pytest.approx(high, rel=1e-12)
    assert after(high) == pytest.approx(low, rel=1e-10)


def test_two_cycles_are_where_descent_ends():
    problem, step = ib.MatrixRegression.whitened([[2.0]]), 1.1 / 2.0
    run = ib.simulate(
        ib.Setting(problem, ib.DeepLinear((1, 1, 1)), ib.GradientDescent(step), ([[1.2]], [[1.0]])),
        ib.Stop(steps=5000), ib.Save(last=2, fields=("w",)),
    )  # fmt: skip
    assert sorted(run.history["w"].ravel()) == pytest.approx(two_cycle(2.0, step), rel=1e-12)


@pytest.mark.parametrize("arguments", [(1.0, 0.9), (1.0, 0.6, 3), (-1.0, 1.1), (1.0, 1.1, 1), (1.0, 30.0, 3)])
def test_no_two_cycle_is_said(arguments):
    with pytest.raises(ValueError, match=r"no two-cycle|positive|> 0|must"):
        two_cycle(*arguments)


def settings(p, q, rank, step, seed=0):
    rng = np.random.default_rng(seed)
    T = rng.standard_normal((p, q))
    U, V = rng.standard_normal((p, rank)), rng.standard_normal((q, rank))
    problem = ib.MatrixRegression.whitened(T)
    yield ib.Setting(problem, ib.MatrixFactorization(rank), ib.ScaledGD(step), (U, V))
    yield ib.Setting(problem, ib.DeepLinear((q, rank, p)), ib.ScaledGD(step), (V.T, U))
    if p == q:
        yield ib.Setting(problem, ib.MatrixFactorization(rank, tied=True), ib.ScaledGD(step), (U,))


@pytest.mark.parametrize(("p", "q", "rank"), [(4, 3, 2), (3, 3, 3), (5, 5, 1)])
def test_the_path_is_that_of_the_factors(p, q, rank):
    for setting in settings(p, q, rank, 0.3):
        run = ib.simulate(setting, ib.Stop(steps=12), ib.Save(every=1, fields=("w",)))
        W = ib.closed_form(setting)
        assert isinstance(W, ScaledPath)
        scale = np.abs(run.history["w"]).max()
        np.testing.assert_allclose(W(steps=np.arange(13)), run.history["w"], atol=1e-9 * scale)
        np.testing.assert_allclose(W(run.history["time"]), run.history["w"], atol=1e-9 * scale)


def test_its_limit_is_the_nearest_matrix_of_the_rank():
    """From near there, it converges to T_r whatever the condition number."""
    T = np.diag([3.0, 1.0, 1e-3])
    W0 = np.diag([2.5, 1.2, 0.0])
    W = ScaledPath(T, W0, 0.5, rank=2)(np.inf)
    np.testing.assert_allclose(W, np.diag([3.0, 1.0, 0.0]), atol=1e-9)
    with pytest.raises(ValueError, match="one of a time"):
        ScaledPath(T, W0, 0.5, rank=2)()
    with pytest.raises(ValueError, match="t ≥ 0"):
        ScaledPath(T, W0, 0.5, rank=2)(-1.0)


def test_factors_without_full_rank_are_refused():
    problem = ib.MatrixRegression.whitened(np.eye(3))
    setting = ib.Setting(
        problem, ib.MatrixFactorization(2), ib.ScaledGD(0.5), (np.ones((3, 2)), np.eye(3, 2))
    )
    with pytest.raises(ib.NoPrediction, match="full column rank"):
        ib.closed_form(setting)
