"""Certificates of Bregman projections: exact at the solution, honest everywhere else."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import (
    BregmanProjection,
    Certificate,
    Euclidean,
    GradientDescent,
    Hypentropy,
    Infeasible,
    LeastNorm,
    Linear,
    Mahalanobis,
    NoPrediction,
    NotSeparable,
    PNorm,
    Regression,
    Rule,
    Setting,
    certify,
    predict,
)
from implicitbias.selection.rules import RULES

POTENTIALS = {
    "euclidean": Euclidean(),
    "mahalanobis": Mahalanobis(np.linspace(0.2, 3.0, 12)),
    "p=1.3": PNorm(1.3),
    "p=3": PNorm(3.0),
    "hypentropy 5": Hypentropy(5.0),
    "hypentropy -2": Hypentropy(-2.0),
    "hypentropy -100": Hypentropy(-100.0),
}
every_potential = pytest.mark.parametrize("psi", POTENTIALS.values(), ids=POTENTIALS.keys())


def program(psi, seed=0, consistent=True):
    rng = np.random.default_rng(seed)
    X, y = rng.standard_normal((5, 12)), rng.standard_normal(5)
    if not consistent:
        X, y = np.vstack([X, X[:1]]), np.append(y, 3.0)
    z0 = psi.gradient(0.1 * rng.standard_normal(12)) if not isinstance(psi, Hypentropy) else np.zeros(12)
    return BregmanProjection(psi, z0, X, y), rng


def dual_bound(p, nu):
    """⟨ν, y⟩ − ψ*(z₀ + Xᵀν), with ψ*(z) = ⟨z, w⟩ − ψ(w) at w = ∇ψ*(z)."""
    z = p.z0 + p.X.T @ nu
    w = p.potential.inverse_gradient(z)
    return float(nu @ p.y - (z @ w - p.potential.value(w)))


@every_potential
@pytest.mark.parametrize("consistent", [True, False])
def test_the_solution_is_certified(psi, consistent):
    p, _ = program(psi, consistent=consistent)
    certificate = certify(p.solution, p)
    assert certificate.worst <= 1e-12
    # the multiplier reproduces the dual point
    z = psi.gradient(p.solution) - p.z0
    np.testing.assert_allclose(p.X.T @ certificate.dual, z, atol=1e-11 * (1 + np.abs(z).max()))


@every_potential
def test_feasible_moves_are_seen_by_stationarity_and_gap(psi):
    p, rng = program(psi)
    w = p.solution
    N = np.eye(12) - np.linalg.pinv(p.X) @ p.X
    move = N @ (rng.standard_normal(12) * np.abs(w))
    seen = [certify(w + e * move, p) for e in (1e-1, 1e-2, 1e-3)]
    for c in seen:
        assert c.feasibility <= 1e-14
        assert c.stationarity > 1e-8
        assert c.gap > 0
    # stationarity is linear in the move and the gap quadratic, where the moves are small beside the
    # curvature of ψ (not where coordinates of w are nearly zero); each decade may be off by a third
    smooth = not isinstance(psi, PNorm) and getattr(psi, "log_c", 0.0) > -10
    for far, near in zip(seen, seen[1:]):
        assert far.stationarity > near.stationarity
        assert far.gap >= near.gap
        if smooth:
            assert 6 < far.stationarity / near.stationarity < 16
            assert 40 < far.gap / near.gap < 250


@every_potential
def test_infeasible_moves_are_seen_by_feasibility(psi):
    p, _ = program(psi)
    w = p.solution
    A = np.linalg.svd(p.X, full_matrices=False)[2]
    b = A @ w
    for e in (1e-1, 1e-3, 1e-6):
        moved = w + e * A[0]
        exact = e / (np.linalg.norm(b) + np.linalg.norm(moved))
        # rounding of Aw relative to the move: 1e-16/1e-6
        np.testing.assert_allclose(certify(moved, p).feasibility, exact, rtol=1e-8)


@every_potential
def test_the_bound_of_a_certificate_never_exceeds_the_optimum(psi):
    """Weak duality, from points of every kind: near, far, feasible or not."""
    p, rng = program(psi)
    best = p.objective(p.solution)
    for size in (1e-2, 0.3, 1.0, 3.0):
        for _ in range(10):
            w = p.solution + size * rng.standard_normal(12)
            bound = dual_bound(p, certify(w, p).dual)
            terms = abs(best) + abs(bound) + 1 + 12 * np.exp(5.0)  # ψ adds up terms of size c ≤ e⁵
            assert bound <= best + 1e-12 * terms


@every_potential
def test_the_gap_bounds_how_much_better_a_point_could_be(psi):
    p, rng = program(psi)
    N = np.eye(12) - np.linalg.pinv(p.X) @ p.X
    for _ in range(10):
        w = p.solution + 0.3 * N @ rng.standard_normal(12)
        c = certify(w, p)
        could_be = p.objective(w) - p.objective(p.solution)
        assert could_be > 0
        assert p.objective(w) - dual_bound(p, c.dual) >= could_be * (1 - 1e-9)


@pytest.mark.parametrize("log_c", [0.0, 5.0, 10.0, 15.0])
def test_the_gap_of_the_solution_is_small_at_large_scales_too(log_c):
    """ψ ≈ w²/2c must not be the difference of two numbers of size c."""
    rng = np.random.default_rng(1)
    p = BregmanProjection(
        Hypentropy(log_c), np.zeros(12), rng.standard_normal((5, 12)), rng.standard_normal(5)
    )
    assert certify(p.solution, p).worst <= 1e-12


def test_certify_is_the_program_s_own():
    p, _ = program(Euclidean())
    w = p.solution.tolist()  # lists are welcome
    assert certify(w, p)[:3] == p.certify(p.solution)[:3]


@pytest.mark.parametrize("w", [np.zeros(11), np.zeros((2, 12)), np.full(12, np.nan)])
def test_certify_refuses_what_is_no_point_of_the_program(w):
    p, _ = program(Euclidean())
    with pytest.raises(ValueError, match=r"\bw\b"):
        certify(w, p)


@pytest.mark.parametrize(
    ("z0", "X", "y", "message"),
    [
        ([0.0], [[1.0, 1.0]], [1.0], r"z0 has shape \(1,\)"),
        ([0.0, 0.0], [1.0, 1.0], [1.0], r"X has shape \(2,\)"),
        ([0.0, 0.0], [[1.0, 1.0]], [1.0, 2.0], r"y has shape \(2,\)"),
        ([0.0, np.inf], [[1.0, 1.0]], [1.0], "data must be finite"),
    ],
)
def test_bad_input(z0, X, y, message):
    with pytest.raises(ValueError, match=message):
        BregmanProjection(Euclidean(), z0, X, y)


def test_the_worst_of_a_certificate():
    assert Certificate(0.1, 0.2, -0.3, np.zeros(1)).worst == 0.3
    assert Certificate(0.1, 0.2, np.nan, np.zeros(1)).worst == 0.2  # no gap is no flaw
    assert np.isnan(Certificate(np.nan, 0.2, 0.0, np.zeros(1)).worst)


def test_predict_says_when_no_point_meets_the_program(monkeypatch):
    rule = Rule(
        "positive", "", (), lambda setting, run: LeastNorm(1, setting.problem.X, setting.problem.y, [1, 1])
    )
    monkeypatch.setattr("implicitbias.selection.rules.RULES", [rule, *RULES])
    setting = Setting(Regression([[1.0, 1.0]], [-2.0]), Linear(), GradientDescent(0.1))
    with pytest.raises(NoPrediction, match="the orthant of signs holds no") as caught:
        predict(setting)
    assert caught.value.certificate * -2.0 > 0
    assert isinstance(caught.value.__cause__, Infeasible)
    assert issubclass(NotSeparable, Infeasible)
    assert issubclass(Infeasible, ValueError)


def test_points_whose_multiplier_is_outside_a_bounded_set_of_duals_have_a_certificate():
    """ψ = Σ ln cosh has |∇ψ| < 1: far from optimal, z₀ + Xᵀν is no gradient, and the dual bound is drawn back."""
    psi = ib.Potential.from_gradient(np.tanh)
    program = ib.BregmanProjection(psi, np.zeros(2), [[10.0, 1.0]], [99.0])
    assert program.certify(program.solution).worst < 1e-9
    far = program.certify(np.array([9.0, 9.0]))  # ν = 11 puts z = Xᵀν/101 at (1.09, 0.109)
    assert far.feasibility < 1e-15
    assert far.stationarity > 0.1
    assert np.isfinite(far.gap)
    assert far.gap > 0
