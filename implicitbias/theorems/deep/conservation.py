"""What flows on deep linear networks conserve, and how steps break it."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...optimizers import GradientDescent, HeavyBall
from ...problems import MatrixRegression
from ...selection.rules.networks import DEEP, PLAIN_STEP
from .. import figures
from ..base import Control, Theorem
from ..draws import Rng


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
