"""A wheel carries its theory pages: it is built, installed elsewhere, and asked from a strange folder."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

import implicitbias
from implicitbias.theorems import THEOREMS
from implicitbias.theorems.pages import page

CHECKOUT = Path(__file__).resolve().parent.parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHECKOUT / "pyproject.toml").is_file(), reason="the tests are not run from a checkout"
    ),
    pytest.mark.skipif(
        importlib.util.find_spec("hatchling") is None, reason="building a wheel needs hatchling"
    ),
    pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="building a wheel needs pip"),
]


def call(*command, cwd, **options):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(
        [str(c) for c in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """(scripts, a folder outside the checkout) of an environment that holds the wheel."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    call(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, CHECKOUT, cwd=folder)
    (wheel,) = folder.glob("implicitbias-*.whl")
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    call(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    # dependencies come from this environment; a .pth line adds its folder, but not its own .pth files,
    # so that an editable implicitbias stays invisible
    site = Path(
        call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    )
    paths = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (site / "dependencies.pth").write_text("\n".join(paths) + "\n")
    strange = folder / "elsewhere"
    strange.mkdir()
    return scripts, strange


def test_it_is_the_wheel_that_is_imported(installed):
    scripts, strange = installed
    file = Path(
        call(
            scripts / "python", "-c", "import implicitbias; print(implicitbias.__file__)", cwd=strange
        ).strip()
    )
    assert scripts.parent in file.parents
    assert CHECKOUT not in file.parents


@pytest.mark.parametrize("id", ["riccati-two-layer", "nearest-interpolant"])
def test_show_and_cite(installed, id):
    scripts, strange = installed
    assert call(scripts / "implicitbias", "show", id, cwd=strange).strip() == page(THEOREMS[id]).strip()
    assert call(scripts / "implicitbias", "cite", id, cwd=strange).strip() == implicitbias.cite(id)


def test_every_page_and_the_bibliography_are_in_it(installed):
    scripts, strange = installed
    code = (
        "from implicitbias import THEOREMS, cite; from implicitbias.theorems.pages import page; "
        "print(sum(len(page(t)) > 1000 and cite(i).startswith('@') for i, t in THEOREMS.items()))"
    )
    assert int(call(scripts / "python", "-c", code, cwd=strange)) == len(THEOREMS)


def test_the_marker_of_types_and_the_style_sheet_are_in_it(installed):
    scripts, strange = installed
    code = (
        "import implicitbias, pathlib; p = pathlib.Path(implicitbias.__file__).parent; "
        "print((p / 'py.typed').is_file(), (p / 'plotting/implicitbias.mplstyle').is_file())"
    )
    assert call(scripts / "python", "-c", code, cwd=strange).split() == ["True", "True"]


def test_a_theorem_is_verified_there(installed):
    scripts, strange = installed
    out = call(
        scripts / "implicitbias", "verify", "balancedness-identity", "--quick", "--seed", "1", cwd=strange
    )
    assert "1 theorems hold" in out or "1 theorem holds" in out
