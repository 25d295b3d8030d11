"""Methods that see the matrices in θ, on matrices; on vectors they are in the battery of test_updates.py."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.models.matrix import orthonormal

RNG = np.random.default_rng(7)
T = RNG.standard_normal((4, 3))
PROBLEM = ib.MatrixRegression.whitened(T)
W0 = RNG.standard_normal((4, 3))
LAYERS = (RNG.standard_normal((2, 3)), RNG.standard_normal((4, 2)))


def first_step(optimizer, model=None, init=W0):
    """(θ_0 − θ_1)/η, block by block."""
    run = ib.simulate(ib.Setting(PROBLEM, model or ib.Linear(), optimizer, init), ib.Stop(steps=1))
    if isinstance(init, tuple):
        return [(a - b) / optimizer.step for a, b in zip(init, run.theta)]
    return (init - run.theta) / optimizer.step


def polar(G):
    """G(GᵀG)^{−½} for full column rank, or (GGᵀ)^{−½}G for full row rank."""
    A, wide = (G @ G.T, True) if G.shape[0] <= G.shape[1] else (G.T @ G, False)
    values, Q = np.linalg.eigh(A)
    root = Q / np.sqrt(values) @ Q.T
    return root @ G if wide else G @ root


G = W0 - T
UNIT = [
    ib.SpectralDescent(0.1), ib.Muon(0.1, 0.0), ib.Muon(0.1, 0.9), ib.SteepestDescent("spectral", 0.1, normalized=True),
    ib.Shampoo(0.1, beta=0.0, eps=0.0), ib.Shampoo(0.1, eps=0.0), ib.Shampoo(0.1, 0.5, 0.0, 0.0, "right"),
    ib.Shampoo(0.1, power=0.5, eps=0.0, sides="left"),
]  # fmt: skip


@pytest.mark.parametrize("optimizer", UNIT, ids=repr)
def test_the_first_step_is_the_polar_factor(optimizer):
    np.testing.assert_allclose(first_step(optimizer), polar(G), atol=1e-11)


@pytest.mark.parametrize("optimizer", UNIT[:5], ids=repr)
def test_every_layer_gets_its_own_polar_factor(optimizer):
    W1, W2 = LAYERS
    R = W2 @ W1 - T
    for got, gradient in zip(first_step(optimizer, ib.DeepLinear((3, 2, 4)), LAYERS), (W2.T @ R, R @ W1.T)):
        np.testing.assert_allclose(got, polar(gradient), atol=1e-11)


def test_steepest_descent_in_norms_of_the_block_diagonal_matrix():
    W1, W2 = LAYERS
    R = W2 @ W1 - T
    gradients = (W2.T @ R, R @ W1.T)
    nuclear = sum(np.linalg.norm(g, "nuc") for g in gradients)
    steps = first_step(ib.SteepestDescent("spectral", 0.01), ib.DeepLinear((3, 2, 4)), LAYERS)
    for got, gradient in zip(steps, gradients):
        np.testing.assert_allclose(got, nuclear * polar(gradient), rtol=1e-10, atol=1e-11)
    # the nuclear ball's extreme point is u₁v₁ᵀ of the block with the largest singular value; the other rests
    sizes = [np.linalg.norm(g, 2) for g in gradients]
    steps = first_step(ib.SteepestDescent("nuclear", 0.01), ib.DeepLinear((3, 2, 4)), LAYERS)
    top = int(np.argmax(sizes))
    U, s, Vt = np.linalg.svd(gradients[top])
    np.testing.assert_allclose(steps[top], s[0] * np.outer(U[:, 0], Vt[0]), atol=1e-11)
    assert not np.any(np.abs(steps[1 - top]) > 1e-13)


@pytest.mark.parametrize("word", ["frobenius", "max"])
def test_entrywise_words_keep_the_fused_kernel(word, regression):
    same = {"frobenius": 2, "max": np.inf}[word]
    runs = [
        ib.simulate(
            ib.Setting(regression, ib.Linear(), ib.SteepestDescent(n, 0.05), np.zeros(6)), ib.Stop(steps=9)
        )
        for n in (word, same)
    ]
    assert runs[0].counters["fused"] == 1
    assert runs[0].w.tolist() == runs[1].w.tolist()


def test_singular_values_go_through_the_quintic():
    phi = lambda x: 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5  # noqa: E731
    U, s, Vt = np.linalg.svd(G, full_matrices=False)
    for iterations in (1, 5):
        x = s / np.linalg.norm(s)
        for _ in range(iterations):
            x = phi(x)
        np.testing.assert_allclose(first_step(ib.Muon(0.1, 0.0, iterations)), (U * x) @ Vt, atol=1e-12)
        np.testing.assert_allclose(ib.newton_schulz(G.T, iterations), ((U * x) @ Vt).T, atol=1e-12)
    assert not ib.newton_schulz(np.zeros((2, 3)), 5).any()


def test_muon_adds_gradients_up():
    path = [W0, *ib.simulate(
        ib.Setting(PROBLEM, ib.Linear(), ib.Muon(0.05, 0.7), W0), ib.Stop(steps=4), ib.Save(every=1, fields="w")
    ).history["w"][1:]]  # fmt: skip
    m = 0.0
    for W, after in zip(path, path[1:]):
        m = 0.7 * m + (W - T)
        np.testing.assert_allclose(after, W - 0.05 * polar(m), atol=1e-12)


def power(A, a, eps):
    values, Q = np.linalg.eigh(A + eps * np.eye(len(A)))
    return Q * values**-a @ Q.T


@pytest.mark.parametrize("sides", ["both", "left", "right"])
@pytest.mark.parametrize("beta", [None, 0.6])
def test_shampoo_by_its_equations(beta, sides):
    optimizer = ib.Shampoo(0.05, 0.3, beta, 0.1, sides)
    run = ib.simulate(
        ib.Setting(PROBLEM, ib.Linear(), optimizer, W0), ib.Stop(steps=5), ib.Save(every=1, fields="w")
    )
    W, L, R = W0, np.zeros((4, 4)), np.zeros((3, 3))
    for k in range(5):
        g = W - T
        L, R = (
            (L + g @ g.T, R + g.T @ g) if beta is None else (0.6 * L + 0.4 * g @ g.T, 0.6 * R + 0.4 * g.T @ g)
        )
        left = power(L, 0.3, 0.1) if sides != "right" else np.eye(4)
        right = power(R, 0.3, 0.1) if sides != "left" else np.eye(3)
        W = W - 0.05 * left @ g @ right
        np.testing.assert_allclose(run.history["w"][k + 1], W, atol=1e-12)


SQUARE = T @ T.T  # rank 3, of (4, 4)


@pytest.mark.parametrize(
    ("model", "init"),
    [
        (ib.MatrixFactorization(2), (LAYERS[1], LAYERS[0].T)),
        (ib.DeepLinear((3, 2, 4)), LAYERS),
        (ib.MatrixFactorization(3, tied=True), (W0,)),
    ],
    ids=["untied", "two layers", "tied"],
)
def test_scaled_gradient_descent_moves_w_by_itself(model, init):
    """W ← M W⁺ M with M = W − ηG (theory/matrix/scaled-gd-sees-no-factors.md)."""
    target = SQUARE if getattr(model, "tied", False) else T
    problem = ib.MatrixRegression.whitened(target)
    setting = ib.Setting(problem, model, ib.ScaledGD(0.3), init)
    run = ib.simulate(setting, ib.Stop(steps=4), ib.Save(every=1, fields="w"))
    rank = init[0].shape[0] if isinstance(model, ib.DeepLinear) else init[0].shape[1]
    for W, after in zip(run.history["w"], run.history["w"][1:]):
        M = W - 0.3 * (W - target)
        U, s, Vt = (a[..., :rank] if i < 2 else a[:rank] for i, a in enumerate(np.linalg.svd(W)))
        np.testing.assert_allclose(after, M @ (Vt.T / s) @ U.T @ M, rtol=1e-9, atol=1e-10)


def test_a_rank_deficient_factor_fails_the_run():
    init = (np.ones((4, 2)), np.ones((3, 2)))
    run = ib.simulate(
        ib.Setting(PROBLEM, ib.MatrixFactorization(2), ib.ScaledGD(0.3), init), ib.Stop(steps=4)
    )
    assert run.status == "failed"
    assert "does not have full column rank" in run.message


def test_weight_decay_is_part_of_the_gradient():
    U, V = LAYERS[1], LAYERS[0].T
    R = U @ V.T - T
    steps = first_step(ib.ScaledGD(0.3, weight_decay=0.2), ib.MatrixFactorization(2), (U, V))
    np.testing.assert_allclose(steps[0], (R @ V + 0.2 * U) @ np.linalg.inv(V.T @ V), rtol=1e-9)
    np.testing.assert_allclose(
        first_step(ib.SpectralDescent(0.3, weight_decay=0.2)), polar(G + 0.2 * W0), atol=1e-11
    )


def test_steps_keep_the_symmetry_of_the_factors():
    """(U, V) ↦ (UQ, VQ) commutes with every step, for orthogonal Q."""
    Q = orthonormal(2, 2, np.random.default_rng(3))
    U, V = LAYERS[1], LAYERS[0].T
    for optimizer in (*UNIT[:6], ib.Muon(0.1, 0.5, 5), ib.ScaledGD(0.1)):
        steps = first_step(optimizer, ib.MatrixFactorization(2), (U, V))
        turned = first_step(optimizer, ib.MatrixFactorization(2), (U @ Q, V @ Q))
        for a, b in zip(steps, turned):
            np.testing.assert_allclose(a @ Q, b, atol=1e-10)


BAD = {
    "momentum": (lambda: ib.Muon(0.1, 1.0), "momentum must satisfy 0 ≤ β < 1"),
    "iterations": (lambda: ib.Muon(0.1, 0.5, 0), "iterations must be an integer ≥ 1"),
    "power": (lambda: ib.Shampoo(0.1, 0.0), "power must be finite and > 0"),
    "beta": (lambda: ib.Shampoo(0.1, beta=1.0), "beta must be None or satisfy 0 ≤ β < 1"),
    "eps": (lambda: ib.Shampoo(0.1, eps=-1.0), "eps must be finite and ≥ 0"),
    "sides": (lambda: ib.Shampoo(0.1, sides="up"), 'sides must be "both", "left" or "right"'),
    "step": (lambda: ib.SpectralDescent(0.0), "step must be finite and > 0"),
    "no factors": (lambda: ib.Setting(PROBLEM, ib.Linear(), ib.ScaledGD(0.1), W0), "ScaledGD needs two factors"),
    "three layers": (
        lambda: ib.Setting(PROBLEM, ib.DeepLinear((3, 2, 2, 4)), ib.ScaledGD(0.1), ib.Balanced(0.1)),
        "ScaledGD needs two factors",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    make, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_a_zero_gradient_moves_nothing():
    for optimizer in (
        ib.SpectralDescent(0.1),
        ib.Muon(0.1, 0.5, 5),
        ib.Shampoo(0.1),
        ib.Shampoo(0.1, eps=0.0),
    ):
        run = ib.simulate(ib.Setting(PROBLEM, ib.Linear(), optimizer, T), ib.Stop(steps=3))
        np.testing.assert_array_equal(run.w, T)
