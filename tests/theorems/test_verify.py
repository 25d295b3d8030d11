"""verify: each way a theorem can end, from theorems made for it."""

import dataclasses
import json
import re

import numpy as np
import pytest

from implicitbias import (
    Control,
    Evidence,
    GradientDescent,
    HeavyBall,
    Hypothesis,
    Linear,
    Regression,
    Setting,
    SteepestDescent,
    Stop,
    Theorem,
    verify,
)
from implicitbias.selection.rules.linear import mirror_rule
from implicitbias.theorems import THEOREMS

GD = Hypothesis("each step is a plain gradient step", lambda s: isinstance(s.optimizer, GradientDescent))


def draw(rng):
    X = rng.standard_normal((3, 8))
    return Setting(
        Regression(X, rng.standard_normal(3)), Linear(), GradientDescent(1 / np.linalg.norm(X, 2) ** 2)
    )


def distance(run):
    least = run.setting.problem.least_squares
    return float(np.linalg.norm(run.w - least) / np.linalg.norm(least))


STEEPEST = {"optimizer": lambda s: SteepestDescent(4 / 3, s.optimizer.step)}
TOY = Theorem(
    id="toy", family="linear", kind="exact", source="gunasekar2018geometry", claim="A toy.", settings=draw,
    measure=distance, hypotheses=(GD,), run={"stop": Stop(loss=1e-24)}, bound=1e-9,
    control=Control("steepest descent", above=1e-4, change=STEEPEST),
)  # fmt: skip


def toy(**change):
    return dataclasses.replace(TOY, **change)


def only(theorem, **options):
    report = verify(theorems=[theorem], **{"seed": 0, **options})
    (result,) = report.results
    assert report.ok == result.ok == (result.status == "verified")
    return result


def control(**change):
    return Control("a control", **{"above": 1e-4, "change": STEEPEST, **change})


def explode(*_):
    raise ZeroDivisionError("the measure broke")


def of_control(value):
    """A measure that does something else where the control is."""
    return lambda run: distance(run) if isinstance(run.setting.optimizer, GradientDescent) else value(run)


ANYTHING = Hypothesis("anything", lambda s: True)
NEVER = Hypothesis("never", lambda s: False)
HUGE = {"optimizer": SteepestDescent(4 / 3, 1e6)}
SLOW = {"optimizer": SteepestDescent(4 / 3, 1e-9)}


def nan(run):
    return np.nan


# name: (theorem, status, holds, control fails, words of the message)
ENDINGS = {
    "verified": (TOY, "verified", True, True, ""),
    "by a rule": (toy(measure=None, rule=mirror_rule, hypotheses=None), "verified", True, True, ""),
    "wrong claim": (toy(measure=lambda run: distance(run) + 1e-3), "refuted", False, True, ""),
    "infinite deviation": (toy(measure=lambda run: np.inf), "refuted", False, True, ""),
    "run hypothesis": (
        toy(hypotheses=(GD, Hypothesis("the run is short", lambda r: r.steps < 2, of="run"))),
        "refuted", False, True, "the run is short",
    ),
    "admitted control": (toy(hypotheses=(ANYTHING,)), "defect", True, False, "admit the control"),
    "no hypothesis": (toy(hypotheses=()), "defect", True, False, "admit the control"),
    "idle control": (
        toy(control=control(change={"optimizer": lambda s: HeavyBall(s.optimizer.step, 0.5)})),
        "control passed", True, False, "",
    ),
    "control without its event": (toy(measure=of_control(nan)), "inconclusive", False, False, "control: the measure"),
    "no event": (toy(measure=nan), "inconclusive", False, False, "did not see its event"),
    "a NaN among numbers": (toy(measure=lambda r: Evidence([0.0, np.nan])), "inconclusive", False, False, "event"),
    "impossible conditions": (toy(conditions=(NEVER,)), "inconclusive", False, False, "none of 200 draws"),
    "impossible hypotheses": (toy(hypotheses=(NEVER,)), "inconclusive", False, False, "none of 200 draws"),
    "diverging run": (
        toy(settings=lambda rng: dataclasses.replace(draw(rng), optimizer=GradientDescent(1e6))),
        "inconclusive", False, False, "diverged",
    ),
    "run out of budget": (toy(run={"stop": Stop(loss=1e-24, steps=2)}), "inconclusive", False, False, "budget"),
    "diverging control": (
        toy(control=control(change=HUGE)), "inconclusive", False, False, "control: a run ended as diverged",
    ),
    "slow control": (
        toy(control=control(change=SLOW), run={"stop": Stop(loss=1e-24, steps=2000)}),
        "inconclusive", False, False, "control: a run ended as budget",
    ),
    "broken measure": (toy(measure=explode), "defect", False, False, "ZeroDivisionError: the measure broke"),
    "broken draw": (toy(settings=explode), "defect", False, False, "ZeroDivisionError"),
    "broken control": (toy(control=control(change={"init": explode})), "defect", False, False, "ZeroDivisionError"),
    "broken control measure": (toy(measure=of_control(explode)), "defect", False, False, "ZeroDivisionError"),
    "empty evidence": (toy(measure=lambda r: Evidence([])), "defect", False, False, "ValueError"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("theorem", "status", "holds", "fails", "says"), ENDINGS.values(), ids=ENDINGS.keys()
)
def test_endings(theorem, status, holds, fails, says):
    result = only(theorem)
    assert (result.status, result.holds, result.control_fails) == (status, holds, fails)
    assert says in result.message
    if "200" in says:
        assert result.draws == 200
    entry = result.to_dict()
    assert (entry["holds"], entry["control"]["fails"]) == (holds, fails)
    json.loads(json.dumps(entry, allow_nan=False))


def test_a_defect_is_not_hidden_by_a_later_instance():
    """The first instance's control is admitted, the others' are not."""
    seen = []

    def once(setting):
        seen.append(setting)
        return isinstance(setting.optimizer, GradientDescent) or len(seen) < 3

    result = only(toy(hypotheses=(Hypothesis("once", once),)), instances=4)
    assert result.status == "defect"
    assert not result.control_fails


def test_a_refuted_claim_stays_refuted_when_its_control_passes_too():
    idle = control(change={"optimizer": lambda s: HeavyBall(s.optimizer.step, 0.5)})
    result = only(toy(control=idle, measure=lambda run: 1e-6))
    assert (result.status, result.holds, result.control_fails) == ("refuted", False, False)


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_one_bad_instance_of_three_refutes(bad):
    count = []

    def measure(run):
        if not isinstance(run.setting.optimizer, GradientDescent):
            return distance(run)
        count.append(run)
        return 1.0 if len(count) == bad + 1 else 0.0

    assert only(toy(measure=measure)).status == "refuted"


def numbers(rng):
    return dataclasses.replace(draw(rng), init=rng.uniform(1.0, 2.0, 8))


@pytest.mark.parametrize("kind", ["exact", "bound"])
def test_the_worst_instance_and_the_weakest_control_are_reported(kind):
    seen = {"claim": [], "control": []}

    def measure(setting):
        kind = "claim" if isinstance(setting.optimizer, GradientDescent) else "control"
        value = float(setting.w0[0]) + (10.0 if kind == "control" else 0.0)
        seen[kind].append(value)
        return value

    theorem = toy(
        kind=kind, settings=numbers, run=None, measure=measure, bound=2.0, control=control(above=5.0)
    )
    result = only(theorem, instances=5)
    assert result.status == "verified"
    assert len(set(seen["claim"])) == 5
    assert result.measured == result.deviation == max(seen["claim"])
    assert result.control_measured == result.control_deviation == min(seen["control"])


def test_nothing_runs_when_run_is_none_and_the_measure_gets_the_settings():
    got = []
    only(toy(run=None, measure=lambda s: got.append(s) or 0.0))
    assert all(isinstance(s, Setting) for s in got)


def test_several_settings_come_by_label_with_their_own_keywords():
    def settings(rng):
        s = draw(rng)
        return {"short": s, "long": dataclasses.replace(s, optimizer=GradientDescent(s.optimizer.step / 2))}

    def measure(runs):
        assert list(runs) == ["short", "long"]
        if isinstance(runs["short"].setting.optimizer, GradientDescent):
            assert [r.steps for r in runs.values()] == [3, 7]
            return 0.0
        return 1.0

    run = {"short": {"stop": Stop(steps=3)}, "long": {"stop": Stop(steps=7)}}
    assert only(toy(settings=settings, measure=measure, run=run)).status == "verified"


def test_draws_are_counted_and_only_conditions_reject():
    theorem = toy(settings=numbers, conditions=(Hypothesis("w₀ starts above 1.5", lambda s: s.w0[0] > 1.5),))
    result = only(theorem, instances=10)
    # geometric with success ½: 20 expected, and 10 would mean that nothing was ever rejected
    assert 10 < result.draws < 60
    # a measured result rejects nothing
    assert only(toy(measure=lambda run: 1.0), instances=10).draws == 10


def test_the_seed_decides_and_a_new_one_is_drawn_without_it():
    a, b, c = (verify(theorems=[TOY], seed=s).results[0].measured for s in (5, 5, 6))
    assert a == b != c
    x, y = verify(theorems=[TOY]), verify(theorems=[TOY])
    assert x.seed != y.seed
    assert verify(theorems=[TOY], seed=x.seed).results[0].measured == x.results[0].measured


def test_a_theorem_s_numbers_do_not_depend_on_its_company():
    alone = verify(theorems=[TOY], seed=3).results[0]
    together = verify(theorems=[toy(id="another"), TOY], seed=3).results
    assert together[1].measured == alone.measured
    assert together[0].measured != alone.measured  # each id has its own stream


def test_quick_is_one_instance_and_instances_wins():
    assert only(TOY, quick=True).instances == 1
    assert only(TOY, quick=True, instances=2).instances == 2
    assert only(TOY).instances == TOY.instances


@pytest.mark.parametrize("options", [{"instances": 0}, {"instances": -1}, {"jobs": 0}, {"seed": -1}])
def test_bad_counts(options):
    with pytest.raises(ValueError, match=r"at least 1|≥ 0|non-negative"):
        verify(["balancedness-identity"], **options)


def test_progress_sees_each_result_as_it_comes():
    seen = []
    report = verify(theorems=[TOY, toy(id="second")], seed=0, progress=seen.append)
    assert seen == report.results


def test_a_broken_figure_takes_no_result_away():
    result = only(toy(figure=explode), figures=True)
    assert result.status == "verified"
    assert "no figure" in result.message
    assert result.figure == ""


def test_unknown_names():
    with pytest.raises(KeyError, match="nearest-interpolant"):
        verify(["nearest-interpolent"])
    with pytest.raises(KeyError, match="linear"):
        verify(families=["liner"])


def test_equal_settings_of_claim_and_control_run_once(monkeypatch):
    from implicitbias.theorems import verification

    runs = []
    real = verification.simulate
    monkeypatch.setattr(verification, "simulate", lambda *a, **k: runs.append(a[0]) or real(*a, **k))

    def settings(rng):
        s = draw(rng)
        return {"kept": dataclasses.replace(s, optimizer=HeavyBall(s.optimizer.step, 0.5)), "changed": s}

    keep = control(
        change={
            "optimizer": lambda s: (
                s.optimizer
                if isinstance(s.optimizer, HeavyBall)
                else SteepestDescent(4 / 3, s.optimizer.step)
            )
        }
    )
    either = Hypothesis("no steepest descent", lambda s: not isinstance(s.optimizer, SteepestDescent))
    theorem = toy(
        settings=settings,
        hypotheses=(either,),
        control=keep,
        measure=lambda r: max(map(distance, r.values())),
    )
    assert only(theorem, instances=1).status == "verified"
    assert len(runs) == 3


# -- the report ----------------------------------------------------------------------------------

ENTRY = {
    "id",
    "family",
    "kind",
    "claim",
    "instances",
    "draws",
    "status",
    "measured",
    "expected",
    "bound",
    "holds",
    "control",
    "seconds",
}
CHEAP = ("balancedness-identity", "hypentropy-finite-steps", "norms-diverge-completion")


def timeless(text):
    return re.sub(r'"seconds": [\d.e-]+', "", text)


def test_the_schema_of_the_contract():
    report = json.loads(verify(CHEAP, seed=4, quick=True).to_json())
    assert set(report) == {"version", "seed", "theorems"}
    assert report["seed"] == 4
    assert {t["id"] for t in report["theorems"]} == set(CHEAP)
    for entry in report["theorems"]:
        assert set(entry) >= ENTRY
        assert set(entry["control"]) == {"description", "measured", "above", "fails"}
        assert entry["status"] == "verified"
        assert entry["holds"] is True
        assert entry["control"]["fails"] is True
        assert (entry["expected"] is None) == (entry["kind"] == "bound")
        assert entry["bound"] == THEOREMS[entry["id"]].bound
        assert entry["seconds"] >= 0


@pytest.mark.parametrize(("value", "word"), [(np.inf, "inf"), (-np.inf, "-inf")])
def test_infinities_are_words(value, word):
    theorem = toy(kind="bound", bound=1.0, control=control(above=2.0), measure=of_control(lambda r: np.inf))
    theorem = dataclasses.replace(
        theorem,
        measure=lambda r: [0.5, value] if isinstance(r.setting.optimizer, GradientDescent) else np.inf,
    )
    entry = only(theorem).to_dict()
    assert entry["measured"][1] == word
    assert entry["control"]["measured"] == "inf"
    assert "Infinity" not in json.dumps(entry)


@pytest.mark.slow
def test_jobs_do_not_change_the_numbers():
    one, two = (verify(CHEAP, seed=8, quick=True, jobs=j, figures=True) for j in (1, 2))
    assert timeless(one.to_json()) == timeless(two.to_json())
    assert [r.figure for r in one.results] == [r.figure for r in two.results]
    assert all(r.figure.startswith("<svg") for r in two.results)
