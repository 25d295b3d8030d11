"""Modified equations: their fields against closed forms, and epochs without replacement."""

import itertools

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.dynamics.charts import choose_chart, jacobian


def field(problem, flow, w):
    """θ̇ of a flow on the linear model."""
    chart = choose_chart(ib.Setting(problem, ib.Linear(), flow, w), "auto")
    return -chart.gradient(w, problem.gradient(w))


@pytest.fixture
def start(regression):
    return np.linspace(-1, 1, regression.w_shape[0])


def test_on_a_quadratic_the_hessian_is_the_covariance(regression, start):
    h, beta, g = 0.1, 0.6, regression.gradient(start)
    H = regression.X.T @ regression.X / regression.n
    expected = -(g + h / 2 * H @ g)
    np.testing.assert_allclose(
        field(regression, ib.ModifiedFlow(ib.GradientDescent(h)), start), expected, rtol=1e-11
    )
    expected = -(g + h / 2 * (1 + beta) / (1 - beta) ** 2 * H @ g) / (1 - beta)
    np.testing.assert_allclose(
        field(regression, ib.ModifiedFlow(ib.HeavyBall(h, beta)), start), expected, rtol=1e-11
    )


def test_adam_with_both_regularisations(regression, start):
    h, b1, b2, eps, root = 0.1, 0.5, 0.8, 0.2, 0.3
    H, g = regression.X.T @ regression.X / regression.n, regression.gradient(start)
    S = np.sqrt(g**2 + root)
    D = S + eps
    lag = (1 + b1) / (1 - b1) - (1 + b2) / (1 - b2) * g**2 / (S * D)
    flow = ib.ModifiedFlow(ib.Adam(h, b1, b2, eps, root))
    np.testing.assert_allclose(
        field(regression, flow, start), -(g + h / 2 * lag * (H @ (g / D))) / D, rtol=1e-11
    )


@pytest.mark.parametrize("b", [1, 2, 4])
def test_the_mean_over_batches_is_that_of_all_partitions(b, regression, start):
    """E[H_B g_B] over all batches of b of the four samples."""
    X, y, n, h = regression.X, regression.y, 4, 0.1
    mean, batches = np.zeros(X.shape[1]), list(itertools.combinations(range(n), b))
    for B in map(list, batches):
        mean += X[B].T @ X[B] / b @ (X[B].T @ (X[B] @ start - y[B]) / b) / len(batches)
    flow = ib.ModifiedFlow(ib.SGD(h, b, order="shuffled"))
    np.testing.assert_allclose(
        field(regression, flow, start), -(regression.gradient(start) + h / 2 * mean), rtol=1e-11
    )


@pytest.mark.parametrize(
    "step",
    [
        ib.GradientDescent(0.1),
        ib.SGD(0.1, 2, "shuffled"),
        ib.HeavyBall(0.1, 0.5),
        ib.Adam(0.1, 0.5, 0.8, 0.0, 0.1),
    ],
)
def test_the_field_is_analytic(step, regression):
    """One batched complex step gives the Jacobian of central differences, also where a difference is inside."""
    theta = 0.5 + 0.3 * np.cos(np.arange(12)).reshape(2, 6)
    setting = ib.Setting(regression, ib.Diagonal(), ib.ModifiedFlow(step), theta)
    chart = choose_chart(setting, "auto")

    def velocity(q):
        return -chart.gradient(q, regression.gradient(chart.predictor(q)))

    q, h = setting.start, 1e-5
    slopes = [(velocity(q + h * e) - velocity(q - h * e)) / (2 * h) for e in np.eye(q.size)]
    np.testing.assert_allclose(jacobian(velocity, q), np.array(slopes).T, atol=1e-7 * np.max(np.abs(slopes)))


def test_weight_decay_is_the_steps(regression, start):
    """L + (λ/2)‖w‖² has the gradient g + λw and the Hessian H + λI."""
    h, lam = 0.1, 0.3
    flow = ib.ModifiedFlow(ib.GradientDescent(h, weight_decay=lam))
    assert flow.weight_decay == lam
    setting = ib.Setting(regression, ib.Linear(), flow, start)
    assert ib.Setting.from_dict(setting.to_dict()) == setting
    H = regression.X.T @ regression.X / regression.n + lam * np.eye(len(start))
    g = regression.gradient(start) + lam * start
    np.testing.assert_allclose(field(regression, flow, start), -(g + h / 2 * H @ g), rtol=1e-11)
    with pytest.raises(ValueError, match="give it there"):
        ib.ModifiedFlow(ib.GradientDescent(h), weight_decay=0.1)


@pytest.mark.parametrize(
    "step",
    [ib.SGD(0.1), ib.Nesterov(0.1), ib.GradientDescent(ib.Decay(0.1, 0.5)), ib.GradientDescent([0.1, 0.2])],
)
def test_what_has_no_modified_flow(step):
    with pytest.raises(ValueError, match="ModifiedFlow needs"):
        ib.ModifiedFlow(step)


def test_an_epoch_takes_every_sample_once(regression):
    """From any state, n steps of one sample at a step so small that only the first order is left."""
    h, n, w0 = 1e-8, regression.n, np.linspace(-1, 1, regression.w_shape[0])
    setting = ib.Setting(regression, ib.Linear(), ib.SGD(h, order="shuffled"), w0)
    for epochs in (1, 2, 5):
        run = ib.simulate(setting, ib.Stop(steps=epochs * n), rng=epochs)
        np.testing.assert_allclose((w0 - run.w) / (h * epochs * n), regression.gradient(w0), atol=1e-6)
    replaced = ib.simulate(ib.Setting(regression, ib.Linear(), ib.SGD(h), w0), ib.Stop(steps=n), rng=1)
    assert np.linalg.norm((w0 - replaced.w) / (h * n) - regression.gradient(w0)) > 1e-2


def test_every_order_is_drawn_equally_often(regression):
    """χ² of the first sample and of the whole order over 600 epochs: 5 standard deviations above the mean."""
    h, w0 = 1e-6, np.zeros(regression.w_shape[0])
    setting = ib.Setting(regression, ib.Linear(), ib.SGD(h, order="shuffled"), w0)
    each = regression.each_gradient(np.zeros((4, len(w0))))
    seen = []
    for seed in range(600):
        run = ib.simulate(setting, ib.Stop(steps=4), ib.Save(every=1, fields=("w",)), rng=seed)
        moves = -np.diff(run.history["w"], axis=0) / h
        seen.append(tuple(np.argmin(np.linalg.norm(each - m, axis=1)) for m in moves))
    counts = np.array([seen.count(order) for order in itertools.permutations(range(4))])
    assert counts.sum() == 600  # each one is an order
    chi2 = np.sum((counts - 25.0) ** 2 / 25.0)
    assert chi2 < 23 + 5 * np.sqrt(2 * 23)


def test_epochs_go_on_where_they_were_left(regression):
    setting = ib.Setting(
        regression, ib.Linear(), ib.SGD(0.05, order="shuffled"), np.ones(regression.w_shape[0])
    )
    whole = ib.simulate(setting, ib.Stop(steps=11), rng=5)
    part = ib.simulate(setting, ib.Stop(steps=6), rng=5)
    rest = ib.simulate(setting, ib.Stop(steps=5), rng=5, state=part.state)
    np.testing.assert_array_equal(whole.w, rest.w)


def test_batches_divide_the_samples(regression):
    with pytest.raises(ValueError, match="divide n"):
        ib.Setting(regression, ib.Linear(), ib.SGD(0.1, 3, order="shuffled"))
    ib.Setting(regression, ib.Linear(), ib.SGD(0.1, 3))


def test_a_task_of_fewer_samples_begins_an_epoch(regression):
    """Six of four samples leave two in the memory, one of which the next task may not have."""
    fewer = ib.Regression(regression.X[:2], regression.y[:2])
    tasks = ib.Tasks([regression, fewer], keep_state=True)
    setting = ib.Setting(tasks, ib.Linear(), ib.SGD(0.1, order="shuffled"), np.zeros(regression.w_shape[0]))
    for seed in range(5):
        assert ib.simulate(setting, ib.Stop(steps=6), rng=seed).converged
