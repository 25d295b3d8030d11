"""Declarations: what they refuse, and that every control is refused by a hypothesis."""

import dataclasses

import numpy as np
import pytest

from implicitbias import Control, Evidence, Hypothesis, SteepestDescent, Theorem
from implicitbias.selection import RULES
from implicitbias.theorems import FAMILIES, THEOREMS
from implicitbias.theorems.catalogue import find

every_theorem = pytest.mark.parametrize("theorem", THEOREMS.values(), ids=THEOREMS.keys())
CONTROL = Control("another optimizer", above=1.0, change={"optimizer": SteepestDescent(3, 0.1)})
GOOD = {
    "id": "a-claim", "family": "linear", "kind": "exact", "source": "gunasekar2018geometry", "claim": "A claim.",
    "settings": lambda rng: None, "bound": 0.1, "control": CONTROL, "measure": lambda run: 0.0, "hypotheses": (),
}  # fmt: skip


def without(*names, **change):
    return {k: v for k, v in {**GOOD, **change}.items() if k not in names}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (without(id="A Claim"), "lower-case words joined by hyphens"),
        (without(id="a--claim"), "hyphens"),
        (without(id=""), "hyphens"),
        (without(kind="approximate"), "kind must be one of exact, rate, limit, bound"),
        (without("measure"), "a rule or a measure"),
        (without("hypotheses"), "must state its hypotheses"),
        (without(bound=1.0), "must exceed the bound"),
        (without(bound=2.0), "must exceed the bound"),
        (without(bound=np.nan), "bound"),
    ],
)
def test_theorems_that_say_too_little_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        Theorem(**arguments)


def test_a_good_declaration_and_its_defaults():
    t = Theorem(**GOOD)
    assert (t.rule, t.run, t.conditions, t.figure) == (None, {}, (), None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        t.bound = 1e9
    ruled = Theorem(**without("measure", "hypotheses", rule=RULES[0]))
    assert ruled.hypotheses == RULES[0].hypotheses


@pytest.mark.parametrize("change", [{}, {"optimiser": 1}, {"init": 0, "rng": 1}])
def test_a_control_changes_fields_of_a_setting(change):
    with pytest.raises(ValueError, match="a control changes fields of a Setting"):
        Control("nothing", above=1.0, change=change)


def test_a_hypothesis_is_of_a_setting_or_a_run():
    assert Hypothesis("x", bool).of == "setting"
    with pytest.raises(ValueError, match=r"setting.*run.*data"):
        Hypothesis("x", bool, of="data")


def test_a_test_that_cannot_be_asked_does_not_hold():
    h = Hypothesis("the step is small", lambda s: s.optimizer.step < 1)
    assert not h.holds(object())


@pytest.mark.parametrize(
    ("kind", "measured", "expected", "deviation"),
    [
        ("exact", 1.0, 3.0, 2.0),
        ("rate", [0.0, 1.1, 2.0], [0.0, 1.0, 2.0], 0.1),
        ("limit", np.array([[1.0, -5.0]]), 0.0, 5.0),
        ("bound", 0.3, None, 0.3),
        ("bound", [0.3, -7.0], None, 0.3),
        ("bound", np.inf, None, np.inf),
        ("exact", np.nan, 0.0, np.nan),
        ("exact", [0.0, np.nan], 0.0, np.nan),
        ("bound", [0.1, np.nan], None, np.nan),
    ],
)
def test_deviations(kind, measured, expected, deviation):
    np.testing.assert_allclose(Evidence(measured, expected).deviation(kind), deviation, rtol=1e-12)


@every_theorem
def test_the_twelve_declare_themselves_whole(theorem):
    assert theorem.family in FAMILIES
    assert theorem.claim.endswith(".")
    assert len(theorem.claim) < 140
    assert theorem.hypotheses
    assert theorem.figure is not None
    assert np.isfinite(theorem.bound)
    assert find(theorem.id) is theorem


@every_theorem
def test_the_control_is_refused_by_a_hypothesis_on_every_draw(theorem):
    for seed in range(4):
        rng = np.random.default_rng(seed)
        settings = next(s for _ in range(200) if theorem.refusal(s := theorem.draw(rng)) is None)
        assert theorem.missed(settings) is None
        changed = {label: theorem.control.apply(s) for label, s in settings.items()}
        assert theorem.missed(changed) is not None
        assert any(changed[label] != settings[label] for label in settings)


@every_theorem
def test_draws_differ_and_follow_the_seed(theorem):
    draws = [theorem.draw(np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1]
    assert draws[0] != draws[2]


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("hypentropy", "hypentropy-flow"), ("riccati", "riccati-two-layer"), ("nearest", "nearest-interpolant")],
)
def test_unknown_ids_offer_the_nearest(wrong, near):
    with pytest.raises(KeyError, match=near):
        find(wrong)
