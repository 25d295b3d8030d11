"""A planted wrong constant, in a rule, a kernel, an accumulator, a gradient: verify must see each."""

import dataclasses

import numpy as np
import pytest

from implicitbias import (
    DeepLinear,
    Diagonal,
    Hadamard,
    Hypentropy,
    Linear,
    MatrixFactorization,
    RandomizedKaczmarz,
    verify,
)
from implicitbias.dynamics import steps
from implicitbias.dynamics.oracle import Accumulators
from implicitbias.kernels import descent
from implicitbias.selection.riccati import RiccatiSolution
from implicitbias.selection.rules import MarginCurve
from implicitbias.theorems import THEOREMS


def outcome(theorem):
    chosen = {"theorems": [theorem]} if not isinstance(theorem, str) else {"ids": [theorem]}
    report = verify(**chosen, seed=12, quick=True)
    return report.results[0], report.ok


def assert_refuted(theorem):
    result, ok = outcome(theorem)
    assert result.status == "refuted", result
    assert not ok
    assert not result.holds
    assert result.deviation > result.bound


def wrapped(monkeypatch, owner, name, change):
    real = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *a, **k: change(real(*a, **k), *a))


def off_by_ln2(form, *_):
    psi, z0 = form
    return Hypentropy(psi.log_c + np.log(2)), z0


@pytest.mark.parametrize(
    ("model", "id"),
    [(Diagonal, "hypentropy-flow"), (Hadamard, "hypentropy-finite-steps")],
    ids=lambda x: str(x),
)
def test_a_scale_off_by_two_in_a_rule(monkeypatch, model, id):
    wrapped(monkeypatch, model, "mirror_form", off_by_ln2)
    assert_refuted(id)


def test_a_rule_that_forgets_the_start(monkeypatch):
    wrapped(monkeypatch, Linear, "mirror_form", lambda form, *_: (form[0], 0.99 * form[1]))
    assert_refuted("nearest-interpolant")


def test_a_margin_curve_without_the_mean_of_the_loss(monkeypatch):
    """w̃ of the summed loss: exp(−z·w̃) = α, without 1/n."""
    real = MarginCurve.__init__

    def summed(self, Z, w0, weights):
        real(self, Z, w0, weights)
        self.residual = np.linalg.lstsq(Z[self.support], -np.log(self.alpha), rcond=None)[0]

    monkeypatch.setattr(MarginCurve, "__init__", summed)
    assert_refuted("max-margin-flow")


def test_a_closed_form_with_the_wrong_rate(monkeypatch):
    wrapped(monkeypatch, RiccatiSolution, "__call__", lambda W, self, t: 1.0000001 * W)
    assert_refuted("riccati-two-layer")


def kernel(monkeypatch, change):
    """The fused kernel called with other arguments; track and logs are its last two."""
    real, calls = descent.descend, []

    def planted(*args):
        calls.append(args)
        return real(*change(list(args)))

    monkeypatch.setattr(descent, "descend", planted)
    return calls


def test_a_kernel_that_accumulates_another_step_than_it_takes(monkeypatch):
    def twice(args):
        args[-2] *= 2
        return args

    calls = kernel(monkeypatch, twice)
    assert_refuted("hypentropy-finite-steps")
    assert calls, "the theorem must run through the kernel"


def test_a_kernel_whose_accumulated_logs_are_off(monkeypatch):
    real = descent.descend

    def planted(*args):
        before = args[-1].copy()
        out = real(*args)
        args[-1][0] += 0.01 * (args[-1][0] - before[0])
        return out

    monkeypatch.setattr(descent, "descend", planted)
    assert_refuted("hypentropy-finite-steps")


def test_a_kernel_that_leaves_the_row_space(monkeypatch):
    real = descent.descend

    def planted(*args):
        out = real(*args)
        args[6][0] += 1e-8 * (args[6].size > 1)  # θ is moved in place
        return out

    monkeypatch.setattr(descent, "descend", planted)
    result, ok = outcome("nearest-interpolant")
    assert not ok
    assert not result.holds


def test_rows_drawn_by_another_law(monkeypatch):
    """Probability ∝ ‖x‖ in place of ‖x‖²."""
    wrapped(monkeypatch, RandomizedKaczmarz, "row_weights", lambda weights, *_: np.sqrt(weights))
    assert_refuted("randomized-kaczmarz")


PYTHON = dataclasses.replace(
    THEOREMS["hypentropy-finite-steps"], run={**THEOREMS["hypentropy-finite-steps"].run, "engine": "python"}
)


def test_the_python_engine_verifies_too():
    result, ok = outcome(PYTHON)
    assert (result.status, ok) == ("verified", True)


@pytest.mark.parametrize("factor", [0.5, 1.01, 2.0])
def test_a_wrong_rate_in_the_accumulators(monkeypatch, factor):
    real = Accumulators.add
    monkeypatch.setattr(Accumulators, "add", lambda self, step, *more: real(self, factor * step, *more))
    assert_refuted(PYTHON)


def test_accumulators_without_the_third_order_shift(monkeypatch):
    real = Accumulators.result
    monkeypatch.setattr(
        Accumulators,
        "result",
        lambda self: {**real(self), **({"shift": 0 * real(self)["shift"]} if self.names else {})},
    )
    assert_refuted("hypentropy-finite-steps")


def test_a_backward_pass_wrong_in_one_layer(monkeypatch):
    wrapped(monkeypatch, DeepLinear, "pullback", lambda g, *_: ((1 + 1e-6) * g[0], *g[1:]))
    assert_refuted("balancedness-identity")


def test_a_step_longer_than_it_says(monkeypatch):
    real = steps.step_sizes
    monkeypatch.setattr(steps, "step_sizes", lambda *asked: (1 + 1e-6) * real(*asked))
    assert_refuted("period-two-orbit")


def test_a_factorization_whose_gradient_misses_a_transpose(monkeypatch):
    """Tied: (G + Gᵀ)U; a flow of GU with G not symmetrised keeps no sign of det W."""
    wrapped(
        monkeypatch, MatrixFactorization, "pullback",
        lambda out, self, theta, g: (out[0] @ np.diag([1.0, -1.0]),) if self.tied else out,
    )  # fmt: skip
    result, ok = outcome("norms-diverge-completion")
    assert not ok
    assert not result.holds


def test_a_margin_in_the_wrong_norm(monkeypatch):
    """γ₁ of the data in place of γ∞ would make the claim's left side too large."""
    from implicitbias.theorems.classification import steepest

    real = steepest.max_margin

    def tripled(problem, norm):
        found = real(problem, norm)
        return found._replace(margin=3 * found.margin)

    monkeypatch.setattr(steepest, "max_margin", tripled)
    assert_refuted("sign-descent-margin")


@pytest.mark.slow
def test_another_power_in_the_reparametrisation(monkeypatch):
    real = descent.descend

    def planted(*args):
        args = list(args)
        if args[3] == 3:  # PowerPropagation: the step is taken at another rate than claimed
            args[8] = 1.02 * args[8]
        return real(*args)

    monkeypatch.setattr(descent, "descend", planted)
    assert_refuted("zero-one-two-law")
