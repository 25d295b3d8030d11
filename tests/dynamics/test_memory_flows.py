"""Flows with memory or coordinates of their own, weight decay that is switched off, and tasks."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import expm

import implicitbias as ib


def spectrum(problem):
    return problem.X.T @ problem.X / problem.n


def test_momentum_flow_on_a_linear_model_is_the_matrix_exponential(regression):
    """d/dt (e, p) = [[0, I], [−H/λ, −I/λ]] (e, p) around any interpolant."""
    H = spectrum(regression)
    d, lam, t = len(H), 0.7, 2.5
    interpolant = np.linalg.lstsq(regression.X, regression.y, rcond=None)[0]
    M = np.block([[np.zeros((d, d)), np.eye(d)], [-H / lam, -np.eye(d) / lam]])
    w0 = np.linspace(-1, 1, d)
    exact = interpolant + (expm(M * t) @ np.concatenate([w0 - interpolant, np.zeros(d)]))[:d]
    run = ib.simulate(ib.Setting(regression, ib.Linear(), ib.MomentumFlow(lam), w0), ib.Stop(time=t))
    np.testing.assert_allclose(run.w, exact, rtol=1e-8, atol=1e-9)  # rtol 1e-10 of the integrator
    assert run.accumulators == {}


@pytest.mark.parametrize("model", [ib.Diagonal(), ib.Hadamard()])
def test_momentum_flow_accumulates_what_it_says(model, regression):
    """θ, θ̇ and ∫(ẇ±/w±)² by another integrator at another tolerance."""
    lam, t, d = 0.05, 3.0, regression.w_shape[0]
    theta0 = 0.6 + 0.1 * np.cos(np.arange(2 * d)).reshape(2, d)
    theta0[1] *= 0.5
    setting = ib.Setting(regression, model, ib.MomentumFlow(lam), theta0)
    T = np.eye(2 * d) if isinstance(model, ib.Diagonal) else np.kron([[1, 1], [1, -1]], np.eye(d))

    def field(_, s):
        theta, p = s[: 2 * d], s[2 * d : 4 * d]
        shaped = theta.reshape(2, d)
        pulled = np.ravel(model.pullback(shaped, regression.gradient(model.predictor(shaped))))
        return np.concatenate([p, -(p + pulled) / lam, (T @ p / (T @ theta)) ** 2])

    start = np.concatenate([np.ravel(theta0), np.zeros(4 * d)])
    end = solve_ivp(field, (0, t), start, method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    run = ib.simulate(setting, ib.Stop(time=t))
    np.testing.assert_allclose(np.ravel(run.theta), end[: 2 * d], rtol=1e-7, atol=1e-8)
    a, b = np.split(end[4 * d :], 2)
    np.testing.assert_allclose(run.accumulators["log_shrink"], -lam * (a + b), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(run.accumulators["shift"], -lam * (a - b), rtol=1e-6, atol=1e-9)
    assert run.accumulators["crossing"].tolist() == [np.inf, np.inf]


def test_a_crossing_is_seen_and_timed():
    """One sample, one coordinate, λ large: the factor that shrinks overshoots zero."""
    problem = ib.Regression([[1.0]], [1.0])
    setting = ib.Setting(problem, ib.Diagonal(), ib.MomentumFlow(5.0), np.array([[0.3], [0.8]]))
    run = ib.simulate(setting, ib.Stop(loss=1e-20, time=1e4))
    assert run.converged
    time, step = run.accumulators["crossing"]
    assert 0 < time < run.time
    assert 0 < step < run.steps
    seen = ib.simulate(setting, ib.Stop(time=float(time)))
    assert seen.theta[1, 0] <= 0 < ib.simulate(setting, ib.Stop(time=0.9 * seen.time)).theta[1, 0]


def test_mirror_flow_is_the_preconditioned_flow_of_its_hessian(regression):
    psi = ib.Hypentropy(np.log(0.5))
    w0 = np.linspace(-1, 1, 6)
    mirror = ib.simulate(ib.Setting(regression, ib.Linear(), ib.MirrorFlow(psi), w0), ib.Stop(time=1.0))
    metric = ib.PreconditionedFlow(lambda w: 1 / psi.hessian(w))
    plain = ib.simulate(ib.Setting(regression, ib.Linear(), metric, w0), ib.Stop(time=1.0))
    np.testing.assert_allclose(mirror.w, plain.w, rtol=1e-7, atol=1e-9)
    assert mirror.chart == "mirror"


# -- weight decay that is switched off -----------------------------------------------------------


@pytest.mark.parametrize("chart", ["ordinary", "log"])
@pytest.mark.parametrize("model", [ib.Diagonal(), ib.Hadamard(), ib.Diagonal(3)])
def test_weight_decay_means_the_same_in_both_charts(model, chart, regression):
    d = regression.w_shape[0]
    theta0 = 0.6 + 0.1 * np.cos(np.arange(2 * d)).reshape(2, d)
    theta0[1] *= 0.5
    flow = ib.GradientFlow(weight_decay=0.2)
    run = ib.simulate(ib.Setting(regression, model, flow, theta0), ib.Stop(time=2.0), chart=chart)

    def field(_, s):
        theta = s.reshape(2, d)
        return -np.ravel(model.pullback(theta, regression.gradient(model.predictor(theta)))) - 0.2 * s

    end = solve_ivp(field, (0, 2.0), np.ravel(theta0), method="DOP853", rtol=1e-11, atol=1e-13).y[:, -1]
    np.testing.assert_allclose(np.ravel(run.theta), end, rtol=1e-7, atol=1e-8)


def test_decay_is_switched_off_at_its_time(regression):
    """Two flows one after the other: with decay to T, then without."""
    init, decay = np.full((2, 6), 0.4), ib.Until(0.3, 1.5)
    setting = ib.Setting(regression, ib.Diagonal(), ib.GradientFlow(weight_decay=decay), init)
    run = ib.simulate(setting, ib.Stop(time=4.0))
    kept = ib.Setting(regression, ib.Diagonal(), ib.GradientFlow(weight_decay=0.3), init)
    first = ib.simulate(kept, ib.Stop(time=1.5))
    free = ib.Setting(regression, ib.Diagonal(), ib.GradientFlow(), first.theta)
    np.testing.assert_allclose(run.w, ib.simulate(free, ib.Stop(time=2.5)).w, rtol=1e-8, atol=1e-10)
    # uv shrinks by e^{−2λT}: linear in the log chart, so exact
    np.testing.assert_allclose(np.prod(run.theta, axis=0), 0.16 * np.exp(-2 * 0.3 * 1.5), rtol=1e-12)
    np.testing.assert_allclose(run.accumulators["log_shrink"], -0.9, rtol=1e-14)


def test_a_run_that_ends_before_the_switch_has_decayed_to_its_end(regression):
    setting = ib.Setting(
        regression, ib.Diagonal(), ib.GradientFlow(weight_decay=ib.Until(0.3, 1.5)), ib.Balanced(0.4)
    )
    first = ib.simulate(setting, ib.Stop(time=1.0))
    np.testing.assert_allclose(first.accumulators["log_shrink"], -0.6, rtol=1e-14)
    rest = ib.simulate(setting, ib.Stop(time=4.0), state=first.state)
    whole = ib.simulate(setting, ib.Stop(time=4.0))
    np.testing.assert_allclose(rest.w, whole.w, rtol=1e-8, atol=1e-10)


def test_nothing_rests_while_the_law_will_still_change():
    """With decay on, zero data hold w at zero; the loss goal is only met once decay is off."""
    problem = ib.Regression(np.eye(3), [0.05, -0.02, 0.01])
    for optimizer in (
        ib.GradientFlow(weight_decay=ib.Until(1.0, 30.0)),
        ib.GradientDescent(0.2, weight_decay=ib.Until(1.0, 30.0)),
    ):
        setting = ib.Setting(problem, ib.Diagonal(), optimizer, ib.Balanced(0.1))
        run = ib.simulate(setting, ib.Stop(loss=1e-20))
        assert run.converged
        assert run.time > 30


@pytest.mark.parametrize("engine", ["python", "numba"])
@pytest.mark.parametrize("model", [ib.Diagonal(), ib.Hadamard()])
def test_steps_accumulate_their_decay(model, engine, regression):
    """|w₊w₋| is what the accumulated logarithm says, step sizes and switch included."""
    optimizer = ib.GradientDescent(0.05, weight_decay=ib.Until(0.4, 2.0))
    setting = ib.Setting(regression, model, optimizer, 0.4 + 0.1 * np.arange(12.0).reshape(2, 6) / 12)
    run = ib.simulate(setting, ib.Stop(steps=100), engine=engine)
    before, after = (model.products(np.ravel(t)).reshape(2, 6) for t in (setting.theta0, run.theta))
    shrink = np.log(np.abs(np.prod(after, axis=0) / np.prod(before, axis=0)))
    np.testing.assert_allclose(run.accumulators["log_shrink"], shrink, rtol=1e-10, atol=1e-12)


# -- accumulators of perturbed and noisy steps ---------------------------------------------------


@pytest.mark.parametrize("model", [ib.Diagonal(), ib.Hadamard()])
@pytest.mark.parametrize(
    "optimizer",
    [
        ib.SAM(0.1, 0.2), ib.SAM(0.05, 0.1, per_sample=True), ib.SAM(0.1, 0.05, normalized=True),
        ib.SAM(0.05, 0.05, True, True), ib.LabelNoiseSGD(0.02, 0.5), ib.LabelNoiseSGD(0.02, 0.5, batch=None),
        ib.StochasticGradientFlow(0.02), ib.SAM(0.1, 0.2, weight_decay=0.1),
        ib.StochasticGradientFlow(0.02, 0.05, weight_decay=0.1),
    ],
    ids=lambda o: repr(o)[:60],
)  # fmt: skip
def test_products_move_as_accumulated(model, optimizer, regression):
    """ln|w₊w₋| changes by log_shrink, and ln|w₊/w₋| by shift up to the row space."""
    setting = ib.Setting(regression, model, optimizer, 0.4 + 0.1 * np.arange(12.0).reshape(2, 6) / 12)
    run = ib.simulate(setting, ib.Stop(steps=60), rng=5)
    before, after = (
        np.log(np.abs(model.products(np.ravel(t)).reshape(2, 6))) for t in (setting.theta0, run.theta)
    )
    change = after - before
    np.testing.assert_allclose(run.accumulators["log_shrink"], change.sum(0), rtol=1e-10, atol=1e-12)
    off_row = np.eye(6) - np.linalg.pinv(regression.X) @ regression.X
    rest = change[0] - change[1] - run.accumulators["shift"]
    assert np.max(np.abs(off_row @ rest)) < 1e-12
    assert np.max(np.abs(rest)) > 0.1  # the row-space part is there


def test_label_noise_has_the_law_it_states(regression):
    """One step from w₀: the mean over many seeds is the gradient step, the full batch's covariance σ²XᵀX/n²."""
    eta, sigma, n = 0.1, 0.7, regression.n
    w0 = np.linspace(-1, 1, 6)
    setting = ib.Setting(regression, ib.Linear(), ib.LabelNoiseSGD(eta, sigma, batch=None), w0)
    runs = ib.simulate(setting, ib.Stop(steps=1), rng=list(range(4000)))
    noise = (w0 - runs.w) / eta - regression.gradient(w0)
    xi = noise @ np.linalg.pinv(regression.X) * n  # ξ = ±σ, each of 2ⁿ equally likely
    np.testing.assert_allclose(np.abs(xi), sigma, rtol=1e-10)
    assert np.max(np.abs(np.mean(np.sign(xi), axis=0))) < 6 / np.sqrt(4000)
    pairs = np.sign(xi).T @ np.sign(xi) / 4000 - np.eye(n)
    assert np.max(np.abs(pairs)) < 6 / np.sqrt(4000)


def test_the_stochastic_flow_is_the_flow_without_noise(regression):
    """γ → 0 at fixed dt: log-Euler of the gradient flow, first order in dt."""
    init = ib.Balanced(0.5)
    flow = ib.simulate(ib.Setting(regression, ib.Diagonal(), ib.GradientFlow(), init), ib.Stop(time=1.0))
    ends = [
        ib.simulate(
            ib.Setting(regression, ib.Diagonal(), ib.StochasticGradientFlow(1e-14, dt), init),
            ib.Stop(time=1.0),
        ).w
        for dt in (0.02, 0.01)
    ]
    errors = [np.linalg.norm(w - flow.w) for w in ends]
    assert 1.8 < errors[0] / errors[1] < 2.2


# -- tasks ---------------------------------------------------------------------------------------


def two_tasks(rng):
    w = rng.standard_normal(8)
    X = rng.standard_normal((2, 3, 8))
    return [ib.Regression(A, A @ w) for A in X]


def test_tasks_are_trained_one_after_the_other(rng):
    problems = two_tasks(rng)
    w0 = rng.standard_normal(8)
    tasks = ib.Tasks(problems * 2)
    run = ib.simulate(ib.Setting(tasks, ib.Linear(), ib.NaturalGradient(1.0), w0), ib.Stop(loss=1e-26))
    w, path = w0, []
    for p in problems * 2:
        w = w + np.linalg.pinv(p.X) @ (p.y - p.X @ w)
        path.append(w)
    np.testing.assert_allclose(run.history["w"], path, rtol=1e-10, atol=1e-12)
    assert run.w.tolist() == run.parts[-1].w.tolist()
    assert run.status == "converged"
    assert run.steps == sum(r.steps for r in run.parts) == 4
    losses = [[float(p.loss(v)) for p in tasks.problems] for v in path]
    np.testing.assert_allclose(run.history["losses"], losses, rtol=1e-8, atol=1e-24)


def test_a_task_that_is_not_finished_is_named(rng):
    tasks = ib.Tasks(two_tasks(rng))
    run = ib.simulate(ib.Setting(tasks, ib.Linear(), ib.GradientDescent(1e-3)), ib.Stop(loss=1e-20, steps=5))
    assert run.status == "budget"
    assert run.message.startswith("task 0: ")


def test_memory_is_kept_or_begins_anew(rng):
    problems = two_tasks(rng)
    runs = [
        ib.simulate(
            ib.Setting(ib.Tasks(problems, keep), ib.Linear(), ib.HeavyBall(0.05, 0.9)), ib.Stop(steps=20)
        )
        for keep in (True, False)
    ]
    assert [r.steps for r in runs] == [40, 40]
    theta, v, ends = np.zeros(8), np.zeros(8), []
    for p in problems:
        for _ in range(20):
            v = 0.9 * v - 0.05 * p.gradient(theta)
            theta = theta + v
        ends.append(theta)
    np.testing.assert_allclose(runs[0].history["w"], ends, rtol=1e-12)
    np.testing.assert_allclose(runs[1].parts[0].w, ends[0], rtol=1e-12)
    assert np.linalg.norm(runs[1].w - ends[1]) > 1e-3


def test_bad_tasks_are_refused(regression):
    for bad in ([], [1.0], "ab", [ib.Tasks([regression])]):
        with pytest.raises(ValueError, match="Tasks needs a list of problems"):
            ib.Tasks(bad)
    with pytest.raises(ValueError, match="different shapes"):
        ib.Tasks([regression, ib.Regression([[1.0]], [1.0])])
    setting = ib.Setting(ib.Tasks([regression]), ib.Linear(), ib.GradientDescent(0.1))
    run = ib.simulate(setting, ib.Stop(steps=2))
    with pytest.raises(ValueError, match=r"init=run\.theta"):
        ib.simulate(setting, ib.Stop(steps=2), state={"optimizer_type": "GradientDescent"})
    assert run.parts[0].steps == 2
