"""The figures of an atlas: functions of (atlas, ax)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .letters import letter

__all__ = ["by_norm", "draw_distances", "draw_margins", "draw_norms"]


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


def by_norm(atlas: Any) -> list[int]:
    """Row numbers (from 0): rows of one predicted norm together, then those of other programs, then those of none."""
    norms = list(atlas.kind.norms)

    def place(i: int) -> int:
        row = atlas.rows[i]
        return norms.index(row.norm) if row.norm in norms else len(norms) + (not row.rule)

    return sorted(range(len(atlas.rows)), key=place)


def draw_margins(atlas: Any, ax: Any) -> list[Any]:
    """The margin of each row in each norm as a fraction of the best, a frame around that of the norm theory names.

    Rows are in the order of :func:`by_norm`. Returns the cells and their colour bar.
    """
    norms, rows = atlas.kind.norms, [atlas.rows[i] for i in by_norm(atlas)]
    shown = np.array([[row.measures.get(key, np.nan) for key in norms] for row in rows])
    cells = ax.pcolormesh(
        np.clip(shown, 0.0, 1.0), cmap="cividis", vmin=0.0, vmax=1.0, edgecolor="white", lw=0.6
    )
    for (y, x), value in np.ndenumerate(shown):
        named = rows[y].norm == list(norms)[x]
        if np.isfinite(value):
            ax.text(
                x + 0.5, y + 0.5, f"{value:.3f}", ha="center", va="center", fontsize=5.5,
                color="white" if value < 0.6 else "black", weight="bold" if named else "normal",
            )  # fmt: skip
        if named:
            ax.add_patch(_frame(x, y))
    ax.set_ylim(len(rows), 0)
    ax.set_xticks(np.arange(len(norms)) + 0.5, [c.head for c in norms.values()])
    ax.set_yticks(np.arange(len(rows)) + 0.5, [f"{atlas.rows[i].name}  {i + 1}" for i in by_norm(atlas)])
    ax.tick_params(length=0, labeltop=True, labelbottom=False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = ax.figure.colorbar(cells, ax=ax, fraction=0.05, pad=0.03, label="margin / best margin")
    bar.outline.set_visible(False)
    return [cells, bar]


def _frame(x: float, y: float) -> Any:
    from matplotlib.patches import Rectangle

    from ..plotting import CONTROL

    return Rectangle((x, y), 1, 1, fill=False, edgecolor=CONTROL, lw=1.2, clip_on=False)
