"""cite: the BibTeX of what was used, each entry once."""

import re

import numpy as np
import pytest

from implicitbias import (
    GradientFlow,
    Linear,
    RandomizedKaczmarz,
    Regression,
    Setting,
    Stop,
    cite,
    predict,
    simulate,
)
from implicitbias.selection import RULES
from implicitbias.theorems import THEOREMS
from implicitbias.theorems.pages import bibliography


def keys(text):
    return re.findall(r"^@\w+\{([^,]+),", text, flags=re.MULTILINE)


SETTING = Setting(Regression([[1.0, 2.0]], [1.0]), Linear(), RandomizedKaczmarz(), np.zeros(2))


@pytest.mark.parametrize("id", THEOREMS)
def test_a_theorem_contributes_its_whole_page(id):
    assert THEOREMS[id].source in keys(cite(id))
    assert cite(THEOREMS[id]) == cite(id)


def test_runs_predictions_settings_and_rules():
    run = simulate(SETTING, Stop(loss=1e-20))
    pred = predict(SETTING, run)
    assert keys(cite(SETTING)) == ["strohmer2009kaczmarz"]
    assert keys(cite(run)) == ["implicitbias", "strohmer2009kaczmarz"]  # what ran, and what it ran
    assert keys(cite(pred)) == keys(cite(pred.rule)) == ["gunasekar2018geometry"]
    # in the order of use, and each entry once
    used = ["implicitbias", "strohmer2009kaczmarz", "gunasekar2018geometry"]
    assert keys(cite(run, pred, run, pred.rule)) == used


def test_entries_are_those_of_the_bibliography():
    assert cite(SETTING) == bibliography()["strohmer2009kaczmarz"]
    for rule in RULES:
        assert cite(rule) == bibliography()[rule.source]


def test_what_has_no_source_adds_nothing():
    assert cite(Setting(SETTING.problem, Linear(), GradientFlow())) == cite() == ""


def test_an_unknown_id_offers_the_nearest():
    with pytest.raises(KeyError, match="randomized-kaczmarz"):
        cite("randomised-kaczmarz")


@pytest.mark.parametrize("thing", [3, None, np.zeros(2)])
def test_other_things_cannot_be_cited(thing):
    with pytest.raises(ValueError, match="cite takes"):
        cite(thing)
