"""The closed form of the modes of deep linear networks against integrations in other variables."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.special import hyp2f1

from implicitbias import (
    DeepLinear,
    DeepModes,
    GradientDescent,
    GradientFlow,
    MatrixRegression,
    NoPrediction,
    Save,
    Setting,
    Stop,
    closed_form,
    predict,
    simulate,
)
from implicitbias.selection.rules.deep import riccati_rule
from implicitbias.selection.rules.modes import deep_modes_rule
from implicitbias.theorems.draws import matrix_with_spectrum

ONE = np.eye(1)
DEPTHS = (2, 3, 4, 5, 10)
NAME = deep_modes_rule.name


def mode(u0, s, N, t, lam=0.0):
    return DeepModes(ONE, ONE, [u0], [s], N, [lam / 2]).modes(t)[..., 0]


def integrated(u0, s, N, t):
    """x = ln|u| has ẋ = N e^{(1 − 2/N)x}(±s − e^x): every size of u is resolved alike."""
    sign, m = np.sign(u0), 1 - 2 / N
    path = solve_ivp(
        lambda _, x: N * np.exp(m * x) * (sign * s - np.exp(x)), (0, t[-1]), [np.log(abs(u0))], "DOP853", t,
        rtol=1e-13, atol=1e-14,
    )  # fmt: skip
    return sign * np.exp(path.y[0])


@pytest.mark.parametrize("N", DEPTHS)
@pytest.mark.parametrize("s", [2.0, 0.7, 0.0, -1.3])
@pytest.mark.parametrize("u0", [1e-3, 0.3, 0.7, 2.5, -0.4, -1e-3])
def test_balanced_modes(N, s, u0):
    plateau = mode_time(u0, s, N) if s * u0 > 0 else 0.0
    t = np.linspace(0, plateau + 4, 41)
    # the tolerance of the integrator, times its steps
    np.testing.assert_allclose(mode(u0, s, N, t), integrated(u0, s, N, t), rtol=1e-11)


def mode_time(u0, s, N):
    """The plateau: ln(s/u₀)/(2s) for N = 2, and u₀^{−(N−2)/N}/((N − 2)s) beyond."""
    u0, s = abs(u0), abs(s)
    return max(np.log(s / u0), 0) / (2 * s) if N == 2 else u0 ** (2 / N - 1) / ((N - 2) * s)


@pytest.mark.parametrize("lam", [1e-6, 0.3, -0.8, 5.0])
@pytest.mark.parametrize("s", [2.0, 0.7, 0.0, -1.3])
@pytest.mark.parametrize("u0", [-2.0, -0.3, 0.0, 1e-9, 0.4, 3.0])
def test_two_unbalanced_layers(u0, s, lam):
    """z = asinh(u/c) has ż = 2(s − c sinh z), c = |λ|/2."""
    c, t = abs(lam) / 2, np.linspace(0, 6, 31)
    path = solve_ivp(
        lambda _, z: 2 * (s - c * np.sinh(z)),
        (0, 6),
        [np.arcsinh(u0 / c)],
        "DOP853",
        t,
        rtol=1e-13,
        atol=1e-14,
    )
    np.testing.assert_allclose(mode(u0, s, 2, t, lam), c * np.sinh(path.y[0]), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("N", DEPTHS[1:])
def test_the_time_to_a_part_of_the_target(N):
    """Saxe's t(u) = (H(u) − H(u₀))/N, H(x) = x^{1−p}/((1−p)s)·₂F₁(1, 1−p; 2−p; x/s), p = 2 − 2/N."""
    s, p = 1.7, 2 - 2 / N

    def H(x):
        return x ** (1 - p) / ((1 - p) * s) * hyp2f1(1, 1 - p, 2 - p, x / s)

    u = s * np.array([0.1, 0.3, 0.5, 0.9])
    t = (H(u) - H(1e-2)) / N
    np.testing.assert_allclose(mode(1e-2, s, N, t), u, rtol=1e-12)


def test_the_time_to_a_part_of_the_target_for_two_layers():
    s, u0, f = 1.7, 1e-300, np.array([1e-8, 0.5, 0.999])
    t = np.log(f * (s - u0) / (u0 * (1 - f))) / (2 * s)
    # t is rounded to 2⁻⁵² of ln(1/u₀)/s
    np.testing.assert_allclose(mode(u0, s, 2, t), f * s, rtol=1e-12)


@pytest.mark.parametrize("N", DEPTHS)
def test_tiny_starts_and_infinite_times(N):
    plateau = mode_time(1e-300, 1.5, N)
    before, after, limit = mode(1e-300, 1.5, N, [plateau / 2, 2 * plateau, np.inf])
    assert 0 < before < 1e-149
    assert after == limit == 1.5
    assert mode(1e-300, 0.0, N, np.inf) == 0.0
    assert mode(-1e-300, 1.0, N, np.inf) == 0.0  # balanced layers cannot change the sign
    assert mode(0.0, 1.0, N, 5.0) == 0.0


def test_logarithms_of_time():
    curve = DeepModes(ONE, ONE, [1e-2], [2.0], 4)
    np.testing.assert_allclose(curve(log_time=[-1.0, 3.0]), curve(np.exp([-1.0, 3.0])), rtol=1e-12)
    assert curve(log_time=1e5)[0, 0] == 2.0


@pytest.mark.parametrize("t", [-1.0, np.nan, [0.0, -1e-9]])
def test_times_that_are_none(t):
    with pytest.raises(ValueError, match="t ≥ 0"):
        mode(0.1, 1.0, 3, t)


# -- networks ----------------------------------------------------------------------------------------


def aligned(widths, s, u, imbalance=0.0, seed=0):
    rng = np.random.default_rng(seed)
    T = matrix_with_spectrum(rng, widths[-1], widths[0], s)
    U, _, Vt = np.linalg.svd(T, full_matrices=False)
    k, model = len(u), DeepLinear(widths)
    start = model.factorize((U[:, :k] * u) @ Vt[:k], imbalance, rng)
    return Setting(MatrixRegression.whitened(T), model, GradientFlow(), start)


NETWORKS = [
    aligned((4, 4, 4), (2, 1.5, 1, 0.6), (0.3, 0.1, 0.2, 0.05)),
    aligned((5, 3, 4), (2, 1.5, 1, 0.6), (0.3, 0.1, 0.2), 0.5),
    aligned((5, 3, 4), (2, 1.5, 1, 0.6), (0.3, 0.1, 0.2), -0.5),
    aligned((4, 6, 3), (2, 1.5), (0.3, 0.1, 0.2)),  # rank two: the third mode decays
    aligned((4, 5, 3, 4), (2, 2, 1, 1), (0.3, 0.1, 0.2)),  # repeated singular values of the target
    aligned((3, 4, 4, 5, 3), (2, 1.5, 1), (0.3, 2.0, 0.2)),
    aligned((3, 3, 3, 1), (2,), (0.1,)),
]


@pytest.mark.parametrize("s", NETWORKS, ids=lambda s: "-".join(map(str, s.model.widths)))
def test_the_curve_is_the_flow(s):
    times = np.linspace(0, 6, 13)
    run = simulate(s, Stop(time=6), save=Save(at=times, fields=("w",)), rtol=1e-12)
    curve = deep_modes_rule.apply(s, None)
    assert deep_modes_rule.first_missed(s) is None
    np.testing.assert_allclose(curve(times), run.history["w"], atol=1e-10)
    np.testing.assert_allclose(predict(s).at(times), run.history["w"], atol=1e-10)
    assert curve(1.0).shape == s.problem.w_shape


@pytest.mark.parametrize("s", [s for s in NETWORKS if s.model.depth == 2])
def test_the_riccati_curve_is_the_same(s):
    times = np.array([0.0, 0.3, 1.0, 5.0, 50.0, np.inf])
    riccati, curve = (rule.apply(s, None) for rule in (riccati_rule, deep_modes_rule))
    np.testing.assert_allclose(riccati(times), curve(times), atol=1e-11)


def test_each_mode_has_an_imbalance_of_its_own():
    """W₂ = U a Rᵀ, W₁ = R b Vᵀ with any a, b: no λ is common to them, and only this rule answers."""
    rng = np.random.default_rng(1)
    balanced = NETWORKS[0]
    U, _, Vt = np.linalg.svd(balanced.problem.target)
    R, a, b = (
        np.linalg.qr(rng.standard_normal((4, 4)))[0],
        np.array([1, 0.2, 0, -0.4]),
        np.array([0.5, 1, 0.3, 0.7]),
    )
    s = rebuilt(balanced, init=((R * b) @ Vt, (U * a) @ R.T))
    run = simulate(s, Stop(time=5), save=Save(at=np.linspace(0, 5, 11), fields=("w",)), rtol=1e-12)
    assert riccati_rule.first_missed(s) is not None
    np.testing.assert_allclose(closed_form(s)(run.history["time"]), run.history["w"], atol=1e-10)
    np.testing.assert_allclose(closed_form(s)(np.inf), s.problem.target, atol=1e-12)


def rebuilt(s, **change):
    parts = {"problem": s.problem, "model": s.model, "optimizer": s.optimizer, "init": s.init}
    return Setting(**{**parts, **change})


DEEP = NETWORKS[5]


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (rebuilt(DEEP, init=(DEEP.init[0][:, ::-1], *DEEP.init[1:])), "the part off the diagonal is"),
        (rebuilt(DEEP, init=(2 * DEEP.init[0], DEEP.init[1] / 2, *DEEP.init[2:])), "the layers are balanced, or"),
        (rebuilt(DEEP, optimizer=GradientDescent(0.1)), "gradient flow"),
        (rebuilt(DEEP, optimizer=GradientFlow(rates=(1.0, 2.0, 1.0, 1.0))), "rate one"),
        (rebuilt(DEEP, optimizer=GradientFlow(weight_decay=0.1)), "weight decay"),
        (rebuilt(DEEP, problem=MatrixRegression(3 * np.eye(3), np.eye(3))), "whitened"),
    ],
)  # fmt: skip
def test_hypotheses_that_fail_are_named(changed, says):
    assert says in deep_modes_rule.first_missed(changed)


def test_unbalanced_layers_that_share_hidden_units_are_refused():
    """Two layers that are neither balanced nor diagonal in the modes: W is aligned at the start, and not later."""
    balanced = NETWORKS[0]
    A = np.eye(4) + 0.3 * np.diag(np.ones(3), 1)
    s = rebuilt(balanced, init=(A @ balanced.init[0], balanced.init[1] @ np.linalg.inv(A)))
    with pytest.raises(NoPrediction) as caught:
        closed_form(s)
    assert "W₂W₂ᵀ and W₁ᵀW₁ diagonal" in caught.value.candidates[NAME]


def test_layers_that_meet_at_an_angle():
    """W₁ = √c O₁, W₂ = √c O₂ᵀ with orthonormal [O₁ O₂]: W(0) = 0, and u̇ = 2√(u² + c²)(s − u)."""
    balanced, c = NETWORKS[3], 0.3
    O = np.sqrt(c) * np.linalg.qr(np.random.default_rng(2).standard_normal((9, 7)))[0]
    s = rebuilt(balanced, model=DeepLinear((4, 9, 3)), init=(O[:, :4], O[:, 4:].T))
    times = np.linspace(0, 5, 11)
    run = simulate(s, Stop(time=5), save=Save(at=times, fields=("w",)), rtol=1e-12)
    np.testing.assert_allclose(closed_form(s)(times), run.history["w"], atol=1e-10)
    sigma = np.linalg.svd(closed_form(s)(2.0), compute_uv=False)
    np.testing.assert_allclose(sigma, [mode(0.0, x, 2, 2.0, 2 * c) for x in (2.0, 1.5, 0.0)], atol=1e-12)


def test_predict_says_which_modes_are_lost():
    W0 = np.diag([0.1, -0.1, 0.0])
    model = DeepLinear((3, 3, 3, 3))
    s = Setting(
        MatrixRegression.whitened(np.diag([3.0, 2.0, 1.0])), model, GradientFlow(), model.factorize(W0)
    )
    (remark,) = predict(s).assumes
    assert "singular values 2, 1 start at zero, or with the other sign" in remark
    np.testing.assert_allclose(predict(s).at(np.inf), np.diag([3.0, 0.0, 0.0]), atol=1e-14)
    assert predict(DEEP).assumes == ()
