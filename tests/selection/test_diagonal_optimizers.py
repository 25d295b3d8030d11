"""Rules for two-layer diagonal networks under other optimizers than plain ones."""

import dataclasses

import numpy as np
import pytest

from implicitbias import (
    SAM,
    SGD,
    Balanced,
    Diagonal,
    GradientDescent,
    GradientFlow,
    Hadamard,
    Hypothesis,
    MomentumFlow,
    NoPrediction,
    Regression,
    Setting,
    StochasticGradientFlow,
    Stop,
    compare,
    predict,
    simulate,
)
from implicitbias.optimizers import Until

PROBLEM = Regression([[1.0, 2.0, -1.0], [0.5, -1.0, 2.0]], [1.0, -0.5])
MODELS = pytest.mark.parametrize("model", [Diagonal(2), Hadamard()], ids=["squares", "product"])


def refused(setting, run=None):
    """The reasons of all rules."""
    with pytest.raises(NoPrediction) as caught:
        predict(setting, run)
    return "\n".join(caught.value.candidates.values())


def test_a_refusal_says_what_was_found():
    h = Hypothesis("the step is below one", lambda s: s < 1, explain=lambda s: f"it is {s}")
    assert h.missed_by(3) == "the step is below one (it is 3)"
    # an explanation that cannot be given is left out
    assert dataclasses.replace(h, explain=lambda s: s.nothing).missed_by(3) == h.text
    assert dataclasses.replace(h, explain=None).missed_by(3) == h.text


@MODELS
def test_decay_switched_off_is_a_smaller_start(model):
    """c ∝ scale², and it falls by e^{−2∫λ}: as a start smaller by e^{−∫λ}."""
    decayed = Setting(PROBLEM, model, GradientFlow(weight_decay=Until(0.2, 3.0)), Balanced(0.5))
    small = Setting(PROBLEM, model, GradientFlow(), Balanced(0.5 * np.exp(-0.6)))
    np.testing.assert_allclose(predict(decayed).w, predict(small).w, rtol=1e-12)
    # a common rate of the flow multiplies the integral
    fast = dataclasses.replace(
        decayed, optimizer=GradientFlow(rates=(2.0, 2.0), weight_decay=Until(0.1, 3.0))
    )
    np.testing.assert_allclose(predict(fast).w, predict(small).w, rtol=1e-12)
    run = simulate(decayed, Stop(loss=1e-24))
    assert compare(run, predict(decayed, run)).relative < 1e-9


def test_a_run_that_ends_under_decay_has_no_prediction():
    setting = Setting(PROBLEM, Hadamard(), GradientFlow(weight_decay=Until(0.2, 3.0)), Balanced(0.5))
    assert "the run outlasts the weight decay (it ended at time 2)" in refused(
        setting, simulate(setting, Stop(time=2.0))
    )
    halves = dataclasses.replace(
        setting, optimizer=GradientFlow(rates=(1.0, 0.5), weight_decay=Until(0.2, 3.0))
    )
    assert "all factors move at the same rate" in refused(halves)


@MODELS
@pytest.mark.parametrize(
    "optimizer",
    [
        GradientDescent(0.02, weight_decay=Until(0.2, 3.0)),
        SGD(0.02, weight_decay=Until(0.2, 3.0)),
        SAM(0.02, 0.1, weight_decay=Until(0.2, 3.0)),
        SAM(0.02, 0.1),
        SAM(0.02, 0.1, per_sample=True),
        StochasticGradientFlow(0.02),
    ],
    ids=["descent", "SGD", "SAM, decayed", "SAM", "SAM per sample", "diffusion"],
)
def test_what_steps_accumulate(model, optimizer):
    setting = Setting(PROBLEM, model, optimizer, Balanced(0.3))
    assert "the run is given, since it uses the accumulators log_shrink, shift" in refused(setting)
    run = simulate(setting, Stop(loss=1e-26))
    assert compare(run, predict(setting, run)).relative < 1e-10
    # a prediction without the sums would be far off
    plain = predict(dataclasses.replace(setting, optimizer=GradientFlow())).w
    assert np.linalg.norm(run.w - plain) > 1e-4


def test_samples_of_disjoint_supports_ascend_as_the_batch_with_n_rho():
    """g_i = n g where sample i lives, and nothing elsewhere: mean_i ρ g_i∘g̃_i = nρ g∘g̃."""
    problem = Regression([[1.0, 2.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.5]], [1.0, 2.0])
    own = Setting(problem, Hadamard(), SAM(0.05, 0.02, per_sample=True), Balanced(0.3))
    batch = dataclasses.replace(own, optimizer=SAM(0.05, 0.04))
    np.testing.assert_allclose(
        *(simulate(s, Stop(steps=200)).w for s in (own, batch)), rtol=1e-12, atol=1e-15
    )


def test_a_crossing_of_the_momentum_flow_is_named():
    setting = Setting(PROBLEM, Hadamard(), MomentumFlow(0.05), Balanced(0.3))
    run = simulate(setting, Stop(loss=1e-24))
    assert compare(run, predict(setting, run)).relative < 1e-8
    heavy = dataclasses.replace(setting, optimizer=MomentumFlow(20.0))
    run = simulate(heavy, Stop(loss=1e-24))
    time, step = run.accumulators["crossing"]
    told = f"(one did at time {time:.6g}, in step {step:.0f} of the integrator)"
    assert f"no product coordinate ever changes its sign {told}" in refused(heavy, run)


@pytest.mark.parametrize(("model", "share"), [(Diagonal(2), 0.5), (Hadamard(), 1.0)])
@pytest.mark.parametrize("optimizer", [GradientFlow, GradientDescent])
def test_kept_decay_is_soft_thresholding(model, share, optimizer):
    """On orthogonal inputs, n = d: the Lasso is w_j = sgn(y_j) max(|y_j| − nλ, 0)."""
    y, lam = np.array([2.0, -1.0, 0.1]), 0.2
    step = () if optimizer is GradientFlow else (0.1,)
    setting = Setting(Regression(np.eye(3), y), model, optimizer(*step, weight_decay=lam), Balanced(0.3))
    exact = np.sign(y) * np.maximum(np.abs(y) - 3 * share * lam, 0)
    np.testing.assert_allclose(predict(setting).w, exact, atol=1e-14)
    run = simulate(setting, Stop(gradient=1e-11))
    np.testing.assert_allclose(run.w, exact, atol=1e-9)
    assert compare(run, predict(setting, run)).relative < 1e-9


def test_what_the_lasso_of_decay_asks():
    setting = Setting(PROBLEM, Hadamard(), GradientFlow(weight_decay=0.1), Balanced(0.3))
    early = simulate(setting, Stop(time=1.0))
    assert "the gradient of L + (λ/2)‖θ‖² vanishes" in refused(setting, early)
    twins = Regression([[1.0, 1.0]], [1.0])
    assert "the Lasso has one solution" in refused(
        dataclasses.replace(setting, problem=twins, init=Balanced(0.3))
    )
    sgd = dataclasses.replace(setting, optimizer=SGD(0.1, weight_decay=0.1))
    assert "the optimizer is the gradient flow at one rate, or gradient descent" in refused(sgd)
