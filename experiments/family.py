"""Figures and tables of one family of theorems, from the machinery of ``implicitbias verify``.

Each theorem is run on fresh instances, with its control. For a family F and a theorem ID this writes

    F/ID.png, F/ID.pdf    the figure of the worst instance and of its control
    F/ID.json             every number of the figure: what was measured, what theory expects, the control's
    F.png                 all figures of the family on one sheet
    F.json                the report of verify
    F.tex                 the table, for a paper

into ``--out``, and exits non-zero when a claim does not hold or a control does not fail.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track

import implicitbias as ib
from implicitbias.plotting import COLUMN, PAGE, STYLE
from implicitbias.theorems.catalogue import select
from implicitbias.theorems.report import rich_table

COLUMNS = 3


def plain(value: Any) -> Any:
    """Arrays and numbers of a figure as JSON has them; what JSON has no form for, as text."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, bool | str) or value is None:
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        return repr(value)
    return number if np.isfinite(number) else repr(number)


def write_figure(result: Any, folder: Path) -> None:
    """The figure of one theorem, and its numbers."""
    claim, control = result.samples
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(COLUMN, 0.75 * COLUMN), layout="constrained")
        claim.theorem.figure(claim, control, figure.add_subplot())
        for kind in ("png", "pdf"):
            figure.savefig(folder / f"{result.id}.{kind}", dpi=200)
    numbers = {
        "theorem": result.to_dict(),
        "claim": {label: {"w": plain(run.w), "status": run.status} for label, run in claim.runs.items()},
        "control": {label: {"w": plain(run.w), "status": run.status} for label, run in control.runs.items()},
        "detail": plain(claim.evidence.detail),
        "control detail": plain(control.evidence.detail),
    }
    (folder / f"{result.id}.json").write_text(json.dumps(numbers, ensure_ascii=False), encoding="utf-8")


def write_sheet(results: list[Any], path: Path) -> None:
    """All figures of the family on one sheet."""
    drawn = [r for r in results if r.samples[0].theorem.figure is not None]
    rows = -(-len(drawn) // COLUMNS)
    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(1.6 * PAGE, 2.6 * rows), layout="constrained")
        for ax, result in zip(np.ravel(figure.subplots(rows, COLUMNS, squeeze=False)), drawn):
            result.samples[0].theorem.figure(*result.samples, ax)
            ax.text(0.5, -0.32, result.id, transform=ax.transAxes, ha="center", fontsize=8, weight="bold")
        for ax in figure.axes[len(drawn) :]:
            ax.set_axis_off()
        figure.savefig(path, dpi=150)


def table(results: list[Any]) -> str:
    """The report as a LaTeX table."""
    head = r"theorem & kind & deviation & bound & control & above \\ \midrule"
    rows = [
        rf"{r.id} & {r.kind} & {r.deviation:.1e} & {r.bound:g} & {r.control_deviation:.1e} & {r.control_above:g} \\"
        for r in results
    ]
    body = "\n".join(rows)
    return f"\\begin{{tabular}}{{llrrrr}} \\toprule\n{head}\n{body}\n\\bottomrule\n\\end{{tabular}}\n"


def main(family: str, description: str) -> int:
    """Verify one family and write its figures and tables."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--seed", type=int, help="seed of the draws (default: a new one)")
    parser.add_argument("--instances", type=int, help="instances of each theorem (default: its own number)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "output", help="folder to write to"
    )
    args = parser.parse_args()
    folder = args.out / family
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    console.width = max(console.width, 120)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if args.seed is None else args.seed
    theorems = select(families=[family])
    results = []
    for theorem in track(theorems, description=family, console=console, transient=True):
        results += ib.verify([theorem.id], seed=seed, instances=args.instances).results
    report = ib.Report(seed, results)
    console.print(rich_table(results, title=f"{family}, seed {seed}"))
    shown = [r for r in results if r.samples is not None]
    for result in shown:
        if result.samples[0].theorem.figure is not None:
            write_figure(result, folder)
    write_sheet(shown, args.out / f"{family}.png")
    (args.out / f"{family}.json").write_text(report.to_json() + "\n", encoding="utf-8")
    (args.out / f"{family}.tex").write_text(table(results), encoding="utf-8")
    console.print(f"wrote {args.out / family}.png, .json, .tex and the folder {folder}", highlight=False)
    return 0 if report.ok else 1


def run(family: str, description: str | None) -> None:
    """What each family's script does."""
    sys.exit(main(family, description or family))
