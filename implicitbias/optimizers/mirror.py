"""Mirror descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import Potential
from ..records import record
from .base import Oracle, State, Step

__all__ = ["MirrorDescent"]


@record
class MirrorDescent(Step):
    """z_{k+1} = z_k − η_k ∇L(θ_k),  θ_{k+1} = ∇ψ*(z_{k+1}),  z_0 = ∇ψ(θ_0).

    | symbol | argument | |
    |---|---|---|
    | ψ | ``mirror`` | a Potential |
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | z | state | the dual point, shape of θ |

    The dual point moves inside range(Xᵀ) at every step size, so on linear models with Xw = y reached
    the selected solution is the Bregman projection of θ₀, exactly.
    """

    mirror: Potential
    step: Any

    source = "gunasekar2018geometry"

    def __init__(self, potential: Potential, step: Any, *, weight_decay: float = 0.0) -> None:
        object.__setattr__(self, "mirror", potential)
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "weight_decay", weight_decay)
        if not isinstance(potential, Potential):
            raise ValueError(f"MirrorDescent needs a Potential, got {potential!r:.80}")
        super().__post_init__()

    def contents(self) -> dict[str, Any]:
        """The constructor's arguments (``potential`` answers None under weight decay)."""
        return {"potential": self.mirror, "step": self.step, "weight_decay": self.weight_decay}

    def init(self, theta: np.ndarray) -> State:
        return self.mirror.gradient(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        z = state - self.size(k) * oracle(theta)
        return self.mirror.inverse_gradient(z), z

    @property
    def potential(self) -> Potential | None:
        return self.mirror if self.weight_decay == 0 else None
