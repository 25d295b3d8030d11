"""The three forms of a regulariser, where they are and where they are not."""

import pickle

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(4)
X = RNG.standard_normal((4, 9))
PROBLEM = ib.Regression(X, RNG.standard_normal(4))
STEP = 0.1 / PROBLEM.smoothness


def of(text, point=1.0):
    return ib.Potential.from_gradient(ib.Expression(text).derivative, point)


RIDGES = RNG.standard_normal((3, 9))
JOINT = ib.Potential.from_gradient(lambda w: w + np.tanh(w @ RIDGES.T) @ RIDGES, np.full(9, 0.5))
REGULARISERS = {
    "log cosh": of("x**2/2 + log(cosh(x))"),
    "hypentropy": ib.Hypentropy(np.linspace(-1, 1, 9)),
    "joint": JOINT,
    "matrix": ib.Mahalanobis(np.eye(9) + 0.3),
}


SLOW = {"joint", "log cosh"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in REGULARISERS]
)
def test_flows_of_all_forms_end_at_one_point(name):
    rho = REGULARISERS[name]
    w = ib.BregmanProjection(rho, rho.gradient(np.zeros(9)), PROBLEM.X, PROBLEM.y).solution
    settings = [
        ib.Setting(PROBLEM, ib.Linear(), ib.design(rho)),
        ib.Setting(PROBLEM, ib.Linear(), ib.design(rho, "preconditioner")),
    ]
    if rho.separable:
        settings.append(ib.Setting(PROBLEM, ib.design(rho, "reparametrization"), ib.GradientFlow()))
    for setting in settings:
        run = ib.simulate(setting, ib.Stop(loss=1e-24))
        assert run.status == "converged"
        np.testing.assert_allclose(run.w, w, atol=1e-8)
        assert ib.compare(run, ib.predict(setting, run)).relative < 1e-8


def test_steps_have_errors_zero_one_two():
    """(w_η − w∞)/η, extrapolated to η = 0, of the preconditioned step is twice that of the reparametrised one."""
    rho = ib.Hypentropy(0.0)
    w = ib.BregmanProjection(rho, np.zeros(9), PROBLEM.X, PROBLEM.y).solution
    model, off = ib.design(rho, "reparametrization"), {}
    for form in ("mirror", "preconditioner", "reparametrization"):
        errors = []
        for eta in (STEP, STEP / 2, STEP / 4):
            setting = (
                ib.Setting(PROBLEM, model, ib.GradientDescent(eta))
                if form == "reparametrization"
                else ib.Setting(PROBLEM, ib.Linear(), ib.design(rho, form, eta))
            )
            run = ib.simulate(setting, ib.Stop(loss=1e-26))
            assert run.status == "converged"
            errors.append((run.w - w) / eta)
        one, two, four = errors
        off[form] = (8 * four - 6 * two + one) / 3
    assert np.linalg.norm(off["mirror"]) * STEP < 1e-10
    np.testing.assert_allclose(off["preconditioner"], 2 * off["reparametrization"], rtol=2e-2, atol=1e-4)


def test_what_each_form_is():
    rho = ib.Hypentropy(0.0)
    assert ib.design(rho) == ib.MirrorFlow(rho)
    assert ib.design(rho, step=0.1) == ib.MirrorDescent(rho, 0.1)
    assert ib.design(rho, "preconditioner") == ib.PreconditionedFlow(ib.InverseHessian(rho))
    decay = ib.Decay(0.1, 0.5)
    assert ib.design(rho, "preconditioner", decay) == ib.PreconditionedGradientDescent(
        ib.InverseHessian(rho), decay
    )
    assert ib.design(rho, "reparametrization") == ib.Reparametrized(rho)
    assert ib.design(rho, form="mirror", step=None) == ib.design(rho)


def test_inverse_hessians():
    w = RNG.standard_normal(9)
    np.testing.assert_allclose(ib.InverseHessian(ib.Hypentropy(0.0))(w), np.hypot(w, 1), rtol=1e-15)
    P = ib.InverseHessian(JOINT)
    H = np.eye(9) + (RIDGES.T / np.cosh(RIDGES @ w) ** 2) @ RIDGES
    np.testing.assert_allclose(P(w), np.linalg.inv(H), atol=1e-12)
    assert ib.has_potential(P, 9, points=2)
    assert ib.InverseHessian(ib.PNorm(1.5))(np.zeros(2)).tolist() == [0.0, 0.0]
    again = pickle.loads(pickle.dumps(ib.InverseHessian(ib.PNorm(1.5))))
    assert again == ib.InverseHessian(ib.PNorm(1.5))
    with pytest.raises(TypeError, match="no complex steps"):
        P(w + 1j)


def test_a_preconditioner_that_holds_zeros_is_not_predicted_across_them():
    setting = ib.Setting(PROBLEM, ib.Linear(), ib.design(ib.PNorm(1.5), "preconditioner"), np.full(9, 0.1))
    with pytest.raises(ib.NoPrediction, match="of another sign"):
        ib.predict(setting)


def test_matrices():
    A = RNG.standard_normal((5, 3, 3))
    problem = ib.MatrixSensing(A, RNG.standard_normal(5))
    rho = ib.Spectral(ib.Hypentropy(0.0), (3, 3))
    setting = ib.Setting(problem, ib.Linear(), ib.design(rho, step=0.3 / problem.smoothness))
    run = ib.simulate(setting, ib.Stop(loss=1e-24))
    assert run.status == "converged"
    assert ib.compare(run, ib.predict(setting, run)).relative < 1e-9


def huber(w):
    return np.clip(w, -1.0, 1.0)


def dead_zone(w):
    return np.sign(w) * np.maximum(np.abs(w) - 1, 0.0)


HUBER = ib.Potential.from_gradient(huber, point=0.5)
BAD = {
    "a function": (
        lambda: ib.design(np.cosh),
        r"needs a Potential, got <ufunc 'cosh'>: wrap .* Potential.from_value\(f\)",
    ),
    "a number": (lambda: ib.design(3.0), "design needs a Potential, got 3.0$"),
    "form": (lambda: ib.design(ib.Euclidean(), "mirrors"), "form must be one of mirror, preconditioner, repar"),
    "a step of a model": (
        lambda: ib.design(ib.Euclidean(), "reparametrization", 0.1),
        r"the step belongs to its optimizer, GradientDescent\(step\)",
    ),
    "step 0": (lambda: ib.design(ib.Euclidean(), step=0.0), "step must be"),
    "flat": (lambda: ib.design(HUBER), "no mirror of this CustomPotential: ρ is flat: ρ″ = 0 from w = 1.0"),
    "flat in values": (
        lambda: ib.design(ib.Potential.from_value(lambda w: np.where(abs(w) < 1, w * w / 2, abs(w) - 0.5))),
        "ρ is flat: ρ″ = 0 from",  # and not "not convex", for the rounding of differences
    ),
    "flat P": (lambda: ib.design(HUBER, "preconditioner"), "no preconditioner .* flat"),
    "flat around zero": (
        lambda: ib.design(ib.Potential.from_gradient(dead_zone, point=3.0)),
        "ρ is flat",
    ),
    "P infinite at zero": (
        lambda: ib.design(ib.PNorm(3.0), "preconditioner"),
        r"no preconditioner of this PNorm: ρ″ is zero or not smooth at \|w\| = 0, and 1/ρ″ infinite",
    ),
    "w′ infinite at zero": (lambda: ib.design(of("x**4"), "reparametrization"), "ρ″ is zero or not smooth"),
    "joint P singular": (lambda: ib.design(ib.SquaredPNorm(3.0), "preconditioner"), "∇²ρ has no inverse where"),
    "the simplex": (lambda: ib.design(ib.Entropy(simplex=True), "preconditioner"), "the simplex, has no interior"),
    "joint w(φ)": (lambda: ib.design(JOINT, "reparametrization"), "no sum over coordinates"),
    "spectral P": (
        lambda: ib.design(ib.Spectral(ib.PNorm(3.0), (2, 2)), "preconditioner"),
        "ρ″ is zero or not smooth",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_forms_that_do_not_exist_are_refused(case):
    make, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        make()


def test_levelling_off_is_not_flat():
    """sech² underflows to zero at |w| = 30 in differences, but was small before."""
    assert ib.design(of("log(cosh(x))")).potential.separable
    assert ib.design(ib.Potential.from_gradient(np.tanh)).potential.separable
