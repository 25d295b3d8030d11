"""Runs: what they say of their end, files, xarray, figures."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

import implicitbias as ib


@pytest.fixture(params=["steps", "flow", "deep", "batch", "classification"])
def run(request, regression, separable):
    save = ib.Save(every=3, fields=("loss", "w", "theta"))
    if request.param == "classification":
        setting = ib.Setting(separable(), ib.Linear(), ib.GradientFlow())
        return ib.simulate(setting, ib.Stop(log_time=3.0), save)
    model, optimizer, init = {
        "steps": (ib.Hadamard(), ib.SGD(0.05), ib.Balanced(0.5)),
        "flow": (ib.Diagonal(), ib.GradientFlow(), ib.Balanced(0.1)),
        "deep": (ib.DeepLinear((6, 2, 1)), ib.GradientDescent(0.05), ib.Balanced(0.5, rng=1)),
        "batch": (ib.Hadamard(), ib.GradientDescent(0.05), 0.5 * np.ones((3, 2, 6))),
    }[request.param]
    setting = ib.Setting(regression, model, optimizer, init)
    return ib.simulate(setting, ib.Stop(loss=1e-12, steps=10), save)


def equal(a, b):
    if isinstance(a, tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b))
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True)


def test_numbers_belong_together(run):
    problem = run.setting.problem
    w = run.setting.model.predictor(run.theta)
    np.testing.assert_allclose(run.w, w, rtol=1e-12)
    np.testing.assert_allclose(run.loss, problem.loss(run.w), rtol=1e-12)
    np.testing.assert_allclose(run.log_loss, np.log(run.loss), rtol=1e-12)
    np.testing.assert_allclose(run.log_time, np.log(run.time), rtol=1e-12)
    size = np.linalg.norm(np.atleast_2d(run.w), axis=1, keepdims=True)
    np.testing.assert_allclose(np.atleast_2d(run.direction), np.atleast_2d(run.w) / size, rtol=1e-14)
    statuses = run.status if isinstance(run.status, list) else [run.status]
    assert f"{len(statuses)}" in repr(run) if len(statuses) > 1 else statuses[0] in repr(run)


def test_files_keep_everything(run, tmp_path):
    path = tmp_path / "run.npz"
    run.save(path)
    back = ib.load(path)
    for name in ("w", "theta", "loss", "log_loss", "time", "log_time", "steps"):
        assert equal(getattr(back, name), getattr(run, name)), name
    for name in ("status", "message", "chart", "polished", "counters"):
        assert getattr(back, name) == getattr(run, name)
    assert equal(back.converged, run.converged)
    assert isinstance(back.theta, tuple) == isinstance(run.theta, tuple)
    for group in ("history", "accumulators"):
        kept, were = getattr(back, group), getattr(run, group)
        assert list(kept) == list(were)
        assert all(equal(kept[k], were[k]) for k in were)
    assert back.setting == run.setting
    # the setting is enough to run it again
    again = ib.simulate(back.setting, ib.Stop(steps=2))
    assert equal(again.w, ib.simulate(run.setting, ib.Stop(steps=2)).w)


def test_files_of_users_own_objects_keep_the_numbers(regression, tmp_path):
    setting = ib.Setting(regression, ib.Linear(), ib.GradientDescent(lambda k: 0.1))
    run = ib.simulate(setting, ib.Stop(steps=5), ib.Save())
    run.save(tmp_path / "own")
    back = ib.load(tmp_path / "own")
    assert back.setting is None
    assert back.w.tolist() == run.w.tolist()
    assert back.history["loss"].tolist() == run.history["loss"].tolist()
    np.testing.assert_allclose(back.direction, run.direction)


def test_xarray(regression):
    pytest.importorskip("xarray")
    setting = ib.Setting(regression, ib.Hadamard(), ib.GradientDescent(0.05), ib.Balanced(0.5))
    run = ib.simulate(setting, ib.Stop(steps=9), ib.Save(every=3, fields=("loss", "w", "theta")))
    data = run.to_xarray()
    assert data.sizes["moment"] == 4
    np.testing.assert_array_equal(data["time"], run.history["time"])
    np.testing.assert_array_equal(data["loss"], run.history["loss"])
    np.testing.assert_array_equal(data["w"], run.w)
    np.testing.assert_array_equal(data["w_history"], run.history["w"])
    np.testing.assert_array_equal(data["theta"], run.history["theta"])
    np.testing.assert_array_equal(data["shift"], run.accumulators["shift"])
    assert data.attrs["status"] == run.status
    assert data.attrs["steps"] == 9
    # theory's usual question of a data set: the loss at a time
    assert float(data["loss"][-1]) == run.loss


def test_xarray_of_a_bare_run_and_of_a_batch(regression):
    pytest.importorskip("xarray")
    single = ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.05))
    data = ib.simulate(single, ib.Stop(steps=2)).to_xarray()
    assert list(data.data_vars) == ["w"]
    batch = ib.Setting(regression, ib.Linear(), ib.GradientDescent([0.05, 0.1]))
    with pytest.raises(ValueError, match="not a batch"):
        ib.simulate(batch, ib.Stop(steps=2)).to_xarray()


def test_plot_draws_the_history_and_returns_the_artists(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.05))
    run = ib.simulate(setting, ib.Stop(steps=9), ib.Save(fields=("loss", "w")))
    figure, ax = plt.subplots()
    before = dict(plt.rcParams)
    (line,) = run.plot(ax=ax)
    assert line.axes is ax
    np.testing.assert_array_equal(line.get_xdata(), run.history["time"])
    np.testing.assert_array_equal(line.get_ydata(), run.history["loss"])
    assert ax.get_ylabel() == "loss"
    assert len(run.plot(ax, field="w")) == 6
    assert dict(plt.rcParams) == before
    with pytest.raises(ValueError, match=r"history has no 'margin' .*save=Save"):
        run.plot(ax, field="margin")
    plt.close(figure)


def test_plot_of_a_batch_is_a_line_a_member(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.GradientDescent([0.05, 0.1]))
    run = ib.simulate(setting, ib.Stop(steps=9), ib.Save())
    figure, ax = plt.subplots()
    lines = run.plot(ax=ax)
    assert len(lines) == 2
    for line, t, loss in zip(lines, run.history["time"], run.history["loss"]):
        np.testing.assert_array_equal(line.get_xdata(), t)
        np.testing.assert_array_equal(line.get_ydata(), loss)
    plt.close(figure)


def test_margin_is_of_classifications(regression, separable):
    setting = ib.Setting(separable(), ib.Linear(), ib.GradientDescent(0.1))
    run = ib.simulate(setting, ib.Stop(steps=5))
    least = separable().margins(run.w).min()
    for p in (1, 2, 3.5, np.inf):
        assert run.margin(p) == pytest.approx(least / np.linalg.norm(run.w, p), rel=1e-14)
    other = ib.simulate(ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.1)), ib.Stop(steps=1))
    with pytest.raises(ValueError, match="Classification"):
        other.margin(2)


@pytest.mark.parametrize(
    ("model", "optimizer"),
    [
        (ib.Linear(), ib.HeavyBall(0.1, 0.5)),
        (ib.Hadamard(), ib.SGD(0.05)),
        (ib.Linear(), ib.MirrorDescent(ib.Hypentropy(-2.0), 0.1)),
        (ib.Diagonal(), ib.GradientFlow()),
    ],
    ids=lambda v: type(v).__name__,
)
def test_a_loaded_run_goes_on_where_it_stopped(model, optimizer, regression, tmp_path):
    setting = ib.Setting(regression, model, optimizer, ib.Balanced(0.3))
    first = ib.simulate(setting, ib.Stop(steps=10))
    first.save(tmp_path / "run.npz")
    back = ib.load(tmp_path / "run.npz")
    going, again = (ib.simulate(setting, ib.Stop(steps=5), state=s) for s in (first.state, back.state))
    assert going.steps == again.steps == 15
    assert np.array_equal(going.w, again.w)


def test_a_state_of_another_optimizer_is_refused(regression):
    state = ib.simulate(ib.Setting(regression, ib.Linear(), ib.HeavyBall(0.1, 0.5)), ib.Stop(steps=3)).state
    with pytest.raises(ValueError, match="here with GradientDescent"):
        ib.simulate(
            ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.1)), ib.Stop(steps=3), state=state
        )


def test_another_file_is_no_run(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.zeros(2))
    with pytest.raises(ValueError, match=r"not written by Run\.save: it holds a"):
        ib.load(tmp_path / "other.npz")


def test_a_list_of_seeds_makes_a_batch(regression):
    setting = ib.Setting(regression, ib.Linear(), ib.SGD(0.1))
    batch = ib.simulate(setting, ib.Stop(steps=20), rng=[1, 2, 3])
    singles = [ib.simulate(setting, ib.Stop(steps=20), rng=seed).w for seed in (1, 2, 3)]
    assert np.array_equal(batch.w, singles)
