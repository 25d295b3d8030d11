"""What ``predict`` says of steps on several classes, and the bound for other norms."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.theorems.classification.matrices import unit_classes

SIZES = {
    "spectral": lambda W: np.linalg.norm(W, 2),
    "nuclear": lambda W: np.linalg.norm(W, "nuc"),
    "frobenius": np.linalg.norm,
    "max": lambda W: np.max(np.abs(W)),
}
# ‖(e_y − e_c)xᵀ‖_* for ‖x‖₂ = 1: of a matrix of rank one the Schatten norms agree; 2‖x‖₁ ≤ 2√d against the max norm
DUAL_SIZES = {"spectral": np.sqrt(2), "nuclear": np.sqrt(2), "frobenius": np.sqrt(2), "max": 2 * np.sqrt(12)}
STEP = ib.Decay(0.3, 0.5)


def problem(seed=0):
    return unit_classes(np.random.default_rng(seed), 6, 12, 3)


@pytest.mark.parametrize(
    ("optimizer", "word"),
    [
        (ib.SpectralDescent(STEP), "spectral"),
        (ib.Muon(STEP, 0.9), "spectral"),
        (ib.Shampoo(STEP, beta=0.0, eps=0.0), "spectral"),
        (ib.Shampoo(STEP, beta=0.0, eps=0.0, sides="left", power=0.5), "spectral"),
        (ib.SteepestDescent("spectral", STEP, normalized=True), "spectral"),
        (ib.SteepestDescent("nuclear", STEP, normalized=True), "nuclear"),
        (ib.SteepestDescent("frobenius", STEP, normalized=True), "frobenius"),
        (ib.NormalizedGradientDescent(STEP), "frobenius"),
        (ib.SteepestDescent("max", STEP, normalized=True), "max"),
        (ib.SignDescent(STEP), "max"),
    ],
    ids=repr,
)
def test_the_norm_that_is_predicted(optimizer, word):
    data = problem()
    prediction = ib.predict(ib.Setting(data, ib.Linear(), optimizer))
    best = ib.max_margin(data, word)
    direction = prediction.direction
    np.testing.assert_allclose(
        np.min(data.margins(direction)) / SIZES[word](direction), best.margin, rtol=1e-9
    )
    assert prediction.certificate.worst <= 1e-7


@pytest.mark.parametrize(
    "optimizer",
    [
        ib.Muon(STEP, 0.9, iterations=5),
        ib.Shampoo(STEP, beta=0.9, eps=0.0),
        ib.Shampoo(STEP, beta=0.0, eps=1e-8),
        ib.Shampoo(STEP, beta=0.0, eps=0.0, power=0.5),
        ib.SteepestDescent("spectral", STEP),
        ib.SpectralDescent(0.1),
    ],
    ids=repr,
)
def test_what_is_not_predicted(optimizer):
    with pytest.raises(ib.NoPrediction):
        ib.predict(ib.Setting(problem(), ib.Linear(), optimizer))


@pytest.mark.parametrize("word", SIZES)
def test_the_bound_in_every_norm(word):
    """(γ − margin) Σ η ≤ ln n + ln ln 3 + nL + ½B²Σ η² + γ Σ η (1 − r), by hand."""
    data, steps = problem(1), 300
    optimizer = ib.SteepestDescent(word, STEP, normalized=True)
    run = ib.simulate(
        ib.Setting(data, ib.Linear(), optimizer), ib.Stop(steps=steps), save=ib.Save(every=1, fields=("w",))
    )
    W, eta, gamma = run.history["w"], STEP.sizes(0, steps), ib.max_margin(data, word).margin
    r = np.empty(steps + 1)
    for k, V in enumerate(W):
        scores = data.X @ V.T
        chances = np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True))
        wrong = np.sum(chances, axis=1) - chances[np.arange(6), data.y]
        losses = -np.log1p(-wrong)
        r[k] = np.sum(wrong) / np.sum(losses)
    assert np.all(r <= 1 + 1e-9)  # the chances of rare classes are known to eps/(1 − chance)
    margins = np.array([max(np.min(data.margins(V)), 0) / SIZES[word](V) for V in W[1:]])
    lhs = (gamma - margins) * np.cumsum(eta)
    spent = np.cumsum(0.5 * DUAL_SIZES[word] ** 2 * eta**2 + gamma * eta * (1 - r[:-1]))
    assert np.all(lhs <= np.log(6 * np.log(3)) + 6 * data.loss(W[1:]) + spent)


@pytest.mark.parametrize("seed", [1, 3, 6])
def test_the_curve_of_the_flow_in_several_classes(seed):
    """W(t) = Ŵ log t + W̃ on the span of the support vectors: to t = e^{1000}, where e^{−κ log t} is below rounding."""
    rng = np.random.default_rng(seed)
    data = ib.Classification(rng.standard_normal((6, 12)), [0, 1, 2] * 2)
    setting = ib.Setting(data, ib.Linear(), ib.GradientFlow(), rng.standard_normal((3, 12)))
    run = ib.simulate(setting, ib.Stop(log_time=1000.0), rtol=1e-12)
    prediction = ib.predict(setting, run)
    curve = prediction.value
    assert curve.kappa * 1000 >= 30
    off = run.w - prediction.at(log_time=1000.0)
    assert np.linalg.norm(curve.project(off)) <= 1e-9
    if len(curve.support) == len(data.Z):
        assert np.linalg.norm(off) <= 1e-9
    assert prediction.at([1.0, 2.0]).shape == (2, 3, 12)
    best = ib.max_margin(data, "frobenius")
    np.testing.assert_allclose(prediction.direction, best.direction, atol=1e-12)
    # t L → Σ_S α_i = 1/γ², α_i the multipliers of Ŵ
    assert run.log_loss + 1000.0 == pytest.approx(-2 * np.log(best.margin), abs=1e-9)


def test_gradient_descent_in_several_classes():
    """Orthonormal inputs: W̃ and κ are those of the flow, and Euler's error is of relative size log t/t."""
    data = ib.Classification(np.eye(3, 6), [0, 1, 2], "logistic")
    setting = ib.Setting(data, ib.Linear(), ib.GradientDescent(1.0))
    run = ib.simulate(setting, ib.Stop(steps=5000))
    prediction = ib.predict(setting, run)
    # z_ic = (e_y − e_c)x: Ŵ_y = ⅔x, Ŵ_c = −⅓x, so that α = ⅓ each and ‖Ŵ‖² = 2
    np.testing.assert_allclose(prediction.value.alpha, 1 / 3, rtol=1e-12)
    assert np.linalg.norm(run.w - prediction.at(5000.0)) <= 1e-2


def test_every_sample_classified_is_seen_by_the_loss():
    """nL < ln 2 in several classes: ln k would admit a margin of −ln(k − 1)."""
    data = problem()
    setting = ib.Setting(data, ib.Linear(), ib.GradientDescent(0.1))
    early = ib.simulate(setting, ib.Stop(steps=1))
    assert early.loss < np.log(3)
    with pytest.raises(ib.NoPrediction, match="every sample has come to be classified correctly"):
        ib.predict(setting, early)
