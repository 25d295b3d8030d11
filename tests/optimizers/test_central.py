"""The central flow of two scalars, where the sharpness is known in closed form, and where it fails."""

import numpy as np
import pytest

import implicitbias as ib

MU = 1.0
PROBLEM = ib.MatrixRegression.whitened([[MU]])
SCALARS = ib.DeepLinear((1, 1, 1))


def sharpness(q):
    """λ_max of the Hessian of ½(xy − μ)²."""
    x, y = q
    return (x**2 + y**2) / 2 + np.hypot((x**2 - y**2) / 2, 2 * x * y - MU)


def setting(optimizer, x, y):
    return ib.Setting(PROBLEM, SCALARS, optimizer, (np.array([[x]]), np.array([[y]])))


def gradient(q):
    x, y = q
    return (x * y - MU) * np.array([y, x])


def test_the_variance_is_that_of_the_definition(central):
    q = np.array([1.9, 0.7])
    ascent = central(sharpness, q)
    for step in (2 / sharpness(q), 2.1 / sharpness(q)):
        excess = -ascent @ gradient(q) - (2 / step - sharpness(q)) / step
        variance = max(0.0, 2 * excess / (ascent @ ascent))
        flow = ib.CentralFlow(step)
        sigma_u = flow.oscillation(setting(flow, *q), q)
        assert sigma_u @ sigma_u == pytest.approx(variance, rel=1e-7)  # of the central differences
        H = np.array([[q[1] ** 2, 2 * q[0] * q[1] - MU], [2 * q[0] * q[1] - MU, q[0] ** 2]])
        np.testing.assert_allclose(H @ sigma_u, sharpness(q) * sigma_u, atol=1e-9)


def test_from_beyond_the_edge_the_sharpness_relaxes_exponentially():
    """Ṡ = (2/η − S)/η wherever σ² > 0."""
    step, q0 = 0.5, (2.2, 1 / 2.2)  # S = 5.05 > 4 at a minimum: no other force
    run = ib.simulate(
        setting(ib.CentralFlow(step), *q0), ib.Stop(time=1.0), ib.Save(at=[0.1, 0.4, 1.0], fields=("theta",))
    )
    S = [sharpness(q) for q in run.history["theta"]]
    exact = 4 + (sharpness(q0) - 4) * np.exp(-run.history["time"] / step)
    np.testing.assert_allclose(S, exact, rtol=1e-7)


def test_below_the_edge_it_is_the_gradient_flow():
    stop = ib.Stop(time=2.0)
    central = ib.simulate(setting(ib.CentralFlow(0.1), 1.5, 0.2), stop)
    flow = ib.simulate(setting(ib.GradientFlow(), 1.5, 0.2), stop)
    np.testing.assert_allclose(np.ravel(central.theta), np.ravel(flow.theta), rtol=1e-8)


def test_a_second_unstable_direction_is_a_failure_with_its_reason():
    """Two equal modes, both beyond 2/η."""
    problem, model = ib.MatrixRegression.whitened(np.eye(2)), ib.DeepLinear((2, 2, 2))
    start = (1.2 * np.eye(2), 1.2 * np.eye(2))
    run = ib.simulate(ib.Setting(problem, model, ib.CentralFlow(1.0), start), ib.Stop(time=5.0))
    assert run.status == "failed"
    assert "second eigenvalue" in run.message


def test_a_constant_sharpness_beyond_the_edge_is_a_failure_with_its_reason():
    run = ib.simulate(
        ib.Setting(ib.Regression([[1.0]], [1.0]), ib.Linear(), ib.CentralFlow(3.0)), ib.Stop(time=5.0)
    )
    assert run.status == "failed"
    assert "gradient is zero" in run.message


def test_to_and_from_a_dictionary():
    s = setting(ib.CentralFlow(0.5), 1.0, 1.0)
    assert ib.Setting.from_dict(s.to_dict()) == s
    with pytest.raises(ValueError, match="step"):
        ib.CentralFlow(0.0)
