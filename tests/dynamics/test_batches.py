"""A batch is its members run one at a time, and stacked."""

import numpy as np
import pytest

import implicitbias as ib

STARTS = np.random.default_rng(0).standard_normal((3, 2, 6))


def members(base, optimizers, inits, **more):
    """The runs of the single settings, each with its spawned stream of seed 0."""
    streams = np.random.SeedSequence(0).spawn(len(inits))
    return [
        ib.simulate(ib.Setting(*base, o, i), rng=s, **more) for o, i, s in zip(optimizers, inits, streams)
    ]


def assert_same(batch, runs):
    """Equal to the bit: they are the same computation."""
    for b, run in enumerate(runs):
        assert batch.w[b].tolist() == run.w.tolist()
        for name in ("loss", "log_loss", "time", "log_time", "steps"):
            assert getattr(batch, name)[b] == getattr(run, name)
        assert batch.status[b] == run.status
        assert batch.message[b] == run.message
        assert bool(batch.converged[b]) == run.converged
        for name, sums in run.accumulators.items():
            assert batch.accumulators[name][b].tolist() == sums.tolist()
        for name, values in run.history.items():
            kept = batch.history[name][b][: len(values)]
            np.testing.assert_array_equal(kept, values)
            assert np.isnan(batch.history[name][b][len(values) :]).all()


OPTIMIZERS = {
    "gradient": ib.GradientDescent(0.05),
    "sgd": ib.SGD(0.05, 2),
    "momentum": ib.HeavyBall(0.02, 0.5),
    "flow": ib.GradientFlow(),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_leading_axis_on_init(name, regression):
    base, o = (regression, ib.Hadamard()), OPTIMIZERS[name]
    more = {"stop": ib.Stop(loss=1e-6, steps=120), "save": ib.Save(every=5, fields=("loss", "w"))}
    batch = ib.simulate(ib.Setting(*base, o, STARTS), **more)
    assert_same(batch, members(base, [o] * 3, STARTS, **more))
    assert batch.theta.shape == (3, 2, 6)
    assert batch.setting.batch == 3


def test_a_leading_axis_on_every_block(regression):
    base = (regression, ib.DeepLinear((6, 2, 1)))
    rng = np.random.default_rng(1)
    init = rng.standard_normal((3, 2, 6)), rng.standard_normal((3, 1, 2))
    batch = ib.simulate(ib.Setting(*base, ib.GradientDescent(0.02), init), ib.Stop(steps=30))
    runs = members(base, [ib.GradientDescent(0.02)] * 3, list(zip(*init)), stop=ib.Stop(steps=30))
    assert_same(batch, runs)
    assert [a.shape for a in batch.theta] == [(3, 2, 6), (3, 1, 2)]
    for b, run in enumerate(runs):
        assert all(a[b].tolist() == c.tolist() for a, c in zip(batch.theta, run.theta))


STEPS = {
    "gradient": ib.GradientDescent,
    "sgd": ib.SGD,
    "heavy ball": lambda step: ib.HeavyBall(step, 0.5),
    "nesterov": ib.Nesterov,
    "sign": ib.SignDescent,
    "steepest": lambda step: ib.SteepestDescent(4 / 3, step),
    "preconditioned": lambda step: ib.PreconditionedGradientDescent(np.ones(6), step),
    "mirror": lambda step: ib.MirrorDescent(ib.Hypentropy(0.0), step),
    "decayed": lambda step: ib.GradientDescent(step, weight_decay=0.1),
}


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_an_axis_of_step_sizes(name, kind, regression):
    base, sizes = (regression, ib.Linear()), [0.1, 0.05, 0.2]
    batch = ib.simulate(ib.Setting(*base, STEPS[name](kind(sizes)), np.ones(6)), ib.Stop(steps=20))
    assert_same(
        batch, members(base, [STEPS[name](s) for s in sizes], [np.ones(6)] * 3, stop=ib.Stop(steps=20))
    )


def test_both_axes_go_together(regression):
    base, sizes = (regression, ib.Hadamard()), [0.1, 0.05, 0.01]
    setting = ib.Setting(*base, ib.GradientDescent(sizes), STARTS)
    batch = ib.simulate(setting, ib.Stop(steps=20))
    runs = members(base, [ib.GradientDescent(s) for s in sizes], STARTS, stop=ib.Stop(steps=20))
    assert_same(batch, runs)


@pytest.mark.parametrize("size", [1, 2])
def test_small_batches_keep_their_axis(size, regression):
    setting = ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.1), np.ones((size, 6)))
    run = ib.simulate(setting, ib.Stop(steps=2))
    assert run.w.shape == (size, 6)
    assert run.loss.shape == (size,)
    assert len(run.status) == size


def test_one_seed_per_run(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.SGD(0.1), np.ones((3, 6)))
    batch = ib.simulate(setting, ib.Stop(steps=20), rng=[5, 6, 5])
    single = ib.Setting(regression, ib.Linear(), ib.SGD(0.1), np.ones(6))
    runs = [ib.simulate(single, ib.Stop(steps=20), rng=s) for s in (5, 6, 5)]
    assert_same(batch, runs)
    assert batch.w[0].tolist() == batch.w[2].tolist()
    assert batch.w[0].tolist() != batch.w[1].tolist()
    with pytest.raises(ValueError, match="rng has 2 seeds for a batch of 3"):
        ib.simulate(setting, ib.Stop(steps=1), rng=[1, 2])


def test_runs_of_a_batch_have_streams_of_their_own(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.SGD(0.1), np.ones((3, 6)))
    batch = ib.simulate(setting, ib.Stop(steps=20), rng=0)
    assert len({tuple(w) for w in batch.w}) == 3
    again = ib.simulate(setting, ib.Stop(steps=20), rng=np.random.SeedSequence(0))
    assert again.w.tolist() == batch.w.tolist()
    # the first member does not depend on how many follow
    pair = ib.Setting(regression, ib.Linear(), ib.SGD(0.1), np.ones((2, 6)))
    assert ib.simulate(pair, ib.Stop(steps=20), rng=0).w.tolist() == batch.w[:2].tolist()


def test_a_batch_can_be_continued(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.SGD(0.1), np.ones((3, 6)))
    whole = ib.simulate(setting, ib.Stop(steps=50))
    first = ib.simulate(setting, ib.Stop(steps=20))
    rest = ib.simulate(setting, ib.Stop(steps=30), state=first.state)
    assert rest.w.tolist() == whole.w.tolist()


def test_members_end_for_their_own_reasons():
    """Steps ½, 3 and 1 on ½(w − 1)²: halves, doubles, exact at once."""
    setting = ib.Setting(ib.Regression([[1.0]], [1.0]), ib.Linear(), ib.GradientDescent([0.5, 3.0, 1.0]))
    run = ib.simulate(setting, ib.Stop(loss=2.0**-21, steps=3000))
    assert run.status == ["converged", "diverged", "converged"]
    assert run.steps.tolist()[::2] == [10, 1]
    assert run.converged.tolist() == [True, False, True]


def test_quantities_of_a_batch(separable):
    setting = ib.Setting(separable(), ib.Linear(), ib.GradientDescent(0.1), np.eye(3))
    run = ib.simulate(setting, ib.Stop(steps=5))
    np.testing.assert_allclose(np.linalg.norm(run.direction, axis=1), 1.0, rtol=1e-15)
    for norm, size in ((2, 2), (1, 1), (np.inf, np.inf)):
        margins = [separable().margins(w).min() / np.linalg.norm(w, size) for w in run.w]
        np.testing.assert_allclose(run.margin(norm), margins, rtol=1e-14)
