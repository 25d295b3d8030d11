"""Which settings an atlas of a regression runs when none are given: a line for each, with steps from the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..dynamics import Setting
from ..geometry import Hypentropy, PNorm, SquaredPNorm
from ..models import (
    Balanced,
    DeepLinear,
    Diagonal,
    Hadamard,
    Linear,
    LinearConvolution,
    PowerPropagation,
    Reparametrized,
    WeightNormalized,
)
from ..optimizers import (
    SAM,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Averaged,
    CoordinateDescent,
    Decay,
    GradientDescent,
    GradientFlow,
    HeavyBall,
    LabelNoiseSGD,
    Lion,
    MirrorDescent,
    MirrorFlow,
    MomentumFlow,
    NaturalGradient,
    Nesterov,
    NormalizedGradientDescent,
    PreconditionedFlow,
    PreconditionedGradientDescent,
    RandomizedKaczmarz,
    RMSProp,
    SignDescent,
    SteepestDescent,
    StochasticGradientFlow,
)
from ..problems import Regression

__all__ = ["LINES", "Line", "Sizes", "recipes", "settings_of"]


class Sizes:
    """What the steps are made of: sizes of H = XᵀX/n, of the rows x_i, and of the solution X⁺y.

    At a minimum an elementwise product w(θ) with Σ(∂w_j/∂θ)² ≤ m·√(w_j² + c²) has a Hessian of at most
    m·(max|w| + c)·λ_max(H). How large max|w| becomes is known only afterwards; ``reach`` = 2‖X⁺y‖∞ estimates it.
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
        return self.problem.smoothness

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

    def step_at(self, m: float, c: float, smooth: float | None = None) -> float:
        """1/(m·smooth·(reach + c)): a step for products with Σ(∂w_j/∂θ)² ≤ m·√(w_j² + c²)."""
        return 1.0 / (m * (self.smooth if smooth is None else smooth) * (self.reach + c))

    @cached_property
    def far(self) -> float:
        """2‖X⁺y‖₂: how far a normalised method must be able to go."""
        return 2.0 * float(np.linalg.norm(self.problem.least_squares)) or 1.0

    @cached_property
    def marginal(self) -> np.ndarray:
        """P_j = ½ + |X_jᵀy| / max_k |X_kᵀy| (d,): a preconditioner that favours what correlates with y."""
        size = np.abs(self.problem.X.T @ self.problem.y)
        return 0.5 + size / (np.max(size) or 1.0)

    @property
    def marginal_step(self) -> float:
        """1/λ_max(√P H √P)."""
        root = np.sqrt(self.marginal)
        return 1.0 / float(np.linalg.eigvalsh(root[:, None] * self.H * root)[-1])


class Line(NamedTuple):
    """A model (or a function of the sizes that makes it), an optimizer made from the sizes, and a start."""

    model: Any
    optimizer: Callable[[Any], Any]
    init: Any = None
    """None: the model's own."""


def flow(s: Sizes) -> GradientFlow:
    """The gradient flow, which needs no step."""
    return GradientFlow()


def single(s: Sizes) -> DeepLinear:
    """A two-layer network of one hidden unit."""
    return DeepLinear((s.problem.w_shape[0], 1, 1))


LINEAR, DIAGONAL, HADAMARD = Linear(), Diagonal(2), Hadamard()
ONE, TENTH = Balanced(1.0), Balanced(0.1)

LINES: dict[str, Line] = {
    # every update in range(Xᵀ): the interpolant of least ‖w‖₂
    "Linear: GradientFlow": Line(LINEAR, flow),
    "Linear: MomentumFlow": Line(LINEAR, lambda s: MomentumFlow(10 / s.smooth)),
    "Linear: StochasticGradientFlow": Line(LINEAR, lambda s: StochasticGradientFlow(1 / s.row)),
    "Linear: GradientDescent": Line(LINEAR, lambda s: GradientDescent(1 / s.smooth)),
    "Linear: HeavyBall": Line(LINEAR, lambda s: HeavyBall(1 / s.smooth, 0.9)),
    "Linear: Nesterov": Line(LINEAR, lambda s: Nesterov(1 / s.smooth, 0.9)),
    "Linear: SGD": Line(LINEAR, lambda s: SGD(1 / s.row)),
    "Linear: RandomizedKaczmarz": Line(LINEAR, lambda s: RandomizedKaczmarz()),
    "Linear: NormalizedGradientDescent": Line(LINEAR, lambda s: NormalizedGradientDescent(Decay(s.far, 1))),
    "Linear: LabelNoiseSGD 0.1": Line(LINEAR, lambda s: LabelNoiseSGD(Decay(1 / s.row, 0.6), 0.1)),
    "Linear: SAM": Line(LINEAR, lambda s: SAM(0.5 / s.smooth, 0.1 / s.smooth)),
    "Linear: NaturalGradient": Line(LINEAR, lambda s: NaturalGradient(0.5)),
    # ridge
    "Linear: GradientDescent, weight decay 1e-2": Line(
        LINEAR, lambda s: GradientDescent(1 / (s.smooth + 0.01), weight_decay=0.01)
    ),
    "Linear: Averaged(GradientDescent) 1e-3": Line(
        LINEAR, lambda s: Averaged(GradientDescent(1 / s.smooth), 1e-3)
    ),
    # dual points in range(Xᵀ): a Bregman projection
    "Linear: PreconditionedFlow |Xᵀy|": Line(LINEAR, lambda s: PreconditionedFlow(s.marginal)),
    "Linear: PreconditionedGradientDescent |Xᵀy|": Line(
        LINEAR, lambda s: PreconditionedGradientDescent(s.marginal, s.marginal_step)
    ),
    "Linear: MirrorFlow hypentropy 1e-2": Line(LINEAR, lambda s: MirrorFlow(Hypentropy(np.log(1e-2)))),
    "Linear: MirrorFlow ℓ1.5": Line(LINEAR, lambda s: MirrorFlow(PNorm(1.5))),
    "Linear: MirrorFlow ‖w‖²_1.1": Line(LINEAR, lambda s: MirrorFlow(SquaredPNorm(1.1))),
    "Linear: MirrorDescent hypentropy 1, momentum": Line(
        LINEAR, lambda s: MirrorDescent(Hypentropy(0.0), 1 / (s.smooth * np.hypot(s.reach, 1.0)), 0.95)
    ),
    "Linear: MirrorDescent ℓ1.5, momentum": Line(
        LINEAR, lambda s: MirrorDescent(PNorm(1.5), 0.5 / (s.smooth * np.sqrt(s.reach)), 0.95)
    ),
    # steepest descent and adaptive steps: no potential is known
    "Linear: SteepestDescent ℓ1": Line(LINEAR, lambda s: SteepestDescent(1.0, 1 / s.smooth_in(1.0))),
    "Linear: SteepestDescent ℓ1.5": Line(LINEAR, lambda s: SteepestDescent(1.5, 1 / s.smooth_in(1.5))),
    "Linear: SteepestDescent ℓ3": Line(LINEAR, lambda s: SteepestDescent(3.0, 1 / s.smooth_in(3.0))),
    "Linear: SteepestDescent ℓ∞": Line(LINEAR, lambda s: SteepestDescent(np.inf, 1 / s.smooth_in(np.inf))),
    "Linear: CoordinateDescent": Line(LINEAR, lambda s: CoordinateDescent(Decay(s.far, 1))),
    "Linear: SignDescent": Line(LINEAR, lambda s: SignDescent(Decay(s.reach / 2, 1))),
    "Linear: AdaGrad": Line(LINEAR, lambda s: AdaGrad(s.reach / 4)),
    "Linear: RMSProp": Line(LINEAR, lambda s: RMSProp(Decay(s.reach / 20, 0.75))),
    "Linear: Adam": Line(LINEAR, lambda s: Adam(Decay(s.reach / 20, 0.75))),
    "Linear: AdamW 1e-2": Line(LINEAR, lambda s: AdamW(Decay(s.reach / 20, 0.75), 0.01)),
    "Linear: Lion": Line(LINEAR, lambda s: Lion(Decay(s.reach / 20, 0.75))),
    # products
    "Diagonal(2): GradientFlow 1": Line(DIAGONAL, flow, ONE),
    "Diagonal(2): GradientFlow 1e-1": Line(DIAGONAL, flow, TENTH),
    "Diagonal(2): GradientFlow 1e-2": Line(DIAGONAL, flow, Balanced(1e-2)),
    "Diagonal(2): GradientFlow 1e-4": Line(DIAGONAL, flow, Balanced(1e-4)),
    "Diagonal(2): GradientFlow 1e-6": Line(DIAGONAL, flow, Balanced(1e-6)),
    "Diagonal(2): MomentumFlow 1": Line(DIAGONAL, lambda s: MomentumFlow(10 * s.step_at(4, 2)), ONE),
    "Diagonal(2): StochasticGradientFlow 1": Line(
        DIAGONAL, lambda s: StochasticGradientFlow(s.step_at(4, 2, s.row)), ONE
    ),
    "Diagonal(2): GradientDescent 1": Line(DIAGONAL, lambda s: GradientDescent(s.step_at(4, 2)), ONE),
    "Diagonal(2): SGD 1": Line(DIAGONAL, lambda s: SGD(s.step_at(4, 2, s.row)), ONE),
    "Diagonal(2): HeavyBall 1e-1": Line(DIAGONAL, lambda s: HeavyBall(s.step_at(4, 0), 0.9), TENTH),
    "Diagonal(2): LabelNoiseSGD 1": Line(
        DIAGONAL, lambda s: LabelNoiseSGD(Decay(s.step_at(4, 2, s.row), 0.25), 0.5), ONE
    ),
    "Diagonal(2): SAM 1": Line(DIAGONAL, lambda s: SAM(0.5 * s.step_at(4, 2), 0.5 * s.step_at(4, 2)), ONE),
    "Diagonal(2): AdaGrad 1e-1": Line(DIAGONAL, lambda s: AdaGrad(np.sqrt(s.reach) / 10), TENTH),
    "Diagonal(2): Adam 1e-1": Line(DIAGONAL, lambda s: Adam(Decay(np.sqrt(s.reach) / 20, 0.75)), TENTH),
    "Hadamard(2): GradientFlow 1e-1": Line(HADAMARD, flow, TENTH),
    "Hadamard(2): GradientDescent 1": Line(HADAMARD, lambda s: GradientDescent(s.step_at(2, 1)), ONE),
    "Hadamard(3): GradientFlow 1e-1": Line(Hadamard(3), flow, TENTH),
    "Diagonal(3): GradientFlow 1e-1": Line(Diagonal(3), flow, TENTH),
    "Diagonal(4): GradientFlow 1e-1": Line(Diagonal(4), flow, TENTH),
    "PowerPropagation(1.5): GradientFlow 1e-1": Line(PowerPropagation(1.5), flow, TENTH),
    "PowerPropagation(2): GradientFlow 1e-1": Line(PowerPropagation(2.0), flow, TENTH),
    "Reparametrized(hypentropy 1e-2): GradientFlow": Line(Reparametrized(Hypentropy(np.log(1e-2))), flow),
    # networks
    "WeightNormalized: GradientFlow 1": Line(WeightNormalized(), flow, ONE),
    "DeepLinear(d, 1, 1): GradientFlow 1e-1": Line(single, flow, TENTH),
    "LinearConvolution(2): GradientFlow 1e-1": Line(LinearConvolution(2), flow, TENTH),
}
"""An optimizer more is a line more. The last number of a name is the scale of the start."""


@lru_cache(maxsize=4)
def sizes(problem: Regression) -> Sizes:
    """The sizes of a problem, computed once."""
    return Sizes(problem)


def recipes() -> dict[str, Callable[[Regression], Setting]]:
    """A function from the problem to the setting for each line."""
    return settings_of(LINES, sizes)


def settings_of(
    lines: Mapping[str, Line], sizes: Callable[[Any], Any]
) -> dict[str, Callable[[Any], Setting]]:
    """A function from the problem to the setting for each line, with steps from the sizes of the problem."""
    return {name: _recipe(line, sizes) for name, line in lines.items()}


def _recipe(line: Line, sizes: Callable[[Any], Any]) -> Callable[[Any], Setting]:
    def make(problem: Any) -> Setting:
        s = sizes(problem)
        model = line.model(s) if callable(line.model) else line.model
        return Setting(problem, model, line.optimizer(s), line.init)

    return make
