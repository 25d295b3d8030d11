"""A map of pairwise distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["heat_map"]

TICKS = (0.0, 0.01, 0.05, 0.2, 0.5, 1.0)


def heat_map(
    distances: np.ndarray, names: Sequence[str], ax: Any = None, *, label: str = "relative distance"
) -> list[Any]:
    """Distances (m, m) between named things: colours go by their square roots, from 0 (dark) to 1 (pale).

    NaN, where there is nothing to compare, stays white. Returns the cells and their colour bar.
    """
    from matplotlib.colors import PowerNorm

    from . import _axes

    ax, m = _axes(ax), len(names)
    shown = np.clip(np.asarray(distances, dtype=float), 0.0, 1.0)
    lines = min(0.4, 10 / max(m, 1))
    cells = ax.pcolormesh(shown, cmap="magma", norm=PowerNorm(0.5, 0.0, 1.0), edgecolor="white", lw=lines)
    ax.set(aspect="equal", ylim=(m, 0))
    ax.set_xticks(np.arange(m) + 0.5, [str(i + 1) for i in range(m)])
    ax.set_yticks(np.arange(m) + 0.5, [f"{name}  {i + 1}" for i, name in enumerate(names)])
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = ax.figure.colorbar(cells, ax=ax, fraction=0.04, pad=0.02, label=label, ticks=TICKS)
    bar.outline.set_visible(False)
    return [cells, bar]
