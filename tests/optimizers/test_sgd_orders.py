"""The orders in which stochastic gradient descent takes the samples."""

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(3)
X = RNG.standard_normal((6, 8))


@pytest.mark.parametrize("loss", ["exp", "logistic"])
@pytest.mark.parametrize("batch", [1, 2])
def test_cyclic_batches_are_the_rows_in_turn(loss, batch):
    problem = ib.Classification(X, [1, -1] * 3, loss)
    setting = ib.Setting(problem, ib.Linear(), ib.SGD(0.1, batch, order="cyclic"))
    w = np.zeros(8)
    for k in range(9):
        rows = [(k * batch + b) % 6 for b in range(batch)]
        w = w - 0.1 * np.mean([problem.sample_gradient(w, [i]) for i in rows], axis=0)
    for engine in ("numba", "python"):
        run = ib.simulate(setting, stop=ib.Stop(steps=9), engine=engine)
        assert np.allclose(run.w, w, rtol=1e-14, atol=1e-15)


def test_a_run_in_turn_goes_on_where_it_stopped():
    setting = ib.Setting(ib.Regression(X, X @ np.ones(8)), ib.Linear(), ib.SGD(0.05, order="cyclic"))
    whole = ib.simulate(setting, stop=ib.Stop(steps=14))
    first = ib.simulate(setting, stop=ib.Stop(steps=5))
    assert np.array_equal(ib.simulate(setting, stop=ib.Stop(steps=9), state=first.state).w, whole.w)


def test_orders_are_named():
    with pytest.raises(ValueError, match='order must be "random", "shuffled" or "cyclic"'):
        ib.SGD(0.1, order="backwards")
    with pytest.raises(ValueError, match="divide n"):
        ib.Setting(ib.Regression(X, X @ np.ones(8)), ib.Linear(), ib.SGD(0.1, 4, order="cyclic"))
