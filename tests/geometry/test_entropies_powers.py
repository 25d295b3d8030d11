"""Depth, entropies and powers: their maps against differences and closed forms, at the edges of floats."""

import warnings

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from implicitbias import (
    Entropy,
    Hypentropy,
    MirrorDescent,
    Potential,
    Power,
    Regression,
    Setting,
    SquaredPNorm,
)
from implicitbias.models import Linear
from implicitbias.records import decode, encode

EPS = np.finfo(float).eps
LN2 = np.log(2.0)
D = 4
SIGNS = np.array([1.0, -1.0, -1.0, 1.0])


def deep(depth, alpha):
    return Hypentropy(LN2 + depth * np.log(alpha), depth)


BOXES = {f"depth {d}, α = {a:g}": deep(d, a) for d in (3, 4, 5, 9) for a in (10.0, 1.0, 0.1)}
BOXES |= {f"depth {d}, by coordinate": Hypentropy([0.0, -1.0, 2.0, -3.0], d) for d in (3, 5)}
POSITIVE = {"entropy": Entropy(), **{f"power {a:g}": Power(a) for a in (2, 2.5, 3, 6, 50)}}
ORTHANT = {f"power {a:g}, signs": Power(a, SIGNS) for a in (2, 3)}
NORMS = {f"squared norm {p:g}": SquaredPNorm(p) for p in (1.2, 1.5, 2, 3, 5)}
ALL = BOXES | POSITIVE | ORTHANT | NORMS
every = pytest.mark.parametrize("psi", ALL.values(), ids=ALL.keys())


def points(psi, count=6, low=0.2, high=3.0):
    """Points of the domain: signs as it asks, sizes between ``low`` and ``high``."""
    rng = np.random.default_rng(0)
    w = rng.uniform(low, high, (count, D))
    if isinstance(psi, Power):
        return w * (1.0 if psi.signs is None else psi.signs)
    return w if isinstance(psi, Entropy) else w * rng.choice([-1.0, 1.0], w.shape)


def matrix(h):
    return np.diag(h) if h.ndim == 1 else h


def derivative(f, w, h=2e-3):
    """Central differences of order four along each axis."""
    E = h * np.eye(D)
    return np.array([(8 * (f(w + e) - f(w - e)) - (f(w + 2 * e) - f(w - 2 * e))) / (12 * h) for e in E])


@every
def test_gradient_is_the_derivative_of_value(psi):
    for w in points(psi):
        z = psi.gradient(w)
        # h⁴|ψ⁽⁵⁾|/30 with h/|w| ≤ 0.01, where ψ⁽⁵⁾w⁴ is below 1e3|z|; and rounding eps·ψ/h
        size = np.abs(z).max() + abs(psi.value(w))
        np.testing.assert_allclose(derivative(psi.value, w), z, atol=3e-7 * size)


@every
def test_hessian_is_the_derivative_of_gradient(psi):
    for w in points(psi):
        H = matrix(psi.hessian(w))
        size = np.abs(H).max()
        # as above; the gradient rounds at eps·|z|/h
        atol = 3e-7 * size + 10 * EPS * np.abs(psi.gradient(w)).max() / 2e-3
        np.testing.assert_allclose(derivative(psi.gradient, w), H, atol=atol)


@every
def test_the_mirror_map_and_its_inverse(psi):
    for w in points(psi, low=1e-3, high=30.0):
        z = psi.gradient(w)
        # ∂ln w/∂ln z digits are lost: of order k|z|/(1 − |z|) in a box (α ≥ 0.1, D ≤ 9: 1 − |z| > 1e-8), ln w for
        # exponentials, p or q for powers; and log c carries half an ulp
        room, scale = 0.05, 0.0
        if isinstance(psi, Hypentropy):
            room, scale = np.min(1 - np.abs(z) / psi.reach), np.max(np.abs(psi.log_c))
        np.testing.assert_allclose(psi.inverse_gradient(z), w, rtol=EPS * (20 / room + 4 * scale))


@every
def test_inverse_hessian_inverts_the_hessian(psi):
    for w in points(psi):
        H = matrix(psi.hessian(w))
        inverse = matrix(psi.inverse_hessian(psi.gradient(w)))
        room = np.min(1 - np.abs(psi.gradient(w)) / psi.reach) if isinstance(psi, Hypentropy) else 0.05
        assert np.abs(H @ inverse - np.eye(D)).max() <= 100 * EPS / room * np.linalg.cond(H) ** 0.5


@every
def test_leading_batch_axes_are_rows(psi):
    w = points(psi, 6).reshape(3, 2, D)
    z = psi.gradient(w)
    maps = (
        (psi.value, w),
        (psi.gradient, w),
        (psi.inverse_gradient, z),
        (psi.hessian, w),
        (psi.inverse_hessian, z),
    )
    for f, at in maps:
        rows = np.array([[f(at[i, j]) for j in range(2)] for i in range(3)])
        np.testing.assert_allclose(f(at), rows, rtol=1e-12)


@every
def test_complex_steps_differentiate_the_inverse(psi):
    z = psi.gradient(points(psi, 1)[0])
    h = 1e-30
    slope = np.array([np.imag(psi.inverse_gradient(z + 1j * h * e)) / h for e in np.eye(D)])
    exact = matrix(psi.inverse_hessian(z))
    room = np.min(1 - np.abs(z) / psi.reach) if isinstance(psi, Hypentropy) else 0.05
    np.testing.assert_allclose(slope, exact, rtol=50 * EPS / room, atol=1e-13 * np.abs(exact).max())


@every
def test_divergence_is_a_divergence(psi):
    P = points(psi)
    for w, w0 in zip(P, P[::-1]):
        assert psi.bregman(w0, w0) == 0.0
        assert psi.bregman(w, w0) > 0
        both = psi.bregman(w, w0) + psi.bregman(w0, w)
        exact = (psi.gradient(w) - psi.gradient(w0)) @ (w - w0)
        size = abs(psi.value(w)) + abs(psi.value(w0)) + np.abs(psi.gradient(w0) * w).sum() + abs(exact)
        assert abs(both - exact) <= 40 * EPS * size + 40 * EPS * np.abs(psi.gradient(w) * w0).sum()


@every
def test_records_by_content(psi):
    again = decode(encode(psi))
    assert again == psi
    assert hash(again) == hash(psi)


# -- depth ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_the_box_map_is_its_definition(depth):
    alpha, k = 0.7, depth / (depth - 2)
    z = np.array([-0.9, -0.3, 1e-3, 0.5, 0.99])
    w = alpha**depth * ((1 - z) ** -k - (1 + z) ** -k)
    # the difference of two terms cancels to 1e-13 at z = 1e-3
    np.testing.assert_allclose(deep(depth, alpha).inverse_gradient(z), w, rtol=2e-13)


@pytest.mark.parametrize("depth", [3, 4, 5])
def test_the_dual_point_of_a_flow_moves_with_the_gradient(depth):
    """du/dt = −D u^{D−1} g, dv/dt = D v^{D−1} g with a prescribed g: α^{2−D}z = −D(D − 2)∫g dt."""
    alpha = np.array([0.5, 0.8])
    direction = np.array([0.3, -0.5])

    def flow(t, theta):
        u, v = theta.reshape(2, 2)
        g = direction * np.cos(t)
        return np.concatenate([-depth * u ** (depth - 1) * g, depth * v ** (depth - 1) * g])

    u, v = solve_ivp(flow, (0, 0.2), np.tile(alpha, 2), rtol=1e-12, atol=1e-14).y[:, -1].reshape(2, 2)
    psi = Hypentropy(LN2 + depth * np.log(alpha), depth)
    # the unit is the largest α^{2−D}
    moved = -depth * (depth - 2) * direction * np.sin(0.2) * np.min(alpha) ** (depth - 2)
    # the integrator's 1e-12 times the condition of w ↦ z, below 100 here
    np.testing.assert_allclose(psi.gradient(u**depth - v**depth), moved, rtol=1e-9)


@pytest.mark.parametrize("depth", [3, 4, 5, 20])
@pytest.mark.parametrize("log_c", [-1e4, -700.0, -30.0, 0.0, 30.0])
def test_a_box_at_every_scale(depth, log_c):
    psi = Hypentropy(log_c, depth)
    w = np.array([0.0, 1e-200, -1e-8, 0.5, -3.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        z = psi.gradient(w)
        assert np.all(np.abs(z) <= 1)
        assert z[0] == 0
        assert np.all(np.sign(z) == np.sign(w))
        assert np.all(np.isfinite(psi.value(w)))
        assert np.isfinite(psi.bregman(w, w))
    if log_c < -600:
        # ψ = |w| − (D/2) α^{D−2}|w|^{2/D} + …, and α^{D−2} < 1e-90
        assert abs(psi.value(w) / np.sum(np.abs(w)) - 1) <= 4 * EPS


@pytest.mark.parametrize("depth", [3, 5])
def test_wide_boxes_are_euclidean_and_deep_ones_small(depth):
    w = np.array([1.0, -2.0, 0.3])
    k = depth / (depth - 2)
    # w = c k z (1 + O(z²)) for |w| ≪ c: ψ = w²/(2ck), to relative (w/c)² < 1e-16
    flat = Hypentropy(20.0, depth)
    np.testing.assert_allclose(flat.value(w), w @ w / (2 * k * np.exp(20.0)), rtol=1e-13)
    np.testing.assert_allclose(flat.gradient(w), w / (k * np.exp(20.0)), rtol=1e-13)


def test_outside_the_box_is_infinite_without_a_warning():
    psi = deep(3, 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        w = psi.inverse_gradient(np.array([-2.0, -1.0, 1.0, 5.0, np.inf]))
        assert np.array_equal(w, [-np.inf, -np.inf, np.inf, np.inf, np.inf])
        assert np.isnan(psi.inverse_gradient(np.array([np.nan])))[0]


def test_the_reach_of_coordinates():
    psi = Hypentropy([0.0, 3.0], depth=3)
    # α^{2−D} in units of its largest: (c_min/c)^{1/3}
    np.testing.assert_allclose(psi.reach, [1.0, np.exp(-1.0)], rtol=1e-15)
    assert np.array_equal(np.isinf(psi.inverse_gradient(np.array([0.9, 0.9]))), [False, True])
    assert Hypentropy(0.0).reach == np.inf


# -- entropies ----------------------------------------------------------------------------------------


def test_entropy_at_the_ends_of_floats():
    z = np.array([700.0, -700.0, 0.0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # z is exact here, and exp rounds once
        np.testing.assert_allclose(
            Entropy().gradient(Entropy().inverse_gradient(z)), z, rtol=2 * EPS, atol=EPS
        )
        weights = Entropy(simplex=True).inverse_gradient(np.array([700.0, 700.0 + LN2, -700.0]))
        np.testing.assert_allclose(weights[:2], [1 / 3, 2 / 3], rtol=1e-12)
        assert weights[2] == 0
    assert Entropy().value(np.zeros(2)) == 0


def test_softmax_maps():
    psi = Entropy(simplex=True)
    rng = np.random.default_rng(1)
    w = rng.dirichlet(np.ones(D), 3)
    np.testing.assert_allclose(psi.inverse_gradient(psi.gradient(w)), w, rtol=1e-14)
    # any multiple of 1 may be added to z
    np.testing.assert_allclose(psi.inverse_gradient(psi.gradient(w) + 5.0), w, rtol=1e-14)
    p, H = w[0], psi.inverse_hessian(psi.gradient(w[0]))
    np.testing.assert_allclose(H, np.diag(p) - np.outer(p, p), rtol=1e-13)
    np.testing.assert_allclose(H @ np.ones(D), 0, atol=2 * EPS)
    # the Hessian inverts it on directions of sum zero
    np.testing.assert_allclose(H @ psi.hessian(p) @ H, H, atol=1e-15)
    # and it is the derivative of softmax
    z, h = psi.gradient(p), 1e-30
    steps = np.array([np.imag(psi.inverse_gradient(z + 1j * h * e)) / h for e in np.eye(D)])
    np.testing.assert_allclose(steps, H, atol=1e-15)
    kl = np.sum(w[1] * np.log(w[1] / w[0]))
    np.testing.assert_allclose(psi.bregman(w[1], w[0]), kl, rtol=1e-12)


def test_exponentiated_gradients():
    """One step of each by its own equation."""
    rng = np.random.default_rng(2)
    problem = Regression(rng.standard_normal((3, D)), rng.standard_normal(3))
    w = rng.dirichlet(np.ones(D))
    g = problem.X.T @ (problem.X @ w - problem.y) / 3
    for potential, expected in (
        (Entropy(), w * np.exp(-0.1 * g)),
        (Entropy(simplex=True), w * np.exp(-0.1 * g) / np.sum(w * np.exp(-0.1 * g))),
    ):
        step = MirrorDescent(potential, 0.1)
        assert step.requires(problem, Linear()) is None
        new, _ = step.update(lambda theta: g, step.init(w), w, 0)
        np.testing.assert_allclose(new, expected, rtol=1e-14)


def test_starts_outside_an_orthant_are_refused_by_name():
    problem = Regression(np.ones((1, 2)), [1.0])
    for potential, start, says in (
        (Entropy(), [0.5, -1.0], r"w > 0, got -1.0 at \[1\]"),
        (Entropy(), [0.0, 1.0], r"w > 0, got 0.0 at \[0\]"),
        (Entropy(simplex=True), [0.5, 0.6], "sums to one, got 1.1"),
        (Power(3, [1, -1]), [0.5, 1.0], r"orthant of its signs, got 1.0 at \[1\]"),
    ):
        setting = Setting(problem, Linear(), MirrorDescent(potential, 0.1), np.array(start))
        with pytest.raises(ValueError, match=says):
            setting.optimizer.init(setting.theta0)
    with pytest.raises(ValueError, match="w ≥ 0"):
        Entropy().value(np.array([-1.0]))


# -- powers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("a", [2, 3, 5])
def test_powers_are_the_mirror_map_of_power_propagation(a):
    """dφ/dt = −a|φ|^{a−1}g with a prescribed g: z moves by −∫g dt."""
    start, direction = np.array([0.7, -0.4]), np.array([0.2, 0.3])

    def flow(t, phi):
        return -a * np.abs(phi) ** (a - 1) * direction * np.cos(t)

    phi = solve_ivp(flow, (0, 0.5), start, rtol=1e-12, atol=1e-14).y[:, -1]
    psi = Power(a, np.sign(start))
    w0, w = (x * np.abs(x) ** (a - 1) for x in (start, phi))
    # differences of z, of size up to 4 here, to the integrator's 1e-12
    np.testing.assert_allclose(psi.gradient(w) - psi.gradient(w0), -direction * np.sin(0.5), atol=1e-9)


def test_powers_beyond_the_half_line():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(Power(3, [1, -1]).inverse_gradient(np.array([0.5, -0.5])), [np.inf, -np.inf])
        assert Power(3).inverse_gradient(np.zeros(1))[0] == np.inf


def test_extreme_sizes_of_squared_norms():
    for p in (1.01, 1.5, 3, 40):
        psi = SquaredPNorm(p)
        w = np.array([1e150, -3e150, 0.0, 1e120])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            z = psi.gradient(w)
            # homogeneity of degree one: no power of 1e150 is ever formed
            np.testing.assert_allclose(z, 1e150 * psi.gradient(w / 1e150), rtol=1e-13)
            assert not np.any(psi.gradient(np.zeros(3)))
        norm = 1e150 * np.sum(np.abs(w / 1e150) ** p) ** (1 / p)
        np.testing.assert_allclose(z @ w / norm, norm, rtol=1e-13)  # ⟨∇ψ(w), w⟩ = ‖w‖²
    assert np.all(np.isnan(SquaredPNorm(3).hessian(np.zeros(2))))
    np.testing.assert_array_equal(SquaredPNorm(2).hessian(np.zeros(2)), np.eye(2))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Hypentropy(0.0, depth=1), "depth must be an integer ≥ 2"),
        (lambda: Hypentropy(0.0, depth=2.5), "depth must be an integer ≥ 2"),
        (lambda: Entropy(simplex="yes"), "simplex must be True or False"),
        (lambda: Power(1.5), r"a must be ≥ 2, got 1.5; .* PNorm\(2/a\), here PNorm\(1.33333\)"),
        (lambda: Power(0.5), "a must be ≥ 2, got 0.5$"),
        (lambda: Power(np.inf), "finite"),
        (lambda: Power(3, signs=[1, 0]), r"\+1 and −1 only"),
        (lambda: Power(3, signs=[[1, 1]]), "shape"),
        (lambda: SquaredPNorm(1), "p must be finite and > 1"),
        (lambda: SquaredPNorm(np.nan), "p must be finite and > 1"),
    ],
)
def test_bad_parameters_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_every_potential_explains_itself():
    for psi in (Hypentropy, Entropy, Power, SquaredPNorm):
        assert issubclass(psi, Potential)
        assert ">>>" in psi.__doc__
