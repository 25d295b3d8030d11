"""implicitbias design, from its arguments to its exit code."""

import json

import numpy as np
import pytest

from implicitbias.cli import main
from implicitbias.discovery.trials import Trial


def lines_of(capsys, *args):
    code = main(["design", "--potential", *args])
    return code, capsys.readouterr().out.splitlines()


def test_the_table_of_log_cosh(capsys):
    code, lines = lines_of(capsys, "log(cosh(x))")
    assert code == 0
    assert lines[0].split() == ["x", "ρ′", "P", "φ"]
    table = np.array([[float(v) for v in line.split()] for line in lines[1:8]])
    x = np.linspace(-1.5, 1.5, 7)
    expected = np.stack([x, np.tanh(x), np.cosh(x) ** 2, np.arctan(np.sinh(x))], axis=1)
    np.testing.assert_allclose(table, expected, rtol=1e-5, atol=1e-9)
    assert "φ ends at 1.5708, where w is infinite" in lines[8]  # π/2


def test_what_does_not_exist_is_said(capsys):
    code, lines = lines_of(capsys, "abs(x)**3")
    assert code == 0
    assert lines[0].split() == ["x", "ρ′"]
    assert [line.split(":")[0] for line in lines[8:]] == ["no preconditioner", "no reparametrization"]


def test_one_form_on_a_range_of_one_sign(capsys):
    code, lines = lines_of(capsys, "x*log(x) - x", "--form", "reparametrization", "--range", "0.25", "1")
    assert code == 0
    assert lines[0].split() == ["x", "φ"]
    assert [float(v) for v in lines[1].split()] == [0.25, 1.0]  # 2√w
    assert [float(v) for v in lines[7].split()] == [1.0, 2.0]
    assert "coordinates keep their signs" in lines[8]


def test_json_to_standard_output_and_to_a_file(capsys, tmp_path):
    code, lines = lines_of(capsys, "x**2", "--json", "-")
    data = json.loads("\n".join(lines))
    assert code == 0
    assert data["potential"] == "x**2"
    assert data["columns"]["P"] == [0.5] * 7
    assert data["obstacles"] == {}
    assert data["trials"] == []
    path = tmp_path / "out.json"
    assert main(["design", "--potential", "x**2", "--json", str(path)]) == 0
    assert json.loads(path.read_text()) == data


BAD = {
    "a name": (["2*y"], "unknown name y at position 2"),
    "no x": (["3"], "is not one of x"),
    "concave": (["log(x)"], "not strictly convex"),
    "flat": (["abs(x)"], "not strictly convex"),
    "an empty range": (["x**2", "--range", "1", "0"], "--range needs two numbers LO < HI, got 1 0"),
    "outside": (["x*log(x)", "--range", "-1", "1"], "is not finite at x = "),
    "no folder": (["x**2", "--json", "/nowhere/at/all.json"], "the folder of /nowhere/at/all.json does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_exit_code_two(case, capsys):
    args, message = BAD[case]
    assert main(["design", "--potential", *args]) == 2
    assert message in capsys.readouterr().err


def test_the_verdict_on_a_trial():
    good = {
        "mirror": Trial("mirror", 0.1, (1e-11, 1e-11), 1e-9, 1e-4),
        "preconditioner": Trial("preconditioner", 0.1, (4e-3, 2e-3), 2.0, 1e-3),
        "reparametrization": Trial("reparametrization", 0.1, (2e-3, 1e-3), 1.0, 1e-3),
    }
    assert all(trial.holds for trial in good.values())
    assert good["mirror"]._replace(ratio=np.nan).holds  # of a quadratic, whose forms are all exact
    assert not good["mirror"]._replace(distances=(1e-3, 5e-4)).holds
    assert not good["preconditioner"]._replace(ratio=1.0).holds
    assert not good["reparametrization"]._replace(distances=(2e-3, 2e-3)).holds
    assert not good["reparametrization"]._replace(identified=0.2).holds
    assert not good["mirror"]._replace(identified=np.nan).holds


def test_where_rounding_hides_the_curvature_is_said(capsys):
    # √(1 + x²)″ = (1 + x²)^{−3/2}, a difference of ρ′ ≈ 1: φ is known up to about 1e5, short of its end 2.622
    code, lines = lines_of(capsys, "sqrt(1 + x**2)", "--form", "reparametrization")
    assert code == 0
    assert lines[8].startswith("φ is known to 2.6")
    assert "rounding hides ρ″" in lines[8]


def test_a_curvature_that_vanishes_allows_no_step(capsys):
    assert main(["design", "--potential", "abs(x)**3", "--check"]) == 2
    assert "ρ″ vanishes in (-1.5, 1.5)" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("potential", ["x**2/2", "log(cosh(x))", "x*log(x) - x"])
def test_a_check_that_holds(capsys, potential):
    ends = ("0.25", "1") if "x*log" in potential else ("-1", "1")
    code, lines = lines_of(capsys, potential, "--range", *ends, "--check")
    assert code == 0
    assert [line.split()[:2] for line in lines[-3:]] == [
        ["holds", "mirror:"], ["holds", "preconditioner:"], ["holds", "reparametrization:"],
    ]  # fmt: skip
