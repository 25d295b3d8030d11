"""The atlas reads biases off solutions, next to what theory predicts."""

import json

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.cli import main


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    return ib.Regression(rng.standard_normal((4, 9)), rng.standard_normal(4))


def test_the_identified_bias_agrees_with_the_predicted_one(problem):
    only = ["Linear: GradientDescent", "MirrorDescent ℓ1.5", "Diagonal(2): GradientFlow 1e-1", "Linear: Adam"]
    found = ib.atlas(problem, only=only, identify=True, steps=5000)
    rows = {row.name: row for row in found.rows}
    assert rows["Linear: GradientDescent"].bias["family"]["name"] == "Euclidean"
    mirror = rows["Linear: MirrorDescent ℓ1.5, momentum"].bias["family"]
    assert mirror["name"] == "PNorm"
    assert abs(mirror["parameters"]["p"] - 1.5) < 1e-6
    network = rows["Diagonal(2): GradientFlow 1e-1"].bias["family"]
    assert abs(network["parameters"]["log_c"] - np.log(0.02)) < 1e-4
    assert rows["Linear: Adam"].identified.startswith("none (0.")
    data = json.loads(found.to_json())
    assert data["rows"][0]["identified"]["verdict"] == "separable"
    assert "identified" in found.to_html()


def test_it_is_asked_for(problem):
    found = ib.atlas(problem, only=["Linear: GradientDescent"], steps=1000)
    assert found.rows[0].identified == ""
    assert json.loads(found.to_json())["rows"][0]["identified"] is None


def test_a_setting_of_ones_own_is_tried_on_problems_of_this_shape(problem):
    setting = ib.Setting(problem, ib.Linear(), ib.PreconditionedFlow(np.linspace(0.5, 2.0, 9)), np.zeros(9))
    found = ib.atlas(problem, settings={"mine": setting}, identify=True)
    assert found.rows[0].bias["verdict"] == "quadratic"


def test_the_norm_of_a_margin_is_identified():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((8, 16))
    X /= np.max(np.linalg.norm(X, axis=1))
    classes = ib.Classification(X, np.where(np.arange(8) % 2, 1.0, -1.0))
    found = ib.atlas(classes, only=["Linear: GradientFlow"], identify=True)
    assert found.rows[0].bias["verdict"] == "margin"
    assert abs(found.rows[0].bias["family"]["parameters"]["p"] - 2) < 0.01


def test_the_command(tmp_path, capsys):
    rng = np.random.default_rng(2)
    table = tmp_path / "table.csv"
    rows = rng.standard_normal((12, 7))
    table.write_text("\n".join([",".join("abcdefg"), *(",".join(f"{x:.6f}" for x in row) for row in rows)]))
    call = ["atlas", "--data", str(table), "--samples", "4", "--only", "Linear: HeavyBall", "--identify"]
    assert main([*call, "--jobs", "1"]) == 0
    assert "identified: Euclidean()" in capsys.readouterr().out
