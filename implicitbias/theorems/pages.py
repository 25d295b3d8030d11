"""The theory pages and the bibliography, wherever the package is installed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from .base import Theorem

__all__: list[str] = []


def theory_folder() -> Path:
    """The folder of the pages: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "theory", package.parent / "theory"):
        if (folder / "refs.bib").is_file():
            return folder
    raise FileNotFoundError("the theory pages are missing: reinstall implicitbias")


def page(theorem: Theorem) -> str:
    """The Markdown text of a theorem's page."""
    return (theory_folder() / theorem.family / f"{theorem.id}.md").read_text(encoding="utf-8")


@cache
def bibliography() -> dict[str, str]:
    """refs.bib by key: each entry's BibTeX, as it stands there."""
    text = (theory_folder() / "refs.bib").read_text(encoding="utf-8")
    entries: dict[str, str] = {}
    for chunk in text.split("\n@")[1:] if not text.startswith("@") else ("\n" + text).split("\n@")[1:]:
        body = "@" + chunk[: chunk.rindex("}") + 1]
        entries[body[body.index("{") + 1 : body.index(",")].strip()] = body
    return entries
