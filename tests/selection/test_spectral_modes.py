"""Matrices: the exact path of spectral descent from an aligned start, and the nearest interpolating matrix."""

import dataclasses

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.models.matrix import orthonormal

RNG = np.random.default_rng(11)
U, V = orthonormal(4, 3, RNG), orthonormal(3, 3, RNG)
B = np.array([1.31, 0.83, 0.57])
"""Targets of the layers: with a = 0.2 and η = 0.1 they are passed after 12, 7 and 4 steps."""
A = np.full(3, 0.2)
WIDTHS = {1: (3, 4), 2: (3, 3, 4), 3: (3, 4, 3, 4)}


def setting(N, optimizer=None, a=A):
    problem, model = ib.MatrixRegression.whitened((U * B**N) @ V.T), ib.DeepLinear(WIDTHS[N])
    return ib.Setting(
        problem, model, optimizer or ib.SpectralDescent(0.1), model.factorize((U * a**N) @ V.T, rng=3)
    )


@pytest.mark.parametrize("N", WIDTHS)
def test_the_curve_is_the_recursion_of_its_modes(N):
    curve, a = ib.closed_form(setting(N)), A.copy()
    for k in range(20):
        np.testing.assert_allclose(curve(steps=k), (U * a**N) @ V.T, atol=1e-13)
        a = a - 0.1 * np.sign(a - B)


@pytest.mark.parametrize("N", WIDTHS)
def test_the_minimum_up_to_a_step(N):
    """|σ_i(k) − min((a + ηk)^N, b^N)|: zero before the passing, and at most (b + η)^N − b^N."""
    sigma = np.linalg.svd(ib.closed_form(setting(N))(steps=np.arange(30)), compute_uv=False)
    least = np.minimum((A + 0.1 * np.arange(30)[:, None]) ** N, B**N)
    off = np.abs(np.sort(sigma) - np.sort(least))
    assert np.all(off <= np.sort((B + 0.1) ** N - B**N) + 1e-13)
    assert np.all(off[:4] <= 1e-13)


def test_times_are_those_of_steps():
    curve = ib.closed_form(setting(2))
    assert curve(0.35).tolist() == curve(steps=3).tolist()
    assert curve(np.array([0.0, 0.3])).tolist() == curve(steps=[0, 3]).tolist()
    assert np.isnan(curve(np.inf)).all()
    with pytest.raises(ValueError, match="t ≥ 0"):
        curve(-1.0)
    with pytest.raises(ValueError, match="give one of a time t and steps"):
        curve(1.0, steps=10)


def test_from_above():
    """Layers that start above their targets come down, here over 4, 8 and 11 steps."""
    curve = ib.closed_form(setting(2, a=np.full(3, 1.62)))
    a = np.array([np.linalg.svd(W, compute_uv=False) for W in curve(steps=np.arange(16))]) ** 0.5
    np.testing.assert_allclose(a[3], 1.32, atol=1e-12)
    np.testing.assert_allclose(a[15], [1.32, 0.92, 0.52], atol=1e-12)


def test_other_names_of_the_method():
    for optimizer in (ib.Muon(0.1, 0.0), ib.SteepestDescent("spectral", 0.1, normalized=True)):
        np.testing.assert_array_equal(
            ib.closed_form(setting(2, optimizer))(0.5), ib.closed_form(setting(2))(0.5)
        )


def test_linear_and_factorized_models():
    problem = ib.MatrixRegression.whitened((U * B) @ V.T)
    flat = ib.Setting(problem, ib.Linear(), ib.SpectralDescent(0.1), np.zeros((4, 3)))
    np.testing.assert_allclose(ib.closed_form(flat)(steps=3), 0.3 * U @ V.T, atol=1e-14)
    model = ib.MatrixFactorization(3)
    factors = ib.Setting(problem, model, ib.SpectralDescent(0.1), model.factorize(0.04 * U @ V.T))
    np.testing.assert_allclose(ib.closed_form(factors)(steps=3), 0.25 * U @ V.T, atol=1e-14)


def test_a_narrow_layer_leaves_the_other_modes_alone():
    problem, model = ib.MatrixRegression.whitened((U * B**2) @ V.T), ib.DeepLinear((3, 2, 4))
    a = np.array([0.2, 0.2, 0.0])
    narrow = ib.Setting(problem, model, ib.SpectralDescent(0.1), model.factorize((U * a**2) @ V.T))
    run = ib.simulate(narrow, ib.Stop(steps=6))
    np.testing.assert_allclose(run.w, (U * np.array([0.8, 0.8, 0.0]) ** 2) @ V.T, atol=1e-13)
    np.testing.assert_allclose(ib.closed_form(narrow)(steps=6), run.w, atol=1e-13)


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"optimizer": ib.GradientDescent(0.1)}, "polar factor"),
        ({"optimizer": ib.Muon(0.1, 0.5)}, "polar factor"),
        ({"optimizer": ib.Muon(0.1, 0.0, 5)}, "polar factor"),
        ({"optimizer": ib.SpectralDescent(ib.Decay(0.1, 0.5))}, "polar factor"),
        ({"optimizer": ib.SpectralDescent(0.1, weight_decay=0.1)}, "no weight decay"),
        ({"init": (2 * np.eye(3), np.eye(4, 3))}, "balanced"),
        ({"init": (0.3 * np.eye(3), 0.3 * np.eye(4, 3))}, "common singular vectors"),
        (
            {"init": ib.DeepLinear((3, 3, 4)).factorize((U * np.array([0.21, 0.2, 0.2]) ** 2) @ V.T)},
            "exactly",
        ),
        ({"init": ib.DeepLinear((3, 3, 4)).factorize(-0.04 * U @ V.T)}, "common singular vectors"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_settings_that_are_refused(change, missed):
    with pytest.raises(ib.NoPrediction) as refusal:
        ib.predict(dataclasses.replace(setting(2), **change))
    assert missed in refusal.value.candidates["exact path of spectral descent from an aligned start"]


X, Y, START = RNG.standard_normal((2, 5)), RNG.standard_normal((2, 3)), RNG.standard_normal((3, 5))
LINEAR = ib.Setting(ib.MatrixRegression(X, Y), ib.Linear(), ib.GradientDescent(0.1), START)


def test_the_nearest_matrix_in_every_norm():
    W = ib.predict(LINEAR).w
    np.testing.assert_allclose(X @ W.T, Y, atol=1e-13)
    null = np.linalg.svd(X)[2][2:]
    for seed in range(20):  # every other interpolant is further, singular value by singular value
        other = W + np.random.default_rng(seed).standard_normal((3, 3)) @ null
        near, far = (np.linalg.svd(A - START, compute_uv=False) for A in (W, other))
        assert np.all(near <= far + 1e-13)


@pytest.mark.parametrize(
    "optimizer",
    [
        ib.HeavyBall(0.1, 0.5),
        ib.SteepestDescent("nuclear", 0.1),
        ib.SpectralDescent(0.1),
        ib.Muon(0.1, 0.9),
        ib.Shampoo(0.1),
    ],
    ids=repr,
)
def test_methods_that_keep_the_rows(optimizer):
    """W_k − W_0 stays in range(Xᵀ) at every step, converged or not, and the rule applies."""
    setting = dataclasses.replace(LINEAR, optimizer=optimizer)
    run = ib.simulate(setting, ib.Stop(steps=25))
    off = np.eye(5) - np.linalg.pinv(X) @ X
    # Shampoo multiplies rounding off the rows by up to ε^{−1/4} = 1e3 a step
    np.testing.assert_allclose((run.w - START) @ off, 0, atol=1e-10)
    assert ib.predict(setting).w.tolist() == ib.predict(LINEAR).w.tolist()


@pytest.mark.parametrize(
    ("change", "missed"),
    [
        ({"optimizer": ib.AdaGrad(0.1)}, "rows of every update"),
        ({"optimizer": ib.SteepestDescent("max", 0.1)}, "rows of every update"),
        ({"optimizer": ib.Shampoo(0.1, weight_decay=0.1)}, "rows of every update"),
        (
            {"problem": ib.MatrixRegression(RNG.standard_normal((7, 5)), RNG.standard_normal((7, 3)))},
            "more than one",
        ),
        ({"problem": ib.MatrixRegression(X[[0, 0]], Y)}, "has solutions"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_settings_without_a_nearest_matrix(change, missed):
    with pytest.raises(ib.NoPrediction) as refusal:
        ib.predict(dataclasses.replace(LINEAR, **change))
    assert missed in refusal.value.candidates["nearest matrix in every unitarily invariant norm"]
