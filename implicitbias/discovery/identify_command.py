"""The command ``implicitbias identify``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..problems.loading import npz_arrays

__all__ = ["add_command"]

DESCRIPTION = """\
Read the regulariser of a method off its solutions: FILE.npz holds

  X  (K, n, d), the inputs of K problems Xw = y, or (K, m, p, q), measurements of matrices
  w  (K, d), the solution that the method selected on each, or (K, p, q)
  y  (K, n), optional: the targets, which say how far the solutions are from exact; or labels 1 and -1 that w
     separates
  start  optional: where the method started, a number, (d,) or (K, d) (default 0)
"""


def add_command(commands: Any) -> None:
    """Add ``identify`` to the parser's commands."""
    command = commands.add_parser(
        "identify", help="the regulariser behind a file of solutions",
        description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.add_argument("file", type=Path, metavar="FILE.npz")
    command.add_argument("--seed", type=int, default=0, metavar="S", help="of the bootstrap (default 0)")
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write every number as JSON (- for standard output)"
    )
    command.add_argument(
        "--figure", type=Path, metavar="FILE", help="draw φ′ with its band (.png, .pdf, .svg)"
    )
    command.set_defaults(command=_identify)


def _identify(args: argparse.Namespace) -> int:
    from rich.console import Console

    from .identification import identify

    for path in (args.json, args.figure):
        if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
            raise ValueError(f"the folder of {path} does not exist")
    data, start = read(args.file)
    bias = identify(data, start=start, rng=args.seed)
    to_stdout = args.json is not None and str(args.json) == "-"
    console = Console(stderr=to_stdout)
    console.print(bias.message, highlight=False, soft_wrap=True)
    if console.is_terminal:
        console.print(_table(bias))
    text = json.dumps(bias.to_dict(), indent=2)
    if to_stdout:
        print(text)
    elif args.json is not None:
        args.json.write_text(text + "\n", encoding="utf-8")
    if args.figure is not None:
        _draw(bias, args.figure)
    for path in (args.json, args.figure):
        if path is not None and str(path) != "-":
            console.print(f"wrote {path}", highlight=False)
    return 0


def read(path: Path) -> tuple[list[tuple[np.ndarray, ...]], Any]:
    """(pairs or triples, start) of an .npz file."""
    if not path.is_file():
        raise ValueError(f"{path} is no file")
    arrays = npz_arrays(path)
    for name in ("X", "w"):
        if name not in arrays:
            raise ValueError(
                f"{path} holds no {name} (it holds {', '.join(arrays) or 'nothing'}); it needs X and w"
            )
    lengths = {name: len(np.atleast_1d(arrays[name])) for name in ("X", "w", "y") if name in arrays}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {count}" for name, count in lengths.items())
        raise ValueError(f"the arrays of {path} hold different numbers of problems: {said}")
    parts = [arrays["X"], *([arrays["y"]] if "y" in arrays else []), arrays["w"]]
    return list(zip(*parts)), arrays.get("start", 0.0)


def _table(bias: Any) -> Any:
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("class", "unexplained", "next best", "floor", ""):
        table.add_column(name, justify="left" if name in ("class", "") else "right")
    for c in bias.candidates:
        chosen = "bold" if c.name == bias.verdict else ""
        numbers = (
            ("–", "–", "–") if c.missing else (f"{c.residual:.2g}", f"{c.runner_up:.2g}", f"{c.floor:.2g}")
        )
        table.add_row(c.name, *numbers, f"undetermined: {c.missing}" if c.missing else "", style=chosen)
    return table


def _draw(bias: Any, path: Path) -> None:
    import matplotlib.style
    from matplotlib.figure import Figure

    from ..plotting import COLUMN, STYLE

    with matplotlib.style.context(STYLE):
        figure = Figure(figsize=(COLUMN, 0.75 * COLUMN), layout="constrained")
        bias.plot(ax=figure.add_subplot())
        figure.savefig(path)
