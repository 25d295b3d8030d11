"""What flows conserve and where they end, for models with a mirror form, from runs of θ itself."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.selection.rules.powers import power_orthant_rule

STOP = ib.Stop(loss=1e-24)


def problem(seed, w0):
    """A target with the signs of w₀, so that a power flow need not cross zero."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((5, len(w0)))
    return ib.Regression(X, X @ (w0 * np.exp(0.4 * rng.standard_normal(len(w0)))))


def start(model, seed, d=10):
    rng = np.random.default_rng([seed, 1])
    if isinstance(model, ib.PowerPropagation):
        w0 = rng.uniform(0.5, 1.5, d) * rng.choice([-1.0, 1.0], d)
        return np.sign(w0) * np.abs(w0) ** (1 / model.power)
    if isinstance(model, ib.Diagonal):
        return rng.uniform(0.3, 1.2, (2, d))
    return 0.7 * rng.standard_normal((model.depth, d))


MODELS = {
    "diagonal 3": ib.Diagonal(3),
    "diagonal 4": ib.Diagonal(4),
    "product 3": ib.Hadamard(3),
    "product 4": ib.Hadamard(4),
    "power 1": ib.PowerPropagation(1),
    "power 1.5": ib.PowerPropagation(1.5),
    "power 2": ib.PowerPropagation(2),
    "power 3": ib.PowerPropagation(3),
}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", MODELS)
def test_flows_end_at_the_projection_of_their_potential(name, seed):
    model = MODELS[name]
    theta0 = start(model, seed)
    w0 = model.predictor(theta0)
    setting = ib.Setting(problem(seed, w0 + (w0 == 0)), model, ib.GradientFlow(), theta0)
    run = ib.simulate(setting, STOP)
    assert run.status == "converged"
    pred = ib.predict(setting, run)
    assert ib.compare(run, pred).relative < 1e-8  # the flow's tolerance is 1e-10 a step
    assert pred.certificate.worst < 1e-9
    dual = ib.simulate(setting, STOP, chart="dual")
    np.testing.assert_allclose(dual.w, run.w, atol=1e-8)
    np.testing.assert_allclose(dual.theta, run.theta, atol=1e-7)


@pytest.mark.parametrize("name", ["product 3", "product 4"])
def test_products_conserve_differences_of_squares(name):
    model = MODELS[name]
    theta0 = start(model, 3)
    run = ib.simulate(ib.Setting(problem(3, np.ones(10)), model, ib.GradientFlow(), theta0), STOP)
    gaps = run.theta**2 - run.theta[:1] ** 2
    np.testing.assert_allclose(gaps, theta0**2 - theta0[:1] ** 2, atol=1e-8)
    assert np.any(np.sign(run.w) != np.sign(model.predictor(theta0)))  # through zero, regularly


@pytest.mark.parametrize("depth", [3, 4])
def test_depths_conserve_a_mean_of_powers(depth):
    """u^{2−D} + v^{2−D}."""
    model = ib.Diagonal(depth)
    theta0 = start(model, 4)
    run = ib.simulate(ib.Setting(problem(4, np.ones(10)), model, ib.GradientFlow(), theta0), STOP)
    np.testing.assert_allclose(
        np.sum(run.theta ** (2.0 - depth), axis=0), np.sum(theta0 ** (2.0 - depth), axis=0), rtol=1e-8
    )


def test_balanced_starts_have_a_form_at_every_depth():
    data = problem(5, np.ones(10))
    for model in (ib.Diagonal(3), ib.Diagonal(4), ib.Hadamard(3), ib.Hadamard(4)):
        setting = ib.Setting(data, model, ib.GradientFlow(), ib.Balanced(0.5))
        run = ib.simulate(setting, STOP)
        assert ib.compare(run, ib.predict(setting)).relative < 1e-8


def test_starts_without_a_form():
    def form(model, theta):
        return model.mirror_form(ib.GradientFlow(), np.array(theta), {})

    assert form(ib.Hadamard(3), [[1.0], [-1.0], [2.0]]) is None  # the two least have one size
    assert form(ib.Hadamard(3), [[1.0], [-2.0], [2.0]]) is not None
    assert form(ib.Diagonal(3), [[1.0], [-1.0]]) is None  # −v³ = |v|³: w stays positive
    assert form(ib.Diagonal(4), [[1.0], [-1.0]]) is not None
    assert form(ib.Diagonal(4), [[1.0], [0.0]]) is None
    assert form(ib.PowerPropagation(1.5), [0.0, 1.0]) is None
    assert form(ib.PowerPropagation(1.0), [0.0, 1.0]) is not None


def test_a_negative_start_of_even_depth_is_its_mirror_image():
    data = problem(6, np.ones(10))
    theta0 = start(ib.Diagonal(4), 6)
    flipped = theta0 * np.array([[1.0], [-1.0]])
    a, b = (ib.predict(ib.Setting(data, ib.Diagonal(4), ib.GradientFlow(), t)).w for t in (theta0, flipped))
    np.testing.assert_allclose(a, b, rtol=1e-12)


def test_power_flows_that_must_change_a_sign_are_refused():
    X = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    data = ib.Regression(X, [-1.0, 1.0])  # w₁ + w₂ = −1
    below, above = (
        ib.Setting(data, ib.PowerPropagation(power), ib.GradientFlow(), np.full(3, 0.5))
        for power in (1.5, 3.0)
    )
    with pytest.raises(ib.NoPrediction, match="keeps its signs") as refusal:
        ib.predict(below)
    assert "power is at least 2" in refusal.value.candidates[power_orthant_rule.name]
    # from the square on it ends at the fit instead: w₁ = w₂ = 0 and w₃ = 1
    assert "signs of the start" in power_orthant_rule.first_missed(above)
    np.testing.assert_allclose(ib.predict(above).w, [0.0, 0.0, 1.0], atol=1e-15)


def test_finite_steps_and_decay_are_refused():
    for model in MODELS.values():
        data = problem(7, np.ones(10))
        for optimizer in (ib.GradientDescent(0.01), ib.GradientFlow(weight_decay=0.1)):
            if model == ib.PowerPropagation(1):
                continue
            with pytest.raises(ib.NoPrediction):
                ib.predict(ib.Setting(data, model, optimizer, np.abs(start(model, 7))))
