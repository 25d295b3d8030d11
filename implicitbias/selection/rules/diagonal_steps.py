"""Finite steps on two-layer diagonal networks that multiply the product coordinates, whatever else they do.

Each step takes w₊, w₋ to m₊w₊, m₋w₋ with m± = 1 ∓ x − s, x in the row space. Then ln|w₊/w₋| stays in
z₀ + shift + range(Xᵀ) and c = c₀ exp(log_shrink), with the two sums that a run accumulates.
"""

from __future__ import annotations

from ...optimizers import SAM, SGD, GradientDescent, StochasticGradientFlow, Until
from ..rule import Hypothesis, Rule
from .common import CONVERGED, NO_DECAY, SOLVABLE, SQUARE_LOSS, is_a, mirror_projection
from .diagonal import FINITE_SUMS, TWO_LAYERS

__all__: list[str] = []

NOISY_FLOW = Hypothesis(
    "the optimizer is the stochastic gradient flow", is_a(StochasticGradientFlow, "optimizer")
)
DECAY_ENDS = Hypothesis(
    "there is weight decay, and it is switched off", lambda s: isinstance(s.optimizer.weight_decay, Until)
)
OUTLASTS_DECAY = Hypothesis(
    "the run outlasts the weight decay",
    lambda run: run.time >= run.setting.optimizer.weight_decay.time * (1 - 1e-12),
    of="run",
    explain=lambda run: f"it ended at time {run.time:.6g}",
)


def _accumulated(name: str, source: str, optimizer: Hypothesis, *decay: Hypothesis) -> Rule:
    """The hypentropy that the steps of an optimizer accumulate."""
    return Rule(
        name=name,
        source=source,
        hypotheses=(SQUARE_LOSS, TWO_LAYERS, optimizer, *decay, SOLVABLE, CONVERGED, FINITE_SUMS),
        apply=mirror_projection,
        observe=("log_shrink", "shift"),
    )


sam_rule = _accumulated(
    "hypentropy of sharpness-aware steps on a two-layer diagonal network",
    "andriushchenko2022sam",
    Hypothesis("each step is one of SAM", is_a(SAM, "optimizer")),
    NO_DECAY,
)

stochastic_flow_rule = _accumulated(
    "hypentropy of the stochastic gradient flow on a two-layer diagonal network",
    "pesme2021implicit",
    NOISY_FLOW,
    NO_DECAY,
)

decayed_steps_rule = _accumulated(
    "hypentropy of finite steps whose weight decay is switched off",
    "even2023sgd",
    Hypothesis(
        "each step is a (stochastic) gradient step or one of SAM",
        is_a(GradientDescent | SGD | SAM, "optimizer"),
    ),
    DECAY_ENDS,
    OUTLASTS_DECAY,
)
