"""What the optimizer can and cannot change on a linear model."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...geometry import Euclidean, Hypentropy, PNorm
from ...models import Linear, PowerPropagation
from ...optimizers import (
    SAM,
    SGD,
    AdaGrad,
    GradientDescent,
    HeavyBall,
    LabelNoiseSGD,
    MirrorDescent,
    NaturalGradient,
    Nesterov,
    NormalizedGradientDescent,
    PreconditionedGradientDescent,
    SignDescent,
)
from ...problems import Classification, Regression
from ...records import record
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, FROM_ZERO, LINEAR, NO_DECAY, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, gaussian_regression
from .powers import power_start

Rng = np.random.Generator

# -- the row space is never left ------------------------------------------------------------------

OUTSIDE = 1e-10


def _row_space_methods(rng: Rng) -> dict[str, Setting]:
    """Plain, accelerated, normalised, stochastic, noisy, sharpness-aware and natural steps, on two losses."""
    problem, w0 = gaussian_regression(rng, 5, 15), rng.standard_normal(15)
    labels = Classification(problem.X, rng.permutation([1.0, 1.0, 1.0, -1.0, -1.0]), "logistic")
    step, row = 1 / problem.smoothness, 1 / float(np.max(np.sum(problem.X**2, axis=1)))
    methods = {
        "gradient": GradientDescent(step), "heavy ball": HeavyBall(step, 0.9), "Nesterov": Nesterov(step, 0.9),
        "normalised": NormalizedGradientDescent(0.1), "SGD": SGD(row), "label noise": LabelNoiseSGD(row, 1.0),
        "SAM": SAM(step, 0.1), "1-SAM": SAM(row / 2, 0.1, per_sample=True), "natural": NaturalGradient(0.5, 0.1),
    }  # fmt: skip
    on_labels = ("gradient", "heavy ball", "SGD", "SAM")
    settings = {name: Setting(problem, Linear(), m, w0) for name, m in methods.items()}
    return settings | {f"{n}, labels": Setting(labels, Linear(), methods[n], w0) for n in on_labels}


def share_outside(runs: dict[str, Run]) -> Evidence:
    """max_k ‖N(w_k − w₀)‖ / max_k ‖w_k − w₀‖ of each method."""
    shares = []
    for run in runs.values():
        X, moved = run.setting.problem.X, run.history["w"] - run.setting.w0
        outside = moved - moved @ (np.linalg.pinv(X) @ X)
        shares.append(np.max(np.linalg.norm(outside, axis=1)) / np.max(np.linalg.norm(moved, axis=1)))
    detail = {
        "seen": np.maximum(shares, 1e-18), "theory": np.full(len(shares), OUTSIDE),
        "axes": ("method", "share outside range(Xᵀ)", "y"),
    }  # fmt: skip
    return Evidence(shares, np.zeros(len(shares)), detail)


IN_THE_ROWS = Hypothesis(
    "the optimizer says that its updates on a linear model are in range(Xᵀ)",
    lambda s: isinstance(s.optimizer.row_potential, Euclidean),
)

row_space_invariance = Theorem(
    id="row-space-invariance", family="design", kind="exact", source="gunasekar2018geometry",
    claim="Momentum, noise, SAM, normalisation and natural gradients cannot leave the row space of a linear model.",
    settings=_row_space_methods, measure=share_outside, bound=OUTSIDE, figure=figures.points,
    run={"stop": Stop(steps=200), "save": Save(every=10, fields=("w",))}, conditions=(WELL_CONDITIONED,),
    hypotheses=(LINEAR, IN_THE_ROWS, NO_DECAY),
    control=Control("AdaGrad scales coordinates", 1e-2, {"optimizer": AdaGrad(0.1)}),
)  # fmt: skip


# -- strict convexity hides the bias --------------------------------------------------------------


@record
class Geometric:
    """η_k = step · factorᵏ."""

    step: float
    factor: float

    def __call__(self, k: int) -> float:
        return float(self.step * self.factor**k)


def followed(problems: tuple[Regression, ...], w0: np.ndarray) -> Geometric:
    """Steps that sign descent follows to the least loss on each of the problems (the page derives them)."""
    step, slowest, d = 0.0, 0.0, len(w0)
    for problem in problems:
        curvature = np.linalg.svd(problem.X, compute_uv=False)[[0, -1]] ** 2 / problem.n
        step = max(step, float(np.sqrt(2 * curvature[1] * problem.loss(w0)) / (d * curvature[0])))
        slowest = max(slowest, float(curvature[0] / curvature[1]))
    return Geometric(step, 1 - 1 / (2 * d * slowest))


def _first_three(problem: Regression) -> Regression:
    return Regression(problem.X[:3], problem.y[:3])


def _one_minimiser(rng: Rng) -> dict[str, Setting]:
    """Seven methods on twelve noisy samples in five dimensions."""
    X, w = rng.standard_normal((12, 5)), rng.uniform(0.5, 1.5, 5)
    problem, w0 = (
        Regression(X, X @ w + 0.1 * rng.standard_normal(12)),
        w * np.exp(0.4 * rng.standard_normal(5)),
    )
    both = problem, _first_three(problem)
    steepest = max(p.smoothness for p in both)
    step, P = 1 / steepest, np.exp(rng.uniform(-1, 1, 5))
    optimizers = {
        "gradient descent": GradientDescent(step),
        "preconditioned": PreconditionedGradientDescent(P, step / P.max()),
        "hypentropy": MirrorDescent(Hypentropy(0.0), step / 8),
        "ℓ1.5 potential": MirrorDescent(PNorm(1.5), step / 8),
        "AdaGrad": AdaGrad(0.5),
        "sign descent": SignDescent(followed(both, w0)),
    }
    settings = {name: Setting(problem, Linear(), o, w0) for name, o in optimizers.items()}
    power = Setting(problem, PowerPropagation(1.5), GradientDescent(step / 6), power_start(w0, 1.5))
    return settings | {"power propagation": power}


def largest_distance(runs: dict[str, Run]) -> Evidence:
    """The largest ‖w − w′‖ between two methods, relative to the largest ‖w‖."""
    w = np.array([run.w for run in runs.values()])
    pairs = [float(np.linalg.norm(a - b)) for a, b in combinations(w, 2)]
    first = next(iter(runs.values())).setting.problem
    x = np.arange(1, w.shape[1] + 1)
    detail = {"x": x, "seen": w.T, "theory": first.least_squares, "axes": ("coordinate", "w", "")}
    return Evidence(max(pairs) / np.max(np.linalg.norm(w, axis=1)), 0.0, detail)


def _few_samples(setting: Setting) -> Regression:
    return _first_three(setting.problem)


STRICTLY_CONVEX = Hypothesis(
    "the columns of X are independent: one w has the least loss",
    lambda s: np.linalg.matrix_rank(s.problem.X) == s.problem.X.shape[1],
)
THREE_ROWS = Hypothesis("κ of the first three rows ≤ 5", lambda s: np.linalg.cond(s.problem.X[:3]) <= 5)

strict_convexity_hides_the_bias = Theorem(
    id="strict-convexity-hides-the-bias", family="design", kind="exact", source="pascanu2025optimizers",
    claim="With one least-squares solution all optimizers agree; with as few samples as three of five, none do.",
    settings=_one_minimiser, measure=largest_distance, run={"stop": Stop(gradient=1e-10)}, bound=1e-7,
    hypotheses=(SQUARE_LOSS, STRICTLY_CONVEX, NO_DECAY, CONVERGED), conditions=(WELL_CONDITIONED, THREE_ROWS),
    control=Control("the first three samples alone", 1e-4, {"problem": _few_samples}), figure=figures.along,
)  # fmt: skip


# -- the preconditioner that a prior asks for -----------------------------------------------------

PRIOR = np.array([8.0, 4.0, 2.0, 1.0, 0.5, 0.25, 0.125])
"""S: the variances of the coefficients β ~ N(0, S)."""
INPUTS = np.array([0.25, 2.0, 0.5, 4.0, 1.0, 0.125, 8.0])
"""Σ: the variances of the inputs."""


def preconditioned(problem: Regression, P: np.ndarray) -> PreconditionedGradientDescent:
    """At the step 2/(λ_max + λ_min) of the positive eigenvalues of XPXᵀ/n."""
    eigenvalues = np.linalg.eigvalsh((problem.X * P) @ problem.X.T / problem.n)
    return PreconditionedGradientDescent(P, 2 / float(eigenvalues[0] + eigenvalues[-1]))


def _unit_targets(rng: Rng) -> dict[str, Setting]:
    """For each preconditioner, one run per target e_i: the columns of the map y ↦ w∞."""
    X = rng.standard_normal((3, 7)) * np.sqrt(INPUTS)
    settings = {}
    for name, P in (("S", PRIOR), ("Σ⁻¹", 1 / INPUTS), ("I", np.ones(7))):
        for i, e in enumerate(np.eye(3)):
            problem = Regression(X, e)
            settings[f"{name} {i + 1}"] = Setting(problem, Linear(), preconditioned(problem, P))
    return settings


def risks(runs: dict[str, Run]) -> Evidence:
    """Over all three preconditioners P: bias(S)/bias(P) and variance(Σ⁻¹)/variance(P), the least values of
    each over all interpolating maps y ↦ Ay among the denominators.
    """
    X = next(iter(runs.values())).setting.problem.X
    n, d = X.shape
    maps = np.array([run.w for run in runs.values()]).reshape(-1, n, d).transpose(0, 2, 1)
    error = np.eye(d) - maps @ X
    bias = np.einsum("pij,j,i->p", error**2, PRIOR, INPUTS)
    variance = np.einsum("pij,i->p", maps**2, INPUTS)
    posterior = PRIOR - np.sum((X * PRIOR) * np.linalg.solve((X * PRIOR) @ X.T, X * PRIOR), axis=0)
    least = [float(posterior @ INPUTS), float(np.trace(np.linalg.inv((X / INPUTS) @ X.T)))]
    ratios = np.array(
        [bias[0] / np.array([least[0], *bias[1:]]), variance[1] / np.array([least[1], *variance[[0, 2]]])]
    )
    detail = {"seen": bias, "theory": np.full(3, least[0]), "axes": ("S, Σ⁻¹, I", "bias", "")}
    return Evidence(ratios.ravel(), None, detail)


def _square_root(setting: Setting) -> PreconditionedGradientDescent:
    return preconditioned(setting.problem, np.sqrt(setting.optimizer.P))


OF_THE_THREE = Hypothesis(
    "P is the prior's covariance S, the inputs' inverse covariance Σ⁻¹, or I",
    lambda s: any(np.array_equal(s.optimizer.P, P) for P in (PRIOR, 1 / INPUTS, np.ones(len(PRIOR)))),
)
EVEN_ROWS = Hypothesis("κ(XP^{1/2}) ≤ 8", lambda s: np.linalg.cond(s.problem.X * np.sqrt(s.optimizer.P)) <= 8)

prior_optimal_preconditioner = Theorem(
    id="prior-optimal-preconditioner", family="design", kind="bound", source="amari2021preconditioning",
    claim="Of all interpolations, P = prior covariance has least bias, P = inverse input covariance least variance.",
    settings=_unit_targets, measure=risks, run={"stop": Stop(loss=1e-26)}, bound=1 + 1e-9,
    hypotheses=(SQUARE_LOSS, LINEAR, OF_THE_THREE, FROM_ZERO, NO_DECAY, CONVERGED), conditions=(EVEN_ROWS,),
    control=Control("the square root of each preconditioner", 1.002, {"optimizer": _square_root}),
    figure=figures.points,
)  # fmt: skip
