"""Theory pages, declarations and bibliography say the same."""

import re

import pytest

import implicitbias as ib
from implicitbias.theorems import FAMILIES, THEOREMS
from implicitbias.theorems.pages import bibliography, page, theory_folder

PAGES = sorted(theory_folder().glob("*/*.md"))
SECTIONS = [
    "Setting", "Statement", "Hypotheses", "Derivation", "What is measured", "The control",
    "Conditions and traps", "Sources",
]  # fmt: skip
every_theorem = pytest.mark.parametrize("theorem", THEOREMS.values(), ids=THEOREMS.keys())
every_page = pytest.mark.parametrize("path", PAGES, ids=[p.stem for p in PAGES])


def citations(text):
    return re.findall(r"\[@([^\]]+)\]", text)


def test_one_page_for_each_declaration_and_one_declaration_for_each_page():
    assert {(p.parent.name, p.stem) for p in PAGES} == {(t.family, t.id) for t in THEOREMS.values()}
    assert {t.family for t in THEOREMS.values()} <= set(FAMILIES)
    assert len(THEOREMS) >= 12


def test_every_family_has_theorems():
    """Each family has its share."""
    count = {f: sum(t.family == f for t in THEOREMS.values()) for f in FAMILIES}
    least = {"linear": 3, "diagonal": 2, "design": 1, "classification": 2, "deep": 3, "matrix": 1}
    assert all(count[f] >= least[f] for f in least)


@every_page
def test_the_template(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert lines[0].startswith("# ")
    assert lines[2].startswith("**Claim.**")
    assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == SECTIONS
    bodies = re.split(r"^## .+$", text, flags=re.MULTILINE)[1:]
    assert all(len(body.strip()) > 40 for body in bodies)
    hypotheses = bodies[SECTIONS.index("Hypotheses")]
    numbers = [int(i) for i in re.findall(r"^(\d+)\. ", hypotheses, flags=re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1)) != []
    for item in re.split(r"^\d+\. ", hypotheses, flags=re.MULTILINE)[1:]:
        assert re.search(r"setting|run", item), "each hypothesis says what its test looks at"


@every_page
def test_citations_exist(path):
    keys = citations(path.read_text(encoding="utf-8"))
    assert keys
    assert set(keys) <= set(bibliography())


@every_page
def test_links_to_other_pages_exist(path):
    for link in re.findall(r"\]\(([^)#]+\.md)\)", path.read_text(encoding="utf-8")):
        assert (path.parent / link).is_file(), link


@every_theorem
def test_the_source_is_among_the_page_s_sources(theorem):
    assert theorem.source in bibliography()
    sources = page(theorem).split("## Sources")[1]
    assert theorem.source in citations(sources)


@every_theorem
def test_the_page_says_the_bound(theorem):
    body = page(theorem).split("## What is measured")[1].split("\n## ")[0]
    written = {f"{theorem.bound:g}", f"{theorem.bound:.0e}".replace("e-0", "e-")}
    assert any(re.search(rf"(?<![\d.e-]){re.escape(w)}(?![\d.]?\d)", body) for w in written)


@pytest.mark.parametrize("key", bibliography())
def test_entries_of_the_bibliography(key):
    entry = bibliography()[key]
    assert entry.startswith("@")
    assert entry.count("{") == entry.count("}")
    for name in ("author", "title", "year"):
        assert re.search(rf"^\s*{name}\s*=\s*\{{.+\}},?$", entry, flags=re.MULTILINE), name


def test_every_entry_is_cited_somewhere():
    from implicitbias.selection import RULES

    used = {k for p in PAGES for k in citations(p.read_text(encoding="utf-8"))}
    used |= {rule.source for rule in RULES}
    parts = (ib.Optimizer, ib.Model, ib.Potential)
    public = [v for v in vars(ib).values() if isinstance(v, type) and issubclass(v, parts)]
    used |= {str(v.source) for v in public if getattr(v, "source", "")}
    assert set(bibliography()) == used | {"implicitbias"}
