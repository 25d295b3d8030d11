"""Tables: what is wrong with them is said with its place, and what is right is standardised on the fitted rows."""

import sys

import numpy as np
import pytest

import implicitbias as ib


def written(tmp_path, text, name="table.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


# -- loading ---------------------------------------------------------------------------------------

TEXTS = {
    "comma": "a,b,c\n1,2,3\n4,5,6\n",
    "semicolon": "a;b;c\n1;2;3\n4;5;6\n",
    "tab": "a\tb\tc\n1\t2\t3\n4\t5\t6\n",
    "blanks": "a b c\n1 2  3\n4 5 6\n",
    "spaces": " a , b ,c\n 1, 2, 3\n4 ,5 ,6",
    "blank lines": "\na,b,c\n\n1,2,3\n,,\n4,5,6\n\n",
    "mark": "\ufeffa,b,c\n1,2,3\n4,5,6\n",
    "quotes": '"a","b","c"\r\n"1","2","3"\r\n4,5,6\r\n',
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_files(tmp_path, text):
    table = ib.load_table(written(tmp_path, text))
    assert (table.names, table.target, table.source) == (("a", "b"), "c", "table.csv")
    np.testing.assert_array_equal(table.X, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(table.y, [3, 6])


def test_columns_without_names_get_some(tmp_path):
    table = ib.load_table(written(tmp_path, "1,2,3\n4,5,6\n", "t.tsv"))
    assert (table.names, table.target) == (("x1", "x2"), "x3")
    table = ib.load_table(written(tmp_path, ",a,b\n1,2,3\n4,5,6\n"))  # an index without a name
    assert table.names == ("x1", "a")


def test_target_and_dropped_columns(tmp_path):
    path = written(tmp_path, "who,a,b,c\nAnn,1,2,3\nBob,4,5,6\n")
    table = ib.load_table(path, target="a", drop=["who"])
    assert (table.names, table.target) == (("b", "c"), "a")
    np.testing.assert_array_equal(table.y, [1, 4])


BAD = {
    "text": ("a,b\n1,2\n3,red\n", r"line 3 of .*, column 'b', holds 'red', which is no number"),
    "missing": ("a,b\n1,2\n\n,4\n", r"line 4 of .*, column 'a', is missing \(''\)"),
    "NA": ("a,b\n1,NA\n3,4\n", r"line 2 of .*, column 'b', is missing \('NA'\)"),
    "nan": ("1,2\n3,nan\n", r"line 2 of .*, column 'x2', is missing"),
    "infinite": ("a,b\n1,2\n-inf,4\n", r"line 3 of .*, column 'a', is '-inf'; data must be finite"),
    "ragged": ("a,b\n1,2\n1,2,3\n", r"line 3 of .* has 3 cells; the first line has 2"),
    "empty": ("\n\n", r"is empty"),
    "names only": ("a,b\n", r"a line of names and no rows"),
    "words and numbers": ("M,1\nF,2\n", r"the first line of .* holds words \('M'\) and numbers \('1'\)"),
    "one column": ("a\n1\n2\n", r"no column beside the target 'a'"),
    "twice": ("a,a,b\n1,2,3\n3,4,5\n", r"more than one column 'a'"),
    "one row": ("a,b\n1,2\n", r"has 1 row; at least 2"),
}


@pytest.mark.parametrize(("text", "message"), BAD.values(), ids=BAD)
def test_bad_text_is_one_clear_error(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        ib.load_table(written(tmp_path, text))


def test_unknown_columns_files_and_kinds(tmp_path):
    path = written(tmp_path, "a,b\n1,2\n3,4\n")
    with pytest.raises(ValueError, match=r"no column 'price'; it has a, b"):
        ib.load_table(path, target="price")
    with pytest.raises(ValueError, match=r"no column 'c'"):
        ib.load_table(path, drop=["c"])
    with pytest.raises(ValueError, match=r"the target 'b' cannot be dropped"):
        ib.load_table(path, drop=["b"])
    with pytest.raises(ValueError, match=r"'diabtes' is neither a file nor one of the tables .*diabetes"):
        ib.load_table("diabtes")
    with pytest.raises(ValueError, match=r"has the suffix '.parquet'; tables are"):
        ib.load_table(written(tmp_path, "", "t.parquet"))
    (tmp_path / "latin.csv").write_bytes(b"a,\xe9\n1,2\n")
    with pytest.raises(ValueError, match="not a text file in UTF-8"):
        ib.load_table(tmp_path / "latin.csv")


def test_npz(tmp_path, rng):
    X, y = rng.standard_normal((3, 2)), rng.standard_normal(3)
    np.savez(tmp_path / "t.npz", X=X, y=y, names=["a", "b"])
    table = ib.load_table(tmp_path / "t.npz")
    assert (table.names, table.target) == (("a", "b"), "y")
    np.testing.assert_array_equal(table.X, X)
    assert ib.load_table(tmp_path / "t.npz", target="a").names == ("b", "y")


BAD_NPZ = {
    "no y": ({"X": np.ones((2, 2))}, "holds X; it must hold X"),
    "rows": ({"X": np.ones((2, 2)), "y": np.ones(3)}, r"y of .* has shape \(3,\); expected \(2\)"),
    "not finite": ({"X": np.array([[1.0], [np.nan]]), "y": np.ones(2)}, r"X of .*\[1, 0\] is nan"),
    "names": ({"X": np.ones((2, 2)), "y": np.ones(2), "names": ["a"]}, "1 names for 2 columns"),
    "objects": ({"X": np.array([[None]], dtype=object), "y": np.ones(1)}, "plain arrays"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_NPZ.values(), ids=BAD_NPZ)
def test_bad_npz_is_one_clear_error(tmp_path, arrays, message):
    np.savez(tmp_path / "t.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        ib.load_table(tmp_path / "t.npz")


def test_a_file_that_is_no_npz(tmp_path):
    (tmp_path / "t.npz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"cannot be read as an \.npz file"):
        ib.load_table(tmp_path / "t.npz")


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [
        ("diabetes", 442, 10),
        ("digits", 1797, 64),
        ("iris", 150, 4),
        ("wine", 178, 13),
        ("breast_cancer", 569, 30),
    ],
)
def test_tables_of_scikit_learn(name, rows, columns):
    pytest.importorskip("sklearn")
    assert ib.load_table(name).X.shape == (rows, columns)


def test_without_scikit_learn_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'implicitbias\[data\]', or give a file"):
        ib.load_table("diabetes")


# -- tables and splits -----------------------------------------------------------------------------


def table(rng, n=12, d=3):
    return ib.Table(5 + 2 * rng.standard_normal((n, d)), rng.standard_normal(n))


def test_what_a_table_refuses():
    with pytest.raises(ValueError, match=r"y has shape \(3,\)"):
        ib.Table(np.ones((2, 2)), np.ones(3))
    with pytest.raises(ValueError, match="data must be finite"):
        ib.Table([[1.0], [np.inf]], [1.0, 2.0])
    for names in (("a",), ("a", "a"), ("a", "y")):
        with pytest.raises(ValueError, match="2 distinct words beside the target 'y'"):
            ib.Table(np.ones((2, 2)), np.ones(2), names)


def test_fitted_rows_are_standardised_and_the_others_follow(rng):
    data = table(rng)
    split = data.split(samples=7, seed=3)
    problem, held = split.problem, split.held_out
    for column in (*problem.X.T, problem.y):
        np.testing.assert_allclose([np.mean(column), np.mean(column**2)], [0, 1], atol=1e-14)
    assert sorted([*split.fit_rows, *split.test_rows]) == list(range(12))
    fit, rest = data.X[split.fit_rows], data.X[split.test_rows]
    np.testing.assert_allclose(held.X, (rest - fit.mean(0)) / fit.std(0), rtol=1e-13, atol=1e-13)
    # the mean of the fitted targets, in units of their variance
    y, others = data.y[split.fit_rows], data.y[split.test_rows]
    np.testing.assert_allclose(
        held.error(np.zeros(3)), np.mean((others - y.mean()) ** 2) / y.var(), rtol=1e-12
    )


def test_nothing_of_the_held_out_rows_enters(rng):
    data = table(rng)
    split = data.split(samples=7, seed=3, features="poly2")
    X, y = data.X.copy(), data.y.copy()
    X[split.test_rows], y[split.test_rows] = 1e6, -1e6
    other = ib.Table(X, y).split(samples=7, seed=3, features="poly2")
    assert other.problem == split.problem


def test_the_same_seed_draws_the_same_rows_and_another_others(rng):
    data = table(rng)
    rows = [data.split(samples=7, seed=s).fit_rows.tolist() for s in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_monomials(rng):
    split = table(rng).split(samples=12, features="poly3")
    assert len(split.names) == 3 + 6 + 10 == split.problem.w_shape[0]
    assert split.names[:6] == ("x1", "x2", "x3", "x1²", "x1·x2", "x1·x3")
    assert {"x1²·x2", "x1·x2·x3", "x3³"} <= set(split.names)
    z = split.problem.X[:, :3]  # standardised columns: their products are what is standardised again
    product = z[:, 0] * z[:, 1]
    wanted = (product - product.mean()) / product.std()
    np.testing.assert_allclose(split.problem.X[:, 4], wanted, rtol=1e-12, atol=1e-12)


def test_products_agree_with_scikit_learn(rng):
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    split = table(rng).split(samples=12, features="poly2")
    made = preprocessing.PolynomialFeatures(2, include_bias=False).fit_transform(split.problem.X[:, :3])
    np.testing.assert_allclose(split.problem.X, preprocessing.scale(made), rtol=1e-11, atol=1e-11)


def test_constant_columns_are_left_out_and_named(rng):
    X = rng.standard_normal((8, 3))
    X[:, 1] = 0.1  # not a binary fraction
    X[:, 2] = np.repeat([3.0, 5.0], 4)  # standardised ±1: its square is constant
    split = ib.Table(X, rng.standard_normal(8), ("a", "b", "c")).split(samples=8, features="poly2")
    assert split.names == ("a", "c", "a²", "a·c")
    assert split.dropped == ("b", "c²")
    assert split.held_out is None


def test_repeated_columns_are_named(rng):
    X = rng.standard_normal((9, 2))
    X[:, 1] = np.repeat(
        [0.0, 1.0], [3, 6]
    )  # two values, unevenly: its square is a multiple of itself, shifted
    split = ib.Table(X, rng.standard_normal(9), ("a", "b")).split(samples=9, features="poly2")
    assert split.repeated == ("b²",)
    assert (split.describe()["repeated"], split.describe()["fitted"]) == (["b²"], 9)


def test_what_a_split_refuses(rng):
    data = table(rng)
    with pytest.raises(ValueError, match="features must be one of none, poly2, poly3"):
        data.split(features="poly4")
    with pytest.raises(ValueError, match="given has 12 rows; 13 to fit were asked"):
        data.split(samples=13)
    with pytest.raises(ValueError, match="10 to fit and 3 to hold out were asked"):
        data.split(samples=10, test=3)
    with pytest.raises(ValueError, match="samples must be an integer ≥ 2"):
        data.split(samples=1)
    with pytest.raises(ValueError, match="poly3 of 40 columns makes 12340 features, more than 3000"):
        table(rng, d=40).split(features="poly3")
    with pytest.raises(ValueError, match=r"the target 'y' is constant \(2\) on the 4 fitted rows"):
        ib.Table(rng.standard_normal((4, 2)), np.full(4, 2.0)).split(samples=4)
    with pytest.raises(ValueError, match="every column of given is constant"):
        ib.Table(np.ones((4, 2)), rng.standard_normal(4)).split(samples=4)


def test_default_samples(rng):
    data = table(rng, n=40, d=20)
    assert len(data.split().fit_rows) == 10  # half of 20 features
    assert len(data.split(features="poly2").fit_rows) == 32  # four fifths of the rows
    assert (len(data.split(test=5).test_rows), len(data.split(test=0).test_rows)) == (5, 0)


def test_folds_hold_out_each_row_once_in_the_unit_of_the_whole(rng):
    data = table(rng)
    split = data.split(samples=10, seed=1)
    folds = split.folds(4)
    assert [len(h.y) for _, h in folds] == [3, 3, 2, 2]
    start = 0
    for problem, held in folds:
        rows = split.fit_rows[start : start + len(held.y)]
        others = np.setdiff1d(split.fit_rows, rows)
        start += len(held.y)
        y = data.y[others]
        assert problem.n == len(others)
        wanted = np.mean((data.y[rows] - y.mean()) ** 2) / np.var(data.y[split.fit_rows])
        np.testing.assert_allclose(held.error(np.zeros(3)), wanted, rtol=1e-12)
    with pytest.raises(ValueError, match="11 folds of 10 rows"):
        split.folds(11)
    with pytest.raises(ValueError, match="folds must be an integer ≥ 2"):
        split.folds(1)


# -- classes ---------------------------------------------------------------------------------------


@pytest.fixture
def labelled(rng):
    """Thirty rows of the classes 2, 5 and 7 in three columns."""
    return ib.Table(5 + 3 * rng.standard_normal((30, 3)), np.tile([5.0, 2.0, 7.0], 10))


def test_rows_of_some_classes(labelled):
    split = labelled.split(samples=12, classes=(7, 2))
    assert split.classes == (2.0, 7.0)
    assert set(labelled.y[split.fit_rows]) == set(labelled.y[split.test_rows]) == {2.0, 7.0}
    assert (len(split.fit_rows), len(split.test_rows)) == (12, 8)
    assert split.problem.classes == (2.0, 7.0)
    np.testing.assert_array_equal(split.problem.y, np.where(labelled.y[split.fit_rows] == 7, 1, -1))
    assert sum(split.counts.values()) == 12


def test_columns_of_classes_are_standardised_then_divided_by_one_number(labelled):
    split = labelled.split(samples=12, classes=(2, 5, 7))
    X = split.problem.X * split.length
    np.testing.assert_allclose(X.mean(0), [0, 0, 0, 1], atol=1e-14)
    np.testing.assert_allclose(X[:, :3].var(0), 1, rtol=1e-12)
    assert np.linalg.norm(split.problem.X, axis=1).max() == pytest.approx(1, rel=1e-15)
    assert split.names == ("x1", "x2", "x3", "intercept")
    fit, held = labelled.X[split.fit_rows], split.held_out
    np.testing.assert_allclose(
        held.X[:, :3] * split.length, (labelled.X[split.test_rows] - fit.mean(0)) / fit.std(0), rtol=1e-12
    )
    np.testing.assert_array_equal(held.X[:, 3] * split.length, 1.0)
    np.testing.assert_array_equal(np.array(split.classes)[held.y], labelled.y[split.test_rows])


def test_default_number_of_rows_of_classes(labelled):
    assert len(labelled.split(classes=(2, 5)).fit_rows) == 10  # half of twenty
    many = ib.Table(np.arange(4000.0).reshape(2000, 2), np.tile([0.0, 1.0, 2.0, 3.0], 500))
    assert len(many.split(classes=(0, 1)).fit_rows) == 500
    assert len(many.split(classes=(0, 1, 2)).fit_rows) == 250  # 500 margins


def test_what_a_split_of_classes_says(labelled):
    about = labelled.split(samples=12, classes=(2, 5)).describe()
    assert (about["classes"], sum(about["counts"]), about["fitted"]) == ([2.0, 5.0], 12, 12)
    assert len(about["fitted_rows"]) == 12


def test_folds_of_classes_share_the_rows(labelled):
    split = labelled.split(samples=20, classes=(2, 5), test=0)
    folds = split.folds(4)
    assert split.held_out is None
    assert [(problem.n, len(held.y)) for problem, held in folds] == [(15, 5)] * 4
    right = np.array([0.0, 0.0, 0.0, 1.0])  # says always the larger class
    assert sum(5 * held.error(right) for _, held in folds) == np.sum(split.problem.y < 0)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((2, 3), r"no class 3; it has 2, 5, 7$"),
        ((2,), "at least two classes are needed, got 2"),
        ((2, 2.0), "at least two classes are needed, got 2"),
        ((), "at least two classes are needed, got none"),
    ],
)
def test_classes_that_are_refused(labelled, classes, message):
    with pytest.raises(ValueError, match=message):
        labelled.split(classes=classes)


def test_targets_that_are_no_class_codes(rng):
    X = rng.standard_normal((20, 2))
    with pytest.raises(ValueError, match="class codes are integers ≥ 0, or −1 and 1; without classes"):
        ib.Table(X, np.tile([0.5, 1.5], 10)).split(classes=(0.5, 1.5))
    with pytest.raises(ValueError, match=r"has no class 3; .* \(20 in all\); without classes it is fitted"):
        ib.Table(X, np.arange(20.0) + 0.5).split(classes=(3, 8))
    signs = ib.Table(X, np.tile([-1.0, 1.0], 10)).split(classes=(-1, 1))
    assert signs.problem.classes == (-1.0, 1.0)


def test_a_class_without_fitted_rows(rng):
    table = ib.Table(rng.standard_normal((40, 2)), np.append(np.zeros(39), 1.0))
    with pytest.raises(ValueError, match="none of the 2 fitted rows is of class 1: fit more of them"):
        table.split(samples=2, classes=(0, 1))
