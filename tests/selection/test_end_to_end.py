"""The flow of W alone."""

import numpy as np
import pytest

import implicitbias as ib


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_one_output_has_the_radial_form(depth: int) -> None:
    """ẇ = −‖w‖^{2−2/N}(g + (N − 1)⟨ŵ, g⟩ŵ)."""
    w, g = np.random.default_rng(0).standard_normal((2, 5))
    r = np.linalg.norm(w)
    expected = -(r ** (2 - 2 / depth)) * (g + (depth - 1) * (w @ g) / r**2 * w)
    assert np.allclose(ib.end_to_end_velocity(w[None], g[None], depth)[0], expected, rtol=1e-12)


@pytest.mark.parametrize("widths", [(4, 3, 3), (4, 2, 3, 3), (4, 2, 2, 2, 3)])
def test_it_is_the_product_rule_of_balanced_layers(widths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    model, r = ib.DeepLinear(widths), min(widths)
    theta = model.factorize(rng.standard_normal((3, r)) @ rng.standard_normal((r, 4)), rng=1)
    W, G = model.predictor(theta), rng.standard_normal((3, 4))
    h, pulled = 1e-30, model.pullback(theta, G)
    change = model.predictor(tuple(A - 1j * h * D for A, D in zip(theta, pulled))).imag / h
    assert np.allclose(ib.end_to_end_velocity(W, G, model.depth, rank=r), change, rtol=1e-9, atol=1e-10)
    if r == 3:
        U, _, Vt = np.linalg.svd(W, full_matrices=False)
        along = np.einsum("ir,ij,rj->r", U, change, Vt)
        assert np.allclose(ib.singular_value_velocities(W, G, model.depth), along, rtol=1e-9)


def test_equal_singular_values_have_no_velocities() -> None:
    with pytest.raises(ValueError, match="equal ones have no singular vectors"):
        ib.singular_value_velocities(np.eye(3), np.ones((3, 3)), 2)


def test_the_curve_of_two_layers_is_that_of_the_riccati_equation() -> None:
    model = ib.DeepLinear((3, 3, 3))
    rng = np.random.default_rng(2)
    setting = ib.Setting(
        ib.MatrixRegression.whitened(rng.standard_normal((3, 3))), model, ib.GradientFlow(),
        model.factorize(rng.standard_normal((3, 3))),
    )  # fmt: skip
    t = np.array([0.3, 0.0, 2.0])
    assert np.allclose(ib.EndToEndFlow(setting)(t), ib.closed_form(setting)(t), atol=1e-9)
    assert ib.EndToEndFlow(setting)(0.5).shape == (3, 3)
    with pytest.raises(ValueError, match="finite times"):
        ib.EndToEndFlow(setting)(np.inf)
