"""What the theorems on diagonal networks compute beside their runs."""

import numpy as np
import pytest

from implicitbias import (
    Balanced,
    DeepLinear,
    Diagonal,
    GradientFlow,
    Hadamard,
    HeavyBall,
    MomentumFlow,
    Regression,
    Setting,
    Stop,
    simulate,
)
from implicitbias.dynamics.charts import jacobian
from implicitbias.theorems.diagonal.commuting import field, largest_bracket
from implicitbias.theorems.diagonal.curvature import curvatures
from implicitbias.theorems.diagonal.momentum import largest_gradient, pace

PROBLEM = Regression([[1.0, 2.0, -1.0], [0.5, -1.0, 2.0]], [1.0, -0.5])


@pytest.mark.parametrize("model", [Diagonal(2), Hadamard()], ids=["squares", "product"])
def test_curvatures_are_those_of_the_loss_where_the_flow_ends(model):
    setting = Setting(PROBLEM, model, GradientFlow(), Balanced(0.3))
    end = simulate(setting, Stop(loss=1e-28)).state["theta"]
    hessian = jacobian(lambda q: field(setting, q, PROBLEM.gradient(setting.predictor(q))), end)
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian)[-2:], curvatures(setting), rtol=1e-8)
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian)[:-2], 0.0, atol=1e-8)


def test_brackets_vanish_for_elementwise_products_only():
    theta = np.array([[0.5, -0.4, 0.7], [0.3, 0.6, 0.2], [-0.8, 0.5, 0.4]])
    assert largest_bracket(Setting(PROBLEM, Hadamard(3), GradientFlow(), theta)) < 1e-15
    # w = a v, one hidden unit: ∇w_i = (a e_i, v_i), and [∇w_i, ∇w_j] = v_i e_j − v_j e_i up to its sign
    v, a = np.array([[0.5, -0.4, 0.7]]), np.array([[2.0]])
    shared = largest_bracket(Setting(PROBLEM, DeepLinear((3, 1, 1)), GradientFlow(), (v, a)))
    fields = [np.hypot(2.0, x) for x in v[0]]
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = [np.hypot(*v[0, list(p)]) / (np.sqrt(2) * (fields[p[0]] + fields[p[1]])) for p in pairs]
    np.testing.assert_allclose(shared, max(expected), rtol=1e-12)


def test_momentum_flows_at_the_bound_keep_their_signs_and_gradients():
    """|g| ≤ G along the run, and 4λG = 1 leaves A ≥ −1/(2λ)."""
    lam = 1 / (4 * largest_gradient(PROBLEM))
    setting = Setting(PROBLEM, Hadamard(), MomentumFlow(lam), Balanced(0.1))
    run = simulate(setting, Stop(loss=1e-20))
    assert run.accumulators["crossing"][0] == np.inf
    assert np.max(np.abs(PROBLEM.gradient(np.zeros(3)))) <= largest_gradient(PROBLEM)


def test_the_pace_of_heavy_ball():
    """At β = 0 it is η/2: descent is its flow with momentum λ = η/2 to second order."""
    assert pace(HeavyBall(0.2, 0.0)) == pytest.approx(0.1)
    assert pace(HeavyBall(0.2, 0.5)) == pytest.approx(0.6)
