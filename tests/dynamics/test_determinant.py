"""The sign of det W: conserved by the flow of balanced square factors, lost by rounding, and then said."""

import numpy as np
import pytest

import implicitbias as ib
from implicitbias.dynamics.determinant import determinant_guard

THREE_ENTRIES = ib.MatrixCompletion([[np.nan, 1], [1, 0]], [[False, True], [True, True]])
SQUARE = 0.1 * np.eye(2)


def completion(model, theta, **changes):
    return ib.Setting(THREE_ENTRIES, model, ib.GradientFlow(**changes), theta)


@pytest.mark.parametrize(
    ("model", "theta"),
    [(ib.MatrixFactorization(2), (SQUARE,) * 2), (ib.DeepLinear((2, 2, 2)), (SQUARE,) * 2)],
    ids=["UVᵀ", "W₂W₁"],
)
def test_two_untied_factors_do_not_complete_in_silence(model, theta):
    """w₁₁ w₂₂ > w₁₂ w₂₁ keeps the loss above ½(1/(2 + w₁₁))²; rounding would end at zero loss and w₁₁ ≈ 20."""
    run = ib.simulate(completion(model, theta), ib.Stop(time=1e5), rtol=1e-11)
    assert run.status == "failed"
    assert "rounding has changed the sign of det W" in run.message
    assert 100 < run.time < 1e4
    assert run.loss > 1e-4  # the run ends when the other sign appears, before the loss has gone to zero


@pytest.mark.parametrize(
    ("model", "theta"),
    [(ib.MatrixFactorization(2, tied=True), (SQUARE,)), (ib.DeepLinear((2, 2, 2, 2)), (SQUARE,) * 3)],
    ids=["UUᵀ", "W₃W₂W₁"],
)
def test_tied_factors_and_three_layers_go_through(model, theta):
    """w₁₁ → ((2N + 2) t)^{N/(2N + 2)}, N = 3; tied, N = 2 at twice the speed."""
    run = ib.simulate(completion(model, theta), ib.Stop(time=1e5), rtol=1e-11)
    assert run.converged
    assert np.linalg.det(run.w) > 0 or run.setting.model.tied
    law = (12e5) ** (1 / 3) if len(theta) == 1 else (8e5) ** (3 / 8)
    assert run.w[0, 0] == pytest.approx(law, rel=5e-3)


def saddle(sign):
    """½‖W − T‖² with det T = ``sign``·0.6, from W(0) = 0.09 I in random bases of the hidden units."""
    rng = np.random.default_rng(3)
    T = np.diag([1.5, sign * 0.4])
    model = ib.DeepLinear((2, 2, 2))
    theta = model.factorize(0.09 * np.eye(2) + np.array([[0.01, 0.02], [-0.03, 0.0]]), rng=rng)
    return ib.Setting(ib.MatrixRegression.whitened(T), model, ib.GradientFlow(), theta)


def test_rounding_that_escapes_a_saddle_is_said():
    """The flow of det W(0) det T < 0 tends to T without its smaller mode, at loss ½·0.4²."""
    near = ib.simulate(saddle(-1), ib.Stop(time=25))
    assert near.converged
    assert near.loss == pytest.approx(0.08, abs=1e-4)
    escaped = ib.simulate(saddle(-1), ib.Stop(loss=1e-20))
    assert escaped.status == "failed"
    assert escaped.loss > 0.079
    assert ib.simulate(saddle(1), ib.Stop(loss=1e-20)).converged


@pytest.mark.parametrize(
    "setting",
    [
        completion(ib.MatrixFactorization(2, tied=True), (SQUARE,)),
        completion(ib.MatrixFactorization(2), (SQUARE, 2 * SQUARE)),
        completion(ib.MatrixFactorization(2), (SQUARE, SQUARE), rates=(1.0, 2.0)),
        completion(ib.MatrixFactorization(2), (SQUARE, SQUARE), weight_decay=0.1),
        completion(ib.MatrixFactorization(1), (SQUARE[:, :1], SQUARE[:, :1])),
        completion(ib.DeepLinear((2, 2)), (SQUARE,)),
        ib.Setting(
            ib.Regression([[1.0]], [1.0]), ib.DeepLinear((1, 1, 1)), ib.GradientFlow(), ib.Balanced(0.1)
        ),
        ib.Setting(ib.Regression([[1.0]], [1.0]), ib.Diagonal(), ib.GradientFlow(), ib.Balanced(0.1)),
    ],
    ids=["tied", "unbalanced", "two rates", "decay", "singular", "one layer", "vector", "diagonal"],
)
def test_no_guard_where_the_sign_is_not_conserved_or_not_in_doubt(setting):
    assert determinant_guard(setting) is None


def test_a_wide_hidden_layer_is_guarded_too():
    model = ib.DeepLinear((2, 5, 2))
    assert determinant_guard(completion(model, model.balanced(THREE_ENTRIES, 0.1, rng=0))) is not None
