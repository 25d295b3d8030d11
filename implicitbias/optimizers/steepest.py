"""Steepest descent in a norm, and its normalised forms."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import number
from ..geometry import Euclidean, LpNorm, Norm, Potential, SchattenNorm
from ..geometry.norms import as_norm
from ..records import record
from .base import KernelRule, Oracle, State, Step, as_momentum, check_per_loss, per_loss_misfit, slope

__all__ = ["CoordinateDescent", "NormalizedGradientDescent", "SignDescent", "SteepestDescent"]


def _kernel(norm: Norm, normalized: bool) -> KernelRule | None:
    return KernelRule(code=3, p=norm.p, normalized=normalized) if isinstance(norm, LpNorm) else None


def gradient_direction(optimizer: Step, oracle: Oracle, theta: np.ndarray) -> np.ndarray:
    """The direction of the gradient; that of log L where nothing else is added to the loss."""
    return oracle(theta) if optimizer.weight_decay else oracle.direction(theta)


def _steepest(norm: Norm, oracle: Oracle, g: np.ndarray) -> tuple[float, np.ndarray]:
    """(‖g‖_*, s(g)) of a flat gradient."""
    if not norm.reads_blocks:
        return norm.dual(g), norm.direction(g)
    s = oracle.layout.join(norm.direction(oracle.layout.split(g)))
    return float(g @ s), s


@record
class SteepestDescent(Step):
    """θ_{k+1} = θ_k − η_k ‖g‖_* s(g),  g = ∇L(θ_k),  s(g) = argmax_{‖s‖≤1} ⟨g, s⟩.

    | symbol | argument | |
    |---|---|---|
    | ‖·‖ | ``norm`` | p ≥ 1, ``np.inf``, "frobenius", "spectral", "nuclear", "max" (entrywise), or a Norm |
    | ‖·‖_* | | its dual |
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | | ``normalized`` | drop the factor ‖g‖_*: steps of length η_k |
    | | ``per_loss`` | steps of η_k/L(θ_k), along ∇ log L: for losses that vanish at infinity only |

    The norm of several blocks is that of their block-diagonal matrix: the spectral norm is the largest of theirs,
    the nuclear norm their sum; ℓp norms read θ entry by entry.
    """

    norm: Any
    step: Any
    normalized: bool = False
    per_loss: bool = False

    source = "gunasekar2018geometry"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "norm", as_norm(self.norm))
        check_per_loss(self)
        if self.per_loss and self.normalized:
            raise ValueError(
                "normalized steps do not depend on the size of the gradient: give one, or per_loss"
            )

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        return per_loss_misfit(self, problem)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        if self.normalized:
            return theta - self.size(k) * _steepest(
                self.norm, oracle, gradient_direction(self, oracle, theta)
            )[1], state
        size, s = _steepest(self.norm, oracle, slope(self, oracle, theta))
        return theta - self.size(k) * size * s, state

    @property
    def row_potential(self) -> Potential | None:
        keeps_rows = self.norm == LpNorm(2.0) or isinstance(self.norm, SchattenNorm)
        return Euclidean() if keeps_rows and self.weight_decay == 0 else None

    def kernel_rule(self) -> KernelRule | None:
        rule = _kernel(self.norm, self.normalized)
        return rule._replace(relative=self.per_loss) if rule is not None else None


@record
class NormalizedGradientDescent(Step):
    """θ_{k+1} = θ_k − η_k g/‖g‖₂: steepest descent in ℓ2, normalised."""

    step: Any

    row_space = True

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        g = gradient_direction(self, oracle, theta)
        return theta - self.size(k) * LpNorm(2.0).direction(g), state

    def kernel_rule(self) -> KernelRule | None:
        return _kernel(LpNorm(2.0), True)


@record
class SignDescent(Step):
    """m_{k+1} = β m_k + g_k,  θ_{k+1} = θ_k − η_k [sgn(m_{k+1}) + λθ_k],  m_0 = 0: ℓ∞, normalised.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β | ``momentum`` | 0 ≤ β < 1; 0 gives sign descent, β > 0 Signum |
    | λ | ``decay`` | ≥ 0, decoupled: −η_kλθ_k is added to the step |
    | m | state | shape of θ; () where β = λ = 0 |
    """

    step: Any
    momentum: float = 0.0
    decay: float = 0.0

    state_degrees = (1,)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "momentum", as_momentum(self.momentum))
        object.__setattr__(self, "decay", number("decay", self.decay, "be finite and ≥ 0", lambda a: a >= 0))

    @property
    def has_state(self) -> bool:
        """Whether the step is more than the sign of a gradient."""
        return bool(self.momentum or self.decay)

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta) if self.has_state else ()

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        if not self.has_state:
            return theta - self.size(k) * np.sign(gradient_direction(self, oracle, theta)), state
        m = self.momentum * state + oracle(theta)
        return theta - self.size(k) * (np.sign(m) + self.decay * theta), m

    def kernel_rule(self) -> KernelRule | None:
        if self.has_state:
            return KernelRule(code=7, constants=(self.momentum, 1.0, self.momentum, 1.0, self.decay))
        return _kernel(LpNorm(np.inf), True)


@record
class CoordinateDescent(Step):
    """θ_{k+1} = θ_k − η_k sgn(g_j) e_j, j the coordinate of largest |g_j|: ℓ1, normalised."""

    step: Any

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        g = gradient_direction(self, oracle, theta)
        return theta - self.size(k) * LpNorm(1.0).direction(g), state

    def kernel_rule(self) -> KernelRule | None:
        return _kernel(LpNorm(1.0), True)
