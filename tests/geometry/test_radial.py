"""Potentials of the length."""

import numpy as np
import pytest

import implicitbias as ib

POTENTIALS = [ib.HiddenNeuron(d) for d in (-3.0, -0.1, 0.0, 0.1, 3.0)] + [
    ib.NormPower(p) for p in (1.2, 1.5, 2.0)
]


@pytest.mark.parametrize("psi", POTENTIALS, ids=repr)
def test_the_maps_belong_together(psi: ib.Potential) -> None:
    w = np.random.default_rng(0).standard_normal((4, 3))
    z = psi.gradient(w)
    assert np.allclose(psi.inverse_gradient(z), w, rtol=1e-12)
    h = 1e-6
    slope = [(psi.value(w + h * e) - psi.value(w - h * e)) / (2 * h) for e in np.eye(3)]
    assert np.allclose(np.stack(slope, axis=-1), z, atol=1e-8)
    turn = [(psi.gradient(w + h * e) - psi.gradient(w - h * e)) / (2 * h) for e in np.eye(3)]
    assert np.allclose(np.stack(turn, axis=-1), psi.hessian(w), atol=1e-7)
    assert np.allclose(psi.hessian(w) @ psi.inverse_hessian(z), np.eye(3), atol=1e-10)


@pytest.mark.parametrize("psi", POTENTIALS, ids=repr)
def test_the_inverse_map_is_analytic(psi: ib.Potential) -> None:
    z = psi.gradient(np.array([0.5, -1.0, 2.0]))
    steps = [psi.inverse_gradient(z + 1e-30j * e).imag / 1e-30 for e in np.eye(3)]
    assert np.allclose(steps, psi.inverse_hessian(z), rtol=1e-12, atol=1e-14)


def test_balance_is_the_power_three_halves() -> None:
    w = np.array([1.0, -2.0, 2.0])
    assert np.allclose(ib.HiddenNeuron(0.0).gradient(w), ib.NormPower(1.5).gradient(w), rtol=1e-14)
    assert np.isclose(ib.HiddenNeuron(0.0).value(w), ib.NormPower(1.5).value(w), rtol=1e-14)


def test_a_large_imbalance_is_euclidean() -> None:
    w = np.array([1.0, -2.0, 2.0])
    assert np.allclose(ib.HiddenNeuron(1e12).gradient(w) * 1e6, w, rtol=1e-11)


def test_the_kink() -> None:
    """For δ < 0 all of the ball ‖v‖² ≤ −δ is mapped to zero."""
    psi = ib.HiddenNeuron(-4.0)
    assert not np.any(psi.inverse_gradient(np.array([1.0, 1.0])))
    assert not np.any(psi.gradient(np.zeros(2)))
    r = 1e-8
    assert np.isclose(psi.value(np.array([r, 0.0])) / r, 2.0)


@pytest.mark.parametrize("p", [1.0, 2.1, np.nan, "2"])
def test_powers_outside_are_refused(p: object) -> None:
    with pytest.raises(ValueError, match="p"):
        ib.NormPower(p)
