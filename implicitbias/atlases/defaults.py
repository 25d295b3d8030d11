"""Which settings an atlas runs when none are given: a line for each, with steps taken from the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..dynamics import Setting
from ..geometry import Hypentropy, PNorm
from ..models import Balanced, Diagonal, Hadamard, Linear, PowerPropagation
from ..optimizers import (
    SGD,
    CoordinateDescent,
    Decay,
    GradientDescent,
    GradientFlow,
    HeavyBall,
    MirrorDescent,
    Nesterov,
    NormalizedGradientDescent,
    PreconditionedFlow,
    PreconditionedGradientDescent,
    RandomizedKaczmarz,
    SignDescent,
    SteepestDescent,
)
from ..problems import Regression

__all__ = ["default_settings"]


class Sizes:
    """What the steps are made of: sizes of H = XᵀX/n, of the rows x_i, and of the solution X⁺y.

    An elementwise product w(θ) with |∂w_j/∂θ_j|² ≤ m|w_j| has a Hessian of at most m·max|w|·λ_max(H) at a
    minimum. How large max|w| becomes is known only afterwards; ``reach`` = 2‖X⁺y‖∞ is an estimate of it.
    """

    def __init__(self, problem: Regression) -> None:
        self.problem = problem

    @cached_property
    def H(self) -> np.ndarray:
        """XᵀX/n (d, d)."""
        H: np.ndarray = self.problem.X.T @ self.problem.X / self.problem.n
        return H

    @cached_property
    def smooth(self) -> float:
        """λ_max(H), the smoothness of L in ℓ2; in ℓp with p < 2 it is at most that."""
        return float(np.linalg.norm(self.problem.X, 2)) ** 2 / self.problem.n

    def smooth_in(self, p: float) -> float:
        """A bound on max sᵀHs over ‖s‖_p ≤ 1: max H_jj for p = 1, Σ|H_jk| for p = ∞, else by ‖s‖₂."""
        if p == 1:
            return float(np.max(np.diag(self.H)))
        if p == np.inf:
            return float(np.sum(np.abs(self.H)))
        return self.smooth * len(self.H) ** max(0.0, 1 - 2 / p)

    @cached_property
    def row(self) -> float:
        """max_i ‖x_i‖²: the smoothness of one sample's loss."""
        return float(np.max(np.sum(self.problem.X**2, axis=1)))

    @cached_property
    def reach(self) -> float:
        """2‖X⁺y‖∞, an estimate of the largest |w_j| on the way; 1 where that is zero."""
        return 2.0 * float(np.max(np.abs(self.problem.least_squares))) or 1.0

    @cached_property
    def far(self) -> float:
        """2‖X⁺y‖₂: how far a normalised method must be able to go."""
        return 2.0 * float(np.linalg.norm(self.problem.least_squares)) or 1.0

    @cached_property
    def marginal(self) -> np.ndarray:
        """P_j = 0.1 + |X_jᵀy| / max_k |X_kᵀy| (d,): a preconditioner that favours what correlates with y."""
        size = np.abs(self.problem.X.T @ self.problem.y)
        return 0.1 + size / (np.max(size) or 1.0)

    @property
    def marginal_step(self) -> float:
        """1/λ_max(√P H √P)."""
        root = np.sqrt(self.marginal)
        return 1.0 / float(np.linalg.eigvalsh(root[:, None] * self.H * root)[-1])


class Line(NamedTuple):
    """A model, an optimizer made from the data's sizes, and a start (None: the model's own)."""

    model: Any
    optimizer: Callable[[Sizes], Any]
    init: Any = None


LINES: dict[str, Line] = {
    # every update in range(Xᵀ): the interpolant of least ‖w‖₂
    "Linear: GradientFlow": Line(Linear(), lambda s: GradientFlow()),
    "Linear: GradientDescent": Line(Linear(), lambda s: GradientDescent(1 / s.smooth)),
    "Linear: HeavyBall": Line(Linear(), lambda s: HeavyBall(1 / s.smooth, 0.9)),
    "Linear: Nesterov": Line(Linear(), lambda s: Nesterov(1 / s.smooth, 0.9)),
    "Linear: SGD": Line(Linear(), lambda s: SGD(1 / s.row)),
    "Linear: RandomizedKaczmarz": Line(Linear(), lambda s: RandomizedKaczmarz()),
    "Linear: NormalizedGradientDescent": Line(
        Linear(), lambda s: NormalizedGradientDescent(Decay(s.far, 1.0))
    ),
    # dual points in range(Xᵀ): a Bregman projection
    "Linear: PreconditionedFlow |Xᵀy|": Line(Linear(), lambda s: PreconditionedFlow(s.marginal)),
    "Linear: PreconditionedGradientDescent |Xᵀy|": Line(
        Linear(), lambda s: PreconditionedGradientDescent(s.marginal, s.marginal_step)
    ),
    "Linear: MirrorDescent hypentropy 1": Line(
        Linear(), lambda s: MirrorDescent(Hypentropy(0.0), 1 / (s.smooth * np.hypot(s.reach, 1.0)))
    ),
    "Linear: MirrorDescent ℓ1.5": Line(
        Linear(), lambda s: MirrorDescent(PNorm(1.5), 0.5 / (s.smooth * np.sqrt(s.reach)))
    ),
    # steepest descent: no potential is known
    "Linear: SteepestDescent ℓ1": Line(Linear(), lambda s: SteepestDescent(1.0, 1 / s.smooth_in(1.0))),
    "Linear: SteepestDescent ℓ1.5": Line(Linear(), lambda s: SteepestDescent(1.5, 1 / s.smooth_in(1.5))),
    "Linear: SteepestDescent ℓ3": Line(Linear(), lambda s: SteepestDescent(3.0, 1 / s.smooth_in(3.0))),
    "Linear: SteepestDescent ℓ∞": Line(Linear(), lambda s: SteepestDescent(np.inf, 1 / s.smooth_in(np.inf))),
    "Linear: CoordinateDescent": Line(Linear(), lambda s: CoordinateDescent(Decay(s.far, 1.0))),
    "Linear: SignDescent": Line(Linear(), lambda s: SignDescent(Decay(s.reach / 2, 1.0))),
    # products: hypentropy at the scale of the start
    "Diagonal(2): GradientFlow 1": Line(Diagonal(2), lambda s: GradientFlow(), Balanced(1.0)),
    "Diagonal(2): GradientFlow 1e-1": Line(Diagonal(2), lambda s: GradientFlow(), Balanced(1e-1)),
    "Diagonal(2): GradientFlow 1e-2": Line(Diagonal(2), lambda s: GradientFlow(), Balanced(1e-2)),
    "Diagonal(2): GradientFlow 1e-4": Line(Diagonal(2), lambda s: GradientFlow(), Balanced(1e-4)),
    "Diagonal(2): GradientFlow 1e-6": Line(Diagonal(2), lambda s: GradientFlow(), Balanced(1e-6)),
    "Diagonal(2): GradientDescent 1": Line(
        Diagonal(2), lambda s: GradientDescent(1 / (4 * s.smooth * (s.reach + 2))), Balanced(1.0)
    ),
    "Diagonal(2): SGD 1": Line(Diagonal(2), lambda s: SGD(1 / (4 * s.row * (s.reach + 2))), Balanced(1.0)),
    "Diagonal(2): HeavyBall 1e-1": Line(
        Diagonal(2), lambda s: HeavyBall(1 / (4 * s.smooth * s.reach), 0.9), Balanced(1e-1)
    ),
    "Hadamard: GradientFlow 1e-1": Line(Hadamard(), lambda s: GradientFlow(), Balanced(1e-1)),
    "Hadamard: GradientDescent 1": Line(
        Hadamard(), lambda s: GradientDescent(1 / (2 * s.smooth * (s.reach + 1))), Balanced(1.0)
    ),
    "Diagonal(3): GradientFlow 1e-1": Line(Diagonal(3), lambda s: GradientFlow(), Balanced(1e-1)),
    "PowerPropagation(1.5): GradientFlow 1e-1": Line(
        PowerPropagation(1.5), lambda s: GradientFlow(), Balanced(1e-1)
    ),
    "PowerPropagation(2): GradientFlow 1e-1": Line(
        PowerPropagation(2.0), lambda s: GradientFlow(), Balanced(1e-1)
    ),
}
"""An optimizer more is a line more. The number at the end of a name is the scale of the start."""


@lru_cache(maxsize=4)
def sizes(problem: Regression) -> Sizes:
    """The sizes of a problem, computed once."""
    return Sizes(problem)


def recipes() -> dict[str, Callable[[Regression], Setting]]:
    """A function from the problem to the setting for each line."""
    return {name: _recipe(line) for name, line in LINES.items()}


def _recipe(line: Line) -> Callable[[Regression], Setting]:
    return lambda problem: Setting(problem, line.model, line.optimizer(sizes(problem)), line.init)


def default_settings(problem: Regression) -> dict[str, Setting]:
    """Every model with every optimizer that makes sense on a regression, by name.

    Steps come from the data: 1/λ_max(XᵀX/n) for gradient descent, and what that becomes in other norms, for
    single rows, and for products. The entries of a solution of order one are assumed for the scales of starts:
    standardise the data first, as ``Table.split`` does.

    Examples
    --------
    >>> settings = default_settings(Regression([[1.0, 2.0]], [1.0]))
    >>> round(settings["Linear: GradientDescent"].optimizer.step, 12)
    0.2
    """
    return {name: make(problem) for name, make in recipes().items()}
