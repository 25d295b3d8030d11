"""Flows: closed forms, conservation laws, order in the step, clocks and rates."""

import numpy as np
import pytest

import implicitbias as ib

# rtol = 1e-10 is the integrator's error a step; along a contracting flow errors do not add up, and
# a few dozen steps stay below 1e-8
FLOW = 1e-8


def gaussian(seed, n=4, d=6):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) / np.sqrt(d)
    return ib.Regression(X, X @ rng.standard_normal(d)), rng


def linear_flow(problem, w0, t, P=None):
    """w(t) of ẇ = −P(Sw − b), S = XᵀX/n, by the matrix exponential of the augmented system."""
    from scipy.linalg import expm

    n, d = problem.X.shape
    P = np.eye(d) if P is None else P
    A = np.zeros((d + 1, d + 1))
    A[:d, :d] = -P @ problem.X.T @ problem.X / n
    A[:d, d] = P @ problem.X.T @ problem.y / n
    return (expm(t * A) @ np.append(w0, 1.0))[:d]


@pytest.mark.parametrize("t", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("method", ["lsoda", "radau"])
def test_gradient_flow_on_linear_is_the_matrix_exponential(t, method):
    problem, rng = gaussian(0)
    w0 = rng.standard_normal(6)
    setting = ib.Setting(problem, ib.Linear(), ib.GradientFlow(), w0)
    run = ib.simulate(setting, ib.Stop(time=t), method=method)
    assert run.status == "converged"
    assert run.time == t
    assert run.log_time == pytest.approx(np.log(t), rel=1e-15)
    np.testing.assert_allclose(run.w, linear_flow(problem, w0, t), rtol=FLOW, atol=FLOW)


@pytest.mark.parametrize("kind", ["diagonal", "full", "callable"])
def test_preconditioned_flow(kind):
    problem, rng = gaussian(1)
    w0, p = rng.standard_normal(6), 0.5 + rng.random(6)
    B = rng.standard_normal((6, 6))
    full = np.eye(6) + B @ B.T / 6
    P = {"diagonal": p, "full": full, "callable": lambda theta: p}[kind]
    run = ib.simulate(ib.Setting(problem, ib.Linear(), ib.PreconditionedFlow(P), w0), ib.Stop(time=2.0))
    matrix = full if kind == "full" else np.diag(p)
    np.testing.assert_allclose(run.w, linear_flow(problem, w0, 2.0, matrix), rtol=FLOW, atol=FLOW)


def test_weight_decay_in_a_flow_is_the_ridge_flow():
    problem, rng = gaussian(2)
    w0, lam = rng.standard_normal(6), 0.3
    # (λ/2)‖w‖² is n more rows: ½(λw) of a regression with rows √(nλ)·I and the same divisor n
    run = ib.simulate(
        ib.Setting(problem, ib.Linear(), ib.GradientFlow(weight_decay=lam), w0), ib.Stop(time=1.5)
    )
    from scipy.linalg import expm

    S = problem.X.T @ problem.X / 4 + lam * np.eye(6)
    rest = np.linalg.solve(S, problem.X.T @ problem.y / 4)
    np.testing.assert_allclose(run.w, rest + expm(-1.5 * S) @ (w0 - rest), rtol=FLOW, atol=FLOW)


def conserved(model, theta):
    """The quantities that a model's docstring says its gradient flow conserves."""
    if isinstance(model, ib.Diagonal):
        return [theta[0] * theta[1]]
    if isinstance(model, ib.Hadamard):
        return [theta[0] ** 2 - theta[1] ** 2]
    if isinstance(model, ib.DeepLinear):
        return [b.T @ b - a @ a.T for a, b in zip(theta, theta[1:])]
    return [theta[0].T @ theta[0] - theta[1].T @ theta[1]]


LAWS = {
    "diagonal": ib.Diagonal(),
    "hadamard": ib.Hadamard(),
    "deep": ib.DeepLinear((3, 4, 2, 2)),
    "factors": ib.MatrixFactorization(3),
}


@pytest.mark.parametrize("name", LAWS)
def test_conservation_laws_in_the_ordinary_chart(name):
    model = LAWS[name]
    rng = np.random.default_rng(3)
    if name in ("diagonal", "hadamard"):
        problem, init = gaussian(3)[0], 0.5 + rng.random((2, 6))
    else:
        problem = ib.MatrixRegression(rng.standard_normal((5, 3)), rng.standard_normal((5, 2)))
        shapes = model.shapes(problem).values()
        init = tuple(0.5 * rng.standard_normal(s) for s in shapes)
    run = ib.simulate(
        ib.Setting(problem, model, ib.GradientFlow(), init), ib.Stop(time=10.0), chart="ordinary"
    )
    assert run.loss < 0.9 * problem.loss(run.setting.w0)  # it has moved
    for before, after in zip(conserved(model, init), conserved(model, run.theta)):
        # a quadratic invariant of numbers of order 1, kept to the integrator's tolerance only
        np.testing.assert_allclose(after, before, atol=FLOW)


@pytest.mark.parametrize("name", ["linear", "diagonal", "deep"])
def test_gradient_descent_is_a_first_order_method_for_its_flow(name):
    """At a fixed time, half the step is half the error: ratio 2(1 + O(η)) with η = 1/400."""
    problem, rng = gaussian(4)
    model, init = {
        "linear": (ib.Linear(), rng.standard_normal(6)),
        "diagonal": (ib.Diagonal(), 0.5 + rng.random((2, 6))),
        "deep": (ib.DeepLinear((6, 3, 1)), (rng.standard_normal((3, 6)), rng.standard_normal((1, 3)))),
    }[name]
    exact = ib.simulate(ib.Setting(problem, model, ib.GradientFlow(), init), ib.Stop(time=1.0)).w
    errors = [
        np.linalg.norm(
            ib.simulate(ib.Setting(problem, model, ib.GradientDescent(1 / m), init), ib.Stop(steps=m)).w
            - exact
        )
        for m in (200, 400)
    ]
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("loss", ["exp", "logistic"])
@pytest.mark.parametrize("model", [ib.Linear(), ib.Diagonal()], ids=["linear", "diagonal"])
def test_the_logarithmic_clock_tells_the_same_time(model, loss, separable):
    problem = separable(loss)
    init = np.zeros(3) if model == ib.Linear() else np.full((2, 3), 0.5)
    setting = ib.Setting(problem, model, ib.GradientFlow(), init)
    plain = ib.simulate(setting, ib.Stop(time=50.0))
    log = ib.simulate(setting, ib.Stop(log_time=np.log(50.0)))
    assert plain.status == log.status == "converged"
    assert log.time == pytest.approx(50.0, rel=1e-14)
    np.testing.assert_allclose(log.w, plain.w, rtol=FLOW, atol=FLOW)


@pytest.mark.parametrize("log_time", [-2.0, 0.0])
def test_log_times_below_zero(log_time, separable):
    setting = ib.Setting(separable(), ib.Linear(), ib.GradientFlow())
    run = ib.simulate(setting, ib.Stop(log_time=log_time))
    same = ib.simulate(setting, ib.Stop(time=np.exp(log_time)))
    assert run.log_time == pytest.approx(log_time, abs=1e-15)
    np.testing.assert_allclose(run.w, same.w, rtol=FLOW)


def test_one_point_at_an_astronomical_time():
    """ẇ = e^{−w} (two mirrored points: z = 1 twice): w = ln(1 + t), so w = log t at t = e^{1000}."""
    problem = ib.Classification([[1.0], [-1.0]], [1, -1])
    setting = ib.Setting(problem, ib.Linear(), ib.GradientFlow())
    run = ib.simulate(setting, ib.Stop(log_time=1000.0))
    assert run.w[0] == pytest.approx(1000.0, rel=1e-9)
    assert run.log_loss == pytest.approx(-1000.0, rel=1e-9)
    assert run.time == np.inf
    assert run.log_time == 1000.0
    run = ib.simulate(setting, ib.Stop(margin=500.0))
    assert run.status == "converged"
    assert run.w[0] >= 500.0
    assert run.margin(2) == 1.0  # normalised by ‖w‖
    assert run.log_time == pytest.approx(run.w[0], rel=1e-9)


@pytest.mark.parametrize("goal", [{"log_loss": -1000.0}, {"loss": 0.0}, {}], ids=str)
def test_a_goal_beyond_the_range_of_time_ends_as_a_status(goal, separable):
    """The loss is about 1/t: no float time reaches these, and nothing may raise or hang."""
    setting = ib.Setting(separable(), ib.Linear(), ib.GradientFlow())
    run = ib.simulate(setting, ib.Stop(**goal))
    if goal == {"log_loss": -1000.0} and run.status == "converged":
        assert run.log_loss <= -1000.0
    else:
        assert run.status in ("budget", "failed", "floor")
    assert run.message


@pytest.mark.parametrize("chart", ["ordinary", "log"])
def test_block_rates_are_time_changes_of_the_blocks(chart):
    """θ̇_u = −a∇_u, θ̇_v = −b∇_v: with u = √a·u′, v = √b·v′ the flow is a plain one of u′² a − v′² b;
    checked against an independent integration of the equations."""
    from scipy.integrate import solve_ivp

    problem, rng = gaussian(5)
    init = 0.3 + 0.2 * rng.random((2, 6))
    setting = ib.Setting(problem, ib.Diagonal(), ib.GradientFlow(rates=(2.0, 0.5)), init)
    run = ib.simulate(setting, ib.Stop(time=3.0), chart=chart)
    assert run.chart == chart

    def field(t, q):
        u, v = q.reshape(2, 6)
        g = problem.gradient(u**2 - v**2)
        return np.concatenate([-2.0 * 2 * u * g, 0.5 * 2 * v * g])

    end = solve_ivp(field, (0, 3.0), init.ravel(), "DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    np.testing.assert_allclose(run.theta, end.reshape(2, 6), rtol=FLOW)


@pytest.mark.parametrize(
    ("model", "chart"),
    [
        (m, c)
        for m in (ib.Diagonal(), ib.Hadamard(), ib.Linear())
        for c in ("ordinary", "log", "dual")
        if (m, c) != (ib.Linear(), "log")
    ],
    ids=lambda v: v if isinstance(v, str) else type(v).__name__,
)
def test_a_common_rate_is_a_change_of_time(model, chart):
    problem, rng = gaussian(6)
    init = rng.standard_normal(6) if model == ib.Linear() else 0.5 + rng.random((2, 6))
    rates = (3.0,)
    if model != ib.Linear():
        rates = (3.0, 3.0)
    fast = ib.Setting(problem, model, ib.GradientFlow(rates), init)
    plain = ib.Setting(problem, model, ib.GradientFlow(), init)
    a = ib.simulate(fast, ib.Stop(time=1.0), chart=chart).w
    b = ib.simulate(plain, ib.Stop(time=3.0), chart=chart).w
    np.testing.assert_allclose(a, b, rtol=FLOW, atol=FLOW)


def test_block_rates_of_a_tuple(rng):
    """U frozen but for a rate of 1e-12, V moves alone: a linear flow of V."""
    from scipy.linalg import expm

    T = rng.standard_normal((3, 2))
    U, V = rng.standard_normal((3, 3)), rng.standard_normal((2, 3))
    flow = ib.GradientFlow(rates=(1e-12, 1.0))
    setting = ib.Setting(ib.MatrixRegression.whitened(T), ib.MatrixFactorization(3), flow, (U, V))
    run = ib.simulate(setting, ib.Stop(time=1.0))
    # V̇ = −(UVᵀ − T)ᵀU = −V UᵀU + TᵀU; U is generic, UᵀU invertible
    M = U.T @ U
    rest = T.T @ U @ np.linalg.inv(M)
    np.testing.assert_allclose(run.theta[1], rest + (V - rest) @ expm(-M), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("model", [ib.Linear(), ib.Diagonal(), ib.Hadamard()], ids=lambda m: type(m).__name__)
def test_a_flow_can_be_continued(model):
    problem, rng = gaussian(7)
    init = rng.standard_normal(6) if model == ib.Linear() else 0.5 + rng.random((2, 6))
    setting = ib.Setting(problem, model, ib.GradientFlow(), init)
    whole = ib.simulate(setting, ib.Stop(time=5.0))
    first = ib.simulate(setting, ib.Stop(time=2.0))
    rest = ib.simulate(setting, ib.Stop(time=5.0), state=first.state)
    assert rest.time == whole.time == 5.0
    np.testing.assert_allclose(rest.w, whole.w, rtol=FLOW, atol=FLOW)


def test_history_at_requested_times_is_that_of_separate_runs():
    problem, _ = gaussian(8)
    setting = ib.Setting(problem, ib.Diagonal(), ib.GradientFlow(), ib.Balanced(0.1))
    times = [0.0, 0.5, 1.7, 4.0]
    run = ib.simulate(setting, ib.Stop(time=4.0), ib.Save(at=times, fields=("loss", "w", "theta")))
    assert run.history["time"].tolist() == times
    for i, t in enumerate(times[1:], 1):
        alone = ib.simulate(setting, ib.Stop(time=t))
        # dense output of an integrator at 1e-10 a step
        np.testing.assert_allclose(run.history["w"][i], alone.w, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(run.history["loss"][i], alone.loss, rtol=1e-7)
    assert (run.history["w"][0] == setting.w0).all()
    np.testing.assert_allclose(run.history["theta"][-1], run.theta, rtol=1e-12)


def test_history_at_log_times(separable):
    setting = ib.Setting(separable(), ib.Linear(), ib.GradientFlow())
    moments = [-1.0, 0.0, 2.0, 5.0]
    run = ib.simulate(setting, ib.Stop(log_time=5.0), ib.Save(at=moments, fields=("w", "log_loss", "time")))
    np.testing.assert_allclose(run.history["log_time"], moments, atol=1e-14)
    for i, s in enumerate(moments):
        alone = ib.simulate(setting, ib.Stop(time=np.exp(s)))
        np.testing.assert_allclose(run.history["w"][i], alone.w, rtol=1e-7)
    np.testing.assert_allclose(run.history["time"], np.exp(moments), rtol=1e-13)


@pytest.mark.parametrize("method", ["lsoda", "radau"])
def test_tolerances_are_obeyed(method):
    """A tolerance a thousand times larger is less work and still right to its own size."""
    problem, rng = gaussian(9)
    init = 0.5 + rng.random((2, 6))
    setting = ib.Setting(problem, ib.Diagonal(), ib.GradientFlow(), init)
    tight, loose = (
        ib.simulate(setting, ib.Stop(time=5.0), rtol=r, atol=r, chart="ordinary", method=method)
        for r in (1e-11, 1e-6)
    )
    assert loose.steps < tight.steps
    error = np.abs(loose.w - tight.w).max()
    assert 1e-12 < error < 1e-4  # rtol a step over at most a hundred steps


def test_unknown_method():
    problem, _ = gaussian(0)
    with pytest.raises(ValueError, match='"lsoda", "radau" or "midpoint", got \'euler\''):
        ib.simulate(ib.Setting(problem, ib.Linear(), ib.GradientFlow()), method="euler")
