"""Mirror descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry import Potential
from ..models.base import layout_of
from ..records import record
from .base import Oracle, State, Step

__all__ = ["MirrorDescent"]


@record
class MirrorDescent(Step):
    """z_{k+1} = z_k − η_k ∇L(θ_k),  θ_{k+1} = ∇ψ*(z_{k+1}),  z_0 = ∇ψ(θ_0).

    | symbol | argument | |
    |---|---|---|
    | ψ | ``potential`` | a Potential |
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | z | state | the dual point, shape of θ |

    The dual point moves inside range(Xᵀ) at every step size, so on linear models with Xw = y reached
    the selected solution is the Bregman projection of θ₀, exactly.
    """

    potential: Potential
    step: Any

    source = "gunasekar2018geometry"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.potential, Potential):
            raise ValueError(f"MirrorDescent needs a Potential, got {self.potential!r:.80}")

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        size = layout_of(model, problem).size
        try:
            shape = np.shape(self.potential.gradient(np.ones(size)))
        except ValueError:
            shape = None
        if shape == (size,):
            return None
        held = _shapes(self.potential)
        return f"the potential does not fit θ of {size} entries: it holds arrays of shape {held}"

    def init(self, theta: np.ndarray) -> State:
        return self.potential.gradient(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        z = state - self.size(k) * oracle(theta)
        return self.potential.inverse_gradient(z), z

    @property
    def row_potential(self) -> Potential | None:
        return self.potential if self.weight_decay == 0 else None


def _shapes(potential: Potential) -> str:
    arrays = [np.shape(v) for v in vars(potential).values() if isinstance(v, np.ndarray)]
    return ", ".join(map(str, arrays))
