"""Deep linear networks: exact dynamics and what they conserve."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientDescent, GradientFlow, HeavyBall
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.deep import riccati_rule
from .. import figures
from ..base import Control, Evidence, Theorem

Rng = np.random.Generator
DEEP = Hypothesis(
    "the model is DeepLinear with at least two layers",
    lambda s: isinstance(s.model, DeepLinear) and s.model.depth >= 2,
)
PLAIN_STEP = Hypothesis(
    "each step is a plain gradient step, without weight decay",
    lambda s: isinstance(s.optimizer, GradientDescent) and s.optimizer.weight_decay == 0,
)


# -- Riccati -------------------------------------------------------------------------------------

SHAPES = ((4, 4, 4, 0.0), (5, 3, 3, 0.8), (3, 3, 5, -0.8), (5, 2, 4, 0.4))


def lambda_balanced(rng: Rng, d_in: int, h: int, d_out: int, lam: float) -> tuple[np.ndarray, np.ndarray]:
    """(W₁, W₂) with W₂ᵀW₂ − W₁W₁ᵀ = λI and random bases; h ≤ min(d_in, d_out)."""
    q = np.sqrt(rng.uniform(0.3, 0.8, h) ** 2 + lam**2 / 4)
    R = orthonormal(h, h, rng)
    W1 = R @ np.diag(np.sqrt(q - lam / 2)) @ orthonormal(d_in, h, rng).T
    return W1, orthonormal(d_out, h, rng) @ np.diag(np.sqrt(q + lam / 2)) @ R.T


def _four_shapes(rng: Rng) -> dict[str, Setting]:
    settings = {}
    for d_in, h, d_out, lam in SHAPES:
        r = min(d_in, d_out)
        T = orthonormal(d_out, r, rng) @ np.diag(np.linspace(1.6, 0.7, r)) @ orthonormal(d_in, r, rng).T
        theta = lambda_balanced(rng, d_in, h, d_out, lam)
        settings[f"{d_in}-{h}-{d_out}, λ = {lam:g}"] = Setting(
            MatrixRegression.whitened(T), DeepLinear((d_in, h, d_out)), GradientFlow(), theta
        )
    return settings


def _unbalanced(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    return 2 * setting.theta0[0], setting.theta0[1] / 2


ALL_REACHED = Hypothesis(
    "the start has a part of at least 0.1 along every eigenvector it grows into",
    lambda s: riccati_rule.apply(s, None).smallest_pivot() >= 0.1,
)

riccati_two_layer = Theorem(
    id="riccati-two-layer", family="deep", kind="exact", source="braun2022exact",
    claim="A λ-balanced two-layer network follows the closed solution of a matrix Riccati equation.",
    settings=_four_shapes, rule=riccati_rule, bound=1e-8, figure=figures.network_map,
    run={"stop": Stop(time=20), "save": Save(at=np.linspace(0, 20, 41), fields=("w",)), "rtol": 1e-12},
    control=Control("an unbalanced start: W₁ doubled, W₂ halved", 1e-4, {"init": _unbalanced}),
    conditions=(ALL_REACHED,),
)  # fmt: skip


# -- balancedness --------------------------------------------------------------------------------


def _three_layers(rng: Rng) -> Setting:
    widths = (4, 5, 3, 2)
    problem = MatrixRegression(rng.standard_normal((10, 4)), rng.standard_normal((10, 2)))
    theta = tuple(rng.standard_normal((m, n)) / np.sqrt(n) for n, m in zip(widths, widths[1:]))
    return Setting(problem, DeepLinear(widths), GradientDescent(0.05), theta)


def balancedness_defect(run: Run) -> float:
    """D_j(k+1) − D_j(k) − η²(g_{j+1}ᵀg_{j+1} − g_jg_jᵀ) relative to ‖W_{j+1}‖² + ‖W_j‖², the worst."""
    s, worst = run.setting, 0.0
    path = [s.layout.split(flat) for flat in run.history["theta"]]
    for W, V in zip(path, path[1:]):
        g = s.model.pullback(W, s.problem.gradient(s.model.predictor(W)))
        for j in range(len(W) - 1):
            now, then = (U[j + 1].T @ U[j + 1] - U[j] @ U[j].T for U in (V, W))
            law = s.optimizer.step**2 * (g[j + 1].T @ g[j + 1] - g[j] @ g[j].T)
            worst = max(
                worst,
                np.linalg.norm(now - then - law) / (np.sum(W[j + 1] ** 2) + np.sum(W[j] ** 2)),
            )
    return float(worst)


balancedness_identity = Theorem(
    id="balancedness-identity", family="deep", kind="exact", source="arora2018acceleration",
    claim="A gradient step changes W_{j+1}ᵀW_{j+1} − W_jW_jᵀ by exactly η²(g_{j+1}ᵀg_{j+1} − g_jg_jᵀ).",
    settings=_three_layers, measure=balancedness_defect, bound=1e-13, figure=figures.balancedness,
    run={"stop": Stop(steps=60), "save": Save(every=1, fields=("theta",))}, hypotheses=(DEEP, PLAIN_STEP),
    control=Control("heavy-ball momentum", 1e-6, {"optimizer": lambda s: HeavyBall(s.optimizer.step, 0.5)}),
)  # fmt: skip


# -- period two ----------------------------------------------------------------------------------


def _scalar(rng: Rng) -> Setting:
    mu, e = rng.uniform(0.5, 2), rng.uniform(1.03, 1.22)
    theta = tuple(np.sqrt(mu) * rng.uniform(0.3, 1.2, (1, 1)) for _ in range(2))
    return Setting(MatrixRegression.whitened([[mu]]), DeepLinear((1, 1, 1)), GradientDescent(e / mu), theta)


def orbit(run: Run) -> Evidence:
    """The squares of both layers on the last two steps, smaller first, in units of μ."""
    mu = float(run.setting.problem.target[0, 0])
    e = run.setting.optimizer.step * mu
    root = np.sqrt((1 + e) ** 2 - 4)
    squares = np.sort(run.history["theta"] ** 2, axis=0) / mu
    expected = [[(1 + e - root) / (2 * e)] * 2, [(1 + e + root) / (2 * e)] * 2]
    return Evidence(squares.ravel().tolist(), np.ravel(expected).tolist(), {"e": e})


def _e(setting: Setting) -> float:
    return float(setting.optimizer.step * setting.problem.target[0, 0])


def _too_far(setting: Setting) -> GradientDescent:
    return GradientDescent(1.26 / setting.problem.target[0, 0])


TWO_SCALARS = Hypothesis(
    "the model is a product of two scalars, and the input is whitened",
    lambda s: s.model == DeepLinear((1, 1, 1)) and s.problem.is_whitened,
)
IN_THE_BASIN = Hypothesis(
    "both layers start between 0.3√μ and 1.2√μ",
    lambda s: all(0.3 <= W[0, 0] / np.sqrt(s.problem.target[0, 0]) <= 1.2 for W in s.theta0),
)
TWO_CYCLE_STABLE = Hypothesis("1 < ημ < √5 − 1", lambda s: 1 < _e(s) < np.sqrt(5) - 1)

period_two_orbit = Theorem(
    id="period-two-orbit", family="deep", kind="exact", source="chen2023beyond",
    claim="For 1 < ημ < √5 − 1 gradient descent on (xy − μ)²/2 settles on one explicit two-cycle.",
    settings=_scalar, measure=orbit, bound=1e-10, figure=figures.orbit,
    run={"stop": Stop(steps=4000), "save": Save(last=2, fields=("theta",))},
    hypotheses=(TWO_SCALARS, PLAIN_STEP, TWO_CYCLE_STABLE, IN_THE_BASIN),
    control=Control("ημ = 1.26: the two-cycle has lost its stability", 1e-2, {"optimizer": _too_far}),
)  # fmt: skip
