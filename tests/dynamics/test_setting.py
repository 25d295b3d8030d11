"""Settings: starts of every structure, what does not fit, and users' own objects."""

import dataclasses

import numpy as np
import pytest

import implicitbias as ib

PROBLEM = ib.Regression([[1.0, 2.0, 0.5], [0.0, 1.0, -1.0]], [1.0, 2.0])
MATRIX = ib.MatrixRegression(np.eye(3), np.ones((3, 2)))
GD = ib.GradientDescent(0.1)
ONES = np.ones((2, 3))


# -- starts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "init",
    [ONES, ONES.tolist(), ONES.astype(int), np.asfortranarray(ONES), [[1, 1, 1], [1, 1, 1]]],
    ids=["array", "list", "integers", "fortran", "integer list"],
)
def test_any_array_is_the_same_start(init):
    setting = ib.Setting(PROBLEM, ib.Diagonal(), GD, init)
    assert setting == ib.Setting(PROBLEM, ib.Diagonal(), GD, ONES)
    run = ib.simulate(setting, ib.Stop(steps=3))
    assert run.theta.shape == (2, 3)


def test_theta_has_the_structure_of_init():
    u, v = np.full(3, 0.5), np.full(3, 0.25)
    stacked = ib.simulate(ib.Setting(PROBLEM, ib.Hadamard(), GD, np.stack([u, v])), ib.Stop(steps=3))
    pair = ib.simulate(ib.Setting(PROBLEM, ib.Hadamard(), GD, (u, v)), ib.Stop(steps=3))
    assert isinstance(pair.theta, tuple)
    assert [a.tolist() for a in pair.theta] == stacked.theta.tolist()
    deep = ib.DeepLinear((3, 2, 1))
    run = ib.simulate(ib.Setting(PROBLEM, deep, GD, (np.ones((2, 3)), np.ones((1, 2)))), ib.Stop(steps=1))
    assert [a.shape for a in run.theta] == [(2, 3), (1, 2)]
    tied = ib.MatrixFactorization(2, tied=True)
    square = ib.MatrixCompletion(np.eye(3), np.eye(3))
    for init, kind in (((np.ones((3, 2)),), tuple), (np.ones((3, 2)), np.ndarray)):
        run = ib.simulate(ib.Setting(square, tied, GD, init), ib.Stop(steps=1))
        assert isinstance(run.theta, kind)


def test_a_tuple_of_one_block():
    """(θ,) is a tuple of the one block that Linear has."""
    setting = ib.Setting(PROBLEM, ib.Linear(), GD, (np.ones(3),))
    run = ib.simulate(setting, ib.Stop(steps=2))
    plain = ib.simulate(ib.Setting(PROBLEM, ib.Linear(), GD, np.ones(3)), ib.Stop(steps=2))
    assert isinstance(run.theta, tuple)
    assert len(run.theta) == 1
    assert run.theta[0].tolist() == plain.theta.tolist()


def test_linear_starts_at_zero_by_default():
    setting = ib.Setting(PROBLEM, ib.Linear(), GD)
    assert setting.start.tolist() == [0.0, 0.0, 0.0]
    assert ib.Setting(MATRIX, ib.Linear(), GD).theta0.shape == (2, 3)


def test_balanced_is_resolved_by_the_model():
    setting = ib.Setting(PROBLEM, ib.Diagonal(), GD, ib.Balanced(0.1))
    assert setting.theta0.tolist() == [[0.1] * 3] * 2
    # the default loss of three outputs, cross-checked by the model's own balanced start
    deep = ib.DeepLinear((3, 2, 2))
    seeded = ib.Setting(MATRIX, deep, GD, ib.Balanced(0.1, rng=5))
    for a, b in zip(seeded.theta0, deep.balanced(MATRIX, 0.1, rng=5)):
        assert a.tolist() == b.tolist()
    power = ib.Setting(PROBLEM, ib.PowerPropagation(2), GD, ib.Balanced(0.25, signs=[1, -1, 1]))
    assert power.w0.tolist() == [0.25, -0.25, 0.25]


def test_a_setting_is_frozen_and_keeps_its_own_copy():
    init = ONES.copy()
    setting = ib.Setting(PROBLEM, ib.Diagonal(), GD, init)
    init[0, 0] = 7.0
    assert setting.theta0[0, 0] == 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        setting.model = ib.Hadamard()
    with pytest.raises(ValueError, match="read-only"):
        setting.init[0] = 0.0
    ib.simulate(setting, ib.Stop(steps=5))
    assert setting.theta0.tolist() == ONES.tolist()


class OnlyUpdate:
    def update(self, oracle, state, theta, k):
        return theta, state


class NoPullback:
    def shapes(self, problem):
        return problem.w_shape

    def predictor(self, theta):
        return theta


X3 = np.ones(3)
BAD = {
    "wrong width": (
        (PROBLEM, ib.Diagonal(), GD, np.ones((2, 4))),
        r"init has shape \(2, 4\).*Diagonal.*\(2, 3\)",
    ),
    "wrong rank": ((PROBLEM, ib.Diagonal(), GD, X3), r"init has shape \(3,\).*\(2, 3\)"),
    "wrong blocks": (
        (PROBLEM, ib.DeepLinear((3, 2, 1)), GD, (np.ones((3, 2)), np.ones((1, 2)))),
        r"init has shape \(3, 2\), \(1, 2\).*W1 \(2, 3\), W2 \(1, 2\)",
    ),
    "a block too few": (
        (PROBLEM, ib.DeepLinear((3, 2, 1)), GD, (np.ones((2, 3)),)),
        r"init has 1 block\(s\).*W1 \(2, 3\), W2 \(1, 2\)",
    ),
    "batches differ": (
        (PROBLEM, ib.DeepLinear((3, 2, 1)), GD, (np.ones((2, 2, 3)), np.ones((4, 1, 2)))),
        "different batch sizes",
    ),
    "two batch axes": ((PROBLEM, ib.Linear(), GD, np.ones((2, 2, 3))), "init has shape"),
    "a number": ((PROBLEM, ib.Linear(), GD, 1.0), r"init has shape \(\)"),
    "NaN": ((PROBLEM, ib.Linear(), GD, [1.0, np.nan, 0.0]), r"init\[1\] is nan"),
    "inf": ((PROBLEM, ib.Linear(), GD, [1.0, np.inf, 0.0]), r"init\[1\] is inf"),
    "no init": ((PROBLEM, ib.Diagonal(), GD), r"init is missing.*\(2, 3\).*Balanced"),
    "no problem": ((None, ib.Linear(), GD), "problem must be a Problem, got NoneType"),
    "a class": ((PROBLEM, ib.Linear, GD), "class Linear"),
    "no pullback": ((PROBLEM, NoPullback(), GD), "NoPullback has no pullback"),
    "no optimizer": ((PROBLEM, ib.Linear(), 0.1), "optimizer must be a Flow"),
    "an optimizer class": ((PROBLEM, ib.Linear(), ib.GradientFlow), "got the class GradientFlow"),
    "only update": ((PROBLEM, ib.Linear(), OnlyUpdate()), "init"),
    "model and problem": ((MATRIX, ib.Diagonal(), GD, ONES), "needs a vector predictor"),
    "Kaczmarz on matrices": ((MATRIX, ib.Linear(), ib.RandomizedKaczmarz()), "not a MatrixRegression"),
    "Kaczmarz on Diagonal": (
        (PROBLEM, ib.Diagonal(), ib.RandomizedKaczmarz(), ONES),
        r"use Linear\(\), not Diagonal",
    ),
    "rates": (
        (PROBLEM, ib.DeepLinear((3, 2, 1)), ib.GradientFlow(rates=(1.0,)), ib.Balanced(1.0)),
        "1 rates; θ has 2 blocks: W1, W2",
    ),
    "batch of steps and starts": (
        (PROBLEM, ib.Linear(), ib.GradientDescent([0.1, 0.2]), np.ones((3, 3))),
        r"batch sizes of init and step differ: \[2, 3\]",
    ),
    "signs": (
        (PROBLEM, ib.PowerPropagation(2), GD, ib.Balanced(1.0, signs=[1, -1])),
        r"signs has shape \(2,\); expected \(3\)",
    ),
    "no samples": (
        (ib.MatrixRegression.whitened(np.eye(2)), ib.Linear(), ib.SGD(0.1)),
        "no samples",
    ),
    "P too small": ((PROBLEM, ib.Linear(), ib.PreconditionedGradientDescent([1.0, 2.0], 0.1)), r"\(2,\)"),
    "P of the flow": ((PROBLEM, ib.Linear(), ib.PreconditionedFlow(np.eye(4))), r"\(4, 4\)"),
    "P of one entry": ((PROBLEM, ib.Linear(), ib.PreconditionedFlow([2.0])), r"\(1,\)"),
    "log_c too long": (
        (PROBLEM, ib.Linear(), ib.MirrorDescent(ib.Hypentropy([0.0, 0.0]), 0.1)),
        r"\(2,\)",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_parts_that_do_not_fit_are_refused(case):
    parts, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        ib.Setting(*parts)


def test_kaczmarz_on_a_classification(separable):
    with pytest.raises(ValueError, match="not a Classification"):
        ib.Setting(separable(), ib.Linear(), ib.RandomizedKaczmarz())


def test_bad_keywords_of_simulate():
    setting = ib.Setting(PROBLEM, ib.Diagonal(), GD, ONES)
    with pytest.raises(ValueError, match=r"engine must be .* got 'fortran'"):
        ib.simulate(setting, ib.Stop(steps=1), engine="fortran")
    with pytest.raises(ValueError, match=r"observe names 'speed'; .*log_shrink, shift"):
        ib.simulate(setting, ib.Stop(steps=1), observe=["speed"])
    with pytest.raises(ValueError, match="accumulators of this model and optimizer: none"):
        ib.simulate(ib.Setting(PROBLEM, ib.Linear(), GD), ib.Stop(steps=1), observe=["shift"])
    flow = ib.Setting(PROBLEM, ib.Diagonal(), ib.GradientFlow(), ONES)
    with pytest.raises(ValueError, match="observe names 'shift'"):
        ib.simulate(flow, ib.Stop(steps=1), observe=["shift"])
    with pytest.raises(ValueError, match="needs a Setting, got Regression"):
        ib.simulate(PROBLEM)


def test_observe_chooses_the_accumulators():
    setting = ib.Setting(PROBLEM, ib.Hadamard(), GD, ONES)
    everything = ib.simulate(setting, ib.Stop(steps=9)).accumulators
    assert set(everything) == {"log_shrink", "shift"}
    one = ib.simulate(setting, ib.Stop(steps=9), observe=["shift"]).accumulators
    assert set(one) == {"shift"}
    np.testing.assert_allclose(one["shift"], everything["shift"], rtol=1e-13)
    assert ib.simulate(setting, ib.Stop(steps=9), observe=[]).accumulators == {}


# -- users' own objects -----------------------------------------------------------------------------


class Cubes:
    """w = θ³, with nothing but the three functions."""

    def shapes(self, problem):
        return problem.w_shape

    def predictor(self, theta):
        return theta**3

    def pullback(self, theta, g):
        return 3 * theta**2 * g


class Quotient:
    """w = a∘b with named blocks."""

    def shapes(self, problem):
        return {"a": problem.w_shape, "b": problem.w_shape}

    def predictor(self, theta):
        a, b = theta
        return a * b

    def pullback(self, theta, g):
        a, b = theta
        return b * g, a * g


class Modulus(Cubes):
    """The same w = |θ|θ²·sgn θ, written with np.abs: right for real θ, wrong for complex steps."""

    def predictor(self, theta):
        return np.sign(np.real(theta)) * np.abs(theta) ** 3

    def pullback(self, theta, g):
        return 3 * np.abs(theta) ** 2 * g


class OneAtATime(Cubes):
    """A model that accepts neither batch axes nor complex numbers."""

    def predictor(self, theta):
        return np.array([float(t) ** 3 for t in theta])

    def pullback(self, theta, g):
        return np.array([3 * float(t) ** 2 * s for t, s in zip(theta, g)])


class Mine:
    """Gradient descent as a user would write it."""

    def init(self, theta):
        return 0

    def update(self, oracle, state, theta, k):
        assert k == state
        return theta - 0.05 * oracle(theta), state + 1


class MyFlow:
    """Gradient flow as a user would write it."""

    def velocity(self, theta, gradient, layout):
        return -gradient


THETA = np.array([0.9, 0.8, -0.7])


def by_hand(steps, eta=0.05):
    theta = THETA.copy()
    for _ in range(steps):
        theta = theta - eta * 3 * theta**2 * PROBLEM.gradient(theta**3)
    return theta


@pytest.mark.parametrize("model", [Cubes(), Modulus(), OneAtATime()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("optimizer", [ib.GradientDescent(0.05), Mine()], ids=["GD", "own"])
def test_own_models_and_optimizers_in_steps(model, optimizer):
    run = ib.simulate(ib.Setting(PROBLEM, model, optimizer, THETA), ib.Stop(steps=20), ib.Save())
    np.testing.assert_allclose(run.theta, by_hand(20), rtol=1e-13)  # 20 steps of rounding
    assert run.accumulators == {}
    assert len(run.history["loss"]) == 21
    first = ib.simulate(ib.Setting(PROBLEM, model, optimizer, THETA), ib.Stop(steps=8))
    rest = ib.simulate(run.setting, ib.Stop(steps=12), state=first.state)
    assert rest.theta.tolist() == run.theta.tolist()


def test_own_optimizer_on_every_model():
    for model in (ib.Linear(), ib.Diagonal(), ib.Hadamard(), ib.DeepLinear((3, 2, 1))):
        init = np.full(3, 0.5) if model == ib.Linear() else ib.Balanced(0.5, rng=1)
        mine, ours = (
            ib.simulate(ib.Setting(PROBLEM, model, o, init), ib.Stop(steps=30))
            for o in (Mine(), ib.GradientDescent(0.05))
        )
        np.testing.assert_allclose(mine.w, ours.w, rtol=1e-12)
        assert mine.steps == mine.time == 30  # each of unit time: it names no step


def test_own_blocks_are_a_tuple():
    init = (np.array([0.5, 1.0, 0.3]), np.array([1.0, 0.4, -0.5]))
    own = ib.Setting(PROBLEM, Quotient(), ib.GradientDescent(0.05), init)
    ours = ib.Setting(PROBLEM, ib.Hadamard(), ib.GradientDescent(0.05), np.stack(init))
    a, b = (ib.simulate(s, ib.Stop(steps=25)) for s in (own, ours))
    np.testing.assert_allclose(np.stack(a.theta), b.theta, rtol=1e-13)
    with pytest.raises(ValueError, match=r"init has 1 block.*a \(3,\), b \(3,\)"):
        ib.Setting(PROBLEM, Quotient(), GD, np.ones((2, 3)))


@pytest.mark.parametrize("model", [Cubes(), Modulus(), OneAtATime()], ids=lambda m: type(m).__name__)
@pytest.mark.parametrize("method", ["lsoda", "radau"])
def test_own_models_in_flows(model, method):
    """The implicit method needs the right Jacobian: from complex steps where they work only."""
    from scipy.integrate import solve_ivp

    setting = ib.Setting(PROBLEM, model, ib.GradientFlow(), THETA)
    run = ib.simulate(setting, ib.Stop(time=3.0), method=method)

    def field(t, theta):
        return -3 * theta**2 * PROBLEM.gradient(theta**3)

    end = solve_ivp(field, (0, 3.0), THETA, "DOP853", rtol=1e-12, atol=1e-14).y[:, -1]
    np.testing.assert_allclose(run.theta, end, rtol=1e-8)
    assert run.status == "converged"
    assert run.steps < 2000  # with a wrong Jacobian Newton fails and steps collapse


@pytest.mark.parametrize("model", [ib.Linear(), Cubes()], ids=lambda m: type(m).__name__)
def test_own_flows(model):
    mine, ours = (
        ib.simulate(ib.Setting(PROBLEM, model, o, THETA), ib.Stop(time=2.0))
        for o in (MyFlow(), ib.GradientFlow())
    )
    np.testing.assert_allclose(mine.w, ours.w, rtol=1e-9)
    assert mine.status == "converged"


def test_own_objects_go_to_the_end():
    run = ib.simulate(ib.Setting(PROBLEM, Cubes(), Mine(), THETA), ib.Stop(loss=1e-12, steps=100_000))
    assert run.status == "converged"
    assert run.loss <= 1e-12


def test_own_objects_can_run_in_batches():
    starts = np.stack([THETA, -THETA, 2 * THETA])
    batch = ib.simulate(ib.Setting(PROBLEM, Cubes(), Mine(), starts), ib.Stop(steps=10))
    for start, w in zip(starts, batch.w):
        alone = ib.simulate(ib.Setting(PROBLEM, Cubes(), Mine(), start), ib.Stop(steps=10))
        assert alone.w.tolist() == w.tolist()
