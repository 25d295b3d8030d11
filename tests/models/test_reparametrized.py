"""The architecture of a potential: its flow is the mirror flow, in space and in time."""

import pickle

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(2)
X = RNG.standard_normal((5, 12))
FREE = ib.Regression(X, RNG.standard_normal(5))
W0 = RNG.uniform(0.5, 1.5, 12)
POSITIVE = ib.Regression(X, X @ (W0 * np.exp(0.3 * RNG.standard_normal(12))))
STOP = ib.Stop(loss=1e-24)


def of(text, point=1.0):
    return ib.Potential.from_gradient(ib.Expression(text).derivative, point)


FROM_ZERO = {
    "log cosh": of("log(cosh(x))"),
    "smooth Huber": of("sqrt(1 + x**2)"),
    "cosh": ib.Potential.from_value(np.cosh),
    "exponential": of("exp(x)"),
    "hypentropy": ib.Hypentropy(-3.0),
    "hypentropy by coordinate": ib.Hypentropy(np.linspace(-2, 2, 12), 3),
    "euclidean": ib.Euclidean(),
    "diagonal": ib.Mahalanobis(np.linspace(1, 4, 12)),
    "product": ib.ProductPotential(np.array([1.0, 2.0])),
}
FROM_W0 = {
    "p = 1.5": ib.PNorm(1.5),
    "entropy": ib.Entropy(),
    "power 3": ib.Power(3.0),
    "logarithm": of("-log(x)"),
}


@pytest.mark.parametrize("name", FROM_ZERO | FROM_W0)
def test_flows_end_at_the_projection(name):
    psi = (FROM_ZERO | FROM_W0)[name]
    model = ib.Reparametrized(psi)
    problem, init = (FREE, None) if name in FROM_ZERO else (POSITIVE, model.straighten(W0))
    setting = ib.Setting(problem, model, ib.GradientFlow(), init)
    run = ib.simulate(setting, STOP)
    assert run.status == "converged"
    pred = ib.predict(setting, run)
    assert pred.rule.name == "mirror flow of a reparametrised model"
    assert ib.compare(run, pred).relative < 1e-8  # the flow's tolerance is 1e-10 a step
    # the projection is another computation: ∇ψ(w) − ∇ψ(w₀) in the row space
    z = psi.gradient(run.w) - psi.gradient(setting.w0)
    off = z - np.linalg.pinv(problem.X) @ (problem.X @ z)
    assert np.linalg.norm(off) < 1e-8 * np.linalg.norm(z)


def test_at_every_time_it_is_the_mirror_flow():
    psi = ib.Hypentropy(-0.5)
    at = ib.Save(at=np.array([0.0, 0.1, 1.0, 4.0]), fields=("w",))
    stop = ib.Stop(time=4.0)
    one = ib.simulate(ib.Setting(FREE, ib.Reparametrized(psi), ib.GradientFlow()), stop, at)
    two = ib.simulate(ib.Setting(FREE, ib.Linear(), ib.MirrorFlow(psi)), stop, at)
    np.testing.assert_allclose(one.history["w"], two.history["w"], atol=1e-8)
    dual = ib.simulate(ib.Setting(FREE, ib.Reparametrized(psi), ib.GradientFlow()), STOP, chart="dual")
    primal = ib.simulate(ib.Setting(FREE, ib.Reparametrized(psi), ib.GradientFlow()), STOP)
    np.testing.assert_allclose(dual.w, primal.w, atol=1e-9)


def test_it_is_power_propagation_for_powers():
    for a, psi in ((1.5, ib.PNorm(2 / 1.5)), (3.0, ib.Power(3.0, np.sign(W0)))):
        model, power = ib.Reparametrized(psi), ib.PowerPropagation(a)
        phi = model.straighten(W0)
        # PNorm(2/a) is a(2 − a) ψ, and φ is measured in its root
        unit = np.sqrt(a * (2 - a)) if a < 2 else 1.0
        np.testing.assert_allclose(model.predictor(phi), power.predictor(phi / unit), rtol=1e-14)
        np.testing.assert_allclose(model.pullback(phi, W0), power.pullback(phi / unit, W0) / unit, rtol=1e-13)


def test_one_small_step_misses_the_mirror_step_by_its_second_order():
    """ρ⁺ − ρ + ηg = −½η²w″g² + O(η³), w″ = w′ dw′/dw = tan φ/cos φ for log cosh."""
    model, psi = ib.Reparametrized(of("log(cosh(x))")), of("log(cosh(x))")
    phi, ratios = RNG.uniform(0.3, 1.0, 12), []
    setting = ib.Setting(FREE, model, ib.GradientDescent(1.0), phi)
    g = FREE.gradient(setting.w0)
    for eta in (1e-3, 5e-4):
        run = ib.simulate(ib.Setting(FREE, model, ib.GradientDescent(eta), phi), ib.Stop(steps=1))
        off = psi.gradient(run.w) - psi.gradient(setting.w0) + eta * g
        ratios.append(off / (-0.5 * eta**2 * g**2 * np.sin(phi) / np.cos(phi) ** 2) - 1)
    np.testing.assert_allclose(ratios[0], 2 * ratios[1], rtol=0.02, atol=1e-5)  # rounding/η²g²
    assert np.abs(ratios[1]).max() < 0.02


def test_balanced_starts():
    free, held = ib.Reparametrized(ib.Hypentropy(0.0)), ib.Reparametrized(ib.PNorm(1.5))
    assert not free.balanced(FREE, 0.3).any()
    signs = np.sign(RNG.standard_normal(12))
    np.testing.assert_allclose(held.predictor(held.balanced(FREE, 0.3, signs=signs)), 0.3 * signs, rtol=1e-14)
    np.testing.assert_allclose(
        ib.Reparametrized(ib.Entropy()).predictor(ib.Reparametrized(ib.Entropy()).balanced(FREE, 0.3)), 0.3
    )
    assert free.default_init == ib.Balanced(1.0)
    assert held.default_init is None


def test_it_is_a_record_that_travels():
    model = ib.Reparametrized(ib.Hypentropy(0.0))
    w = model.predictor(np.ones(3))
    again = pickle.loads(pickle.dumps(model))
    assert again == model
    np.testing.assert_array_equal(again.predictor(np.ones(3)), w)
    setting = ib.Setting(FREE, model, ib.GradientFlow())
    assert ib.Setting.from_dict(setting.to_dict()) == setting


def test_bad_uses_are_refused():
    with pytest.raises(ValueError, match="Reparametrized needs a Potential"):
        ib.Reparametrized(np.cosh)
    with pytest.raises(ValueError, match="no sum over coordinates"):
        ib.Reparametrized(ib.SquaredPNorm(3))
    with pytest.raises(ValueError, match="belongs to no w of the potential's domain"):
        ib.Setting(FREE, ib.Reparametrized(of("log(cosh(x))")), ib.GradientFlow(), np.full(12, 1.6))
    with pytest.raises(ValueError, match="outside the domain"):
        ib.Reparametrized(of("-log(x)")).balanced(FREE, 1.0, signs=-np.ones(12))
    with pytest.raises(ib.NoPrediction, match="not held at zero"):
        ib.predict(ib.Setting(FREE, ib.Reparametrized(ib.PNorm(1.5)), ib.GradientFlow(), np.zeros(12)))
    # no w > 0 is near these y
    opposite = ib.Regression(X, -X @ W0)
    with pytest.raises(ib.NoPrediction, match="of another sign"):
        ib.predict(
            ib.Setting(opposite, ib.Reparametrized(ib.PNorm(1.5)), ib.GradientFlow(), ib.Balanced(0.1))
        )
    with pytest.raises(ib.NoPrediction):
        ib.predict(ib.Setting(FREE, ib.Reparametrized(ib.Hypentropy(0.0)), ib.GradientDescent(0.1)))
