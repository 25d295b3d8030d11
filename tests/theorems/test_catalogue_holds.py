"""Every theorem holds, its control fails, and its figure can be drawn: at a fixed seed."""

import functools

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure

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


@pytest.mark.slow
def test_the_whole_page():
    whole = type(report("riccati-two-layer"))(SEED, [r for id in THEOREMS for r in report(id).results])
    text = html_page(whole)
    assert text.count("<svg") == len(THEOREMS)
    assert "every claim holds and every control fails" in text
    for id in THEOREMS:
        assert f'<h2 id="{id}">' in text
