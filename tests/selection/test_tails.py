"""The power mean of margins: against closed forms, its own certificate, and the maximum margin far out."""

import numpy as np
import pytest

from implicitbias import (
    Classification,
    GradientFlow,
    Linear,
    MaxMargin,
    PolynomialTail,
    PowerMeanMargin,
    Setting,
    certify,
    predict,
)
from implicitbias.selection import NotSeparable


def separable(seed, n=12, d=5):
    rng = np.random.default_rng(seed)
    Z = rng.standard_normal((n, d))
    return Z * np.sign(Z @ rng.standard_normal(d))[:, None]


@pytest.mark.parametrize("a", [0.3, 1.0, 4.0])
def test_orthogonal_samples_in_closed_form(a):
    """Orthogonal z_i of length l_i: minimise Σ (l_i u_i)^{−a} on the sphere, u_i ∝ l_i^{−a/(a+2)}."""
    lengths = np.array([0.5, 1.0, 4.0])
    expected = lengths ** (-a / (a + 2))
    found = PowerMeanMargin(np.diag(lengths), a).solution
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-13)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("a", [0.2, 1.0, 3.0, 20.0])
def test_the_certificate_of_the_solution_and_of_other_points(seed, a):
    program = PowerMeanMargin(separable(seed), a)
    assert certify(program.solution, program).worst <= 1e-11
    w = MaxMargin(program.Z, 2).solution
    seen = certify(7 * w, program)
    assert seen.gap > 0
    assert seen.stationarity > 1e-4
    # the gap bounds how much worse the point is, in units of its own value and bound
    f, least = program.objective(w), program.objective(program.solution)
    assert (f - least) / f <= 2 * seen.gap
    assert certify(-w, program).feasibility == np.inf


def test_the_maximum_margin_is_the_limit():
    Z = separable(5)
    w = MaxMargin(Z, 2).solution
    apart = [np.linalg.norm(PowerMeanMargin(Z, a).solution - w / np.linalg.norm(w)) for a in (10, 100, 1000)]
    assert apart[0] > apart[1] > apart[2]
    assert apart[2] < 0.02


def test_what_cannot_be_separated_is_refused():
    with pytest.raises(NotSeparable):
        _ = PowerMeanMargin([[1.0], [-1.0]], 1.0).solution
    with pytest.raises(ValueError, match="a must be"):
        PowerMeanMargin([[1.0]], 0.0)


def test_predict_names_the_power_mean():
    y = np.where(np.arange(12) % 2, 1, -1)
    problem = Classification(y[:, None] * separable(6), y, PolynomialTail(2.0))
    pred = predict(Setting(problem, Linear(), GradientFlow()))
    assert isinstance(pred.program, PowerMeanMargin)
    assert pred.program.a == 2.0
    np.testing.assert_allclose(pred.direction, PowerMeanMargin(problem.Z, 2.0).solution, rtol=1e-12)
