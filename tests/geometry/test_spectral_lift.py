"""Potentials of singular values, held to differences, to invariance, and to where their methods end."""

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(3)
SHAPES = [(3, 3), (4, 2), (2, 5)]
PHI = {
    "euclidean": ib.Euclidean(),
    "hypentropy": ib.Hypentropy(-1.0),
    "depth 3": ib.Hypentropy(0.0, 3),
    "p = 1.5": ib.PNorm(1.5),
    "p = 3": ib.PNorm(3.0),
    "log cosh": ib.Potential.from_value(ib.Expression("x**2/2 + log(cosh(x))")),
}
every = pytest.mark.parametrize(("name", "shape"), [(n, s) for n in PHI for s in SHAPES])


def central(f, x, h=1e-6):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)])


@every
def test_four_maps(name, shape):
    psi, w = ib.Spectral(PHI[name], shape), RNG.standard_normal(shape[0] * shape[1])
    z = psi.gradient(w)
    np.testing.assert_allclose(central(psi.value, w), z, atol=1e-7)
    np.testing.assert_allclose(psi.inverse_gradient(z), w, atol=1e-12)
    H, P = psi.hessian(w), psi.inverse_hessian(z)
    # differences are wrong by h²ψ⁗ ≈ 1e-12/σ³ and by eps/h ≈ 1e-10
    np.testing.assert_allclose(central(psi.gradient, w), H, atol=1e-6 * np.abs(H).max())
    np.testing.assert_allclose(H, H.T, atol=1e-11 * np.abs(H).max())
    np.testing.assert_allclose(H @ P, np.eye(w.size), atol=1e-9 * np.abs(H).max() * np.abs(P).max())
    # complex steps are derivatives
    E = RNG.standard_normal(w.size)
    np.testing.assert_allclose(
        psi.inverse_gradient(z + 1e-30j * E).imag / 1e-30, P @ E, atol=1e-10 * np.abs(P).max()
    )


@every
def test_it_is_unitarily_invariant(name, shape):
    psi, W = ib.Spectral(PHI[name], shape), RNG.standard_normal(shape)
    U, V = (np.linalg.qr(RNG.standard_normal((n, n)))[0] for n in shape)
    turned = U @ W @ V
    np.testing.assert_allclose(psi.value(turned.ravel()), psi.value(W.ravel()), rtol=1e-12)
    back = U @ psi.gradient(W.ravel()).reshape(shape) @ V
    np.testing.assert_allclose(psi.gradient(turned.ravel()), back.ravel(), atol=1e-12)
    np.testing.assert_allclose(
        psi.value(W.ravel()), PHI[name].value(np.linalg.svd(W, compute_uv=False)), rtol=1e-13
    )


def test_repeated_and_vanishing_singular_values():
    """∇²ψ at a multiple of the identity and at zero: divided differences become derivatives."""
    psi = ib.Spectral(ib.Hypentropy(0.0), (3, 3))
    for w in (2 * np.eye(3).ravel(), np.zeros(9), np.diag([2.0, 2.0 + 1e-9, 0.0]).ravel()):
        np.testing.assert_allclose(central(psi.gradient, w, 1e-4), psi.hessian(w), atol=1e-7)
    np.testing.assert_allclose(psi.hessian(np.zeros(9)), np.eye(9), atol=1e-14)  # 1/c


def test_of_euclid_it_is_euclid():
    psi, w = ib.Spectral(ib.Euclidean(), (2, 3)), RNG.standard_normal(6)
    np.testing.assert_allclose(psi.gradient(w), w, atol=1e-14)
    np.testing.assert_allclose(psi.hessian(w), np.eye(6), atol=1e-13)


def test_batch_axes():
    psi, w = ib.Spectral(ib.Hypentropy(0.0), (3, 2)), RNG.standard_normal((2, 4, 6))
    for f in (psi.value, psi.gradient, psi.inverse_gradient, psi.hessian, psi.inverse_hessian):
        rows = np.array([[f(w[i, j]) for j in range(4)] for i in range(2)])
        np.testing.assert_allclose(f(w), rows, atol=1e-12)


def sensing(seed=0, shape=(5, 4), m=9):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, *shape))
    return ib.MatrixSensing(
        A, np.einsum("kij,i,j->k", A, rng.standard_normal(shape[0]), np.ones(shape[1])) / 2
    )


@pytest.mark.parametrize("phi", [ib.Hypentropy(-3.0), ib.PNorm(1.5), ib.Hypentropy(0.0, 3)], ids=str)
def test_mirror_descent_selects_its_projection(phi):
    problem = sensing()
    psi = ib.Spectral(phi, problem.w_shape)
    step = 0.2 / problem.smoothness
    setting = ib.Setting(problem, ib.Linear(), ib.MirrorDescent(psi, step))
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    assert run.status == "converged"
    # what Frobenius says: U φ′(Σ) Vᵀ is a combination of the measurements
    U, s, Vt = np.linalg.svd(run.w, full_matrices=False)
    Z, A = ((U * phi.gradient(s)) @ Vt).ravel(), problem.in_entries.X
    assert np.linalg.norm(Z - np.linalg.pinv(A) @ (A @ Z)) < 1e-10 * np.linalg.norm(Z)
    pred = ib.predict(setting, run)
    assert pred.w.shape == (5, 4)
    assert ib.compare(run, pred).relative < 1e-9


def test_the_flow_ends_there_too():
    problem = sensing(1, (3, 3), 5)
    setting = ib.Setting(problem, ib.Linear(), ib.MirrorFlow(ib.Spectral(ib.Hypentropy(0.0), (3, 3))))
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    assert run.status == "converged"
    assert ib.compare(run, ib.predict(setting, run)).relative < 1e-8


BAD = {
    "no potential": (lambda: ib.Spectral(np.cosh, (2, 2)), "Spectral needs a Potential"),
    "no shape": (lambda: ib.Spectral(ib.Euclidean(), 4), r"shape must be two integers \(p, q\)"),
    "joint": (lambda: ib.Spectral(ib.SquaredPNorm(3), (2, 2)), "SquaredPNorm is joint"),
    "not even": (lambda: ib.Spectral(ib.Potential.from_value(np.exp), (2, 2)), "one even function"),
    "positive": (lambda: ib.Spectral(ib.Entropy(), (2, 2)), "one even function"),
    "by coordinate": (lambda: ib.Spectral(ib.Mahalanobis([1.0, 2.0]), (2, 3)), "one even function"),
    "another size": (lambda: ib.Spectral(ib.Euclidean(), (2, 2)).gradient(np.ones(5)), "W has 5 entries"),
    "another problem": (
        lambda: ib.Setting(
            sensing(), ib.Linear(), ib.MirrorDescent(ib.Spectral(ib.Euclidean(), (2, 2)), 0.1)
        ),
        "the potential does not fit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_uses_are_refused(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_it_is_a_record():
    psi = ib.Spectral(ib.Hypentropy(0.0), [2, 3])
    assert psi == ib.Spectral(ib.Hypentropy(0.0), (2, 3))
    setting = ib.Setting(sensing(0, (2, 3), 2), ib.Linear(), ib.MirrorDescent(psi, 0.1))
    assert ib.Setting.from_dict(setting.to_dict()) == setting
