"""Parts of the theorems about large steps: eigenvalues, cycles and starts by other means."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.dynamics.charts import jacobian
from implicitbias.dynamics.oracle import SettingOracle
from implicitbias.theorems import THEOREMS
from implicitbias.theorems.deep.central import sharpness
from implicitbias.theorems.deep.large_steps import beyond_the_edge, edge, two_cycle


def test_the_two_cycle_of_two_layers_is_the_closed_form():
    """a² = s[(1 + e) ± √((1 + e)² − 4)]/(2e), e = ηs; and of three, a point of period two that is no fixed point."""
    s, e = 1.7, 1.13
    root = np.sqrt((1 + e) ** 2 - 4)
    expected = s * (1 + e + np.array([-root, root])) / (2 * e)
    np.testing.assert_allclose(two_cycle(s, e / s), expected, rtol=1e-12)
    eta = 1.15 * 2 / (3 * s ** (4 / 3))
    a, b = np.array(two_cycle(s, eta, 3)) ** (1 / 3)
    assert a < s ** (1 / 3) < b
    assert b == pytest.approx(a + eta * a**2 * (s - a**3), rel=1e-12)
    assert a == pytest.approx(b + eta * b**2 * (s - b**3), rel=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_eigenvalues_of_the_hessian_at_a_balanced_minimum(depth, rng):
    """The nine of ``edge``, and zeros."""
    T = rng.standard_normal((3, 3))
    problem, model = ib.MatrixRegression.whitened(T), ib.DeepLinear((3,) * (depth + 1))
    setting = ib.Setting(problem, model, ib.GradientDescent(0.1), model.factorize(T, rng=rng))
    values = np.sort(np.linalg.eigvalsh(jacobian(SettingOracle(setting), setting.start)))
    np.testing.assert_allclose(values[-9:], np.sort(np.ravel(edge(setting))) / 0.1, rtol=1e-9)
    np.testing.assert_allclose(values[:-9], 0.0, atol=1e-9)


def test_the_sharpness_of_the_minimum_with_the_imbalance_of_a_point():
    problem, model = ib.MatrixRegression.whitened([[1.3]]), ib.DeepLinear((1, 1, 1))
    minimum = (np.array([[2.6]]), np.array([[0.5]]))
    setting = ib.Setting(problem, model, ib.GradientDescent(0.3), minimum)
    assert beyond_the_edge(setting, minimum) == pytest.approx(0.3 * (2.6**2 + 0.5**2) - 2, abs=1e-12)
    assert sharpness(setting, setting.start) == pytest.approx(2.6**2 + 0.5**2, rel=1e-12)


def test_orders_of_an_epoch_are_all_orders():
    """What the six relabellings of an epoch see: every sample first twice, and no two the same order."""
    theorem = THEOREMS["epoch-backward-error"]
    settings = theorem.draw(np.random.default_rng(0))
    firsts = []
    for label, setting in settings.items():
        if label.startswith("(") and label.endswith("1/1"):
            run = ib.simulate(setting, ib.Stop(steps=3), ib.Save(every=1, fields=("theta",)), rng=0)
            firsts.append(np.diff(run.history["theta"], axis=0))
    firsts = np.array(firsts)
    groups = [
        tuple(np.flatnonzero(np.all(np.isclose(firsts[:, 0], f, rtol=1e-12), axis=1))) for f in firsts[:, 0]
    ]
    assert sorted(map(len, groups)) == [2] * 6
    ends = np.sum(firsts, axis=1)
    assert min(np.linalg.norm(a - b) for i, a in enumerate(ends) for b in ends[:i]) > 1e-6
