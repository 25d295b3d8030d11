"""Which regulariser do the optimizers have that no theorem speaks of?

Sign descent, AdaGrad, RMSProp, Adam and Lion fit drawn regressions, directly and through factors, at several step sizes
and from several starts. `identify` reads their solutions: R explains a method as far as ∇R(w) − ∇R(w₀) lies in
range(Xᵀ) on problems that R was not fitted to; solutions that have nothing to do with X leave the share √((d − n)/d)
outside. Gradient descent, whose regularisers are known, is read by the same ruler. Every point is the median of
several draws of problems, its bar runs from the least to the largest.

    python experiments/identified.py [--draws 3] [--problems 16] [--seed 0] [--out experiments/output]

It prints a table and writes identified.png, .pdf and .json, with the verdict on every draw. A method that does not
interpolate at a step size (its steps end before it arrives) is left out there, which the table says.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.style
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from rich.table import Table

import implicitbias as ib
from implicitbias.discovery.bias import EXPLAINED
from implicitbias.plotting import PAGE, STYLE

STOP = ib.Stop(loss=1e-20, steps=20_000)
STEPS = (1.0, 0.3, 0.1, 0.03)
SCALES = (1.0, 0.3, 0.1, 0.03)
EPSILONS = (1e-8, 1e-4, 1e-2, 0.1, 1.0, 10.0, 100.0)
METHODS: dict[str, Callable[[float], Any]] = {
    "sign descent": lambda s: ib.SignDescent(ib.Decay(s, 0.75)),
    "AdaGrad": lambda s: ib.AdaGrad(s),
    "RMSProp": lambda s: ib.RMSProp(ib.Decay(s, 0.75)),
    "Adam": lambda s: ib.Adam(ib.Decay(s, 0.75)),
    "Lion": lambda s: ib.Lion(ib.Decay(s, 0.75)),
}
KNOWN = "gradient descent"
COLORS = {KNOWN: "0.4", **{name: f"C{i}" for i, name in enumerate(METHODS)}}
SENSING = {"dimension": (5, 4), "samples": 8}


class Reading(NamedTuple):
    """One method at one place: where it stands in the figure, and how to read it."""

    panel: str
    method: str
    at: float
    optimizer: Any
    model: Any
    start: Any
    draw: dict[str, Any]


def readings() -> Iterator[Reading]:
    """Every point of the figure."""
    diagonal, factors = ib.Diagonal(2), ib.MatrixFactorization(4)
    places: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "w": (ib.Linear(), 0.0, {}),
        "w = u² − v²": (diagonal, ib.Balanced(0.1), {}),
        "W = UVᵀ": (factors, ib.Balanced(0.1), SENSING),
    }
    for panel, (model, start, draw) in places.items():
        for step in STEPS:
            known = ib.GradientDescent(step if model == ib.Linear() else 0.2 * step)
            yield Reading(panel, KNOWN, step, known, model, start, draw)
            for name, make in METHODS.items():
                yield Reading(panel, name, step, make(step), model, start, draw)
    for scale in SCALES:
        yield Reading("start", KNOWN, scale, ib.GradientDescent(0.02), diagonal, ib.Balanced(scale), {})
        for name, make in METHODS.items():
            yield Reading("start", name, scale, make(0.1), diagonal, ib.Balanced(scale), {})
    for eps in EPSILONS:
        size = ib.Decay(0.1 + 0.5 * eps, 0.25)
        yield Reading("ε", "Adam", eps, ib.Adam(size, 0.9, 0.999, eps), ib.Linear(), 0.0, {})
        yield Reading("ε", "RMSProp", eps, ib.RMSProp(size, eps=eps), ib.Linear(), 0.0, {})
    for step in (0.4, 0.2, 0.1, 0.05, 0.025):
        yield Reading("drift", KNOWN, step, ib.GradientDescent(step), diagonal, ib.Balanced(0.3), {})


def read(reading: Reading, args: argparse.Namespace) -> dict[str, Any]:
    """The verdicts on several draws of problems, each as numbers and a sentence."""
    found = []
    for draw in range(args.draws):
        try:
            bias = ib.identify(
                reading.optimizer, reading.model, reading.start, problems=args.problems,
                rng=[args.seed, draw], stop=STOP, **reading.draw,
            )  # fmt: skip
            found.append(bias.to_dict())
        except ValueError as error:
            found.append({"verdict": "refused", "message": str(error), "residual": np.nan, "family": None})
    return {"panel": reading.panel, "method": reading.method, "at": reading.at, "draws": found}


def shown(row: dict[str, Any]) -> tuple[float, float, float]:
    """(median, least, largest) residual of the draws that could be read."""
    values = np.array([draw["residual"] for draw in row["draws"]])
    values = values[np.isfinite(values)]
    return (
        (np.nan,) * 3
        if not values.size
        else (float(np.median(values)), float(min(values)), float(max(values)))
    )


def table(rows: list[dict[str, Any]]) -> Table:
    """A line for each method and place."""
    out = Table(box=None, header_style="bold", pad_edge=False)
    for name, side in (
        ("model", "left"),
        ("method", "left"),
        ("at", "right"),
        ("unexplained", "right"),
        ("", "left"),
    ):
        out.add_column(name, justify=side)  # type: ignore[arg-type]
    for row in rows:
        middle, low, high = shown(row)
        verdicts = sorted({draw["verdict"] for draw in row["draws"]})
        families = sorted({f"{d['family']['name']}" for d in row["draws"] if d["family"]})
        said = ", ".join([*verdicts, *families])
        share = "–" if np.isnan(middle) else f"{middle:.2g} [{low:.2g}, {high:.2g}]"
        out.add_row(row["panel"], row["method"], f"{row['at']:g}", share, said)
    return out


def residual_panel(ax: Any, rows: list[dict[str, Any]], xlabel: str, title: str, unrelated: float) -> None:
    """Shares over what is varied, between the limit of an explanation and what unrelated solutions leave."""
    for method in dict.fromkeys(row["method"] for row in rows):
        points = [(row["at"], *shown(row)) for row in rows if row["method"] == method]
        x, y, low, high = np.array(sorted(points)).T
        bars = [y - low, high - y]
        ax.errorbar(x, y, bars, fmt="o-", ms=3, lw=1, capsize=2, label=method, color=COLORS[method])
    ax.axhline(unrelated, color="0.6", lw=0.8, ls=":")
    ax.axhline(EXPLAINED, color="0.6", lw=0.8, ls="--")
    ax.set(xscale="log", yscale="log", xlabel=xlabel, title=title)


def drift_panel(ax: Any, rows: list[dict[str, Any]]) -> None:
    """ln c as identified, over the step: its distance to ln 2α² is proportional to the step."""
    step = np.array([row["at"] for row in rows])
    named = [
        [draw["family"]["parameters"]["log_c"] for draw in row["draws"] if draw["family"]] for row in rows
    ]
    shift = np.array(named) - np.log(2 * 0.3**2)
    middle = np.median(shift, axis=1)
    bars = [middle - shift.min(axis=1), shift.max(axis=1) - middle]
    ax.errorbar(step, middle, bars, fmt="o", ms=3, lw=1, capsize=2, color=COLORS[KNOWN])
    ax.plot(step, middle[-1] / step[-1] * step, color="0.13", lw=0.9, ls=(0, (4, 3)))
    ax.set(
        xscale="log", yscale="log" if np.all(middle > 0) else "linear", title="gradient descent on u² − v²"
    )
    ax.set(
        xlabel="step", ylabel="identified ln c − ln 2α²", xticks=step, xticklabels=[f"{x:g}" for x in step]
    )
    ax.minorticks_off()


def draw(rows: list[dict[str, Any]]) -> Figure:
    """Six panels."""
    by = {
        name: [row for row in rows if row["panel"] == name]
        for name in dict.fromkeys(r["panel"] for r in rows)
    }
    vector, matrix = np.sqrt(20 / 30), np.sqrt(12 / 20)
    figure = Figure(figsize=(1.4 * PAGE, 0.8 * PAGE), layout="constrained")
    axes = figure.subplots(2, 3)
    for ax, (panel, share) in zip(axes[0], [("w", vector), ("w = u² − v²", vector), ("W = UVᵀ", matrix)]):
        residual_panel(ax, by[panel], "step", panel, share)
    residual_panel(axes[1, 0], by["start"], "scale of the start", "w = u² − v²", vector)
    residual_panel(axes[1, 1], by["ε"], "ε", "w", vector)
    drift_panel(axes[1, 2], by["drift"])
    for ax in axes[:, 0]:
        ax.set_ylabel("share of ∇R not explained")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=6)
    return figure


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--draws", type=int, default=3, help="draws of problems for each point")
    parser.add_argument("--problems", type=int, default=16, help="problems of a draw")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("experiments/output"))
    args = parser.parse_args()
    console = Console()
    places = list(readings())
    rows = [read(r, args) for r in track(places, "reading", console=console, disable=not console.is_terminal)]
    console.print(table(rows))
    args.out.mkdir(parents=True, exist_ok=True)
    report = {"seed": args.seed, "problems": args.problems, "limit": EXPLAINED, "rows": rows}
    (args.out / "identified.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    with matplotlib.style.context(STYLE):
        figure = draw(rows)
        for kind in ("png", "pdf"):
            figure.savefig(args.out / f"identified.{kind}", dpi=200)
    verdicts = [
        d["verdict"] for row in rows if row["method"] in METHODS and row["panel"] != "ε" for d in row["draws"]
    ]
    count = {kind: verdicts.count(kind) for kind in ("none", "refused")}
    console.print(
        f"{len(verdicts)} readings of methods without a theorem: {count['none']} have no R, {count['refused']} did not "
        f"interpolate, {len(verdicts) - sum(count.values())} have one", style="bold",
    )  # fmt: skip
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
