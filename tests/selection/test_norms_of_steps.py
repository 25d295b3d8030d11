"""Which norm's margin predict names, for each optimizer on separable data; numbers from symmetric data."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias import Decay, LpNorm, PNorm

# z_1 = (3, 1, 0), z_2 = (0, 1, 3): the ℓp solution is (a, 1 − 3a, a), a = least of 2a^p + (1 − 3a)^p
Z = np.array([[3.0, 1.0, 0.0], [0.0, 1.0, 3.0]])


def setting(optimizer, scale=1.0, loss="exp", w0=None):
    X, y = Z * np.array([[1.0], [-1.0]]) * scale, [1, -1]
    return ib.Setting(ib.Classification(X, y, loss), ib.Linear(), optimizer, w0)


def solution(p):
    """(a, 1 − 3a, a) from 2a^{p−1} = 3(1 − 3a)^{p−1}, p > 1."""
    ratio = 1.5 ** (1 / (p - 1))
    b = 1 / (1 + 3 * ratio)
    return np.array([ratio * b, b, ratio * b])


DECAY = Decay(0.1, 0.5)
NORMS = [
    (ib.NormalizedGradientDescent(DECAY), 2),
    (ib.SteepestDescent(4 / 3, DECAY, normalized=True), 4 / 3),
    (ib.SteepestDescent(4, DECAY, per_loss=True), 4),
    (ib.GradientDescent(DECAY, per_loss=True), 2),
    (ib.GradientDescent(0.1, per_loss=True), 2),
    (ib.SteepestDescent(2, 0.1, per_loss=True), 2),
    (ib.MirrorDescent(PNorm(1.5), 0.1), 1.5),
    (ib.MirrorDescent(PNorm(3), 7.0, per_loss=True), 3),
    (ib.MirrorFlow(PNorm(3)), 3),
    (ib.SAM(0.1, 0.1), 2),
]


@pytest.mark.parametrize(("optimizer", "p"), NORMS, ids=lambda x: repr(x)[:60])
def test_the_norm_of_the_steps(optimizer, p):
    prediction = ib.predict(setting(optimizer))
    w = solution(p)
    assert np.allclose(prediction.direction, w / np.linalg.norm(w), atol=1e-9)


@pytest.mark.parametrize(
    ("optimizer", "margin"), [(ib.CoordinateDescent(DECAY), 1.5), (ib.SignDescent(DECAY), 4.0)]
)
def test_margins_of_l1_and_the_maximum_norm(optimizer, margin):
    """ℓ1: w = (½, 0, ½); ℓ∞: w = (1, 1, 1)."""
    program = ib.predict(setting(optimizer)).program
    assert 1 / program.objective(program.solution) == pytest.approx(margin, rel=1e-9)


def test_dual_acceleration():
    w = solution(2)
    prediction = ib.predict(setting(ib.DualAcceleration(), scale=0.3))
    assert np.allclose(prediction.direction, w / np.linalg.norm(w), atol=1e-12)


REFUSED = [
    (ib.SteepestDescent(4, 0.1, normalized=True), "tend to zero"),
    (ib.SteepestDescent(4, 0.1, per_loss=True), "tend to zero"),
    (ib.SteepestDescent(4, DECAY), "normalised or along"),
    (ib.SignDescent(DECAY, decay=0.1), "normalised or along"),
]


@pytest.mark.parametrize(("optimizer", "missed"), REFUSED, ids=lambda x: repr(x)[:60])
def test_steps_that_do_not_vanish_or_are_not_along_log_l(optimizer, missed):
    from implicitbias.selection.rules.steepest_margins import steepest_margin_rule

    assert missed in steepest_margin_rule.first_missed(setting(optimizer))


def test_long_samples_refuse_steps_of_one_over_the_loss():
    with pytest.raises(ib.NoPrediction) as refusal:
        ib.predict(setting(ib.GradientDescent(1.0, per_loss=True)))
    assert any("η·max_i ‖z_i‖₂² ≤ 1" in text for text in refusal.value.candidates.values())


@pytest.mark.parametrize("optimizer", [ib.NormalizedGradientDescent(DECAY), ib.MirrorDescent(PNorm(3), 0.1)])
def test_polynomial_tails_have_no_maximum_margin(optimizer):
    with pytest.raises(ib.NoPrediction):
        ib.predict(setting(optimizer, loss=ib.PolynomialTail(1.0)))


def test_the_curve_of_sam():
    """z_i·ŵ = 1 on both: c_i e^{−z_i·w̃} = α, so an ascent by ρu adds ργŵ and one by ρz_i/‖z_i‖ adds ρ‖z_i‖ŵ."""
    plain = ib.predict(setting(ib.SAM(0.1, 0.5))).at(1.0)
    what = solution(2)
    gamma = 1 / np.linalg.norm(what)
    one = ib.predict(setting(ib.SAM(0.1, 0.5, normalized=True))).at(1.0)
    each = ib.predict(setting(ib.SAM(0.1, 0.5, normalized=True, per_sample=True))).at(1.0)
    assert np.allclose(one - plain, 0.5 * gamma * what, atol=1e-12)
    assert np.allclose(each - plain, 0.5 * np.sqrt(10) * what, atol=1e-12)


def test_mirror_descent_turns_to_its_margin():
    s = setting(ib.MirrorDescent(PNorm(3), 1.0, per_loss=True))
    run = ib.simulate(s, ib.Stop(steps=4000))
    w = solution(3)
    best = 1 / LpNorm(3).value(w)
    assert np.min(Z @ run.w) / LpNorm(3).value(run.w) == pytest.approx(best, rel=1e-2)
