"""The atlas: its rows are the known solutions, what goes wrong in a row stays there, and the command says it all."""

import dataclasses
import json
import re

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.atlases.defaults import LINES, Sizes, recipes
from implicitbias.atlases.letters import letter
from implicitbias.atlases.page import facts, figure, html_page, plain_row, rich_table
from implicitbias.atlases.rows import Budget
from implicitbias.atlases.words import describe
from implicitbias.cli import main

NEAREST = [
    "Linear: GradientFlow",
    "Linear: GradientDescent",
    "HeavyBall",
    "Nesterov",
    "Linear: SGD",
    "Kaczmarz",
]


def timeless(text):
    return re.sub(r'"seconds": [\d.e-]+', "", text)


@pytest.fixture(scope="module")
def nearest(regression):
    """Six methods whose updates stay in the row space, from zero, with held-out rows of zeros."""
    held = (np.eye(6), np.zeros(6))
    names = [n for n in recipes() if n.startswith("Linear") and any(word in n for word in NEAREST)]
    settings = {n: r for n, r in recipes().items() if n in names and "decay" not in n and "Avera" not in n}
    return ib.atlas(regression, held, settings)


# -- rows ------------------------------------------------------------------------------------------


def test_methods_in_the_row_space_select_the_least_norm(nearest, regression):
    w = np.linalg.pinv(regression.X) @ regression.y
    assert len(nearest.rows) >= 6
    for row in nearest.rows:
        assert row.status == "converged", row.message
        # the goal leaves a residual of 1e-11‖y‖, and κ(X) = 3
        np.testing.assert_allclose(row.w, w, atol=1e-10 * np.linalg.norm(w))
        np.testing.assert_allclose(row.predicted, w, rtol=1e-10, atol=1e-12)
        assert row.distance < 1e-10
        assert row.certified < 1e-10
        assert row.rule == "Bregman projection of the start"
        assert row.program == "min ½‖w‖₂² subject to Xw = y"
        measures = [np.abs(w).sum(), np.linalg.norm(w), np.abs(w).max(), 6, w @ w / 6]
        np.testing.assert_allclose([row.measures[m.key] for m in nearest.kind.measures], measures, rtol=1e-9)
    assert nearest.groups == [list(range(len(nearest.rows)))]
    assert set(nearest.letters) == {"A"}
    assert nearest.baseline == 0.0
    assert nearest.rank == 4


def test_distances_are_relative_to_the_larger():
    problem = ib.Regression([[1.0, 2.0]], [1.0])
    found = ib.atlas(problem, only=["Linear: GradientFlow", "ℓ1.5", "SteepestDescent ℓ∞"])
    W = np.array([row.w for row in found.rows])
    for i, a in enumerate(W):
        for j, b in enumerate(W):
            wanted = np.linalg.norm(a - b) / max(np.linalg.norm(a), np.linalg.norm(b))
            assert found.distances[i, j] == pytest.approx(wanted, abs=1e-12)
    assert np.all(np.diag(found.distances) == 0)


def test_the_least_norms_of_any_interpolant():
    # one equation a·w = b: |b|/‖a‖_∞, |b|/‖a‖₂ and |b|/‖a‖₁
    found = ib.atlas(ib.Regression([[3.0, -4.0]], [10.0]), only=["Linear: GradientFlow"])
    assert found.least == pytest.approx({"l1": 2.5, "l2": 2.0, "linf": 10 / 7}, rel=1e-9)


def test_inconsistent_data_end_at_the_least_squares_solution(inconsistent):
    found = ib.atlas(inconsistent, only=["Linear: GradientFlow", "Linear: GradientDescent", "HeavyBall"])
    assert found.least == {}
    for row in found.rows:
        assert row.status == "converged", (row.name, row.message)
        if "decay" not in row.name and "Linear" in row.name:
            np.testing.assert_allclose(row.w, [1.0, -2.0, 0.5], atol=1e-9)
            assert row.loss == pytest.approx(1.0, rel=1e-12)
    assert "cannot be solved" in facts(found)[0]


def test_a_row_that_raises_ends_itself_only(regression):
    @dataclasses.dataclass
    class Broken:
        def init(self, theta):
            return ()

        def update(self, oracle, state, theta, k):
            raise ZeroDivisionError("the third step of nothing")

    def unmade(problem):
        raise ValueError("no such start")

    linear = ib.Linear()
    settings = {
        "broken": ib.Setting(regression, linear, Broken()),
        "unmade": unmade,
        "batch": ib.Setting(regression, linear, ib.GradientDescent([0.1, 0.2])),
        "sound": ib.Setting(regression, linear, ib.GradientFlow()),
    }
    for jobs in (1, 2):
        found = ib.atlas(
            regression, None, settings if jobs == 1 else dict(list(settings.items())[:2]), jobs=jobs
        )
        rows = {row.name: row for row in found.rows}
        assert rows["broken"].status in ("error", "failed")
        assert "the third step of nothing" in rows["broken"].message
        assert (rows["unmade"].status, rows["unmade"].message) == ("error", "ValueError: no such start")
        assert not found.ok
        if jobs == 1:
            assert "a row is one run, not a batch" in rows["batch"].message
            assert rows["sound"].converged
            assert np.isnan(found.distances[1, 3])
            assert found.distances[3, 3] == 0
            assert found.letters == ["", "", "", "A"]
        assert "ValueError: no such start" in plain_row(found.kind, rows["unmade"])
        json.loads(found.to_json())


def test_a_prediction_that_raises_keeps_the_run(regression, monkeypatch):
    def fails(*args):
        raise ArithmeticError("not found")

    monkeypatch.setattr("implicitbias.atlases.rows.predict", fails)
    (row,) = ib.atlas(regression, only=["Linear: GradientFlow"]).rows
    assert (row.status, row.note) == ("converged", "no prediction: ArithmeticError: not found")
    assert np.isnan(row.distance)
    assert row.w is not None


def test_where_no_rule_answers_each_says_what_it_misses(regression):
    (row,) = ib.atlas(regression, only=["SteepestDescent ℓ3"]).rows
    assert row.converged
    assert not row.rule
    assert np.isnan(row.certified)
    assert row.missed["Bregman projection of the start"].startswith("every update moves")


def test_a_run_without_steps_left_is_a_row_that_says_so(regression):
    (row,) = ib.atlas(regression, only=["NormalizedGradientDescent"], steps=3).rows
    assert (row.status, row.steps) == ("budget", 3)
    assert "steps = 3 was reached before the goal" in row.message
    # held against what it would select if it converged
    assert row.assumes == ("the run converges",)
    w = np.linalg.pinv(regression.X) @ regression.y
    assert row.distance == pytest.approx(np.linalg.norm(row.w - w) / np.linalg.norm(w), rel=1e-9)
    assert row.certified > 1e-3


@pytest.mark.parametrize(
    "name", ["Linear: GradientFlow", "Linear: GradientDescent", "Linear: NaturalGradient"]
)
def test_a_run_out_of_time_is_a_row_that_says_so(regression, name):
    found = ib.atlas(regression, settings={name: recipes()[name]}, seconds=0)
    (row,) = found.rows
    assert (row.status, row.steps) == ("budget", 0)
    assert row.message == "0 seconds of processor time were over before the goal: raise the budget"
    assert found.groups == []
    assert found.letters == [""]


def test_the_clock_changes_no_number(regression):
    setting = ib.Setting(regression, ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(0.1))
    stop = ib.Stop(loss=1e-20)
    (row,) = ib.atlas(regression, settings={"flow": setting}, stop=stop).rows
    np.testing.assert_array_equal(row.w, ib.simulate(setting, stop).w)


def test_a_diverged_run_has_no_solution(regression):
    (row,) = ib.atlas(
        regression, settings={"far": ib.Setting(regression, ib.Linear(), ib.GradientDescent(10.0))}
    ).rows
    assert (row.status, row.w is None) == ("diverged", True)
    assert all(np.isnan(x) for x in row.measures.values())


def test_cross_validation_is_the_mean_over_the_rows_held_out(rng):
    table = ib.Table(rng.standard_normal((9, 12)), rng.standard_normal(9))
    split = table.split(samples=9)
    found = ib.atlas(split.problem, folds=split.folds(3), only=["Linear: GradientFlow"])
    squares = []
    for k in range(3):
        out = split.fit_rows[3 * k : 3 * k + 3]
        fit = np.setdiff1d(split.fit_rows, out)
        X, y = table.X[fit], table.y[fit]
        w = np.linalg.pinv((X - X.mean(0)) / X.std(0)) @ (y - y.mean())
        squares += list(((table.X[out] - X.mean(0)) / X.std(0) @ w + y.mean() - table.y[out]) ** 2)
    (row,) = found.rows
    assert row.folds_converged == 3
    assert row.cross_validated == pytest.approx(np.mean(squares) / np.var(table.y), rel=1e-8)
    assert "3-fold" in [c.header for c in rich_table(found).columns]


def test_a_fold_that_raises_is_a_note(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.GradientFlow(), np.ones(6))
    narrow = ib.Regression(regression.X[:, :5], regression.y)  # a start of six entries does not fit
    held = ib.HeldOut(np.ones((1, 5)), np.ones(1))
    (row,) = ib.atlas(regression, settings={"one": setting}, folds=[(narrow, held)]).rows
    assert row.converged
    assert np.isnan(row.cross_validated)
    assert "a fold raised ValueError: init has shape" in row.note


# -- what is asked ---------------------------------------------------------------------------------


def test_what_an_atlas_refuses(regression):
    with pytest.raises(
        ValueError, match="an atlas maps a Regression or a Classification, not a MatrixCompletion"
    ):
        ib.atlas(ib.MatrixCompletion(np.ones((2, 2)), np.ones((2, 2), dtype=bool)))
    with pytest.raises(ValueError, match="the held-out rows have 2 columns; the problem has 6"):
        ib.atlas(regression, (np.ones((3, 2)), np.ones(3)))
    with pytest.raises(
        ValueError, match="no setting's name holds 'Adagard'; there are: Linear: GradientFlow;"
    ):
        ib.atlas(regression, only=["Adagard"])
    for wrong in ({"steps": 0}, {"seconds": -1}, {"jobs": 0}, {"seed": -1}):
        (name,) = wrong
        with pytest.raises(ValueError, match=name):
            ib.atlas(regression, only=["Linear: GradientFlow"], **wrong)


def test_numbers_depend_on_the_seed_alone(regression):
    options = {"only": ["Linear: SGD", "Kaczmarz"], "steps": 40}
    one, again = (ib.atlas(regression, **options).to_json() for _ in range(2))
    assert timeless(one) == timeless(again)
    other = ib.atlas(regression, **options, seed=1)
    alone = ib.atlas(regression, **(options | {"only": ["Kaczmarz"]}))
    rows = json.loads(one)["rows"]
    assert rows[0]["w"] != other.rows[0].w.tolist()
    assert rows[1]["w"] == alone.rows[0].w.tolist()


@pytest.mark.slow
def test_numbers_do_not_depend_on_the_processes(regression):
    options = {"only": ["Linear: SGD", "SteepestDescent ℓ3", "GradientFlow 1e-2"]}
    one, two = (ib.atlas(regression, jobs=jobs, **options).to_json() for jobs in (1, 2))
    assert timeless(one) == timeless(two)


def test_rows_are_told_in_order(regression):
    told = []
    found = ib.atlas(regression, only=["GradientFlow 1"], progress=lambda row: told.append(row.name))
    assert told == [row.name for row in found.rows] == [n for n in LINES if "GradientFlow 1" in n]


# -- the default settings --------------------------------------------------------------------------


def test_default_settings_can_all_be_made(regression):
    assert list(ib.default_settings(regression)) == list(LINES)


def test_steps_are_stable_in_every_norm(regression):
    """sᵀHs ≤ smooth_in(p)·‖s‖_p² for random s, and 1/smooth of the whole and of every row."""
    s, rng = Sizes(regression), np.random.default_rng(0)
    H = regression.X.T @ regression.X / 4
    for p in (1.0, 1.5, 3.0, np.inf):
        for v in rng.standard_normal((200, 6)):
            assert v @ H @ v <= s.smooth_in(p) * np.linalg.norm(v, p) ** 2 * (1 + 1e-12)
    assert s.smooth == pytest.approx(2.25)  # the fixture's largest singular value of X/√n is 1.5
    assert s.row == pytest.approx(max(x @ x for x in regression.X))
    P = np.diag(s.marginal)
    assert 1 / s.marginal_step == pytest.approx(np.abs(np.linalg.eigvals(P @ H)).max())


@pytest.mark.slow
def test_every_default_setting_ends_where_theory_says(regression):
    """No error, no divergence; and what converges lies where a rule says."""
    found = ib.atlas(regression, steps=20_000, seconds=20)
    assert found.ok, [row.message for row in found.rows if row.status == "error"]
    assert {row.status for row in found.rows} <= {"converged", "budget", "floor"}
    converged = [row for row in found.rows if row.converged]
    assert len(converged) > 25
    for row in converged:
        assert not row.rule or row.distance < 1e-8, (row.name, row.distance)
        assert not row.note, row.note


def test_zero_targets_are_a_solution_at_the_start():
    found = ib.atlas(ib.Regression(np.eye(2), [0.0, 0.0]), only=["Linear: Gradient", "Linear: SignDescent"])
    assert found.ok
    assert all(row.converged and not row.w.any() for row in found.rows)
    assert not found.distances.any()


# -- reports ---------------------------------------------------------------------------------------


def test_json_has_everything(nearest):
    data = json.loads(nearest.to_json())
    assert list(data) == [
        "version", "seed", "data", "problem", "budget", "folds", "least", "baseline", "rows", "groups", "distances",
    ]  # fmt: skip
    assert data["problem"] == {"samples": 4, "features": 6, "rank": 4, "consistent": True}
    row = data["rows"][0]
    assert list(row["measures"]) == [m.key for m in nearest.kind.measures]
    assert set(row["prediction"]) == {"rule", "source", "program", "assumes", "distance", "certificate", "w"}
    assert set(row["prediction"]["certificate"]) == {"feasibility", "stationarity", "gap"}
    assert row["cross_validated"] == "nan"
    assert np.shape(data["distances"]) == (len(data["rows"]),) * 2


def test_the_page_stands_alone_and_holds_every_row(regression):
    def unmade(problem):
        raise ValueError("5 < 6 & so on")

    settings = {"<b>odd</b>": unmade, **{n: recipes()[n] for n in ("Linear: GradientFlow", "Linear: SAM")}}
    page = html_page(ib.atlas(regression, settings=settings, about={"source": "a<b", "target": "y"}))
    assert "&lt;b&gt;odd&lt;/b&gt;" in page
    assert "<b>odd" not in page
    assert "5 &lt; 6 &amp; so on" in page
    assert "a&lt;b" in page
    assert page.count("<svg") == 2
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert page.count("<details") == 3
    ids = set(re.findall(r'id="([^"]*)"', page))
    assert {f"row-{i}" for i in (1, 2, 3)} <= ids


def test_a_page_of_nothing_but_errors(regression):
    def unmade(problem):
        raise ValueError("no")

    assert (
        "<svg"
        not in html_page(ib.atlas(regression, settings={"one": unmade, "two": unmade})).split("least")[0]
    )


def test_facts_name_what_was_left_out(rng):
    X = rng.standard_normal((8, 12))
    X[:, 3], X[:, 5] = 7.0, -2 * X[:, 4]
    split = ib.Table(X, rng.standard_normal(8)).split(samples=6)
    found = ib.atlas(split.problem, split.held_out, only=["Linear: GradientFlow"], about=split.describe())
    lines = facts(found)
    assert lines[0] == "given, target y: 6 fitted rows, 11 features, rank 5; Xw = y can be solved"
    assert lines[1:3] == [
        "columns left out, constant on the fitted rows: x4",
        "columns equal to an earlier column or its negative: x6",
    ]
    assert lines[-1].startswith("1 of 1 settings converged, to 1 different solutions")


def test_figures_are_drawn(nearest, tmp_path):
    figure(nearest).savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 1000
    import matplotlib.pyplot as plt

    fig, ax = plt.subplots()
    cells, _ = nearest.plot(ax)
    np.testing.assert_allclose(
        cells.get_array().reshape(nearest.distances.shape), nearest.distances, atol=1e-12
    )
    plt.close(fig)


def test_letters():
    assert [letter(k) for k in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


def test_objects_in_words():
    assert describe(ib.HeavyBall(1 / 3, 0.9)) == "HeavyBall(step=0.3333, momentum=0.9)"
    assert (
        describe(ib.GradientDescent(0.1, weight_decay=0.5)) == "GradientDescent(step=0.1, weight_decay=0.5)"
    )
    assert describe(ib.PreconditionedFlow([1.0, 4.0])) == "PreconditionedFlow(P=1 … 4 (2,))"
    assert (
        describe(ib.GradientDescent(ib.Decay(1.0, 0.5))) == "GradientDescent(step=Decay(step=1, power=0.5))"
    )


class Mine:
    """θ ← θ − 0.1 ∇L: no fused loop knows it."""

    def init(self, theta):
        return ()

    def update(self, oracle, state, theta, k):
        return theta - 0.1 * oracle(theta), state


def test_budgets_follow_what_a_step_costs(regression):
    def setting(optimizer):
        return ib.Setting(regression, ib.Linear(), optimizer)

    limits = [
        Budget().steps_for(setting(o), ib.Stop(loss=1e-9))
        for o in (ib.GradientDescent(0.1), ib.SGD(0.1), Mine())
    ]
    assert limits == [1_000_000, 10_000_000, 200_000]
    assert Budget(7).steps_for(setting(ib.SGD(0.1)), ib.Stop()) == 7


# -- the command -----------------------------------------------------------------------------------


@pytest.fixture
def table_file(tmp_path, rng):
    path = tmp_path / "mine.csv"
    X, noise = rng.standard_normal((12, 10)), rng.standard_normal(12)
    rows = [",".join(f"{v:.6f}" for v in (*x, x[0] + 0.1 * e)) for x, e in zip(X, noise)]
    path.write_text("\n".join([",".join([*"abcdefghij", "price"]), *rows]) + "\n", encoding="utf-8")
    return path


def call(capsys, *argv):
    code = main(["atlas", *map(str, argv)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_command_end_to_end(capsys, table_file, tmp_path):
    files = [tmp_path / name for name in ("a.json", "a.html", "a.png")]
    code, out, err = call(
        capsys, "--data", table_file, "--samples", 5, "--only", "Linear: GradientFlow", "--only", "1e-1", "--jobs", 1,
        "--json", files[0], "--html", files[1], "--figure", files[2],
    )  # fmt: skip
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split()[:3] == ["setting", "status", "loss"]
    assert lines[1].startswith("Linear: GradientFlow")
    assert "½‖w‖₂²" in lines[1]
    data = json.loads(files[0].read_text(encoding="utf-8"))
    assert data["data"]["source"] == "mine.csv"
    assert data["data"]["target"] == "price"
    assert (data["data"]["fitted"], data["data"]["held_out"]) == (5, 7)
    assert f"{len(data['rows'])} settings converged" in out
    assert all(f"wrote {path}" in out.replace("\n", "") for path in files)
    assert "<svg" in files[1].read_text(encoding="utf-8")


def test_json_to_standard_output_is_json_alone(capsys, table_file):
    code, out, err = call(
        capsys,
        "--data",
        table_file,
        "--samples",
        5,
        "--only",
        "Linear: GradientFlow",
        "--json",
        "-",
        "--jobs",
        1,
    )
    assert code == 0
    assert json.loads(out)["rows"][0]["status"] == "converged"
    assert "Linear: GradientFlow" in err


def test_folds_of_the_command(capsys, table_file):
    argv = ("--data", table_file, "--samples", 6, "--only", "Linear: GradientFlow", "--jobs", 1)
    code, out, _ = call(capsys, *argv, "--folds", 3, "--json", "-")
    assert (code, json.loads(out)["rows"][0]["folds_converged"]) == (0, 3)
    code, _, err = call(capsys, *argv, "--folds", 7)
    assert (code, err) == (2, "implicitbias: 7 folds of 6 rows were asked: at most one a row is possible\n")


WRONG = {
    "no table": (("--data", "nothing.csv"), "is neither a file nor one of the tables"),
    "no column": (("--target", "cost"), "has no column 'cost'"),
    "no folder": (("--html", "/nowhere/a.html"), "the folder of /nowhere/a.html does not exist"),
    "too many rows": (("--samples", "99"), "has 12 rows; 99 to fit were asked"),
    "no such setting": (("--only", "Sinkhorn"), "no setting's name holds 'Sinkhorn'"),
    "a seed below zero": (("--seed", "-1"), "non-negative"),
}


@pytest.mark.parametrize(("argv", "message"), WRONG.values(), ids=WRONG)
def test_wrong_calls_are_one_line(capsys, table_file, argv, message):
    given = () if "--data" in argv else ("--data", table_file)
    code, out, err = call(capsys, *given, *argv)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_error_in_a_row_is_exit_code_one(capsys, table_file, monkeypatch):
    def unmade(sizes):
        raise ValueError("no step")

    line = LINES["Linear: GradientFlow"]._replace(optimizer=unmade)
    monkeypatch.setitem(LINES, "Linear: GradientFlow", line)
    code, out, _ = call(capsys, "--data", table_file, "--only", "Linear: GradientFlow", "--jobs", 1)
    assert code == 1
    assert "ValueError: no step" in out


def test_help_says_what_a_row_is(capsys):
    with pytest.raises(SystemExit) as left:
        main(["atlas", "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for word in ("certificate", "held-out", "--target", "--folds", "--budget", "left out", "support"):
        assert word in text
