"""A wrong constant, factor or exponent planted in how regularisers are read off and designed: verify must see each."""

import dataclasses

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.discovery import families, quadratic, separable
from implicitbias.discovery.samples import Samples
from implicitbias.discovery.splines import SplineMap, spread
from implicitbias.theorems import THEOREMS, verify
from implicitbias.theorems.design import (
    determination,
    discretisation,
    forms,
    identity,
    recovery,
    refutation,
    round_trips,
)


def assert_refuted(theorem):
    chosen = {"theorems": [theorem]} if not isinstance(theorem, str) else {"ids": [theorem]}
    result = verify(**chosen, seed=12, quick=True).results[0]
    assert result.status == "refuted", result
    assert result.deviation > result.bound


# -- the identity, and how much of R it determines --------------------------------------------------------

WRONG_MAPS = {
    "product": lambda theta0: ib.Hypentropy(np.log(np.abs(theta0[0] ** 2 - theta0[1] ** 2))).gradient,  # without ½
    "deep": lambda theta0: ib.Hypentropy(np.log(identity.SCALE**3), 3).gradient,  # α³ in place of 2α³
    "power": lambda theta0: lambda w: np.log(np.abs(w)),  # the exponent of depth two
    "metric": lambda theta0: np.arctan,  # of cosh w in place of cosh² w, nearly
    "matrix": lambda theta0: ib.Mahalanobis(identity.COUPLED).gradient,  # P in place of its inverse
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("flow", WRONG_MAPS)
def test_a_mirror_map_of_another_flow(monkeypatch, flow):
    real = identity.mirror_map
    monkeypatch.setattr(
        identity, "mirror_map", lambda label, t: WRONG_MAPS[flow](t) if label == flow else real(label, t)
    )
    assert_refuted("row-space-identity")


def test_a_candidate_of_a_thousandth_more(monkeypatch):
    wrong = list(determination.CANDIDATES)
    wrong[3] = ib.Hypentropy(-1.001)
    monkeypatch.setattr(determination, "CANDIDATES", tuple(wrong))
    assert_refuted("conditions-to-determine-a-potential")


@pytest.mark.parametrize("id", ["conditions-to-determine-a-potential", "preconditioner-from-solutions"])
def test_a_row_space_that_lacks_a_direction(monkeypatch, id):
    real = Samples.rows.func
    monkeypatch.setattr(Samples, "rows", property(lambda self: real(self)[:, :, :-1]))
    assert_refuted(id)


def test_entries_of_a_symmetric_matrix_that_count_twice(monkeypatch):
    """√½ for those off the diagonal, once too few."""

    def features(shift):
        F = np.zeros((*shift.shape, len(np.triu_indices(shift.shape[1])[0])))
        for entry, (i, j) in enumerate(zip(*np.triu_indices(shift.shape[1]))):
            F[:, i, entry], F[:, j, entry] = shift[:, j], shift[:, i]
        return F

    monkeypatch.setattr(quadratic, "_features", features)
    assert_refuted("preconditioner-from-solutions")


def test_a_start_that_is_forgotten(monkeypatch):
    real = determination.samples_of

    def from_zero(runs):
        samples = real(runs)
        return Samples(samples.X, samples.w, 0 * samples.start, samples.y, samples.shape)

    monkeypatch.setattr(determination, "samples_of", from_zero)
    assert_refuted("preconditioner-from-solutions")


# -- φ′ by splines, and by name --------------------------------------------------------------------------------


def test_splines_in_a_coordinate_that_is_not_theirs(monkeypatch):
    """The scale of arcsinh(|w|/scale) off by a fifth where φ′ is evaluated."""
    monkeypatch.setattr(SplineMap, "t_of", lambda self, size: spread(np.asarray(size), 1.2 * self.scale))
    assert_refuted("identified-mirror-map")


def test_splines_that_do_not_add_up(monkeypatch):
    """B-splines in place of their sums from the right."""
    real = separable.features

    def plain(values, knots, scale):
        rising = real(values, knots, scale)
        return rising - np.concatenate([rising[..., 1:], 0 * rising[..., :1]], axis=-1)

    monkeypatch.setattr(separable, "features", plain)
    assert_refuted("identified-mirror-map")


def test_a_parameter_of_six_digits(monkeypatch):
    """A search that is not polished."""
    monkeypatch.setattr(families, "POLISH", 0)
    assert_refuted("identified-mirror-map")


def test_a_scale_that_differs(monkeypatch):
    """log c + 0.02 of the mirror step, 2 % of 2α²."""
    monkeypatch.setattr(recovery, "Hypentropy", lambda log_c: ib.Hypentropy(log_c + 0.02))
    assert_refuted("one-potential-two-methods")


# -- methods without a potential ---------------------------------------------------------------------------------


class OneScale(ib.AdaGrad):
    """AdaGrad with √Σ‖g‖² for all coordinates."""

    def update(self, oracle, state, theta, k):
        g = oracle(theta)
        state = state + g @ g
        return theta - self.size(k) * g / np.sqrt(state), state

    def kernel_rule(self):
        return None


class WithoutRoot(OneScale):
    """g/Σg² in place of g/√Σg²."""

    def update(self, oracle, state, theta, k):
        g = oracle(theta)
        state = state + g * g
        return theta - self.size(k) * g / state * np.sqrt(np.mean(state)), state


@pytest.mark.slow
def test_a_method_that_has_a_potential_among_those_that_have_none(monkeypatch):
    monkeypatch.setitem(refutation.METHODS, "AdaGrad", OneScale(0.3, eps=0.0))
    assert_refuted("no-separable-potential")


@pytest.mark.slow
def test_a_search_that_flatters(monkeypatch):
    """A twentieth of what is outside range(Xᵀ)."""
    real = Samples.off
    monkeypatch.setattr(Samples, "off", lambda self, v, *used: 0.05 * real(self, v, *used))
    assert_refuted("no-separable-potential")


@pytest.mark.parametrize(
    "method",
    [WithoutRoot(0.1, eps=0.0), OneScale(0.3, eps=0.0), ib.AdaGrad(0.3, eps=1e-6)],
    ids=["without its root", "one scale", "an ε"],
)
def test_steps_off_the_line_of_signs(monkeypatch, method):
    monkeypatch.setitem(refutation.METHODS, "AdaGrad", method)
    assert_refuted("adaptive-steps-on-one-sample")


def test_a_share_of_the_row_space(monkeypatch):
    """‖·‖ inside range(Xᵀ) in place of outside."""
    real = families.off_rows

    def inside(potential, samples, at):
        off = real(potential, samples, at)
        v = at.dual(lambda c: families.slopes_of(potential, c))
        return v / np.linalg.norm(v, axis=1, keepdims=True) - off

    monkeypatch.setattr(refutation, "off_rows", inside)
    assert_refuted("adaptive-steps-on-one-sample")


# -- errors of the step --------------------------------------------------------------------------------------------

SHIFTS = ["identified-reparametrization", "identified-preconditioner"]


@pytest.mark.parametrize("id", SHIFTS)
def test_as_many_jacobians_as_the_other_form_has(id):
    other = {SHIFTS[0]: round_trips.two_jacobians, SHIFTS[1]: round_trips.one_jacobian}[id]
    assert_refuted(dataclasses.replace(THEOREMS[id], measure=other))


@pytest.mark.parametrize("id", SHIFTS)
@pytest.mark.parametrize(
    "factor", [-1.0, 0.5, 2 / 3, 1.1], ids=["sign", "half", "a − 1 for a(a − 1)", "a tenth"]
)
def test_a_factor_in_the_law(monkeypatch, id, factor):
    real = discretisation.tilts
    monkeypatch.setattr(
        round_trips, "tilts", lambda run, eta: (real(run, eta)[0], factor * real(run, eta)[1])
    )
    assert_refuted(id)


# -- metrics ---------------------------------------------------------------------------------------------------------


def test_a_dual_of_another_metric(monkeypatch):
    """The Gudermannian, of sech, in place of tanh, of sech²."""

    def dual(self, w):
        ridge = self.A @ w
        return w + self.B.T @ (np.arctan(np.sinh(ridge)) / ridge * (self.B @ w))

    monkeypatch.setattr(forms.Ridges, "dual", dual)
    assert_refuted("hessian-metric")


def test_a_test_that_finds_a_potential_everywhere(monkeypatch):
    """The control is admitted, which is a defect."""
    monkeypatch.setattr(forms, "has_potential", lambda P, dimension, points: True)
    result = verify(["hessian-metric"], seed=12, quick=True).results[0]
    assert (result.status, result.message) == ("defect", "the hypotheses admit the control")


# -- the architecture of a potential, and mixtures of samples -----------------------------------------------------


def test_an_architecture_that_moves_too_fast_far_out(monkeypatch):
    """w′ is a part φ²/1000 more in ∇_φ L than it is in w(φ)."""
    real = ib.Reparametrized.pullback

    def pullback(self, theta, *g):
        return real(self, theta, *g) * (1 + theta**2 / 1000)

    monkeypatch.setattr(ib.Reparametrized, "pullback", pullback)
    assert_refuted("reparametrized-mirror-flow")


def test_gradients_that_level_off(monkeypatch):
    """g/(1 + 1e-6 g²) entry by entry, which leaves range(Xᵀ)."""
    real = ib.Regression.gradient
    monkeypatch.setattr(
        ib.Regression, "gradient", lambda self, w: real(self, w) / (1 + 1e-6 * real(self, w) ** 2)
    )
    assert_refuted("invariance-under-mixing")
