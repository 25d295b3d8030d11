"""The greedy path where it is known: eigenvalues, one at a time; critical points; conditions of a minimum."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.models.matrix import orthonormal


def completion(seed=1):
    """A(0) = 2V has the eigenvalues 1, 0.29, …: two phases at least."""
    rng = np.random.default_rng(seed)
    V = rng.standard_normal((4, 4))
    mask = np.ones((4, 4), dtype=bool)
    mask[0, 1] = mask[1, 0] = False
    V = np.where(mask, V + V.T, 0.0)
    return ib.MatrixCompletion(V / np.abs(np.linalg.eigvalsh(V)).max(), mask)


def test_whitened_targets_are_met_one_eigenvalue_at_a_time():
    """½‖W − T‖² over W ⪰ 0: W_k holds the k largest positive eigenvalues of T, and A(W_k) is 2(T − W_k)."""
    s = np.array([2.0, 0.7, 0.3, -0.4])
    Q = orthonormal(4, 4, np.random.default_rng(0))
    path = ib.GreedyLowRank(ib.MatrixRegression.whitened((Q * s) @ Q.T))
    assert path.is_complete
    assert len(path.points) == 4
    for k, W in enumerate(path.points):
        np.testing.assert_allclose(W, (Q[:, :k] * s[:k]) @ Q[:, :k].T, atol=1e-8)
        assert path.losses[k] == pytest.approx(0.5 * np.sum(s[k:] ** 2))
        left = np.sort(np.concatenate([np.zeros(k), 2 * s[k:]]))[::-1]
        np.testing.assert_allclose(path.eigenvalues[k], left, atol=1e-7)
    np.testing.assert_allclose(np.abs(path.directions @ Q[:, :3]), np.eye(3), atol=1e-7)


@pytest.mark.parametrize("seed", range(4))
def test_points_are_critical_of_growing_rank_and_falling_loss(seed):
    problem = completion(seed)
    path = ib.GreedyLowRank(problem)
    assert np.all(np.diff(path.losses) < 0)
    assert path.stationarity.max() <= 1e-9
    for k, (W, U) in enumerate(zip(path.points, path.factors)):
        assert U.shape == (4, k)
        assert np.linalg.matrix_rank(W, tol=1e-6) == k
        G = problem.gradient(W)
        np.testing.assert_allclose((G + G.T) @ W, 0, atol=1e-9)


def test_the_last_point_is_a_minimum_over_the_semidefinite_cone():
    """No positive semidefinite matrix has a smaller loss: a full-rank factorization from elsewhere finds the same."""
    problem = completion()
    path = ib.GreedyLowRank(problem)
    assert path.is_complete
    start = (np.random.default_rng(3).standard_normal((4, 6)),)
    run = ib.simulate(
        ib.Setting(problem, ib.MatrixFactorization(6, tied=True), ib.GradientFlow(), start),
        ib.Stop(gradient=1e-10),
    )
    assert run.loss == pytest.approx(path.losses[-1], abs=1e-10)


def test_fewer_phases_on_request():
    path = ib.GreedyLowRank(completion(), most=1)
    assert not path.is_complete
    assert len(path.points) == 2


def test_nothing_to_descend_to():
    """T negative definite: zero is the minimum, and the path is that point."""
    path = ib.GreedyLowRank(ib.MatrixRegression.whitened(-np.eye(3)))
    assert path.is_complete
    assert path.points.shape == (1, 3, 3)
    assert path.directions.shape == (0, 3)


def test_only_square_matrices():
    with pytest.raises(ValueError, match="square"):
        ib.GreedyLowRank(ib.MatrixCompletion(np.ones((2, 3)), np.ones((2, 3), dtype=bool)))


def test_predict_says_that_norms_diverge():
    """det W > 0 keeps w₁₁w₂₂ > w₁₂w₂₁: w₁₁ has the sign that definite starts keep, and no finite limit."""
    problem = ib.MatrixCompletion([[np.nan, 1], [1, 0]], [[False, True], [True, True]])
    flow, layers = ib.GradientFlow(), (0.2 * np.eye(2),) * 3
    tied = ib.predict(ib.Setting(problem, ib.MatrixFactorization(2, tied=True), flow, ib.Balanced(0.1)))
    assert tied.rule.name == "norms diverge"
    np.testing.assert_array_equal(tied.w, [[np.inf, 1], [1, 0]])
    deep = ib.Setting(problem, ib.DeepLinear((2, 2, 2, 2)), flow, layers)
    run = ib.simulate(deep, ib.Stop(time=1e3))
    np.testing.assert_array_equal(ib.predict(deep, run).w, [[np.inf, 1], [1, 0]])
    negative = ib.Setting(problem, ib.DeepLinear((2, 2, 2, 2)), flow, tuple(-W for W in layers))
    np.testing.assert_array_equal(ib.predict(negative).w, [[-np.inf, 1], [1, 0]])
    assert ib.simulate(negative, ib.Stop(time=1e3)).w[0, 0] < -10


@pytest.mark.parametrize(
    "setting",
    [
        {"model": ib.DeepLinear((2, 2)), "init": (0.1 * np.eye(2),)},
        {"model": ib.MatrixFactorization(2), "init": (np.diag([0.1, -0.1]), 0.1 * np.eye(2))},
        {"model": ib.MatrixFactorization(2), "init": (0.1 * np.eye(2), 0.2 * np.eye(2))},
        {"optimizer": ib.GradientFlow(weight_decay=0.1)},
    ],
    ids=["one layer", "negative determinant", "unbalanced", "decay"],
)
def test_where_norms_need_not_diverge(setting):
    problem = ib.MatrixCompletion([[np.nan, 1], [1, 0]], [[False, True], [True, True]])
    whole = {
        "model": ib.MatrixFactorization(2, tied=True),
        "optimizer": ib.GradientFlow(),
        "init": ib.Balanced(0.1),
    }
    with pytest.raises(ib.NoPrediction):
        ib.predict(ib.Setting(problem, **(whole | setting)))


def test_predict_says_low_rank():
    """Half of the entries of a matrix of rank one: the path has one phase, and a small start ends at its end."""
    x = np.array([1.0, -2.0, 0.5, 1.5])
    mask = np.ones((4, 4), bool)
    mask[0, 3] = mask[3, 0] = mask[1, 2] = mask[2, 1] = False
    problem, model = ib.MatrixCompletion(np.outer(x, x), mask), ib.MatrixFactorization(4, tied=True)
    setting = ib.Setting(problem, model, ib.GradientFlow(), ib.Balanced(1e-5))
    run = ib.simulate(setting, ib.Stop(loss=1e-16))
    pred = ib.predict(setting, run)
    assert pred.rule.name.startswith("low rank")
    assert ib.numerical_rank(pred.w, 1e-6) == 1
    # the error is a power of the start's W, 1e-10, with an exponent of one or less
    assert ib.compare(run, pred).relative < 1e-4
    large = ib.Setting(problem, model, ib.GradientFlow(), ib.Balanced(0.5))
    with pytest.raises(
        ib.NoPrediction, match=r"low rank: the end of the greedy path: needs that W\(0\) is small"
    ):
        ib.predict(large)
