"""Why runs end: each status from settings where mathematics says which one it is."""

import dataclasses
import re

import numpy as np
import pytest

import implicitbias as ib

ONE = ib.Regression([[1.0]], [1.0])
STEPPED = [ib.GradientDescent(0.1), ib.HeavyBall(0.1, 0.5), ib.Nesterov(0.1)]
FLOWS = [ib.GradientFlow()]
BOTH = pytest.mark.parametrize("optimizer", [*STEPPED, *FLOWS], ids=lambda o: type(o).__name__)


# -- converged --------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("goal", [{"loss": 1e-6}, {"gradient": 1e-4}, {"log_loss": -12.0}], ids=str)
def test_a_goal_that_is_met(optimizer, goal, regression):
    run = ib.simulate(ib.Setting(regression, ib.Linear(), optimizer), ib.Stop(**goal))
    assert run.status == "converged"
    assert run.converged
    w = run.w
    if "gradient" in goal:
        assert np.linalg.norm(regression.gradient(w)) <= 1e-4
    else:
        assert run.loss <= (1e-6 if "loss" in goal else np.exp(-12.0))
    assert run.steps > 0


def test_the_first_step_that_meets_the_goal_ends_the_run():
    """w_k = 1 − 2^{−k}, L = ½·4^{−k}: L ≤ 2^{−21} first at k = 10, all exact."""
    setting = ib.Setting(ONE, ib.Linear(), ib.GradientDescent(0.5))
    for engine in ("python", "numba"):
        run = ib.simulate(setting, ib.Stop(loss=2.0**-21), engine=engine)
        assert run.steps == 10
        assert run.w[0] == 1 - 2.0**-10
        assert run.time == 5.0


@BOTH
def test_a_start_that_meets_the_goal(optimizer):
    setting = ib.Setting(ONE, ib.Linear(), optimizer, [1.0])
    run = ib.simulate(setting, ib.Stop(loss=1e-3))
    assert (run.status, run.steps, run.time) == ("converged", 0, 0.0)
    assert "start" in run.message
    assert run.w.tolist() == [1.0]


@BOTH
def test_a_start_at_the_minimum_with_nothing_asked(optimizer):
    run = ib.simulate(ib.Setting(ONE, ib.Linear(), optimizer, [1.0]))
    assert run.status == "converged"
    assert run.w.tolist() == [1.0]


@BOTH
def test_limits_alone_are_the_goal(optimizer, regression):
    setting = ib.Setting(regression, ib.Linear(), optimizer)
    run = ib.simulate(setting, ib.Stop(time=1.0))
    assert run.status == "converged"
    assert run.time == pytest.approx(1.0, rel=1e-12)  # ten sums of 0.1, or the integrator's end
    run = ib.simulate(setting, ib.Stop(steps=7))
    assert (run.status, run.steps) == ("converged", 7)


@BOTH
@pytest.mark.parametrize("limit", [{"time": 0.0}, {"steps": 0}], ids=str)
def test_a_limit_of_zero_takes_no_step(optimizer, limit, regression):
    run = ib.simulate(ib.Setting(regression, ib.Linear(), optimizer, np.ones(6)), ib.Stop(**limit))
    assert run.status == "converged"
    assert (run.steps, run.time) == (0, 0.0)
    assert run.w.tolist() == [1.0] * 6


@pytest.mark.parametrize("goal", [1e-40, 0.0, None])
@pytest.mark.parametrize(
    "optimizer",  # momentum bounded away from 1: k/(k + 3) amplifies rounding for ever
    [ib.GradientDescent(0.1), ib.HeavyBall(0.1, 0.5), ib.Nesterov(0.1, 0.9), ib.GradientFlow()],
    ids=lambda o: type(o).__name__,
)
def test_consistent_data_at_rounding_level_are_converged(optimizer, goal, regression):
    """A goal below what floating point reaches: the loss stops at (eps·|Xw|)² and the run says so."""
    run = ib.simulate(ib.Setting(regression, ib.Linear(), optimizer), ib.Stop(loss=goal))
    assert run.status == "converged"
    assert run.loss < 1e-28
    if run.loss > (goal or 0.0):
        assert "rounding" in run.message


@BOTH
def test_the_least_squares_solution_with_nothing_asked(optimizer, inconsistent):
    run = ib.simulate(ib.Setting(inconsistent, ib.Linear(), optimizer))
    assert run.status == "converged"
    np.testing.assert_allclose(run.w, [1.0, -2.0, 0.5], rtol=1e-9)


@BOTH
def test_rank_deficient_and_inconsistent_data_are_legal(optimizer):
    """Rows (1, 1) twice with targets 1 and 3: w = (1, 1) is the least-squares solution nearest 0."""
    problem = ib.Regression([[1.0, 1.0], [1.0, 1.0]], [1.0, 3.0])
    run = ib.simulate(ib.Setting(problem, ib.Linear(), optimizer))
    assert run.status == "converged"
    np.testing.assert_allclose(run.w, [1.0, 1.0], rtol=1e-9)


# -- floor ------------------------------------------------------------------------------------------


@BOTH
def test_a_goal_below_the_least_loss_is_a_floor(optimizer, inconsistent):
    run = ib.simulate(ib.Setting(inconsistent, ib.Linear(), optimizer), ib.Stop(loss=1e-26))
    assert run.status == "floor"
    assert not run.converged
    assert run.loss == pytest.approx(1.0, rel=1e-12)
    assert "cannot be reached" in run.message


@pytest.mark.parametrize("goal", [{"loss": 1e-9}, {"log_loss": -20.0}, {"margin": 1.0}], ids=str)
@pytest.mark.parametrize("loss", ["exp", "logistic"])
@pytest.mark.parametrize("optimizer", [ib.GradientDescent(0.5), *FLOWS], ids=lambda o: type(o).__name__)
def test_a_goal_that_inseparable_data_do_not_allow_is_a_floor(optimizer, loss, goal):
    """Signed inputs 1, −1, 1: the least loss is that of two points against one."""
    problem = ib.Classification([[1.0], [1.0], [-1.0]], [1, -1, -1], loss)
    # 2ℓ′(w) = ℓ′(−w): e^{2w} = 2, or σ(w) = ⅔, so e^w = 2
    w = 0.5 * np.log(2.0) if loss == "exp" else np.log(2.0)
    setting = ib.Setting(problem, ib.Linear(), optimizer)
    free = ib.simulate(setting)
    assert free.status == "converged"
    assert free.w[0] == pytest.approx(w, rel=1e-7)
    run = ib.simulate(setting, ib.Stop(**goal))
    assert run.status == "floor"
    assert run.w[0] == pytest.approx(w, rel=1e-7)


@BOTH
def test_the_minimum_under_weight_decay_is_no_saddle(optimizer):
    """½(w − 1)² + ½λw², λ = ½: w = ⅔, which is the minimum of what is minimised."""
    optimizer = dataclasses.replace(optimizer, weight_decay=0.5)
    run = ib.simulate(ib.Setting(ONE, ib.Linear(), optimizer))
    assert run.w[0] == pytest.approx(2 / 3, rel=1e-8)
    assert run.status in ("converged", "floor")
    assert "saddle" not in run.message


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_a_step_too_small_to_move_is_a_floor(engine):
    setting = ib.Setting(ONE, ib.Linear(), ib.GradientDescent(1e-30), [0.5])
    run = ib.simulate(setting, engine=engine)
    assert run.status == "floor"
    assert run.w.tolist() == [0.5]
    assert "step is too small" in run.message


# -- stalled ----------------------------------------------------------------------------------------

TARGET = ib.Regression([[1.0, 0.5, 0.0]], [1.0])
ZEROS = {
    "diagonal 2": (ib.Diagonal(2), np.zeros((2, 3))),
    "diagonal 3": (ib.Diagonal(3), np.zeros((2, 3))),
    "hadamard": (ib.Hadamard(), np.zeros((2, 3))),
    "power": (ib.PowerPropagation(2), np.zeros(3)),
    "deep 2": (ib.DeepLinear((3, 2, 1)), (np.zeros((2, 3)), np.zeros((1, 2)))),
    "deep 3": (ib.DeepLinear((3, 2, 2, 1)), (np.zeros((2, 3)), np.zeros((2, 2)), np.zeros((1, 2)))),
}


@pytest.mark.parametrize("name", ZEROS)
@BOTH
@pytest.mark.parametrize("stop", [ib.Stop(), ib.Stop(loss=1e-20)], ids=["nothing asked", "loss"])
def test_a_start_at_a_saddle_is_stalled(name, optimizer, stop):
    model, init = ZEROS[name]
    run = ib.simulate(ib.Setting(TARGET, model, optimizer, init), stop)
    assert run.status == "stalled"
    assert "saddle" in run.message
    assert run.loss == 0.5


@pytest.mark.parametrize("optimizer", [ib.GradientDescent(0.1), ib.GradientFlow()], ids=["steps", "flow"])
def test_the_stable_manifold_of_a_saddle(optimizer):
    """u = −v = 1, target +1: w = −u² rises to 0 and the sign of w cannot change."""
    setting = ib.Setting(ONE, ib.Hadamard(), optimizer, [[1.0], [-1.0]])
    run = ib.simulate(setting, ib.Stop(loss=1e-10))
    assert run.status == "stalled"
    assert run.loss == pytest.approx(0.5, abs=1e-10)


def test_a_zero_that_is_a_minimum_is_not_a_saddle():
    """Target −1 for w = u² ≥ 0 is least at 0: where the model holds it, and no saddle."""
    setting = ib.Setting(
        ib.MatrixCompletion([[-1.0]], [[True]]),
        ib.MatrixFactorization(1, tied=True),
        ib.GradientDescent(0.1),
        (np.zeros((1, 1)),),
    )
    run = ib.simulate(setting)
    assert run.status == "floor"


# -- diverged, budget, failed -----------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["python", "numba"])
@pytest.mark.parametrize(
    "optimizer",
    [ib.GradientDescent(3.0), ib.HeavyBall(5.0, 0.5), ib.Nesterov(3.0, 0.5), ib.SGD(3.0)],
    ids=lambda o: type(o).__name__,
)
def test_an_unstable_step_diverges(optimizer, engine):
    """|1 − η| = 2 and worse: doubles each step, overflows within 1100 steps."""
    setting = ib.Setting(ONE, ib.Linear(), optimizer)
    run = ib.simulate(setting, engine=engine)
    assert run.status == "diverged"
    assert run.steps <= 2048
    assert "smaller step" in run.message


def test_a_flow_that_runs_away_is_not_converged():
    """ẇ = +(w − 1), a user's own flow; e^{800} overflows."""

    class Ascent:
        def velocity(self, theta, gradient, layout):
            return gradient

    run = ib.simulate(ib.Setting(ONE, ib.Linear(), Ascent()), ib.Stop(time=2000.0))
    assert run.status in ("diverged", "failed")
    assert run.time < 2000.0


@BOTH
@pytest.mark.parametrize("limit", [{"steps": 3}, {"time": 0.3}], ids=str)
def test_a_limit_before_the_goal_is_a_budget(optimizer, limit, regression):
    run = ib.simulate(ib.Setting(regression, ib.Linear(), optimizer), ib.Stop(loss=1e-20, **limit))
    assert run.status == "budget"
    assert "before the goal" in run.message
    assert "1e-20" in run.message


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_a_step_callable_that_returns_nan_fails_there(engine, regression):
    optimizer = ib.GradientDescent(lambda k: np.nan if k == 37 else 0.1)
    setting = ib.Setting(regression, ib.Linear(), optimizer)
    run = ib.simulate(setting, engine=engine)
    assert run.status == "failed"
    assert "k = 37" in run.message
    assert np.isfinite(run.w).all()
    # the 37 steps before it are good, and are taken
    good = ib.simulate(ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.1)), ib.Stop(steps=37))
    assert run.steps == 37
    np.testing.assert_allclose(run.w, good.w, rtol=1e-13)
    # a run that ends earlier never asks for it
    assert ib.simulate(setting, ib.Stop(steps=37), engine=engine).status == "converged"
    early = ib.simulate(setting, ib.Stop(loss=0.9 * regression.loss(np.zeros(6))), engine=engine)
    assert early.status == "converged"
    assert early.steps < 37


@pytest.mark.parametrize("k_bad", [256, 512, 1024])
def test_a_step_callable_that_fails_where_rest_is_looked_at(k_bad):
    """At the minimum from the start: converged or failed, but nothing raises."""
    optimizer = ib.GradientDescent(lambda k: 0.1 if k < k_bad else -1.0)
    run = ib.simulate(ib.Setting(ONE, ib.Linear(), optimizer, [1.0]))
    assert run.status in ("converged", "failed")


# -- what moves for ever ----------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["python", "auto"])
def test_a_two_cycle_is_not_called_fixed(engine):
    """Gradient descent on ½(xy − 1)² past the edge η = 1 of the minimum x = y = 1 settles on a
    period-2 orbit; every even step returns to the same floats, and that is no rest."""
    init = (np.array([[1.1]]), np.array([[1.1]]))
    setting = ib.Setting(ONE, ib.DeepLinear((1, 1, 1)), ib.GradientDescent(1.05), init)
    limit = ib.Stop(loss=1e-20, steps=6000)
    run = ib.simulate(setting, limit, ib.Save(every=1, last=4, fields="w"), engine=engine)
    assert run.status == "budget"
    assert run.steps == 6000
    a, b, c, d = run.history["w"][:, 0]
    # on the symmetric line x ← x + ηx(1 − x²): a 2-cycle x₁, x₂ has x₁ − x₂ of order one
    assert abs(a - b) > 0.1
    np.testing.assert_allclose([c, d], [a, b], rtol=1e-12)


def test_a_sign_cycle_is_not_called_fixed():
    """Sign descent with η = ½ around ¾: 0.5, 1.0, 0.5, … exactly, for ever."""
    setting = ib.Setting(ib.Regression([[1.0]], [0.75]), ib.Linear(), ib.SignDescent(0.5))
    for engine in ("python", "numba"):
        run = ib.simulate(setting, ib.Stop(loss=1e-9, steps=5000), engine=engine)
        assert (run.status, run.steps) == ("budget", 5000)


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_a_slow_run_is_not_called_fixed(engine):
    """w_k = 1 − ½(1 − 1e-12)ᵏ: a thousand steps move it by 5e-10, which is 10⁶ roundings."""
    setting = ib.Setting(ONE, ib.Linear(), ib.GradientDescent(1e-12), [0.5])
    run = ib.simulate(setting, ib.Stop(loss=1e-9, steps=5000), engine=engine)
    assert (run.status, run.steps) == ("budget", 5000)
    # each addition of 5e-13 to ½ is rounded to a multiple of eps/2: a relative 2e-4 of the way
    assert run.w[0] - 0.5 == pytest.approx(0.5 * 5000e-12, rel=1e-3)


def test_sgd_on_inconsistent_data_never_rests():
    """Targets 0 and 1 on one input: w jumps by η(y_i − w) at each draw."""
    setting = ib.Setting(ib.Regression([[1.0], [1.0]], [0.0, 1.0]), ib.Linear(), ib.SGD(0.1))
    run = ib.simulate(setting, ib.Stop(loss=1e-26, steps=20_000))
    assert run.status == "budget"
    run = ib.simulate(setting, ib.Stop(loss=1e-26, steps=20_000), engine="python")
    assert run.status == "budget"


def test_an_accelerated_method_that_ripples_for_ever_ends_at_the_least_loss(regression):
    """k/(k + 3) → 1 amplifies rounding: θ never rests, but its loss stays at the rounding level."""
    run = ib.simulate(ib.Setting(regression, ib.Linear(), ib.Nesterov(0.1)))
    assert run.status == "converged"
    assert run.loss < 1e-28


def test_a_step_callable_that_returns_nothing_fails_there(regression):
    optimizer = ib.GradientDescent(lambda k: None if k == 5 else 0.1)
    run = ib.simulate(ib.Setting(regression, ib.Linear(), optimizer))
    assert (run.status, run.steps) == ("failed", 5)
    assert "k = 5" in run.message


def test_a_state_of_another_kind_of_run_is_refused(regression):
    flow = ib.Setting(regression, ib.Linear(), ib.GradientFlow())
    steps = ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.1))
    state = ib.simulate(flow, ib.Stop(time=1.0)).state
    with pytest.raises(ValueError, match=r"state must be run\.state"):
        ib.simulate(steps, ib.Stop(steps=3), state=state)


@pytest.mark.parametrize("condition", [1e5, 1e7])
def test_ill_conditioned_consistent_data_are_not_called_fitted_early(condition):
    """A gradient of rounding size comes long before a residual of rounding size."""
    rng = np.random.default_rng(0)
    U, _ = np.linalg.qr(rng.standard_normal((5, 5)))
    V, _ = np.linalg.qr(rng.standard_normal((9, 5)))
    X = U @ np.diag(np.geomspace(1, 1 / condition, 5)) @ V.T
    problem = ib.Regression(X, X @ rng.standard_normal(9))
    steps = ib.simulate(
        ib.Setting(problem, ib.Linear(), ib.GradientDescent(2.0)), ib.Stop(loss=1e-27, steps=50_000)
    )
    assert steps.status in ("budget", "floor")
    flow = ib.simulate(ib.Setting(problem, ib.Linear(), ib.GradientFlow()), ib.Stop(loss=1e-26))
    # h·rounding of the implicit solves, h up to κ², is what an integrator can meet: beyond 1e5 it may give up
    assert flow.status == "converged" or (condition > 1e5 and flow.status == "failed")
    if not flow.converged:
        assert "too ill-conditioned" in flow.message
        return
    least = np.linalg.pinv(X) @ problem.y
    assert np.linalg.norm(flow.w - least) <= 1e-12 * condition * np.linalg.norm(least)


def test_weight_decay_means_the_same_in_both_clocks(separable):
    setting = ib.Setting(separable(), ib.Linear(), ib.GradientFlow(weight_decay=0.1))
    a = ib.simulate(setting, ib.Stop(time=np.exp(5.0)))
    b = ib.simulate(setting, ib.Stop(log_time=5.0))
    np.testing.assert_allclose(a.w, b.w, rtol=1e-7)


@pytest.mark.parametrize("tiny", [1e-30, 1e-160, 1e-200])
def test_a_tiny_entry_beside_large_ones_does_not_stop_the_clock(tiny):
    theta = np.array([[1.0, tiny, 0.5], [0.5, 0.3, tiny]])
    problem = ib.Regression(np.eye(3)[:2], [1.0, -1.0])
    run = ib.simulate(
        ib.Setting(problem, ib.Diagonal(), ib.GradientFlow(), theta), ib.Stop(loss=1e-20), chart="ordinary"
    )
    assert run.status == "converged"
    assert run.time > 0


def test_a_flow_that_blows_up_is_no_rest():
    """θ̇ = θ²: infinite at t = 1/θ₀."""

    class Explode(ib.Flow):
        def velocity(self, theta, gradient, layout):
            return theta**2 + 0 * gradient

    run = ib.simulate(ib.Setting(ONE, ib.Linear(), Explode(), [2.0]))
    assert run.status in ("diverged", "failed")
    assert run.time == pytest.approx(0.5, rel=1e-6)


@pytest.mark.parametrize("optimizer", [ib.SignDescent(1.0), ib.NormalizedGradientDescent(1.0)])
@pytest.mark.parametrize("engine", ["python", "numba"])
def test_a_loss_beyond_the_range_of_floats_is_no_divergence(optimizer, engine, separable):
    """Margins of −1000 and below: L overflows, log L is −margin."""
    problem = separable("exp")
    start = -1000.0 * ib.max_margin(problem, 2).w
    run = ib.simulate(ib.Setting(problem, ib.Linear(), optimizer, start), ib.Stop(steps=3), engine=engine)
    assert run.status == "converged"
    assert run.log_loss < float(problem.log_loss(start))


def test_normalised_steps_on_factors_go_on_when_the_gradient_underflows(separable):
    """The kernel and the Python loop agree at log L = −10⁴, where L and ∇L are zero in floating point."""
    problem = separable("exp")
    setting = ib.Setting(problem, ib.Hadamard(), ib.SignDescent(1.0), np.full((2, problem.w_shape[0]), 0.5))
    a, b = (ib.simulate(setting, ib.Stop(steps=400), engine=e) for e in ("numba", "python"))
    assert a.log_loss == pytest.approx(b.log_loss, rel=1e-12)
    assert a.log_loss < -1e4


def test_an_optimizer_that_changes_its_state_in_place(regression):
    """A step that is only tried leaves no trace."""

    class InPlace:
        def init(self, theta):
            return np.zeros_like(theta)

        def update(self, oracle, state, theta, k):
            state *= 0.9
            state -= 0.05 * oracle(theta)
            return theta + state, state

    a = ib.simulate(ib.Setting(regression, ib.Linear(), InPlace()), ib.Stop(steps=10))
    b = ib.simulate(ib.Setting(regression, ib.Linear(), ib.HeavyBall(0.05, 0.9)), ib.Stop(steps=10))
    np.testing.assert_allclose(a.w, b.w, rtol=1e-13)


@pytest.mark.parametrize(
    ("problem", "model", "init"),
    [
        (
            ib.MatrixRegression.whitened(np.diag([3.0, 2.0, 1.0])),
            ib.DeepLinear((3, 1, 3)),
            ib.Balanced(0.3, rng=1),
        ),
        (
            ib.MatrixCompletion(np.diag([1.0, -1.0]), np.ones((2, 2))),
            ib.MatrixFactorization(2, tied=True),
            ib.Balanced(0.3),
        ),
    ],
    ids=["rank one", "positive semidefinite"],
)
def test_a_flow_rests_at_the_minimum_that_its_model_imposes(problem, model, init):
    """The best rank-one fit of diag(3, 2, 1) leaves ½(2² + 1²); the best semidefinite one of diag(1, −1) leaves ½."""
    setting = ib.Setting(problem, model, ib.GradientFlow(), init)
    run = ib.simulate(setting, ib.Stop(loss=1e-12))
    assert run.status == "floor"
    assert run.loss == pytest.approx(2.5 if isinstance(model, ib.DeepLinear) else 0.5, rel=1e-7)


@pytest.mark.parametrize("model", [ib.Diagonal(), ib.Hadamard(), ib.Diagonal(3)], ids=repr)
@pytest.mark.parametrize("stop", [ib.Stop(steps=1000), ib.Stop(loss=1e-10)], ids=["limit", "goal"])
def test_a_stochastic_method_at_a_saddle_is_stalled(model, stop, regression):
    setting = ib.Setting(regression, model, ib.SGD(0.1), np.zeros((2, 6)))
    run = ib.simulate(setting, stop)
    assert (run.status, run.steps) == ("stalled", 0)


def test_a_loss_beyond_the_range_of_time_is_reached_in_log_time(separable):
    """Along the flow −log L = log t + O(1): L = e^{−10⁴} takes t = e^{10⁴}."""
    run = ib.simulate(ib.Setting(separable(), ib.Linear(), ib.GradientFlow()), ib.Stop(log_loss=-1e4))
    assert run.status == "converged"
    assert run.log_time == pytest.approx(-run.log_loss, rel=1e-2)


@pytest.mark.parametrize("power", [2.0, 3.0])
def test_power_propagation_keeps_its_orthant(power):
    """w = φ|φ|^{a−1}, a ≥ 2: no coordinate changes its sign, however long the flow runs towards zero."""
    problem = ib.Regression(np.eye(2), [-1.0, 1.0])
    run = ib.simulate(
        ib.Setting(problem, ib.PowerPropagation(power), ib.GradientFlow(), ib.Balanced(0.3)),
        ib.Stop(time=1e3),
    )
    assert run.w[0] >= 0
    assert run.w[1] == pytest.approx(1.0, rel=1e-9)


@pytest.mark.parametrize("numerics", [{"rtol": np.nan}, {"rtol": 1e-20}, {"rtol": 2.0}, {"atol": -1.0}])
def test_tolerances_out_of_range_are_refused(numerics, regression):
    with pytest.raises(ValueError, match=r"rtol|atol"):
        ib.simulate(ib.Setting(regression, ib.Linear(), ib.GradientFlow()), **numerics)


def test_zero_has_no_direction_and_no_margin(separable):
    run = ib.simulate(ib.Setting(separable(), ib.Linear(), ib.GradientDescent(0.1)), ib.Stop(steps=0))
    assert np.isnan(run.direction).all()
    assert np.isnan(run.margin(2))


@pytest.mark.parametrize("seed", [1, 2, 5])
def test_equal_factors_stay_equal_for_ever(seed):
    """u = v gives w = u² ≥ 0 at all times: rounding must not break the symmetry of the flow."""
    rng = np.random.default_rng(seed)
    problem = ib.Regression(rng.standard_normal((6, 4)), rng.standard_normal(6))
    setting = ib.Setting(problem, ib.Hadamard(), ib.GradientFlow(), np.full((2, 4), 0.3))
    for stop in (ib.Stop(time=1e4), ib.Stop()):
        run = ib.simulate(setting, stop)
        assert (run.w >= 0).all()
        assert np.array_equal(run.theta[0], run.theta[1])
    # the end is the best non-negative fit
    from scipy.optimize import nnls

    np.testing.assert_allclose(run.w, nnls(problem.X, problem.y)[0], atol=1e-7)
    assert run.status == "stalled"  # unequal factors would fit better: a saddle of θ


def test_a_preconditioner_that_is_none_is_a_failed_run(regression):
    """P(θ) is asked along the run; what is wrong with it is in the message."""
    cases = {
        "not symmetric": lambda w: np.eye(6) + np.triu(np.ones((6, 6)), 1),
        "not positive semidefinite": lambda w: np.eye(6) - 2 * np.outer(np.ones(6), np.ones(6)) / 6,
        "entry -1": lambda w: -np.ones(6),
        r"has shape \(3,\)": lambda w: np.ones(3),
    }
    for message, P in cases.items():
        setting = ib.Setting(regression, ib.Linear(), ib.PreconditionedGradientDescent(P, 0.1))
        run = ib.simulate(setting, ib.Stop(loss=1e-10))
        assert run.status == "failed"
        assert re.search(message, run.message)
        assert run.message.startswith("step 0 could not be taken")
