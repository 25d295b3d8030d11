"""Parts of the theorem on small starts in sensing, and an error that it must see."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import implicitbias as ib
from implicitbias.theorems import THEOREMS, verify
from implicitbias.theorems.matrix import small_starts


def admitted(theorem, seed=0):
    for s in np.random.SeedSequence(seed).spawn(200):
        drawn = theorem.draw(np.random.default_rng(s))
        if theorem.refusal(drawn) is None:
            return drawn
    raise AssertionError("no draw was admitted")


@pytest.fixture(scope="module")
def drawn():
    return admitted(THEOREMS["sensing-small-start"])


def beside(problem):
    """(x, n₂): the limits of u̇ = Mu and ṅ = Mn, that are v₁e^s and v₂e^{μ₂s} as s → −∞."""
    mu, v = small_starts.spectrum(problem)

    def velocity(t, z):
        u, n = z.reshape(2, -1)
        M = small_starts.descent(problem, u)
        return np.concatenate([M @ u, M @ n])

    start = np.concatenate([1e-4 * v[:, 0], 1e-4 ** mu[1] * v[:, 1]])
    return (
        solve_ivp(velocity, (0, 160), start, method="DOP853", rtol=1e-10, atol=1e-14).y[:, -1].reshape(2, -1)
    )


def test_the_error_to_leading_order(drawn):
    """α^{−γ}(W − xxᵀ) → xhᵀ + hxᵀ + n₂n₂ᵀ, h of least squares, as the page derives."""
    setting = drawn["α = 1e-08"]
    problem, A = setting.problem, setting.problem.A
    x, n = beside(problem)
    h = np.linalg.lstsq(2 * A @ x, -(A @ n) @ n, rcond=None)[0]
    E = np.outer(x, h) + np.outer(h, x) + np.outer(n, n)
    run = ib.simulate(setting, **THEOREMS["sensing-small-start"].keywords("α = 1e-08"))
    end = small_starts.first_path(problem).x
    seen = (run.w - np.outer(end, end)) / 1e-8 ** (2 - 2 * small_starts.spectrum(problem)[0][1])
    assert np.linalg.norm(seen - E) <= 1e-2 * np.linalg.norm(E)


def test_the_end_of_the_path_meets_the_measurements(drawn):
    problem = drawn["α = 1e-08"].problem
    path = small_starts.first_path(problem)
    np.testing.assert_allclose(problem.measure(np.outer(path.x, path.x)), problem.b, atol=1e-13)
    assert abs(path.left) <= 1e-12  # M(xxᵀ) = 0


@pytest.mark.slow
def test_a_limit_that_is_off_is_seen(monkeypatch):
    real = small_starts.first_path
    monkeypatch.setattr(small_starts, "first_path", lambda p: real(p)._replace(x=(1 + 1e-7) * real(p).x))
    result = verify(ids=["sensing-small-start"], seed=12, quick=True).results[0]
    assert result.status == "refuted", result
