"""The implicit midpoint rule: what it conserves, its order, and how it ends."""

import numpy as np
import pytest

import implicitbias as ib

NETWORK = ib.DeepLinear((4, 5, 3, 2))


def _setting(problem: ib.Problem | None = None) -> ib.Setting:
    rng = np.random.default_rng(0)
    theta = tuple(
        rng.standard_normal((m, n)) / np.sqrt(n) for n, m in zip(NETWORK.widths, NETWORK.widths[1:])
    )
    problem = problem or ib.MatrixRegression(rng.standard_normal((10, 4)), rng.standard_normal((10, 2)))
    return ib.Setting(problem, NETWORK, ib.GradientFlow(), theta)


def _drift(run: ib.Run) -> float:
    now, start = (NETWORK.imbalances(theta) for theta in (run.theta, run.setting.theta0))
    return max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in zip(now, start))


@pytest.mark.parametrize("rtol", [1e-3, 1e-6])
def test_imbalances_are_conserved_to_rounding(rtol: float) -> None:
    run = ib.simulate(_setting(), ib.Stop(time=20.0), rtol=rtol, method="midpoint")
    assert run.converged
    assert _drift(run) < 1e-14


def test_they_are_conserved_over_a_long_run_and_a_long_log_time() -> None:
    """Three classes in four dimensions: the loss decreases for ever."""
    rng = np.random.default_rng(1)
    y = np.arange(8) % 2
    problem = ib.Classification(rng.standard_normal((8, 3)) + 3 * y[:, None], y)
    model = ib.DeepLinear((3, 2, 1))
    theta = (rng.standard_normal((2, 3)), rng.standard_normal((1, 2)))
    run = ib.simulate(
        ib.Setting(problem, model, ib.GradientFlow(), theta),
        ib.Stop(log_time=12.0),
        rtol=1e-5,
        method="midpoint",
    )
    assert run.converged
    drift = [np.linalg.norm(a - b) for a, b in zip(model.imbalances(run.theta), model.imbalances(theta))]
    assert max(drift) < 1e-14 * sum(np.sum(W**2) for W in run.theta)


def test_the_error_is_of_order_two() -> None:
    """The error falls like the number of steps to the power −2."""
    setting, stop = _setting(), ib.Stop(time=3.0)
    exact = ib.simulate(setting, stop, rtol=1e-13).w
    runs = [ib.simulate(setting, stop, rtol=r, method="midpoint") for r in (1e-6, 1e-8)]
    errors = [np.linalg.norm(run.w - exact) for run in runs]
    order = np.log(errors[0] / errors[1]) / np.log(runs[1].steps / runs[0].steps)
    assert abs(order - 2) < 0.15


def test_one_step_is_the_rule() -> None:
    """For q̇ = −q, q₁/q₀ = (1 − h/2)/(1 + h/2) = 1/3 at h = 1, and 0 at the longest step h = 2."""
    from implicitbias.dynamics.midpoint import ImplicitMidpoint

    for end, ratio in ((1.0, 1 / 3), (5.0, 0.0)):
        solver = ImplicitMidpoint(
            lambda s, q: -q, 0.0, np.array([1.0]), end, rtol=1e3, atol=1e-12, jac=lambda s, q: -np.eye(1)
        )
        solver.step()
        assert np.isclose(solver.y[0], ratio, atol=1e-15)
        assert solver.t == min(end, 2.0)


def test_between_the_steps_it_is_as_exact() -> None:
    at = np.linspace(0.0, 2.0, 9)
    save = ib.Save(at=at, fields=("w",))
    exact = ib.simulate(_setting(), ib.Stop(time=2.0), save, rtol=1e-12).history["w"]
    seen = ib.simulate(_setting(), ib.Stop(time=2.0), save, rtol=1e-7, method="midpoint").history["w"]
    assert np.max(np.abs(seen - exact)) < 1e-4


def test_it_comes_to_rest() -> None:
    run = ib.simulate(_setting(), rtol=1e-3, method="midpoint")
    assert run.status == "converged"
    assert np.allclose(run.setting.problem.gradient(run.w), 0, atol=1e-12)
    assert _drift(run) < 1e-14


def test_methods_have_names() -> None:
    with pytest.raises(ValueError, match='"lsoda", "radau" or "midpoint"'):
        ib.simulate(_setting(), ib.Stop(time=1.0), method="euler")
