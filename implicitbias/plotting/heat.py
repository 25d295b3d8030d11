"""A map of pairwise distances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["heat_map"]

SAME = 1e-9
"""Distances below this are drawn alike: rounding and tolerances."""


def heat_map(
    distances: np.ndarray, names: Sequence[str], ax: Any = None, *, label: str = "relative distance"
) -> list[Any]:
    """Distances (m, m) between named things, on a logarithmic scale from 1e-9 (dark) to 1 (pale).

    NaN, where there is nothing to compare, stays white. Returns the image and its colour bar.
    """
    from matplotlib.colors import LogNorm

    from . import _axes

    ax = _axes(ax)
    shown = np.clip(np.asarray(distances, dtype=float), SAME, 1.0)
    image = ax.imshow(shown, cmap="magma", norm=LogNorm(SAME, 1.0), interpolation="nearest")
    m = len(names)
    ax.set_xticks(range(m), [str(i + 1) for i in range(m)])
    ax.set_yticks(range(m), [f"{name}  {i + 1}" for i, name in enumerate(names)])
    ax.tick_params(length=0)
    ax.set_xticks(np.arange(m + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(m + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", lw=0.4)
    ax.tick_params(which="minor", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02, label=label)
    bar.outline.set_visible(False)
    return [image, bar]
