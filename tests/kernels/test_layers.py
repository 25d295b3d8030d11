"""The fused loop of matrix models against the oracle loop, which calls each optimizer's NumPy update."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import implicitbias as ib

OPTIMIZERS = [
    ib.GradientDescent(0.02),
    ib.GradientDescent(0.02, weight_decay=0.1),
    ib.HeavyBall(0.01, 0.8),
    ib.Nesterov(0.01, 0.8),
    ib.SteepestDescent(3, 0.01),
    ib.SignDescent(0.01),
    ib.SignDescent(0.01, 0.5),
    ib.CoordinateDescent(0.01),
    ib.AdaGrad(0.05),
    ib.RMSProp(0.01, beta=0.9, eps=1e-2),
    ib.Adam(0.01, eps=1e-2),
    ib.AdamW(0.01, 0.1, eps=1e-2),
    ib.Lion(0.01, 0.1),
]


def problems(rng, p, q):
    yield ib.MatrixRegression.whitened(rng.standard_normal((p, q)))
    yield ib.MatrixRegression(rng.standard_normal((7, q)), rng.standard_normal((7, p)))
    mask = rng.random((p, q)) < 0.6
    mask[0, 0] = True
    yield ib.MatrixCompletion(rng.standard_normal((p, q)), mask)
    yield ib.MatrixSensing(rng.standard_normal((9, p, q)), rng.standard_normal(9))


def models(p, q):
    yield ib.DeepLinear((q, 5, 3, p))
    yield ib.MatrixFactorization(3)
    if p == q:
        yield ib.MatrixFactorization(2, tied=True)


def start(rng, problem, model):
    layout = ib.Setting(problem, model, ib.GradientFlow(), ib.Balanced(0.5)).layout
    return layout.split(0.4 * rng.standard_normal(layout.size))


def assert_engines_agree(setting, steps=40):
    a, b = (ib.simulate(setting, ib.Stop(steps=steps), engine=e) for e in ("python", "numba"))
    assert (b.counters["fused"], a.counters["fused"]) == (1, 0)
    for x, y in zip(a.theta, b.theta):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
def test_equals_the_oracle_loop(optimizer):
    rng = np.random.default_rng(0)
    for p, q in [(4, 6), (5, 5)]:
        for problem, model in itertools.product(problems(rng, p, q), models(p, q)):
            assert_engines_agree(ib.Setting(problem, model, optimizer, start(rng, problem, model)))


def test_a_scalar_output_is_a_regression():
    rng = np.random.default_rng(1)
    problem = ib.Regression(rng.standard_normal((5, 6)), rng.standard_normal(5))
    for widths in [(6, 1), (6, 1, 1), (6, 4, 2, 1)]:
        model = ib.DeepLinear(widths)
        assert_engines_agree(ib.Setting(problem, model, ib.HeavyBall(0.02, 0.5), start(rng, problem, model)))


def test_every_small_size():
    """Vectorised loops have tails."""
    rng = np.random.default_rng(2)
    for p, q in itertools.product(range(1, 18), repeat=2):
        problem = ib.MatrixRegression.whitened(rng.standard_normal((p, q)))
        model = ib.DeepLinear((q, 1 + (p + q) % 7, p))
        assert_engines_agree(
            ib.Setting(problem, model, ib.GradientDescent(0.01), start(rng, problem, model)), 5
        )


@pytest.mark.parametrize("goal", ["loss", "gradient"])
@pytest.mark.parametrize(
    "optimizer", [ib.GradientDescent(0.05), ib.Nesterov(0.05, 0.5)], ids=["GD", "Nesterov"]
)
def test_both_loops_stop_at_the_same_step(optimizer, goal):
    problem, model = ib.MatrixRegression.whitened(np.diag([2.0, 1.0])), ib.DeepLinear((2, 2, 2))
    setting = ib.Setting(problem, model, optimizer, ib.Balanced(0.5))
    runs = [ib.simulate(setting, ib.Stop(**{goal: 1e-3}, steps=5000), engine=e) for e in ("python", "numba")]
    assert runs[0].steps == runs[1].steps
    assert {r.status for r in runs} == {"converged"}


def test_divergence_is_a_status():
    problem, model = ib.MatrixRegression.whitened(np.diag([2.0, 1.0])), ib.DeepLinear((2, 2, 2))
    run = ib.simulate(ib.Setting(problem, model, ib.GradientDescent(5.0), ib.Balanced(1.0)), engine="numba")
    assert run.status == "diverged"


def test_products_by_blas_are_the_same():
    """From a few hundred multiplications on, products are BLAS's, those with the data included."""
    rng = np.random.default_rng(4)
    for p, q in [(9, 30), (40, 40)]:
        for problem, model in itertools.product(problems(rng, p, q), models(p, q)):
            assert_engines_agree(
                ib.Setting(problem, model, ib.HeavyBall(1e-3, 0.5), start(rng, problem, model)), 10
            )


def test_noise_is_left_to_the_oracle_loop():
    problem = ib.MatrixCompletion(np.eye(3), np.eye(3))
    setting = ib.Setting(problem, ib.MatrixFactorization(2), ib.SGD(0.1), ib.Balanced(0.5))
    assert not ib.simulate(setting, ib.Stop(steps=3)).counters["fused"]


SCRIPT = """
import json, numpy as np, implicitbias as ib
problem, model = ib.MatrixRegression(np.eye(3)[:2], np.ones((2, 2))), ib.DeepLinear((3, 2, 2))
setting = ib.Setting(problem, model, ib.HeavyBall(0.1, 0.5), ib.Balanced(0.7))
print(json.dumps([W.tolist() for W in ib.simulate(setting, ib.Stop(steps=9), engine="numba").theta]))
"""


def test_it_is_valid_python():
    runs = []
    for disabled in "01":
        environment = os.environ | {"NUMBA_DISABLE_JIT": disabled}
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, text=True, env=environment, check=True
        )
        runs.append(json.loads(done.stdout))
    for a, b in zip(*runs):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
