"""The command line: list, show, verify, atlas, identify, design, cite, doctor."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code is 0 when all is as claimed, 1 when not, 2 for a wrong call."""
    args = _parser().parse_args(argv)
    try:
        return int(args.command(args))
    except BrokenPipeError:
        sys.stderr.close()  # the reader has left: nothing to say, and nowhere to say it
        return 0
    except (KeyError, ValueError, OSError, ImportError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        print(f"implicitbias: {text}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("implicitbias: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    from . import __version__
    from .atlases.command import add_command as add_atlas
    from .discovery.design_command import add_command as add_design
    from .discovery.identify_command import add_command as add_identify

    parser = argparse.ArgumentParser(
        prog="implicitbias",
        description="Which solution does an optimizer select? Theorems, put to the test.",
    )
    parser.add_argument("--version", action="version", version=f"implicitbias {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("list", help="all theorems, a line each")
    command.add_argument(
        "--family", action="append", default=[], metavar="F", help="only this family (repeatable)"
    )
    command.set_defaults(command=_list)

    command = commands.add_parser("show", help="the page of a theorem")
    command.add_argument("id", metavar="ID")
    command.set_defaults(command=_show)

    command = commands.add_parser(
        "verify", help="draw fresh instances, run them and their controls",
        description="Exits non-zero when a claim does not hold or a control does not fail.",
    )  # fmt: skip
    command.add_argument("ids", nargs="*", metavar="ID", help="theorems (default: all)")
    command.add_argument(
        "--family", action="append", default=[], metavar="F", help="a whole family (repeatable)"
    )
    command.add_argument("--quick", action="store_true", help="one instance of each theorem")
    command.add_argument("--seed", type=_seed, metavar="S", help="seed of the draws (default: a new one)")
    command.add_argument("--instances", type=_count, metavar="K", help="instances of each theorem")
    command.add_argument("--jobs", type=_count, default=1, metavar="N", help="processes (default 1)")
    command.add_argument(
        "--json", type=Path, metavar="FILE", help="write the report as JSON (- for standard output)"
    )
    command.add_argument(
        "--html", type=Path, metavar="FILE", help="write one self-contained page with figures"
    )
    command.set_defaults(command=_verify)

    add_atlas(commands)
    add_identify(commands)
    add_design(commands)

    command = commands.add_parser("cite", help="the BibTeX behind a theorem")
    command.add_argument("id", metavar="ID")
    command.set_defaults(command=_cite)

    command = commands.add_parser("doctor", help="versions, threads, caches, GPU")
    command.set_defaults(command=_doctor)
    return parser


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"a seed is an integer ≥ 0, got {text}")
    return value


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer ≥ 1, got {text}")
    return value


def _console(**options: Any) -> Any:
    from rich.console import Console

    return Console(**options)


def _list(args: argparse.Namespace) -> int:
    from rich.table import Table

    from .theorems.catalogue import select

    console = _console()
    theorems = select((), args.family)
    if not console.is_terminal:
        width = max((len(t.id) for t in theorems), default=0)
        for t in theorems:
            print(f"{t.family:<15} {t.id:<{width}} {t.kind:<6} {t.claim}")
        return 0
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in ("family", "theorem", "kind", "claim"):
        table.add_column(name, no_wrap=name == "theorem")
    for t in theorems:
        table.add_row(t.family, t.id, t.kind, t.claim)
    console.print(table)
    return 0


def _show(args: argparse.Namespace) -> int:
    from .theorems.catalogue import find
    from .theorems.pages import page

    text = page(find(args.id))
    console = _console()
    if console.is_terminal:
        from rich.markdown import Markdown

        console.print(Markdown(text), width=min(console.width, 110))
    else:
        print(text, end="")
    return 0


def _cite(args: argparse.Namespace) -> int:
    from .theorems import cite

    print(cite(args.id))
    return 0


def _verify(args: argparse.Namespace) -> int:
    from .theorems.catalogue import select
    from .theorems.report import html_page, rich_table

    chosen = select(args.ids, args.family)
    for path in (args.json, args.html):
        if path is not None and str(path) != "-" and not path.resolve().parent.is_dir():
            raise ValueError(f"the folder of {path} does not exist")
    to_stdout = args.json is not None and str(args.json) == "-"
    console = _console(stderr=to_stdout)
    report = _run_with_progress(args, [t.id for t in chosen], console)
    if console.is_terminal:
        console.print(rich_table(report.results))
    verdict = _verdict(report)
    console.print(verdict, highlight=False, style="green" if report.ok else "bold red")
    if to_stdout:
        print(report.to_json())
    elif args.json is not None:
        args.json.write_text(report.to_json() + "\n", encoding="utf-8")
    if args.html is not None:
        args.html.write_text(html_page(report), encoding="utf-8")
        console.print(f"wrote {args.html}", highlight=False)
    return 0 if report.ok else 1


def _run_with_progress(args: argparse.Namespace, ids: list[str], console: Any) -> Any:
    """verify, with a bar on a terminal and a line per theorem elsewhere."""
    from .theorems import verify
    from .theorems.report import plain_row

    options = {
        "seed": args.seed, "instances": args.instances, "quick": args.quick, "jobs": args.jobs,
        "figures": args.html is not None,
    }  # fmt: skip
    if not console.is_terminal:
        file = console.file
        print(plain_row(), file=file, flush=True)
        return verify(ids, **options, progress=lambda r: print(plain_row(r), file=file, flush=True))
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=len(ids))
        return verify(ids, **options, progress=lambda r: bar.update(task, advance=1, description=r.id))


def _verdict(report: Any) -> str:
    bad = [r.id for r in report.results if not r.ok]
    count = len(report.results)
    again = f"seed {report.seed}"
    if not bad:
        return f"{count} theorems hold and their {count} controls fail ({again})"
    return f"{len(bad)} of {count} theorems not verified: {', '.join(bad)} ({again})"


def _doctor(args: argparse.Namespace) -> int:
    from .diagnostics import diagnose

    rows = diagnose()
    width = max(len(name) for name, _, _ in rows)
    for name, state, good in rows:
        print(f"{'ok ' if good else '!! '} {name:<{width}}  {state}")
    return 0 if all(good for _, _, good in rows) else 1
