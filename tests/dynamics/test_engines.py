"""The Python oracle loop and the fused Numba loop are the same dynamics."""

import dataclasses

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.dynamics.steps import LAST_RULE

# Small integers and power-of-two steps: every product and sum below is exact in 53 bits for a few
# steps, so the two loops must agree to the bit in whatever order they add.
X = np.array([[1.0, 2.0, -1.0], [0.0, 1.0, 3.0], [2.0, -1.0, 1.0], [1.0, 1.0, 0.0]])
Y = np.array([1.0, -2.0, 3.0, 2.0])
DYADIC = ib.Regression(X, Y)
START = {
    "linear": (ib.Linear(), np.array([1.0, -0.5, 2.0])),
    "diagonal": (ib.Diagonal(), np.array([[1.0, 0.5, 0.25], [0.5, 1.0, 0.5]])),
    "hadamard": (ib.Hadamard(), np.array([[1.0, 0.5, -0.5], [0.5, 1.0, 2.0]])),
    "power": (ib.PowerPropagation(2), np.array([1.0, -0.5, 0.25])),
}
EXACT = {
    "gradient": ib.GradientDescent(0.125),
    "weight decay": ib.GradientDescent(0.125, weight_decay=0.5),
    "heavy ball": ib.HeavyBall(0.0625, 0.5),
    "nesterov": ib.Nesterov(0.0625, 0.5),
    "sgd": ib.SGD(0.125, 1),
    "sgd 2": ib.SGD(0.125, 2),
    "linf": ib.SteepestDescent(np.inf, 0.03125),
    "l1": ib.SteepestDescent(1, 0.125),
    "sign": ib.SignDescent(0.25),
    "coordinate": ib.CoordinateDescent(0.25),
}


def both(setting, stop, save=None, rng=0):
    return [ib.simulate(setting, stop, save, rng=rng, engine=e) for e in ("python", "numba")]


@pytest.mark.parametrize("optimizer", EXACT)
@pytest.mark.parametrize("model", ["linear", "diagonal", "hadamard"])
def test_equal_to_the_bit_where_arithmetic_is_exact(model, optimizer):
    # a step adds ~3 + 2·log2(θ-degree) bits: linear models stay exact for five steps, quadratic
    # ones (θ of degree 3ᵏ in the data) for two
    steps = 5 if model == "linear" else 2
    setting = ib.Setting(DYADIC, START[model][0], EXACT[optimizer], START[model][1])
    python, numba = both(setting, ib.Stop(steps=steps), rng=3)
    assert python.counters["fused"] == 0
    assert numba.counters["fused"] == 1
    assert python.theta.tolist() == numba.theta.tolist()
    assert python.w.tolist() == numba.w.tolist()


GENERIC = {
    "gradient": ib.GradientDescent(0.1),
    "decay": ib.GradientDescent(ib.Decay(0.2, 0.5)),
    "weight decay": ib.GradientDescent(0.1, weight_decay=0.1),
    "heavy ball": ib.HeavyBall(0.05, 0.8),
    "nesterov": ib.Nesterov(0.05),
    "sgd": ib.SGD(0.05, 1),
    "sgd 3": ib.SGD(0.1, 3),
    "l4/3": ib.SteepestDescent(4 / 3, 0.1),
    "l2 unit": ib.NormalizedGradientDescent(0.01),
    "l4/3 unit": ib.SteepestDescent(4 / 3, 0.01, normalized=True),
    "linf": ib.SteepestDescent(np.inf, 0.01),
    "sign": ib.SignDescent(0.01),
    "coordinate": ib.CoordinateDescent(0.01),
}


def drawn(problem, model, separable, rng):
    if problem == "regression":
        X = rng.standard_normal((5, 7)) / np.sqrt(7)
        data = ib.Regression(X, rng.standard_normal(5))
    else:
        data = separable(problem)
    model = START[model][0]
    d = data.w_shape[0]
    theta = 0.5 + 0.5 * rng.random((2, d) if model in (ib.Diagonal(), ib.Hadamard()) else d)
    return data, model, theta


@pytest.mark.parametrize("optimizer", GENERIC)
@pytest.mark.parametrize("model", START)
@pytest.mark.parametrize("problem", ["regression", "exp", "logistic"])
def test_equal_to_rounding_on_generic_data(problem, model, optimizer, separable, rng):
    data, model, theta = drawn(problem, model, separable, rng)
    setting = ib.Setting(data, model, GENERIC[optimizer], theta)
    python, numba = both(setting, ib.Stop(steps=50), ib.Save(every=7))
    # 50 steps of maps of Lipschitz constant about 1 on numbers of order 1: 50·100·eps ≈ 1e-12
    close = {"rtol": 1e-11, "atol": 1e-11}
    np.testing.assert_allclose(python.theta, numba.theta, **close)
    np.testing.assert_allclose(python.log_loss, numba.log_loss, **close)
    assert python.steps == numba.steps == 50
    assert python.time == numba.time
    for name in ("time", "steps", "loss"):
        np.testing.assert_allclose(python.history[name], numba.history[name], **close)
    assert set(python.accumulators) == set(numba.accumulators)
    for name, sums in python.accumulators.items():
        np.testing.assert_allclose(sums, numba.accumulators[name], **close)


@pytest.mark.parametrize("model", ["diagonal", "hadamard"])
@pytest.mark.parametrize("optimizer", ["gradient", "decay", "sgd 3"])
def test_accumulators_are_the_sums_of_their_definition(model, optimizer, rng):
    """From a recorded path: x_k = rate·η_k·∇L(w_k), or the product form Π(1 ∓ x) where g is SGD's."""
    data = ib.Regression(rng.standard_normal((4, 6)) / 2, rng.standard_normal(4))
    model = START[model][0]
    theta = 0.5 + 0.5 * rng.random((2, 6))
    setting = ib.Setting(data, model, GENERIC[optimizer], theta)
    run = ib.simulate(setting, ib.Stop(steps=40), ib.Save(every=1, fields="theta"))
    path = run.history["theta"].reshape(-1, 2, 6)
    # a gradient step multiplies w₊ by 1 − x and w₋ by 1 + x exactly: read x off the path
    if model == ib.Diagonal():
        plus, minus = path[:, 0], path[:, 1]
    else:
        plus, minus = path.sum(axis=1), path[:, 0] - path[:, 1]
    x = 1 - plus[1:] / plus[:-1]
    np.testing.assert_allclose(minus[1:] / minus[:-1], 1 + x, rtol=1e-12)
    shift = np.sum(np.log(np.abs((1 - x) / (1 + x))) + 2 * x, axis=0)
    shrink = np.sum(np.log(np.abs(1 - x**2)), axis=0)
    # x is read with an absolute error of eps a step, which 2x + ln((1−x)/(1+x)) passes on to O(x²)
    np.testing.assert_allclose(run.accumulators["log_shrink"], shrink, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(run.accumulators["shift"], shift, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_accumulators_of_one_step_by_hand(engine):
    """Hadamard, d = 1: g = w − 1 = −½ at u = v with uv = ½, x = η·g = −¼ for η = ½."""
    problem = ib.Regression([[1.0]], [1.0])
    setting = ib.Setting(problem, ib.Hadamard(), ib.GradientDescent(0.5), [[1.0], [0.5]])
    run = ib.simulate(setting, ib.Stop(steps=1), engine=engine)
    assert run.accumulators["log_shrink"][0] == pytest.approx(np.log(1 - 1 / 16), rel=1e-14)
    assert run.accumulators["shift"][0] == pytest.approx(np.log(5 / 3) - 0.5, rel=1e-13)


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_accumulators_are_continued(engine, rng):
    data = ib.Regression(rng.standard_normal((4, 6)) / 2, rng.standard_normal(4))
    setting = ib.Setting(data, ib.Hadamard(), ib.SGD(0.05, 2), 0.5 + 0.5 * rng.random((2, 6)))
    whole = ib.simulate(setting, ib.Stop(steps=60), engine=engine)
    first = ib.simulate(setting, ib.Stop(steps=23), engine=engine)
    rest = ib.simulate(setting, ib.Stop(steps=37), engine=engine, state=first.state)
    assert rest.theta.tolist() == whole.theta.tolist()
    for name, sums in whole.accumulators.items():
        # the same sixty terms of size ≤ 1, grouped otherwise
        np.testing.assert_allclose(rest.accumulators[name], sums, rtol=1e-12, atol=1e-14)


STOPS = {
    "regression": [ib.Stop(loss=1e-6), ib.Stop(gradient=1e-3), ib.Stop(time=3.33), ib.Stop(loss=0.02, steps=900)],
    "exp": [ib.Stop(loss=0.1), ib.Stop(log_loss=-2.5), ib.Stop(margin=1.5), ib.Stop(gradient=0.05), ib.Stop(time=2.0)],
    "logistic": [ib.Stop(loss=0.1), ib.Stop(log_loss=-2.5), ib.Stop(margin=1.5), ib.Stop(gradient=0.05)],
}  # fmt: skip
FIXED_LENGTH = ("l2 unit", "sign")


def can_be_asked(problem, stop, optimizer):
    """Steps of fixed length end on no regression; nor does the gradient of SGD on data that no w fits."""
    return not (problem == "regression" and optimizer in FIXED_LENGTH and stop.time is None)


ASKED = [
    pytest.param(problem, stop, optimizer, id=f"{problem}-{optimizer}-{i}")
    for problem, stops in STOPS.items()
    for i, stop in enumerate(stops)
    for optimizer in ("gradient", "heavy ball", "sgd", "nesterov", *FIXED_LENGTH)
    if can_be_asked(problem, stop, optimizer)
]


@pytest.mark.parametrize(("problem", "stop", "optimizer"), ASKED)
def test_the_same_number_of_steps_for_the_same_stop(problem, stop, optimizer, separable, rng):
    data, model, theta = drawn(problem, "linear", separable, rng)
    if stop.steps is None:
        stop = dataclasses.replace(stop, steps=5000)
    python, numba = both(ib.Setting(data, model, GENERIC[optimizer], theta), stop)
    assert python.steps == numba.steps
    assert python.status == numba.status
    assert python.steps > 3
    np.testing.assert_allclose(python.w, numba.w, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("sampling", ["norm", "uniform"])
def test_row_projections_are_the_same(sampling, rng):
    X = rng.standard_normal((5, 7)) * np.array([1.0, 2.0, 0.5, 3.0, 1.0])[:, None]
    data = ib.Regression(X, X @ rng.standard_normal(7))
    setting = ib.Setting(data, ib.Linear(), ib.RandomizedKaczmarz(sampling), rng.standard_normal(7))
    python, numba = both(setting, ib.Stop(steps=60), rng=2)
    np.testing.assert_allclose(python.w, numba.w, rtol=1e-11, atol=1e-12)
    python, numba = both(setting, ib.Stop(loss=1e-10), rng=2)
    assert python.steps == numba.steps
    assert python.steps % 5 == 0  # looked at once in n projections


def test_a_gradient_goal_of_zero():
    """X = 1, η = 1 reaches the solution exactly in one step; both loops see it at once."""
    setting = ib.Setting(ib.Regression([[1.0]], [1.0]), ib.Linear(), ib.GradientDescent(1.0))
    python, numba = both(setting, ib.Stop(gradient=0.0))
    assert python.steps == numba.steps == 1
    assert python.status == numba.status == "converged"


@pytest.mark.parametrize("engine", ["python", "numba"])
@pytest.mark.parametrize(
    "optimizer",
    [
        ib.NormalizedGradientDescent(0.5),
        ib.SignDescent(0.5),
        ib.CoordinateDescent(0.5),
        ib.SteepestDescent(4 / 3, 0.5, normalized=True),
    ],
    ids=lambda o: type(o).__name__,
)
def test_normalised_steps_rest_at_an_exact_solution(optimizer, engine):
    """g = 0 has no direction: s(0) = 0. From 0 to 1 in two steps of ½, all exact."""
    setting = ib.Setting(ib.Regression([[1.0]], [1.0]), ib.Linear(), optimizer)
    run = ib.simulate(setting, ib.Stop(steps=10), engine=engine)
    assert run.w.tolist() == [1.0]
    assert ib.simulate(setting, engine=engine).status == "converged"


def test_a_false_gradient_goal_is_not_reported(separable):
    """A badly misclassified start has a large gradient, whichever engine runs."""
    problem = separable("exp")
    start = np.array([-40.0, 0.0, 0.0])  # margins ≤ −20: ‖∇L‖ ≥ e^{20}/12
    setting = ib.Setting(problem, ib.Linear(), ib.NormalizedGradientDescent(0.01), start)
    for run in both(setting, ib.Stop(gradient=10.0, steps=500)):
        assert run.status == "budget"  # 500 steps of 0.01 leave margins below −10
        assert np.linalg.norm(problem.gradient(run.w)) > 10.0


REFUSED = {
    "deep": (ib.GradientDescent(0.1), ib.Diagonal(3), ib.Stop(steps=1)),
    "another mirror map": (ib.MirrorDescent(ib.Hypentropy(0.0, depth=3), 0.1), ib.Linear(), ib.Stop(steps=1)),
    "out of its domain": (
        ib.MirrorDescent(ib.Entropy(), 0.1, 0.5, primal=True),
        ib.Linear(),
        ib.Stop(steps=1),
    ),
    "callable": (ib.PreconditionedGradientDescent(np.ones_like, 0.1), ib.Linear(), ib.Stop(steps=1)),
    "average of averages": (
        ib.Averaged(ib.Averaged(ib.GradientDescent(0.1))),
        ib.Linear(),
        ib.Stop(steps=1),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_numba_is_refused_where_there_is_no_kernel(case):
    optimizer, model, stop = REFUSED[case]
    init = np.ones((2, 3)) if model == ib.Diagonal(3) else np.ones(3)
    setting = ib.Setting(DYADIC, model, optimizer, init)
    with pytest.raises(ValueError, match=f"no fused kernel for {type(optimizer).__name__}"):
        ib.simulate(setting, stop, engine="numba")
    run = ib.simulate(setting, ib.Stop(steps=1))
    assert run.steps == 1


def test_a_code_without_a_branch_is_refused():
    class Unknown(ib.GradientDescent):
        def kernel_rule(self):
            return super().kernel_rule()._replace(code=LAST_RULE + 1)

    setting = ib.Setting(DYADIC, ib.Linear(), Unknown(0.125))
    with pytest.raises(ValueError, match="no fused kernel for Unknown"):
        ib.simulate(setting, ib.Stop(steps=1), engine="numba")
    assert np.any(ib.simulate(setting, ib.Stop(steps=1)).w)
