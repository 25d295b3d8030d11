"""The atlas of classes: rows are the known separators, and what cannot be separated is named."""

import json
import re

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.atlases.classifiers import BINARY, SEVERAL, Scales
from implicitbias.atlases.kinds import Seen, near, pairwise
from implicitbias.atlases.mapping import kind_of
from implicitbias.atlases.page import facts, figure, html_page, plain_row
from implicitbias.atlases.separators import gap, moved
from implicitbias.atlases.words import program_text
from implicitbias.cli import main

PLANE = ib.Classification([[1.0, 0.0], [0.0, -0.5]], [1, -1])
"""Z = diag(1, ½): margin one at w = (1, 2) at least, so that ‖w‖ is least there in every norm; in ℓ∞ at (1 to 2, 2)."""
BEST = {"l1": 1 / 3, "l2": 1 / np.sqrt(5), "linf": 1 / 2}


@pytest.fixture(scope="module")
def plane():
    names = [
        "Linear: GradientFlow",
        "Diagonal(2)",
        "DualAcceleration",
        "Linear: SignDescent",
        "CoordinateDescent",
    ]
    held = (np.array([[1.0, 0.0], [0.0, -1.0], [1.0, -3.0], [-1.0, 0.1]]), np.array([1, -1, -1, 1]))
    return ib.atlas(PLANE, held, only=names, steps=4000)


@pytest.fixture(scope="module")
def three():
    """Three classes in R⁴, each along its own axis."""
    rng = np.random.default_rng(5)
    X = np.vstack([0.2 * rng.standard_normal((4, 4)) + 2 * np.eye(4)[j] for j in range(3)])
    return ib.Classification(X / np.linalg.norm(X, axis=1).max(), np.repeat([0, 1, 2], 4))


def row_of(found, name):
    return next(row for row in found.rows if row.name == name)


# -- rows ------------------------------------------------------------------------------------------


def test_the_best_margins(plane):
    assert plane.best == pytest.approx(BEST, rel=1e-12)
    assert plane.least == {}


def test_measures_are_margins_over_the_best(plane):
    for row in plane.rows:
        assert row.status != "error", row.message
        least = min(row.w[0], 0.5 * row.w[1])
        for key, order in (("l1", 1), ("l2", 2), ("linf", np.inf)):
            wanted = least / np.linalg.norm(row.w, order) / BEST[key]
            assert row.measures[key] == pytest.approx(wanted, rel=1e-12)
        assert row.measures["training"] == 0.0


@pytest.mark.parametrize(
    ("name", "norm"),
    [
        ("Linear: GradientFlow", "l2"),
        ("Linear: DualAcceleration", "l2"),
        ("Linear: SignDescent", "linf"),
        ("Linear: CoordinateDescent", "l1"),
        ("Diagonal(2): GradientFlow 1", "l1"),
    ],
)
def test_methods_near_the_margin_of_their_norm(plane, name, norm):
    row = row_of(plane, name)
    assert row.status == "converged", row.message
    assert row.norm == norm
    assert row.measures[norm] > 0.98
    assert row.measures["gap"] == pytest.approx(1 - row.measures[norm], abs=1e-9)
    first, second = row.predicted
    if norm == "linf":  # one of the points (1 to 2, 2)
        assert second / 2 - 1e-9 <= first <= second + 1e-9
    else:
        np.testing.assert_allclose(row.predicted, np.array([1.0, 2.0]) / np.sqrt(5), atol=1e-9)


def test_distances_only_where_one_direction_is_selected(plane):
    row = row_of(plane, "Linear: DualAcceleration")
    u = row.w / np.linalg.norm(row.w)
    assert row.distance == pytest.approx(np.linalg.norm(u - np.array([1.0, 2.0]) / np.sqrt(5)), abs=1e-12)
    assert np.isnan(row_of(plane, "Linear: SignDescent").distance)
    assert np.isnan(row_of(plane, "Linear: CoordinateDescent").distance)


def test_rows_of_one_prediction_have_one_letter(plane):
    # in ℓ1 and ℓ2 (1, 2) alone has the best margin here
    named = [letter for row, letter in zip(plane.rows, plane.letters) if row.norm in ("l1", "l2")]
    assert len(set(named)) == 1


def test_held_out_errors_count_misclassified_rows(plane):
    # (1, 2): 1 > 0 is right, −2 < 0 is right, −5 < 0 is right, −0.8 < 0 is wrong
    assert row_of(plane, "Linear: GradientFlow").measures["held_out"] == 0.25
    assert plane.baseline == 0.5


def test_distances_are_between_directions(plane):
    a, b = plane.rows[0].w, plane.rows[1].w
    wanted = np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b))
    assert plane.distances[0, 1] == pytest.approx(wanted, abs=1e-12)


def test_a_direction_that_still_moves_is_over_budget():
    (row,) = ib.atlas(PLANE, only=["Linear: GradientDescent"], settings={
        "Linear: GradientDescent": ib.Setting(PLANE, ib.Linear(), ib.GradientDescent(1.0)),
    }, steps=30).rows  # fmt: skip
    assert row.status == "budget"
    assert "steps = 30 was reached, as asked; the direction still moves, by" in row.message
    assert row.measures["moved"] > 0.02
    assert row.rule  # held against what it would select


def test_a_row_out_of_time_says_so():
    (row,) = ib.atlas(PLANE, only=["Linear: DualAcceleration"], seconds=0).rows
    assert row.status == "budget"
    assert "seconds of processor time were over" in row.message


def test_no_rule_is_a_dash_and_what_is_missed():
    setting = ib.Setting(PLANE, ib.Linear(), ib.SteepestDescent(3.0, 0.1))
    found = ib.atlas(PLANE, settings={"plain": setting}, steps=50)
    (row,) = found.rows
    assert (row.rule, row.norm) == ("", "")
    assert row.nearest.startswith("steps are normalised steepest descent")
    assert "— needs that steps are normalised steepest descent" in plain_row(found.kind, row)
    assert np.isnan(row.measures["gap"])


def test_the_movement_is_since_the_clock_was_half():
    trail = [
        (1.0, np.array([1.0, 0.0])),
        (2.0, np.array([0.0, 2.0])),
        (3.9, np.array([3.0, 4.0])),
        (4.0, np.array([0.0, 4.0])),
    ]
    run = ib.simulate(ib.Setting(PLANE, ib.Linear(), ib.GradientDescent(1.0)), ib.Stop(steps=1))
    assert moved(Seen(run, trail=trail)) == 0.0
    assert moved(Seen(run, trail=trail[:-1])) == pytest.approx(
        np.sqrt(2 - 2 * 0.6)
    )  # from (1, 0) to (0.6, 0.8)
    assert np.isnan(moved(Seen(run, trail=trail[2:])))
    assert np.isnan(gap(Seen(run)))


def test_several_classes(three):
    names = ["SpectralDescent", "nuclear", "Linear: SignDescent", "NormalizedGradientDescent"]
    found = ib.atlas(three, only=names, steps=1500)
    assert list(found.best) == ["l1", "l2", "linf", "spectral", "nuclear"]
    for row in found.rows:
        assert row.status in ("converged", "budget"), row.message
        assert row.w.shape == (3, 4)
        assert row.norm in found.best
        assert row.measures[row.norm] > 0.95
    assert row_of(found, "Linear: SpectralDescent").program == "min spectral σ₁(w) subject to Zw ≥ 1"


def test_predictions_in_words():
    def words(optimizer, model=None):
        model = ib.Linear() if model is None else model
        return program_text(ib.predict(ib.Setting(PLANE, model, optimizer)))

    assert words(ib.GradientFlow()) == "min ‖w‖₂ subject to Zw ≥ 1"
    assert words(ib.SignDescent(ib.Decay(1.0, 0.5))) == "min ‖w‖∞ subject to Zw ≥ 1"
    assert words(ib.SignDescent(ib.Decay(1.0, 0.5), decay=0.5)) == "min L(w) subject to ‖w‖∞ ≤ 2"
    assert words(ib.MirrorDescent(ib.PNorm(3), 0.1)) == "min ‖w‖_p, p = 3 subject to Zw ≥ 1"


# -- data ------------------------------------------------------------------------------------------


def test_what_cannot_be_separated_is_named():
    X = np.array([[1.0, 0.0], [0.5, 0.1], [0.5, 0.1], [-1.0, 0.0]])
    with pytest.raises(
        ib.NoPrediction, match=r"weights p ≥ 0 on 2 of the 4 fitted rows \(1, 2; from 0\)"
    ) as refusal:
        ib.atlas(ib.Classification(X, [1, 1, -1, -1]))
    np.testing.assert_allclose(refusal.value.certificate, [0, 0.5, 0.5, 0], atol=1e-12)


def test_what_cannot_be_separated_of_several_classes():
    X = np.vstack([np.eye(3), [[1.0, 1.0, 0.0]], [[1.0, 1.0, 0.0]]])
    with pytest.raises(ib.NoPrediction, match=r"on 2 of the 5 fitted rows \(3, 4; from 0\)"):
        ib.atlas(ib.Classification(X, [0, 1, 2, 0, 1]))


def test_held_out_rows_are_checked(three):
    for held, message in (
        ((np.ones((2, 3)), [0, 1]), r"must be finite \(m, 4\) with m labels"),
        ((np.ones((2, 4)), [0]), "with m labels"),
        ((np.full((1, 4), np.nan), [0]), "must be finite"),
        ((np.ones((1, 4)), [7]), "have a class 7 that no fitted row has"),
    ):
        with pytest.raises(ValueError, match=message):
            ib.atlas(three, held)


def test_errors_of_several_classes_count_ties(three):
    held = kind_of(three).held_out((np.eye(4), [0, 1, 2, 0]))
    assert held.error(np.eye(3, 4)) == 0.25  # the fourth row has three equal scores
    assert held.error(np.zeros((3, 4))) == 1.0


def test_groups_and_distances():
    points = [np.array([1.0, 0.0]), None, np.array([0.0, 2.0]), np.array([1.0, 1e-9])]
    apart = pairwise(points, (2,))
    assert apart[0, 2] == pytest.approx(np.sqrt(5) / 2)
    assert np.all(np.isnan(apart[1]))
    assert near([0, 2, 3], apart) == [[0, 3], [2]]


# -- the default settings --------------------------------------------------------------------------


def test_default_settings_can_all_be_made(three):
    assert list(ib.default_settings(PLANE)) == list(BINARY)
    assert list(ib.default_settings(three)) == list(SEVERAL)


def test_scales():
    s = Scales(PLANE)
    assert s.reach(1) == pytest.approx(3.0)
    assert s.reach() == pytest.approx(np.sqrt(5))
    assert s.normalized(np.inf) == ib.Decay(s.reach(np.inf), 0.5)
    assert s.step == 1.0
    # ‖z‖∞ ≤ 1 for steps in ℓ1, ‖z‖₁ ≤ 1 for steps in ℓ∞
    assert s.per_loss(1.0) == s.per_loss(np.inf) == ib.Decay(1.0, 0.1)
    assert s.decay == pytest.approx(0.05)


@pytest.mark.slow
def test_every_default_setting_comes_near_its_prediction(separable):
    problem = separable()
    X = problem.X / np.linalg.norm(problem.X, axis=1).max()
    found = ib.atlas(ib.Classification(X, problem.y), steps=100_000)
    assert found.ok, [row.message for row in found.rows if row.status == "error"]
    assert {row.status for row in found.rows} <= {"converged", "budget"}
    for row in found.rows:
        if row.converged and np.isfinite(row.measures["gap"]):
            assert -1e-9 < row.measures["gap"] < 0.06, (row.name, row.measures["gap"])


# -- reports ---------------------------------------------------------------------------------------


def test_json_has_everything(plane):
    data = json.loads(plane.to_json())
    assert list(data) == [
        "version", "seed", "data", "problem", "budget", "folds", "best", "baseline", "rows", "groups", "distances",
    ]  # fmt: skip
    assert data["problem"] == {
        "samples": 2, "features": 2, "rank": 2, "classes": [-1.0, 1.0], "separable": True,
    }  # fmt: skip
    row = data["rows"][0]
    assert list(row["measures"]) == ["l1", "l2", "linf", "training", "held_out", "moved", "gap"]
    assert set(row["prediction"]) == {"rule", "source", "program", "assumes", "distance", "certificate", "w"}
    assert row["norm"] == "l2"
    assert np.linalg.norm(row["direction"]) == pytest.approx(1.0)
    assert row["log_time"] == pytest.approx(1e4)
    assert row["log_loss"] == pytest.approx(-1e4, rel=1e-2)


def test_the_page_stands_alone(plane):
    page = html_page(plane)
    assert page.count("<svg") == 2
    assert page.count("<details") == len(plane.rows)
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert "margin / best margin" in page


def test_figures_are_drawn(plane, tmp_path):
    figure(plane).savefig(tmp_path / "margins.png")
    assert (tmp_path / "margins.png").stat().st_size > 1000


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def table_file(tmp_path, rng):
    """Three species: 0 and 2 are apart along a, 1 lies among them."""
    path = tmp_path / "species.csv"
    X, kind = rng.standard_normal((60, 3)), np.arange(60) % 3
    X[:, 0] = np.where(kind == 0, 3 + np.abs(X[:, 0]), np.where(kind == 2, -3 - np.abs(X[:, 0]), 3 * X[:, 0]))
    lines = [",".join([*(f"{v:.6f}" for v in x), str(k)]) for x, k in zip(X, kind)]
    path.write_text("\n".join(["a,b,c,species", *lines]) + "\n", encoding="utf-8")
    return path


def call(capsys, *argv):
    code = main(["atlas", *map(str, argv)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_end_to_end(capsys, table_file, tmp_path):
    files = [tmp_path / name for name in ("a.json", "a.html", "a.png")]
    code, out, err = call(
        capsys, "--data", table_file, "--classes", "0,2", "--only", "Linear: GradientFlow", "--only", "DualAcc",
        "--steps", 3000, "--jobs", 1, "--json", files[0], "--html", files[1], "--figure", files[2],
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split()[:7] == ["setting", "status", "log", "L", "ℓ1", "ℓ2", "ℓ∞"]
    assert lines[1].startswith("Linear: GradientFlow")
    assert lines[1].endswith("min ‖w‖₂")
    assert "species.csv, target species: 20 fitted rows of the classes 0 (" in out
    assert "so that max ‖x‖₂ = 1" in out
    data = json.loads(files[0].read_text(encoding="utf-8"))
    assert data["data"]["classes"] == [0, 2]
    assert data["data"]["names"] == ["a", "b", "c", "intercept"]
    assert data["data"]["held_out"] == 20
    assert data["rows"][0]["measures"]["l2"] > 0.99
    assert "<svg" in files[1].read_text(encoding="utf-8")


def test_folds_of_classes(capsys, table_file):
    code, out, _ = call(
        capsys, "--data", table_file, "--classes", "0,2", "--only", "DualAcc", "--steps", 200, "--folds", 4,
        "--jobs", 1, "--json", "-",
    )  # fmt: skip
    row = json.loads(out)["rows"][0]
    assert code == 0
    assert row["folds_converged"] == 4
    assert row["cross_validated"] == 0.0  # far apart


WRONG = {
    "unknown class": (
        ("--classes", "0,7"),
        "the target 'species' of species.csv has no class 7; it has 0, 1, 2",
    ),
    "one class": (("--classes", "2"), "at least two classes are needed, got 2"),
    "one class twice": (("--classes", "2,2"), "at least two classes are needed, got 2"),
    "no codes": (("--classes", "0,2", "--target", "a"), "the target 'a' of species.csv has no class 0"),
    "not separable": (("--classes", "0,1"), "the data are not separable: there are weights"),
    "too many rows": (
        ("--classes", "0,2", "--samples", "41"),
        "has 40 rows of these classes; 41 to fit were asked",
    ),
}


@pytest.mark.parametrize(("argv", "message"), WRONG.values(), ids=WRONG)
def test_wrong_calls_are_one_line(capsys, table_file, argv, message):
    code, out, err = call(capsys, "--data", table_file, *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_rows_that_cannot_be_separated_are_rows_of_the_table(capsys, table_file):
    _, _, err = call(capsys, "--data", table_file, "--classes", "0,1", "--samples", "39")
    rows = [int(word) for word in re.search(r"fitted rows \(([\d, ]+)", err)[1].split(",")]
    assert all(row % 3 in (0, 1) for row in rows)  # species 0 and 1
    assert "of the table" in err
    assert "poly2" in err


def test_negative_class_codes(capsys, tmp_path, rng):
    path = tmp_path / "signs.txt"
    y = np.tile([-1, 1], 10)
    path.write_text(
        "\n".join(f"{3 * s + x:.4f} {x:.4f} {s}" for s, x in zip(y, rng.uniform(-1, 1, 20))), encoding="utf-8"
    )
    argv = ("--data", path, "--classes=-1,1", "--only", "DualAcc", "--steps", 100, "--jobs", 1, "--json", "-")
    code, out, _ = call(capsys, *argv)
    assert (code, json.loads(out)["problem"]["classes"]) == (0, [-1.0, 1.0])


def test_words_are_no_class_codes(capsys, table_file):
    with pytest.raises(SystemExit) as left:
        main(["atlas", "--data", str(table_file), "--classes", "a,b"])
    assert left.value.code == 2
    assert "class codes are numbers between commas, got 'a,b'" in capsys.readouterr().err


def test_facts_of_given_data(plane):
    lines = facts(plane)
    assert lines[0] == "2 fitted rows of the classes -1 (1), 1 (1), 2 features, rank 2; separable"
    assert "best margin of any direction: ℓ1 0.3333, ℓ2 0.4472, ℓ∞ 0.5" in lines
