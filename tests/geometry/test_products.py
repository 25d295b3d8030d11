"""The potential of elementwise products against elliptic integrals, quadrature, and its own derivatives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import elliprf

import implicitbias as ib

seeds = st.integers(0, 2**32 - 1)


def drawn(seed, depth, scale):
    rng = np.random.default_rng(seed)
    deltas = scale**2 * np.exp(2 * rng.standard_normal((depth - 1, 30)))
    m = scale * np.exp(rng.uniform(-12, 5, 30))
    w = rng.choice([-1.0, 1.0], 30) * m * np.prod(np.sqrt(m**2 + deltas), axis=0)
    return ib.ProductPotential(deltas), deltas, m, w


@given(seed=seeds, scale=st.sampled_from([1.0, 1e-3, 1e-8, 1e4]))
def test_three_factors_are_carlsons_integral(seed, scale):
    """τ(m) = ∫₀^m ds/√((s²+a)(s²+b)) = m R_F(ab, a(b+m²), b(a+m²))."""
    psi, (a, b), m, w = drawn(seed, 3, scale)
    tau = m * elliprf(a * b, a * (b + m**2), b * (a + m**2))
    np.testing.assert_allclose(psi.gradient(w), np.sign(w) * tau, rtol=1e-13)
    np.testing.assert_allclose(psi.least_factor(w), m, rtol=1e-13)


@pytest.mark.parametrize("deltas", [[1.0, 1.0], [0.3, 1.2, 5.0], [1e-4, 1.0, 1.0, 30.0]])
def test_any_number_of_factors_by_quadrature(deltas):
    deltas = np.array(deltas)
    psi = ib.ProductPotential(deltas)

    def slope(s):
        return 1 / np.sqrt(np.prod(s**2 + deltas))

    for m in (1e-6, 0.01, 0.3, 4.0):
        w = np.array([m * np.prod(np.sqrt(m**2 + deltas))])
        points = [np.sqrt(x) for x in deltas if x < m**2] or None
        expected = quad(slope, 0, m, epsabs=0, epsrel=1e-12, points=points, limit=200)[0]
        np.testing.assert_allclose(psi.gradient(w), expected, rtol=1e-11)
    whole = quad(slope, 0, 1, epsabs=0, epsrel=1e-12, points=[1e-2], limit=200)[0] + quad(slope, 1, np.inf)[0]
    np.testing.assert_allclose(psi.box, whole, rtol=1e-7)


def test_equal_gaps_in_closed_form():
    """δ = (1, 1): w = m(m² + 1) and z = arctan m; δ = (1, 1, 1, 1): z = ½(arctan m + m/(1 + m²))."""
    m = np.array([-3.0, -1e-9, 0.0, 0.5, 1e4])
    two, four = ib.ProductPotential(np.ones(2)), ib.ProductPotential(np.ones(4))
    np.testing.assert_allclose(two.gradient(m * (m**2 + 1)), np.arctan(m), rtol=1e-14)
    np.testing.assert_allclose(two.box, np.pi / 2, rtol=1e-14)
    expected = (np.arctan(m) + m / (1 + m**2)) / 2
    np.testing.assert_allclose(four.gradient(m * (m**2 + 1) ** 2), expected, rtol=1e-14)
    # near the box's wall a float z holds w to eps/(1 − |z|/box) only
    z = np.linspace(-1.5, 1.5, 31)
    np.testing.assert_allclose(two.inverse_gradient(z), np.tan(z) * (np.tan(z) ** 2 + 1), rtol=1e-12)
    assert two.inverse_gradient(np.array([2.0, -2.0])).tolist() == [np.inf, -np.inf]


@given(seed=seeds, depth=st.integers(3, 6))
def test_the_maps_invert_each_other(seed, depth):
    psi, _, _, w = drawn(seed, depth, 1.0)
    z = psi.gradient(w)
    inside = np.abs(z) < 0.99 * psi.box
    np.testing.assert_allclose(psi.inverse_gradient(z)[inside], w[inside], rtol=1e-11)
    assert np.all(np.abs(z) < psi.box)
    np.testing.assert_allclose((psi.hessian(w) * psi.inverse_hessian(z))[inside], 1.0, rtol=1e-10)


@given(seed=seeds)
def test_derivatives(seed, central):
    psi, _, _, w = drawn(seed, 4, 1.0)
    w = np.clip(w, -50.0, 50.0)
    # (value in units of the largest term) central differences to h² ≈ 1e-10 and eps/h
    slopes = central(psi.value, w)
    np.testing.assert_allclose(slopes, psi.gradient(w), atol=1e-5 * np.abs(w).max())
    z, h = psi.gradient(w), 1e-30
    stepped = psi.inverse_gradient(z + 1j * h)
    np.testing.assert_allclose(stepped.imag / h, psi.inverse_hessian(z), rtol=1e-12)


def test_two_factors_are_the_hyperbolic_entropy_in_the_limit():
    """δ₂ → ∞ at two gaps: w ≈ √δ₂·m√(m² + δ₁), ψ′ ≈ arcsinh(m/√δ₁)/√δ₂: hypentropy in w/√δ₂."""
    big, w = 1e10, np.array([-2.0, 0.3, 1.0])
    psi, c = ib.ProductPotential(np.array([0.25, big])), 0.25 / 2
    expected = ib.Hypentropy(np.log(c)).gradient(w) / 2
    np.testing.assert_allclose(psi.gradient(w * np.sqrt(big)) * np.sqrt(big), expected, rtol=1e-9)


def test_batch_axes():
    psi = ib.ProductPotential(np.array([[1.0, 2.0], [3.0, 0.5]]))
    w = np.array([[[0.1, -2.0], [3.0, 0.0]]])
    z = psi.gradient(w)
    assert z.shape == w.shape
    assert psi.value(w).shape == (1, 2)
    for i in range(2):
        np.testing.assert_allclose(psi.gradient(w[0, i]), z[0, i], rtol=1e-14)
        np.testing.assert_allclose(psi.value(w[0, i]), psi.value(w)[0, i], rtol=1e-14)
    np.testing.assert_allclose(psi.inverse_gradient(z), w, rtol=1e-12)


@pytest.mark.parametrize("deltas", [[1.0], [[1.0, 2.0]], [1.0, 0.0], [1.0, -1.0], 1.0])
def test_bad_gaps_are_refused(deltas):
    with pytest.raises(ValueError, match="deltas"):
        ib.ProductPotential(deltas)
