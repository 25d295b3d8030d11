"""The split of data into the largest separable part and the rest, and what predict makes of it."""

import numpy as np
import pytest

from implicitbias import (
    Classification,
    GradientFlow,
    Linear,
    SeparableSplit,
    Setting,
    Stop,
    max_margin,
    predict,
    simulate,
)


def mixed(seed, separable=4, rest=5, pinned=2, d=8):
    """Samples with a positive last coordinate, and a rest with a positive combination equal to zero."""
    rng = np.random.default_rng(seed)
    S = rng.standard_normal((separable, d))
    S[:, -1] = rng.uniform(0.1, 2, separable)
    p = rng.uniform(0.5, 1.5, rest)
    C = np.zeros((rest, d))
    C[:, :pinned] = rng.standard_normal((rest, pinned))
    C[:, :pinned] -= p @ C[:, :pinned] / p.sum()
    Q, _ = np.linalg.qr(rng.standard_normal((d, d)))
    return np.vstack([S, C]) @ Q.T


@pytest.mark.parametrize("seed", range(6))
def test_both_halves_are_certified(seed):
    Z = mixed(seed)
    split = SeparableSplit(Z)
    assert split.separable.tolist() == [True] * 4 + [False] * 5
    assert split.basis.shape == (8, 2)
    assert np.min(Z[:4] @ split.direction) >= 1 - 1e-12
    np.testing.assert_allclose(Z[4:] @ split.direction, 0, atol=1e-12 * np.linalg.norm(split.direction))
    assert np.min(split.weights[4:]) >= 1
    assert not np.any(split.weights[:4])
    np.testing.assert_allclose(split.weights @ Z, 0, atol=1e-11 * np.max(split.weights))


def test_data_of_one_kind():
    rng = np.random.default_rng(0)
    Z = rng.standard_normal((4, 6))  # fewer samples than dimensions
    split = SeparableSplit(Z)
    assert np.all(split.separable)
    assert not np.any(split.weights)
    assert split.basis.shape == (6, 0)
    split = SeparableSplit(np.vstack([Z, -Z]))
    assert not np.any(split.separable)
    assert not np.any(split.direction)
    assert split.basis.shape == (6, 4)


def test_duplicates_with_opposite_labels_have_their_minimum_at_zero_margin():
    X = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [0.3, 3.0]])
    problem = Classification(X, [1, -1, 1, 1])
    curve = predict(Setting(problem, Linear(), GradientFlow())).value
    np.testing.assert_allclose(curve.pinned, 0, atol=1e-15)
    np.testing.assert_allclose(curve.margin.what, [0, 0.5], atol=1e-12)  # of the rows (0, 2) and (0, 3)


@pytest.mark.parametrize("loss", ["exp", "logistic"])
def test_the_minimum_of_what_cannot_be_separated(loss):
    """Margins m and −m of weights 3 and 1: 3ℓ′(m) = ℓ′(−m) has m = ½ ln 3 for exp, ln 3 for the logistic loss."""
    X = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    problem = Classification(X, [1, 1, 1, -1], loss)
    w0 = np.array([0.4, -0.7])
    setting = Setting(problem, Linear(), GradientFlow(), w0)
    m = np.log(3) * (0.5 if loss == "exp" else 1.0)
    np.testing.assert_allclose(predict(setting).w, [m, -0.7], rtol=1e-13)
    run = simulate(setting, Stop(gradient=1e-9))
    np.testing.assert_allclose(run.w, [m, -0.7], atol=1e-8)


def test_separable_data_are_left_to_the_other_rule():
    problem = Classification([[1.0, 0.0], [0.0, -2.0]], [1, -1])
    pred = predict(Setting(problem, Linear(), GradientFlow()))
    np.testing.assert_allclose(pred.program.solution, max_margin(problem).w)
    assert pred.rule.source == "soudry2018separable"
