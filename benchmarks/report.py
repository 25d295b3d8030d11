"""A table of what was measured beside its target and its peer, and the exit code that follows."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table


class Row(NamedTuple):
    """One measurement; ``target`` is the largest allowed value, None for a peer or a remark."""

    name: str
    value: float
    unit: str = ""
    target: float | None = None

    @property
    def missed(self) -> bool:
        return self.target is not None and not self.value <= self.target


def report(question: str, rows: list[Row]) -> int:
    """Print the table; 1 when a target is missed (NaN misses every target), else 0."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=110)
    console.print(question, "", sep="\n", highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for head in ("", "measured", "target", ""):
        table.add_column(head, justify="left" if head == "" else "right", no_wrap=True)
    for row in rows:
        target = "" if row.target is None else f"≤ {row.target:g} {row.unit}"
        verdict = "" if row.target is None else "missed" if row.missed else "met"
        value = f"{row.value:.3g} {row.unit}" if row.value == row.value else "failed"
        table.add_row(row.name, value, target, verdict)
    console.print(table)
    return int(any(row.missed for row in rows))


def best_of(repeats: int, call: Callable[[], Any]) -> tuple[float, Any]:
    """The least wall time in seconds of so many calls, and what the last one returned."""
    least, result = float("inf"), None
    for _ in range(repeats):
        began = time.perf_counter()
        result = call()
        least = min(least, time.perf_counter() - began)
    return least, result


def clean_environment(**more: str) -> dict[str, str]:
    """The environment of a child without what distorts its start-up time."""
    drop = ("PYTHONDONTWRITEBYTECODE", "OPENBLAS_CORETYPE")
    return {k: v for k, v in os.environ.items() if k not in drop} | more
