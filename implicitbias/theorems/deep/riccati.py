"""Two-layer networks solved by a matrix Riccati equation."""

from __future__ import annotations

import numpy as np

from ...dynamics import Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.deep import riccati_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import Rng

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
