"""Which settings an atlas of separable data runs when none are given: a line for each, with steps from the data."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ..dynamics import Setting
from ..geometry import PNorm
from ..models import Balanced, DeepLinear, Diagonal, Hadamard, Linear
from ..optimizers import (
    SAM,
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    CoordinateDescent,
    Decay,
    DualAcceleration,
    GradientDescent,
    GradientFlow,
    HeavyBall,
    Lion,
    MirrorDescent,
    MirrorFlow,
    Muon,
    Nesterov,
    NormalizedGradientDescent,
    RMSProp,
    Shampoo,
    SignDescent,
    SpectralDescent,
    SteepestDescent,
)
from ..problems import Classification
from ..selection import max_margin
from .defaults import Line, settings_of

__all__ = ["Scales", "recipes"]


class Scales:
    """What the steps are made of: lengths of the samples, and of the separator of margin one in each norm."""

    def __init__(self, problem: Classification) -> None:
        self.problem = problem
        self._reach: dict[Any, float] = {}

    def reach(self, norm: Any = 2) -> float:
        """The least ‖w‖ with all margins ≥ 1: how far a method must be able to go."""
        if norm not in self._reach:
            self._reach[norm] = 1.0 / max_margin(self.problem, norm).margin
        return self._reach[norm]

    def normalized(self, norm: Any) -> Decay:
        """Steps of length reach/√(k + 1), whose sum after K of them is 2·reach·√K."""
        return Decay(self.reach(norm), 0.5)

    @cached_property
    def step(self) -> float:
        """1/max_i ‖x_i‖₂²: L ≤ 1 has at most that curvature, and log L in ℓ2 too."""
        return 1.0 / float(np.max(np.sum(self.problem.X**2, axis=1)))

    def per_loss(self, p: float) -> Decay:
        """Steps for ∇ log L in ℓp, p = 1 or ∞: 1/max_i ‖z_i‖_q², 1/p + 1/q = 1, hardly decreasing."""
        Z = self.problem.Z.reshape(len(self.problem.Z), -1)
        q = np.inf if p == 1 else 1.0
        return Decay(1.0 / float(np.max(np.linalg.norm(Z, q, axis=1))) ** 2, 0.1)

    @property
    def decay(self) -> float:
        """λ of decoupled decay: ‖w‖∞ ≤ 1/λ leaves room for a margin of ten."""
        return 0.1 / self.reach(np.inf)


def flow(s: Scales) -> GradientFlow:
    """The gradient flow, which needs no step."""
    return GradientFlow()


def layers(*widths: int) -> Callable[[Scales], DeepLinear]:
    """A linear network of these hidden widths."""
    return lambda s: DeepLinear(
        (s.problem.X.shape[1], *widths, *((1,) if s.problem.is_binary else s.problem.w_shape[:1]))
    )


LINEAR, ONE, SMALL = Linear(), Balanced(1.0), Balanced(1e-2)

COMMON: dict[str, Line] = {
    # ℓ2
    "Linear: GradientFlow": Line(LINEAR, flow),
    "Linear: GradientDescent": Line(LINEAR, lambda s: GradientDescent(s.step)),
    "Linear: GradientDescent η/L": Line(LINEAR, lambda s: GradientDescent(s.step, per_loss=True)),
    "Linear: NormalizedGradientDescent": Line(LINEAR, lambda s: NormalizedGradientDescent(s.normalized(2))),
    "Linear: HeavyBall": Line(LINEAR, lambda s: HeavyBall(s.step, 0.9)),
    "Linear: Nesterov": Line(LINEAR, lambda s: Nesterov(s.step, 0.9)),
    "Linear: SGD cyclic": Line(LINEAR, lambda s: SGD(s.step, order="cyclic")),
    "Linear: SAM": Line(LINEAR, lambda s: SAM(0.5 * s.step, 0.5, normalized=True)),
    # ℓ1
    "Linear: CoordinateDescent": Line(LINEAR, lambda s: CoordinateDescent(s.normalized(1))),
    "Linear: SteepestDescent ℓ1 η/L": Line(
        LINEAR, lambda s: SteepestDescent(1.0, s.per_loss(1.0), per_loss=True)
    ),
    # other ℓp
    "Linear: SteepestDescent ℓ4/3": Line(
        LINEAR, lambda s: SteepestDescent(4 / 3, s.normalized(4 / 3), normalized=True)
    ),
    "Linear: SteepestDescent ℓ4": Line(
        LINEAR, lambda s: SteepestDescent(4.0, s.normalized(4.0), normalized=True)
    ),
    "Linear: MirrorDescent ℓ1.5 η/L": Line(
        LINEAR, lambda s: MirrorDescent(PNorm(1.5), 0.25 * s.step, per_loss=True)
    ),
    "Linear: MirrorDescent ℓ3 η/L": Line(
        LINEAR, lambda s: MirrorDescent(PNorm(3.0), s.reach(3.0) * s.step, per_loss=True)
    ),
    # ℓ∞
    "Linear: SteepestDescent ℓ∞ η/L": Line(
        LINEAR, lambda s: SteepestDescent(np.inf, s.per_loss(np.inf), per_loss=True)
    ),
    "Linear: SignDescent": Line(LINEAR, lambda s: SignDescent(s.normalized(np.inf))),
    "Linear: Signum": Line(LINEAR, lambda s: SignDescent(s.normalized(np.inf), 0.9)),
    "Linear: Lion": Line(LINEAR, lambda s: Lion(s.normalized(np.inf))),
    "Linear: RMSProp ε = 0": Line(LINEAR, lambda s: RMSProp(s.normalized(np.inf), eps=0.0)),
    "Linear: Adam ε = 0": Line(LINEAR, lambda s: Adam(s.normalized(np.inf), eps=0.0)),
    # ℓ∞ for as long as gradients exceed ε, ℓ2 in the end
    "Linear: Adam ε = 1e-8": Line(LINEAR, lambda s: Adam(0.01 * s.reach(np.inf))),
    # a metric of its own
    "Linear: AdaGrad": Line(LINEAR, lambda s: AdaGrad(s.reach(np.inf))),
}
"""In any number of classes."""

BINARY = COMMON | {
    "Linear: DualAcceleration": Line(LINEAR, lambda s: DualAcceleration()),
    "Linear: MirrorFlow ℓ1.5": Line(LINEAR, lambda s: MirrorFlow(PNorm(1.5))),
    "Linear: MirrorFlow ℓ3": Line(LINEAR, lambda s: MirrorFlow(PNorm(3.0))),
    # the least loss in the box ‖w‖∞ ≤ 1/λ (of several classes there is not one: all w_c may move alike)
    "Linear: SignDescent, decay": Line(LINEAR, lambda s: SignDescent(s.normalized(np.inf), decay=s.decay)),
    "Linear: Lion, decay": Line(LINEAR, lambda s: Lion(s.normalized(np.inf), s.decay)),
    "Linear: AdamW ε = 0": Line(LINEAR, lambda s: AdamW(s.normalized(np.inf), s.decay, eps=0.0)),
    # products
    "Diagonal(2): GradientFlow 1": Line(Diagonal(2), flow, ONE),
    "Diagonal(2): GradientFlow 1e-2": Line(Diagonal(2), flow, SMALL),
    "Diagonal(3): GradientFlow 1": Line(Diagonal(3), flow, ONE),
    "Hadamard(2): GradientFlow 1": Line(Hadamard(), flow, ONE),
    "Hadamard(3): GradientFlow 1": Line(Hadamard(3), flow, ONE),
    # powers above ½: only then the steps of w = u∘v, which grow like η_k Σ η, vanish
    "Hadamard(2): SignDescent 1": Line(
        Hadamard(), lambda s: SignDescent(Decay(0.1 * np.sqrt(s.reach(np.inf)), 0.6)), ONE
    ),
    # networks
    "DeepLinear(d, 1, 1): GradientFlow 1": Line(layers(1), flow, ONE),
    "DeepLinear(d, 1, 1, 1): GradientFlow 1": Line(layers(1, 1), flow, ONE),
}
"""In two classes; the last number of a name is the scale of the start."""

SEVERAL = COMMON | {
    # the spectral norm
    "Linear: SpectralDescent": Line(LINEAR, lambda s: SpectralDescent(s.normalized("spectral"))),
    "Linear: Muon": Line(LINEAR, lambda s: Muon(s.normalized("spectral"), 0.9)),
    "Linear: Muon, Newton–Schulz": Line(LINEAR, lambda s: Muon(s.normalized("spectral"), 0.9, 5)),
    "Linear: Shampoo β = 0": Line(LINEAR, lambda s: Shampoo(s.normalized("spectral"), beta=0.0, eps=0.0)),
    "Linear: Shampoo β = 0.9": Line(LINEAR, lambda s: Shampoo(s.normalized("spectral"), beta=0.9, eps=0.0)),
    "Linear: Shampoo accumulated": Line(LINEAR, lambda s: Shampoo(s.reach("spectral"))),
    # the nuclear norm
    "Linear: SteepestDescent nuclear": Line(
        LINEAR, lambda s: SteepestDescent("nuclear", s.normalized("nuclear"), normalized=True)
    ),
}
"""In more than two classes."""


@lru_cache(maxsize=4)
def scales(problem: Classification) -> Scales:
    """The scales of a problem, computed once."""
    return Scales(problem)


def recipes(binary: bool) -> dict[str, Callable[[Classification], Setting]]:
    """A function from the problem to the setting for each line."""
    return settings_of(BINARY if binary else SEVERAL, scales)
