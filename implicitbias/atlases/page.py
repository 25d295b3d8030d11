"""An atlas for people: lines, a table for the terminal, figures, and one self-contained HTML page."""

from __future__ import annotations

import html
import io
import re
from typing import Any

from ..theorems.report import STYLESHEET
from .kinds import Column, Figure, Kind
from .mapping import Atlas
from .rows import FOREIGN, AtlasRow
from .words import short

__all__ = ["facts", "figure_svg", "html_page", "plain_row", "rich_table"]


def _columns(kind: Kind, folds: int = 0) -> list[Column]:
    """Columns of numbers; where there are folds, the cross-validated error beside the held-out one."""
    validated = Column(f"{folds}-fold", lambda row: row.cross_validated, "{:.3f}")
    columns = list(kind.columns)
    after = 1 + [c.head for c in columns].index("held-out")
    return [*columns[:after], *([validated] if folds else []), *columns[after:]]


def _selects(row: AtlasRow) -> str:
    """The predicted program, short; the rule where it gives a point or a curve instead; else what is missed."""
    missed = f"— needs that {row.nearest.split(':')[0]}" if row.nearest else "—"
    return short(row.program) or row.rule or missed


def plain_row(kind: Kind, row: AtlasRow | None = None) -> str:
    """One line of plain text (the header without a row)."""
    columns = _columns(kind)
    if row is None:
        cells = ["setting", "status", *(c.head for c in columns), "selects"]
    else:
        read = f"; identified: {row.identified}" if row.identified else ""
        cells = [row.name, row.status, *(c.cell(row) for c in columns), _selects(row) + read]
    widths = (46, 10, *(max(9, len(c.head) + 1) for c in columns), 0)
    line = " ".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip()
    said = row.message if row is not None and row.status == "error" else row.note if row is not None else ""
    return f"{line}\n    {said}" if said else line


def rich_table(atlas: Atlas) -> Any:
    """The rows as a rich Table."""
    from rich.table import Table

    table = Table(header_style="bold", box=None, pad_edge=False)
    for name in ("", "setting", "", "status"):
        table.add_column(name, no_wrap=True)
    columns = _columns(atlas.kind, atlas.folds)
    for column in columns:
        table.add_column(column.head, justify="right", no_wrap=True)
    table.add_column("selects", overflow="fold")
    for head in _asked(atlas):
        table.add_column(head, overflow="fold")
    for i, row in enumerate(atlas.rows):
        status = f"[{_colour(row)}]{row.status}[/]"
        cells = (c.cell(row) for c in columns)
        read = [row.identified for _ in _asked(atlas)]
        table.add_row(str(i + 1), row.name, atlas.letters[i], status, *cells, _selects(row), *read)
    return table


def _colour(row: AtlasRow) -> str:
    return "green" if row.converged else "bold red" if row.status in ("error", "failed") else "yellow"


def facts(atlas: Atlas) -> list[str]:
    """What there is to say of the data and of all rows together, a sentence a line."""
    return atlas.kind.facts(atlas)


# -- the page --------------------------------------------------------------------------------------

STYLE = """
body { max-width: 88rem; } .wide { overflow-x: auto; } table.atlas { font-size: .8rem; white-space: nowrap; }
td.group { font-weight: 600; text-align: center; } .late { color: #b7791f; } p.facts { line-height: 1.7; }
td.selects { white-space: normal; min-width: 16rem; }
figure { max-width: 62rem; } figure.half { max-width: 40rem; } dl { display: grid; grid-template-columns: max-content
1fr; gap: .15rem 1rem; margin: .5rem 0; font-size: .9rem; } dt { opacity: .7; } dd { margin: 0; }
table.atlas tbody tr:hover { background: #8881; } figcaption { color: #555; font-size: .85rem; }
table.atlas a { color: inherit; text-decoration-color: #8886; }
"""


def html_page(atlas: Atlas) -> str:
    """One self-contained page: the table, the maps, and every row in full."""
    source = atlas.about.get("source", "given data")
    columns = [c.head for c in _columns(atlas.kind, atlas.folds)]
    heads = ["", "setting", "", "status", *columns, "selects", *_asked(atlas)]
    numeric = range(4, 4 + len(columns))
    head = "".join(f"<th{' class=n' if i in numeric else ''}>{h}</th>" for i, h in enumerate(heads))
    body = "".join(_table_row(atlas, i) for i in range(len(atlas.rows)))
    drawn = atlas.kind.figures(atlas) if any(row.w is not None for row in atlas.rows) else []
    figures = "".join(_figure(atlas, f) for f in drawn)
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>implicitbias atlas</title><style>{STYLESHEET}{STYLE}</style><body>"
        f"<h1>Which solution does each optimizer select?</h1><p class=facts><b>{html.escape(source)}</b>, seed "
        f"{atlas.seed}<br>{'<br>'.join(html.escape(f) for f in facts(atlas))}</p>"
        f"<p><small>{atlas.kind.explanation}</small></p>"
        f"<div class=wide><table class=atlas><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
        f"{figures}<h2>Every row</h2>{''.join(_details(row, i) for i, row in enumerate(atlas.rows))}</body></html>"
    )


def _asked(atlas: Atlas) -> list[str]:
    return ["identified"] if any(row.identified for row in atlas.rows) else []


def _table_row(atlas: Atlas, i: int) -> str:
    row = atlas.rows[i]
    kind = "ok" if row.converged else "bad" if row.status in ("error", "failed") else "late"
    numbers = "".join(f"<td class=n>{c.cell(row)}</td>" for c in _columns(atlas.kind, atlas.folds))
    return (
        f'<tr><td class=n>{i + 1}</td><td><a href="#row-{i + 1}">{html.escape(row.name)}</a></td>'
        f'<td class=group>{atlas.letters[i]}</td><td class={kind} title="{html.escape(row.message)}">{row.status}</td>'
        f"{numbers}<td class=selects>{html.escape(_selects(row))}</td>"
        f"{''.join(f'<td>{html.escape(row.identified)}</td>' for _ in _asked(atlas))}</tr>"
    )


def _details(row: AtlasRow, i: int) -> str:
    told = [
        ("setting", f"{row.model}, {row.optimizer}, start {row.init}"),
        ("ended", f"{row.status} after {row.steps:,} steps at time {row.time:.4g}: {row.message}"),
        ("note", row.note),
        ("rule", f"{row.rule} [{row.source}]" if row.rule else ""),
        ("program", row.program),
        ("assumes", "; ".join(row.assumes)),
        ("identified", row.bias.get("message", row.bias.get("refused", ""))),
        ("certificate", ", ".join(f"{k} {v:.1e}" for k, v in row.certificate.items())),
        *_missed(row.missed),
    ]
    items = "".join(f"<dt>{html.escape(k)}</dt><dd>{html.escape(v)}</dd>" for k, v in told if v)
    return f'<details id="row-{i + 1}"><summary>{i + 1}. {html.escape(row.name)}</summary><dl>{items}</dl></details>'


def _missed(missed: dict[str, str]) -> list[tuple[str, str]]:
    """Why rules do not answer; those of other problems and models are only counted."""
    foreign = [rule for rule, why in missed.items() if why.startswith(FOREIGN[:2])]
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


def _figure(atlas: Atlas, figure: Figure) -> str:
    svg = figure_svg(atlas, figure)
    return f'<figure class="{figure.css}">{svg}<figcaption>{figure.caption}</figcaption></figure>'


def figure(atlas: Atlas, which: Figure | None = None) -> Any:
    """A matplotlib Figure in the package's style; the first of its kind without a ``which``."""
    import matplotlib.style
    from matplotlib import figure as drawing

    from ..plotting import STYLE as sheet

    which = atlas.kind.figures(atlas)[0] if which is None else which
    with matplotlib.style.context(sheet):
        made = drawing.Figure(figsize=which.size, layout="compressed")  # squares leave room for long names
        which.draw(atlas, made.add_subplot())
    return made


def figure_svg(atlas: Atlas, which: Figure | None = None) -> str:
    """The same as SVG text that depends on nothing but the atlas."""
    import matplotlib
    import matplotlib.style

    from ..plotting import STYLE as sheet

    file = io.StringIO()
    with matplotlib.style.context(sheet), matplotlib.rc_context({"svg.hashsalt": "atlas"}):
        figure(atlas, which).savefig(file, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", file.getvalue(), flags=re.DOTALL)
