"""The symmetry that makes a metric a Hessian, on metrics whose answer is known."""

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(5)
A, B = RNG.standard_normal((2, 4, 5))


def ridges(w):
    """The inverse Hessian of ½‖w‖² + Σ log cosh(a_k·w)."""
    return np.linalg.inv(np.eye(5) + (A.T / np.cosh(A @ w) ** 2) @ A)


def crossed(w):
    """The same with other outer factors: positive definite, but no Hessian."""
    return np.linalg.inv(np.eye(5) + (B.T / np.cosh(A @ w) ** 2) @ B)


def real_only(P):
    """P that has no complex steps."""
    return lambda w: P(np.real(w))


@pytest.mark.parametrize("seen", [lambda P: P, real_only], ids=["complex steps", "differences"])
def test_ridges_with_equal_factors_and_with_others(seen):
    good, bad = ib.has_potential(seen(ridges), 5), ib.has_potential(seen(crossed), 5)
    assert good
    assert good.violation < 1e-9
    assert "is a Hessian at 8 points" in good.message
    assert not bad
    assert bad.violation > 0.1
    assert bad.point.shape == (5,)
    assert "is no Hessian" in bad.message


def test_the_violation_is_that_of_the_definition():
    """G = diag(e^{w₂}, 1): ∂₂G₁₁ = e^{w₂} is the only derivative, and its mirror image ∂₁G₂₁ is zero."""
    test = ib.has_potential(lambda w: np.array([np.exp(-w[1]), 1.0]), points=[[0.3, 0.7]])
    np.testing.assert_allclose(test.violation, 1.0, rtol=1e-14)
    assert test.point.tolist() == [0.3, 0.7]
    # G = e^{w₁ + w₂} I: ∂_k G_ij − ∂_i G_kj is one derivative or none
    test = ib.has_potential(lambda w: np.exp(-w[0] - w[1]) * np.eye(2), 2)
    np.testing.assert_allclose(test.violation, 1.0, rtol=1e-12)


SEPARABLE = [
    ib.Hypentropy(0.0), ib.PNorm(1.5), ib.Potential.from_value(np.cosh), ib.Mahalanobis([1.0, 2.0, 3.0]),
]  # fmt: skip


@pytest.mark.parametrize("psi", SEPARABLE, ids=lambda p: type(p).__name__)
def test_every_separable_potential_has_one(psi):
    assert ib.has_potential(lambda w: 1 / psi.hessian(w), 3)


def test_a_joint_potential_by_its_hessian():
    psi = ib.SquaredPNorm(3.0)
    assert ib.has_potential(lambda w: np.linalg.inv(psi.hessian(w)), 3)
    # its diagonal alone is no Hessian
    assert not ib.has_potential(lambda w: 1 / np.diag(psi.hessian(w)), 3)


def test_a_rotated_separable_metric_is_a_hessian_and_a_change_of_time_is_not():
    Q = np.linalg.qr(RNG.standard_normal((3, 3)))[0]
    assert ib.has_potential(lambda w: Q @ np.diag(1 + (Q.T @ w) ** 2) @ Q.T, 3)
    assert not ib.has_potential(lambda w: (1 + w @ w) * Q @ np.diag([1.0, 2.0, 3.0]) @ Q.T, 3)


def test_constants_always_have_one():
    for P in (np.ones(3), np.array([[2.0, 1.0], [1.0, 2.0]])):
        test = ib.has_potential(P)
        assert test
        assert test.violation == 0.0
        assert test.point is None
    assert ib.has_potential(lambda w: np.array([1.0, 2.0]), 2).violation == 0.0


def test_points_may_be_given_and_draws_repeat():
    inside = np.abs(RNG.standard_normal((3, 4))) + 0.1
    assert ib.has_potential(lambda w: w, points=inside)  # the entropy's, on w > 0
    a, b = (ib.has_potential(crossed, 5, rng=3) for _ in range(2))
    assert a.violation == b.violation


BAD = {
    "not positive": (lambda: ib.has_potential(lambda w: w, 2), r"at w = \[.*\]: P\(w\) is not positive definite"),
    "not definite": (
        lambda: ib.has_potential(lambda w: np.diag([1.0, -1.0]), 2),
        r"at w = \[.*\]: P\(w\) is not positive definite: least eigenvalue -1",
    ),
    "not symmetric": (
        lambda: ib.has_potential(lambda w: np.array([[1.0, 0.5], [0.0, 1.0]]), 2),
        r"at w = .*not symmetric",
    ),
    "constant": (lambda: ib.has_potential([1.0, 0.0]), "every entry of P must be"),
    "shape": (lambda: ib.has_potential(lambda w: np.ones(3), 2), r"P\(w\) has shape \(3,\) at a w of 2 entries"),
    "no dimension": (lambda: ib.has_potential(np.cosh), "needs the dimension of w, or the points"),
    "no points": (lambda: ib.has_potential(np.cosh, 2, points=0), "points must be an integer ≥ 1"),
    "points of another d": (
        lambda: ib.has_potential(np.cosh, 2, points=np.ones((2, 3))),
        r"points has shape \(2, 3\); expected",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_metrics_are_refused(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()
