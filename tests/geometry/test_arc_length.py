"""φ(w) = ∫√ψ″ against closed forms and quadrature, and w(φ) back."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.geometry.arc_length import arc_length


def of(text, point=1.0):
    return ib.Potential.from_gradient(ib.Expression(text).derivative, point)


SMALL = np.geomspace(1e-12, 1.5, 40)
WIDE = np.linspace(-25, 25, 51)
# text, point, φ, w(φ), w′(φ): by hand from √ψ″ = sech w, 1, w^{−1/2}, 1/w, (w(1 − w))^{−1/2}, e^{w/2}
CLOSED = {
    "log cosh": ("log(cosh(x))", 1.0, SMALL, np.arcsinh(np.tan(SMALL)), 1 / np.cos(SMALL)),
    "square": ("x**2/2", 1.0, 9 * SMALL, 9 * SMALL, np.ones(40)),
    "entropy": ("x*log(x) - x", 1.0, 9 * SMALL[5:], (9 * SMALL[5:]) ** 2 / 4, 9 * SMALL[5:] / 2),
    "logarithm": ("-log(x)", 1.0, WIDE, np.exp(WIDE), np.exp(WIDE)),
    "bernoulli": (
        "x*log(x) + (1 - x)*log(1 - x)", 0.5, 2 * SMALL[9:], np.sin(SMALL[9:]) ** 2, np.sin(2 * SMALL[9:]) / 2,
    ),
    "exponential": ("exp(x)", 1.0, WIDE[24:], 2 * np.log1p(WIDE[24:] / 2), 1 / (1 + WIDE[24:] / 2)),
    "power": ("abs(x)**1.5/1.5", 1.0, 9 * SMALL, (9 * SMALL / np.sqrt(8 / 9)) ** (4 / 3), None),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_tables_hold_what_has_a_closed_form(name):
    text, point, phi, w, slope = CLOSED[name]
    arc = arc_length(of(text, point))
    got, got_slope = arc.point(phi)
    inside = w != 0
    np.testing.assert_allclose(got[inside], w[inside], rtol=1e-12)
    np.testing.assert_allclose(
        arc.length(w)[inside], phi[inside], rtol=1e-12, atol=1e-13 if point != 1 else 0
    )
    if slope is not None:
        np.testing.assert_allclose(got_slope, slope, rtol=1e-12)
    if name in ("log cosh", "square", "power"):
        np.testing.assert_array_equal(arc.point(-phi)[0], -got)


POTENTIALS = {
    "hypentropy": ib.Hypentropy(0.0),
    "hypentropy of depth 3": ib.Hypentropy(1.0, 3),
    "hypentropy by coordinate": ib.Hypentropy([-30.0, -3.0, 0.0, 2.0]),
    "deep by coordinate": ib.Hypentropy([-3.0, 0.0, 2.0, 4.0], 4),
    "product": ib.ProductPotential(np.array([1.0, 2.0])),
    "p = 1.2": ib.PNorm(1.2),
    "entropy": ib.Entropy(),
    "power 3": ib.Power(3.0),
    "mahalanobis": ib.Mahalanobis([0.1, 1.0, 2.0, 30.0]),
    "value": ib.Potential.from_value(np.cosh),
    "not even": of("exp(x) + x**2"),
}


@pytest.mark.parametrize("name", POTENTIALS)
def test_slopes_and_differences(name):
    """w′² ψ″ = 1, and φ(b) − φ(a) is the quadrature of √ψ″."""
    psi, w = POTENTIALS[name], np.array([1e-3, 0.2, 1.0, 7.0])
    arc = arc_length(psi)
    phi = arc.length(w)
    back, slope = arc.point(phi)
    # ψ″ of a value is a difference of complex steps, good to 1e-12
    np.testing.assert_allclose(back, w, rtol=2e-12)
    np.testing.assert_allclose(slope**2 * psi.hessian(w), 1.0, rtol=1e-11)
    x, weights = np.polynomial.legendre.leggauss(60)
    middle = w * (1.5 + 0.5 * x[:, None])
    by_quadrature = np.sum(weights[:, None] * np.sqrt(psi.hessian(middle)), axis=0) * w / 2
    np.testing.assert_allclose(arc.length(2 * w) - phi, by_quadrature, rtol=1e-11)


def test_the_smallest_scales():
    psi = ib.Hypentropy(-600.0)
    w = np.array([1e-300, 1e-261, 1e-100, 1.0])
    arc = arc_length(psi)
    np.testing.assert_allclose(arc.point(arc.length(w))[0], w, rtol=1e-11)
    # ψ″ = 1/|w| far beyond c: φ = 2√w up to a constant of the order √c
    np.testing.assert_allclose(arc.length(w[2:]), 2 * np.sqrt(w[2:]), rtol=1e-12)


def test_complex_steps_are_first_derivatives():
    arc = arc_length(of("log(cosh(x))"))
    phi = np.array([-1.2, -0.1, 0.0, 0.4, 1.4])
    w, slope = arc.point(phi + 1e-30j)
    np.testing.assert_allclose(w.imag / 1e-30, 1 / np.cos(phi), rtol=1e-11)
    np.testing.assert_allclose(slope.imag / 1e-30, np.sin(phi) / np.cos(phi) ** 2, atol=1e-9)


def test_beyond_the_largest_phi_w_is_infinite():
    """∫sech = π/2: all of R is a bounded interval of φ."""
    arc = arc_length(of("log(cosh(x))"))
    w, _ = arc.point(np.array([1.58, -2.0, 1.57]))
    assert w[0] == np.inf
    assert w[1] == -np.inf
    np.testing.assert_allclose(
        w[2], np.arcsinh(np.tan(1.57)), rtol=1e-10
    )  # the pole magnifies by 1/(π/2 − φ)


def test_which_potentials_keep_signs():
    free = (ib.Hypentropy(0.0), ib.Euclidean(), of("exp(x)"), of("sqrt(1 + x**2)"))
    held = (ib.PNorm(1.5), ib.Entropy(), ib.Power(2.0), of("-log(x)"), of("abs(x)**1.5"))
    assert not any(arc_length(psi).keeps_signs for psi in free)
    assert all(arc_length(psi).keeps_signs for psi in held)


def with_a_kink(w):
    """ψ″ = 1 + max(w − ½, 0), by its integral."""
    return np.real(w) + np.maximum(np.real(w) - 0.5, 0.0) ** 2 / 2


def test_kinks_of_the_curvature_are_met_with_small_panels():
    """√ψ″ = 1, and √(w + ½) beyond ½, which differences know to some 1e-9 near the kink."""
    arc = arc_length(ib.Potential.from_gradient(with_a_kink))
    w = np.array([-3.0, 0.25, 0.5, 0.6, 1.0, 4.0])
    phi = np.where(w <= 0.5, w, 0.5 + ((np.maximum(w, 0.5) + 0.5) ** 1.5 - 1) / 1.5)
    np.testing.assert_allclose(arc.length(w), phi, rtol=1e-7)
    np.testing.assert_allclose(arc.point(phi)[0], w, rtol=1e-7)


class Huber:
    """½x² up to 1, then |x| − ½."""

    def __call__(self, x):
        return np.clip(x, -1.0, 1.0)


BAD = {
    "joint": (ib.SquaredPNorm(3.0), "SquaredPNorm is no sum over coordinates"),
    "a matrix": (ib.Mahalanobis(np.eye(2) + 0.5), "Mahalanobis is no sum over coordinates"),
    "p = 3": (ib.PNorm(3.0), r"ψ″ is zero or not smooth at \|w\| = 0"),
    "fourth power": (of("x**4"), r"ψ″ is zero or not smooth at \|w\| = 0"),
    "coordinates": (
        ib.ProductPotential(np.ones((2, 3)) * [[1.0, 2.0, 3.0]]),
        "the coordinates of this ProductPot",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_has_no_arc_length_is_said(case):
    psi, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        arc_length(psi)


def test_a_flat_part_is_met_where_it_begins():
    arc = arc_length(ib.Potential.from_gradient(Huber(), point=0.5))
    np.testing.assert_allclose(arc.length(np.array([0.5])), 0.5, rtol=1e-9)
    with pytest.raises(ValueError, match=r"ψ″ is zero or not smooth at \|w\| = (1|0\.99)"):
        arc.length(np.array([2.0]))
