"""Every model: pullbacks against differences, layouts, starts and what they balance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import implicitbias as ib
from implicitbias.models.base import layout_of

VECTOR = ib.Regression(np.ones((2, 4)), np.ones(2))
MATRIX = ib.MatrixRegression(np.ones((2, 4)), np.ones((2, 3)))
SQUARE = ib.MatrixCompletion(np.ones((3, 3)), np.eye(3))
MODELS = {
    "linear": (ib.Linear(), VECTOR),
    "linear matrix": (ib.Linear(), MATRIX),
    "diagonal 2": (ib.Diagonal(), VECTOR),
    "diagonal 3": (ib.Diagonal(3), VECTOR),
    "diagonal 4": (ib.Diagonal(4), VECTOR),
    "hadamard": (ib.Hadamard(), VECTOR),
    "hadamard 3": (ib.Hadamard(3), VECTOR),
    "hadamard 5": (ib.Hadamard(5), VECTOR),
    "power 1": (ib.PowerPropagation(1.0), VECTOR),
    "power 1.5": (ib.PowerPropagation(1.5), VECTOR),
    "power 3": (ib.PowerPropagation(3), VECTOR),
    "deep 1": (ib.DeepLinear((4, 3)), MATRIX),
    "deep 2": (ib.DeepLinear((4, 2, 3)), MATRIX),
    "deep 4": (ib.DeepLinear((4, 5, 2, 3, 3)), MATRIX),
    "deep vector": (ib.DeepLinear((4, 2, 1)), VECTOR),
    "factors": (ib.MatrixFactorization(2), MATRIX),
    "wide factors": (ib.MatrixFactorization(5), MATRIX),
    "tied": (ib.MatrixFactorization(2, tied=True), SQUARE),
    "convolution 2": (ib.LinearConvolution(2), VECTOR),
    "convolution 4": (ib.LinearConvolution(4), VECTOR),
    "weight norm": (ib.WeightNormalized(), VECTOR),
    "reparametrized": (ib.Reparametrized(ib.Hypentropy(0.5)), VECTOR),
    "reparametrized power": (ib.Reparametrized(ib.PNorm(1.5)), VECTOR),
}
every = pytest.mark.parametrize("kind", MODELS)
seeds = st.integers(0, 2**32 - 1)


def drawn(kind, seed):
    model, problem = MODELS[kind]
    rng = np.random.default_rng(seed)
    layout = layout_of(model, problem)
    return model, problem, layout, rng.standard_normal(layout.size), rng


@every
@given(seed=seeds)
def test_pullback_is_the_adjoint_of_the_derivative(kind, seed, central, complex_step):
    """(∂w/∂θ)ᵀg is the gradient in θ of ⟨g, w(θ)⟩."""
    model, problem, layout, theta, rng = drawn(kind, seed)
    g = rng.standard_normal(problem.w_shape)
    pulled = layout.join(model.pullback(layout.split(theta), g))
    size = max(1.0, np.abs(pulled).max())

    def paired(flat):
        w = model.predictor(layout.split(flat)).reshape(flat.shape[:-1] + problem.w_shape)
        return np.sum(w * g, axis=tuple(range(-g.ndim, 0)))

    assert model.predictor(layout.split(theta)).shape == problem.w_shape
    # polynomials of degree ≤ 5 in numbers ≤ 5; φ|φ|^{½} bends by h^{3/2} where |φ| < h ≈ 1e-5
    np.testing.assert_allclose(pulled, central(paired, theta), atol=3e-6 * size)
    slope = complex_step(paired, theta)
    np.testing.assert_allclose(pulled, slope, atol=1e-12 * size)


@every
@given(seed=seeds)
def test_pullback_is_analytic(kind, seed, complex_step):
    """The Jacobian of the pullback by complex steps against a difference along one direction."""
    model, problem, layout, theta, rng = drawn(kind, seed)
    theta = theta + 0.5 * np.sign(theta)  # away from the kink of |φ|^{a−1}
    g, v = rng.standard_normal(problem.w_shape), rng.standard_normal(layout.size)

    def pulled(flat):
        blocks = layout.split(flat)
        shape = flat.shape[:-1] + problem.w_shape
        return layout.join(model.pullback(blocks, np.broadcast_to(g, shape)))

    J, h = complex_step(pulled, theta), 1e-5
    slope = (pulled(theta + h * v) - pulled(theta - h * v)) / (2 * h)
    # the difference is wrong by h²·θ‴ ≈ 1e-10·(powers of numbers ≤ 5) and by eps/h ≈ 2e-11
    np.testing.assert_allclose(v @ J, slope, atol=1e-6 * max(1.0, np.abs(J).max()))


@every
def test_batch_axes(kind, rng):
    model, problem, layout, _, _ = drawn(kind, 0)
    flat = rng.standard_normal((2, 3, layout.size))
    g = rng.standard_normal((2, 3, *problem.w_shape))
    w = model.predictor(layout.split(flat))
    pulled = layout.join(model.pullback(layout.split(flat), g))
    assert w.shape == (2, 3, *problem.w_shape)
    for index in np.ndindex(2, 3):
        blocks = layout.split(flat[index])
        np.testing.assert_allclose(w[index], model.predictor(blocks), rtol=1e-13, atol=1e-14)
        alone = layout.join(model.pullback(blocks, g[index]))
        np.testing.assert_allclose(pulled[index], alone, rtol=1e-12, atol=1e-13)


@every
def test_split_and_join_are_inverse(kind, rng):
    model, problem, layout, flat, _ = drawn(kind, 3)
    blocks = model.split(flat, problem)
    assert model.join(blocks, problem).tolist() == flat.tolist()
    shapes = [b.shape for b in blocks] if isinstance(blocks, tuple) else [blocks.shape]
    assert shapes == list(layout.shapes)
    assert layout.size == sum(layout.sizes) == flat.size


def test_predictors_by_hand():
    theta = np.array([[2.0, -1.0], [1.0, 3.0]])
    g, v = np.array([-10.0]), np.array([0.0, 3.0, -4.0, 0.0])
    assert ib.WeightNormalized().predictor((g, v)).tolist() == [0.0, -6.0, 8.0, 0.0]
    assert ib.Diagonal(2).predictor(theta).tolist() == [3.0, -8.0]
    assert ib.Diagonal(3).predictor(theta).tolist() == [7.0, -28.0]
    assert ib.Hadamard().predictor(theta).tolist() == [2.0, -3.0]
    three = np.vstack([theta, [[0.0, 5.0]]])
    assert ib.Hadamard(3).predictor(three).tolist() == [0.0, -15.0]
    # a zero factor: only its own derivative is left
    pulled = ib.Hadamard(3).pullback(three, np.array([10.0, 1.0]))
    assert pulled.tolist() == [[0.0, 15.0], [0.0, -5.0], [20.0, -3.0]]
    assert ib.PowerPropagation(2).predictor(np.array([2.0, -3.0])).tolist() == [4.0, -9.0]
    U, V = np.array([[1.0], [2.0]]), np.array([[3.0], [4.0]])
    assert ib.MatrixFactorization(1).predictor((U, V)).tolist() == [[3.0, 4.0], [6.0, 8.0]]
    assert ib.MatrixFactorization(1, tied=True).predictor((U,)).tolist() == [[1.0, 2.0], [2.0, 4.0]]
    assert ib.DeepLinear((2, 1, 2)).predictor((V.T, U)).tolist() == [[3.0, 4.0], [6.0, 8.0]]


# -- balanced starts --------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 2.0])
def test_elementwise_starts(scale):
    assert not ib.Linear().balanced(VECTOR, scale).any()
    assert (ib.Diagonal(3).balanced(VECTOR, scale) == scale).all()
    u, v = ib.Hadamard().balanced(VECTOR, scale)
    # c = |u² − v²|/2 = scale², one rounding of √2
    np.testing.assert_allclose(np.abs(u - v) * np.abs(u + v) / 2, scale**2, rtol=1e-15)
    assert not v.any()
    deep = ib.Hadamard(4).balanced(VECTOR, scale)
    np.testing.assert_allclose(deep[:3], np.sqrt(2.0) * scale, rtol=1e-15)
    assert not deep[3].any()
    signs = [1.0, -1.0, -1.0, 1.0]
    phi = ib.PowerPropagation(3).balanced(VECTOR, scale, signs=signs)
    w = ib.PowerPropagation(3).predictor(phi)
    np.testing.assert_allclose(w, scale * np.array(signs), rtol=1e-13)
    assert (ib.PowerPropagation(3).balanced(VECTOR, scale) > 0).all()


@pytest.mark.parametrize("rng", [None, 0, 1], ids=["identity", "seed 0", "seed 1"])
@pytest.mark.parametrize("scale", [1e-50, 0.5])
@pytest.mark.parametrize("widths", [(4, 3), (4, 2, 3), (4, 5, 2, 3, 3), (4, 2, 1)])
def test_deep_starts_are_exactly_balanced(widths, scale, rng):
    model = ib.DeepLinear(widths)
    problem = VECTOR if widths[-1] == 1 else MATRIX
    W = model.balanced(problem, scale, rng=rng)
    for below, above in zip(W, W[1:]):
        # products of orthonormal factors: rounding relative to scale²
        gap = above.T @ above - below @ below.T
        assert np.abs(gap).max() <= 1e-15 * 10 * scale**2
    end = np.atleast_2d(model.predictor(W)) / scale**model.depth
    values = np.linalg.svd(end, compute_uv=False)
    r = min(widths)
    np.testing.assert_allclose(values[:r], 1.0, rtol=1e-14)
    np.testing.assert_allclose(values[r:], 0.0, atol=1e-14)


@pytest.mark.parametrize("rng", [None, 0], ids=["identity", "seed 0"])
@pytest.mark.parametrize("rank", [1, 2, 3, 5])
def test_factorization_starts(rank, rng):
    scale = 1e-3
    U, V = ib.MatrixFactorization(rank).balanced(MATRIX, scale, rng=rng)
    assert np.abs(U.T @ U - V.T @ V).max() <= 1e-14 * scale**2
    values = np.linalg.svd(U @ V.T, compute_uv=False) / scale**2
    r = min(rank, 3)
    np.testing.assert_allclose(values[:r], 1.0, rtol=1e-13)
    np.testing.assert_allclose(values[r:], 0.0, atol=1e-13)
    (T,) = ib.MatrixFactorization(3, tied=True).balanced(SQUARE, scale)
    assert T.tolist() == (scale * np.eye(3)).tolist()


def test_random_bases_are_reproducible_and_depend_on_the_seed():
    model = ib.DeepLinear((4, 2, 3))
    a, b, c = (model.balanced(MATRIX, 1.0, rng=s) for s in (0, 0, 1))
    assert all((x == y).all() for x, y in zip(a, b))
    assert np.abs(a[0] - c[0]).max() > 0.01


def test_weight_normalised_starts():
    for rng in (None, 0):
        g, v = ib.WeightNormalized().balanced(VECTOR, 0.3, rng=rng)
        assert g.tolist() == [0.3]
        np.testing.assert_allclose(np.linalg.norm(v), 1.0, rtol=1e-15)
        assert (np.ptp(v) == 0) == (rng is None)


# -- what does not fit ------------------------------------------------------------------------------

BAD = {
    "depth 1": (lambda: ib.Diagonal(1), "depth must be an integer ≥ 2, got 1"),
    "one factor": (lambda: ib.Hadamard(1), "depth must be an integer ≥ 2, got 1"),
    "depth 2.5": (lambda: ib.Diagonal(2.5), "depth must be an integer"),
    "power ½": (lambda: ib.PowerPropagation(0.5), "power must be finite and ≥ 1"),
    "power inf": (lambda: ib.PowerPropagation(np.inf), "power must be finite"),
    "power NaN": (lambda: ib.PowerPropagation(np.nan), "power must be finite"),
    "one width": (lambda: ib.DeepLinear((3,)), "at least two integers"),
    "width 0": (lambda: ib.DeepLinear((3, 0, 1)), "every width must be an integer ≥ 1, got 0"),
    "width 1.5": (lambda: ib.DeepLinear((3, 1.5, 1)), "every width must be an integer ≥ 1, got 1.5"),
    "rank 0": (lambda: ib.MatrixFactorization(0), "rank must be an integer ≥ 1"),
    "rank 1.5": (lambda: ib.MatrixFactorization(1.5), "rank must be an integer ≥ 1"),
    "scale 0": (lambda: ib.Balanced(0.0), "scale must be finite and > 0, got 0"),
    "scale < 0": (lambda: ib.Balanced(-1.0), "scale must be finite and > 0"),
    "scale inf": (lambda: ib.Balanced(np.inf), "scale must be finite and > 0, got inf"),
    "scale NaN": (lambda: ib.Balanced(np.nan), "scale must be finite and > 0"),
    "scale a word": (lambda: ib.Balanced("small"), "scale must be finite and > 0, got 'small'"),
    "Diagonal on matrices": (lambda: ib.Diagonal().shapes(MATRIX), "needs a vector predictor"),
    "Hadamard on matrices": (lambda: ib.Hadamard().shapes(MATRIX), "needs a vector predictor"),
    "factors on vectors": (lambda: ib.MatrixFactorization(1).shapes(VECTOR), "needs a matrix predictor"),
    "tied, not square": (
        lambda: ib.MatrixFactorization(1, tied=True).shapes(MATRIX),
        "this problem's W is 3×4",
    ),
    "wrong inputs": (
        lambda: ib.DeepLinear((5, 2, 3)).shapes(MATRIX),
        "maps 5 inputs to 3 outputs.*needs 4 inputs and 3 outputs",
    ),
    "wrong outputs": (lambda: ib.DeepLinear((4, 2)).shapes(VECTOR), "needs 4 inputs and 1 outputs"),
    "weight norm on matrices": (lambda: ib.WeightNormalized().shapes(MATRIX), "needs a vector predictor"),
    "no direction": (
        lambda: ib.Setting(VECTOR, ib.WeightNormalized(), ib.GradientFlow(), (np.ones(1), np.zeros(4))),
        "init is no start of WeightNormalized: v is zero and has no direction",
    ),
    "no direction in a batch": (
        lambda: ib.Setting(
            VECTOR, ib.WeightNormalized(), ib.GradientFlow(), (np.ones((2, 1)), np.eye(2, 4) * [[1], [0]])
        ),
        "v is zero",
    ),
    "signs too few": (
        lambda: ib.PowerPropagation(2).balanced(VECTOR, 1.0, signs=[1.0]),
        r"signs has shape \(1,\); expected \(4\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_models_are_refused(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()
