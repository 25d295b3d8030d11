"""An atlas for people: lines, a table for the terminal, figures, and one self-contained HTML page."""

from __future__ import annotations

import html
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..theorems.report import STYLESHEET
from .mapping import SAME, Atlas
from .rows import MEASURES, AtlasRow

__all__ = ["facts", "figure_svg", "html_page", "plain_row", "rich_table"]

MINIMISES = " subject to Xw = y"


def _number(x: float, text: str) -> str:
    return text.format(x) if np.isfinite(x) else "—"


def _heads(atlas: Atlas | None) -> list[str]:
    """Heads of the columns of numbers; the cross-validated error only where there are folds."""
    folds = [f"{atlas.folds}-fold"] if atlas is not None and atlas.folds else []
    return ["loss", *(m.head for m in MEASURES), *folds, "distance", "certificate"]


def _numbers(row: AtlasRow, folds: int = 0) -> list[str]:
    cells = [_number(row.loss, "{:.1e}")]
    cells += [_number(row.measures.get(m.key, np.nan), m.text) for m in MEASURES]
    cells += [_number(row.cross_validated, "{:.3f}")] if folds else []
    return [*cells, _number(row.distance, "{:.1e}"), _number(row.certified, "{:.1e}")]


def _selects(row: AtlasRow) -> str:
    """The predicted program, short; the rule where it gives a point or a curve instead."""
    return row.program.removesuffix(MINIMISES) or row.rule or "—"


def plain_row(row: AtlasRow | None = None) -> str:
    """One line of plain text (the header without a row)."""
    if row is None:
        cells = ["setting", "status", *_heads(None), "selects"]
    else:
        cells = [row.name, row.status, *_numbers(row), _selects(row)]
    widths = (46, 10, 9, *(9 for _ in MEASURES), 9, 12, 0)
    line = " ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip()
    said = row.message if row is not None and row.status == "error" else row.note if row is not None else ""
    return f"{line}\n    {said}" if said else line


def rich_table(atlas: Atlas) -> Any:
    """The rows as a rich Table."""
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for name in ("", "setting", "", "status"):
        table.add_column(name, no_wrap=True)
    for name in _heads(atlas):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("selects", overflow="fold")
    for i, row in enumerate(atlas.rows):
        status = f"[{_colour(row)}]{row.status}[/]"
        table.add_row(
            str(i + 1), row.name, atlas.letters[i], status, *_numbers(row, atlas.folds), _selects(row)
        )
    return table


def _colour(row: AtlasRow) -> str:
    return "green" if row.converged else "bold red" if row.status in ("error", "failed") else "yellow"


def facts(atlas: Atlas) -> list[str]:
    """What there is to say of the data and of all rows together, a sentence a line."""
    n, d, about = atlas.problem.n, atlas.problem.w_shape[0], atlas.about
    origin = f"{about['source']}, target {about['target']}: " if about else ""
    solvable = "can" if atlas.problem.consistent else "cannot"
    lines = [f"{origin}{n} fitted rows, {d} features, rank {atlas.rank}; Xw = y {solvable} be solved"]
    for key, why in (
        ("dropped", "left out, constant on the fitted rows"),
        ("repeated", "equal to an earlier column or its negative"),
    ):
        names = about.get(key, ())
        if names:
            more = f" and {len(names) - 8} more" if len(names) > 8 else ""
            lines.append(f"columns {why}: {', '.join(names[:8])}{more}")
    if atlas.least:
        told = ", ".join(
            f"{m.head} {m.text.format(atlas.least[m.key])}" for m in MEASURES if m.key in atlas.least
        )
        lines.append(f"least of any interpolant: {told}")
    if np.isfinite(atlas.baseline):
        lines.append(f"held-out error of w = 0 (the mean of the fitted targets): {atlas.baseline:.3f}")
    count, different = sum(row.converged for row in atlas.rows), len(atlas.groups)
    lines.append(
        f"{count} of {len(atlas.rows)} settings converged, to {different} different solutions "
        f"(letters; equal up to {SAME:g})"
    )
    return lines


# -- the page --------------------------------------------------------------------------------------

EXPLANATION = (
    "Each row is one setting: a model, an optimizer and a start. <b>status</b> says how its run ended; rows with one "
    "letter ended at one solution. <b>selects</b> is what theory says the setting minimises, <b>distance</b> how far "
    "the run ended from the predicted minimiser, relative to it, and <b>certificate</b> the worst of feasibility, "
    "stationarity and duality gap of the simulated solution for that program: it trusts neither theory nor solver. A "
    "run that did not converge is held against the prediction as it stands. Where no rule answers, the row says which "
    "hypothesis each misses."
)

STYLE = """
body { max-width: 88rem; } .wide { overflow-x: auto; } table.atlas { font-size: .8rem; white-space: nowrap; }
td.group { font-weight: 600; text-align: center; } .late { color: #b7791f; } p.facts { line-height: 1.7; }
figure { max-width: 62rem; } figure.half { max-width: 40rem; } dl { display: grid; grid-template-columns: max-content
1fr; gap: .15rem 1rem; margin: .5rem 0; font-size: .9rem; } dt { opacity: .7; } dd { margin: 0; }
table.atlas tbody tr:hover { background: #8881; } figcaption { color: #555; font-size: .85rem; }
table.atlas a { color: inherit; text-decoration-color: #8886; }
"""


def html_page(atlas: Atlas) -> str:
    """One self-contained page: the table, the maps, and every row in full."""
    source = atlas.about.get("source", "given data")
    heads = ["", "setting", "", "status", *_heads(atlas), "selects"]
    numeric = range(4, 4 + len(_heads(atlas)))
    head = "".join(f"<th{' class=n' if i in numeric else ''}>{h}</th>" for i, h in enumerate(heads))
    body = "".join(_table_row(atlas, i) for i in range(len(atlas.rows)))
    figures = (
        _figure(
            atlas, draw_distances, "How far apart: ‖w_i − w_j‖₂ over the larger norm. Dark is one solution."
        )
        if any(row.w is not None for row in atlas.rows)
        else ""
    )
    if atlas.least:
        figures += _figure(
            atlas, draw_norms, "What each interpolant costs in two norms; dashed: the least of any.", "half"
        )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>implicitbias atlas</title><style>{STYLESHEET}{STYLE}</style><body>"
        f"<h1>Which solution does each optimizer select?</h1><p class=facts><b>{html.escape(source)}</b>, seed "
        f"{atlas.seed}<br>{'<br>'.join(html.escape(f) for f in facts(atlas))}</p>"
        f"<p><small>{EXPLANATION}</small></p>"
        f"<div class=wide><table class=atlas><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{figures}<h2>Every row</h2>{''.join(_details(row, i) for i, row in enumerate(atlas.rows))}</body></html>"
    )


def _table_row(atlas: Atlas, i: int) -> str:
    row = atlas.rows[i]
    kind = "ok" if row.converged else "bad" if row.status in ("error", "failed") else "late"
    numbers = "".join(f"<td class=n>{c}</td>" for c in _numbers(row, atlas.folds))
    return (
        f'<tr><td class=n>{i + 1}</td><td><a href="#row-{i + 1}">{html.escape(row.name)}</a></td>'
        f'<td class=group>{atlas.letters[i]}</td><td class={kind} title="{html.escape(row.message)}">{row.status}</td>'
        f"{numbers}<td>{html.escape(_selects(row))}</td></tr>"
    )


def _details(row: AtlasRow, i: int) -> str:
    told = [
        ("setting", f"{row.model}, {row.optimizer}, start {row.init}"),
        ("ended", f"{row.status} after {row.steps:,} steps at time {row.time:.4g}: {row.message}"),
        ("note", row.note),
        ("rule", f"{row.rule} [{row.source}]" if row.rule else ""),
        ("program", row.program),
        ("assumes", "; ".join(row.assumes)),
        ("certificate", ", ".join(f"{k} {v:.1e}" for k, v in row.certificate.items())),
        *_missed(row.missed),
    ]
    items = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in told if v)
    return f'<details id="row-{i + 1}"><summary>{i + 1}. {html.escape(row.name)}</summary><dl>{items}</dl></details>'


def _missed(missed: dict[str, str]) -> list[tuple[str, str]]:
    """Why rules do not answer; those of other problems and models are only counted."""
    foreign = [rule for rule, why in missed.items() if why.startswith(("the problem is", "the model is"))]
    told = [
        (f"not “{rule}”" if rule else "no rule", f"needs that {why}" if rule else why)
        for rule, why in missed.items()
        if rule not in foreign
    ]
    return (
        [*told, ("no rule", f"of {len(foreign)} others, which are for other problems or models")]
        if foreign
        else told
    )


def _figure(atlas: Atlas, draw: Callable[[Atlas, Any], Any], caption: str, kind: str = "") -> str:
    svg = figure_svg(atlas, draw)
    return f'<figure class="{kind}">{svg}<figcaption>{caption}</figcaption></figure>'


# -- figures ---------------------------------------------------------------------------------------


def figure(atlas: Atlas, draw: Callable[[Atlas, Any], Any] | None = None) -> Any:
    """A matplotlib Figure in the package's style; the map of distances without a ``draw``."""
    import matplotlib.style
    from matplotlib.figure import Figure

    from ..plotting import STYLE as sheet

    size = 1.2 + 0.15 * len(atlas.rows)
    shape = (size + 3.4, size) if draw in (None, draw_distances) else (4.6, 3.4)
    with matplotlib.style.context(sheet):
        made = Figure(figsize=shape, layout="compressed")  # squares leave room for long names
        (draw or draw_distances)(atlas, made.add_subplot())
    return made


def figure_svg(atlas: Atlas, draw: Callable[[Atlas, Any], Any] | None = None) -> str:
    """The same as SVG text that depends on nothing but the atlas."""
    import matplotlib
    import matplotlib.style

    from ..plotting import STYLE as sheet

    file = io.StringIO()
    with matplotlib.style.context(sheet), matplotlib.rc_context({"svg.hashsalt": "atlas"}):
        figure(atlas, draw).savefig(file, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", file.getvalue(), flags=re.DOTALL)


def draw_distances(atlas: Atlas, ax: Any) -> Any:
    """The map of distances."""
    return atlas.plot(ax)


def draw_norms(atlas: Atlas, ax: Any) -> Any:
    """‖w‖₁ against ‖w‖₂ of the solutions that interpolate, with the least of any interpolant."""
    from ..plotting import CONTROL, SIMULATION

    fits = [k for k, g in enumerate(atlas.groups) if atlas.rows[g[0]].loss <= 1e-16 * atlas.zero_loss]
    points = [[atlas.rows[atlas.groups[k][0]].measures[key] for key in ("l1", "l2")] for k in fits]
    for (x, y), k in zip(points, fits):
        ax.plot(x, y, "o", color=SIMULATION, ms=4 + min(len(atlas.groups[k]), 12) / 2, alpha=0.75, mew=0)
    for (x, y), text in _labels(np.array(points).reshape(-1, 2), [letter(k) for k in fits]):
        ax.annotate(text, (x, y), xytext=(4, 4), textcoords="offset points", fontsize=7, color="0.25")
    if atlas.least:
        ax.axvline(atlas.least["l1"], color=CONTROL, lw=0.8, ls=(0, (4, 3)), zorder=0)
        ax.axhline(atlas.least["l2"], color=CONTROL, lw=0.8, ls=(0, (4, 3)), zorder=0)
    ax.margins(0.12)
    ax.set(xlabel="‖w‖₁", ylabel="‖w‖₂")
    return ax


def _labels(points: np.ndarray, names: list[str]) -> list[tuple[np.ndarray, str]]:
    """A name beside each point; points that a reader cannot tell apart share a place."""
    size = np.ptp(points, axis=0) if len(points) else 1.0
    near = 0.03 * np.where(size == 0, 1.0, size)
    places: list[tuple[np.ndarray, str]] = []
    for point, name in zip(points, names):
        at = next((i for i, (p, _) in enumerate(places) if np.all(np.abs(p - point) <= near)), None)
        if at is None:
            places.append((point, name))
        else:
            places[at] = places[at][0], f"{places[at][1]} {name}"
    return places


def letter(k: int) -> str:
    """A, B, …, Z, AA, AB, …"""
    return letter(k // 26 - 1) + letter(k % 26) if k >= 26 else chr(ord("A") + k)


def letters(groups: Sequence[Sequence[int]], count: int) -> list[str]:
    """The letter of each row's group; empty without one."""
    told = [""] * count
    for k, group in enumerate(groups):
        for i in group:
            told[i] = letter(k)
    return told
