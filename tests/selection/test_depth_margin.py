"""Directions that layers select on separable data: the ℓ2 margin at any depth, Fourier ℓ1 margins of convolutions."""

import numpy as np
import pytest

import implicitbias as ib


def problem(seed=0):
    rng = np.random.default_rng(seed)
    return ib.Classification(rng.standard_normal((4, 5)), [1, -1, 1, 1])


@pytest.mark.parametrize(("widths", "scale"), [((5, 3, 1), 0.3), ((5, 4, 3, 1), 0.5)])
def test_depth_does_not_change_the_direction(widths, scale):
    """The margin of θ/‖θ‖ grows, and its direction is that of ``max_margin`` up to O(1/log t)."""
    data = problem()
    setting = ib.Setting(data, ib.DeepLinear(widths), ib.GradientFlow(), ib.Balanced(scale))
    distances = []
    for log_time in (30.0, 300.0):
        run = ib.simulate(setting, ib.Stop(log_time=log_time))
        prediction = ib.predict(setting, run)
        distances.append(ib.compare(run, prediction).distance)
    np.testing.assert_allclose(prediction.direction, ib.max_margin(data, 2).direction, atol=1e-12)
    assert distances[1] < 0.1
    assert distances[1] < 0.6 * distances[0]


def test_gradient_descent_is_covered_and_others_are_not():
    data, init = problem(), ib.Balanced(0.3)
    for optimizer in (ib.GradientDescent(0.1), ib.GradientFlow()):
        assert ib.predict(ib.Setting(data, ib.DeepLinear((5, 3, 1)), optimizer, init)).assumes
    for optimizer in (ib.GradientDescent(0.1, weight_decay=0.1), ib.Adam(0.1)):
        with pytest.raises(ib.NoPrediction):
            ib.predict(ib.Setting(data, ib.DeepLinear((5, 3, 1)), optimizer, init))


def test_a_convolution_selects_the_fourier_margin():
    pytest.importorskip("cvxpy")
    data = problem()
    setting = ib.Setting(data, ib.LinearConvolution(2), ib.GradientFlow(), ib.Balanced(0.3))
    run = ib.simulate(setting, ib.Stop(log_time=500.0))
    prediction = ib.predict(setting, run)
    assert prediction.certificate.worst <= 1e-10
    assert ib.compare(run, prediction).distance < 0.01
    assert 0 < ib.compare(run, prediction).certificate.gap < 0.02
    assert np.linalg.norm(prediction.direction - ib.max_margin(data, 2).direction) > 0.1
