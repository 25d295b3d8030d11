"""Minimisers over balls against closed forms and an independent solver, and what decoupled decay predicts."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.selection import BallMinimum, BoxBarrier

RNG = np.random.default_rng(5)


def regression(n=30, d=6):
    return ib.Regression(RNG.standard_normal((n, d)), RNG.standard_normal(n))


def separable(n=8, d=16, loss="exp"):
    return ib.Classification(RNG.standard_normal((n, d)), np.where(np.arange(n) % 2, 1, -1), loss)


def test_box_agrees_with_bounded_least_squares():
    from scipy.optimize import lsq_linear

    problem = regression()
    r = 0.5 * np.max(np.abs(problem.least_squares))
    w = BallMinimum(problem, np.inf, r).solution
    reference = lsq_linear(problem.X, problem.y, (-r, r), method="bvls", tol=1e-15).x
    assert np.allclose(w, reference, atol=1e-10 * r)


@pytest.mark.parametrize("norm", ["spectral", "max", "frobenius"])
def test_whitened_target_is_projected(norm):
    T = RNG.standard_normal((3, 5))
    U, s, Vt = np.linalg.svd(T, full_matrices=False)
    nearest = {
        "spectral": (U * np.minimum(s, 0.7)) @ Vt,
        "max": np.clip(T, -0.7, 0.7),
        "frobenius": 0.7 * T / np.linalg.norm(T),
    }
    program = BallMinimum(ib.MatrixRegression.whitened(T), norm, 0.7)
    assert np.allclose(program.solution, nearest[norm], atol=1e-14)
    assert program.is_unique


@pytest.mark.parametrize("norm", [2, np.inf, "spectral"])
@pytest.mark.parametrize("loss", ["exp", "logistic"])
def test_certificates_of_classification(norm, loss):
    program = BallMinimum(separable(loss=loss), norm, 0.5)
    assert ib.certify(program.solution, program).worst < 1e-12
    assert ib.certify(0.5 * program.solution, program).gap > 1e-2


def test_certificates_of_several_classes():
    problem = ib.Classification(RNG.standard_normal((12, 6)), np.arange(12) % 3)
    program = BallMinimum(problem, "spectral", 1.0)
    assert ib.certify(program.solution, program).worst < 1e-12


def test_the_gap_bounds_the_excess_of_every_point():
    program = BallMinimum(regression(), np.inf, 0.1)
    least = program.objective(program.solution)
    for _ in range(20):
        w = RNG.uniform(-0.1, 0.1, 6)
        assert 0 <= program.objective(w) - least <= program.excess(w) * (1 + 1e-12)


def test_interior_minimum_is_least_squares():
    problem = regression()
    program = BallMinimum(problem, np.inf, 10.0)
    assert np.allclose(program.solution, problem.least_squares, atol=1e-12)
    assert program.certify(program.solution).worst < 1e-12


def test_outside_is_infeasible():
    program = BallMinimum(regression(), 2, 1.0)
    assert np.isclose(program.certify(np.full(6, 1.0)).feasibility, np.sqrt(6) - 1)


def test_two_equal_columns_leave_the_minimum_open():
    x = RNG.standard_normal((10, 1))
    problem = ib.Regression(np.hstack([x, x]), x[:, 0])
    assert not BallMinimum(problem, np.inf, 0.7).is_unique
    assert BallMinimum(problem, np.inf, 0.4).is_unique  # both are pushed into the corner
    assert BallMinimum(problem, 2, 0.5).is_unique


@pytest.mark.parametrize("norm", [1, 3, "nuclear"])
def test_other_balls_are_refused(norm):
    with pytest.raises(ValueError, match="BallMinimum projects on"):
        BallMinimum(regression(), norm, 1.0)


def test_barrier_in_one_dimension():
    # g/(|g| + ε) + w = 0 with g = w − 3 < 0:  w(3 − w + ε) = 3 − w
    eps = 0.5
    w = BoxBarrier(ib.Regression([[1.0]], [3.0]), 1.0, eps).solution[0]
    b = 4 + eps
    assert np.isclose(w, (b - np.sqrt(b * b - 12)) / 2, rtol=1e-14)


@pytest.mark.parametrize("eps", [1.0, 1e-2, 1e-8])
@pytest.mark.parametrize(
    "problem", [regression(), separable(), regression(4, 9)], ids=["full", "exp", "wide"]
)
def test_barrier_certificates(problem, eps):
    program = BoxBarrier(problem, 0.3, eps)
    w = program.solution
    assert program.certify(w).worst < 1e-12
    g = problem.gradient(w)
    assert np.allclose(w / 0.3, -g / (np.abs(g) + eps), atol=1e-6)
    assert program.certify(0.9 * w).gap > 0


def test_barrier_tends_to_the_box():
    problem = regression()
    r = 0.5 * np.max(np.abs(problem.least_squares))
    w = BallMinimum(problem, np.inf, r).solution
    distances = [np.max(np.abs(BoxBarrier(problem, r, eps).solution - w)) for eps in (1e-4, 1e-6, 1e-8)]
    assert np.allclose(np.diff(np.log(distances)), np.log(1e-2), atol=0.1)  # first order in ε


STEP = ib.Decay(0.3, 0.75)


@pytest.mark.parametrize(
    "optimizer",
    [
        ib.Lion(STEP, 2.0),
        ib.AdamW(STEP, 2.0, 0.9, 0.99, eps=0.0),
        ib.SignDescent(STEP, 0.9, 2.0),
        ib.SignDescent(STEP, decay=2.0),
    ],
)
def test_predict_names_the_box(optimizer):
    program = ib.predict(ib.Setting(regression(), ib.Linear(), optimizer)).program
    assert isinstance(program, BallMinimum)
    assert program.radius == 0.5
    assert program.norm.p == np.inf


def test_predict_names_the_spectral_ball_and_the_barrier():
    problem = ib.MatrixRegression(RNG.standard_normal((20, 4)), RNG.standard_normal((20, 3)))
    program = ib.predict(ib.Setting(problem, ib.Linear(), ib.Muon(STEP, 0.9, decay=2.0))).program
    assert program.norm == ib.SchattenNorm(np.inf)
    assert isinstance(
        ib.predict(ib.Setting(regression(), ib.Linear(), ib.AdamW(0.01, 2.0))).program, BoxBarrier
    )


@pytest.mark.parametrize(
    "optimizer",
    [
        ib.Lion(0.1, 2.0),  # a constant step circles
        ib.AdamW(STEP, 2.0, 0.99, 0.9, eps=0.0),  # β₁ > β₂
        ib.Muon(STEP, 0.9, iterations=5, decay=2.0),
        ib.SignDescent(STEP, decay=2.0, weight_decay=1.0),
    ],
)
def test_predict_does_not_answer_elsewhere(optimizer):
    with pytest.raises(ib.NoPrediction):
        ib.predict(ib.Setting(regression(), ib.Linear(), optimizer))
    with pytest.raises(ib.NoPrediction):
        ib.predict(ib.Setting(separable(), ib.Linear(), optimizer))
