"""What the pages about saddles on the way and closed dynamics say, by other means."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from implicitbias import DeepModes, MixedFlow
from implicitbias.theorems.deep.mixed import mixed_dynamics
from implicitbias.theorems.deep.plateaus import plateau_depths, tents


@pytest.mark.parametrize("s", [(4.0, 2.0), (3.0, 2.5), (1.0, 0.2)])
def test_the_depth_of_a_plateau_in_closed_form(s):
    """Two aligned modes: min_t ((s₁ − u₁)² + u₂²)^½ has the exponent 2(s₁ − s₂)/(s₁ + s₂) in α."""
    s = np.array(s)

    def log_depth(log_alpha):
        u0 = np.exp(2 * log_alpha)
        curve = DeepModes(np.eye(2), np.eye(2), [u0, u0], s, 2)

        def distance(t):
            u2 = curve.modes(t)[1]
            # s₁ − u₁ = s₁/(1 + x), x = u₁/(s₁ − u₁) ∝ e^{2s₁t}: computed from u₁ it would cancel
            gone = s[0] * np.exp(-np.logaddexp(0, 2 * log_alpha - np.log(s[0]) + 2 * s[0] * t))
            return np.log(np.hypot(gone, u2))

        middle = -2 * log_alpha / s.sum()
        return minimize_scalar(distance, (middle - 1, middle, middle + 1), tol=1e-12).fun

    slope = (log_depth(-300.0) - log_depth(-200.0)) / -100.0
    np.testing.assert_allclose(slope, 2 * (s[0] - s[1]) / s.sum(), atol=1e-9)


def test_the_tents_meet_at_the_harmonic_mean():
    s = np.array([4.0, 2.0, 1.0])
    tau = 2 / (s[:-1] + s[1:])
    np.testing.assert_allclose(np.diag(tents(s, tau)), 2 * (s[:-1] - s[1:]) / (s[:-1] + s[1:]), rtol=1e-14)
    for k, middle in enumerate(tau):
        assert np.all(tents(s, middle + np.array([-1e-3, 1e-3]))[:, k] < tents(s, tau[k : k + 1])[0, k])


def test_layers_of_the_hypotheses_have_the_grams_that_the_closed_equation_needs():
    """c is what both Gram matrices start with, and the equation's first step is the network's."""
    setting = mixed_dynamics.draw(np.random.default_rng(0))["regression"]
    W1, W2 = setting.theta0
    c = float(np.sum(W1**2)) / W1.shape[1]
    np.testing.assert_allclose(W2 @ W2.T, c * np.eye(len(W2)), atol=1e-15)
    h = 1e-6
    G = setting.problem.gradient(setting.w0)
    moved = MixedFlow(setting)(h)
    np.testing.assert_allclose(moved / h, -2 * c * G, atol=1e-5)


def test_random_layers_nearly_satisfy_them():
    """Normal entries of variance c/h: the Gram matrix is cI up to c h^{−½} an entry."""
    rng, c = np.random.default_rng(1), 0.3
    for h in (10**3, 10**5):
        C = rng.standard_normal((h, 7)) * np.sqrt(c / h)
        off = (C.T @ C / c - np.eye(7)) * np.sqrt(h)
        # 21 entries of variance one and 7 of variance two
        assert 0.5 <= np.sqrt(np.mean(off**2)) <= 2


def test_every_draw_ends_after_its_last_plateau():
    """2 ln(1/α)/(s₂ + s₃) is past before the run ends."""
    for seed in range(20):
        for label, setting in plateau_depths.draw(np.random.default_rng(seed)).items():
            s = np.linalg.svd(setting.problem.target, compute_uv=False)
            assert (
                2 * np.log(1 / float(label)) / (s[1] + s[2]) + 1
                <= plateau_depths.keywords(label)["stop"].time
            )
