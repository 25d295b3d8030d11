"""One hidden neuron: the closed form of what is selected, and where nothing is predicted."""

import numpy as np
import pytest

import implicitbias as ib


def _setting(
    delta: float, rates: tuple[float, float] | None = None, sign: float = 1.0, seed: int = 0
) -> ib.Setting:
    rng = np.random.default_rng(seed)
    X, y, v = rng.standard_normal((3, 7)), rng.standard_normal(3), rng.standard_normal(7)
    v *= sign * np.sign(y @ X @ v) * np.sqrt(0.01 + max(-delta, 0)) / np.linalg.norm(v)
    a = np.sqrt(v @ v + delta) * sign
    return ib.Setting(
        ib.Regression(X, y), ib.DeepLinear((7, 1, 1)), ib.GradientFlow(rates), (v[None], np.array([[a]]))
    )


def _closed_form(setting: ib.Setting) -> np.ndarray:
    """X⁺y + α N v(0), α² the positive root of x² − Sx − ρ²‖X⁺y‖² (theory/deep/hidden-neuron-rates.md)."""
    X, y, v, a = setting.problem.X, setting.problem.y, setting.theta0[0][0], setting.theta0[1][0, 0]
    r_v, r_a = setting.optimizer.rates or (1.0, 1.0)
    P = np.linalg.pinv(X) @ X
    b, S = np.linalg.pinv(X) @ y, a**2 - r_a / r_v * (v @ P @ v)
    alpha = np.sign(a) * np.sqrt((S + np.sqrt(S**2 + 4 * r_a / r_v * (b @ b))) / 2)
    return b + alpha * (v - P @ v)


@pytest.mark.parametrize("delta", [5.0, 0.4, 0.0, -0.4, -5.0])
@pytest.mark.parametrize("rates", [None, (0.3, 2.0)])
def test_the_program_has_the_closed_solution(delta: float, rates: tuple[float, float] | None) -> None:
    setting = _setting(delta, rates)
    pred = ib.predict(setting)
    assert np.allclose(pred.w, _closed_form(setting), rtol=1e-12, atol=1e-12)
    assert pred.certificate.worst < 1e-12


def test_the_sign_of_the_network_does_not_matter() -> None:
    plus, minus = (ib.predict(_setting(0.5, sign=s)) for s in (1.0, -1.0))
    assert np.allclose(plus.w, minus.w, rtol=1e-13)


def test_a_run_ends_where_it_is_predicted() -> None:
    setting = _setting(-0.3)
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    comparison = ib.compare(run, ib.predict(setting))
    assert comparison.relative < 1e-8
    assert comparison.certificate.worst < 1e-8


def test_inconsistent_data_mean_the_least_squares_solutions() -> None:
    setting = _setting(1.0)
    X, y = (
        np.concatenate([A, B]) for A, B in ((setting.problem.X,) * 2, (setting.problem.y, [0.0, 1.0, 2.0]))
    )
    run = ib.simulate(
        twice := ib.Setting(ib.Regression(X, y), setting.model, ib.GradientFlow(), setting.theta0),
        ib.Stop(time=200.0),
    )
    assert ib.compare(run, ib.predict(twice)).relative < 1e-8


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"optimizer": ib.GradientDescent(0.01)}, "the optimizer is the gradient flow"),
        ({"optimizer": ib.GradientFlow(weight_decay=0.1)}, "there is no weight decay"),
        ({"init": (np.zeros((1, 7)), np.zeros((1, 1)))}, "the output weight cannot change sign"),
    ],
)
def test_refusals_say_why(change: dict, reason: str) -> None:
    from dataclasses import replace

    with pytest.raises(ib.NoPrediction, match=reason):
        ib.predict(replace(_setting(-0.3), **change))


def test_a_balanced_neuron_is_a_balanced_network() -> None:
    """At δ = 0 both rules hold, and one selects what the other does."""
    from implicitbias.selection.rules.hidden_neuron import balanced_depth_rule, hidden_neuron_rule

    setting = _setting(0.0)
    assert balanced_depth_rule.first_missed(setting) is None
    both = [rule.apply(setting, None).solution for rule in (balanced_depth_rule, hidden_neuron_rule)]
    assert np.allclose(*both, rtol=1e-12)
