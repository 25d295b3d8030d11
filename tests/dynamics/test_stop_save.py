"""Stop and Save: what they refuse, and which moments a history holds."""

import signal

import numpy as np
import pytest

import implicitbias as ib


@pytest.fixture
def setting(regression):
    return ib.Setting(regression, ib.Linear(), ib.GradientDescent(0.1))


@pytest.fixture
def flow(regression):
    return ib.Setting(regression, ib.Linear(), ib.GradientFlow())


@pytest.fixture
def hurry():
    """Nothing hangs: ten seconds, then an error in place of a stuck test."""

    def late(signum, frame):
        raise TimeoutError("still running after 10 s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(10)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def saved(setting, save, stop=None, **more):
    run = ib.simulate(setting, stop or ib.Stop(steps=20), save, **more)
    return run.history["steps"].astype(int).tolist(), run


@pytest.mark.parametrize("engine", ["python", "numba"])
@pytest.mark.parametrize(
    ("save", "steps"),
    [
        (ib.Save(), list(range(21))),
        (ib.Save(every=6), [0, 6, 12, 18]),
        (ib.Save(every=10), [0, 10, 20]),
        (ib.Save(at=[3, 0, 17, 3, 20, 25]), [0, 3, 17, 20]),
        (ib.Save(at=5), [5]),
        (ib.Save(at=[4], every=8), [0, 4, 8, 16]),
        (ib.Save(last=3), [18, 19, 20]),
        (ib.Save(every=6, last=2), [12, 18]),
        (ib.Save(log=1), [1, 10]),
        (ib.Save(log=2), [1, 3, 10]),  # 10^{0, ½, 1}, rounded
    ],
)
def test_moments_of_steps(save, steps, engine, setting):
    got, run = saved(setting, save, engine=engine)
    assert got == steps
    # w_k of the moment is that of a run of k steps
    for k, loss, t in zip(got, run.history["loss"], run.history["time"]):
        alone = ib.simulate(setting, ib.Stop(steps=k), engine=engine)
        assert loss == pytest.approx(alone.loss, rel=1e-12)
        assert t == pytest.approx(0.1 * k, rel=1e-12)


def test_saving_changes_nothing(setting):
    plain = ib.simulate(setting, ib.Stop(steps=100))
    for save in (ib.Save(), ib.Save(every=7), ib.Save(at=[33])):
        assert ib.simulate(setting, ib.Stop(steps=100), save).w.tolist() == plain.w.tolist()


def test_saving_changes_nothing_about_the_end(setting):
    """Goals and rest are looked at on the same steps whatever is saved."""
    for stop in (ib.Stop(loss=1e-9), ib.Stop()):
        plain = ib.simulate(setting, stop)
        kept = ib.simulate(setting, stop, ib.Save(every=5))
        assert (kept.steps, kept.status) == (plain.steps, plain.status)


def test_nothing_is_kept_unless_asked(setting):
    assert ib.simulate(setting, ib.Stop(steps=3)).history == {}


def test_moments_of_a_flow(flow):
    run = ib.simulate(flow, ib.Stop(time=4.0), ib.Save())
    assert run.history["steps"].tolist() == list(range(run.steps + 1))
    assert run.history["time"][0] == 0.0
    assert run.history["time"][-1] == 4.0
    assert (np.diff(run.history["time"]) > 0).all()
    assert run.history["loss"][-1] == run.loss
    every = ib.simulate(flow, ib.Stop(time=4.0), ib.Save(every=5)).history["steps"]
    assert every.tolist() == list(range(0, run.steps + 1, 5))
    last = ib.simulate(flow, ib.Stop(time=4.0), ib.Save(last=2)).history["time"]
    assert last.tolist() == run.history["time"][-2:].tolist()


def test_moments_of_a_flow_per_decade(flow):
    times = ib.simulate(flow, ib.Stop(time=100.0), ib.Save(log=1)).history["time"]
    later = times[times >= 0.01]
    np.testing.assert_allclose(later, [0.01, 0.1, 1.0, 10.0, 100.0], rtol=1e-14)


def test_moments_in_the_logarithmic_clock_per_decade(separable):
    setting = ib.Setting(separable(), ib.Linear(), ib.GradientFlow())
    run = ib.simulate(setting, ib.Stop(log_time=3 * np.log(10) + 0.1), ib.Save(log=1))
    np.testing.assert_allclose(run.history["log_time"], np.log(10) * np.arange(4), atol=1e-12)


def test_fields_by_name_and_by_callable(setting):
    def first(run):
        return run.w[0]

    def steps_and_time(run):
        return [run.steps, run.time]

    save = ib.Save(every=5, fields=("w", "theta", "log_loss", "direction", first, steps_and_time))
    run = ib.simulate(setting, ib.Stop(steps=10), ib.Save(at=[5, 10], fields=save.fields))
    h = run.history
    assert h["w"].shape == (2, 6)
    assert h["first"].tolist() == h["w"][:, 0].tolist()
    assert h["w"][-1].tolist() == run.w.tolist()
    assert h["theta"][-1].tolist() == run.theta.tolist()
    np.testing.assert_allclose(h["steps_and_time"], [[5, 0.5], [10, 1.0]], rtol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(h["direction"], axis=1), 1.0, rtol=1e-15)
    np.testing.assert_allclose(h["log_loss"][-1], np.log(run.loss), rtol=1e-14)


def test_two_callables_of_one_name_are_both_kept_or_refused(setting):
    fields = (lambda run: run.w[0], lambda run: run.w[1])
    try:
        run = ib.simulate(setting, ib.Stop(steps=2), ib.Save(fields=fields))
    except ValueError:
        return
    columns = [v for k, v in run.history.items() if k not in ("time", "steps")]
    assert len(columns) == 2


def test_an_unknown_field_is_refused(setting, flow):
    for s in (setting, flow):
        with pytest.raises(ValueError, match="cannot record 'colour'"):
            ib.simulate(s, ib.Stop(time=1.0), ib.Save(fields="colour"))


@pytest.mark.parametrize("engine", ["python", "numba"])
@pytest.mark.parametrize("first", [[0, 10], []], ids=["some before", "none before"])
def test_moments_that_divergence_kept_from_being_reached_are_nan(first, engine):
    setting = ib.Setting(ib.Regression([[1.0]], [1.0]), ib.Linear(), ib.GradientDescent(3.0))
    at = [*first, 5000, 6000]
    run = ib.simulate(setting, ib.Stop(steps=9000), ib.Save(at=at, fields=("loss", "w")), engine=engine)
    assert run.status == "diverged"
    assert len(run.history["loss"]) == len(at)
    assert np.isnan(run.history["loss"][-2:]).all()
    assert np.isnan(run.history["w"][-2:]).all()
    assert run.history["steps"][-2:].tolist() == [5000, 6000]
    assert run.history["time"][-2:].tolist() == [15000.0, 18000.0]  # Σ η, η = 3
    # w_k = 1 − (−2)^k, exactly
    assert run.history["w"][: len(first), 0].tolist() == [1 - (-2.0) ** k for k in first]


def test_a_continued_run_saves_the_moments_asked_for(setting):
    first = ib.simulate(setting, ib.Stop(steps=10))
    run = ib.simulate(setting, ib.Stop(steps=10), ib.Save(at=[0, 15]), state=first.state)
    assert run.history["steps"].tolist() == [15]


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("at", [[2.5], [-1, 0, 5]], ids=["half a step", "before the start"])
def test_step_numbers_that_do_not_exist(at, setting):
    """Refused, or passed over; not a hang, and the others are kept."""
    try:
        got, _ = saved(setting, ib.Save(at=at))
    except ValueError:
        return
    assert got == [k for k in at if k >= 0 and k == int(k)]


def test_none_and_inf_ask_nothing():
    nothing = ib.Stop()
    assert ib.Stop(loss=None, time=np.inf, steps=np.inf, gradient=np.inf, log_loss=-np.inf) == nothing
    assert not nothing.has_goal
    assert ib.Stop(loss=0.0).has_goal
    assert ib.Stop(steps=3.0).steps == 3


BAD = {
    "loss a word": (lambda: ib.Stop(loss="small"), r"Stop\(loss=…\) must be a number or None"),
    "loss NaN": (lambda: ib.Stop(loss=np.nan), r"Stop\(loss=…\) must be a number"),
    "loss < 0": (lambda: ib.Stop(loss=-1.0), r"Stop\(loss=…\) must be ≥ 0"),
    "gradient < 0": (lambda: ib.Stop(gradient=-1.0), r"Stop\(gradient=…\) must be ≥ 0"),
    "time < 0": (lambda: ib.Stop(time=-1.0), r"Stop\(time=…\) must be ≥ 0"),
    "half a step": (lambda: ib.Stop(steps=1.5), r"Stop\(steps=…\) must be an integer"),
    "every 0": (lambda: ib.Save(every=0), r"Save\(every=…\) must be an integer ≥ 1"),
    "every 1.5": (lambda: ib.Save(every=1.5), r"Save\(every=…\) must be an integer ≥ 1"),
    "last 0": (lambda: ib.Save(last=0), r"Save\(last=…\)"),
    "log -1": (lambda: ib.Save(log=-1), r"Save\(log=…\)"),
    "at NaN": (lambda: ib.Save(at=[1.0, np.nan]), r"Save\(at=…\)\[1\] is nan"),
    "at nothing": (lambda: ib.Save(at=[]), r"Save\(at=…\) is empty"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_stops_and_saves_are_refused(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_stops_that_do_not_fit_the_setting(setting, separable):
    with pytest.raises(ValueError, match="needs a Classification, not a Regression"):
        ib.simulate(setting, ib.Stop(margin=1.0))
    with pytest.raises(ValueError, match="clock of flows"):
        ib.simulate(setting, ib.Stop(log_time=1.0))


@pytest.mark.parametrize(
    "optimizer", [ib.GradientFlow(), ib.GradientDescent(0.2)], ids=lambda o: type(o).__name__
)
def test_moments_after_rest_hold_the_resting_point(optimizer, regression):
    setting = ib.Setting(regression, ib.Linear(), optimizer)
    at = [1, 100, 50_000, 90_000]
    stop = ib.Stop(time=1e5) if setting.is_flow else ib.Stop(steps=100_000)
    run = ib.simulate(setting, stop, ib.Save(at=at, fields=("w",)))
    assert len(run.history["w"]) == 4
    assert (run.history["w"][-2:] == run.w).all()
    clock = "time" if setting.is_flow else "steps"
    assert run.history[clock].tolist() == at


def test_a_log_chart_run_goes_on_in_the_ordinary_chart(regression):
    setting = ib.Setting(regression, ib.Diagonal(), ib.GradientFlow(), ib.Balanced(0.3))
    first = ib.simulate(setting, ib.Stop(time=1.0), chart="log")
    rest = ib.simulate(setting, ib.Stop(time=2.0), chart="ordinary", state=first.state)
    whole = ib.simulate(setting, ib.Stop(time=2.0), chart="log")
    np.testing.assert_allclose(rest.w, whole.w, rtol=1e-7)
