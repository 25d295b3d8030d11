"""The noise of stochastic methods: stationary, averaged away, or vanishing at an interpolant."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import SGD, Averaged, LabelNoiseSGD
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import LINEAR, NO_DECAY, SOLVABLE, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, inputs_with_spectrum

ETA, SIGMA = 0.4, 0.5
FULL_NOISE = Hypothesis(
    "noise ±σ is added to every target of the full gradient: it is independent of w, with covariance σ²XᵀX/n²",
    lambda s: isinstance(s.optimizer, LabelNoiseSGD) and s.optimizer.batch is None,
)
DETERMINED = Hypothesis(
    "XᵀX/n has its eigenvalues in [0.6, 1.4]",
    lambda s: np.all(np.abs(np.linalg.eigvalsh(s.problem.X.T @ s.problem.X / s.problem.n) - 1) <= 0.4 + 1e-9),
)


def overdetermined(rng: Rng) -> Regression:
    """Eight rows, three unknowns, eigenvalues of XᵀX/n uniform in [0.6, 1.4]."""
    X = inputs_with_spectrum(rng, 8, 3, rng.uniform(0.6, 1.4, 3))
    return Regression(X, X @ rng.standard_normal(3) + rng.standard_normal(8))


def laws(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(H, A, C): H = XᵀX/n, A = I − ηH, and the covariance C = σ²XᵀX/n² of the noise of one gradient."""
    X, n = setting.problem.X, setting.problem.n
    H = X.T @ X / n
    return H, np.eye(len(H)) - ETA * H, SIGMA**2 * H / n


def scores(e: np.ndarray, covariance: np.ndarray) -> Evidence:
    """Largest |mean of e_ie_j − covariance_ij| over i ≤ j, in standard errors; e (N, d) independent, of mean zero."""
    i, j = np.triu_indices(e.shape[1])
    products = e[:, i] * e[:, j]
    errors = products.std(axis=0, ddof=1) / np.sqrt(len(e))
    mean, exact = products.mean(axis=0), covariance[i, j]
    return Evidence(float(np.max(np.abs(mean - exact) / errors)), 0.0, {
        "seen": mean, "theory": exact, "ylabel": "entries of the covariance",
    })  # fmt: skip


# -- the stationary covariance -------------------------------------------------------------------

EVERY, SAMPLES = 25, 4000


def _noisy(rng: Rng) -> Setting:
    problem = overdetermined(rng)
    return Setting(problem, Linear(), LabelNoiseSGD(ETA, SIGMA, batch=None), problem.least_squares)


def stationary_scores(run: Run) -> Evidence:
    """The samples' covariance beside the Σ of Σ = AΣA + η²C."""
    _, A, C = laws(run.setting)
    values, V = np.linalg.eigh(A)
    S = V @ ((V.T @ (ETA**2 * C) @ V) / (1 - np.outer(values, values))) @ V.T
    return scores(run.history["w"][100:] - run.setting.problem.least_squares, S)


def _one_sample(setting: Setting) -> LabelNoiseSGD:
    return LabelNoiseSGD(ETA / 4, SIGMA, batch=1)


stationary_covariance = Theorem(
    id="stationary-covariance", family="linear", kind="limit", source="mandt2017sgd",
    claim="Gradient noise of covariance C gives iterates the covariance Σ with H Σ + Σ H − η H Σ H = η C.",
    settings=_noisy, measure=stationary_scores, bound=6.5, hypotheses=(SQUARE_LOSS, LINEAR, FULL_NOISE, NO_DECAY),
    run={"stop": Stop(steps=EVERY * SAMPLES), "save": Save(every=EVERY, fields=("w",))}, conditions=(DETERMINED,),
    control=Control("one sample a step: noise of other size and shape", 10.0, {"optimizer": _one_sample}),
    instances=2, figure=figures.entries,
)  # fmt: skip


# -- averaging -----------------------------------------------------------------------------------

STEPS, CHAINS = 200, 800


def _averaged(rng: Rng) -> Setting:
    problem = overdetermined(rng)
    optimizer = Averaged(LabelNoiseSGD(ETA, SIGMA, batch=None))
    return Setting(problem, Linear(), optimizer, np.tile(problem.least_squares, (CHAINS, 1)))


def averaged_scores(run: Run) -> Evidence:
    """The covariance of the means beside (1/T²) Σ_{m<T} H⁻¹(I − Aᵐ)C(I − Aᵐ)H⁻¹."""
    H, _, C = laws(run.setting)
    values, V = np.linalg.eigh(H)
    left = 1 - (1 - ETA * values) ** np.arange(1, STEPS)[:, None]
    sums = np.einsum("mi,mj->ij", left, left) / np.outer(values, values)
    covariance = V @ ((V.T @ C @ V) * sums) @ V.T / STEPS**2
    return scores(run.w - run.setting.problem.least_squares, covariance)


IS_AVERAGED = Hypothesis(
    "what is reported is the mean of the iterates of that method",
    lambda s: isinstance(s.optimizer, Averaged) and s.optimizer.decay is None
    and FULL_NOISE.holds(dataclasses.replace(s, optimizer=s.optimizer.optimizer)),
)  # fmt: skip

iterate_averaging = Theorem(
    id="iterate-averaging", family="linear", kind="limit", source="polyak1992acceleration",
    claim="The mean of T iterates has covariance (1/T²) Σ H⁻¹(I − Aᵐ)C(I − Aᵐ)H⁻¹, which is H⁻¹CH⁻¹/T in the limit.",
    settings=_averaged, measure=averaged_scores, run={"stop": Stop(steps=STEPS)}, bound=7.0,
    hypotheses=(SQUARE_LOSS, LINEAR, IS_AVERAGED, NO_DECAY), conditions=(DETERMINED,), instances=2,
    control=Control("the last iterate, not the mean", 10.0, {"optimizer": lambda s: s.optimizer.optimizer}),
    figure=figures.entries,
)  # fmt: skip


# -- noise that vanishes at an interpolant -------------------------------------------------------

DRAWS, RUNS = 8, 1000
STRENGTH = 0.5


def _interpolating(rng: Rng) -> Setting:
    X = rng.standard_normal((5, 8))
    step = STRENGTH / float(np.mean(np.sum(X**2, axis=1)))
    problem, w0 = Regression(X, X @ rng.standard_normal(8)), rng.standard_normal(8)
    return Setting(problem, Linear(), SGD(step), np.tile(w0, (RUNS, 1)))


def second_moment(setting: Setting, batch: int) -> np.ndarray:
    """E e_ke_kᵀ by M ← M − η(HM + MH) + η²[S(M)/b + (1 − 1/b) HMH], S(M) = (1/n) Σ x_i(x_i·Mx_i)x_iᵀ."""
    X, n, eta, w0 = setting.problem.X, setting.problem.n, setting.optimizer.step, setting.w0[0]
    e0 = np.linalg.pinv(X) @ (X @ w0 - setting.problem.y)
    M, H = np.outer(e0, e0), X.T @ X / n
    for _ in range(DRAWS):
        S = (X.T * np.einsum("ij,jk,ik->i", X, M, X)) @ X / n
        M = M - eta * (H @ M + M @ H) + eta**2 * (S / batch + (1 - 1 / batch) * H @ M @ H)
    return M


def second_moment_scores(run: Run) -> Evidence:
    """The mean square error and the mean of each coordinate, in standard errors from their exact values."""
    setting = run.setting
    X, w0 = setting.problem.X, setting.w0[0]
    e0 = np.linalg.pinv(X) @ (X @ w0 - setting.problem.y)
    e = run.w - (w0 - e0)
    A = np.eye(len(e0)) - setting.optimizer.step * X.T @ X / setting.problem.n
    moments = np.column_stack([np.sum(e**2, axis=1), e])
    exact = np.concatenate([[np.trace(second_moment(setting, 1))], np.linalg.matrix_power(A, DRAWS) @ e0])
    mean, errors = moments.mean(axis=0), moments.std(axis=0, ddof=1) / np.sqrt(RUNS)
    return Evidence(float(np.max(np.abs(mean - exact) / errors)), 0.0, {
        "seen": mean, "theory": exact, "ylabel": "E‖e‖², E e_j",
    })  # fmt: skip


def _fours(setting: Setting) -> SGD:
    return SGD(setting.optimizer.step, 4)


SINGLE = Hypothesis(
    "each step draws one sample, uniformly", lambda s: isinstance(s.optimizer, SGD) and s.optimizer.batch == 1
)
NOISY = Hypothesis(
    "batches of four change E‖e‖² by 8 % or more",
    lambda s: np.trace(second_moment(s, 1)) >= 1.08 * np.trace(second_moment(s, 4)),
)

interpolating_noise = Theorem(
    id="interpolating-noise", family="linear", kind="limit", source="strohmer2009kaczmarz",
    claim="SGD on data that can be fitted has exact first and second moments: (I − ηH)ᵏe₀, and a linear recursion.",
    settings=_interpolating, measure=second_moment_scores, run={"stop": Stop(steps=DRAWS)}, bound=6.5,
    hypotheses=(SQUARE_LOSS, LINEAR, NO_DECAY, SOLVABLE, SINGLE), conditions=(NOISY,), instances=2,
    control=Control("batches of four: less noise, the same mean", 8.0, {"optimizer": _fours}),
    figure=figures.entries,
)  # fmt: skip
