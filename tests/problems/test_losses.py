"""Every problem: its gradient against differences, batches, samples, least loss, and its door."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import implicitbias as ib


def labels(rng, n):
    return np.where(np.arange(n) % 2 == 0, 1.0, -1.0) * (1 if rng.random() < 0.5 else -1)


def completion(rng, n, d):
    mask = rng.random((n, d)) < 0.6
    mask[rng.integers(n), rng.integers(d)] = True
    return ib.MatrixCompletion(np.where(mask, rng.standard_normal((n, d)), np.nan), mask)


PROBLEMS = {
    "regression": lambda rng, n, d: ib.Regression(rng.standard_normal((n, d)), rng.standard_normal(n)),
    "exp": lambda rng, n, d: ib.Classification(rng.standard_normal((n + 1, d)), labels(rng, n + 1)),
    "logistic": lambda rng, n, d: ib.Classification(
        rng.standard_normal((n + 1, d)), labels(rng, n + 1), "logistic"
    ),
    "matrix": lambda rng, n, d: ib.MatrixRegression(rng.standard_normal((n, d)), rng.standard_normal((n, 2))),
    "whitened": lambda rng, n, d: ib.MatrixRegression.whitened(rng.standard_normal((n, d))),
    "completion": completion,
    "sensing": lambda rng, n, d: ib.MatrixSensing(rng.standard_normal((n, d, 2)), rng.standard_normal(n)),
}
sizes = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
every = pytest.mark.parametrize("kind", PROBLEMS)


def drawn(kind, seed, n, d):
    rng = np.random.default_rng(seed)
    problem = PROBLEMS[kind](rng, n, d)
    return problem, rng.standard_normal(problem.w_shape), rng


@every
@given(seed=seeds, n=sizes, d=sizes)
def test_gradient_is_the_derivative(kind, seed, n, d, central, complex_step):
    problem, w, _ = drawn(kind, seed, n, d)
    g = problem.gradient(w)
    size = max(1.0, np.abs(g).max(), problem.loss(w))
    # central differences: eps·L/h + h²L''' ≈ 1e-10 with third derivatives below 1e3
    np.testing.assert_allclose(g, central(problem.loss, w), atol=1e-7 * size)
    # a complex step of 1e-30 has no truncation error: rounding of sums of fewer than 40 terms
    slope = complex_step(problem.loss, w).reshape(problem.w_shape)
    np.testing.assert_allclose(g, slope, atol=1e-13 * size)


@every
@given(seed=seeds, n=sizes, d=sizes)
def test_log_gradient_is_the_derivative_of_log_loss(kind, seed, n, d, complex_step):
    problem, w, _ = drawn(kind, seed, n, d)
    g = problem.log_gradient(w)
    slope = complex_step(problem.log_loss, w).reshape(problem.w_shape)
    np.testing.assert_allclose(g, slope, atol=1e-12 * max(1.0, np.abs(g).max()))
    np.testing.assert_allclose(np.exp(problem.log_loss(w)), problem.loss(w), rtol=1e-13)
    np.testing.assert_allclose(g * problem.loss(w), problem.gradient(w), rtol=1e-12, atol=1e-13)


@every
@given(seed=seeds, n=sizes, d=sizes)
def test_gradient_jacobian_by_complex_step(kind, seed, n, d, complex_step):
    """∇L is analytic with batch axes, and its Jacobian, the Hessian, is symmetric."""
    problem, w, rng = drawn(kind, seed, n, d)
    H = complex_step(problem.gradient, w).reshape(w.size, w.size)
    size = max(1.0, np.abs(H).max())
    np.testing.assert_allclose(H, H.T, atol=1e-13 * size)
    v, h = rng.standard_normal(w.shape), 1e-5
    slope = (problem.gradient(w + h * v) - problem.gradient(w - h * v)) / (2 * h)
    np.testing.assert_allclose(H @ v.ravel(), slope.ravel(), atol=1e-7 * size * np.abs(v).sum() ** 3)


@every
def test_batch_axes(kind, rng):
    problem, _, _ = drawn(kind, 0, 3, 4)
    stack = rng.standard_normal((2, 5, *problem.w_shape))
    for name in ("loss", "gradient", "log_loss", "log_gradient"):
        f = getattr(problem, name)
        one_by_one = np.array([[f(w) for w in row] for row in stack])
        # matrix products of another shape may sum in another order
        np.testing.assert_allclose(f(stack), one_by_one, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", [k for k in PROBLEMS if k != "whitened"])
def test_sample_gradients_average_to_the_gradient(kind):
    problem, w, _ = drawn(kind, 1, 4, 3)
    rows = [problem.sample_gradient(w, np.array([i])) for i in range(problem.n)]
    np.testing.assert_allclose(np.mean(rows, axis=0), problem.gradient(w), rtol=1e-12, atol=1e-13)
    drawn_rows = np.array([0, 1, 1])  # repetitions count twice
    wanted = (rows[0] + 2 * rows[1]) / 3
    np.testing.assert_allclose(problem.sample_gradient(w, drawn_rows), wanted, rtol=1e-12, atol=1e-13)


def test_only_problems_of_samples_can_be_sampled():
    assert {k for k in PROBLEMS if not drawn(k, 0, 3, 3)[0].has_samples} == {"whitened"}


# -- classification: everything through logarithms --------------------------------------------------


def signed_identity(m, loss):
    """A problem and a w whose margins are exactly ``m``."""
    y = np.where(np.arange(len(m)) % 2 == 0, 1.0, -1.0)
    return ib.Classification(np.eye(len(m)), y, loss), y * m


@pytest.mark.parametrize("loss", ["exp", "logistic"])
def test_margins_of_ten_thousand_vanish_without_underflow(loss):
    m = 1e4 + np.array([0.0, 1.0, 2.0])
    problem, w = signed_identity(m, loss)
    # both losses are e^{−m} there (the logistic one to a relative e^{−10000})
    parts = np.exp(-np.array([0.0, 1.0, 2.0]))
    log_loss = -1e4 + np.log(parts.sum() / 3)
    np.testing.assert_allclose(problem.log_loss(w), log_loss, rtol=1e-15)
    np.testing.assert_allclose(problem.log_gradient(w), -parts / parts.sum() * problem.y, rtol=1e-11)
    assert problem.loss(w) == 0.0
    assert not problem.gradient(w).any()


@pytest.mark.parametrize("loss", ["exp", "logistic"])
def test_margins_of_minus_ten_thousand_do_not_overflow(loss):
    m = -1e4 - np.array([0.0, 1.0, 2.0])
    problem, w = signed_identity(m, loss)
    if loss == "exp":
        parts = np.exp(np.array([0.0, 1.0, 2.0]))
        log_loss, weights = 1e4 + np.log(parts.sum() / 3), parts / parts.sum()
    else:  # ℓ(m) = −m there, with slope −1
        log_loss, weights = np.log(np.mean(-m)), np.ones(3) / np.sum(-m)
    np.testing.assert_allclose(problem.log_loss(w), log_loss, rtol=1e-14)
    np.testing.assert_allclose(problem.log_gradient(w), -weights * problem.y, rtol=1e-11)


@example(m=[35.9, 36.0, 36.1, 37.0, 40.0])  # where one formula hands over to the other
@example(m=[38.0, 41.0])
@given(m=st.lists(st.floats(-700, 700), min_size=2, max_size=5))
def test_logistic_loss_in_every_range(m):
    """Against ln(1 + e^{−m}) from log1p, which is accurate on either side of zero."""
    m = np.array(m)
    problem, w = signed_identity(m, "logistic")
    direct = np.mean(np.maximum(-m, 0.0) + np.log1p(np.exp(-np.abs(m))))
    np.testing.assert_allclose(problem.log_loss(w), np.log(direct), rtol=1e-13, atol=1e-12)
    slopes = -np.exp(-np.maximum(m, 0.0)) / (1.0 + np.exp(-np.abs(m)))  # −1/(1 + e^m)
    np.testing.assert_allclose(problem.gradient(w), problem.y * slopes / len(m), rtol=1e-12)


def test_margins_and_labels():
    X = [[1.0, 2.0], [3.0, -1.0]]
    a, b = ib.Classification(X, [1, -1]), ib.Classification(X, [1, 0])
    assert a == b
    assert a.margins(np.array([2.0, 1.0])).tolist() == [4.0, -5.0]
    assert ib.Classification(X, [True, False]) == a


# -- least losses -----------------------------------------------------------------------------------


def test_least_loss_of_inconsistent_data(inconsistent):
    # the residual of norm 4 over n = 8 samples: 16/(2·8) = 1; rounding of a least-squares solve
    assert inconsistent.least_loss == pytest.approx(1.0, rel=1e-13)
    assert not inconsistent.consistent
    np.testing.assert_allclose(inconsistent.least_squares, [1.0, -2.0, 0.5], rtol=1e-12)


def test_least_loss_of_consistent_data(regression):
    assert regression.least_loss == 0.0
    assert regression.consistent
    # rank 1, consistent: still zero
    assert ib.Regression([[1.0, 2.0], [2.0, 4.0]], [3.0, 6.0]).least_loss == 0.0
    # rank 1, inconsistent: residual of (3, 5) against (1, 2)·w is (1, −½)·… = 1/5 over 2n = 4
    assert ib.Regression([[1.0], [2.0]], [3.0, 5.0]).least_loss == pytest.approx(0.05, rel=1e-13)


def test_least_loss_of_matrix_problems():
    X, Y = np.array([[1.0], [2.0]]), np.array([[3.0, 1.0], [5.0, 2.0]])
    problem = ib.MatrixRegression(X, Y)  # the second column is consistent
    assert problem.least_loss == pytest.approx(0.05, rel=1e-13)
    assert ib.MatrixRegression.whitened([[1.0, 2.0]]).least_loss == 0.0


@pytest.mark.parametrize("kind", ["regression", "matrix", "completion"])
def test_rounding_level_of_the_loss(kind):
    """is_least accepts a minimiser moved by rounding and refuses one moved by 1e-9."""
    problem, w, rng = drawn(kind, 5, 3, 6)
    if kind == "regression":
        w = problem.least_squares
    elif kind == "matrix":
        w = np.linalg.lstsq(problem.X, problem.Y, rcond=None)[0].T
    else:
        w = problem.values
    eps = np.finfo(float).eps
    near = w * (1 + 2 * eps * rng.choice([-1.0, 1.0], w.shape))
    assert problem.is_least(near)
    far = w + 1e-9
    assert not problem.is_least(far)


def test_whitened_is_half_a_squared_distance(rng):
    T, W = rng.standard_normal((2, 3)), rng.standard_normal((2, 3))
    problem = ib.MatrixRegression.whitened(T)
    assert problem.loss(W) == pytest.approx(0.5 * np.sum((W - T) ** 2), rel=1e-14)
    np.testing.assert_allclose(problem.gradient(W), W - T, rtol=1e-14)
    assert problem.is_whitened
    np.testing.assert_array_equal(problem.target, T)
    assert not ib.MatrixRegression(2 * np.eye(3), T.T).is_whitened


def test_completion_ignores_what_is_not_observed():
    mask = [[1, 0], [0, 1]]
    a = ib.MatrixCompletion([[1.0, np.nan], [np.inf, 2.0]], mask)
    b = ib.MatrixCompletion([[1.0, 7.0], [8.0, 2.0]], mask)
    assert a == b
    assert a.loss(np.array([[0.0, 5.0], [5.0, 0.0]])) == 2.5
    assert a.n == 2


# -- the door ---------------------------------------------------------------------------------------

X, Y2 = np.ones((2, 3)), np.ones((2, 2))
BAD = {
    "X one-dimensional": (lambda: ib.Regression([1.0, 2.0], [1.0]), r"X has shape \(2,\); expected"),
    "y too long": (lambda: ib.Regression(X, np.ones(3)), r"y has shape \(3,\); expected \(2\)"),
    "y a column": (lambda: ib.Regression(X, np.ones((2, 1))), r"y has shape \(2, 1\)"),
    "NaN in X": (lambda: ib.Regression([[1.0, np.nan]], [1.0]), r"X\[0, 1\] is nan"),
    "inf in y": (lambda: ib.Regression(X, [1.0, np.inf]), r"y\[1\] is inf"),
    "n = 0": (lambda: ib.Regression(np.empty((0, 3)), np.empty(0)), "X is empty"),
    "d = 0": (lambda: ib.Regression(np.empty((2, 0)), np.ones(2)), "X is empty"),
    "words": (lambda: ib.Regression([["a", "b"]], [1.0]), "X must be an array of real numbers"),
    "ragged": (lambda: ib.Regression([[1.0, 2.0], [3.0]], [1.0, 1.0]), "X must be an array of real"),
    "None": (lambda: ib.Regression(None, [1.0]), "X must be an array of real numbers, got None"),
    "complex": (
        lambda: ib.Regression(np.array([[1.0 + 1.0j]]), [1.0]),
        "X must be an array of real numbers",
    ),
    "labels -1, 0, 1": (lambda: ib.Classification(np.ones((3, 1)), [-1, 0, 1]), "-1, 0, 1"),
    "labels 1, 2.5": (lambda: ib.Classification(X, [1, 2.5]), "class codes"),
    "one label": (lambda: ib.Classification(X, [1, 1]), "class codes"),
    "NaN label": (lambda: ib.Classification(X, [1, np.nan]), r"y\[1\] is nan"),
    "labels too few": (lambda: ib.Classification(X, [1]), r"y has shape \(1,\)"),
    "an unknown loss": (
        lambda: ib.Classification(X, [1, -1], "hinge"),
        "'exp', 'logistic' or PolynomialTail\\(a\\), got 'hinge'",
    ),
    "Y one-dimensional": (lambda: ib.MatrixRegression(X, np.ones(2)), r"Y has shape \(2,\)"),
    "rows differ": (lambda: ib.MatrixRegression(X, np.ones((3, 2))), r"Y has shape \(3, 2\)"),
    "T one-dimensional": (lambda: ib.MatrixRegression.whitened(np.ones(2)), "T has shape"),
    "mask of another shape": (
        lambda: ib.MatrixCompletion(Y2, np.ones((2, 3))),
        r"mask has shape \(2, 3\); expected that of values, \(2, 2\)",
    ),
    "empty mask": (lambda: ib.MatrixCompletion(Y2, np.zeros((2, 2))), "no observed entry"),
    "mask of 2s": (lambda: ib.MatrixCompletion(Y2, 2 * np.ones((2, 2))), "mask must hold booleans"),
    "NaN observed": (
        lambda: ib.MatrixCompletion([[np.nan, 1.0]], [[1, 1]]),
        r"values\[0, 0\] is nan",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_are_refused(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "change",
    [np.asfortranarray, lambda a: a.astype(np.int32), lambda a: a.tolist(), lambda a: a[::1][:]],
    ids=["fortran", "integers", "lists", "views"],
)
def test_any_real_type_and_order_is_the_same_problem(change):
    X = np.array([[1.0, 2.0, 0.0], [3.0, -1.0, 4.0]])
    y, w = np.array([1.0, -1.0]), np.array([0.5, 0.25, -1.0])
    for make in (ib.Regression, ib.Classification):
        problem, other = make(X, y), make(change(X), change(y))
        assert other == problem
        assert other.X.flags.c_contiguous
        assert other.X.dtype == np.float64
        assert problem.loss(w) == other.loss(w)
        assert problem.gradient(w).tolist() == other.gradient(w).tolist()
    assert ib.MatrixRegression(change(X), change(X)) == ib.MatrixRegression(X, X)


def test_data_are_copied_and_cannot_be_written_to():
    X, y = np.ones((2, 2)), np.array([1.0, -1.0])
    problem = ib.Classification(X, y)
    X[0, 0] = 5.0
    assert problem.X[0, 0] == 1.0
    for array in (problem.X, problem.y, problem.Z):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0.0
