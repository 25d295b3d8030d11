"""Potentials: four maps and a divergence, held to one another and to finite differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from implicitbias import Euclidean, Hypentropy, Mahalanobis, PNorm, Potential

EPS = np.finfo(float).eps
D = 4
M = np.array([[2.0, 0.5, 0, 0], [0.5, 1.0, 0.1, 0], [0, 0.1, 3.0, -1.0], [0, 0, -1.0, 1.5]])

POTENTIALS = {
    "euclidean": Euclidean(),
    "mahalanobis": Mahalanobis(M),
    "mahalanobis-diagonal": Mahalanobis([0.1, 1.0, 2.0, 30.0]),
    "p=1.2": PNorm(1.2),
    "p=1.5": PNorm(1.5),
    "p=3": PNorm(3),
    "p=5": PNorm(5),
    "hypentropy 5": Hypentropy(5.0),
    "hypentropy 0": Hypentropy(0.0),
    "hypentropy -30": Hypentropy(-30.0),
    "hypentropy -700": Hypentropy(-700.0),
    "hypentropy by coordinate": Hypentropy([-700.0, -30.0, 0.0, 5.0]),
}
every_potential = pytest.mark.parametrize("psi", POTENTIALS.values(), ids=POTENTIALS.keys())
quick = settings(max_examples=40, derandomize=True, deadline=None)

sizes = st.floats(0.1, 5.0)
entries = st.builds(lambda size, sign: size if sign else -size, sizes, st.booleans())
points = st.lists(entries, min_size=D, max_size=D).map(np.array)


def magnitude(psi, w):
    """The size of the terms that value adds up: what its rounding error is relative to."""
    c = np.exp(np.minimum(psi.log_c, 700.0)) if isinstance(psi, Hypentropy) else 0.0
    return float(np.sum(np.abs(w * psi.gradient(w)) + np.abs(w) + c)) + 1.0


def matrix(h):
    return np.diag(h) if h.ndim == 1 else h


@every_potential
@given(w=points)
@quick
def test_gradient_is_the_derivative_of_value(psi, w):
    h = 1e-5
    z = psi.gradient(w)
    for j in range(D):
        e = h * np.eye(D)[j]
        slope = (psi.value(w + e) - psi.value(w - e)) / (2 * h)
        # truncation h²ψ‴/6 with |ψ‴| ≤ 60 for 0.1 ≤ |w| ≤ 5 (the largest is 1/w² at hypentropy's 0.1,
        # and (p−1)(p−2)w^{p−3} < 300 at p = 5), rounding eps·(size of the terms)/h
        assert abs(slope - z[j]) <= 300 * h**2 + 8 * EPS * magnitude(psi, w) / h


@every_potential
@given(w=points)
@quick
def test_the_mirror_map_and_its_inverse(psi, w):
    z = psi.gradient(w)
    back = psi.inverse_gradient(z)
    # z and log c carry half an ulp each, and w is their exponential (hypentropy) or their power 1/(p − 1)
    digits = 1.0
    if isinstance(psi, Hypentropy):
        digits = 1 + np.abs(z) + np.abs(psi.log_c)
    elif isinstance(psi, PNorm):
        digits = 1 + psi.p + 1 / (psi.p - 1)
    elif np.ndim(getattr(psi, "M", 0)) == 2:
        digits = np.linalg.cond(M)
    assert np.all(np.abs(back - w) <= 8 * EPS * digits * np.linalg.norm(w))
    if np.ndim(getattr(psi, "M", 0)) < 2:  # separable: coordinate by coordinate
        assert np.all(np.abs(back - w) <= 8 * EPS * digits * np.abs(w))


@every_potential
@given(w=points)
@quick
def test_hessian_is_the_derivative_of_gradient(psi, w):
    h = 1e-5
    H = matrix(psi.hessian(w))
    z = np.abs(psi.gradient(w)).max() + 1
    for j in range(D):
        e = h * np.eye(D)[j]
        column = (psi.gradient(w + e) - psi.gradient(w - e)) / (2 * h)
        # |ψ⁗| ≤ 2/w³ = 2000 at hypentropy's 0.1; z has half an ulp of itself and of log c
        assert np.abs(column - H[:, j]).max() <= 2000 * h**2 + 1000 * EPS * z / h


@every_potential
@given(w=points)
@quick
def test_inverse_hessian_inverts_the_hessian(psi, w):
    H = matrix(psi.hessian(w))
    inverse = matrix(psi.inverse_hessian(psi.gradient(w)))
    # both are evaluated at w known to eps·(1 + |z| + |log c|) ≤ 1500 eps; κ(M) < 10
    assert np.abs(H @ inverse - np.eye(D)).max() <= 1e4 * EPS


@every_potential
@given(w=points, w0=points)
@quick
def test_bregman_divergence_is_a_divergence(psi, w, w0):
    rounding = (
        8 * EPS * (magnitude(psi, w) + magnitude(psi, w0) + np.sum(np.abs(psi.gradient(w0) * (w - w0))))
    )
    assert psi.bregman(w0, w0) == 0.0
    assert psi.bregman(w, w0) >= -rounding
    # D(w, w₀) + D(w₀, w) = ⟨∇ψ(w) − ∇ψ(w₀), w − w₀⟩
    both = psi.bregman(w, w0) + psi.bregman(w0, w)
    rounding += 8 * EPS * np.sum(np.abs(psi.gradient(w) * (w - w0)))
    assert abs(both - (psi.gradient(w) - psi.gradient(w0)) @ (w - w0)) <= 2 * rounding


@every_potential
def test_divergence_is_positive_away_from_its_point(psi):
    w0, w = np.array([1.0, -2.0, 0.5, 3.0]), np.array([-1.0, 1.0, 2.5, 0.5])
    # ψ is 1/(5 + c)-strongly convex on the segment at least; c = e⁵ < 150 is the flattest here
    assert psi.bregman(w, w0) > 0.5 * np.sum((w - w0) ** 2) / 200


@every_potential
def test_leading_batch_axes_are_rows(psi):
    w = np.random.default_rng(0).uniform(0.2, 2.0, (3, 2, D)) * np.array([1, -1, 1, -1])
    z = psi.gradient(w)
    for f, at in ((psi.value, w), (psi.gradient, w), (psi.inverse_gradient, z)):
        rows = np.array([[f(at[i, j]) for j in range(2)] for i in range(3)])
        # the same operations; only the order of sums may differ
        np.testing.assert_allclose(f(at), rows, rtol=1e-12)


@pytest.mark.parametrize(
    "psi", [Euclidean(), Hypentropy(-3.0), PNorm(3.0), Mahalanobis([1.0, 2.0, 3.0, 4.0])], ids=repr
)
def test_separable_hessians_accept_batch_axes(psi):
    w = np.random.default_rng(0).uniform(0.2, 2.0, (3, D))
    for f, at in ((psi.hessian, w), (psi.inverse_hessian, psi.gradient(w))):
        rows = np.array([f(row) for row in at])
        np.testing.assert_allclose(np.broadcast_to(f(at), (3, D)), rows, rtol=1e-12)


@pytest.mark.parametrize("log_c", [20.0, 5.0, 0.0, -20.0, -700.0])
def test_zero_is_a_point_like_any_other(log_c):
    psi = Hypentropy(log_c)
    zero = np.zeros(3)
    assert not np.any(psi.gradient(zero))
    assert not np.any(psi.inverse_gradient(zero))
    assert psi.value(zero) == 0.0
    # ∇²ψ*(0) = c
    np.testing.assert_allclose(psi.inverse_hessian(zero), np.exp(log_c), rtol=1e-12)


def test_hypentropy_at_arguments_smaller_than_its_scale():
    psi, w = Hypentropy(0.0), np.array([1e-12, -1e-200])
    # arcsinh(x) = x − x³/6: equal to x to rounding below 1e-8, but for a logarithm of size 460 on the way
    np.testing.assert_allclose(psi.gradient(w), w, rtol=500 * EPS)
    np.testing.assert_allclose(psi.inverse_gradient(w), w, rtol=4 * EPS)


@pytest.mark.parametrize("log_c", [5.0, 10.0, 20.0])
def test_hypentropy_tends_to_the_euclidean_potential(log_c):
    w = np.array([1.0, -2.0, 0.3])
    scaled = 2 * np.exp(log_c) * Hypentropy(log_c).value(w)
    # c·arcsinh-entropy: ψ = w²/(2c)·(1 − w²/(12c²) + …); w²/(12 c²) ≤ 2e-5 at log c = 5
    assert abs(scaled / (w @ w) - 1) <= 4 * np.exp(-2 * log_c) + 1e-12


@pytest.mark.parametrize("log_c", [-50.0, -700.0])
def test_hypentropy_tends_to_a_weighted_absolute_value(log_c):
    w = np.array([1.0, -2.0, 0.3])
    # ψ(w) = |w|(ln 2|w|/c − 1) + c − O(c²)
    exact = np.sum(np.abs(w) * (np.log(2 * np.abs(w)) - log_c - 1))
    assert abs(Hypentropy(log_c).value(w) / exact - 1) <= 8 * EPS


def test_mahalanobis_diagonal_and_matrix_agree():
    m, w = np.array([0.1, 1.0, 2.0, 30.0]), np.array([1.0, -2.0, 0.5, 3.0])
    diagonal, full = Mahalanobis(m), Mahalanobis(np.diag(m))
    for name in ("value", "gradient", "inverse_gradient"):
        np.testing.assert_allclose(getattr(diagonal, name)(w), getattr(full, name)(w), rtol=1e-14)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: PNorm(1), "p must be finite and > 1"),
        (lambda: PNorm(0.5), "p must be finite and > 1"),
        (lambda: PNorm(np.inf), "p must be finite and > 1"),
        (lambda: PNorm(np.nan), "p must be finite and > 1"),
        (lambda: Mahalanobis([[1.0, 2.0], [2.0, 1.0]]), "not positive definite"),
        (lambda: Mahalanobis([[1.0, 1.0], [1.0, 1.0]]), "not positive definite"),
        (lambda: Mahalanobis([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (lambda: Mahalanobis([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0]]), "shape"),
        (lambda: Mahalanobis([1.0, 0.0]), "> 0"),
        (lambda: Mahalanobis([1.0, np.nan]), "finite"),
        (lambda: Hypentropy(np.nan), "finite"),
        (lambda: Hypentropy([0.0, -np.inf]), "finite"),
        (lambda: Hypentropy("small"), "real numbers"),
    ],
)
def test_bad_parameters_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_potential_of_ones_own_needs_its_four_maps():
    class Half(Potential):
        def value(self, w):
            return np.sum(w**4, -1) / 4

    with pytest.raises(TypeError, match="abstract"):
        Half()
