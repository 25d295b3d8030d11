"""The command line: what it prints, what it writes, and how it exits."""

import dataclasses
import html
import json
import re
import runpy
import subprocess
import sys

import pytest

import implicitbias
from implicitbias.cli import main
from implicitbias.theorems import THEOREMS
from implicitbias.theorems.pages import page

CHEAP = ["balancedness-identity", "norms-diverge-completion"]


def timeless(text):
    return re.sub(r'"seconds": [\d.e-]+', "", text)


def call(capsys, *argv):
    """(exit code, standard output, standard error)."""
    code = main(list(argv))
    out, err = capsys.readouterr()
    return code, out, err


# -- list, show, cite, doctor --------------------------------------------------------------------


def test_list_is_a_line_for_each_theorem(capsys):
    code, out, err = call(capsys, "list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert len(lines) == len(THEOREMS)
    for line, t in zip(lines, THEOREMS.values()):
        assert line.split()[:3] == [t.family, t.id, t.kind]
        assert line.endswith(t.claim)


def test_list_of_families(capsys):
    _, out, _ = call(capsys, "list", "--family", "linear", "--family", "matrix")
    assert {line.split()[0] for line in out.splitlines()} == {"linear", "matrix"}


@pytest.mark.parametrize("id", ["riccati-two-layer", "randomized-kaczmarz"])
def test_show_is_the_page(capsys, id):
    code, out, _ = call(capsys, "show", id)
    assert code == 0
    assert out.strip() == page(THEOREMS[id]).strip()


@pytest.mark.parametrize("id", ["riccati-two-layer", "randomized-kaczmarz"])
def test_cite_is_bibtex(capsys, id):
    code, out, _ = call(capsys, "cite", id)
    assert code == 0
    assert out.strip() == implicitbias.cite(id)
    assert f"{{{THEOREMS[id].source}," in out


def test_doctor(capsys):
    code, out, _ = call(capsys, "doctor")
    assert code == 0
    assert all(line.startswith("ok ") for line in out.splitlines())
    for word in (
        implicitbias.__version__,
        "numpy",
        "scipy",
        "numba",
        "threads",
        "cache",
        "gpu",
        "theory pages",
    ):
        assert word in out


def test_doctor_says_what_is_missing(capsys, monkeypatch):
    from implicitbias import diagnostics

    monkeypatch.setattr(diagnostics, "_version", lambda name: None)
    code, out, _ = call(capsys, "doctor")
    assert code == 1
    assert re.search(r"^!! +numpy +missing", out, flags=re.MULTILINE)


def test_version(capsys):
    with pytest.raises(SystemExit) as done:
        main(["--version"])
    assert done.value.code == 0
    assert capsys.readouterr().out == f"implicitbias {implicitbias.__version__}\n"


def test_the_package_runs_as_a_module(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["implicitbias", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("implicitbias", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"implicitbias {implicitbias.__version__}\n"


# -- wrong calls ---------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["show", "cite", "verify"])
@pytest.mark.parametrize(
    ("wrong", "near"),
    [
        ("riccati", "riccati-two-layer"),
        ("hypentropy-flows", "hypentropy-flow"),
        ("sign-descent", "sign-descent-margin"),
    ],
)
def test_an_unknown_id_offers_the_nearest(capsys, command, wrong, near):
    code, out, err = call(capsys, command, wrong)
    assert (code, out) == (2, "")
    assert err.startswith("implicitbias: ")
    assert repr(wrong) in err
    assert near in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["list", "verify"])
def test_an_unknown_family_offers_the_families(capsys, command):
    code, out, err = call(capsys, command, "--family", "diagnal")
    assert (code, out) == (2, "")
    assert "diagnal" in err
    assert "diagonal" in err


@pytest.mark.parametrize(
    "argv",
    [
        [], ["prove"], ["show"], ["verify", "--seed", "-1"], ["verify", "--seed", "x"], ["verify", "--instances", "0"],
        ["verify", "--jobs", "0"], ["verify", "--fast"],
    ],
)  # fmt: skip
def test_calls_that_make_no_sense(capsys, argv):
    with pytest.raises(SystemExit) as done:
        main(argv)
    assert done.value.code == 2
    assert "usage: implicitbias" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_folder_that_does_not_exist_is_said_before_anything_runs(capsys, tmp_path, option):
    code, out, err = call(capsys, "verify", option, str(tmp_path / "none" / "report"))
    assert (code, out) == (2, "")
    assert "does not exist" in err


# -- verify --------------------------------------------------------------------------------------


def test_verify_prints_plain_text_off_a_terminal(capsys):
    code, out, _ = call(capsys, "verify", *CHEAP, "--seed", "3", "--quick")
    assert code == 0
    assert "\x1b" not in out
    header, *rows, verdict = out.splitlines()
    assert header.split()[0] == "theorem"
    assert [r.split()[0] for r in rows] == CHEAP
    assert all(r.split()[-1] == "verified" for r in rows)
    assert verdict == "2 theorems hold and their 2 controls fail (seed 3)"


def named(family):
    return [i for i, theorem in THEOREMS.items() if theorem.family == family]


def test_verify_by_family(capsys):
    _, out, _ = call(capsys, "verify", "--family", "classification", "--quick", "--seed", "1")
    assert [line.split()[0] for line in out.splitlines()[1:-1]] == named("classification")


def test_ids_and_families_add_up(capsys):
    _, out, _ = call(capsys, "verify", CHEAP[0], "--family", "classification", "--quick", "--seed", "1")
    said = [line.split()[0] for line in out.splitlines()[1:-1]]
    assert said == [i for i in THEOREMS if i == CHEAP[0] or i in named("classification")]


def test_json_file(capsys, tmp_path):
    file = tmp_path / "report.json"
    code, _, _ = call(capsys, "verify", CHEAP[0], "--seed", "3", "--instances", "2", "--json", str(file))
    assert code == 0
    report = json.loads(file.read_text(encoding="utf-8"))
    assert report["seed"] == 3
    assert report["version"] == implicitbias.__version__
    assert report["theorems"][0]["instances"] == 2


def test_json_on_standard_output_is_nothing_but_json(capsys):
    code, out, err = call(capsys, "verify", CHEAP[0], "--seed", "3", "--quick", "--json", "-")
    assert code == 0
    assert json.loads(out)["theorems"][0]["id"] == CHEAP[0]
    assert "theorems hold" in err or "theorem" in err


def test_the_seed_that_was_drawn_is_said(capsys):
    _, out, _ = call(capsys, "verify", CHEAP[0], "--quick")
    seed = re.search(r"\(seed (\d+)\)", out).group(1)
    _, again, _ = call(capsys, "verify", CHEAP[0], "--quick", "--seed", seed)
    assert out.splitlines()[1].split()[:6] == again.splitlines()[1].split()[:6]


BROKEN = {
    "a claim that does not hold": {"bound": 1e-30},
    "a control that does not fail": {
        "control": implicitbias.Control(
            "no change",
            above=1e-4,
            change={"optimizer": lambda s: implicitbias.HeavyBall(s.optimizer.step, 0.0)},
        )
    },
    "a control that is admitted": {"hypotheses": ()},
    "a measure without its event": {"measure": lambda run: float("nan")},
    "an error": {"measure": lambda run: 1 / 0},
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=BROKEN.keys())
def test_exit_code_one(capsys, monkeypatch, tmp_path, change):
    monkeypatch.setitem(THEOREMS._by_id, CHEAP[0], dataclasses.replace(THEOREMS[CHEAP[0]], **change))
    file = tmp_path / "report.html"
    code, out, _ = call(capsys, "verify", *CHEAP, "--quick", "--seed", "1", "--html", str(file))
    assert code == 1
    assert f"1 of 2 theorems not verified: {CHEAP[0]} (seed 1)" in out
    assert "not everything is as claimed" in file.read_text(encoding="utf-8")


def test_the_html_page_stands_alone(capsys, tmp_path):
    file = tmp_path / "report.html"
    ids = [*CHEAP, "hypentropy-finite-steps", "max-margin-flow"]
    code, out, _ = call(capsys, "verify", *ids, "--quick", "--seed", "5", "--html", str(file))
    assert code == 0
    assert f"wrote {file}" in out.replace("\n", "")
    text = file.read_text(encoding="utf-8")
    # nothing is loaded: links stay inside, and there are no scripts, style sheets or remote pictures
    for target in re.findall(r"""(?:src|href)\s*=\s*["']?([^"'\s>]+)""", text):
        assert target.startswith("#"), target
    assert not re.search(r"<script|<link|<iframe|<img|@import|url\(\s*['\"]?(?!#)", text)
    assert text.count("<svg") == text.count("</svg>") == len(ids)
    for id in ids:
        assert f'id="{id}"' in text
        assert html.escape(THEOREMS[id].claim) in text
        # the statement of its page, and each of its sources
        assert page(THEOREMS[id]).split("\n")[2].split()[1] in text
        assert f'id="ref-{THEOREMS[id].source}"' in text
    for reference in re.findall(r'href="#(ref-[^"]+)"', text):
        assert f'id="{reference}"' in text
    assert "[@" not in text


@pytest.mark.slow
def test_two_processes_write_the_same_json(tmp_path):
    """The same seed, another process, another number of jobs."""
    ids = ["hypentropy-finite-steps", "balancedness-identity", "randomized-kaczmarz"]

    def run(*options):
        code = "import sys; from implicitbias.cli import main; sys.exit(main(sys.argv[1:]))"
        command = [
            sys.executable,
            "-c",
            code,
            "verify",
            *ids,
            "--seed",
            "7",
            "--quick",
            "--json",
            "-",
            *options,
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return timeless(done.stdout)

    first = run()
    assert first == run() == run("--jobs", "2")
    assert first.count('"status": "verified"') == len(ids)


def test_a_reader_who_leaves_is_no_error():
    code = "import sys; from implicitbias.cli import main; sys.exit(main(['list']))"
    done = subprocess.run(
        f'{sys.executable} -c "{code}" | head -c 1', shell=True, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
