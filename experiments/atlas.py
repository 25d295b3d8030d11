"""Which solution of a real table does each optimizer select? The atlas of two tables, side by side.

Forty rows of scikit-learn's diabetes table with all linear and quadratic features, and forty of its digits
(the class number from the pixels), are fitted by every model and optimizer of the default atlas. The figure
shows how far apart the solutions are, and what each of them is worth on the rows that were not fitted.

    python experiments/atlas.py [--samples 40] [--seed 0] [--jobs N] [--out experiments/output]

It writes atlas.png, atlas.pdf and atlas.json (every number of the figure, and every solution), and exits
non-zero when a row raised an error, or converged away from its prediction.
"""

from __future__ import annotations

import argparse
import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import implicitbias as ib
from implicitbias.atlases.page import facts, rich_table

TABLES = {"diabetes": "poly2", "digits": "none"}
"""Each table and its features."""
NEAR = 1e-6
"""A converged run farther than this from its prediction has left it."""


def measure(args: argparse.Namespace, console: Console) -> dict[str, ib.Atlas]:
    """The atlas of each table."""
    found = {}
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    for name, features in TABLES.items():
        split = ib.load_table(name).split(args.samples, features=features, seed=args.seed)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task(name, total=len(ib.default_settings(split.problem)))
            found[name] = ib.atlas(
                split.problem, split.held_out, seed=args.seed, jobs=args.jobs, seconds=args.budget,
                progress=partial(_advance, bar, task), about=split.describe(),
            )  # fmt: skip
    return found


def _advance(bar: Progress, task: Any, row: ib.AtlasRow) -> None:
    bar.update(task, advance=1, description=row.name)


def left(atlas: ib.Atlas) -> list[ib.AtlasRow]:
    """The rows that converged away from their prediction."""
    return [row for row in atlas.rows if row.converged and row.rule and not row.distance <= NEAR]


# -- figure ----------------------------------------------------------------------------------------


def draw(found: dict[str, ib.Atlas], out: Path) -> list[Path]:
    """For each table the map of distances, and beside it what each row is worth on the other rows."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from implicitbias import plotting
    from implicitbias.plotting.heat import heat_map

    with plt.style.context(plotting.STYLE):
        fig, axes = plt.subplots(
            2, 2, figsize=(plotting.PAGE, 8.2), width_ratios=(1, 0.3), layout="constrained", sharey="row"
        )
        for (ax, beside), (name, atlas), letter in zip(axes, found.items(), "ab", strict=True):
            cells, bar = heat_map(atlas.distances, [row.name for row in atlas.rows], ax)
            bar.remove()
            ax.tick_params(labelsize=4.5, pad=1)
            ax.set_xticks([])
            ax.set_title(f"{name}: {atlas.problem.n} rows, {atlas.problem.w_shape[0]} features")
            ax.set_title(letter, loc="left", fontweight="bold")
            _errors(atlas, beside)
        bar = fig.colorbar(
            cells, ax=axes[:, 0], location="bottom", shrink=0.6, aspect=40, label="relative distance"
        )
        bar.outline.set_visible(False)
        paths = [out / f"atlas.{suffix}" for suffix in ("png", "pdf")]
        for path in paths:
            fig.savefig(path)
        plt.close(fig)
    return paths


def _errors(atlas: ib.Atlas, ax: Any) -> None:
    """Held-out error of each row; dots of converged runs are filled, the line is w = 0."""
    from implicitbias import plotting

    error = np.array([row.measures.get("held_out", np.nan) for row in atlas.rows])
    rank, done = np.arange(len(error)) + 0.5, np.array([row.converged for row in atlas.rows])
    ax.axvline(atlas.baseline, color="0.7", lw=0.6, zorder=0)
    ax.plot(error[done], rank[done], "o", color=plotting.SIMULATION, ms=2.4, mew=0, clip_on=False)
    ax.plot(
        error[~done], rank[~done], "o", mfc="none", color=plotting.SIMULATION, ms=2.2, mew=0.5, clip_on=False
    )
    ax.set(xscale="log", xlabel="held-out error")
    ax.set_xticks([t for t in (0.5, 1, 2, 5, 10, 20) if 0.7 * np.nanmin(error) < t < 1.4 * np.nanmax(error)])
    ax.xaxis.set_major_formatter("{x:g}")
    ax.xaxis.set_minor_formatter("")
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.spines["left"].set_visible(False)


# -- command line ----------------------------------------------------------------------------------


def main() -> int:
    """Run the experiment; 1 when a row raised an error or converged away from its prediction."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--samples", type=int, default=40, help="rows to fit (default 40)")
    add("--seed", type=int, default=0, help="of the drawn rows and the random methods (default 0)")
    add("--budget", type=float, default=60.0, help="seconds of processor time for each run (default 60)")
    add("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="processes (default: one per core)")
    add("--out", type=Path, default=Path(__file__).parent / "output", help="folder of the results")
    args = parser.parse_args()
    console = Console()
    found = measure(args, console)
    wide = Console(width=max(console.width, 180))  # a narrow terminal wraps lines, and cuts no number
    for atlas in found.values():
        wide.print(rich_table(atlas), *facts(atlas), "", sep="\n", highlight=False)
    args.out.mkdir(parents=True, exist_ok=True)
    data = args.out / "atlas.json"
    result = {name: atlas.to_dict() for name, atlas in found.items()}
    data.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in (*draw(found, args.out), data):
        wide.print(f"wrote {path}", highlight=False)
    astray = [f"{name}: {row.name}" for name, atlas in found.items() for row in left(atlas)]
    for where in astray:
        wide.print(f"left its prediction: {where}", highlight=False)
    return 0 if not astray and all(atlas.ok for atlas in found.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
