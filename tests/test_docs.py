"""The documents say what the code is."""

import re
from pathlib import Path

import pytest

import implicitbias as ib

ROOT = Path(__file__).resolve().parent.parent
SOURCES = "\n".join(p.read_text(encoding="utf-8") for p in sorted((ROOT / "implicitbias").rglob("*.py")))
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.split("(")[0].split("\n")[-1][:40])
def test_code_quoted_for_contributors_is_the_code(block):
    assert block.strip() in SOURCES


def test_some_code_is_quoted():
    assert len(BLOCKS) >= 4


@pytest.mark.parametrize("family", ib.theorems.FAMILIES)
def test_the_readme_says_what_each_family_is_about(family):
    assert f"| [{family}](theory/{family}) |" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "theory" / family).is_dir()


def test_one_version():
    assert f"## [{ib.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {ib.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version = {{{ib.__version__}}}" in (ROOT / "theory" / "refs.bib").read_text(encoding="utf-8")


def test_every_optimizer_model_and_problem_is_named_in_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    bases = {"Flow", "Step", "Optimizer", "Model", "Problem", "Potential", "Norm", "Chart"}
    kinds = (ib.Optimizer, ib.Model, ib.Problem, ib.Potential)
    public = [v for n, v in vars(ib).items() if n in ib.__all__ and isinstance(v, type) and n not in bases]
    missing = [c.__name__ for c in public if issubclass(c, kinds) and f"`{c.__name__}" not in readme]
    assert not missing
