"""A wrong constant planted in what the theorems of regression compare with: verify must see each.

Each case names a theorem, a function or a number that its page derives, and a small error in it.
"""

import dataclasses
from importlib import import_module

import numpy as np
import pytest

from implicitbias import Diagonal, Hadamard, Hypentropy, Lasso, PowerPropagation
from implicitbias.dynamics.oracle import Accumulators
from implicitbias.optimizers.momentum import MomentumChart
from implicitbias.selection.saddles import SaddlePath
from implicitbias.selection.spectral import SpectralCurve
from implicitbias.theorems import THEOREMS, verify


def assert_refuted(theorem):
    chosen = {"theorems": [theorem]} if not isinstance(theorem, str) else {"ids": [theorem]}
    result = verify(**chosen, seed=12, quick=True).results[0]
    assert result.status == "refuted", result
    assert not result.holds
    assert result.deviation > result.bound


def times(factor):
    return lambda value: factor * value


def scaled_field(name, factor):
    return lambda value: value._replace(**{name: factor * getattr(value, name)})


LINEAR, DIAGONAL, DESIGN = (f"implicitbias.theorems.{f}." for f in ("linear", "diagonal", "design"))
RULES = "implicitbias.selection.rules."

FUNCTIONS = [
    # the covariance of the noise, and the second moment of SGD
    ("stationary-covariance", LINEAR + "noise", "laws", lambda v: (v[0], v[1], 1.3 * v[2])),
    ("iterate-averaging", LINEAR + "noise", "laws", lambda v: (v[0], v[1], 1.5 * v[2])),
    ("interpolating-noise", LINEAR + "noise", "second_moment", times(1.5)),
    # a projection, a contraction and an angle of tasks
    ("sequential-tasks", RULES + "tasks", "sequential_projections", times(1 + 1e-8)),
    ("two-task-forgetting", LINEAR + "tasks", "cosine", times(1 - 1e-6)),
    # roots and coefficients
    ("weight-normalization", RULES + "weight_norm", "_end_of_g_squared", times(1.0001)),
    ("hypentropy-l2-limit", LINEAR + "hypentropy_limits", "cubic_off_row_space", times(1.05)),
    ("hypentropy-l1-limit", LINEAR + "hypentropy_limits", "l1_vertex", scaled_field("slopes", 1.03)),
    # weight decay, its exponent and its penalty
    ("decay-switched-off", RULES + "diagonal_flows", "decay_integral", times(1.0001)),
    # the integral of the loss, vanishing entries, dual points
    ("stochastic-gradient-flow", DIAGONAL + "noise", "integral_of_loss", times(1.0001)),
    ("depth-three-rate", DIAGONAL + "depth", "dual_point", times(1.001)),
    ("jump-times", DIAGONAL + "saddles", "time_unit", times(1.001)),
    ("averaged-path-is-lasso-path", DIAGONAL + "averages", "time_unit", times(1.01)),
    ("hypentropy-mirror-descent", DIAGONAL + "mirror_steps", "flow_limit", times(1 + 1e-7)),
    ("step-size-stability", DIAGONAL + "stability", "sharpness_at", times(1.05)),
    # power propagation
    ("power-propagation-sizes", DESIGN + "powers", "sizes", lambda v: (1.05 * v[0], v[1])),
]


@pytest.mark.slow
@pytest.mark.parametrize(("id", "module", "name", "change"), FUNCTIONS, ids=[c[0] for c in FUNCTIONS])
def test_an_error_in_what_is_derived(monkeypatch, id, module, name, change):
    owner = import_module(module)
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a, **k: change(real(*a, **k)))
    assert_refuted(id)


NUMBERS = [
    ("early-stopping-risk", LINEAR + "early_stopping", "C", 1.29),
    ("early-stopping-vs-ridge", LINEAR + "early_stopping", "C", 1.29),  # for 1.2984256
    ("early-stopping-vs-ridge", LINEAR + "early_stopping", "C_LEAST_SQUARES", 0.19),  # for 0.2036322
]


@pytest.mark.slow
@pytest.mark.parametrize(("id", "module", "name", "wrong"), NUMBERS)
def test_a_wrong_number(monkeypatch, id, module, name, wrong):
    monkeypatch.setattr(import_module(module), name, wrong)
    assert_refuted(id)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("id", "models"),
    [
        ("master-lemma", [Diagonal]),
        ("start-shape", [Hadamard]),
        ("averaged-path-identity", [Diagonal]),
        ("momentum-flow", [Hadamard]),
        ("finite-steps-beyond-one", [Hadamard]),
        ("sam-entropy", [Hadamard]),
        ("entropy-without-rest", [Hadamard]),
        ("stochastic-gradient-flow", [Diagonal]),
        ("decay-switched-off", [Diagonal]),
        ("depth-three-entropy", [Diagonal]),
    ],
)
def test_a_scale_that_is_off(monkeypatch, id, models):
    """log c + 0.01: one per cent of the scale of the hyperbolic entropy."""
    for model in models:
        real = model.mirror_form

        def off(self, *a, real=real):
            form = real(self, *a)
            return form and (Hypentropy(form[0].log_c + 0.01, form[0].depth), form[1])

        monkeypatch.setattr(model, "mirror_form", off)
    assert_refuted(id)


@pytest.mark.slow
@pytest.mark.parametrize("id", ["sign-methods-on-aligned-data", "averaging-is-ridge", "weight-normalization"])
def test_a_limit_that_is_off(id):
    theorem = THEOREMS[id]
    wrong = dataclasses.replace(theorem.rule, apply=lambda s, r: (1 + 1e-6) * theorem.rule.apply(s, r))
    assert_refuted(dataclasses.replace(theorem, rule=wrong))


@pytest.mark.slow
def test_the_penalty_of_decay_without_its_half():
    """u² − v² has λ/2, not λ."""
    theorem = THEOREMS["weight-decay-is-lasso"]
    wrong = dataclasses.replace(
        theorem.rule, apply=lambda s, r: Lasso(s.problem.X, s.problem.y, s.optimizer.weight_decay)
    )
    assert_refuted(dataclasses.replace(theorem, rule=wrong))


@pytest.mark.slow
@pytest.mark.parametrize("model", [Hadamard, Diagonal, PowerPropagation])
def test_the_coefficient_of_a_power(monkeypatch, model):
    """D/2 for a product, ½ for a power: the decay of the run is made from it, so the run itself is another."""
    deep = import_module(DIAGONAL + "deep_decay")
    theorem = THEOREMS["deep-decay-is-a-power"]
    drawn = {}

    def settings(rng):
        drawn.update(theorem.settings(rng))
        monkeypatch.setitem(deep.PER_DECAY, model, 1.001 * deep.PER_DECAY[model])  # for the measure alone
        return dict(drawn)

    assert_refuted(dataclasses.replace(theorem, settings=settings))


@pytest.mark.slow
def test_a_closed_form_that_is_late(monkeypatch):
    real = SpectralCurve.__call__
    monkeypatch.setattr(SpectralCurve, "__call__", lambda self, *a, **k: real(self, *a, **k) * (1 + 1e-10))
    assert_refuted("linear-closed-forms")


@pytest.mark.slow
def test_momentum_that_accumulates_a_part_too_little(monkeypatch):
    real = MomentumChart.accumulators
    monkeypatch.setattr(
        MomentumChart, "accumulators",
        lambda self, q: {k: 0.999 * v if k == "log_shrink" else v for k, v in real(self, q).items()},
    )  # fmt: skip
    assert_refuted("momentum-flow")


@pytest.mark.slow
def test_an_ascent_that_accumulates_another_cross_term(monkeypatch):
    real = Accumulators.add
    monkeypatch.setattr(
        Accumulators,
        "add",
        lambda self, step, g, cross=0.0, decay=0.0: real(self, step, g, 1.01 * cross, decay),
    )
    theorem = THEOREMS["sam-entropy"]
    assert_refuted(dataclasses.replace(theorem, run={**theorem.run, "engine": "python"}))


@pytest.mark.slow
def test_saddles_that_are_elsewhere(monkeypatch):
    real = SaddlePath.__init__

    def moved(self, problem):
        real(self, problem)
        self.points = self.points * (1 + 1e-5)

    monkeypatch.setattr(SaddlePath, "__init__", moved)
    import_module(DIAGONAL + "saddles").saddle_path.cache_clear()
    try:
        assert_refuted("saddle-to-saddle")
    finally:
        import_module(DIAGONAL + "saddles").saddle_path.cache_clear()


@pytest.mark.slow
@pytest.mark.parametrize("id", ["early-stopped-recovery"])
def test_an_oracle_that_knows_less(monkeypatch, id):
    """The error of an oracle that is a little better than least squares on the support is not met."""
    recovery = import_module(DIAGONAL + "recovery")
    monkeypatch.setattr(recovery.Planted, "error", lambda self, w: 1.01 * _error(self, w))
    assert_refuted(id)


def _error(problem, w):
    return np.linalg.norm(w - problem.truth) / np.linalg.norm(problem.oracle - problem.truth)
