"""Accuracy of flows in a log chart against the dual solution, down to scale 1e-150."""

import numpy as np
import pytest

from implicitbias import (
    Balanced,
    Diagonal,
    GradientFlow,
    Regression,
    Setting,
    Stop,
    compare,
    predict,
    simulate,
)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-8, 1e-30, 1e-100, 1e-150])
def test_the_flow_ends_at_the_dual_solution(scale):
    rng = np.random.default_rng(20)
    problem = Regression(rng.standard_normal((20, 100)), rng.standard_normal(20))
    setting = Setting(problem, Diagonal(2), GradientFlow(), Balanced(scale))
    run = simulate(setting, Stop(loss=1e-26))
    assert (run.status, run.chart, run.polished) == ("converged", "log", False)
    pred = predict(setting, run)
    assert pred.certificate.worst <= 1e-12
    assert compare(run, pred).relative <= 1e-9
