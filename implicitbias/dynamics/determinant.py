"""The sign of det W, which the gradient flow of balanced factors conserves and rounding does not."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..models import DeepLinear, MatrixFactorization
from ..optimizers import GradientFlow
from .ending import Ending
from .setting import Setting

__all__ = ["DeterminantGuard", "determinant_guard"]

BALANCED = 1e-12
NONSINGULAR = 1e-8
"""σ_min(W)/σ_max(W) above which the sign of det W is no matter of rounding or of an integrator's tolerance."""


class DeterminantGuard:
    """Ends a run in which det W has another sign than at the start.

    From a balanced start of square W = W_N ⋯ W_1, N ≥ 2, with W = USVᵀ and G = ∇_W L,

        d/dt log|det W| = −N tr(S^{1−2/N} UᵀGV),

    which is bounded: det W has no zero at any finite time. Where two layers drive σ_min(W) down exponentially, it
    falls below rounding of σ_max(W). A det W of the other sign may then grow, towards minima that the flow cannot
    reach.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.sign, _ = np.linalg.slogdet(setting.w0)

    def look(self, flat: np.ndarray, t: float) -> Ending | None:
        """The ending of a θ beyond the singular matrices."""
        W = self.setting.predictor(flat)
        if np.linalg.slogdet(W)[0] * self.sign >= 0 or not _is_nonsingular(W):
            return None
        return Ending(
            "failed",
            f"rounding has changed the sign of det W by time {t:.6g}, which the flow conserves from a balanced start: "
            "what follows is no solution of it. σ_min(W) fell below the rounding of σ_max(W); stop before, or "
            "take W = UUᵀ, whose sign is built in, or three or more layers, under which σ_min(W) decays more slowly",
        )


def determinant_guard(setting: Setting) -> DeterminantGuard | None:
    """The guard of a setting whose flow conserves sign det W; None for every other."""
    return DeterminantGuard(setting) if _conserves_the_sign(setting) else None


def _conserves_the_sign(setting: Setting) -> bool:
    model: Any = setting.model
    factors = isinstance(model, DeepLinear) and model.depth >= 2
    factors = factors or (isinstance(model, MatrixFactorization) and not model.tied)
    shape = setting.problem.w_shape
    if not factors or len(shape) != 2 or shape[0] != shape[1] or not _plain_flow(setting):
        return False
    size = sum(float(np.sum(W**2)) for W in setting.theta0)
    unbalance = max(float(np.linalg.norm(D)) for D in model.imbalances(setting.theta0))
    return unbalance <= BALANCED * size and _is_nonsingular(setting.w0)


def _plain_flow(setting: Setting) -> bool:
    flow = setting.optimizer
    one_rate = isinstance(flow, GradientFlow) and np.ptp(flow.block_rates(setting.layout)) == 0
    return bool(one_rate and flow.weight_decay == 0)


def _is_nonsingular(W: np.ndarray) -> bool:
    s = np.linalg.svd(W, compute_uv=False)
    return bool(s[-1] > NONSINGULAR * s[0])
