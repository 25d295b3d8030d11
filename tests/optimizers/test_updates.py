"""Every step optimizer on one battery: its docstring's equation, progress, and continued runs."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.optimizers.base import step_sizes

P = np.array([[2.0, 0.5, 0, 0, 0, 0], [0.5, 1.0, 0, 0, 0, 0], *np.eye(6)[2:].tolist()])
C = ib.Hypentropy(np.log(0.5))


class Spoken:
    """What a docstring's equation can name: g(θ) = ∇L(θ), the step η_k, and an equation's memory."""

    def __init__(self, problem, theta):
        self.problem, self.theta, self.v, self.before = problem, theta, 0.0 * theta, theta

    def g(self, theta):
        X, y = self.problem.X, self.problem.y
        return X.T @ (X @ theta - y) / len(y)


def gradient_descent(s, k):
    s.theta = s.theta - 0.3 * s.g(s.theta)


def decayed(s, k):
    s.theta = s.theta - 0.3 * (s.g(s.theta) + 0.2 * s.theta)


def shrinking(s, k):
    s.theta = s.theta - 0.3 / (k + 1) ** 0.5 * s.g(s.theta)


def heavy_ball(s, k):
    s.v = 0.6 * s.v - 0.2 * s.g(s.theta)
    s.theta = s.theta + s.v


def nesterov(s, k):
    q = s.theta + k / (k + 3) * (s.theta - s.before)
    s.before, s.theta = s.theta, q - 0.3 * s.g(q)


def nesterov_constant(s, k):
    q = s.theta + 0.6 * (s.theta - s.before)
    s.before, s.theta = s.theta, q - 0.3 * s.g(q)


def preconditioned(s, k):
    s.theta = s.theta - 0.2 * P @ s.g(s.theta)


def preconditioned_diagonal(s, k):
    s.theta = s.theta - 0.2 * np.array([1, 2, 1, 2, 1, 2]) * s.g(s.theta)


def preconditioned_callable(s, k):
    s.theta = s.theta - 0.1 * (1 + s.theta**2) * s.g(s.theta)


def mirror(s, k):  # ∇ψ = arcsinh(w/c), c = ½
    z = np.arcsinh(s.theta / 0.5) - 0.3 * s.g(s.theta)
    s.theta = 0.5 * np.sinh(z)


def steepest_inf(s, k):
    g = s.g(s.theta)
    s.theta = s.theta - 0.05 * np.abs(g).sum() * np.sign(g)


def steepest_43(s, k):  # q = 4
    g = s.g(s.theta)
    dual = np.sum(g**4) ** 0.25
    s.theta = s.theta - 0.2 * dual * np.sign(g) * (np.abs(g) / dual) ** 3


def normalized(s, k):
    g = s.g(s.theta)
    s.theta = s.theta - 0.3 / (k + 1) ** 0.5 * g / np.linalg.norm(g)


def sign(s, k):
    s.theta = s.theta - 0.2 / (k + 1) ** 0.5 * np.sign(s.g(s.theta))


def signum(s, k):
    s.v = 0.5 * s.v + s.g(s.theta)
    s.theta = s.theta - 0.2 / (k + 1) ** 0.5 * np.sign(s.v)


def coordinate(s, k):
    g = s.g(s.theta)
    j = np.argmax(np.abs(g))
    s.theta = s.theta - 0.3 / (k + 1) ** 0.5 * np.sign(g[j]) * np.eye(len(g))[j]


def adagrad(s, k):
    g = s.g(s.theta)
    s.v = s.v + g**2
    s.theta = s.theta - 0.5 * g / (np.sqrt(s.v) + 0.01)


def rmsprop(s, k):
    g = s.g(s.theta)
    s.v = 0.8 * s.v + 0.2 * g**2
    s.theta = s.theta - 0.2 / (k + 1) ** 0.75 * g / (np.sqrt(s.v) + 0.1)


def adam_direction(s, k, g):
    s.m = 0.5 * getattr(s, "m", 0.0) + 0.5 * g
    s.v = 0.8 * s.v + 0.2 * g**2
    return s.m / (1 - 0.5 ** (k + 1)) / (np.sqrt(s.v / (1 - 0.8 ** (k + 1)) + 0.04) + 0.1)


def adam(s, k):
    s.theta = s.theta - 0.2 / (k + 1) ** 0.75 * adam_direction(s, k, s.g(s.theta))


def adamw(s, k):
    direction = adam_direction(s, k, s.g(s.theta))
    s.theta = s.theta - 0.2 / (k + 1) ** 0.75 * (direction + 0.3 * s.theta)


def lion(s, k):
    g = s.g(s.theta)
    sign = np.sign(0.5 * s.v + 0.5 * g)
    s.v = 0.8 * s.v + 0.2 * g
    s.theta = s.theta - 0.2 / (k + 1) ** 0.75 * (sign + 0.3 * s.theta)


def sam(s, k):
    s.theta = s.theta - 0.3 * s.g(s.theta + 0.1 * s.g(s.theta))


def sam_unit(s, k):
    g = s.g(s.theta)
    s.theta = s.theta - 0.3 * s.g(s.theta + 0.01 * g / np.sqrt(np.sum(g**2)))


def each(s, theta, i):
    X, y = s.problem.X, s.problem.y
    return (X[i] @ theta - y[i]) * X[i]


def sam_each(s, k):
    n = s.problem.n
    total = [each(s, s.theta + 0.02 * each(s, s.theta, i), i) for i in range(n)]
    s.theta = s.theta - 0.2 * sum(total) / n


def sam_each_unit(s, k):
    total, n = 0.0, s.problem.n
    for i in range(n):
        g = each(s, s.theta, i)
        total = total + each(s, s.theta + 0.01 * g / np.sqrt(np.sum(g**2)), i)
    s.theta = s.theta - 0.2 * total / n


def mirror_dual(s, k):
    z = np.arcsinh(s.theta / 0.5)
    before = np.arcsinh(s.before / 0.5)
    s.before, s.theta = s.theta, 0.5 * np.sinh(z + 0.4 * (z - before) - 0.2 * s.g(s.theta))


def mirror_primal(s, k):
    ahead = s.theta + 0.4 * (s.theta - s.before)
    s.before, s.theta = s.theta, 0.5 * np.sinh(np.arcsinh(ahead / 0.5) - 0.2 * s.g(s.theta))


def natural(s, k):
    X, n = s.problem.X, s.problem.n
    s.theta = s.theta - 0.5 * np.linalg.pinv(X.T @ X / n) @ s.g(s.theta)


def damped(s, k):
    X, n = s.problem.X, s.problem.n
    s.theta = s.theta - 0.5 * np.linalg.solve(X.T @ X / n + 0.1 * np.eye(X.shape[1]), s.g(s.theta))


def averaged(s, k):
    s.phi = getattr(s, "phi", [s.theta])
    s.theta = np.mean(s.phi, axis=0)
    s.phi.append(s.phi[-1] - 0.3 * s.g(s.phi[-1]))


def geometric(s, k):
    s.phi = getattr(s, "phi", [s.theta])
    a = 0.9 ** np.arange(k + 1)
    s.theta = a @ np.array(s.phi) / a.sum()
    s.phi.append(s.phi[-1] - 0.3 * s.g(s.phi[-1]))


def switched_off(s, k):
    decay = 0.2 if 0.3 * k < 1.9 else 0.0
    s.theta = s.theta - 0.3 * (s.g(s.theta) + decay * s.theta)


def muon(s, k):  # the polar factor of a column is its direction
    s.v = 0.5 * s.v + s.g(s.theta)
    s.theta = s.theta - 0.2 / (k + 1) ** 0.5 * s.v / np.linalg.norm(s.v)


def muon_quintic(s, k):
    s.v = 0.5 * s.v + s.g(s.theta)
    x = 1.0  # the one singular value of a column, over ‖·‖_F
    for _ in range(3):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    s.theta = s.theta - 0.2 / (k + 1) ** 0.5 * x * s.v / np.linalg.norm(s.v)


def shampoo(s, k):  # L^{−¼} G R^{−¼}, for a column; R is a number
    g = s.g(s.theta)
    L, R = getattr(s, "LR", (0.01 * np.eye(6), 0.01))
    s.LR = L, R = L + np.outer(g, g), R + g @ g
    values, Q = np.linalg.eigh(L)
    s.theta = s.theta - 0.3 * (Q * values**-0.25) @ (Q.T @ g) / R**0.25


def kaczmarz(s, k):
    return None


sgd = kaczmarz
"""Random: their draws are held to the kernel's twin in tests/kernels."""

BATTERY = {
    "gradient descent": (ib.GradientDescent(0.3), gradient_descent),
    "weight decay": (ib.GradientDescent(0.3, weight_decay=0.2), decayed),
    "decay": (ib.GradientDescent(ib.Decay(0.3, 0.5)), shrinking),
    "callable step": (ib.GradientDescent(lambda k: 0.3 / (k + 1) ** 0.5), shrinking),
    "heavy ball": (ib.HeavyBall(0.2, 0.6), heavy_ball),
    "nesterov": (ib.Nesterov(0.3), nesterov),
    "nesterov constant": (ib.Nesterov(0.3, 0.6), nesterov_constant),
    "preconditioned": (ib.PreconditionedGradientDescent(P, 0.2), preconditioned),
    "diagonal P": (
        ib.PreconditionedGradientDescent([1, 2, 1, 2, 1, 2], 0.2),
        preconditioned_diagonal,
    ),
    "callable P": (
        ib.PreconditionedGradientDescent(lambda theta: 1.0 + theta**2, 0.1),
        preconditioned_callable,
    ),
    "mirror": (ib.MirrorDescent(C, 0.3), mirror),
    "steepest inf": (ib.SteepestDescent(np.inf, 0.05), steepest_inf),
    "steepest 4/3": (ib.SteepestDescent(4 / 3, 0.2), steepest_43),
    "steepest 2": (ib.SteepestDescent(2, 0.3), gradient_descent),
    "normalized": (ib.NormalizedGradientDescent(ib.Decay(0.3, 0.5)), normalized),
    "steepest 2 unit": (ib.SteepestDescent(2, ib.Decay(0.3, 0.5), normalized=True), normalized),
    "sign": (ib.SignDescent(ib.Decay(0.2, 0.5)), sign),
    "signum": (ib.SignDescent(ib.Decay(0.2, 0.5), 0.5), signum),
    "coordinate": (ib.CoordinateDescent(ib.Decay(0.3, 0.5)), coordinate),
    "spectral": (ib.SpectralDescent(ib.Decay(0.3, 0.5)), normalized),
    "steepest spectral": (ib.SteepestDescent("spectral", 0.3), gradient_descent),
    "muon": (ib.Muon(ib.Decay(0.2, 0.5), 0.5), muon),
    "muon quintic": (ib.Muon(ib.Decay(0.2, 0.5), 0.5, iterations=3), muon_quintic),
    "shampoo": (ib.Shampoo(0.3, eps=0.01), shampoo),
    "sgd": (ib.SGD(0.1), sgd),
    "sgd 3": (ib.SGD(0.1, 3), sgd),
    "kaczmarz": (ib.RandomizedKaczmarz(), kaczmarz),
    "kaczmarz uniform": (ib.RandomizedKaczmarz("uniform"), kaczmarz),
    "adagrad": (ib.AdaGrad(0.5, 0.01), adagrad),
    "rmsprop": (ib.RMSProp(ib.Decay(0.2, 0.75), 0.8, 0.1), rmsprop),
    "adam": (ib.Adam(ib.Decay(0.2, 0.75), 0.5, 0.8, 0.1, 0.04), adam),
    "adamw": (ib.AdamW(ib.Decay(0.2, 0.75), 0.3, 0.5, 0.8, 0.1, 0.04), adamw),
    "lion": (ib.Lion(ib.Decay(0.2, 0.75), 0.3, 0.5, 0.8), lion),
    "sam": (ib.SAM(0.3, 0.1), sam),
    "sam unit": (ib.SAM(0.3, 0.01, normalized=True), sam_unit),
    "sam each": (ib.SAM(0.2, 0.02, per_sample=True), sam_each),
    "sam each unit": (ib.SAM(0.2, 0.01, True, True), sam_each_unit),
    "label noise": (ib.LabelNoiseSGD(0.1, 0.01), sgd),
    "label noise full": (ib.LabelNoiseSGD(0.1, 0.01, batch=None), sgd),
    "stochastic flow": (ib.StochasticGradientFlow(0.05), sgd),
    "mirror dual momentum": (ib.MirrorDescent(C, 0.2, momentum=0.4), mirror_dual),
    "mirror primal momentum": (ib.MirrorDescent(C, 0.2, momentum=0.4, primal=True), mirror_primal),
    "mirror stochastic": (ib.MirrorDescent(C, 0.1, batch=2), sgd),
    "natural": (ib.NaturalGradient(0.5), natural),
    "natural damped": (ib.NaturalGradient(0.5, 0.1), damped),
    "averaged": (ib.Averaged(ib.GradientDescent(0.3)), averaged),
    "averaged geometric": (ib.Averaged(ib.GradientDescent(0.3), 0.1), geometric),
    "switched off": (ib.GradientDescent(0.3, weight_decay=ib.Until(0.2, 1.9)), switched_off),
}
SHRUNK = ("adamw", "lion")
"""Decoupled decay: their fixed points are not interpolants (the equation of their docstring is what is held)."""
every = pytest.mark.parametrize("name", BATTERY)
START = np.array([0.5, -0.25, 1.0, 0.3, -1.0, 0.1])


def test_battery_is_complete():
    """Each concrete step optimizer of the package is in it, except those that need two factors (test_spectral.py), or
    a loss that vanishes (test_vanishing.py).
    """
    public = {
        v for v in vars(ib).values() if isinstance(v, type) and issubclass(v, ib.Step) and v is not ib.Step
    }
    assert {type(o) for o, _ in BATTERY.values()} == public - {ib.ScaledGD, ib.DualAcceleration}


@pytest.mark.parametrize("name", [n for n, (_, equation) in BATTERY.items() if equation is not sgd])
@pytest.mark.parametrize("engine", ["python", "auto"])
def test_update_is_the_equation_of_the_docstring(name, engine, regression):
    optimizer, equation = BATTERY[name]
    setting = ib.Setting(regression, ib.Linear(), optimizer, START)
    run = ib.simulate(setting, ib.Stop(steps=12), ib.Save(every=1, fields="w"), engine=engine)
    spoken = Spoken(regression, START)
    path = [START]
    for k in range(12):
        equation(spoken, k)
        path.append(spoken.theta)
    # twelve contracting steps of sums of six terms; arcsinh/sinh cost a few digits more
    np.testing.assert_allclose(run.history["w"], path, rtol=1e-12, atol=1e-13)
    assert run.steps == 12
    np.testing.assert_allclose(run.time, np.sum(step_sizes(optimizer, 0, 12)), rtol=1e-14)


@every
def test_progress(name, regression):
    """800 steps divide the loss by 100: the linear methods contract it by at least (1 − ηλ)² with
    λ ≥ ¼ and η ≥ 0.1 a step, the normalised ones hover within η_k ≈ 0.01 of the solution."""
    optimizer, _ = BATTERY[name]
    setting = ib.Setting(regression, ib.Linear(), optimizer, START)
    run = ib.simulate(setting, ib.Stop(steps=800))
    start = regression.loss(START)
    n, (_, d) = regression.n, regression.X.shape
    H, b = regression.X.T @ regression.X / n, regression.X.T @ regression.y / n
    if name in SHRUNK:
        assert np.all(np.abs(run.w) <= 1 / optimizer.decay)  # the box that decoupled decay keeps
    elif name == "weight decay":  # its objective has the ridge solution as its minimiser
        ridge = np.linalg.solve(H + 0.2 * np.eye(d), b)
        np.testing.assert_allclose(run.w, ridge, rtol=1e-10)  # (1 − 0.3·0.2)^800 < 1e-21
    elif name == "averaged geometric":  # Σ p(1 − p)^k φ_k is ridge around the start, λ = p/((1 − p)η)
        lam = 0.1 / (0.9 * 0.3)
        ridge = np.linalg.solve(H + lam * np.eye(d), b + lam * START)
        np.testing.assert_allclose(run.w, ridge, rtol=1e-12)
    else:
        assert run.loss <= start / 100
    assert run.status in ("converged", "floor")


@every
def test_a_run_can_be_continued(name, regression):
    """37 steps and 63 more are 100 steps, to the bit; draws are functions of k, not of history."""
    optimizer, _ = BATTERY[name]
    setting = ib.Setting(regression, ib.Linear(), optimizer, START)
    for engine in ("auto", "python"):
        whole = ib.simulate(setting, ib.Stop(steps=100), engine=engine, rng=4)
        first = ib.simulate(setting, ib.Stop(steps=37), engine=engine, rng=4)
        rest = ib.simulate(setting, ib.Stop(steps=63), engine=engine, rng=4, state=first.state)
        assert rest.steps == whole.steps == 100
        assert rest.w.tolist() == whole.w.tolist()
        assert rest.time == pytest.approx(whole.time, rel=1e-14)  # sums grouped differently


def test_continuing_leaves_the_first_run_alone(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.HeavyBall(0.2, 0.6), START)
    first = ib.simulate(setting, ib.Stop(steps=5))
    kept = first.w.copy(), first.state["optimizer"].copy()
    ib.simulate(setting, ib.Stop(steps=5), state=first.state)
    assert (first.w == kept[0]).all()
    assert (first.state["optimizer"] == kept[1]).all()


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_sgd_uses_the_mean_over_its_draws(batch, regression):
    """With one sample repeated, every draw is the full gradient."""
    problem = ib.Regression(np.tile(regression.X[:1], (4, 1)), np.tile(regression.y[:1], 4))
    ends = []
    for optimizer in (ib.SGD(0.1, batch), ib.GradientDescent(0.1)):
        setting = ib.Setting(problem, ib.Linear(), optimizer, START)
        ends.append([ib.simulate(setting, ib.Stop(steps=9), engine=e).w for e in ("python", "numba")])
    np.testing.assert_allclose(ends[0], ends[1], rtol=1e-13)


def test_seeds_name_streams(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.SGD(0.1), START)
    run = [ib.simulate(setting, ib.Stop(steps=20), rng=s).w for s in (0, 0, 1)]
    assert (run[0] == run[1]).all()
    assert np.abs(run[0] - run[2]).max() > 1e-6
    generators = [ib.simulate(setting, ib.Stop(steps=20), rng=np.random.default_rng(7)).w for _ in range(2)]
    assert (generators[0] == generators[1]).all()
    rng = np.random.default_rng(7)
    pair = [ib.simulate(setting, ib.Stop(steps=20), rng=rng).w for _ in range(2)]
    assert (pair[0] == generators[0]).all()
    assert np.abs(pair[0] - pair[1]).max() > 1e-6  # the second run drew another key


def test_kaczmarz_projects(regression):
    """Each step solves its row exactly, and no step leaves w₀ + range(Xᵀ)."""
    setting = ib.Setting(regression, ib.Linear(), ib.RandomizedKaczmarz(), START)
    run = ib.simulate(setting, ib.Stop(steps=30), ib.Save(every=1, fields="w"))
    X, y = regression.X, regression.y
    for before, after in zip(run.history["w"], run.history["w"][1:]):
        residuals = np.abs(X @ after - y)
        i = np.argmin(residuals)
        assert residuals[i] <= 1e-13
        along = X[i] / np.linalg.norm(X[i])
        moved = after - before
        np.testing.assert_allclose(moved, along * (along @ moved), atol=1e-13)
    kernel = np.linalg.svd(X)[2][4:]
    np.testing.assert_allclose(kernel @ run.w, kernel @ START, atol=1e-13)


def test_kaczmarz_laws():
    """Rows along e_1 … e_3 of lengths 1, 2, 3: each row's draws can be counted from the path."""
    problem = ib.Regression(np.diag([1.0, 2.0, 3.0]), np.zeros(3))
    for sampling, law in (("norm", np.array([1, 4, 9]) / 14), ("uniform", np.ones(3) / 3)):
        weights = ib.RandomizedKaczmarz(sampling).row_weights(problem)
        np.testing.assert_allclose(weights / weights.sum(), law, rtol=1e-15)
        setting = ib.Setting(problem, ib.Linear(), ib.RandomizedKaczmarz(sampling), np.ones((4000, 3)))
        first = ib.simulate(setting, ib.Stop(steps=1)).w == 0  # which coordinate was solved
        error = np.sqrt(law * (1 - law) / 4000)
        assert (first.sum(axis=1) == 1).all()
        assert (np.abs(first.mean(axis=0) - law) <= 6 * error).all()  # six standard errors


def test_kaczmarz_never_draws_a_zero_row():
    problem = ib.Regression([[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]], [0.0, 2.0, 0.0])
    for sampling in ("norm", "uniform"):
        for engine in ("python", "numba"):
            setting = ib.Setting(problem, ib.Linear(), ib.RandomizedKaczmarz(sampling), np.zeros(2))
            run = ib.simulate(setting, ib.Stop(steps=50), engine=engine)
            assert run.w.tolist() == [1.0, 1.0]


def test_decay_and_step_sizes():
    # powers of two are exact
    assert ib.Decay(2.0, 1.0).sizes(1, 3).tolist() == [1.0, 2 / 3, 0.5]
    assert step_sizes(ib.GradientDescent(ib.Decay(2.0, 1.0)), 1, 3).tolist() == [1.0, 2 / 3, 0.5]
    assert step_sizes(ib.GradientDescent(lambda k: k + 1.0), 2, 2).tolist() == [3.0, 4.0]
    failing = ib.GradientDescent(lambda k: np.nan if k == 2 else 1.0)
    assert step_sizes(failing, 0, 4).tolist() == [1.0, 1.0]  # those that can be taken
    with pytest.raises(ValueError, match="k = 2 is nan"):
        step_sizes(failing, 2, 4)


BAD = {
    "step 0": (lambda: ib.GradientDescent(0.0), "step must be finite and > 0, got 0"),
    "step < 0": (lambda: ib.SGD(-0.1), "step must be finite and > 0"),
    "step NaN": (lambda: ib.Nesterov(np.nan), "step must be finite and > 0, got nan"),
    "step inf": (lambda: ib.SignDescent(np.inf), "step must be finite and > 0, got inf"),
    "step a word": (lambda: ib.GradientDescent("big"), "step must be finite and > 0, got 'big'"),
    "step None": (lambda: ib.GradientDescent(None), "step must be finite and > 0"),
    "a step of a batch": (lambda: ib.GradientDescent([0.1, 0.0]), "step must be finite and > 0"),
    "no steps": (lambda: ib.GradientDescent([]), "step"),
    "mirror step": (lambda: ib.MirrorDescent(ib.Euclidean(), -1.0), "step must be finite and > 0"),
    "decay step": (lambda: ib.Decay(0.0, 1.0), "step must be finite and > 0"),
    "decay power": (lambda: ib.Decay(1.0, -0.5), "power must be finite and ≥ 0"),
    "weight decay < 0": (
        lambda: ib.GradientDescent(0.1, weight_decay=-1.0),
        "weight_decay must be finite and ≥ 0",
    ),
    "weight decay NaN": (lambda: ib.GradientFlow(weight_decay=np.nan), "weight_decay must be finite"),
    "momentum 1": (lambda: ib.HeavyBall(0.1, 1.0), "momentum must satisfy 0 ≤ β < 1, got 1"),
    "momentum < 0": (lambda: ib.Nesterov(0.1, -0.1), "momentum must satisfy"),
    "momentum NaN": (lambda: ib.SignDescent(0.1, np.nan), "momentum must satisfy"),
    "batch 0": (lambda: ib.SGD(0.1, 0), "batch must be an integer ≥ 1"),
    "batch 1.5": (lambda: ib.SGD(0.1, 1.5), "batch must be an integer ≥ 1"),
    "rates 0": (lambda: ib.GradientFlow(rates=(1.0, 0.0)), "rates must be finite and > 0"),
    "p < 1": (lambda: ib.SteepestDescent(0.5, 0.1), "1 ≤ p ≤ inf"),
    "norm a word": (lambda: ib.SteepestDescent("euclid", 0.1), "norm must be a number p"),
    "no potential": (lambda: ib.MirrorDescent(2.0, 0.1), "needs a Potential, got 2.0"),
    "P not positive": (lambda: ib.PreconditionedFlow([1.0, 0.0]), "P must be finite and > 0"),
    "P indefinite": (
        lambda: ib.PreconditionedGradientDescent([[1.0, 2.0], [2.0, 1.0]], 0.1),
        "P is not positive definite: least eigenvalue -1",
    ),
    "P asymmetric": (
        lambda: ib.PreconditionedGradientDescent([[1.0, 1.0], [0.0, 1.0]], 0.1),
        "P is not symmetric",
    ),
    "eps < 0": (lambda: ib.AdaGrad(0.1, -1.0), "eps must be finite and ≥ 0"),
    "beta 1": (lambda: ib.RMSProp(0.1, 1.0), "beta must satisfy 0 ≤ beta < 1"),
    "beta2 1": (lambda: ib.Adam(0.1, 0.9, 1.0), "beta2 must satisfy"),
    "decoupled decay < 0": (lambda: ib.AdamW(0.1, -0.1), "decay must be finite and ≥ 0"),
    "lion decay": (lambda: ib.Lion(0.1, np.nan), "decay must be finite and ≥ 0"),
    "rho 0": (lambda: ib.SAM(0.1, 0.0), "rho must be finite and > 0"),
    "sigma 0": (lambda: ib.LabelNoiseSGD(0.1, 0.0), "sigma must be finite and > 0"),
    "label noise batch": (lambda: ib.LabelNoiseSGD(0.1, 0.1, 0), "batch must be an integer ≥ 1"),
    "gamma a callable": (lambda: ib.StochasticGradientFlow(lambda k: 0.1), "one number"),
    "dt 0": (lambda: ib.StochasticGradientFlow(0.1, 0.0), "dt must be finite and > 0"),
    "lam 0": (lambda: ib.MomentumFlow(0.0), "lam must be finite and > 0"),
    "no potential in a flow": (lambda: ib.MirrorFlow("l1"), "MirrorFlow needs a Potential"),
    "damping < 0": (lambda: ib.NaturalGradient(0.1, -1.0), "damping must be finite and ≥ 0"),
    "averaged flow": (lambda: ib.Averaged(ib.GradientFlow()), "Averaged needs a Step"),
    "averaged batch": (lambda: ib.Averaged(ib.GradientDescent([0.1, 0.2])), "one step size"),
    "averaged decay": (lambda: ib.Averaged(ib.GradientDescent(0.1), 1.0), "decay must satisfy 0 < p < 1"),
    "average decayed": (
        lambda: ib.Averaged(ib.GradientDescent(0.1), weight_decay=0.1),
        "belongs to the optimizer",
    ),
    "until value": (lambda: ib.Until(0.0, 1.0), "value must be finite and > 0"),
    "until time": (lambda: ib.Until(0.1, np.inf), "time must be finite and > 0"),
    "sampling": (lambda: ib.RandomizedKaczmarz("rows"), '"norm" or "uniform", got \'rows\''),
    "decay in Kaczmarz": (lambda: ib.RandomizedKaczmarz(weight_decay=0.1), "no weight_decay"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_optimizers_are_refused(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ib.GradientFlow(rates="fast"), "rates must be finite and > 0"),
        (lambda: ib.HeavyBall(0.1, "a"), "momentum must satisfy 0 ≤ β < 1"),
        (lambda: ib.DeepLinear(3), "widths must be at least two integers"),
        (lambda: ib.Balanced(1.0, signs=[1, 0]), "signs must not be zero"),
    ],
)
def test_values_of_the_wrong_kind_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_scalars_in_arrays_are_scalars():
    assert ib.GradientDescent(np.array(0.1)) == ib.GradientDescent(0.1)
    assert ib.GradientFlow(rates=2.0) == ib.GradientFlow(rates=(2.0,))


@pytest.mark.parametrize("batch", [None, 1])
def test_label_noise_is_on_every_target_of_a_matrix(batch):
    """One step from W = W₀ of a single layer: −n(W₁ − W₀)/η − ng = ξᵀX with ξ = ±σ in all entries."""
    rng = np.random.default_rng(0)
    X, Y, W = rng.standard_normal((3, 3)), rng.standard_normal((3, 2)), rng.standard_normal((2, 3))
    problem, sigma = ib.MatrixRegression(X, Y), 0.3
    setting = ib.Setting(problem, ib.DeepLinear((3, 2)), ib.LabelNoiseSGD(0.1, sigma, batch=batch), (W,))
    run = ib.simulate(setting, ib.Stop(steps=1), rng=0)
    step = (W - run.w) / 0.1
    if batch is None:
        xi = np.linalg.solve(X.T, 3 * (step - problem.gradient(W)).T)
        np.testing.assert_allclose(np.abs(xi), sigma, rtol=1e-10)
        assert len(np.unique(np.sign(xi))) == 2
    else:  # (Wx − y + ξ)xᵀ of one sample
        rests = [step @ x / (x @ x) - (W @ x - y) for x, y in zip(X, Y)]
        assert min(np.max(np.abs(np.abs(xi) - sigma)) for xi in rests) <= 1e-12
