"""The contract of the design, as it stands there: names, positions, attributes, and documentation."""

import inspect
import json
import types

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((4, 10)), RNG.standard_normal(4)


def test_the_code_block_runs_as_written(tmp_path):
    X, y, path = globals()["X"], Y, tmp_path / "run.npz"
    problem = ib.Regression(X, y)
    model = ib.Diagonal(depth=2)
    setting = ib.Setting(problem, model, ib.GradientFlow(), init=ib.Balanced(1e-3))

    run = ib.simulate(setting, stop=ib.Stop(loss=1e-26), save=ib.Save(every=100), observe=None, rng=0)
    assert run.w.shape == (10,)
    assert run.theta.shape == (2, 10)
    assert run.loss <= 1e-26
    assert run.time > 0
    assert run.steps > 0
    assert run.status == "converged"
    assert run.converged
    assert "loss" in run.message
    assert set(run.history) == {"time", "steps", "loss"}
    assert run.accumulators == {}

    pred = ib.predict(setting)
    assert pred.w.shape == (10,)
    pred = ib.predict(setting, run)
    assert pred.direction is None
    assert isinstance(pred.program, ib.BregmanProjection)
    assert isinstance(pred.rule, ib.Rule)
    assert pred.assumes == ()
    assert pred.certificate.worst <= 1e-12
    # loss 1e-26 leaves ‖Xw − y‖ ≤ 3e-13; 1e-9 is the bound of the theorem
    assert ib.compare(run, pred).relative <= 1e-9

    certificate = ib.certify(run.w, pred.program)
    assert max(certificate.feasibility, certificate.stationarity, abs(certificate.gap)) <= 1e-9
    assert "woodworth2020kernel" in ib.cite(run, pred)

    import matplotlib.pyplot as plt

    figure = plt.figure()
    assert run.plot(ax=None)
    plt.close(figure)

    run.save(path)
    again = ib.load(path)
    np.testing.assert_array_equal(again.w, run.w)
    np.testing.assert_array_equal(again.theta, run.theta)
    np.testing.assert_array_equal(again.history["loss"], run.history["loss"])
    assert again.setting == setting
    assert (again.status, again.message, again.converged) == (run.status, run.message, True)

    pytest.importorskip("xarray", reason="to_xarray needs the extra xarray")
    np.testing.assert_array_equal(run.to_xarray()["w"], run.w)
    np.testing.assert_array_equal(run.to_xarray()["loss"], run.history["loss"])


def test_the_lines_about_accumulators_directions_and_curves():
    setting = ib.Setting(ib.Regression(X, Y), ib.Hadamard(), ib.GradientDescent(0.1), ib.Balanced(0.1))
    run = ib.simulate(setting, ib.Stop(loss=1e-24), ib.Save(every=10), None, 0)
    assert set(run.accumulators) == {"log_shrink", "shift"}
    assert set(ib.simulate(setting, ib.Stop(steps=3), observe=("shift",)).accumulators) == {"shift"}
    assert ib.predict(setting, run).w.shape == (10,)

    labels = np.array([1, -1, 1, -1])
    classification = ib.Setting(ib.Classification(X, labels), ib.Linear(), ib.GradientFlow())
    assert ib.predict(classification).direction.shape == (10,)
    run = ib.simulate(classification, ib.Stop(log_time=50.0))
    assert run.log_time == 50.0
    np.testing.assert_allclose(run.direction, run.w / np.linalg.norm(run.w), rtol=1e-14)
    np.testing.assert_allclose(
        run.margin(np.inf), np.min(labels * (X @ run.w)) / np.abs(run.w).max(), rtol=1e-12
    )
    assert run.log_loss < -40  # the loss is of the order of 1/t

    network = ib.Setting(
        ib.MatrixRegression.whitened(np.eye(3)), ib.DeepLinear((3, 2, 3)), ib.GradientFlow(), ib.Balanced(0.1)
    )
    assert ib.predict(network).at(1.0).shape == (3, 3)
    assert ib.closed_form(network)(np.array([0.0, np.inf])).shape == (2, 3, 3)


# positional order is part of the contract; each argument also has a name
SIGNATURES = {
    "Regression": ["X", "y"],
    "Classification": ["X", "y", "loss"],
    "MatrixRegression": ["X", "Y"],
    "MatrixRegression.whitened": ["T"],
    "MatrixCompletion": ["values", "mask"],
    "Linear": [],
    "Diagonal": ["depth"],
    "Hadamard": [],
    "PowerPropagation": ["power"],
    "DeepLinear": ["widths"],
    "MatrixFactorization": ["rank", "tied"],
    "Euclidean": [],
    "Mahalanobis": ["M"],
    "Hypentropy": ["log_c"],
    "PNorm": ["p"],
    "Balanced": ["scale", "rng", "signs"],
    "GradientFlow": ["rates"],
    "PreconditionedFlow": ["P"],
    "GradientDescent": ["step"],
    "SGD": ["step", "batch"],
    "HeavyBall": ["step", "momentum"],
    "Nesterov": ["step", "momentum"],
    "NormalizedGradientDescent": ["step"],
    "RandomizedKaczmarz": ["sampling"],
    "MirrorDescent": ["potential", "step"],
    "PreconditionedGradientDescent": ["P", "step"],
    "SteepestDescent": ["norm", "step", "normalized"],
    "SignDescent": ["step", "momentum"],
    "CoordinateDescent": ["step"],
    "SpectralDescent": ["step"],
    "Muon": ["step", "momentum", "iterations"],
    "Shampoo": ["step", "power", "beta", "eps", "sides"],
    "ScaledGD": ["step"],
    "Decay": ["step", "power"],
    "Stop": ["loss", "log_loss", "gradient", "margin", "time", "log_time", "steps"],
    "Save": ["at", "every", "log", "last", "fields"],
    "Setting": ["problem", "model", "optimizer", "init"],
    "Control": ["description", "above", "change"],
    "Hypothesis": ["text", "test", "of"],
    "Rule": ["name", "source", "hypotheses", "apply", "observe"],
    "Evidence": ["measured", "expected", "detail"],
    "Theorem": [
        "id", "family", "kind", "source", "claim", "settings", "bound", "control", "rule", "measure", "run",
        "hypotheses", "conditions",
    ],
    "simulate": ["setting", "stop", "save", "observe", "rng"],
    "predict": ["setting", "run"],
    "certify": ["w", "program"],
    "compare": ["run", "pred"],
    "closed_form": ["setting"],
    "max_margin": ["problem", "norm"],
    "Model.balanced": ["problem", "scale", "rng", "signs"],
}  # fmt: skip
DEFAULTS = [
    ("Classification", "loss", "exp"), ("Diagonal", "depth", 2), ("MatrixFactorization", "tied", False),
    ("SGD", "batch", 1), ("Nesterov", "momentum", None), ("RandomizedKaczmarz", "sampling", "norm"),
    ("SteepestDescent", "normalized", False), ("Muon", "iterations", None), ("Shampoo", "power", 0.25),
    ("Shampoo", "beta", None), ("Shampoo", "eps", 1e-12), ("Shampoo", "sides", "both"),
    ("SignDescent", "momentum", 0), ("GradientFlow", "rates", None),
    ("Balanced", "rng", None), ("Balanced", "signs", None), ("Save", "fields", ("loss",)), ("simulate", "rng", 0),
    ("Hypothesis", "of", "setting"), ("Rule", "observe", ()), ("Theorem", "conditions", ()),
]  # fmt: skip


def named(name):
    value = ib
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize(("name", "order"), SIGNATURES.items(), ids=SIGNATURES.keys())
def test_positional_order(name, order):
    positional = [
        p.name for p in inspect.signature(named(name)).parameters.values()
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name != "self"
    ]  # fmt: skip
    assert positional[: len(order)] == order


@pytest.mark.parametrize(("name", "argument", "value"), DEFAULTS, ids=lambda x: str(x)[:20])
def test_defaults(name, argument, value):
    assert inspect.signature(named(name)).parameters[argument].default == value


STEPS = ["GradientDescent", "SGD", "HeavyBall", "Nesterov", "SteepestDescent", "SignDescent", "MirrorDescent"]


@pytest.mark.parametrize("name", STEPS)
def test_weight_decay_is_a_keyword_of_every_step(name):
    parameter = inspect.signature(named(name)).parameters["weight_decay"]
    assert (parameter.kind, parameter.default) == (parameter.KEYWORD_ONLY, 0.0)


@pytest.mark.parametrize("name", ["value", "gradient", "inverse_gradient", "hessian", "bregman"])
def test_methods_of_potentials(name):
    assert callable(getattr(ib.Potential, name))


def test_settings_are_frozen_hashed_and_have_a_dictionary():
    make = lambda: ib.Setting(ib.Regression(X, Y), ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(0.1))  # noqa: E731
    setting = make()
    assert setting == make()
    assert hash(setting) == hash(make())
    assert ib.Setting.from_dict(json.loads(json.dumps(setting.to_dict()))) == setting
    with pytest.raises(AttributeError):
        setting.model = ib.Linear()


def public():
    """(name, object) of everything that `implicitbias` and its rooms offer."""
    rooms = [
        ib,
        *(
            v
            for v in vars(ib).values()
            if isinstance(v, types.ModuleType) and v.__name__.startswith("implicitbias.")
        ),
    ]
    for room in rooms:
        for name in getattr(room, "__all__", [n for n in vars(room) if not n.startswith("_")]):
            value = getattr(room, name)
            if callable(value) and getattr(value, "__module__", "").startswith("implicitbias"):
                yield f"{room.__name__}.{name}", value


PUBLIC = dict(public())


def test_the_names_of_the_contract_are_public():
    wanted = {name.split(".")[0] for name in SIGNATURES} | {
        "Problem", "Optimizer", "Potential", "Norm", "Run", "Program", "Certificate", "Prediction", "NoPrediction",
        "cite", "load", "verify",
    }  # fmt: skip
    assert wanted <= set(ib.__all__)
    assert all(hasattr(ib, name) for name in ib.__all__)
    assert len(set(ib.__all__)) == len(ib.__all__)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    value = PUBLIC[name]
    text = value.__doc__ or ""
    assert len(text.strip()) > 15
    assert not text.startswith(f"{value.__name__}("), "a dataclass's signature is no documentation"
    if inspect.isclass(value):
        for method, function in vars(value).items():
            if not method.startswith("_") and inspect.isfunction(function):
                assert inspect.getdoc(getattr(value, method)), f"{name}.{method}"
