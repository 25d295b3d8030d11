"""How many problems determine a regulariser, and of which class."""

from __future__ import annotations

import numpy as np

from ...discovery.quadratic import fit_quadratic
from ...discovery.samples import Samples
from ...dynamics import Run, Setting, Stop
from ...geometry import Euclidean, Hypentropy, PNorm
from ...models import Linear
from ...optimizers import MirrorDescent, PreconditionedGradientDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, FROM_ZERO, LINEAR, NO_DECAY, SQUARE_LOSS
from ...threads import one_blas_thread
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, inputs_with_spectrum, matrix_with_spectrum
from .solutions import samples_of

# -- counting conditions on φ′ ------------------------------------------------------------------------

CANDIDATES = (Euclidean(), PNorm(1.5), PNorm(3.0), Hypentropy(-1.0), Hypentropy(-4.0))
SELECTS = CANDIDATES[3]
ROUNDING = 1e-11
"""Singular values below are zero."""
ROWS, WIDTH = 11, 12


def _five_problems(rng: Rng) -> dict[str, Setting]:
    """Problems with one free direction each: with an X of their own, and with one X for all."""
    spectrum = np.linspace(1 / 3, 1, ROWS) ** 2
    shared = inputs_with_spectrum(rng, ROWS, WIDTH, spectrum)
    settings = {}
    for k in range(len(CANDIDATES)):
        for whose, X in (("own", inputs_with_spectrum(rng, ROWS, WIDTH, spectrum)), ("shared", shared)):
            y = X @ (rng.standard_normal(WIDTH) * np.exp(rng.uniform(np.log(0.3), np.log(2.0))))
            method = MirrorDescent(SELECTS, 0.2)
            settings[f"{whose} {k + 1}"] = Setting(Regression(X, y), Linear(), method, np.zeros(WIDTH))
    return settings


def nullity(samples: Samples) -> int:
    """How many independent R = Σ_j a_j R_j of the candidates have ∇R(w) ∈ range(Xᵀ) on every problem."""
    p = len(CANDIDATES)
    features = np.stack([psi.gradient(samples.w) for psi in CANDIDATES], axis=-1)
    size = np.linalg.norm(features.reshape(-1, p), axis=0)
    values = np.linalg.svd(samples.off(features).reshape(-1, p) / size, compute_uv=False)
    return p - int(np.sum(values > ROUNDING))


def nullities(runs: dict[str, Run]) -> Evidence:
    """The dimension left by the first K problems, K = 1, …, 5, against max(1, 5 − K(d − n))."""
    p, seen = len(CANDIDATES), []
    for whose in ("own", "shared"):
        done = [runs[f"{whose} {k + 1}"] for k in range(p)]
        seen.append([nullity(samples_of(done[: k + 1])) for k in range(p)])
    law = np.maximum(1, p - np.arange(1, p + 1) * (WIDTH - ROWS))
    detail = {
        "x": np.arange(1, p + 1), "seen": np.array(seen).T, "theory": law,
        "axes": ("problems K", "dimension of what explains them", ""),
    }  # fmt: skip
    return Evidence(seen, np.stack([law, law]), detail)


def _one_target(setting: Setting) -> Regression:
    X = setting.problem.X
    return Regression(X, X @ np.ones(X.shape[1]))


BY_A_CANDIDATE = Hypothesis(
    "it is mirror descent with the fourth candidate",
    lambda s: isinstance(s.optimizer, MirrorDescent) and s.optimizer.potential == SELECTS,
)
GENERIC_TARGETS = Hypothesis(
    "targets are drawn, and are not X1",
    lambda s: not np.allclose(s.problem.y, s.problem.X @ np.ones(s.problem.X.shape[1])),
)

conditions_to_determine_a_potential = Theorem(
    id="conditions-to-determine-a-potential", family="design", kind="exact", source="azizan2019mirror",
    claim="Each problem removes d − n of the separable potentials that explain its solution, until one is left.",
    settings=_five_problems, measure=nullities, bound=0.0, figure=figures.along, run={"stop": Stop(loss=1e-26)},
    hypotheses=(SQUARE_LOSS, LINEAR, FROM_ZERO, BY_A_CANDIDATE, GENERIC_TARGETS, NO_DECAY, CONVERGED),
    control=Control("y = X1: where X is shared, one problem again and again", 0.5, {"problem": _one_target}),
)  # fmt: skip


# -- a preconditioner from its solutions ------------------------------------------------------------------

SIZE, FEW, PROBLEMS = 6, 2, 8
SHARED = np.eye(FEW, SIZE) + np.eye(FEW, SIZE, k=3)


def _one_preconditioner(rng: Rng) -> dict[str, Setting]:
    """Eight problems of two samples in six dimensions, under one drawn P of condition number 9."""
    A, w0 = matrix_with_spectrum(rng, SIZE, SIZE, np.linspace(1, 3, SIZE)), rng.standard_normal(SIZE)
    P = A @ A.T
    P = (P + P.T) / 2
    settings = {}
    for k in range(PROBLEMS):
        X = inputs_with_spectrum(rng, FEW, SIZE, (0.5, 1.0))
        method = PreconditionedGradientDescent(P, 0.1)
        settings[f"{k + 1}"] = Setting(Regression(X, rng.standard_normal(FEW)), Linear(), method, w0)
    return settings


def inverse_preconditioner(runs: dict[str, Run]) -> Evidence:
    """‖M − cP⁻¹‖_F/‖cP⁻¹‖_F, both of trace d, for the M read off the solutions."""
    with one_blas_thread(SIZE):
        M = fit_quadratic(samples_of(runs.values())).matrix
    inverse = np.linalg.inv(next(iter(runs.values())).setting.optimizer.P)
    truth = inverse * (SIZE / np.trace(inverse))
    upper = np.triu_indices(SIZE)
    detail = {"seen": M[upper], "theory": truth[upper], "ylabel": "entries of M"}
    return Evidence(float(np.linalg.norm(M - truth) / np.linalg.norm(truth)), 0.0, detail)


def _shared_inputs(setting: Setting) -> Regression:
    return Regression(SHARED, setting.problem.y)


A_FIXED_MATRIX = Hypothesis(
    "it is preconditioned gradient descent with a fixed P",
    lambda s: isinstance(s.optimizer, PreconditionedGradientDescent) and not callable(s.optimizer.P),
)
OWN_INPUTS = Hypothesis("X is drawn for each problem", lambda s: not np.array_equal(s.problem.X, SHARED))

preconditioner_from_solutions = Theorem(
    id="preconditioner-from-solutions", family="design", kind="exact", source="amari1998natural",
    claim="Solutions of K(d − n) ≥ d(d + 1)/2 conditions give a fixed preconditioner back, up to its scale.",
    settings=_one_preconditioner, measure=inverse_preconditioner, bound=1e-10, figure=figures.entries,
    run={"stop": Stop(loss=1e-26)}, hypotheses=(SQUARE_LOSS, LINEAR, A_FIXED_MATRIX, OWN_INPUTS, NO_DECAY, CONVERGED),
    control=Control("one X for all: n(d − n) conditions at most", 0.1, {"problem": _shared_inputs}),
)  # fmt: skip
