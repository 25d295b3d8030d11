"""Which separator of two handwritten digits does each optimizer select? The atlas of margins of threes and eights.

Half of the 357 threes and eights of scikit-learn's digits, standardised, with an intercept, are separated by every
model and optimizer of the default atlas. The figure shows the margin of each direction in ℓ1, ℓ2 and ℓ∞ as a fraction
of the best that any direction has, with a frame around the norm that theory names, how far each falls short of that
one, its errors on the other half, and what four of the separators look like.

    python experiments/digits_margins.py [--classes 3,8] [--samples N] [--seed 0] [--jobs N] [--out experiments/output]

It writes digits_margins.png, digits_margins.pdf, digits_margins.csv (the numbers of the figure) and digits_margins.json
(every number, and every direction), and exits non-zero when a row raised an error, or when a direction has settled with
a margin that falls short of the best, in the norm that theory names, by more than 2 %.
"""

from __future__ import annotations

import argparse
import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

import implicitbias as ib
from implicitbias.atlases.page import facts, rich_table

SHORT = 0.02
"""A settled direction whose margin falls short of the predicted best by more has left its prediction."""
SHOWN = {
    "Linear: CoordinateDescent": "ℓ1",
    "Linear: GradientFlow": "ℓ2",
    "Linear: SteepestDescent ℓ4": "ℓ4",
    "Linear: SteepestDescent ℓ∞ η/L": "ℓ∞",
}
"""Whose directions are drawn as images."""


def measure(args: argparse.Namespace, console: Console) -> ib.Atlas:
    """The atlas of two digits."""
    classes = [float(c) for c in args.classes.split(",")]
    split = ib.load_table("digits").split(args.samples, seed=args.seed, classes=classes)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("digits", total=len(ib.default_settings(split.problem)))
        return ib.atlas(
            split.problem, split.held_out, seed=args.seed, jobs=args.jobs, steps=args.steps, seconds=args.budget,
            progress=lambda row: bar.update(task, advance=1, description=row.name), about=split.describe(),
        )  # fmt: skip


def left(atlas: ib.Atlas) -> list[ib.AtlasRow]:
    """The rows that have settled away from the margin that theory names."""
    return [row for row in atlas.rows if row.converged and row.measures.get("gap", np.nan) > SHORT]


# -- figure ----------------------------------------------------------------------------------------


def draw(atlas: ib.Atlas, out: Path) -> list[Path]:
    """Margins, gaps, errors, and images of separators."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from implicitbias import plotting
    from implicitbias.atlases.figures import by_norm, draw_margins

    order = by_norm(atlas)
    with plt.style.context(plotting.STYLE):
        fig = plt.figure(figsize=(plotting.PAGE, 7.4), layout="constrained")
        upper, lower = fig.subfigures(2, 1, height_ratios=(1, 0.28))
        axes = upper.subplots(1, 3, width_ratios=(1, 0.55, 0.45))
        _, bar = draw_margins(atlas, axes[0])
        bar.remove()
        _dots(
            axes[1],
            [atlas.rows[i].measures.get("gap", np.nan) for i in order],
            [atlas.rows[i] for i in order],
        )
        axes[1].set(xscale="log", xlabel="1 − margin / best", xticks=[1e-8, 1e-6, 1e-4, 1e-2])
        axes[1].axvline(SHORT, color="0.7", lw=0.6, zorder=0)
        _dots(
            axes[2],
            [atlas.rows[i].measures.get("held_out", np.nan) for i in order],
            [atlas.rows[i] for i in order],
        )
        axes[2].set(xlabel="held-out error", xlim=(0, None))
        for ax, letter in zip(axes, "abc", strict=True):
            ax.set_title(letter, loc="left", fontweight="bold", pad=16 if letter == "a" else None)
        _images(atlas, lower)
        paths = [out / f"digits_margins.{suffix}" for suffix in ("png", "pdf")]
        for path in paths:
            fig.savefig(path)
        plt.close(fig)
    return paths


def _dots(ax: Any, values: list[float], rows: list[ib.AtlasRow]) -> None:
    """A dot for each row, filled where its direction has settled."""
    from implicitbias import plotting

    x, y = np.array(values), np.arange(len(values)) + 0.5
    done = np.array([row.converged for row in rows])
    ax.plot(x[done], y[done], "o", color=plotting.SIMULATION, ms=3, mew=0, clip_on=False)
    ax.plot(x[~done], y[~done], "o", mfc="none", color=plotting.SIMULATION, ms=2.8, mew=0.6, clip_on=False)
    ax.hlines(y, 0, 1, transform=ax.get_yaxis_transform(), color="0.93", lw=0.5, zorder=0)
    ax.set_ylim(len(values), 0)
    ax.tick_params(axis="y", left=False, labelleft=False)
    ax.spines["left"].set_visible(False)


def _images(atlas: ib.Atlas, figure: Any) -> None:
    """Directions over the pixels: red speaks for the larger digit, blue for the smaller; grey never changes."""
    import matplotlib.pyplot as plt

    rows = {row.name: row for row in atlas.rows if row.w is not None}
    cmap = plt.cm.RdBu_r.with_extremes(bad="0.85")
    for ax, (name, norm) in zip(figure.subplots(1, len(SHOWN)), SHOWN.items(), strict=True):
        ax.set_axis_off()
        if name not in rows:
            continue
        pixels = np.full(64, np.nan)
        for column, value in zip(atlas.about["names"], rows[name].w):
            if column != "intercept":
                r, c = column.split("_")[1:]
                pixels[8 * int(r) + int(c)] = value
        size = np.nanmax(np.abs(pixels))
        ax.imshow(pixels.reshape(8, 8), cmap=cmap, vmin=-size, vmax=size)
        ax.set_title(f"{norm}: {name.removeprefix('Linear: ')}", fontsize=6)


# -- data ------------------------------------------------------------------------------------------


def write_table(atlas: ib.Atlas, path: Path) -> None:
    """The numbers of the figure, a line for each row of the atlas."""
    keys = [m.key for m in atlas.kind.measures]
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(
            ["setting", "status", "norm", "log_loss", "log_time", "steps", *keys, "distance", "program"]
        )
        for row in atlas.rows:
            numbers = [row.measures.get(key, np.nan) for key in keys]
            out.writerow(
                [
                    row.name,
                    row.status,
                    row.norm,
                    row.log_loss,
                    row.log_time,
                    row.steps,
                    *numbers,
                    row.distance,
                    row.program,
                ]
            )


# -- command line ----------------------------------------------------------------------------------


def main() -> int:
    """Run the experiment; 1 when a row raised an error or settled away from its prediction."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--classes", default="3,8", help="two digits (default 3,8)")
    add("--samples", type=int, help="rows to fit (default: half of them)")
    add("--seed", type=int, default=0, help="of the drawn rows and the random methods (default 0)")
    add("--steps", type=int, help="limit on the steps of each run (default: that of the atlas)")
    add("--budget", type=float, default=60.0, help="seconds of processor time for each run (default 60)")
    add("--jobs", type=int, default=min(os.cpu_count() or 1, 8), help="processes (default: one per core)")
    add("--out", type=Path, default=Path(__file__).parent / "output", help="folder of the results")
    args = parser.parse_args()
    console = Console()
    atlas = measure(args, console)
    wide = Console(width=max(console.width, 180))  # a narrow terminal wraps lines, and cuts no number
    wide.print(rich_table(atlas), *facts(atlas), sep="\n", highlight=False)
    args.out.mkdir(parents=True, exist_ok=True)
    data, table = args.out / "digits_margins.json", args.out / "digits_margins.csv"
    data.write_text(atlas.to_json() + "\n", encoding="utf-8")
    write_table(atlas, table)
    for path in (*draw(atlas, args.out), data, table):
        wide.print(f"wrote {path}", highlight=False)
    astray = left(atlas)
    for row in astray:
        wide.print(f"left its prediction: {row.name}, gap {row.measures['gap']:.2g}", highlight=False)
    return 0 if atlas.ok and not astray else 1


if __name__ == "__main__":
    raise SystemExit(main())
