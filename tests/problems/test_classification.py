"""Losses of several classes and polynomial tails, against their textbook formulas and finite differences."""

import numpy as np
import pytest

import implicitbias as ib

RNG = np.random.default_rng(7)
X = RNG.standard_normal((12, 5))
LABELS = np.array([2, 5, 9] * 4)
W = RNG.standard_normal((3, 5))
LOSSES = ["logistic", ib.PolynomialTail(1.5)]


def test_the_logistic_loss_of_several_classes_is_the_cross_entropy():
    scores = X @ W.T
    own = scores[np.arange(12), np.arange(12) % 3]
    expected = np.mean(np.log(np.exp(scores).sum(axis=1)) - own)
    problem = ib.Classification(X, LABELS)
    assert problem.loss_name == "logistic"
    assert problem.w_shape == (3, 5)
    assert problem.loss(W) == pytest.approx(expected, rel=1e-14)


def test_a_polynomial_tail_of_several_classes_is_one_of_the_soft_margin():
    scores = X @ W.T
    each = np.exp(scores - scores[np.arange(12), np.arange(12) % 3][:, None]).sum(axis=1) - 1
    soft = -np.log(each)
    expected = np.where(soft > 0, (1 + np.maximum(soft, 0)) ** -1.5, np.exp(-1.5 * soft))
    assert ib.Classification(X, LABELS, ib.PolynomialTail(1.5)).loss(W) == pytest.approx(
        np.mean(expected), rel=1e-14
    )


def test_two_classes_by_rows_of_W_have_the_logistic_loss_of_their_difference():
    two = ib.Classification(X, LABELS == 5, "logistic")
    w = W[1] - W[0]
    scores = X @ W[:2].T
    own = scores[np.arange(12), (LABELS == 5).astype(int)]
    assert two.loss(w) == pytest.approx(np.mean(np.log(np.exp(scores).sum(axis=1)) - own), rel=1e-14)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_gradients_of_several_classes(loss):
    problem = ib.Classification(X, LABELS, loss)
    h = 1e-6
    slopes = np.zeros_like(W)
    for at in np.ndindex(W.shape):
        E = np.zeros_like(W)
        E[at] = h
        slopes[at] = (problem.loss(W + E) - problem.loss(W - E)) / (2 * h)
    gradient = problem.gradient(W)
    assert np.allclose(gradient, slopes, rtol=0, atol=1e-8 * np.abs(gradient).max())
    assert np.allclose(problem.log_gradient(W) * problem.loss(W), gradient, rtol=1e-12)
    assert np.allclose(problem.sample_gradient(W, np.arange(12)), gradient, rtol=1e-12)
    assert np.allclose(problem.scaled_gradient(W, 3.0), gradient * np.exp(-3), rtol=1e-12)
    assert np.allclose(problem.gradient(np.stack([W, 2 * W]))[0], gradient, rtol=1e-12)


def test_margins_of_several_classes_are_those_of_the_matrices_Z():
    problem = ib.Classification(X, LABELS)
    scores = X @ W.T
    first = [scores[0, 0] - scores[0, c] for c in (1, 2)]
    assert problem.margins(W)[:2] == pytest.approx(first)
    assert np.allclose(problem.margins(W), np.einsum("mkd,kd->m", problem.Z, W))
    assert problem.margins(np.stack([W, W])).shape == (2, 24)


def test_losses_of_several_classes_do_not_underflow():
    problem = ib.Classification(np.eye(3), [0, 1, 2])
    assert problem.log_loss(2000 * np.eye(3)) == pytest.approx(np.log(2) - 2000)
    assert np.all(np.isfinite(problem.log_gradient(2000 * np.eye(3))))
    assert problem.is_least(np.zeros((3, 3))) is False


@pytest.mark.parametrize("a", [0.5, 1.0, 3.0])
def test_a_polynomial_tail_is_convex_with_a_continuous_slope(a):
    m = np.linspace(-3, 5, 801)
    log_l, log_slope = ib.PolynomialTail(a).logs(m)
    assert np.allclose(np.exp(log_l[m >= 0]), (1 + m[m >= 0]) ** -a)
    slope = -np.exp(log_slope)
    assert np.all(np.diff(slope) > 0)
    assert np.allclose(np.gradient(np.exp(log_l), m)[1:-1], slope[1:-1], rtol=2e-2)


def test_a_polynomial_tail_needs_a_positive_exponent():
    with pytest.raises(ValueError, match="a must be"):
        ib.PolynomialTail(0.0)


@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_settings_of_several_classes_go_to_a_dictionary_and_back(loss):
    setting = ib.Setting(ib.Classification(X, LABELS, loss), ib.Linear(), ib.GradientFlow())
    assert ib.Setting.from_dict(setting.to_dict()) == setting
    assert setting.problem.classes == (2.0, 5.0, 9.0)


def test_a_matrix_network_fits_several_classes():
    model = ib.DeepLinear((5, 4, 3))
    setting = ib.Setting(
        ib.Classification(X[:6], LABELS[:6]), model, ib.GradientFlow(), ib.Balanced(0.5, rng=1)
    )
    run = ib.simulate(setting, stop=ib.Stop(log_time=20.0))
    assert run.converged
    assert run.w.shape == (3, 5)
    assert run.margin("frobenius") > 0


@pytest.mark.parametrize(
    "labels", [[1, 2.5], [-1, 0], [-2, 2], [3, -1], [-1, 0, 1], [1, 1], [0, 0, 0]], ids=str
)
def test_labels_that_are_no_codes_or_a_single_class(labels):
    with pytest.raises(ValueError, match=r"y must hold the labels -1 and 1, or class codes .* got"):
        ib.Classification(np.eye(len(labels)), labels)


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["a", "b"], "real numbers"),
        ([1, np.nan], r"y\[1\] is nan"),
        ([1, 0, 1], "one label per row"),
        ([[1], [0]], "has shape"),
    ],
    ids=str,
)
def test_labels_that_are_no_numbers_or_not_one_a_row(labels, says):
    with pytest.raises(ValueError, match=says):
        ib.Classification(np.eye(2), labels)


TWICE = np.vstack([X[:3], X[:1]])
"""The first point occurs twice, under two labels."""
INSEPARABLE = {
    "duplicates": ib.Classification(TWICE, [1, -1, 1, -1]),
    "duplicates of several classes": ib.Classification(TWICE, [0, 1, 2, 1]),
    "a zero row": ib.Classification(np.vstack([X[:3], np.zeros((1, 5))]), [1, -1, 1, -1]),
    "zero rows only": ib.Classification(np.zeros((3, 5)), [1, -1, 1]),
}


@pytest.mark.parametrize("problem", INSEPARABLE.values(), ids=INSEPARABLE)
def test_what_cannot_be_separated_is_legal_and_said_with_its_proof(problem):
    def proves(weights):
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1.0)
        assert np.abs(np.tensordot(weights, problem.Z, 1)).max() <= 1e-15

    for norm in (1, 2, 3, np.inf, "frobenius", "spectral", "nuclear", "max"):
        with pytest.raises(ib.NoPrediction, match="not separable") as caught:
            ib.max_margin(problem, norm)
        proves(caught.value.certificate)
    setting = ib.Setting(problem, ib.Linear(), ib.SpectralDescent(ib.Decay(0.5, 0.5)))
    with pytest.raises(ib.NoPrediction, match="needs that the data are separable") as caught:
        ib.predict(setting)
    proves(caught.value.certificate)
    assert np.isfinite(ib.simulate(setting, stop=ib.Stop(steps=50)).w).all()


def test_a_refusal_for_another_reason_proves_nothing():
    setting = ib.Setting(INSEPARABLE["duplicates"], ib.Linear(), ib.Muon(0.1, 0.5, iterations=5))
    with pytest.raises(ib.NoPrediction, match="no rule applies") as caught:
        ib.predict(setting)
    assert caught.value.certificate is None


def test_a_column_of_zeros_does_not_disturb_a_rule():
    problem = ib.Classification(np.column_stack([np.eye(3), np.zeros(3)]), [1, -1, 1])
    setting = ib.Setting(problem, ib.Linear(), ib.AdaGrad(0.5, eps=0.0))
    run = ib.simulate(setting, stop=ib.Stop(steps=2000))
    assert run.w[3] == 0.0
    assert np.allclose(ib.predict(setting, run).direction, np.array([1, -1, 1, 0]) / np.sqrt(3))


@pytest.mark.slow
def test_the_flow_of_what_cannot_be_separated_says_where_it_can_no_longer_be_followed():
    # the others go on as log t, and their gradients fall below the rounding of those that cancel
    problem = ib.Classification(np.vstack([X[:5, :4], X[:1, :4]]) / 3, [1, -1, 1, -1, 1, -1])
    setting, stop = ib.Setting(problem, ib.Linear(), ib.GradientFlow()), ib.Stop(log_time=50.0)
    run = ib.simulate(setting, stop, rtol=1e-12)
    assert run.status == "floor"
    assert "the rounding of ∇L moves the iterate more than rtol = 1e-12 allows" in run.message
    assert 20 < run.log_time < 40
    further = ib.simulate(setting, stop)  # the tolerance is let go of, as far as 1e-8
    assert further.status == "floor"
    assert "integrated to 1e-08 from there on" in further.message
    assert further.log_time > run.log_time + 3
