"""The curvature of the loss in (u, v) where the gradient flow of a two-layer diagonal network would end."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...dynamics import Setting
from ...models import Balanced
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import mirror_projection

__all__ = ["WELL_CURVED", "curvatures", "sharpness"]


def curvatures(setting: Setting) -> np.ndarray:
    """(n,) the eigenvalues of X diag(D) Xᵀ/n, ascending: those of ∇²_θ L at the limit, D = (∂w/∂θ)(∂w/∂θ)ᵀ.

    For u∘v, D = u² + v² = 2√(w² + c²); for u² − v², D = 4(u² + v²) = 4√(w² + c²).
    """
    return _curvatures(setting.problem, setting.model, setting.init)


@lru_cache(maxsize=256)
def _curvatures(problem: Regression, model: object, init: Balanced) -> np.ndarray:
    setting = Setting(problem, model, GradientFlow(), init)
    projection = mirror_projection(setting)
    c = np.exp(projection.potential.log_c)  # type: ignore[attr-defined]
    D = setting.model.mirror_rate * np.hypot(projection.solution, c)
    values: np.ndarray = np.linalg.eigvalsh((problem.X * D) @ problem.X.T / problem.n)
    return values


def sharpness(setting: Setting) -> float:
    """The largest of them."""
    return float(curvatures(setting)[-1])


WELL_CURVED = Hypothesis(
    "the non-zero curvatures at the gradient flow's limit differ by a factor of at most 100",
    lambda s: curvatures(s)[-1] <= 100 * curvatures(s)[0],
)
