"""Starts of matrix models: what factorize and balanced promise, what they refuse, and shared partial products."""

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(0)


def _matrix(p: int, q: int, s: tuple[float, ...], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0][:, : len(s)] for n in (p, q))
    return (U * np.array(s)) @ V.T


@pytest.mark.parametrize("widths", [(4, 3, 5), (4, 3, 6, 2), (2, 7, 4, 3, 3), (3, 1)])
@pytest.mark.parametrize("rng", [None, 1])
def test_layers_of_a_given_matrix_are_balanced(widths: tuple[int, ...], rng: int | None) -> None:
    model = ib.DeepLinear(widths)
    W = _matrix(widths[-1], widths[0], (2.0, 0.1, 1e-3)[: min(widths)])
    theta = model.factorize(W, rng=rng)
    assert [layer.shape for layer in theta] == [(m, n) for n, m in zip(widths, widths[1:])]
    assert np.allclose(np.atleast_2d(model.predictor(theta)), W, atol=1e-14)
    assert max((np.abs(D).max() for D in model.imbalances(theta)), default=0.0) < 1e-14


@pytest.mark.parametrize(
    ("widths", "lam"),
    [
        ((4, 4, 4), 1.5),
        ((5, 3, 3), 0.8),
        ((3, 3, 5), -0.8),
        ((5, 2, 4), 0.4),
        ((5, 2, 4), -0.4),
        ((2, 4, 4), 1e-9),
    ],
)
def test_an_imbalance_is_a_multiple_of_the_identity(widths: tuple[int, ...], lam: float) -> None:
    model = ib.DeepLinear(widths)
    W = _matrix(widths[-1], widths[0], (1.0, 0.5)[: min(widths)])
    theta = model.factorize(W, lam, rng=3)
    (D,) = model.imbalances(theta)
    assert np.allclose(model.predictor(theta), W, atol=1e-12)
    assert np.allclose(D, lam * np.eye(widths[1]), atol=1e-12)


@pytest.mark.parametrize("lam", [0.0, 0.7, -0.7])
def test_factors_of_a_given_matrix(lam: float) -> None:
    model, W = ib.MatrixFactorization(3), _matrix(4, 5, (2.0, 1.0, 0.1))
    U, V = model.factorize(W, lam, rng=0)
    assert np.allclose(U @ V.T, W, atol=1e-12)
    assert np.allclose(U.T @ U - V.T @ V, lam * np.eye(3), atol=1e-12)


def test_a_tied_factor() -> None:
    model, B = ib.MatrixFactorization(4, tied=True), RNG.standard_normal((3, 2))
    (U,) = model.factorize(B @ B.T, rng=0)
    assert U.shape == (3, 4)
    assert np.allclose(U @ U.T, B @ B.T, atol=1e-12)
    assert model.imbalances((U,)) == ()


def test_the_zero_matrix_has_zero_layers() -> None:
    theta = ib.DeepLinear((3, 2, 2)).factorize(np.zeros((2, 3)))
    assert not any(np.any(layer) for layer in theta)


@pytest.mark.parametrize(
    ("model", "W", "lam", "says"),
    [
        (ib.DeepLinear((3, 2, 3)), np.eye(3), 0.0, "W has rank 3; .* widen it"),
        (ib.DeepLinear((3, 2, 3)), np.eye(3), 0.5, "W has rank 3; .* widen it"),
        (ib.DeepLinear((5, 4, 3)), np.ones((3, 5)), 0.5, "λ = 0.5 needs h ≤ d_out"),
        (ib.DeepLinear((3, 4, 5)), np.ones((5, 3)), -0.5, "λ = -0.5 needs h ≤ d_in"),
        (ib.DeepLinear((3, 3, 3, 3)), np.eye(3), 0.5, "one of two layers"),
        (ib.MatrixFactorization(2), np.eye(3), 0.0, "W has rank 3"),
        (ib.MatrixFactorization(3, tied=True), -np.eye(3), 0.0, "positive semidefinite"),
        (ib.MatrixFactorization(3, tied=True), np.triu(np.ones((3, 3))), 0.0, "positive semidefinite"),
        (ib.MatrixFactorization(3, tied=True), np.eye(3), 0.1, "no imbalance"),
        (ib.DeepLinear((3, 3, 3)), np.ones((3, 2)), 0.0, "W has shape"),
        (ib.DeepLinear((2, 2, 2)), np.full((2, 2), np.nan), 0.0, "W"),
    ],
)
def test_what_no_layers_have_is_refused(model: ib.Model, W: np.ndarray, lam: float, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        model.factorize(W, lam)


@pytest.mark.parametrize("rng", [None, 0])
def test_balanced_starts(rng: int | None) -> None:
    problem = ib.MatrixRegression.whitened(np.ones((2, 4)))
    deep, factors = ib.DeepLinear((4, 3, 3, 2)), ib.MatrixFactorization(3)
    theta = deep.balanced(problem, 0.1, rng)
    assert np.allclose(np.linalg.svd(deep.predictor(theta), compute_uv=False), 1e-3, rtol=1e-12)
    assert max(np.linalg.norm(D) for D in deep.imbalances(theta)) < 1e-16
    U, V = factors.balanced(problem, 0.1, rng)
    assert np.allclose(np.linalg.svd(U @ V.T, compute_uv=False), 1e-2, rtol=1e-12)
    assert np.linalg.norm(U.T @ U - V.T @ V) < 1e-16


def test_a_start_that_underflows_is_refused() -> None:
    with pytest.raises(ValueError, match="underflows"):
        ib.DeepLinear((2, 2, 2, 2)).balanced(ib.MatrixRegression.whitened(np.eye(2)), 1e-110)


MODELS = [ib.DeepLinear((4, 3, 2)), ib.DeepLinear((4, 2, 3, 2)), ib.MatrixFactorization(3)]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_partial_products_are_shared_on_batches(model: ib.Model) -> None:
    problem = ib.MatrixRegression.whitened(np.ones((2, 4)))
    layout = ib.Setting(problem, model, ib.GradientFlow(), ib.Balanced(1.0)).layout
    flat, G = RNG.standard_normal((5, 2, layout.size)), RNG.standard_normal((5, 2, 2, 4))
    W, parts = model.forward(layout.split(flat))
    shared = layout.join(model.pullback(layout.split(flat), G, parts)) if parts is not None else None
    together = layout.join(model.pullback(layout.split(flat), G))
    for i in np.ndindex(5, 2):
        assert np.allclose(W[i], model.predictor(layout.split(flat[i])), rtol=1e-13)
        one = layout.join(model.pullback(layout.split(flat[i]), G[i]))
        assert np.allclose(together[i], one, rtol=1e-12, atol=1e-14)
        assert shared is None or np.array_equal(shared[i], together[i])


@pytest.mark.parametrize("model", [*MODELS, ib.MatrixFactorization(3, tied=True)], ids=repr)
def test_a_complex_step_through_forward_is_the_pullback(model: ib.Model) -> None:
    """⟨G, ∂W/∂θ·v⟩ = ⟨pullback(G), v⟩, and the pullback is analytic as well."""
    n = 4 if getattr(model, "tied", False) else 2
    problem = ib.MatrixRegression.whitened(np.ones((n, 4)))
    layout = ib.Setting(problem, model, ib.GradientFlow(), ib.Balanced(1.0)).layout
    theta, v = RNG.standard_normal((2, layout.size))
    G = RNG.standard_normal((n, 4))
    W, _ = model.forward(layout.split(theta + 1e-30j * v))
    pulled = layout.join(model.pullback(layout.split(theta), G))
    assert np.isclose(np.sum(G * W.imag) / 1e-30, pulled @ v, rtol=1e-12)
    steps = layout.join(model.pullback(layout.split(theta + 1e-30j * v), G)).imag / 1e-30
    h = 1e-6
    ahead, behind = (layout.join(model.pullback(layout.split(theta + s * h * v), G)) for s in (1, -1))
    assert np.allclose(steps, (ahead - behind) / (2 * h), atol=1e-8)
