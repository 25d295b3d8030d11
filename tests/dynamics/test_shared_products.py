"""A step of a deep linear network makes no matrix product twice."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.dynamics.oracle import SettingOracle


class Counted(np.ndarray):
    """An array that counts the matrix products it takes part in."""

    products = 0

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **kwargs):
        Counted.products += ufunc is np.matmul
        plain = [np.asarray(x) for x in inputs]
        result = getattr(ufunc, method)(*plain, **kwargs)
        return result.view(Counted) if isinstance(result, np.ndarray) else result


@pytest.mark.parametrize(("depth", "products"), [(2, 1 + 2), (3, 2 + 4), (4, 3 + 6)])
def test_products_of_a_step_and_the_looks_at_its_ends(depth, products):
    problem, model = ib.MatrixRegression.whitened(np.eye(5)), ib.DeepLinear((5,) * (depth + 1))
    setting = ib.Setting(problem, model, ib.GradientDescent(0.1), ib.Balanced(0.5, rng=0))
    oracle, theta = SettingOracle(setting), setting.start.view(Counted)
    Counted.products = 0
    problem.loss(oracle.predictor(theta))
    oracle(theta)
    problem.loss(oracle.predictor(theta))
    assert Counted.products == products


def test_what_is_kept_is_of_the_same_theta():
    rng = np.random.default_rng(0)
    problem, model = ib.MatrixRegression.whitened(np.eye(3)), ib.DeepLinear((3, 3, 3))
    setting = ib.Setting(problem, model, ib.GradientDescent(0.1), ib.Balanced(0.5, rng=0))
    oracle, theta = SettingOracle(setting), rng.standard_normal(18)
    first = oracle(theta)
    theta *= 2  # in place
    np.testing.assert_array_equal(oracle(theta), SettingOracle(setting)(theta.copy()))
    theta /= 2
    np.testing.assert_array_equal(oracle(theta), first)
