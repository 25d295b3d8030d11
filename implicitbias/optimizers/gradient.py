"""Gradient flow and gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import number
from ..models import Layout
from ..records import record
from .base import Flow, KernelRule, Oracle, State, Step, check_per_loss, per_loss_misfit, slope

__all__ = ["GradientDescent", "GradientFlow"]


@record
class GradientFlow(Flow):
    """θ̇_b = −r_b ∇_{θ_b} L for each block b; all rates 1 by default.

    ``rates`` gives one positive rate per block of θ; on a model whose θ stacks factors in one array
    (Diagonal, Hadamard), one per factor.

    >>> GradientFlow().velocity(np.zeros(2), np.array([1.0, -2.0]), Layout(("theta",), ((2,),)))
    array([-1.,  2.])
    """

    rates: tuple[float, ...] | None = None

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rates is not None:
            given = np.atleast_1d(np.asarray(self.rates, dtype=object))
            rates = tuple(number("rates", r, "be finite and > 0", lambda x: x > 0) for r in given)
            object.__setattr__(self, "rates", rates)

    def block_rates(self, layout: Layout) -> np.ndarray:
        if self.rates is None:
            return np.ones(layout.size)
        sizes = layout.sizes
        if layout.single and len(layout.shapes[0]) == 2 and layout.shapes[0][0] == len(self.rates):
            sizes = (layout.shapes[0][1],) * len(self.rates)  # the rows of a stacked θ
        if len(self.rates) != len(sizes):
            raise ValueError(
                f"GradientFlow has {len(self.rates)} rates; θ has {len(sizes)} blocks: {', '.join(layout.names)}"
            )
        return np.repeat(self.rates, sizes)

    def velocity(self, theta: np.ndarray, gradient: np.ndarray, layout: Layout) -> np.ndarray:
        return -gradient if self.rates is None else -self.block_rates(layout) * gradient


@record
class GradientDescent(Step):
    r"""θ_{k+1} = θ_k − η_k ∇L(θ_k).

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | | ``per_loss`` | steps of η_k/L(θ_k), along ∇ log L: for losses that vanish at infinity only |
    """

    step: Any
    per_loss: bool = False

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        check_per_loss(self)

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        return per_loss_misfit(self, problem)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        return theta - self.size(k) * slope(self, oracle, theta), state

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=0, relative=self.per_loss)
