"""Decoupled weight decay: the minimiser of the loss over a ball, or behind its barrier."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import LpNorm, Norm, SchattenNorm
from ...optimizers import AdamW, Lion, Muon, SignDescent
from ...problems import Tasks
from ..ball import BallMinimum, BoxBarrier
from ..rule import Hypothesis, Rule
from .common import LINEAR, NO_DECAY, VANISHING

__all__: list[str] = []


def norm_of_ball(optimizer: Any) -> Norm | None:
    """The norm whose unit ball decoupled decay confines λw to; None for optimizers without such a ball."""
    if not getattr(optimizer, "decay", 0.0) > 0:
        return None
    if isinstance(optimizer, AdamW):
        exact = optimizer.eps == optimizer.eps_root == 0.0 and optimizer.beta1 <= optimizer.beta2
        return LpNorm(np.inf) if exact else None
    if isinstance(optimizer, Lion | SignDescent):
        return LpNorm(np.inf)
    return SchattenNorm(np.inf) if isinstance(optimizer, Muon) and optimizer.iterations is None else None


def ball_minimum(setting: Any, run: Any = None) -> BallMinimum:
    """min L(w) subject to λ‖w‖ ≤ 1."""
    optimizer = setting.optimizer
    return BallMinimum(setting.problem, norm_of_ball(optimizer) or LpNorm(np.inf), 1 / optimizer.decay)


def box_barrier(setting: Any, run: Any = None) -> BoxBarrier:
    """min L(w) − ε Σ_j [|w_j| + ln(1 − λ|w_j|)/λ]."""
    optimizer = setting.optimizer
    return BoxBarrier(setting.problem, 1 / optimizer.decay, optimizer.eps)


CONVEX = Hypothesis("the loss is one convex function of w", lambda s: not isinstance(s.problem, Tasks))
DECOUPLED = Hypothesis(
    "the optimizer is Lion, AdamW (ε = 0, β₁ ≤ β₂), sign descent or Muon (exact) with decoupled decay",
    lambda s: norm_of_ball(s.optimizer) is not None,
)
ball_rule = Rule(
    name="minimum over the ball of decoupled decay",
    source="xie2024adamw",
    hypotheses=(
        LINEAR,
        CONVEX,
        DECOUPLED,
        VANISHING,
        NO_DECAY,
        Hypothesis(
            "the minimum over the ball is attained once",
            lambda s: DECOUPLED.holds(s) and ball_minimum(s).is_unique,
        ),
        Hypothesis("the run converges", lambda run: run.converged, of="run"),
    ),
    apply=ball_minimum,
)

barrier_rule = Rule(
    name="minimum behind the barrier of AdamW's ε",
    source="xie2024adamw",
    hypotheses=(
        LINEAR,
        CONVEX,
        Hypothesis(
            "the optimizer is AdamW with ε > 0 outside the root only, and decoupled decay",
            lambda s: (
                isinstance(s.optimizer, AdamW)
                and s.optimizer.eps > 0 == s.optimizer.eps_root
                and s.optimizer.decay > 0
            ),
        ),
        NO_DECAY,
        Hypothesis("the run converges", lambda run: run.converged, of="run"),
    ),
    apply=box_barrier,
)
