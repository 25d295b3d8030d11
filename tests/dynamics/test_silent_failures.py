"""Failures that general-purpose integrators do not report, and that a run must not have."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import implicitbias as ib

ONE = ib.Regression([[1.0]], [1.0])


def logistic(w0, t):
    """ẇ = 4w(1 − w): the flow on w = φ|φ| with one sample, x = y = 1."""
    return 1 / (1 + (1 / w0 - 1) * np.exp(-4 * t))


@pytest.mark.parametrize("w0", [1e-6, 1e-20, 1e-100])
@pytest.mark.parametrize("chart", ["auto", "ordinary"])
def test_a_plateau_ends_when_it_ends(w0, chart):
    """w is flat, to any absolute tolerance, until ln(1/w₀)/4; a solver that sees a constant steps over the rise."""
    jump = np.log(1 / w0) / 4
    at = jump + np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    setting = ib.Setting(ONE, ib.PowerPropagation(2.0), ib.GradientFlow(), ib.Balanced(w0))
    run = ib.simulate(setting, ib.Stop(time=jump + 3), ib.Save(at=at, fields=("w",)), chart=chart)
    # a relative error ε in φ early is a shift ε/4 of the jump: 1e-10 a step, some hundred steps
    np.testing.assert_allclose(run.history["w"][:, 0], logistic(w0, at), rtol=1e-6)


def test_the_default_tolerances_of_an_integrator_do_lose_the_plateau():
    """Why the run sets its own: under atol = 1e-6 the start 1e-20 is no more than zero."""

    def field(_, phi):
        return 2 * np.abs(phi) * (1 - phi * np.abs(phi))

    w0, jump = 1e-20, np.log(1e20) / 4
    naive = solve_ivp(field, (0, jump), [np.sqrt(w0)], method="LSODA")
    assert naive.success
    assert abs(naive.y[0, -1] ** 2 - 0.5) > 0.1  # w(jump) = 1/2
    setting = ib.Setting(ONE, ib.PowerPropagation(2.0), ib.GradientFlow(), ib.Balanced(w0))
    assert ib.simulate(setting, ib.Stop(time=jump)).w[0] == pytest.approx(0.5, rel=1e-6)


def test_tolerances_do_not_erase_a_small_start():
    """uv = scale² is conserved at every scale: relative 1e-7 where atol would have been 1e100 times too large."""
    X = np.random.default_rng(5).standard_normal((3, 6))
    problem = ib.Regression(X, X @ np.array([1.0, -1.0, 0.5, 0.3, -0.7, 0.9]))
    for scale in (1e-3, 1e-12, 1e-50):
        setting = ib.Setting(problem, ib.Diagonal(), ib.GradientFlow(), ib.Balanced(scale))
        run = ib.simulate(setting, ib.Stop(loss=1e-20))
        u, v = np.log(np.abs(run.theta))
        np.testing.assert_allclose(u + v, 2 * np.log(scale), rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("model", "theta"),
    [
        (ib.Hadamard(), np.zeros((2, 1))),
        (ib.Diagonal(), np.zeros((2, 1))),
        (ib.Diagonal(3), np.zeros((2, 1))),
        (ib.PowerPropagation(2.0), np.zeros(1)),
        (ib.DeepLinear((1, 2, 1)), (np.zeros((2, 1)), np.zeros((1, 2)))),
    ],
    ids=lambda v: type(v).__name__,
)
@pytest.mark.parametrize("optimizer", [ib.GradientFlow(), ib.GradientDescent(0.1), ib.SAM(0.1, 0.1)])
def test_a_saddle_is_never_a_success(model, theta, optimizer):
    """The gradient vanishes there, and a solver that asks no more reports success."""
    run = ib.simulate(ib.Setting(ONE, model, optimizer, theta), ib.Stop(loss=1e-10, time=1e6, steps=10**5))
    assert run.status == "stalled"
    assert "saddle" in run.message
    assert not run.converged


def test_a_flow_towards_a_saddle_says_how_it_stands():
    """From u = −v the flow of u∘v at x·w = 1 goes into the saddle at zero; it must not be called converged."""
    setting = ib.Setting(ONE, ib.Hadamard(), ib.GradientFlow(), np.array([[0.5], [-0.5]]))
    run = ib.simulate(setting, ib.Stop(loss=1e-10, time=1e4))
    assert run.status in ("stalled", "budget", "floor")
    assert run.loss == pytest.approx(0.5, abs=1e-3)


def test_time_is_not_used_up_in_silence():
    """A limit reached with a goal open is a budget, with what was asked in its message."""
    setting = ib.Setting(ONE, ib.PowerPropagation(2.0), ib.GradientFlow(), ib.Balanced(1e-100))
    run = ib.simulate(setting, ib.Stop(loss=1e-10, time=50.0))  # the jump is at 57.6
    assert run.status == "budget"
    assert "time = 50" in run.message
    assert run.loss == pytest.approx(0.5, rel=1e-6)
