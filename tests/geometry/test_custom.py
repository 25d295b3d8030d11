"""Potentials of a user's own: as good as the package's, and refused where they are none."""

import pickle
import warnings

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import (
    Entropy,
    Hypentropy,
    Mahalanobis,
    MirrorDescent,
    PNorm,
    Potential,
    SquaredPNorm,
    bregman_projection,
)
from implicitbias.geometry.calculus import complex_slope, increasing_root, ladder, ray_integral

EPS = np.finfo(float).eps
D = 5
M = np.diag([1.0, 2.0, 3.0, 0.5, 1.5]) + 0.3
ONE = np.ones(D)
C = 1e-2
value, gradient = Potential.from_value, Potential.from_gradient


def arcsinh_entropy(w):
    return w * np.arcsinh(w / C) - np.sqrt(w * w + C * C) + C


# (the user's, the package's, accuracy of ∇, of ∇²): analytic functions are exact in one derivative
PAIRS = {
    "terms": (value(arcsinh_entropy), Hypentropy(np.log(C)), 1e-13, 1e-9),
    "terms, no complex numbers": (value(lambda w: arcsinh_entropy(np.real(w))), Hypentropy(np.log(C)), 1e-11, 1e-7),
    "mirror map": (gradient(lambda w: np.arcsinh(w / C)), Hypentropy(np.log(C)), 1e-13, 1e-13),
    "|w|^1.5": (value(lambda w: np.abs(w) ** 1.5 / 1.5), PNorm(1.5), 1e-11, 1e-8),
    "w⁴": (value(lambda w: w**4 / 4), PNorm(4), 1e-13, 1e-9),
    "by coordinate": (value(lambda w: np.diag(M) * w**2 / 2, point=ONE), Mahalanobis(np.diag(M)), 1e-13, 1e-9),
    "joint quadratic": (value(lambda w: w @ M @ w / 2, point=ONE), Mahalanobis(M), 1e-13, 1e-9),
    "joint mirror map": (gradient(lambda w: w @ M, point=ONE), Mahalanobis(M), 1e-13, 1e-13),
    "joint norm": (
        value(lambda w: np.sum(np.abs(w) ** 1.5) ** (4 / 3) / 2, point=ONE), SquaredPNorm(1.5), 1e-10, 1e-5
    ),
    "joint map of a norm": (gradient(SquaredPNorm(3).gradient, point=ONE), SquaredPNorm(3), 1e-13, 1e-9),
    "entropy": (value(lambda w: w * np.log(w) - w), Entropy(), 1e-13, 1e-9),
    "logarithm": (gradient(np.log), Entropy(), 1e-13, 1e-13),
}  # fmt: skip
every_pair = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())


def points(psi, count=4):
    rng = np.random.default_rng(0)
    w = rng.uniform(0.2, 2.0, (count, D))
    return w if isinstance(psi, Entropy) else w * rng.choice([-1.0, 1.0], w.shape)


@every_pair
def test_the_maps_are_those_of_the_package(pair):
    psi, exact, first, second = pair
    assert psi.separable == exact.separable
    for w in points(exact):
        z, h = exact.gradient(w), exact.hessian(w)
        np.testing.assert_allclose(psi.gradient(w), z, rtol=first, atol=first)
        np.testing.assert_allclose(psi.hessian(w), h, rtol=second, atol=second * np.abs(h).max())
        # the inverse loses what the gradient has, times the condition
        back = psi.inverse_gradient(z)
        np.testing.assert_allclose(back, w, rtol=1e3 * first, atol=1e2 * first)
        np.testing.assert_allclose(psi.gradient(back), z, rtol=10 * first, atol=10 * first)
        w0 = 1.3 * w[::-1] * np.sign(w * w[::-1])
        np.testing.assert_allclose(psi.bregman(w, w0), exact.bregman(w, w0), rtol=1e-9)
        complex_z = psi.inverse_gradient(z + 1e-30j * ONE)
        np.testing.assert_allclose(
            np.imag(complex_z),
            np.imag(exact.inverse_gradient(z + 1e-30j * ONE)),
            rtol=10 * second,
            atol=1e-31 * second,
        )


@every_pair
def test_leading_batch_axes_are_rows(pair):
    psi, exact = pair[:2]
    w = points(exact, 4).reshape(2, 2, D)
    z = psi.gradient(w)
    for f, at in ((psi.value, w), (psi.gradient, w), (psi.inverse_gradient, z), (psi.hessian, w)):
        rows = np.array([[f(at[i, j]) for j in range(2)] for i in range(2)])
        np.testing.assert_allclose(f(at), rows, rtol=1e-10, atol=1e-12)


@every_pair
def test_projections_are_those_of_the_package(pair):
    psi, exact = pair[:2]
    rng = np.random.default_rng(1)
    X, (w, w0) = rng.standard_normal((2, D)), points(exact, 2)
    w0 = np.abs(w0) * np.sign(w)
    program = ib.BregmanProjection(psi, psi.gradient(w0), X, X @ w)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = program.solution
        # the gradient's own error, in the norm of z
        assert ib.certify(found, program).worst <= 1e-9
    reference = bregman_projection(exact, exact.gradient(w0), X, X @ w).w
    np.testing.assert_allclose(found, reference, atol=1e-8)


def test_a_barrier_and_a_box():
    """−ln w on w > 0 has z = −1/w < 0; −ln(1 − w²) lives on |w| < 1."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((3, 8))
    barrier, box = value(lambda w: -np.log(w)), value(lambda w: -np.log(1 - w * w), point=0.1)
    z = np.array([-1e-3, -1.0, -1e6])
    np.testing.assert_allclose(barrier.inverse_gradient(z), -1 / z, rtol=1e-14)
    z = np.array([-1e8, -1.0, 0.0, 1e-3, 5.0])
    # z = 2w/(1 − w²)
    exact = z / (1 + np.sqrt(1 + z * z))
    np.testing.assert_allclose(box.inverse_gradient(z), exact, rtol=1e-14, atol=1e-300)
    for psi, w in ((barrier, rng.uniform(0.1, 2, 8)), (box, rng.uniform(-0.9, 0.9, 8))):
        program = ib.BregmanProjection(psi, psi.gradient(np.full(8, 0.2)), X, X @ w)
        assert ib.certify(program.solution, program).worst <= 1e-12


def test_joint_functions_with_a_domain():
    """Entropy with a quadratic coupling: the optimality conditions are those of its gradient."""
    rng = np.random.default_rng(3)
    X, w = rng.standard_normal((2, D)), rng.uniform(0.1, 2.0, D)
    psi = value(lambda w: np.sum(w * np.log(w) - w) + w @ M @ w / 20, point=ONE)
    z0 = np.log(0.01 * ONE)
    found = bregman_projection(psi, z0, X, X @ w).w
    off = np.log(found) + found @ M / 10 - z0
    N = np.linalg.svd(X)[2][2:]
    assert np.linalg.norm(N @ off) <= 1e-11 * np.linalg.norm(off)
    np.testing.assert_allclose(X @ found, X @ w, atol=1e-12)


def test_mirror_descent_by_a_map_of_ones_own():
    rng = np.random.default_rng(4)
    problem = ib.Regression(rng.standard_normal((2, D)), rng.standard_normal(2))
    runs = [
        ib.simulate(
            ib.Setting(problem, ib.Linear(), MirrorDescent(psi, 0.005), np.zeros(D)), stop=ib.Stop(steps=50)
        ).w
        for psi in (gradient(lambda w: np.arcsinh(w / C)), Hypentropy(np.log(C)))
    ]
    # fifty steps of maps that agree to 1e-13
    np.testing.assert_allclose(*runs, rtol=1e-10, atol=1e-13)


def test_integrals_along_rays():
    w = np.array([0.5, -3.0, 20.0, 1e-5])
    psi = gradient(np.sinh)
    # Σ cosh w − 1; each integral is good to rounding of its own
    np.testing.assert_allclose(psi.value(w), np.sum(2 * np.sinh(w / 2) ** 2), rtol=1e-14)
    # integrable, but not smooth, at zero
    psi = gradient(lambda w: np.sign(w) * np.abs(w) ** 0.2)
    np.testing.assert_allclose(psi.value(w), np.sum(np.abs(w) ** 1.2) / 1.2, rtol=1e-13)
    # infinite at zero: from the point on
    psi = gradient(np.log, point=2.0)
    exact = np.sum([x * np.log(x) - x - (2 * np.log(2) - 2) for x in np.abs(w)])
    np.testing.assert_allclose(psi.value(np.abs(w)), exact, rtol=1e-12)


def test_records_of_functions():
    def f(w):
        return w**2

    assert value(f) == value(f)
    assert hash(value(f)) == hash(value(f))
    assert value(f) != value(lambda w: w**2)
    assert value(f) != value(f, point=2.0)
    assert pickle.loads(pickle.dumps(value(np.cosh))) == value(np.cosh)
    with pytest.raises(TypeError, match="potential"):
        ib.Setting(
            ib.Regression(np.ones((1, 2)), [1.0]), ib.Linear(), MirrorDescent(value(f), 0.1), np.ones(2)
        ).to_dict()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: value(lambda w: -(w**2)), r"not strictly convex: its derivative is 58 at w\[0\] = -29 and"),
        (lambda: value(np.abs), r"not strictly convex: its derivative is 1 at w\[0\] = 1 and 1 at 1.001"),
        (lambda: value(lambda w: np.cos(w), point=0.0), "not strictly convex"),
        (lambda: gradient(np.sin), "not strictly convex"),
        (lambda: value(lambda w: w @ w - 3 * w[0] * w[1]), "not strictly convex"),
        (lambda: gradient(lambda w: w @ np.array([[1.0, 2.0], [2.0, 1.0]])), "not strictly convex"),
        (lambda: gradient(lambda w: w @ np.array([[1.0, 2.0], [0.0, 1.0]])), "is not symmetric"),
        (lambda: value(lambda w: np.sqrt(w - 5)), r"outside the domain .* nan at w\[0\] = 1.0"),
        (lambda: value(3), "needs a function"),
        (lambda: value(lambda w: [1, 2, 3]), r"has shape \(3,\); expected \(2,\) \(its terms\) or \(\)"),
        (lambda: gradient(lambda w: w[:1]), r"has shape \(1,\)"),
        (lambda: value(lambda w: w @ M @ w), r"failed at an array of shape \(2,\) .*point \(d,\) tells d"),
        (lambda: value(np.cosh, point=np.nan), "finite"),
        (lambda: value(np.cosh, point=np.eye(2)), "shape"),
    ],
)
def test_functions_that_are_no_potential_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_points_and_duals_that_are_outside_are_named():
    psi = value(lambda w: w * np.log(w) - w)
    for ask in (psi.value, psi.gradient, gradient(np.log).value):
        with pytest.raises(ValueError, match=r"outside the domain.*w\[1\] = -1.0"):
            ask(np.array([1.0, -1.0]))
    with pytest.raises(ValueError, match=r"no w of the domain has the gradient z\[1\] = 2.0"):
        gradient(np.arctan).inverse_gradient(np.array([1.0, 2.0]))
    with pytest.raises(ValueError, match="no w of the domain has the gradient z ="):
        gradient(lambda w: w / np.sqrt(1 + w @ w), point=ONE).inverse_gradient(ONE)
    # curved the right way near the point only
    wavy = value(lambda w: w**2 / 2 + 100 * np.exp(-(((w - 100) / 10) ** 2)))
    with pytest.raises(ValueError, match=r"not convex: its second derivative at w\[1\] = 100.0 is -1"):
        wavy.hessian(np.array([1.0, 100.0]))


def test_derivatives_by_differences():
    w = np.array([-5.0, -1.0, 1e-3, 1e-8, 0.5, 30.0, 300.0])
    scale = np.ones_like(w)
    np.testing.assert_allclose(complex_slope(np.exp, w), np.exp(w), rtol=4 * EPS)
    np.testing.assert_allclose(ladder(np.exp, w, scale), np.exp(w), rtol=1e-12)
    np.testing.assert_allclose(ladder(np.exp, w, scale, order=2), np.exp(w), rtol=1e-10)
    # singular at zero: steps on the scale of w itself
    x = np.abs(w)
    np.testing.assert_allclose(
        ladder(lambda v: v * np.log(v) - v, x, scale), np.log(x), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(ladder(lambda v: v * np.log(v) - v, x, scale, order=2), 1 / x, rtol=1e-9)


def test_roots_to_the_last_digit():
    one = np.ones(7)
    z = np.array([-700.0, -3.0, -1e-9, 1e-200, 0.5, 3.0, 700.0])
    np.testing.assert_allclose(increasing_root(np.sinh, z, one, one), np.arcsinh(z), rtol=2 * EPS)
    np.testing.assert_allclose(increasing_root(lambda w: w**3, z, one, one), np.cbrt(z), rtol=2 * EPS)
    # ∂ln w/∂z = 1: half an ulp of z
    np.testing.assert_allclose(increasing_root(np.log, z, one, one), np.exp(z), rtol=700 * EPS)
    root = increasing_root(lambda w: -1 / w, z, 0.7 * one, one)
    np.testing.assert_allclose(root[:3], -1 / z[:3], rtol=8 * EPS)
    assert np.all(np.isnan(root[3:]))  # beyond the pole is another branch
    assert np.all(np.isnan(increasing_root(np.tanh, np.array([1.5, -1.5]), np.zeros(2), np.ones(2))))


def test_ray_integrals_are_entry_by_entry():
    w = np.array([[0.5, 2.0], [-1.0, 700.0]])
    np.testing.assert_allclose(ray_integral(np.cosh, np.zeros_like(w), w), np.sinh(w), rtol=1e-13)
