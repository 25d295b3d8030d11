"""implicitbias identify FILE.npz"""

import json

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.cli import main
from implicitbias.geometry import bregman_projection


def selected(potential, start=0.0, positive=False):
    rng = np.random.default_rng(0)
    z0 = potential.gradient(np.full(30, start)) if start else np.zeros(30)
    for _ in range(12):
        w = rng.standard_normal(30) * np.exp(rng.uniform(-2, 1))
        X = rng.standard_normal((10, 30))
        yield X, bregman_projection(potential, z0, X, X @ (np.abs(w) if positive else w)).w


@pytest.fixture
def file(tmp_path):
    pairs = list(selected(ib.Hypentropy(-2.0)))
    path = tmp_path / "solutions.npz"
    np.savez(path, X=np.array([X for X, _ in pairs]), w=np.array([w for _, w in pairs]))
    return path


def test_a_file_of_solutions(file, tmp_path, capsys):
    out, picture = tmp_path / "bias.json", tmp_path / "bias.png"
    assert main(["identify", str(file), "--json", str(out), "--figure", str(picture)]) == 0
    assert capsys.readouterr().out.startswith("separable: ")
    data = json.loads(out.read_text())
    assert data["family"]["name"] == "Hypentropy"
    assert abs(data["family"]["parameters"]["log_c"] + 2) < 1e-9
    assert picture.stat().st_size > 1000


def test_json_alone_on_standard_output(file, capsys):
    assert main(["identify", str(file), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "separable"


def test_a_start_in_the_file(tmp_path, capsys):
    pairs = list(selected(ib.Entropy(), start=0.1, positive=True))
    path = tmp_path / "entropy.npz"
    np.savez(path, X=np.array([X for X, _ in pairs]), w=np.array([w for _, w in pairs]), start=0.1)
    assert main(["identify", str(path)]) == 0
    assert "Entropy()" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": np.ones((3, 2, 4))}, "holds no w"),
        ({"X": np.ones((3, 2, 4)), "w": np.ones((2, 4))}, "X 3, w 2"),
    ],
)
def test_bad_files_are_said(tmp_path, capsys, arrays, said):
    path = tmp_path / "bad.npz"
    np.savez(path, **arrays)
    assert main(["identify", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_what_is_no_file_is_said(tmp_path, capsys):
    assert main(["identify", str(tmp_path / "none.npz")]) == 2
    assert "is no file" in capsys.readouterr().err
    text = tmp_path / "text.npz"
    text.write_text("hello")
    assert main(["identify", str(text)]) == 2
    assert "cannot be read as an .npz file" in capsys.readouterr().err
