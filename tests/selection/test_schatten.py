"""Spectral penalties against soft thresholds, grids, random points, and the flows whose limits they describe."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import NuclearPenalty, SchattenPenalty, certify
from implicitbias.theorems.draws import matrix_with_spectrum


def regression(seed, n=10, d=4, k=3):
    rng = np.random.default_rng(seed)
    return ib.MatrixRegression(rng.standard_normal((n, d)), rng.standard_normal((n, k))), rng


def test_whitened_inputs_give_the_soft_threshold():
    rng = np.random.default_rng(0)
    T = matrix_with_spectrum(rng, 4, 3, (3.0, 1.0, 0.4))
    U, _, Vt = np.linalg.svd(T, full_matrices=False)
    W = NuclearPenalty(ib.MatrixRegression.whitened(T), 0.5).solution
    np.testing.assert_allclose(W, (U * [2.5, 0.5, 0.0]) @ Vt, atol=1e-13)


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.9, 1.1])
def test_nuclear_solutions_are_certified_and_others_are_not_better(fraction):
    problem, rng = regression(1)
    program = NuclearPenalty(problem, fraction * np.linalg.norm(problem.target, 2))
    W = program.solution
    assert certify(W, program).worst <= 1e-12
    assert np.any(W) == (fraction < 1)  # zero exactly from λ = ‖∇L(0)‖₂ on
    for size in (1e-4, 1e-1):
        V = W + size * rng.standard_normal(W.shape)
        excess = (program.objective(V) - program.objective(W)) / float(problem.loss(np.zeros_like(W)))
        assert certify(V, program).gap >= excess - 1e-12 > 0


def test_fewer_samples_than_inputs_are_certified():
    problem, _ = regression(2, n=3, d=6)
    program = NuclearPenalty(problem, 0.2)
    assert certify(program.solution, program).worst <= 1e-7


@pytest.mark.parametrize("depth", [3, 4, 7])
def test_schatten_solutions_against_a_grid(depth):
    lam, x = 0.3, np.linspace(0, 4, 400_001)
    program = SchattenPenalty(np.diag([3.5]), lam, depth)
    for s in (program.fold - 0.1, program.jump - 0.01, program.jump + 0.01, 3.5):
        values = (x - s) ** 2 / 2 + lam * depth / 2 * x ** (2 / depth)
        found = SchattenPenalty([[s]], lam, depth).solution
        np.testing.assert_allclose(found, [[x[np.argmin(values)]]], atol=2e-5)


@pytest.mark.parametrize("depth", [3, 5])
def test_roots_fold_and_jump(depth):
    lam = 0.2
    program = SchattenPenalty(np.eye(2), lam, depth)
    small, large = program.roots(1.7)
    assert small < large
    np.testing.assert_allclose([x + lam * x ** (2 / depth - 1) for x in (small, large)], 1.7, rtol=1e-14)
    assert np.isnan(program.roots(program.fold * 0.999)).all()
    assert program.fold < program.jump
    at = SchattenPenalty([[program.jump * (1 + 1e-12)]], lam, depth)
    np.testing.assert_allclose(at.objective(at.solution), at.objective(np.zeros((1, 1))), rtol=1e-9)


def test_the_gap_of_a_local_minimum_is_its_excess():
    rng = np.random.default_rng(3)
    T = matrix_with_spectrum(rng, 4, 3, (3.0, 2.0, 0.3))
    program = SchattenPenalty(T, 0.2, 3)
    local, best = program.local_minimum(1), program.solution
    report = certify(local, program)
    assert report.stationarity <= 1e-13
    excess = program.objective(local) - program.objective(best)
    np.testing.assert_allclose(report.gap, excess / (np.sum(T**2) / 2), rtol=1e-10)
    assert certify(best, program).worst <= 1e-13
    with pytest.raises(ValueError, match="above the fold"):
        program.local_minimum(3)


def test_the_least_layers_have_the_penalty():
    """½ Σ‖W_j‖² of a balanced factorization is (N/2) Σ σ^{2/N}; others have more."""
    rng = np.random.default_rng(4)
    T = matrix_with_spectrum(rng, 3, 3, (2.0, 1.0, 0.5))
    model = ib.DeepLinear((3, 4, 5, 3))
    theta = model.factorize(T, rng=0)
    program = SchattenPenalty(T, 2.0, 3)
    half = sum(np.sum(W**2) for W in theta) / 2
    np.testing.assert_allclose(program.objective(T), 2.0 * half, rtol=1e-12)


def decayed(T, x0, depth=3, lam=0.2):
    U, _, Vt = np.linalg.svd(T)
    model = ib.DeepLinear((len(T),) * (depth + 1))
    flow = ib.GradientFlow(weight_decay=lam)
    return ib.Setting(ib.MatrixRegression.whitened(T), model, flow, model.factorize((U * x0) @ Vt, rng=0))


def test_aligned_starts_end_on_their_side_of_the_barrier():
    T = matrix_with_spectrum(np.random.default_rng(5), 3, 3, (2.5, 1.5, 1.0))
    small, large = SchattenPenalty(T, 0.2, 3).roots([2.5, 1.5, 1.0])
    setting = decayed(T, [1.3 * small[0], 1.0, 0.7 * small[2]])
    U, _, Vt = np.linalg.svd(T)
    np.testing.assert_allclose(ib.predict(setting).w, (U * [large[0], large[1], 0.0]) @ Vt, atol=1e-13)
    run = ib.simulate(setting, ib.Stop(gradient=1e-10))
    assert ib.compare(run, ib.predict(setting, run)).relative <= 1e-8


def test_a_smaller_mode_gives_way_to_a_larger_one():
    """Kept alone, mode 2 of T is a saddle of the penalised loss: turned towards mode 1 it descends."""
    T = matrix_with_spectrum(np.random.default_rng(5), 3, 3, (2.5, 1.5, 1.0))
    program = SchattenPenalty(T, 0.2, 3)
    U, _, Vt = np.linalg.svd(T)
    x = float(program.roots(1.5)[1])
    turned = [x * np.outer(c * U[:, 1] + s * U[:, 0], c * Vt[1] + s * Vt[0])
              for c, s in ((np.cos(a), np.sin(a)) for a in (0.0, 1e-3))]  # fmt: skip
    assert certify(turned[0], program).stationarity <= 1e-13
    assert program.objective(turned[1]) < program.objective(turned[0])
    with pytest.raises(ib.NoPrediction, match="are the largest"):
        ib.predict(decayed(T, [2e-4, 1.0, 1e-4]))


def test_predict_says_what_it_misses():
    T = matrix_with_spectrum(np.random.default_rng(6), 3, 3, (2.5, 1.5, 1.0))
    turned = ib.Setting(
        ib.MatrixRegression.whitened(T), ib.DeepLinear((3, 3, 3, 3)), ib.GradientFlow(weight_decay=0.1),
        ib.Balanced(0.9, rng=1),
    )  # fmt: skip
    with pytest.raises(ib.NoPrediction, match="singular vectors of the start"):
        ib.predict(turned)
    narrow = ib.Setting(
        ib.MatrixRegression.whitened(T), ib.DeepLinear((3, 3, 3)), ib.GradientFlow(weight_decay=0.1),
        ib.Balanced(0.9, rng=1),
    )  # fmt: skip
    with pytest.raises(ib.NoPrediction, match="full row rank"):
        ib.predict(narrow)
    rng = np.random.default_rng(7)
    wide = ib.Setting(
        ib.MatrixRegression.whitened(T), ib.DeepLinear((3, 6, 3)), ib.GradientDescent(0.05, weight_decay=0.4),
        (rng.standard_normal((6, 3)), rng.standard_normal((3, 6))),
    )  # fmt: skip
    run = ib.simulate(wide, ib.Stop(gradient=1e-11, steps=20_000))
    assert ib.compare(run, ib.predict(wide, run)).relative <= 1e-8


def test_bad_input():
    for bad, said in (
        ({"lam": 0.0}, "lam"),
        ({"depth": 2}, "depth"),
        ({"T": np.array([[np.nan]])}, "finite"),
    ):
        with pytest.raises(ValueError, match=said):
            SchattenPenalty(**{"T": np.eye(2), "lam": 0.1, "depth": 3} | bad)
    with pytest.raises(ValueError, match="takes a MatrixRegression"):
        NuclearPenalty(ib.Regression([[1.0]], [1.0]), 0.1)
