"""Ranks of matrices, from their definitions and from what they have in common."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.models.matrix import orthonormal

EPS = np.finfo(float).eps
RANKS = [
    ib.effective_rank, ib.nuclear_rank, ib.stable_rank, ib.participation_ratio, ib.energy_rank, ib.numerical_rank,
]  # fmt: skip
every = pytest.mark.parametrize("rank", RANKS, ids=lambda f: f.__name__)
RNG = np.random.default_rng(5)
BATCH = RNG.standard_normal((2, 3, 4, 5))


@every
def test_equal_singular_values_are_counted(rank):
    for r in (1, 2, 3):
        W = orthonormal(5, r, RNG) @ orthonormal(4, r, RNG).T
        np.testing.assert_allclose(rank(W), r, rtol=1e-12)


@every
def test_zero_has_rank_zero(rank):
    assert rank(np.zeros((2, 3))) == 0
    assert rank(np.stack([np.zeros((2, 2)), np.eye(2)])).round(12).tolist() == [0, 2]


@every
def test_scale_and_transposition_change_nothing(rank):
    W = BATCH[0, 0]
    for same in (1e-200 * W, 1e150 * W, W.T):
        np.testing.assert_allclose(rank(same), rank(W), rtol=1e-12)


@every
def test_batch_axes(rank):
    together = rank(BATCH)
    assert together.shape == (2, 3)
    assert together.tolist() == [[rank(W) for W in row] for row in BATCH]
    assert np.all((together >= 1) & (together <= 4))


@every
def test_vectors_are_refused(rank):
    with pytest.raises(ValueError, match=r"matrices \(..., p, q\)"):
        rank(np.ones(3))


def test_a_spectrum_by_hand():
    """σ = 2, 1, 1 in random bases: p = ½, ¼, ¼ has the entropy (3/2) log 2."""
    W = orthonormal(5, 3, RNG) @ np.diag([2.0, 1.0, 1.0]) @ orthonormal(4, 3, RNG).T
    np.testing.assert_allclose(ib.effective_rank(W), 2**1.5, rtol=1e-13)
    np.testing.assert_allclose(ib.nuclear_rank(W), 2.0, rtol=1e-13)
    np.testing.assert_allclose(ib.stable_rank(W), 1.5, rtol=1e-13)
    np.testing.assert_allclose(ib.participation_ratio(W), 36 / 18, rtol=1e-13)
    assert [ib.energy_rank(W, f) for f in (0.6, 0.7, 0.8, 0.9)] == [1, 2, 2, 3]  # shares 4/6, 5/6, 1
    assert [ib.numerical_rank(W, t) for t in (0.0, 0.49, 0.51)][1:] == [3, 1]


def test_the_order_of_the_ranks():
    """Rényi entropies decrease in their order: at σ (orders 1, ∞), and at σ² (orders 2, ∞)."""
    slack = 1 + 8 * EPS
    assert np.all(ib.nuclear_rank(BATCH) <= ib.effective_rank(BATCH) * slack)
    assert np.all(ib.stable_rank(BATCH) <= ib.participation_ratio(BATCH) * slack)
    assert np.all(ib.stable_rank(BATCH) <= ib.nuclear_rank(BATCH) * slack)


def test_energy_that_is_asked_in_full():
    assert ib.energy_rank(np.diag([1.0, 1e-9]), 1.0) == 2  # 1e-18 of the energy is not lost in a sum


@pytest.mark.parametrize("fraction", [0.0, 1.1, np.nan])
def test_bad_fractions(fraction):
    with pytest.raises(ValueError, match="0 < fraction ≤ 1"):
        ib.energy_rank(np.eye(2), fraction)


@pytest.mark.parametrize("tol", [-0.1, 1.0])
def test_bad_tolerances(tol):
    with pytest.raises(ValueError, match="0 ≤ tol < 1"):
        ib.numerical_rank(np.eye(2), tol)
