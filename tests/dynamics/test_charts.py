"""Charts and polish against θ itself, and the Jacobians that implicit solvers use."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.dynamics.charts import OrdinaryChart, checked_jacobian, choose_chart, jacobian

MODELS = {"diagonal": ib.Diagonal(), "hadamard": ib.Hadamard()}


def problem(seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((4, 7)) / np.sqrt(7)
    return ib.Regression(X, X @ rng.standard_normal(7))


def starts(model):
    rng = np.random.default_rng(1)
    return {"balanced": ib.Balanced(0.1), "signed": 0.1 * rng.standard_normal((2, 7))}


@pytest.mark.parametrize("start", ["balanced", "signed"])
@pytest.mark.parametrize("name", MODELS)
def test_charts_and_polish_agree_with_theta(name, start):
    """At scale 0.1 every coordinate system can be integrated; they must be one flow."""
    model = MODELS[name]
    setting = ib.Setting(problem(), model, ib.GradientFlow(), starts(model)[start])
    runs = {c: ib.simulate(setting, ib.Stop(time=20.0), chart=c) for c in ("ordinary", "log", "dual")}
    for chart, run in runs.items():
        assert run.chart == chart
        assert not run.polished
        # rtol 1e-10 a step; the plateau at scale 0.1 amplifies by about 1/0.1² = 100
        np.testing.assert_allclose(run.w, runs["ordinary"].w, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(run.theta, runs["ordinary"].theta, rtol=1e-7, atol=1e-8)
    assert ib.simulate(setting, ib.Stop(time=1.0)).chart == "log"


@pytest.mark.parametrize("chart", ["ordinary", "log", "dual"])
@pytest.mark.parametrize("name", MODELS)
def test_polish_ends_where_the_flow_ends(name, chart):
    model = MODELS[name]
    setting = ib.Setting(problem(), model, ib.GradientFlow(), ib.Balanced(0.1))
    flow = ib.simulate(setting, ib.Stop(loss=1e-24), chart="ordinary")
    run = ib.simulate(setting, ib.Stop(loss=1e-8), chart=chart, polish=True)
    assert run.status == "converged"
    assert run.polished
    assert "polished" in run.message
    assert run.chart == chart
    assert run.loss < 1e-24  # a polish solves Xw = y to rounding
    np.testing.assert_allclose(run.w, flow.w, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(run.theta, flow.theta, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(model.predictor(run.theta), run.w, rtol=1e-12, atol=1e-13)


def test_dual_chart_and_polish_of_the_linear_model():
    data, w0 = problem(), np.arange(7.0)
    setting = ib.Setting(data, ib.Linear(), ib.GradientFlow(), w0)
    nearest = w0 + np.linalg.lstsq(data.X, data.y - data.X @ w0, rcond=None)[0]
    for chart in ("ordinary", "dual"):
        run = ib.simulate(setting, ib.Stop(loss=1e-10), chart=chart, polish=True)
        np.testing.assert_allclose(run.w, nearest, rtol=1e-11)
    plain, dual = (ib.simulate(setting, ib.Stop(time=3.0), chart=c) for c in ("ordinary", "dual"))
    np.testing.assert_allclose(dual.w, plain.w, rtol=1e-8)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_log_chart_of_every_depth(depth):
    rng = np.random.default_rng(2)
    init = (0.3 + 0.3 * rng.random((2, 7))) * rng.choice([-1.0, 1.0], (2, 7))
    setting = ib.Setting(problem(), ib.Diagonal(depth), ib.GradientFlow(), init)
    plain, log = (ib.simulate(setting, ib.Stop(time=5.0), chart=c) for c in ("ordinary", "log"))
    assert log.chart == "log"
    np.testing.assert_allclose(log.theta, plain.theta, rtol=1e-7)


def test_log_chart_keeps_uv_at_scales_that_floats_square_away():
    """u∘v = scale² exactly kept: ln|u| + ln|v| is a linear invariant, preserved to rounding."""
    setting = ib.Setting(problem(), ib.Diagonal(), ib.GradientFlow(), ib.Balanced(1e-30))
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    assert run.status == "converged"
    assert run.chart == "log"
    total = np.log(np.abs(run.theta)).sum(axis=0)
    np.testing.assert_allclose(total, 2 * np.log(1e-30), rtol=1e-12)


def test_a_start_with_an_exact_zero_uses_theta():
    """A zero factor has no logarithm and stays zero along the flow."""
    init = np.full((2, 7), 0.5)
    init[1] = 0.2
    init[1, 0] = 0.0
    setting = ib.Setting(problem(), ib.Diagonal(), ib.GradientFlow(), init)
    run = ib.simulate(setting, ib.Stop(time=5.0))
    assert run.chart == "ordinary"
    assert run.theta[1, 0] == pytest.approx(0.0, abs=1e-12)
    for chart in ("log", "dual"):
        with pytest.raises(ValueError, match=f'chart="{chart}"'):
            ib.simulate(setting, chart=chart)


def test_equal_factors_have_a_log_chart_that_keeps_them_equal():
    """u − v = 0 is conserved, and unstable: only a chart in which it does not move keeps it."""
    init = np.full((2, 7), 0.5)
    init[1] = 0.2
    init[:, 0] = 0.5
    setting = ib.Setting(problem(), ib.Hadamard(), ib.GradientFlow(), init)
    run, plain = (ib.simulate(setting, ib.Stop(time=5.0), chart=c) for c in ("auto", "ordinary"))
    assert (run.chart, plain.chart) == ("log", "ordinary")
    assert run.theta[0, 0] == run.theta[1, 0]
    np.testing.assert_allclose(run.theta, plain.theta, rtol=1e-7)


REFUSED = {
    "unknown": (ib.Linear(), ib.GradientFlow(), {"chart": "polar"}, "got 'polar'"),
    "log of linear": (ib.Linear(), ib.GradientFlow(), {"chart": "log"}, 'chart="log" needs'),
    "dual with decay": (
        ib.Diagonal(),
        ib.GradientFlow(weight_decay=0.1),
        {"chart": "dual"},
        "need a mirror flow",
    ),
    "dual of rates": (
        ib.Diagonal(),
        ib.GradientFlow(rates=(1.0, 2.0)),
        {"chart": "dual"},
        "rates differ",
    ),
    "polish of v/‖v‖": (
        ib.WeightNormalized(),
        ib.GradientFlow(),
        {"polish": True},
        "has no dual coordinates",
    ),
    "polish of P": (
        ib.Linear(),
        ib.PreconditionedFlow(np.ones(7)),
        {"polish": True},
        "PreconditionedFlow",
    ),
    "polish of steps": (ib.Linear(), ib.GradientDescent(0.1), {"polish": True}, "belong to flows"),
    "log of steps": (ib.Diagonal(), ib.GradientDescent(0.1), {"chart": "log"}, "belong to flows"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_charts_that_do_not_exist_are_refused(case):
    model, optimizer, numerics, message = REFUSED[case]
    setting = ib.Setting(problem(), model, optimizer, ib.Balanced(0.1))
    with pytest.raises(ValueError, match=message):
        ib.simulate(setting, ib.Stop(time=1.0), **numerics)


def test_polish_is_for_regressions(separable):
    setting = ib.Setting(separable(), ib.Diagonal(), ib.GradientFlow(), ib.Balanced(0.1))
    with pytest.raises(ValueError, match="Classification"):
        ib.simulate(setting, ib.Stop(time=1.0), polish=True)


FIELDS = {
    "linear": (ib.Linear(), "ordinary"),
    "diagonal": (ib.Diagonal(), "ordinary"),
    "diagonal log": (ib.Diagonal(), "log"),
    "diagonal 3 log": (ib.Diagonal(3), "log"),
    "hadamard": (ib.Hadamard(), "ordinary"),
    "hadamard log": (ib.Hadamard(), "log"),
    "diagonal dual": (ib.Diagonal(), "dual"),
    "power": (ib.PowerPropagation(2.5), "ordinary"),
    "deep": (ib.DeepLinear((7, 2, 3, 1)), "ordinary"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_jacobian_against_finite_differences(name):
    model, chart_name = FIELDS[name]
    data, rng = problem(), np.random.default_rng(3)
    shapes = model.shapes(data)
    if isinstance(shapes, dict):
        init = tuple(rng.standard_normal(s) for s in shapes.values())
    else:
        init = rng.standard_normal(shapes)
    setting = ib.Setting(data, model, ib.GradientFlow(), init)
    chart = choose_chart(setting, chart_name)
    assert chart.name == chart_name

    def field(q):
        return -chart.gradient(q, data.gradient(chart.predictor(q)))

    q = chart.encode(setting.start) + 0.01 * rng.standard_normal(chart.encode(setting.start).size)
    J = jacobian(field, q)
    h = 1e-5
    differences = np.stack([(field(q + h * e) - field(q - h * e)) / (2 * h) for e in np.eye(q.size)], axis=1)
    # differences are off by h²·(third derivatives) + eps/h ≈ 1e-9
    np.testing.assert_allclose(J, differences, atol=1e-7 * max(1.0, np.abs(J).max()))


def test_jacobian_of_a_field_that_is_not_analytic():
    """np.abs kills a complex step: the check notices, and central differences take over."""
    q = np.array([1.0, -2.0])

    def field(q):
        return np.abs(q) * q

    J = checked_jacobian(field, q)(field, q)
    # ∂(|q|q) = 2|q|; central differences of a quadratic are exact up to eps/h ≈ 1e-10
    np.testing.assert_allclose(J, np.diag([2.0, 4.0]), atol=1e-8)


def test_encode_and_decode_are_inverse():
    rng = np.random.default_rng(4)
    theta = rng.standard_normal((2, 7))
    for model in MODELS.values():
        setting = ib.Setting(problem(), model, ib.GradientFlow(), theta)
        for name in ("ordinary", "log"):
            chart = choose_chart(setting, name)
            q = chart.encode(setting.start)
            # log and exp of numbers within [1e-3, 10]: a few roundings times |ln θ|
            np.testing.assert_allclose(chart.decode(q), theta.ravel(), rtol=1e-13)
            np.testing.assert_allclose(chart.predictor(q), setting.w0, rtol=1e-12, atol=1e-13)
    assert isinstance(choose_chart(setting, "ordinary"), OrdinaryChart)
