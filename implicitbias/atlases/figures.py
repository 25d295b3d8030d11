"""The figures of an atlas: functions of (atlas, ax)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .letters import letter

__all__ = ["draw_distances", "draw_margins", "draw_norms"]


def draw_distances(atlas: Any, ax: Any) -> Any:
    """The map of distances."""
    return atlas.plot(ax)


def draw_norms(atlas: Any, ax: Any) -> Any:
    """‖w‖₁ against ‖w‖₂ of the solutions that interpolate, with the least of any interpolant."""
    from ..plotting import CONTROL, SIMULATION

    fits = [k for k, g in enumerate(atlas.groups) if atlas.rows[g[0]].loss <= 1e-16 * atlas.zero_loss]
    points = [[atlas.rows[atlas.groups[k][0]].measures[key] for key in ("l1", "l2")] for k in fits]
    for (x, y), k in zip(points, fits):
        ax.plot(x, y, "o", color=SIMULATION, ms=4 + min(len(atlas.groups[k]), 12) / 2, alpha=0.75, mew=0)
    for (x, y), text in _labels(np.array(points).reshape(-1, 2), [letter(k) for k in fits]):
        ax.annotate(text, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7, color="0.25")
    if atlas.kind.least:
        ax.axvline(atlas.kind.least["l1"], color=CONTROL, lw=0.8, ls=(0, (4, 3)), zorder=0)
        ax.axhline(atlas.kind.least["l2"], color=CONTROL, lw=0.8, ls=(0, (4, 3)), zorder=0)
    ax.margins(0.12)
    ax.set(xlabel="‖w‖₁", ylabel="‖w‖₂")
    return ax


def _labels(points: np.ndarray, names: list[str]) -> list[tuple[np.ndarray, str]]:
    """A name beside each point; points that a reader cannot tell apart share a place."""
    size = np.ptp(points, axis=0) if len(points) else 1.0
    near = 0.03 * np.where(size == 0, 1.0, size)
    places: list[tuple[np.ndarray, str]] = []
    for point, name in zip(points, names):
        at = next((i for i, (p, _) in enumerate(places) if np.all(np.abs(p - point) <= near)), None)
        if at is None:
            places.append((point, name))
        else:
            places[at] = places[at][0], f"{places[at][1]} {name}"
    return places


def draw_margins(atlas: Any, ax: Any) -> Any:
    """The margin of each row in each norm as a fraction of the best; a ring on the norm that theory names.

    Rows are grouped by their norm. Returns the cells and their colour bar.
    """
    norms = atlas.kind.norms
    rows = sorted(range(len(atlas.rows)), key=lambda i: _place(atlas.rows[i], list(norms)))
    shown = np.array([[atlas.rows[i].measures.get(key, np.nan) for key in norms] for i in rows])
    cells = ax.pcolormesh(
        np.clip(shown.reshape(len(rows), len(norms)), 0.0, 1.0), cmap="cividis", vmin=0.0, vmax=1.0,
        edgecolor="white", lw=0.6,
    )  # fmt: skip
    for y, i in enumerate(rows):
        for x, key in enumerate(norms):
            if np.isfinite(shown[y, x]):
                colour = "white" if shown[y, x] < 0.6 else "black"
                weight = "bold" if atlas.rows[i].norm == key else "normal"
                ax.text(
                    x + 0.5, y + 0.5, f"{shown[y, x]:.3f}", ha="center", va="center", color=colour, fontsize=5.5,
                    weight=weight,
                )  # fmt: skip
            if atlas.rows[i].norm == key:
                ax.add_patch(_frame(x, y))
    ax.set(ylim=(len(rows), 0))
    ax.set_xticks(np.arange(len(norms)) + 0.5, [norms[key].head for key in norms])
    ax.set_yticks(np.arange(len(rows)) + 0.5, [f"{atlas.rows[i].name}  {i + 1}" for i in rows])
    ax.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = ax.figure.colorbar(cells, ax=ax, fraction=0.05, pad=0.03, label="margin / best margin")
    bar.outline.set_visible(False)
    return [cells, bar]


def _place(row: Any, norms: list[str]) -> int:
    """Rows of one predicted norm together; those without one last."""
    return norms.index(row.norm) if row.norm in norms else len(norms) + (not row.rule)


def _frame(x: float, y: float) -> Any:
    from matplotlib.patches import Rectangle

    from ..plotting import CONTROL

    return Rectangle((x, y), 1, 1, fill=False, edgecolor=CONTROL, lw=1.2, clip_on=False)
