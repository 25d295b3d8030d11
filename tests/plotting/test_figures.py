"""Plotting: artists come back with the data they were given, and nothing global changes."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import matplotlib.style
import numpy as np
import pytest
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from implicitbias import GradientDescent, Linear, Regression, Save, Setting, Stop, plotting, simulate

X = np.geomspace(1, 100, 7)
Y = np.stack([X**-1, X**-2], axis=1)


@pytest.fixture
def ax():
    return Figure().add_subplot()


@pytest.fixture(autouse=True)
def nothing_global():
    before, figures = dict(mpl.rcParams), plt.get_fignums()
    yield
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == figures


def flat(artists):
    return artists if isinstance(artists, list | tuple) else [artists]


CALLS = {
    "curve": lambda ax: plotting.curve(X, Y, ax),
    "curve of one": lambda ax: plotting.curve(X, Y[:, 0], ax, label="a"),
    "theory over simulation": lambda ax: plotting.theory_over_simulation(X, Y, 2 * Y, ax, control=Y + 1),
    "coordinates": lambda ax: plotting.coordinates(Y[:, 0], Y[:, 1], ax, control=X),
    "bound": lambda ax: plotting.bound(X, Y[:, 0], 2 * Y[:, 0], ax, control=3 * Y[:, 0]),
}


@pytest.mark.parametrize("draw", CALLS.values(), ids=CALLS.keys())
def test_artists_are_returned_and_belong_to_the_axes(ax, draw):
    artists = flat(draw(ax))
    assert artists
    for artist in artists:
        assert isinstance(artist, Artist)
        assert artist.axes is ax
    ax.figure.canvas.draw()


def test_curve_draws_its_columns_on_logarithmic_axes(ax):
    lines = plotting.curve(X, Y, ax, log="xy", xlabel="t", ylabel="loss")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("t", "loss")
    for line, column in zip(lines, Y.T, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), X)
        np.testing.assert_array_equal(line.get_ydata(), column)


def test_nothing_positive_stays_linear(ax):
    plotting.curve(X, -Y, ax, log="y")
    assert ax.get_yscale() == "linear"


def test_theory_is_dashed_over_a_solid_simulation(ax):
    artists = plotting.theory_over_simulation(X, Y[:, 0], 2 * Y[:, 0], ax)
    by_label = {a.get_label(): a for a in artists}
    assert by_label["simulation"].get_linestyle() == "-"
    assert by_label["theory"].get_linestyle() != "-"
    assert by_label["theory"].get_zorder() >= by_label["simulation"].get_zorder()
    np.testing.assert_array_equal(by_label["simulation"].get_ydata(), Y[:, 0])
    np.testing.assert_array_equal(by_label["theory"].get_ydata(), 2 * Y[:, 0])


def test_the_current_axes_are_the_default():
    figure = plt.figure()
    try:
        lines = plotting.curve(X, Y)
        assert lines[0].axes is figure.gca()
    finally:
        plt.close(figure)


def test_the_style_sheet_embeds_fonts_and_is_only_applied_when_asked():
    with matplotlib.style.context(plotting.STYLE):
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["ps.fonttype"] == 42


@pytest.fixture
def run():
    s = Setting(Regression([[1.0, 2.0]], [1.0]), Linear(), GradientDescent(0.1))
    return simulate(s, Stop(steps=10), Save(every=1, fields=("loss", "w")))


def test_a_run_draws_its_history(ax, run):
    (line,) = run.plot(ax)
    np.testing.assert_array_equal(line.get_ydata(), run.history["loss"])
    np.testing.assert_array_equal(line.get_xdata(), run.history["time"])
    lines = run.plot(ax, field="w")
    assert len(lines) == 2


def test_a_run_without_the_field_says_what_it_has(ax, run):
    with pytest.raises(ValueError, match=r"no 'margin'.*loss, w"):
        run.plot(ax, field="margin")
