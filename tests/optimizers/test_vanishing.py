"""Steps on losses that vanish: along ∇ log L, accelerated in the dual, and with memories in units of the loss."""

import re

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(11)
X = RNG.standard_normal((5, 8))
PROBLEM = ib.Classification(X, [1, -1, 1, -1, 1])
NEAR = ib.Classification(X / 6, [1, -1, 1, -1, 1])


def log_slope(problem, w):
    p = np.exp(-problem.Z @ w)
    return -problem.Z.T @ (p / p.sum())


def run(problem, optimizer, steps, engine="auto"):
    return ib.simulate(ib.Setting(problem, ib.Linear(), optimizer), stop=ib.Stop(steps=steps), engine=engine)


@pytest.mark.parametrize("engine", ["numba", "python"])
def test_steps_per_loss_are_along_the_gradient_of_the_log_loss(engine):
    w = v = np.zeros(8)
    z = np.zeros(8)
    for k in range(20):
        w = w - 0.3 / np.sqrt(k + 1) * log_slope(PROBLEM, w)
        g = log_slope(PROBLEM, v)
        v = v - 0.1 * np.linalg.norm(g, 4 / 3) ** (2 / 3) * np.sign(g) * np.abs(g) ** (1 / 3)
        z = z - 0.1 * log_slope(PROBLEM, np.sign(z) * np.abs(z) ** 0.5)
    gd = run(PROBLEM, ib.GradientDescent(ib.Decay(0.3, 0.5), per_loss=True), 20, engine)
    steepest = run(PROBLEM, ib.SteepestDescent(4, 0.1, per_loss=True), 20, engine)
    mirror = run(PROBLEM, ib.MirrorDescent(ib.PNorm(3), 0.1, per_loss=True), 20, engine)
    assert np.allclose(gd.w, w, rtol=1e-12)
    assert np.allclose(steepest.w, v, rtol=1e-12)
    assert np.allclose(mirror.w, np.sign(z) * np.abs(z) ** 0.5, rtol=1e-12)


def test_steps_per_loss_go_far_below_the_range_of_floats():
    gd = run(PROBLEM, ib.GradientDescent(0.3, per_loss=True), 20000)
    assert gd.log_loss < -2000
    assert gd.margin(2) == pytest.approx(ib.max_margin(PROBLEM).margin, rel=1e-2)


@pytest.mark.parametrize("engine", ["numba", "python"])
def test_dual_acceleration_is_the_equation_of_its_docstring(engine):
    w = u = np.zeros(8)
    for k in range(30):
        g = log_slope(NEAR, w)
        u = k / (k + 1) * (u + g)
        w = w - (u + g)
    assert np.allclose(run(NEAR, ib.DualAcceleration(), 30, engine).w, w, rtol=1e-12)


def wide_adam(steps, eta, beta1, beta2, eps):
    """Adam in 80-bit numbers, whose range ends at e^{−11355}."""
    Z, w = PROBLEM.Z.astype(np.longdouble), np.zeros(8, dtype=np.longdouble)
    m, v = np.zeros_like(w), np.zeros_like(w)
    for k in range(steps):
        g = -Z.T @ np.exp(-Z @ w) / 5
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        w = w - eta * m / (1 - beta1 ** (k + 1)) / (np.sqrt(v / (1 - beta2 ** (k + 1))) + np.longdouble(eps))
    return w.astype(float)


@pytest.mark.skipif(np.finfo(np.longdouble).maxexp < 16000, reason="needs a wide floating-point format")
@pytest.mark.parametrize("engine", ["numba", "python"])
@pytest.mark.parametrize("eps", [0.0, 1e-150])
def test_moments_are_carried_in_units_of_the_loss(engine, eps):
    # the squares of gradients leave the range of floats within 900 steps
    optimizer = ib.Adam(0.4, 0.05, 0.1, eps=eps)
    found = run(PROBLEM, optimizer, 900, engine)
    expected = wide_adam(900, 0.4, 0.05, 0.1, eps)
    assert found.log_loss < -340
    assert np.allclose(found.w, expected, rtol=1e-9)


@pytest.mark.parametrize("name", ["signum", "lion", "muon", "shampoo", "rmsprop"])
def test_methods_that_remember_go_on_below_the_range_of_floats(name):
    made = {
        "signum": ib.SignDescent(0.6, 0.6),
        "lion": ib.Lion(0.6, 0.0, 0.5, 0.6),
        "muon": ib.Muon(0.6, 0.6),
        "shampoo": ib.Shampoo(0.6, beta=0.1, eps=0.0),
        "rmsprop": ib.RMSProp(0.6, 0.1, eps=0.0),
    }[name]
    found = run(PROBLEM, made, 2500)
    assert found.converged
    assert found.log_loss < -800
    first = run(PROBLEM, made, 1200)
    rest = ib.simulate(first.setting, stop=ib.Stop(steps=1300), state=first.state)
    assert np.array_equal(rest.w, found.w)


@pytest.mark.parametrize("engine", ["numba", "python"])
def test_a_memory_too_large_for_floats_is_said(engine):
    # β₁ > β₂: the average of g² forgets faster than that of g, and the steps grow without bound
    found = run(PROBLEM, ib.Adam(0.4, 0.5, 0.1, eps=0.0), 900, engine)
    assert found.status == "failed"
    assert "take beta1 ≤ beta2" in found.message
    assert np.all(np.isfinite(found.w))


INSEPARABLE = ib.Classification(np.vstack([X, X[:1]]), [1, -1, 1, -1, 1, -1])
TOO_LARGE = {
    "gd": (lambda step: ib.GradientDescent(step), "diverged"),
    "heavy ball": (lambda step: ib.HeavyBall(step, 0.5), "diverged"),
    "mirror": (lambda step: ib.MirrorDescent(ib.PNorm(3), step), "diverged"),
    "sam": (lambda step: ib.SAM(step, 0.1, normalized=True), "diverged"),
    "signum": (lambda step: ib.SignDescent(step, 0.5), "failed"),
    "adam": (lambda step: ib.Adam(step, 0.9, 0.99, eps=0.0), "failed"),
    "adamw": (lambda step: ib.AdamW(step, 0.1, eps=0.0), "failed"),
    "muon": (lambda step: ib.Muon(step, 0.5), "failed"),
}


@pytest.mark.parametrize("engine", ["auto", "python"])
@pytest.mark.parametrize("step", [1e3, 1e200])
@pytest.mark.parametrize("name", TOO_LARGE)
def test_steps_too_large_for_the_loss_are_said(name, step, engine):
    make, status = TOO_LARGE[name]
    found = run(INSEPARABLE, make(step), 500, engine)
    assert found.status == status
    assert re.search("take a? ?smaller step", found.message)


STILL = {
    "normalized": ib.NormalizedGradientDescent(0.1),
    "sign": ib.SignDescent(0.1),
    "coordinate": ib.CoordinateDescent(0.1),
    "spectral": ib.SpectralDescent(0.1),
    "newton-schulz": ib.Muon(0.1, 0.5, iterations=5),
    "shampoo": ib.Shampoo(0.1, eps=0.0),
    "shampoo that forgets": ib.Shampoo(0.1, beta=0.0, eps=0.0),
    "adagrad": ib.AdaGrad(0.1, eps=0.0),
    "rmsprop": ib.RMSProp(0.1, eps=0.0),
    "adam": ib.Adam(0.1, eps=0.0),
    "adamw": ib.AdamW(0.1, eps=0.0),
    "lion": ib.Lion(0.1),
    "sam": ib.SAM(0.1, 0.1, normalized=True),
    "sam, each": ib.SAM(0.1, 0.1, per_sample=True, normalized=True),
    "per loss": ib.GradientDescent(0.1, per_loss=True),
}


@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize("labels", [[1, -1], [0, 1, 2] * 2], ids=["two", "three"])
def test_a_gradient_of_zero_moves_nothing(name, labels):
    # one point under every label: the gradient is exactly zero at the start, and ε = 0
    problem = ib.Classification(np.ones((len(labels), 3)), labels)
    found = run(problem, STILL[name], 2000)
    assert not np.any(found.w)
    assert found.status == "converged"
    assert "no longer changes" in found.message


def test_a_saddle_at_the_start_is_said():
    start = np.zeros((2, 8))
    setting = ib.Setting(PROBLEM, ib.Hadamard(), ib.GradientFlow(), start)
    assert ib.simulate(setting, stop=ib.Stop(log_time=10.0)).status == "stalled"


def test_what_the_relative_steps_refuse():
    regression = ib.Regression(X, np.ones(5))
    with pytest.raises(ValueError, match="vanish at infinity"):
        ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.1, per_loss=True))
    with pytest.raises(ValueError, match="no weight_decay"):
        ib.GradientDescent(0.1, per_loss=True, weight_decay=0.1)
    with pytest.raises(ValueError, match="normalized steps"):
        ib.SteepestDescent(2, 0.1, normalized=True, per_loss=True)
    with pytest.raises(ValueError, match="no batch"):
        ib.MirrorDescent(ib.PNorm(3), 0.1, batch=1, per_loss=True)
    with pytest.raises(ValueError, match="divide X by it"):
        ib.Setting(PROBLEM, ib.Linear(), ib.DualAcceleration())
    with pytest.raises(ValueError, match='loss="exp"'):
        ib.Setting(regression, ib.Linear(), ib.DualAcceleration())
    with pytest.raises(ValueError, match="use Linear"):
        ib.Setting(NEAR, ib.Diagonal(), ib.DualAcceleration(), ib.Balanced(0.1))


@pytest.mark.parametrize("engine", ["auto", "python"])
def test_decoupled_decay_of_sign_descent_and_muon(engine):
    w, v, M = np.full(8, 0.2), np.full(8, 0.2), np.zeros(8)
    for _ in range(12):
        w = w - 0.1 * (np.sign(PROBLEM.gradient(w)) + 0.3 * w)
        M = 0.5 * M + PROBLEM.gradient(v)
        v = v - 0.1 * (M / np.linalg.norm(M) + 0.3 * v)
    for optimizer, expected in ((ib.SignDescent(0.1, decay=0.3), w), (ib.Muon(0.1, 0.5, decay=0.3), v)):
        setting = ib.Setting(PROBLEM, ib.Linear(), optimizer, np.full(8, 0.2))
        found = ib.simulate(setting, stop=ib.Stop(steps=12), engine=engine)
        assert np.allclose(found.w, expected, rtol=1e-12)
