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
