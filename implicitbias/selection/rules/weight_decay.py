"""Weight decay that is kept on: a penalty on w."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import Diagonal
from ...optimizers import GradientDescent, GradientFlow, Until
from ..penalized import Lasso
from ..rule import Hypothesis, Rule
from .common import SQUARE_LOSS, STATIONARY
from .diagonal import TWO_LAYERS

__all__: list[str] = []


def decayed_lasso(setting: Any, run: Any = None) -> Lasso:
    """The Lasso of λ for u∘v, of λ/2 for u² − v²: (λ/2)(u² + v²) is at least that multiple of |w|."""
    lam = setting.optimizer.weight_decay
    X, y = setting.problem.X, setting.problem.y
    return Lasso(X, y, lam / 2 if isinstance(setting.model, Diagonal) else lam)


def _is_unique(setting: Any) -> bool:
    """Whether the columns on which |Xᵀ(y − Xw)|/n = λ at a solution are independent."""
    program = decayed_lasso(setting)
    X, n = program.X, len(program.y)
    slopes = np.abs(X.T @ (program.y - X @ program.solution)) / n
    tight = X[:, slopes >= program.lam * (1 - 1e-8)]
    return int(np.linalg.matrix_rank(tight)) == tight.shape[1] if tight.size else True


KEPT_DECAY = Hypothesis(
    "there is weight decay, and it is kept on",
    lambda s: not isinstance(s.optimizer.weight_decay, Until) and s.optimizer.weight_decay > 0,
)

decay_lasso_rule = Rule(
    name="the Lasso of weight decay on a two-layer diagonal network",
    source="hoff2017lasso",
    hypotheses=(
        SQUARE_LOSS,
        TWO_LAYERS,
        Hypothesis(
            "the optimizer is the gradient flow at one rate, or gradient descent",
            lambda s: (
                isinstance(s.optimizer, GradientDescent)
                or (isinstance(s.optimizer, GradientFlow) and np.ptp(s.optimizer.block_rates(s.layout)) == 0)
            ),
        ),
        KEPT_DECAY,
        Hypothesis("the Lasso has one solution", _is_unique),
        STATIONARY,
    ),
    apply=decayed_lasso,
)
