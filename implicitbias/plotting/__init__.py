"""Figures from plain arrays. Functions take ``ax=``, return artists, and set nothing globally."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "COLUMN",
    "PAGE",
    "STYLE",
    "bound",
    "coordinates",
    "curve",
    "legend",
    "mirror_map",
    "relabel",
    "theory_over_simulation",
]

STYLE = str(Path(__file__).with_name("implicitbias.mplstyle"))
"""Path of the package's style sheet, for ``matplotlib.style.context``."""

COLUMN, PAGE = 3.25, 6.75
"""Widths in inches of one and of two columns of the usual venues."""

SIMULATION, THEORY, CONTROL = "#0072B2", "#222222", "#D55E00"


def _axes(ax: Any) -> Any:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.gca()


def _scales(ax: Any, x: np.ndarray, y: np.ndarray, log: str) -> None:
    if "x" in log and np.any(x > 0):
        ax.set_xscale("log")
    if "y" in log and np.any(y > 0):
        ax.set_yscale("log")


def legend(ax: Any) -> None:
    """A legend above the axes, where it hides nothing."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, borderaxespad=0.2, columnspacing=1.2)


def relabel(ax: Any, **names: str) -> None:
    """Give artists other names in the legend: ``relabel(ax, theory="least norm")``."""
    for artist in ax.get_lines():
        artist.set_label(names.get(artist.get_label(), artist.get_label()))
    legend(ax)


def curve(
    x: np.ndarray, y: np.ndarray, ax: Any = None, *, label: str | None = None, xlabel: str = "", ylabel: str = "",
    log: str = "y", **style: Any,
) -> list[Any]:  # fmt: skip
    """y (m,) or (m, k) over x (m,); ``log`` names the logarithmic axes. Returns the lines."""
    ax = _axes(ax)
    x, y = np.asarray(x), np.asarray(y)
    lines: list[Any] = ax.plot(x, y.reshape(len(x), -1), label=label, **style)
    _scales(ax, x, y, log)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return lines


def theory_over_simulation(
    x: np.ndarray, simulation: np.ndarray, theory: np.ndarray, ax: Any = None, *, xlabel: str = "",
    ylabel: str = "", log: str = "", control: np.ndarray | None = None, show_legend: bool = True,
) -> list[Any]:  # fmt: skip
    """Simulation solid, theory dashed over it, and the control (if any) thin; (m,) or (m, k) over x (m,)."""
    ax = _axes(ax)
    artists = []
    rows: list[tuple[np.ndarray, str, dict[str, Any]]] = [
        (simulation, "simulation", {"color": SIMULATION, "lw": 1.8, "alpha": 0.8})
    ]
    if control is not None:
        rows.append((control, "control", {"color": CONTROL, "lw": 0.8}))
    rows.append((theory, "theory", {"color": THEORY, "lw": 0.9, "ls": (0, (4, 3))}))
    for values, name, style in rows:
        lines = curve(x, values, ax, xlabel=xlabel, ylabel=ylabel, log=log, **style)
        lines[0].set_label(name)
        artists += lines
    if show_legend:
        legend(ax)
    return artists


def coordinates(
    simulation: np.ndarray, theory: np.ndarray, ax: Any = None, *, control: np.ndarray | None = None,
    xlabel: str = "coordinate", ylabel: str = "w",
) -> list[Any]:  # fmt: skip
    """Coordinates of a solution: theory as rings, simulation as dots in them, the control as crosses."""
    ax = _axes(ax)
    j = np.arange(1, np.size(theory) + 1)
    artists = [ax.axhline(0.0, color="0.8", lw=0.6, zorder=0)]
    if control is not None:
        artists += ax.plot(j, np.ravel(control), "x", color=CONTROL, ms=4, mew=1, label="control")
    artists += ax.plot(j, np.ravel(theory), "o", mfc="none", color=THEORY, ms=7, mew=0.8, label="theory")
    artists += ax.plot(j, np.ravel(simulation), "o", color=SIMULATION, ms=3.5, label="simulation")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.xaxis.get_major_locator().set_params(integer=True)
    legend(ax)
    return artists


def bound(
    x: np.ndarray, lhs: np.ndarray, rhs: np.ndarray, ax: Any = None, *, control: np.ndarray | None = None,
    xlabel: str = "", ylabel: str = "", log: str = "xy", names: tuple[str, str] = ("simulation", "bound"),
) -> list[Any]:  # fmt: skip
    """A quantity and its bound (dashed), with the control's (thin)."""
    ax = _axes(ax)
    lines = curve(x, lhs, ax, label=names[0], color=SIMULATION, log=log, xlabel=xlabel, ylabel=ylabel)
    lines += curve(x, rhs, ax, label=names[1], color=THEORY, ls="--", log=log, xlabel=xlabel, ylabel=ylabel)
    if control is not None:
        lines += curve(
            x,
            control,
            ax,
            label="control",
            color=CONTROL,
            lw=0.8,
            log=log,
            xlabel=xlabel,
            ylabel=ylabel,
        )
    legend(ax)
    return lines


def mirror_map(
    sizes: np.ndarray, values: np.ndarray, band: tuple[np.ndarray, np.ndarray], named: np.ndarray | None = None,
    ax: Any = None, *, label: str = "",
) -> list[Any]:  # fmt: skip
    """φ′ over |w|, as read off solutions, with its band, and a named potential's dashed over it."""
    ax = _axes(ax)
    artists = [ax.fill_between(sizes, *band, color=SIMULATION, alpha=0.2, lw=0)]
    artists += curve(
        sizes,
        values,
        ax,
        label="identified",
        color=SIMULATION,
        lw=1.8,
        alpha=0.8,
        log="x",
        xlabel="|w|",
        ylabel="φ′",
    )
    if named is not None:
        artists += curve(sizes, named, ax, label=label, color=THEORY, lw=0.9, ls=(0, (4, 3)), log="x", xlabel="|w|",
                         ylabel="φ′")  # fmt: skip
    legend(ax)
    return artists
