"""The spline of a mirror map against its own features."""

import numpy as np
import pytest

from implicitbias.discovery.splines import SplineMap, chosen_knots, features


@pytest.mark.parametrize("scale", [0.0, 0.3])
def test_the_map_is_the_combination_of_its_features(scale):
    rng = np.random.default_rng(0)
    knots = np.array([-1.0, 0.2, 1.0, 2.0]) if scale == 0 else np.array([0.0, 0.5, 1.0, 2.0])
    sizes = np.exp(rng.uniform(-1, 2, 50)) if scale == 0 else scale * np.sinh(rng.uniform(0, 2, 50))
    values = sizes * rng.choice([-1.0, 1.0], 50)
    a = rng.random(len(knots) + 1)
    curve = SplineMap(knots, np.cumsum(a), scale)
    np.testing.assert_allclose(curve(values), features(values, knots, scale) @ a, atol=1e-13)


def test_rising_weights_rise_everywhere():
    rng = np.random.default_rng(1)
    curve = SplineMap(np.array([0.0, 0.3, 1.0, 4.0]), np.cumsum(rng.random(5)), 0.1)
    w = np.sort(np.concatenate([-np.geomspace(1e-6, 1e3, 200), [0.0], np.geomspace(1e-6, 1e3, 200)]))
    assert np.all(np.diff(curve(w)) > 0)
    assert curve(0.0) == 0
    np.testing.assert_allclose(curve(-w), -curve(w))


def test_the_map_goes_on_along_its_tangent_below_the_first_knot():
    curve = SplineMap(np.array([-2.0, 0.0, 1.0]), np.array([0.2, 0.5, 0.9, 1.0]), 0.0)
    far, near, first, inside = curve(np.exp([-4.0, -2.0 - 1e-6, -2.0, -2.0 + 1e-6]))
    assert (inside - first) / 1e-6 == pytest.approx((first - near) / 1e-6, rel=1e-4)
    assert (first - far) / 2 == pytest.approx((first - near) / 1e-6, rel=1e-4)


def test_a_kept_sign_frees_a_constant():
    curve = SplineMap(np.array([-2.0, 0.0, 1.0]), np.array([0.2, 0.5, 0.9, 1.0]), 0.0)
    moved = SplineMap(curve.knots, curve.coefficients, 0.0, float(curve(1.0)))
    assert moved(1.0) == 0
    np.testing.assert_allclose(moved(2.0) - moved(0.5), curve(2.0) - curve(0.5))


def test_every_interval_between_knots_holds_values():
    t = np.concatenate([np.full(40, 0.1), np.linspace(3, 4, 40)])
    for mix in (0.0, 0.5, 1.0):
        knots = chosen_knots(t, 0.0, 20, mix)
        counts = [np.sum((t > a) & (t <= b)) for a, b in zip(knots, knots[1:])]
        assert min(counts) >= 5
        assert (knots[0], knots[-1]) == (0.0, 4.0)
