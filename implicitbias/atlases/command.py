"""The command ``implicitbias atlas``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

__all__ = ["add_command"]

MOST_JOBS = 8

DESCRIPTION = """\
Fit some rows of a table with every model and optimizer that makes sense there, and say which solution each selects.
Each setting is one row:

  status       how its run ended: converged, budget (steps or seconds were over), floor, stalled, diverged, failed,
               or error, when something raised; one row's error does not end the others
  letter       rows with one letter ended at one solution
  loss         where the run ended: 1/(2n) |Xw - y|^2 on standardised columns and targets
  norms        of the solution w; support counts its coordinates above a thousandth of the largest
  held-out     mean squared error on rows that were not fitted, in units of the fitted targets' variance
  distance     from the solution to what theory predicts, relative to that
  certificate  the worst of feasibility, stationarity and duality gap of the solution for the predicted program
  selects      what theory says the setting minimises, subject to Xw = y; a dash where no rule answers
  identified   with --identify: the regulariser that its solutions of drawn problems have, found without theory, and
               the share of its gradient that stays unexplained; "none" where there is no such regulariser

With --classes, rows of these classes are separated instead, and a row tells of the direction of w:

  log L        of the mean exponential loss (in several classes, the cross-entropy)
  margins      the least margin in each norm, as a fraction of the best that any direction has
  train        share of misclassified rows, of those that were fitted; held-out of the others
  moved        how far the direction has moved since w was half as long (where it settles like 1/|w|, as much is left
               to come); a row whose direction has moved by more than 0.02 has the status budget
  gap          one minus the fraction of the best margin, in the norm that theory names
  distance     between the direction and the predicted one, where there is only one
  selects      the program that theory says the setting solves, subject to margins of at least one; a dash and what
               the nearest rule misses where none answers. Rows with one letter have one prediction
"""

EPILOG = """\
Columns are standardised on the fitted rows, multiplied into monomials (--features), and standardised again. Columns
that are constant on the fitted rows are left out, and the output names them. A cell that is missing or no number is an
error that names its row and column. With --classes a constant column is added, the intercept, and all rows are divided
by one number, so that the longest has length one; classes that are not separable are an error that names rows that
prove it.

  implicitbias atlas --data diabetes --features poly2 --samples 40
  implicitbias atlas --data my.csv --target price --drop id --folds 5 --html atlas.html
  implicitbias atlas --data digits --classes 3,8 --figure margins.png
"""


def add_command(commands: Any) -> None:
    """Add ``atlas`` to the parser's commands."""
    command = commands.add_parser(
        "atlas", help="which solution each optimizer selects on your own table",
        description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = command.add_argument
    add(
        "--data", required=True, metavar="TABLE",
        help="a .csv, .tsv, .txt or .npz file (X, y), or breast_cancer, diabetes, digits, iris, wine of scikit-learn",
    )  # fmt: skip
    add("--target", metavar="COLUMN", help="the column to fit (default: the last one)")
    add("--drop", action="append", default=[], metavar="COLUMN", help="leave this column out (repeatable)")
    add(
        "--features", choices=("none", "poly2", "poly3"), default="none",
        help="the columns themselves, or all their monomials up to degree 2 or 3 (default none)",
    )  # fmt: skip
    add(
        "--classes", type=_labels, metavar="A,B[,C…]",
        help="separate the rows whose target is one of these class codes (--classes=-1,1 where one is negative)",
    )  # fmt: skip
    add(
        "--samples", type=int, metavar="N",
        help="rows to fit (default: half as many as there are features; of k classes half their rows, at most "
        "500/(k - 1))",
    )  # fmt: skip
    add("--test", type=int, metavar="N", help="rows to hold out (default: all others)")
    add(
        "--identify", action="store_true",
        help="read the bias of each setting off a dozen drawn problems too (takes as many runs)",
    )  # fmt: skip
    add("--folds", type=int, metavar="K", help="run each setting on K folds of the fitted rows as well")
    add(
        "--seed",
        type=int,
        default=0,
        metavar="S",
        help="of the drawn rows and the random methods (default 0)",
    )
    add(
        "--only", action="append", default=[], metavar="NAME",
        help="only settings with this word in their name (repeatable)",
    )  # fmt: skip
    add(
        "--budget",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="processor time for each run (default 10)",
    )
    add(
        "--steps", type=int, metavar="N",
        help="limit on the steps of each run (default: a million where the loop is compiled, ten when a step sees few "
        "samples, 200 thousand elsewhere; of classes 300 thousand, ten million, and 20 thousand)",
    )  # fmt: skip
    add("--jobs", type=int, metavar="N", help=f"processes (default: one per core, at most {MOST_JOBS})")
    add("--json", type=Path, metavar="FILE", help="write every number as JSON (- for standard output)")
    add("--html", type=Path, metavar="FILE", help="write one self-contained page with figures")
    add(
        "--figure",
        type=Path,
        metavar="FILE",
        help="draw the map of distances, or of margins (.png, .pdf, .svg)",
    )
    command.set_defaults(command=_atlas)


def _labels(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"class codes are numbers between commas, got {text!r}") from None


def _atlas(args: argparse.Namespace) -> int:
    from rich.console import Console

    from ..problems import load_table
    from .page import facts, rich_table

    for path in (args.json, args.html, args.figure):
        if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
            raise ValueError(f"the folder of {path} does not exist")
    split = load_table(args.data, args.target, args.drop).split(
        args.samples, args.test, args.features, args.seed, args.classes
    )
    console = Console(stderr=args.json is not None and str(args.json) == "-")
    found = _run_with_progress(args, split, console)
    if console.is_terminal:
        console.print(rich_table(found))
    for line in facts(found):
        console.print(line, highlight=False, soft_wrap=True)
    _write(args, found, console)
    return 0 if found.ok else 1


def _write(args: argparse.Namespace, found: Any, console: Any) -> None:
    from .page import figure, html_page

    if args.json is not None and str(args.json) == "-":
        print(found.to_json())
    elif args.json is not None:
        args.json.write_text(found.to_json() + "\n", encoding="utf-8")
    if args.html is not None:
        args.html.write_text(html_page(found), encoding="utf-8")
    if args.figure is not None:
        figure(found).savefig(args.figure)
    for path in (args.json, args.html, args.figure):
        if path is not None and str(path) != "-":
            console.print(f"wrote {path}", highlight=False)


def _run_with_progress(args: argparse.Namespace, split: Any, console: Any) -> Any:
    """The atlas, with a bar on a terminal and a line per row elsewhere."""
    from .mapping import atlas, chosen_names, kind_of
    from .page import plain_row

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    kind = kind_of(split.problem, split.describe())
    count = len(chosen_names(kind.recipes(), args.only))
    options: dict[str, Any] = {
        "folds": split.folds(args.folds) if args.folds is not None else (), "only": args.only,
        "steps": args.steps, "seconds": args.budget, "seed": args.seed, "identify": args.identify,
        "jobs": min(cores, MOST_JOBS) if args.jobs is None else args.jobs,
    }  # fmt: skip
    if not console.is_terminal:
        file = console.file
        print(plain_row(kind), file=file, flush=True)
        return atlas(
            kind, split.held_out, **options,
            progress=lambda row: print(plain_row(kind, row), file=file, flush=True),
        )  # fmt: skip
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=count)
        return atlas(
            kind, split.held_out, **options,
            progress=lambda row: bar.update(task, advance=1, description=row.name),
        )  # fmt: skip
