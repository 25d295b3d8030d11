"""predict: which rule, what it says, what it takes on trust, and how it refuses."""

import numpy as np
import pytest
from scipy.optimize import linprog

import implicitbias as ib
from implicitbias import (
    SGD,
    Averaged,
    Balanced,
    Classification,
    CoordinateDescent,
    Decay,
    DeepLinear,
    Diagonal,
    Euclidean,
    GradientDescent,
    GradientFlow,
    Hadamard,
    HeavyBall,
    Hypentropy,
    Linear,
    LpNorm,
    Mahalanobis,
    MatrixFactorization,
    MatrixRegression,
    MirrorDescent,
    Nesterov,
    NoPrediction,
    NormalizedGradientDescent,
    PNorm,
    PowerPropagation,
    PreconditionedFlow,
    PreconditionedGradientDescent,
    RandomizedKaczmarz,
    Regression,
    Save,
    Setting,
    SignDescent,
    SteepestDescent,
    Stop,
    WeightNormalized,
    certify,
    closed_form,
    compare,
    max_margin,
    mirror_form,
    predict,
    simulate,
)
from implicitbias.selection import RULES

D = 12


def regression(seed=0, n=5, d=D):
    rng = np.random.default_rng(seed)
    return Regression(rng.standard_normal((n, d)), rng.standard_normal(n))


def inconsistent(seed=0):
    p = regression(seed)
    return Regression(np.vstack([p.X, p.X[:2], p.X[0] + p.X[1]]), np.append(p.y, [3.0, -2.0, 0.5]))


def classification(seed=0, n=6, d=D, loss="exp"):
    rng = np.random.default_rng(seed)
    return Classification(rng.standard_normal((n, d)), np.where(np.arange(n) % 2, 1, -1), loss)


W0 = np.random.default_rng(1).standard_normal(D)
STEP = 0.05
EUCLIDEAN = [
    GradientFlow(),
    GradientDescent(STEP),
    HeavyBall(STEP, 0.5),
    Nesterov(STEP),
    SteepestDescent(2, STEP),
]
STOCHASTIC = [
    SGD(STEP),
    RandomizedKaczmarz(),
    RandomizedKaczmarz("uniform"),
    MirrorDescent(Euclidean(), STEP, batch=2),
    Averaged(SGD(STEP)),
]


# -- regression ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimizer", [*EUCLIDEAN, *STOCHASTIC, NormalizedGradientDescent(Decay(STEP, 0.6))], ids=repr
)
def test_the_nearest_interpolant(optimizer):
    p = regression()
    pred = predict(Setting(p, Linear(), optimizer, W0))
    np.testing.assert_allclose(pred.w, W0 + np.linalg.pinv(p.X) @ (p.y - p.X @ W0), atol=1e-13)
    assert pred.direction is None
    assert pred.certificate.worst <= 1e-13
    assert pred.rule.source == "gunasekar2018geometry"


@pytest.mark.parametrize("optimizer", EUCLIDEAN, ids=repr)
def test_least_squares_where_the_data_are_inconsistent_or_rank_deficient(optimizer):
    p = inconsistent()
    pred = predict(Setting(p, Linear(), optimizer, W0))
    # pinv cuts at 1e-15·n by default; the rank is five, with a clear gap
    exact = W0 + np.linalg.pinv(p.X, rcond=1e-10) @ (p.y - p.X @ W0)
    np.testing.assert_allclose(pred.w, exact, atol=1e-12)


def test_the_flow_on_inconsistent_data_ends_there():
    s = Setting(inconsistent(), Linear(), GradientDescent(0.2), W0)
    run = simulate(s)
    assert run.converged
    # the slowest mode is at rounding when nothing moves any more: 1e-16·κ(X)² with κ < 10
    assert compare(run, predict(s, run)).relative <= 1e-12


@pytest.mark.parametrize("optimizer", STOCHASTIC, ids=repr)
def test_stochastic_methods_need_consistent_data(optimizer):
    with pytest.raises(NoPrediction, match="Xw = y has a solution"):
        predict(Setting(inconsistent(), Linear(), optimizer, W0))


P = np.linspace(0.3, 2.0, D)
GEOMETRIES = [
    (MirrorDescent(PNorm(1.5), STEP), PNorm(1.5)),
    (MirrorDescent(Hypentropy(-2.0), STEP), Hypentropy(-2.0)),
    (PreconditionedFlow(P), Mahalanobis(1 / P)),
    (PreconditionedGradientDescent(np.diag(P), STEP), Mahalanobis(1 / P)),
]


@pytest.mark.parametrize(("optimizer", "psi"), GEOMETRIES, ids=lambda x: type(x).__name__)
def test_the_bregman_projection_of_the_start(optimizer, psi):
    p = regression()
    pred = predict(Setting(p, Linear(), optimizer, W0))
    # of all interpolants (w + null-space moves), none is nearer to w₀ in D_ψ
    N = np.eye(D) - np.linalg.pinv(p.X) @ p.X
    rng = np.random.default_rng(2)
    assert np.linalg.norm(p.X @ pred.w - p.y) <= 1e-12
    for size in (1e-2, 1.0):
        for _ in range(20):
            assert psi.bregman(pred.w + size * N @ rng.standard_normal(D), W0) > psi.bregman(pred.w, W0)


@pytest.mark.parametrize("log_c", [-60.0, -100.0, -300.0, -690.0])
def test_mirror_descent_from_a_generic_start_at_a_tiny_scale(log_c):
    """z₀ = ∇ψ(w₀) is of size |log c|: the continuation in log c must carry it along."""
    for seed in range(3):
        s = Setting(regression(seed), Linear(), MirrorDescent(Hypentropy(log_c), STEP), W0)
        assert predict(s).certificate.worst <= 1e-12


@pytest.mark.parametrize("small", [1e-20, 1e-60, 1e-150])
def test_diagonal_networks_from_lopsided_starts(small):
    for seed in range(3):
        s = Setting(regression(seed), Diagonal(2), GradientFlow(), np.stack([W0, np.full(D, small)]))
        assert predict(s).certificate.worst <= 1e-12


@pytest.mark.parametrize(
    ("model", "theta", "c"),
    [
        (Diagonal(2), Balanced(0.3), 2 * 0.3**2),
        (Hadamard(), Balanced(0.3), 0.3**2),
        (Diagonal(2), np.stack([W0, W0[::-1]]), 2 * np.abs(W0 * W0[::-1])),
        (Hadamard(), np.stack([W0, W0[::-1]]), np.abs(W0**2 - W0[::-1] ** 2) / 2),
    ],
)
def test_the_scale_and_tilt_of_two_layer_networks(model, theta, c):
    """w₀ = c sinh z₀ and c is what the flow conserves."""
    s = Setting(regression(), model, GradientFlow(), theta)
    psi, z0 = mirror_form(s)
    np.testing.assert_allclose(np.exp(psi.log_c), np.broadcast_to(c, np.shape(psi.log_c)), rtol=1e-12)
    np.testing.assert_allclose(psi.inverse_gradient(np.broadcast_to(z0, (D,))), s.w0, rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("model", [Diagonal(2), Hadamard()], ids=repr)
def test_large_scales_are_kernel_and_tiny_ones_rich(model):
    p = regression()
    large, small = (predict(Setting(p, model, GradientFlow(), Balanced(a))).w for a in (1e3, 1e-80))
    # arcsinh(w/c) = (w/c)(1 + O(w²/c²)) with c ≥ 1e6
    np.testing.assert_allclose(large, np.linalg.pinv(p.X) @ p.y, atol=1e-10)
    lp = linprog(np.ones(2 * D), A_eq=np.hstack([p.X, -p.X]), b_eq=p.y, bounds=(0, None), method="highs")
    # ψ = Σ |w|(ln 2|w| − 1 + L) with L = ln(1/c): the least ψ exceeds the least ℓ1 norm by at most this over L
    x = lp.x[lp.x > 0]
    excess = np.sum(np.abs(x * (np.log(2 * x) - 1))) + D / 2
    assert lp.fun * (1 - 1e-9) <= np.sum(np.abs(small)) <= lp.fun + excess / (160 * np.log(10) - 1)


# -- rules that need the run ---------------------------------------------------------------------


def finite_steps(optimizer=None, observe=None):
    s = Setting(regression(), Hadamard(), optimizer or GradientDescent(0.1), Balanced(0.1))
    return s, simulate(s, Stop(loss=1e-28), observe=observe)


@pytest.mark.parametrize("optimizer", [GradientDescent(0.1), SGD(0.03)], ids=repr)
def test_accumulators_make_the_prediction(optimizer):
    s, run = finite_steps(optimizer)
    pred = predict(s, run)
    psi = pred.program.potential
    np.testing.assert_allclose(psi.log_c, 2 * np.log(0.1) + run.accumulators["log_shrink"], rtol=1e-12)
    np.testing.assert_allclose(pred.program.z0, run.accumulators["shift"], atol=1e-15)
    # rounding of some hundred steps
    assert compare(run, pred).relative <= 1e-10
    assert pred.assumes == ()


def test_without_the_run_it_is_asked_for():
    s, _ = finite_steps()
    with pytest.raises(NoPrediction, match=r"the run is given.*log_shrink, shift.*predict\(setting, run\)"):
        predict(s)


@pytest.mark.parametrize("observe", [(), ("shift",), ("log_shrink",)])
def test_a_run_without_the_accumulators_is_not_enough(observe):
    """A missing sum is not zero."""
    s, run = finite_steps(observe=observe)
    with pytest.raises(NoPrediction, match="accumulators"):
        predict(s, run)


def test_a_run_that_did_not_converge_is_refused():
    s = Setting(regression(), Linear(), SteepestDescent(2, STEP), W0)
    run = simulate(s, Stop(loss=1e-26, steps=3))
    assert run.status == "budget"
    with pytest.raises(NoPrediction, match="the run converges"):
        predict(s, run)


# -- what is taken on trust ----------------------------------------------------------------------


def test_hypotheses_of_the_run_are_assumed_until_it_is_there():
    s = Setting(regression(), Linear(), GradientDescent(STEP), W0)
    assert predict(s).assumes == ("the run converges",)
    assert predict(s, simulate(s, Stop(loss=1e-24))).assumes == ()


def test_a_callable_step_is_trusted_and_said():
    trusted = [
        Setting(regression(), Linear(), GradientDescent(step), W0)
        for step in (lambda k: 0.05, Decay(0.05, 0.1), 0.05)
    ]
    said = [any("callable" in text for text in predict(s).assumes) for s in trusted]
    assert said == [True, False, False]


# -- classification ------------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["exp", "logistic"])
@pytest.mark.parametrize("optimizer", [GradientFlow(), GradientDescent(0.1)], ids=repr)
def test_the_margin_curve(loss, optimizer):
    p = classification(loss=loss)
    pred = predict(Setting(p, Linear(), optimizer, W0))
    hard = max_margin(p, 2)
    np.testing.assert_allclose(pred.direction, hard.w / np.linalg.norm(hard.w), atol=1e-12)
    assert pred.w is None
    assert pred.certificate.worst <= 1e-12
    # the curve is affine in log t with slope ŵ
    a, b = pred.at(log_time=[100.0, 300.0])
    np.testing.assert_allclose((b - a) / 200, hard.w, atol=1e-11)
    np.testing.assert_allclose(pred.at(np.exp(100.0)), a, rtol=1e-12)
    # and its constant solves exp(−z_i·w̃)/n = α_i on the support vectors, in t = Σ η for steps too
    alpha = pred.program.multipliers
    S = alpha > 1e-9 * alpha.max()
    ZS = p.Z[S]
    on, _ = np.linalg.qr(ZS.T)
    offset = on @ (on.T @ (a - 100 * hard.w))
    np.testing.assert_allclose(1 / p.n * np.exp(-ZS @ offset), alpha[S], rtol=1e-9)
    # the system of stationarity itself: ŵ = Σ α_i z_i
    np.testing.assert_allclose(alpha @ p.Z, hard.w, atol=1e-12)


STEEPEST = [
    (SignDescent(Decay(0.1, 0.5)), np.inf),
    (CoordinateDescent(Decay(0.1, 0.5)), 1),
    (NormalizedGradientDescent(Decay(0.1, 1.0)), 2),
    (SteepestDescent(3, Decay(0.1, 0.5), normalized=True), 3),
    (SteepestDescent(LpNorm(4 / 3), lambda k: 0.1 / (k + 1), normalized=True), 4 / 3),
]


@pytest.mark.parametrize(
    ("optimizer", "p"), STEEPEST, ids=lambda x: type(x).__name__ if hasattr(x, "step") else x
)
def test_normalised_steepest_descent_has_its_own_margin(optimizer, p):
    problem = classification()
    pred = predict(Setting(problem, Linear(), optimizer))
    margin = np.min(problem.Z @ pred.direction) / np.linalg.norm(pred.direction, p)
    np.testing.assert_allclose(margin, max_margin(problem, p).margin, rtol=1e-9)
    assert abs(np.linalg.norm(pred.direction) - 1) <= 1e-14
    assert pred.certificate.worst <= 1e-10


def test_a_direction_has_no_curve():
    pred = predict(Setting(classification(), Linear(), SignDescent(Decay(0.1, 0.5))))
    with pytest.raises(ValueError, match=r"predicts a limit, not a curve: use \.w or \.direction"):
        pred.at(1.0)


def test_a_curve_is_asked_at_a_time():
    pred = predict(Setting(classification(), Linear(), GradientFlow(), W0))
    with pytest.raises((ValueError, TypeError), match="t"):
        pred.at()


# -- refusals ------------------------------------------------------------------------------------

RATES = GradientFlow(rates=(1.0, 0.5))
WHITE = MatrixRegression.whitened(np.eye(3))
R, C, FLOW, LINEAR, START = regression(), classification(), GradientFlow(), Linear(), Balanced(0.1)
REFUSED = {
    "steepest descent in another norm": (Setting(R, LINEAR, SteepestDescent(3, STEP)), "dual point"),
    "sign descent on a regression": (Setting(R, LINEAR, SignDescent(STEP)), "dual point"),
    "weight decay": (Setting(R, LINEAR, SteepestDescent(2, STEP, weight_decay=0.1)), "dual point"),
    "decay on a product": (Setting(R, Hadamard(3), GradientFlow(weight_decay=0.1), START), "no weight decay"),
    "a varying preconditioner": (
        Setting(R, LINEAR, PreconditionedGradientDescent(lambda w: 1 + w**2, STEP)), "dual point",
    ),
    "unequal rates": (Setting(R, Diagonal(2), RATES, START), "same rate"),
    "steps at depth three": (Setting(R, Diagonal(3), GradientDescent(STEP), START), "the gradient flow"),
    "equal factors of three": (Setting(R, Hadamard(3), FLOW, np.ones((3, D))), "two least factors"),
    "a zero factor": (Setting(R, Diagonal(2), FLOW, np.zeros((2, D))), "has a potential"),
    "equal factors": (Setting(R, Hadamard(), FLOW, np.ones((2, D))), "has a potential"),
    "momentum on u∘v": (Setting(R, Hadamard(), HeavyBall(STEP, 0.5), START), "plain (stochastic)"),
    "steps on powers": (Setting(R, PowerPropagation(2.0), GradientDescent(STEP), START), "the gradient flow"),
    "constant sign steps": (Setting(C, LINEAR, SignDescent(0.1)), "step sizes tend to zero"),
    "steps that sum up": (Setting(C, LINEAR, SignDescent(Decay(0.1, 2.0))), "do not sum up"),
    "sign momentum": (Setting(C, LINEAR, SignDescent(0.1, 0.9)), "normalised"),
    "decaying gradient descent": (Setting(C, LINEAR, GradientDescent(Decay(0.1, 0.5))), "constant step"),
    "a matrix": (Setting(WHITE, MatrixFactorization(2), FLOW, START), "DeepLinear with two layers"),
    "a deep network": (
        Setting(WHITE, DeepLinear((3, 3, 3, 3)), GradientFlow(rates=(1.0, 2.0, 1.0)), Balanced(0.1, rng=0)),
        "two layers",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("setting", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_every_candidate_is_named_with_its_first_missed_hypothesis(setting, says):
    with pytest.raises(NoPrediction) as caught:
        predict(setting)
    error = caught.value
    assert list(error.candidates) == [rule.name for rule in RULES]
    assert any(says in text for text in error.candidates.values())
    head, *lines = str(error).split("\n")
    assert head.startswith("no rule applies to")
    for name in ("problem", "model", "optimizer"):
        assert type(getattr(setting, name)).__name__ in head
    for rule, line in zip(RULES, lines, strict=True):
        assert line == f"  {rule.name}: needs that {error.candidates[rule.name]}"
        # the first one, asked again by hand
        of_setting = [h for h in rule.hypotheses if h.of == "setting"]
        missed = [h.missed_by(setting) for h in of_setting if not h.holds(setting)]
        if missed:
            assert error.candidates[rule.name] == missed[0]
    assert isinstance(error, ValueError)


def test_data_that_are_not_separable_are_named():
    rng = np.random.default_rng(0)
    p = Classification(rng.standard_normal((30, 3)), np.where(np.arange(30) % 2, 1, -1))
    with pytest.raises(NoPrediction) as caught:
        predict(Setting(p, Linear(), SignDescent(Decay(0.05, 0.5))))
    assert "the data are separable" in caught.value.candidates.values()


def test_rules_asked_about_the_wrong_kind_of_problem_say_so():
    wrong = Setting(WHITE, DeepLinear((3, 3, 3)), GradientFlow(), Balanced(0.1))
    for rule in RULES:
        first = rule.hypotheses[0]
        if "Riccati" in rule.name:
            assert rule.first_missed(wrong) is None
        elif "MatrixRegression" in first.text or "DeepLinear with" in first.text:  # of any problem
            assert first.holds(wrong)
        else:  # the first hypothesis of every other rule is about the problem
            assert rule.first_missed(wrong) == first.text


def test_models_without_a_mirror_form_say_so():
    with pytest.raises(ValueError, match="WeightNormalized has no mirror form"):
        mirror_form(Setting(regression(), WeightNormalized(), GradientFlow(), Balanced(0.1)))


@pytest.mark.parametrize(
    "setting",
    [
        Setting(regression(), Linear(), SteepestDescent(3, STEP)),
        Setting(classification(), Linear(), SignDescent(Decay(0.1, 0.5))),
    ],
)
def test_settings_without_a_closed_form(setting):
    with pytest.raises(NoPrediction, match="no rule applies"):
        closed_form(setting)


@pytest.mark.parametrize(
    "setting",
    [
        Setting(regression(), Linear(), GradientDescent(STEP), np.stack([W0, 2 * W0, 0 * W0])),
        Setting(regression(), Diagonal(2), GradientFlow(), np.abs(np.stack([[W0, W0], [W0, 2 * W0]]))),
        Setting(regression(), Linear(), GradientDescent([0.05, 0.1]), W0),
        Setting(classification(), Linear(), GradientDescent([0.05, 0.1]), W0),
    ],
    ids=["starts", "two starts of two factors", "steps", "steps of a curve"],
)
def test_a_batch_is_predicted_by_its_members(setting):
    with pytest.raises(ValueError, match="not a batch: predict each of setting"):
        predict(setting)
    assert all(predict(member).rule for member in setting.unstack())


# -- compare -------------------------------------------------------------------------------------


def test_distance_to_a_point():
    s = Setting(regression(), Linear(), GradientDescent(STEP), W0)
    run, pred = simulate(s, Stop(steps=20)), predict(s)
    seen = compare(run, pred)
    np.testing.assert_allclose(seen.distance, np.linalg.norm(run.w - pred.w), rtol=1e-13)
    np.testing.assert_allclose(seen.relative, seen.distance / np.linalg.norm(pred.w), rtol=1e-13)
    assert seen.certificate[:3] == certify(run.w, pred.program)[:3]
    assert seen.certificate.stationarity <= 1e-13  # on its way the run is in the row space already
    assert seen.certificate.feasibility > 1e-3


def test_distance_to_a_direction_ignores_length():
    s = Setting(classification(), Linear(), SignDescent(Decay(0.1, 0.5)))
    run, pred = simulate(s, Stop(steps=500)), predict(s)
    seen = compare(run, pred)
    np.testing.assert_allclose(seen.distance, np.linalg.norm(run.direction - pred.direction), rtol=1e-12)
    assert 0 < seen.distance < 2


def test_distance_to_a_curve_is_the_largest_over_the_saved_moments():
    s = Setting(WHITE, DeepLinear((3, 3, 3)), GradientFlow(), Balanced(0.3))
    run = simulate(s, Stop(time=3.0), Save(at=[0.0, 1.0, 3.0], fields=("w",)))
    pred = predict(s)
    exact = pred.at(run.history["time"])
    off = [np.linalg.norm(a - b) for a, b in zip(run.history["w"], exact)]
    np.testing.assert_allclose(compare(run, pred).distance, max(off), rtol=1e-12)
    assert max(off) <= 1e-8  # the integrator's 1e-10, amplified by e³
    # without a history of w, the end is compared
    end = simulate(s, Stop(time=3.0))
    np.testing.assert_allclose(compare(end, pred).distance, np.linalg.norm(end.w - pred.at(3.0)), rtol=1e-12)


def test_a_batch_is_compared_by_its_members():
    start = np.stack([W0, 2 * W0])
    s = Setting(regression(), Linear(), GradientDescent(STEP), start)
    run = simulate(s, Stop(loss=1e-26))
    with pytest.raises(ValueError, match="one run, not a batch"):
        compare(run, predict(s.unstack()[0]))


@pytest.mark.parametrize("optimizer", EUCLIDEAN[:2], ids=repr)
def test_the_end_of_a_run_is_certified_without_trusting_either(optimizer):
    s = Setting(regression(), Linear(), optimizer, W0)
    run = simulate(s, Stop(loss=1e-26))
    pred = predict(s)
    assert isinstance(pred.program.potential, Euclidean)
    # loss 1e-26 leaves ‖Xw − y‖ ≤ √(2n·1e-26) = 3.2e-13
    assert certify(run.w, pred.program).worst <= 1e-12
    # a run of another optimizer is no solution of this program
    other = simulate(Setting(s.problem, Linear(), SteepestDescent(4 / 3, 0.05), W0), Stop(loss=1e-26))
    assert other.converged
    assert certify(other.w, pred.program).stationarity > 1e-3


def test_the_margin_curve_of_gradient_descent_in_its_own_time():
    """Near-orthogonal data, κ ≈ 1: after 10⁵ steps w(t) − (ŵ log t + w̃) is of order t^{−κ}."""
    rng = np.random.default_rng(3)
    Q, _ = np.linalg.qr(rng.standard_normal((12, 4)))
    problem = Classification(2 * Q.T * np.array([1, -1, 1, -1])[:, None], [1, -1, 1, -1])
    for step in (0.5, 0.05):
        setting = Setting(problem, Linear(), GradientDescent(step))
        run = simulate(setting, Stop(steps=100_000))
        curve = predict(setting, run)
        assert np.max(np.abs(run.w - curve.at(run.time))) < 30 / run.time


def test_a_loss_below_one_half_is_not_yet_a_margin():
    """One of twenty samples is still on the wrong side: the loss need not tend to zero."""
    X = np.eye(20)
    w = np.full(20, 3.0)
    w[0] = -2.0
    problem = Classification(
        np.where(np.arange(20)[:, None] % 2, 1, -1) * X, np.where(np.arange(20) % 2, 1, -1)
    )
    setting = Setting(problem, Linear(), GradientDescent(1e-9), w)
    with pytest.raises(NoPrediction, match="classified correctly"):
        predict(setting, simulate(setting, Stop(steps=1)))


def test_curves_know_both_clocks():
    T = np.diag([2.0, 1.0])
    theta = (0.5 * np.eye(2), 0.5 * np.eye(2))
    setting = Setting(ib.MatrixRegression.whitened(T), ib.DeepLinear((2, 2, 2)), GradientFlow(), theta)
    pred = predict(setting)
    np.testing.assert_allclose(pred.at(log_time=0.5), pred.at(np.exp(0.5)), rtol=1e-14)
    run = simulate(setting, Stop(log_time=1.0), ib.Save(at=[0.0, 1.0], fields=("w",)), rtol=1e-12)
    assert compare(run, pred).relative < 1e-9
    assert closed_form(setting)(1e9) == pytest.approx(T, rel=1e-13, abs=1e-13)


def test_separability_is_certified_not_guessed():
    """z = (±1, ε): w = (0, 1) separates by ε, however small it is to a solver's tolerance."""
    problem = Classification([[1.0, 1e-10], [1.0, -1e-10]], [1, -1])
    hard = max_margin(problem, 2)
    assert hard.margin == pytest.approx(1e-10, rel=1e-6)
