"""Every theorem holds, its control fails, and its figure can be drawn: at a fixed seed."""

import functools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from implicitbias import Regression
from implicitbias.selection import RULES, Program
from implicitbias.theorems import THEOREMS, verify
from implicitbias.theorems.report import figure_svg, html_page

SEED = 2024
every_id = pytest.mark.parametrize("id", THEOREMS)


@functools.cache
def report(id):
    return verify([id], seed=SEED)


@pytest.mark.slow
@every_id
def test_the_claim_holds_and_its_control_fails(id):
    (result,) = report(id).results
    theorem = THEOREMS[id]
    assert (result.status, result.message) == ("verified", "")
    assert report(id).ok
    assert result.holds
    assert result.control_fails
    assert result.deviation <= theorem.bound < theorem.control.above < result.control_deviation
    assert result.draws >= result.instances == theorem.instances
    assert (result.expected is None) == (theorem.kind == "bound")


@pytest.mark.slow
@every_id
def test_figures(id):
    (result,) = report(id).results
    before, open_before = dict(mpl.rcParams), plt.get_fignums()
    ax = Figure().add_subplot()
    artists = result.samples[0].theorem.figure(*result.samples, ax)
    flat = artists if isinstance(artists, list | tuple) else [artists]
    assert flat
    assert all(isinstance(a, Artist) for a in flat)
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    # what is drawn is there: finite data in every line
    for line in ax.lines:
        assert np.isfinite(np.asarray(line.get_ydata(), dtype=float)).any()
    svg = figure_svg(result)
    assert svg.startswith("<svg")
    assert svg.rstrip().endswith("</svg>")
    assert figure_svg(result) == svg  # no dates, no random ids
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == open_before


def selected(rule, run):
    """The point a rule says the run selects; where it gives a path, its place at the end of the run."""
    value = rule.apply(run.setting, run)
    if isinstance(value, Program):
        return value.solution
    return value(run.time) if callable(value) else value


def single_regressions(sample):
    return [r for r in sample.runs.values() if isinstance(r.setting.problem, Regression) and not r.parts]


@pytest.mark.slow
@every_id
def test_rules_that_both_apply_agree(id):
    """On every run of the claim and of its control, all rules that admit it name one solution."""
    for sample in report(id).results[0].samples:
        for run in single_regressions(sample):
            admitted = [r for r in RULES if r.first_missed(run.setting, run) is None]
            points = [selected(r, run) for r in admitted if set(r.observe) <= set(run.accumulators)]
            for point in points[1:]:
                # a path ends where its run was stopped, 1e-3 of the start's gradient at most from the limit
                np.testing.assert_allclose(point, points[0], rtol=0, atol=1e-3 * np.linalg.norm(points[0]))


def test_some_runs_are_admitted_by_two_rules():
    run = report("nearest-interpolant").results[0].samples[0].runs["GradientDescent"]
    assert sum(r.first_missed(run.setting, run) is None for r in RULES) >= 2


@pytest.mark.slow
def test_the_whole_page():
    whole = type(report("riccati-two-layer"))(SEED, [r for id in THEOREMS for r in report(id).results])
    text = html_page(whole)
    assert text.count("<svg") == len(THEOREMS)
    assert "every claim holds and every control fails" in text
    for id in THEOREMS:
        assert f'<h2 id="{id}">' in text
