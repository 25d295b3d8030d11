"""identify: what it finds on solutions whose regulariser is known, and what it says of those that have none."""

import numpy as np
import pytest
from scipy.optimize import linprog

import implicitbias as ib
from implicitbias.geometry import bregman_projection


def problems(count, seed, n=10, d=30, positive=False):
    """Gaussian X, and targets of sparse w whose sizes cover a decade and a half."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        w = np.where(rng.random(d) < 0.2, rng.standard_normal(d), 0.0)
        w[rng.integers(d)] += 1.0
        w = np.abs(w) + 0.1 if positive else w
        X = rng.standard_normal((n, d))
        yield X, X @ (np.exp(rng.uniform(np.log(0.1), np.log(3.0))) * w)


def selected(potential, count=12, seed=0, start=0.0, positive=False):
    """Pairs (X, w), w the exact Bregman projection of the start."""
    z0 = np.zeros(30) if np.all(start == 0) else potential.gradient(np.full(30, start))
    return [
        (X, bregman_projection(potential, z0, X, y).w) for X, y in problems(count, seed, positive=positive)
    ]


NAMED = [
    (ib.Euclidean(), 0.0, "Euclidean", {}),
    (ib.PNorm(1.1), 0.0, "PNorm", {"p": 1.1}),
    (ib.PNorm(1.5), 0.0, "PNorm", {"p": 1.5}),
    (ib.PNorm(3.0), 0.0, "PNorm", {"p": 3.0}),
    (ib.Hypentropy(np.log(0.02)), 0.0, "Hypentropy", {"log_c": np.log(0.02)}),
    (ib.Hypentropy(0.0), 0.0, "Hypentropy", {"log_c": 0.0}),
    (ib.Hypentropy(np.log(0.1), depth=3), 0.0, "Hypentropy", {"log_c": np.log(0.1), "depth": 3}),
    (ib.Hypentropy(np.log(0.01), depth=5), 0.0, "Hypentropy", {"log_c": np.log(0.01), "depth": 5}),
    (ib.Entropy(), 0.1, "Entropy", {}),
    (ib.Power(2.5), 0.1, "Power", {"a": 2.5}),
    (ib.Power(4.0), 0.1, "Power", {"a": 4.0}),
]


@pytest.mark.parametrize(("potential", "start", "name", "parameters"), NAMED, ids=str)
def test_named_potentials_are_recognised_from_twelve_problems(potential, start, name, parameters):
    bias = ib.identify(selected(potential, start=start, positive=start > 0), start=start)
    assert (bias.verdict, bias.family.name) == ("separable", name), bias.message
    assert set(bias.family.parameters) == set(parameters)
    for key, value in parameters.items():
        assert abs(bias.family.parameters[key] - value) < 1e-9
        if key in bias.family.intervals:
            low, high = bias.family.intervals[key]
            assert low <= value <= high
    assert bias.residual < 1e-13
    assert bias.runner_up > 0.05


def disagreement(bias, slopes):
    """max |φ̂′ − φ′|/max |φ′| over the range, after scaling."""
    sizes = np.geomspace(*bias.range, 300)
    got, true = bias.potential(sizes), slopes(sizes)
    scale = (got @ true) / (got @ got)
    return np.max(np.abs(scale * got - true)) / np.max(np.abs(true))


@pytest.mark.parametrize(
    ("potential", "bound"),
    [(ib.Hypentropy(-3.0), 1e-3), (ib.PNorm(1.5), 5e-3), (ib.PNorm(3.0), 1e-3), (ib.Euclidean(), 1e-3),
     (ib.Potential.from_value(lambda w: np.log(np.cosh(w))), 1e-3), (ib.Potential.from_value(np.cosh), 1e-3)],
    ids=["hypentropy", "1.5", "3", "euclidean", "log cosh", "cosh"],
)  # fmt: skip
def test_the_mirror_map_over_the_range(potential, bound):
    bias = ib.identify(selected(potential, count=40))
    assert bias.verdict == "separable"
    assert bias.range[1] / bias.range[0] > 30
    assert disagreement(bias, potential.gradient) < bound
    np.testing.assert_array_equal(bias.potential(-bias.band[0]), -bias.potential(bias.band[0]))


def test_a_potential_without_a_name_has_no_family():
    bias = ib.identify(selected(ib.Potential.from_value(lambda w: np.log(np.cosh(w)))))
    assert (bias.verdict, bias.family) == ("separable", None)
    assert "with" not in bias.message.split("leaves")[0]


def test_the_circle_closes():
    """A potential made from the identified φ′ selects the same solutions."""
    true = ib.Hypentropy(-2.0)
    bias = ib.identify(selected(true, count=40))
    read = ib.Potential.from_gradient(bias.potential)
    for X, y in problems(3, seed=9):
        a, b = (bregman_projection(psi, np.zeros(30), X, y).w for psi in (true, read))
        assert np.linalg.norm(a - b) < 1e-3 * np.linalg.norm(a)


METHODS = {
    "sign": ib.SignDescent(ib.Decay(0.1, 0.75)),
    "adam": ib.Adam(ib.Decay(0.1, 0.75)),
    "adagrad": ib.AdaGrad(0.1),
    "rmsprop": ib.RMSProp(ib.Decay(0.05, 0.75)),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("count", [12, 40])
def test_methods_without_a_potential_are_refuted(name, count):
    bias = ib.identify(METHODS[name], problems=count, rng=1, stop=ib.Stop(loss=1e-20, steps=5000))
    assert bias.verdict == "none", bias.message
    assert (bias.potential, bias.range, bias.family) == (None, None, None)
    assert bias.residual > 0.3
    assert "separable leaves" in bias.message


@pytest.mark.slow
@pytest.mark.parametrize("name", METHODS)
def test_no_false_alarm_in_fifty_draws(name):
    for seed in range(50):
        bias = ib.identify(METHODS[name], problems=12, rng=seed, stop=ib.Stop(loss=1e-20, steps=5000))
        assert bias.verdict == "none", (seed, bias.message)


@pytest.mark.slow
@pytest.mark.parametrize(("potential", "start", "name", "parameters"), NAMED, ids=str)
def test_no_false_none_in_ten_draws(potential, start, name, parameters):
    for seed in range(1, 11):
        bias = ib.identify(selected(potential, seed=seed, start=start, positive=start > 0), start=start)
        assert (bias.verdict, bias.family.name) == ("separable", name), (seed, bias.message)


def test_a_diagonal_network_is_its_hypentropy():
    bias = ib.identify(ib.GradientFlow(), ib.Diagonal(2), ib.Balanced(0.1), problems=12)
    assert bias.family.name == "Hypentropy"
    assert abs(bias.family.parameters["log_c"] - np.log(2 * 0.1**2)) < 1e-4


def test_a_preconditioner_is_recovered():
    rng = np.random.default_rng(5)
    B = rng.standard_normal((12, 12))
    P = B @ B.T / 12 + 0.2 * np.eye(12)
    bias = ib.identify(ib.PreconditionedGradientDescent(P, 0.2), samples=4, dimension=12, problems=25)
    assert (bias.verdict, bias.family.name) == ("quadratic", "Mahalanobis")
    M = np.linalg.inv(P)
    assert (
        np.max(np.abs(bias.family.parameters["M"] / np.trace(bias.family.parameters["M"]) - M / np.trace(M)))
        < 1e-12
    )


def test_a_quadratic_needs_enough_problems():
    bias = ib.identify(ib.GradientDescent(1.0), problems=12)
    assert "quadratic is undetermined" in bias.message
    quadratic = bias.candidates[-1]
    assert "problems" in quadratic.missing
    assert not quadratic.explains


def spectral_mirror(A, b, potential, step=0.5, steps=4000):
    X = A.reshape(len(A), -1)
    Z = np.zeros(A.shape[1:])
    for _ in range(steps):
        U, s, Vt = np.linalg.svd(Z, full_matrices=False)
        W = (U * potential.inverse_gradient(s)) @ Vt
        gap = X @ W.ravel() - b
        if np.linalg.norm(gap) < 1e-13 * np.linalg.norm(b):
            break
        Z = Z - step * (X.T @ gap).reshape(Z.shape) / np.linalg.norm(X, 2) ** 2
    return W


def test_a_function_of_singular_values():
    psi = ib.Hypentropy(-2.0)
    bias = ib.identify(
        lambda A, b: spectral_mirror(A, b, psi), dimension=(5, 4), samples=8, problems=14, cover=(1.0, 5.0)
    )
    assert (bias.verdict, bias.family.name) == ("spectral", "Hypentropy"), bias.message
    assert abs(bias.family.parameters["log_c"] + 2.0) < 1e-6


def test_the_frobenius_norm_is_the_smallest_of_the_classes_that_hold_it():
    bias = ib.identify(ib.GradientDescent(1.0), dimension=(5, 4), samples=8, problems=30)
    assert (bias.verdict, bias.family.name) == ("separable", "Euclidean")


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, np.inf])
def test_the_norm_of_a_margin(p):
    rng = np.random.default_rng(2)
    data = []
    for _ in range(6):
        X, y = rng.standard_normal((8, 16)), np.where(np.arange(8) % 2, 1.0, -1.0)
        data.append((X, y, ib.max_margin(ib.Classification(X, y), p).direction))
    bias = ib.identify(data)
    assert (bias.verdict, bias.family.name) == ("margin", "PNorm")
    assert bias.family.parameters["p"] == p or abs(bias.family.parameters["p"] - p) < 1e-5


def test_positive_pairs_are_not_taken_for_separators():
    """Positive inputs and weights have positive products; no margin is shared there."""
    rng = np.random.default_rng(3)
    pairs = []
    for _ in range(12):
        X = rng.uniform(0.1, 1.0, (6, 20))
        y = X @ rng.uniform(0.1, 1.0, 20)
        pairs.append((X, bregman_projection(ib.Entropy(), np.full(20, np.log(0.1)), X, y).w))
    bias = ib.identify(pairs, start=0.1)
    assert (bias.verdict, bias.family.name) == ("separable", "Entropy")


def test_a_separating_flow_has_the_margin_of_l2():
    bias = ib.identify(ib.GradientFlow(), loss="exp", problems=6)
    assert bias.verdict == "margin"
    assert abs(bias.family.parameters["p"] - 2) < 1e-2


def test_a_method_that_draws_is_averaged_and_its_spread_is_the_floor():
    rng = np.random.default_rng(0)

    def noisy(X, y):
        return np.linalg.pinv(X) @ y + 1e-3 * rng.standard_normal(X.shape[1])

    few, many = (ib.identify(noisy, problems=12, repeats=r) for r in (3, 30))
    assert few.verdict == many.verdict == "separable"
    assert many.floor < few.floor
    assert many.residual < few.residual < 10 * few.floor


def test_pairs_know_no_residual_and_triples_do():
    pairs = selected(ib.Hypentropy(-2.0))
    assert "not known" in ib.identify(pairs).message
    triples = [(X, X @ w * (1 + 1e-4), w) for X, w in pairs]
    assert ib.identify(triples).floor > 1e-6 > ib.identify(pairs).floor


def test_what_it_keeps():
    bias = ib.identify(selected(ib.Hypentropy(-2.0)))
    data = bias.to_dict()
    assert data["family"]["parameters"] == {"log_c": bias.family.parameters["log_c"]}
    assert data["problems"] == 12
    assert "separable" in repr(bias)
    assert len(bias.plot()) >= 3


X0 = np.random.default_rng(0).standard_normal((5, 12))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: ib.identify([]), "empty list"),
        (lambda: ib.identify([1, 2]), "no pair"),
        (lambda: ib.identify([(X0, np.ones(11))] * 8), "shape"),
        (lambda: ib.identify([(X0, np.ones(12)), (X0, np.ones(5), np.ones(12))]), "y is given"),
        (lambda: ib.identify(selected(ib.Euclidean(), count=3)), "it needs 6 at least"),
        (lambda: ib.identify([(X0, X0.T @ (np.arange(5.0) - 2) * k) for k in range(1, 9)]), "vary X"),
        (lambda: ib.identify("hello"), "needs an optimizer"),
        (lambda: ib.identify(lambda X, y: np.zeros(30)), "says nothing of what moved it"),
        (lambda: ib.identify(lambda X, y: 0.5 * np.linalg.pinv(X) @ y), "does not interpolate"),
        (lambda: ib.identify(lambda X, y: np.ones(7)), r"shape \(7,\)"),
        (lambda: ib.identify(lambda X, y: np.full(30, np.nan)), "finite"),
        (lambda: ib.identify(ib.GradientDescent(5.0)), "diverged"),
        (lambda: ib.identify(ib.GradientFlow(), ib.Diagonal(2)), "Balanced"),
        (lambda: ib.identify(ib.GradientDescent(1.0), samples=40), "one solution only"),
        (lambda: ib.identify(ib.GradientDescent(1.0), cover=(2.0, 1.0)), "low ≤ high"),
        (lambda: ib.identify(ib.GradientDescent(1.0), loss="hinge"), "loss must be"),
        (lambda: ib.identify([(X0 + k, np.where(np.arange(12) < 6, 1.0, -1.0)) for k in range(8)]), "one size"),
        (lambda: ib.identify(selected(ib.Euclidean()), start=np.zeros(4)), "start has shape"),
    ],
)  # fmt: skip
def test_bad_input_is_said(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_a_corner_at_zero_is_suspected_where_solutions_are_sparse():
    def basis_pursuit(X, y):
        d = X.shape[1]
        halves = linprog(np.ones(2 * d), A_eq=np.hstack([X, -X]), b_eq=y).x
        return halves[:d] - halves[d:]

    bias = ib.identify(basis_pursuit, problems=12)
    assert bias.verdict == "none"
    assert "% of the entries are zero: an R with corners there, like ‖w‖₁" in bias.message

    def nearly(X, y):  # the same, a thousandth off along the solutions
        off = 1e-3 * np.random.default_rng(0).standard_normal(X.shape[1])
        return basis_pursuit(X, y) + off - np.linalg.pinv(X) @ (X @ off)

    assert "corners" not in ib.identify(nearly, problems=12).message
