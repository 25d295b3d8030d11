"""Every optimizer's fused loop against its NumPy reference: the same dynamics to rounding."""

import os
import subprocess
import sys

import numpy as np
import pytest

import implicitbias as ib

MODELS = {
    "linear": ib.Linear(),
    "diagonal": ib.Diagonal(),
    "hadamard": ib.Hadamard(),
    "power": ib.PowerPropagation(2.5),
}
OFF = ib.Until(0.3, 0.5)
"""Weight decay that is switched off on the way."""


def matrix(P):
    """Symmetric positive definite, of condition number at most five."""
    b = np.sin(1.0 + np.arange(P)) / np.sqrt(P)
    return np.eye(P) + 4 * np.outer(b, b)


ENTRIES = {
    "sgd decayed": ib.SGD(0.05, 2, weight_decay=0.2),
    "gradient, decay off": ib.GradientDescent(0.05, weight_decay=OFF),
    "nesterov, decay off": ib.Nesterov(0.05, weight_decay=OFF),
    "signum": ib.SignDescent(0.01, 0.5),
    "signum decayed": ib.SignDescent(0.01, 0.5, weight_decay=0.1),
    "adagrad": ib.AdaGrad(0.05),
    "rmsprop": ib.RMSProp(0.01, 0.9, 1e-3),
    "adam": ib.Adam(0.01),
    "adam, constants": ib.Adam(ib.Decay(0.02, 0.5), 0.8, 0.9, 1e-3, 1e-4, weight_decay=OFF),
    "adam without memory": ib.Adam(0.01, 0.0, 0.0, 0.0),
    "adamw": ib.AdamW(0.01, 0.1),
    "lion": ib.Lion(0.01, 0.1),
    "sam": ib.SAM(0.05, 0.1, weight_decay=0.1),
    "sam, normalised": ib.SAM(0.05, 0.02, normalized=True),
    "sam, each": ib.SAM(0.05, 0.1, per_sample=True, weight_decay=OFF),
    "sam, each normalised": ib.SAM(0.05, 0.02, per_sample=True, normalized=True),
    "stochastic flow": ib.StochasticGradientFlow(0.02, weight_decay=0.1),
    "stochastic flow, dt": ib.StochasticGradientFlow(0.02, 0.05),
    "label noise": ib.LabelNoiseSGD(0.05, 0.3),
    "label noise 3": ib.LabelNoiseSGD(0.05, 0.3, 3, weight_decay=0.1),
    "label noise, all": ib.LabelNoiseSGD(0.05, 0.3, None),
    "diagonal P": lambda P: ib.PreconditionedGradientDescent(np.linspace(0.5, 1, P), 0.05),
    "matrix P": lambda P: ib.PreconditionedGradientDescent(matrix(P), 0.02, weight_decay=0.1),
    "natural": ib.NaturalGradient(0.3),
    "natural, damped": ib.NaturalGradient(0.3, 0.1, weight_decay=0.1),
    "mirror, euclidean": ib.MirrorDescent(ib.Euclidean(), 0.05),
    "mirror, mahalanobis": lambda P: ib.MirrorDescent(ib.Mahalanobis(np.linspace(1, 2, P)), 0.05, weight_decay=0.1),
    "mirror, hypentropy": ib.MirrorDescent(ib.Hypentropy(-1.0), 0.05),
    "mirror, hypentropies": lambda P: ib.MirrorDescent(ib.Hypentropy(np.linspace(-3, 0, P)), 0.02, weight_decay=OFF),
    "mirror, p": ib.MirrorDescent(ib.PNorm(1.5), 0.05),
    "mirror, p > 2": ib.MirrorDescent(ib.PNorm(3.0), 0.02),
    "mirror, squared p": ib.MirrorDescent(ib.SquaredPNorm(1.5), 0.02),
    "mirror, entropy": ib.MirrorDescent(ib.Entropy(), 0.05),
    "mirror, dual momentum": ib.MirrorDescent(ib.Entropy(), 0.02, 0.5),
    "mirror, batches": ib.MirrorDescent(ib.Hypentropy(-1.0), 0.02, 0.5, batch=2),
    "primal, hypentropy": lambda P: ib.MirrorDescent(ib.Hypentropy(np.linspace(-3, 0, P)), 0.02, 0.5, primal=True),
    "primal, p": ib.MirrorDescent(ib.PNorm(1.5), 0.02, 0.5, primal=True),
    "primal, squared p": ib.MirrorDescent(ib.SquaredPNorm(3.0), 0.02, 0.5, primal=True),
    "primal, mahalanobis": lambda P: ib.MirrorDescent(ib.Mahalanobis(np.linspace(1, 2, P)), 0.02, 0.5, primal=True),
    "average": ib.Averaged(ib.GradientDescent(0.05, weight_decay=OFF)),
    "average, geometric": ib.Averaged(ib.SGD(0.05, 2), 0.1),
    "average of adam": ib.Averaged(ib.Adam(0.01)),
    "average of nesterov": ib.Averaged(ib.Nesterov(0.05), 0.2),
    "average of mirror descent": ib.Averaged(ib.MirrorDescent(ib.Hypentropy(-1.0), 0.02, 0.5)),
    "average of a stochastic flow": ib.Averaged(ib.StochasticGradientFlow(0.02)),
}  # fmt: skip
REGRESSION_ONLY = ("label noise", "stochastic", "natural", "average of a stochastic")


def make(name, model, loss, n, d, seed=0):
    """θ in [½, 1], inputs of size about one: forty steps are a map of Lipschitz constant about one."""
    rng = np.random.default_rng([seed, n, d])
    X = rng.standard_normal((n, d)) / np.sqrt(d)
    theta = 0.5 + 0.5 * rng.random((2, d) if model in ("diagonal", "hadamard") else d)
    optimizer = ENTRIES[name] if isinstance(ENTRIES[name], ib.Optimizer) else ENTRIES[name](theta.size)
    if loss == "squared":
        problem = ib.Regression(X, rng.standard_normal(n))
    else:
        problem = ib.Classification(X, np.where(np.arange(n) % 2, -1.0, 1.0), loss)
    return ib.Setting(problem, MODELS[model], optimizer, theta)


def flat(state):
    """Every number of an optimizer's state, in order."""
    if isinstance(state, tuple):
        return np.concatenate([flat(part) for part in state]) if state else np.zeros(0)
    return np.ravel(state)


def shapes(state):
    return [shapes(part) for part in state] if isinstance(state, tuple) else state.shape


def assert_agree(a, b, bound=1e-12):
    """All that two runs hold; the bound is relative, absolute below one (accumulators are sums of O(1) terms)."""
    assert (a.steps, a.status, a.message, a.time) == (b.steps, b.status, b.message, b.time)
    close = {"rtol": bound, "atol": bound}
    np.testing.assert_allclose(a.state["theta"], b.state["theta"], **close)
    np.testing.assert_allclose(flat(a.state["optimizer"]), flat(b.state["optimizer"]), **close)
    assert set(a.accumulators) == set(b.accumulators)
    for name, sums in a.accumulators.items():
        np.testing.assert_allclose(sums, b.accumulators[name], **close)
    assert shapes(a.state["optimizer"]) == shapes(b.state["optimizer"])


def both(setting, stop, rng=3, **more):
    runs = [ib.simulate(setting, stop, rng=rng, engine=e, **more) for e in ("python", "numba")]
    assert [run.counters["fused"] for run in runs] == [0, 1]
    return runs


PAIRS = [
    pytest.param(loss, name, id=f"{loss}-{name}")
    for loss in ("squared", "exp", "logistic")
    for name in ENTRIES
    if loss == "squared" or not name.startswith(REGRESSION_ONLY)
]


@pytest.mark.parametrize(("loss", "name"), PAIRS)
@pytest.mark.parametrize("model", MODELS)
def test_every_rule_on_every_model_and_loss(model, loss, name):
    assert_agree(*both(make(name, model, loss, 5, 7), ib.Stop(steps=40)))


@pytest.mark.parametrize("name", ENTRIES)
def test_every_small_size_and_a_large_one(name):
    """Vectorised loops have tails: every remainder of n and d up to 17."""
    sizes = [(k, 18 - k) for k in range(1, 18)] + [(k, k) for k in range(1, 18, 3)] + [(40, 70)]
    for i, (n, d) in enumerate(sizes):
        if name == "natural" and 2 * n > d:
            continue  # its error is that of the system, eps·κ(XXᵀ)
        setting = make(name, ["hadamard", "diagonal", "linear", "power"][i % 4], "squared", n, d)
        assert_agree(*both(setting, ib.Stop(steps=6)))


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("engines", [("numba", "python"), ("python", "numba"), ("numba", "numba")])
def test_either_loop_continues_the_other(engines, name):
    setting = make(name, "hadamard", "squared", 4, 6)
    whole = ib.simulate(setting, ib.Stop(steps=37), rng=5, engine=engines[1])
    first = ib.simulate(setting, ib.Stop(steps=18), rng=5, engine=engines[0])
    rest = ib.simulate(setting, ib.Stop(steps=19), rng=5, engine=engines[1], state=first.state)
    if engines[0] == engines[1]:
        assert whole.theta.tolist() == rest.theta.tolist()
        assert flat(whole.state["optimizer"]).tolist() == flat(rest.state["optimizer"]).tolist()
    np.testing.assert_allclose(whole.theta, rest.theta, rtol=1e-12, atol=1e-13)
    for key, sums in whole.accumulators.items():
        np.testing.assert_allclose(rest.accumulators[key], sums, rtol=1e-12, atol=1e-13)


GOALS = {
    "adagrad": ib.AdaGrad(0.3),
    "sam": ib.SAM(0.1, 0.1),
    "sam, each": ib.SAM(0.1, 0.1, per_sample=True),
    "natural": ib.NaturalGradient(0.1),
    "matrix P": ib.PreconditionedGradientDescent(matrix(6), 0.05),
    "mirror, batches": ib.MirrorDescent(ib.Hypentropy(-1.0), 0.02, 0.5, batch=2),
    "average": ib.Averaged(ib.SGD(0.1, 2)),
    "average of nesterov": ib.Averaged(ib.Nesterov(0.1, weight_decay=OFF)),
}
STOPS = {
    "loss": ib.Stop(loss=1e-4, steps=20_000),
    "gradient": ib.Stop(gradient=1e-2, steps=20_000),
    "time": ib.Stop(time=1.23),
}


@pytest.mark.parametrize("name", GOALS)
@pytest.mark.parametrize("stop", STOPS)
def test_the_same_step_meets_the_same_goal(stop, name, regression):
    setting = ib.Setting(regression, ib.Linear(), GOALS[name], np.full(6, 0.5))
    python, numba = both(setting, STOPS[stop])
    assert python.steps == numba.steps > 3
    assert python.status == numba.status == "converged"
    np.testing.assert_allclose(python.w, numba.w, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("name", ["adam", "sam", "sam, each", "lion", "average of adam", "mirror, batches"])
@pytest.mark.parametrize("goal", [{"margin": 0.5}, {"log_loss": -1.0}], ids=["margin", "log-loss"])
def test_classification_goals(goal, name, separable):
    setting = ib.Setting(separable("logistic"), ib.Linear(), ENTRIES[name])
    python, numba = both(setting, ib.Stop(**goal, steps=3000))
    assert (python.status, python.steps) == (numba.status, numba.steps)
    assert python.status == "converged"


@pytest.mark.parametrize("optimizer", [ib.LabelNoiseSGD(0.1, 0.5, None), ib.StochasticGradientFlow(0.1)])
def test_noise_is_not_in_the_gradient_that_is_looked_at(optimizer, regression):
    """‖∇L‖ is at most the goal where a run ends, though the noise of the step is larger."""
    setting = ib.Setting(regression, ib.Linear(), optimizer)
    python, numba = both(setting, ib.Stop(gradient=0.3, steps=4000))
    assert python.steps == numba.steps
    assert numba.status == "converged"
    assert np.linalg.norm(regression.gradient(numba.w)) <= 0.3


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_accumulators_of_one_sam_step_by_hand(engine):
    """Hadamard, d = 1, u = 1, v = ½: g = w − 1 = −½. Ascent by ρ(v, u)g, ρ = 1: to (¾, 0), so w̃ = 0, g̃ = −1.

    With η = ½ and λ = ¼: x = ηg̃ = −½, s = ηρgg̃ + ηλ = ¼ + ⅛, and m± = 1 ∓ x − s = 9/8 and 1/8.
    """
    problem = ib.Regression([[1.0]], [1.0])
    setting = ib.Setting(problem, ib.Hadamard(), ib.SAM(0.5, 1.0, weight_decay=0.25), [[1.0], [0.5]])
    run = ib.simulate(setting, ib.Stop(steps=1), engine=engine)
    u, v = run.theta[:, 0]
    assert (u + v, u - v) == pytest.approx((1.5 * 9 / 8, 0.5 / 8), rel=1e-14)
    assert run.accumulators["log_shrink"][0] == pytest.approx(np.log(9 / 64), rel=1e-14)
    assert run.accumulators["shift"][0] == pytest.approx(np.log(9) - 1, rel=1e-13)


def test_a_singular_natural_step_is_numpys(rng):
    """Two equal rows: JJᵀ is singular and its pseudo-inverse is wanted; the step to the least squares is exact."""
    X = rng.standard_normal((4, 6))
    X[3] = X[2]
    problem = ib.Regression(X, rng.standard_normal(4))
    setting = ib.Setting(problem, ib.Linear(), ib.NaturalGradient(1.0))
    python, numba = both(setting, ib.Stop(steps=3))
    assert python.w.tolist() == numba.w.tolist()
    np.testing.assert_allclose(numba.w, np.linalg.pinv(X) @ problem.y, rtol=1e-12)


def test_mirror_maps_in_the_log_domain():
    """c = e^{−700}: w = c sinh z at z near 700 keeps all digits; the step's dual point is exact in both."""
    problem = ib.Regression([[1.0, -1.0]], [0.0])
    psi = ib.Hypentropy(-700.0)
    setting = ib.Setting(problem, ib.Linear(), ib.MirrorDescent(psi, 0.25), np.array([1.0, -0.5]))
    python, numba = both(setting, ib.Stop(steps=5))
    assert np.all(np.abs(numba.state["optimizer"]) > 690)
    np.testing.assert_allclose(python.w, numba.w, rtol=1e-12)


def test_on_the_simplex(rng):
    problem = ib.Regression(rng.standard_normal((3, 5)), rng.standard_normal(3))
    for momentum in (0.0, 0.5):
        optimizer = ib.MirrorDescent(ib.Entropy(simplex=True), 0.2, momentum)
        setting = ib.Setting(problem, ib.Linear(), optimizer, np.full(5, 0.2))
        python, numba = both(setting, ib.Stop(steps=50))
        assert_agree(python, numba)
        assert np.sum(numba.w) == pytest.approx(1.0, abs=1e-14)


def test_a_batch_of_fused_runs_is_its_members():
    setting = make("adam", "hadamard", "squared", 4, 6)
    starts = np.stack([setting.init, 2 * setting.init])
    batch = ib.simulate(
        ib.Setting(setting.problem, setting.model, setting.optimizer, starts), ib.Stop(steps=9)
    )
    for start, theta in zip(starts, batch.theta):
        alone = ib.Setting(setting.problem, setting.model, setting.optimizer, start)
        assert ib.simulate(alone, ib.Stop(steps=9)).theta.tolist() == theta.tolist()


def test_diverging_averages_are_noticed(rng):
    problem = ib.Regression(rng.standard_normal((4, 6)), rng.standard_normal(4))
    setting = ib.Setting(problem, ib.Linear(), ib.Averaged(ib.GradientDescent(50.0)))
    python, numba = both(setting, ib.Stop(loss=1e-9, steps=5000))
    assert python.status == numba.status == "diverged"


def test_the_rules_are_valid_python():
    """With the compiler off the same loop runs, without a warning, and agrees with the reference as well."""
    program = """
import sys
sys.path.insert(0, sys.argv[1])
import numba, test_fused_rules as t
assert numba.config.DISABLE_JIT
for i, name in enumerate(t.ENTRIES):
    setting = t.make(name, list(t.MODELS)[i % 4], "squared", 3, 6)
    t.assert_agree(*t.both(setting, t.ib.Stop(steps=7)))
"""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", program, os.path.dirname(__file__)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
