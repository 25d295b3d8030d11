"""Reports for people: a table for the terminal and one self-contained HTML page."""

from __future__ import annotations

import html
import io
import re
from typing import Any

from .pages import bibliography, page
from .verification import Report, Result

__all__ = ["figure_svg", "html_page", "plain_row", "rich_table"]

COLUMNS = ("theorem", "kind", "deviation", "bound", "control", "above", "draws", "seconds", "")


def _cells(r: Result) -> tuple[str, ...]:
    return (
        r.id, r.kind, f"{r.deviation:.2g}", f"{r.bound:.2g}", f"{r.control_deviation:.2g}",
        f"{r.control_above:.2g}", f"{r.draws}/{r.instances}", f"{r.seconds:.1f}", r.status,
    )  # fmt: skip


def _longest() -> int:
    """The length of the longest id."""
    from .catalogue import THEOREMS

    return max(map(len, THEOREMS))


def plain_row(r: Result | None = None) -> str:
    """One line of plain text (the header without a result)."""
    cells = COLUMNS if r is None else _cells(r)
    widths = (_longest() + 2, 6, 10, 8, 10, 8, 7, 8, 0)
    line = "".join(c.ljust(w) for c, w in zip(cells, widths)).rstrip()
    return f"{line}\n    {r.message}" if r is not None and r.message else line


def rich_table(results: list[Result], title: str | None = None) -> Any:
    """The same as a rich Table."""
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for name in COLUMNS:
        right = name in ("deviation", "bound", "control", "above", "draws", "seconds")
        table.add_column(name, justify="right" if right else "left", no_wrap=True)
    for r in results:
        *cells, status = _cells(r)
        table.add_row(*cells, f"[{'green' if r.ok else 'bold red'}]{status}[/]")
        if r.message:
            table.add_row(f"[dim]  {r.message}[/]")
    return table


def figure_svg(r: Result) -> str:
    """The theorem's figure of the shown instances, as SVG; empty without samples or a figure."""
    if r.samples is None or r.samples[0].theorem.figure is None:
        return ""
    import matplotlib.style
    from matplotlib.figure import Figure

    from ..plotting import STYLE

    with matplotlib.style.context(STYLE), matplotlib.rc_context({"svg.hashsalt": r.id}):
        figure = Figure(figsize=(4.6, 3.0), layout="constrained")
        r.samples[0].theorem.figure(*r.samples, figure.add_subplot())
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", file.getvalue(), flags=re.DOTALL)


CONTROL_WORDS = ("fails, as it must", "does not fail")
STYLESHEET = """
:root { color-scheme: light dark; --line: #8884; --ok: #1a7f37; --bad: #c0392b; }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .3rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; width: 100%; }
td, th { padding: .22rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
td.n, th.n { text-align: right; } .ok { color: var(--ok); } .bad { color: var(--bad); font-weight: 600; }
pre { overflow-x: auto; padding: .6rem .8rem; background: #8881; border-radius: 4px; line-height: 1.4; }
figure { margin: 1rem 0; background: #fff; border-radius: 4px; padding: .5rem; max-width: 30rem; }
figure svg { width: 100%; height: auto; display: block; } details { margin: .6rem 0; }
details > div { border-left: 2px solid var(--line); padding-left: 1rem; font-size: .94rem; }
summary { cursor: pointer; } .claim { font-style: italic; } small { opacity: .75; }
"""


EXPLANATION = (
    "Each theorem was run on instances drawn for this report. The deviation shown is that of the worst instance, "
    "the control's that of its weakest. The claim holds when the first is at most the bound; the control fails, "
    "as it must, when the second exceeds its threshold."
)


def html_page(report: Report) -> str:
    """One self-contained page: the table, then each theorem's claim, numbers, figure and page."""
    verdict = "every claim holds and every control fails" if report.ok else "not everything is as claimed"
    rows = "".join(_summary_row(r) for r in report.results)
    sections = "".join(_section(r) for r in report.results)
    keys = dict.fromkeys(k for r in report.results for k in _keys(page_of(r)))
    sources = "".join(
        f'<pre id="ref-{k}">{html.escape(bibliography()[k])}</pre>' for k in keys if k in bibliography()
    )
    heads = "".join(f"<th{' class=n' if 2 <= i <= 7 else ''}>{c}</th>" for i, c in enumerate(COLUMNS))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>implicitbias verify</title><style>{STYLESHEET}</style><body>"
        f"<h1>implicitbias verify</h1><p>{len(report.results)} theorems, seed {report.seed}: "
        f'<span class="{"ok" if report.ok else "bad"}">{verdict}</span>.</p>'
        f"<p><small>{EXPLANATION}</small></p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{sections}"
        f"<h2>Sources</h2>{sources}</body></html>"
    )


def page_of(r: Result) -> str:
    """The Markdown page of a result's theorem; empty for theorems without one."""
    from .catalogue import THEOREMS

    return page(THEOREMS[r.id]) if r.id in THEOREMS else ""


def _keys(text: str) -> list[str]:
    return re.findall(r"\[@([A-Za-z0-9_]+)\]", text)


def _summary_row(r: Result) -> str:
    *cells, status = _cells(r)
    shown = f'<a href="#{r.id}">{r.id}</a>', *map(html.escape, cells[1:])
    body = "".join(f"<td{' class=n' if 2 <= i <= 7 else ''}>{c}</td>" for i, c in enumerate(shown))
    return f'<tr>{body}<td class="{"ok" if r.ok else "bad"}">{html.escape(status)}</td></tr>'


def _section(r: Result) -> str:
    figure = r.figure or figure_svg(r)
    drawn = f"<figure>{figure}</figure>" if figure else ""
    message = f'<p class="bad">{html.escape(r.message)}</p>' if r.message else ""
    text = page_of(r)
    details = (
        f"<details><summary>Statement, derivation, conditions</summary><div>{_markdown(text)}</div></details>"
        if text
        else ""
    )
    claim = f"claim ({r.kind}, family {r.family})"
    control = f"control: {html.escape(r.control_description)}"
    rows = (
        (claim, r.deviation, f"≤ {r.bound:.3g}", r.holds, "holds", "does not hold"),
        (control, r.control_deviation, f"&gt; {r.control_above:.3g}", r.control_fails, *CONTROL_WORDS),
    )
    table = "".join(
        f"<tr><td>{what}</td><td class=n>{seen:.3g}</td><td class=n>{wanted}</td>"
        f'<td class="{"ok" if good else "bad"}">{yes if good else no}</td></tr>'
        for what, seen, wanted, good, yes, no in rows
    )
    return (
        f'<h2 id="{r.id}">{r.id}</h2><p class="claim">{html.escape(r.claim)}</p>{message}'
        "<table><tr><th></th><th class=n>deviation</th><th class=n>threshold</th><th></th></tr>"
        f"{table}</table>{drawn}{details}"
    )


def _markdown(text: str) -> str:
    from markdown_it import MarkdownIt

    body = text.split("\n", 1)[1] if text.startswith("# ") else text
    rendered: str = MarkdownIt("commonmark").enable("table").render(body)
    rendered = re.sub(r"<(/?)h2>", r"<\1h4>", rendered)
    rendered = re.sub(r'<a href="(?:\.\./[a-z]+/)?([a-z0-9-]+)\.md">', r'<a href="#\1">', rendered)
    return re.sub(r"\[@([A-Za-z0-9_]+)\]", r'<a href="#ref-\1">[\1]</a>', rendered)
