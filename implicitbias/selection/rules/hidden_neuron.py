"""Networks with one output whose layers are of rank one: one hidden neuron, or a balanced start of any depth."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...geometry import HiddenNeuron, NormPower
from ...models import DeepLinear
from ..programs import BregmanProjection
from ..rule import Hypothesis, Rule
from .common import GRADIENT_FLOW, NO_DECAY, SQUARE_LOSS
from .networks import BALANCED, DEEP, UNIT_FLOW

__all__: list[str] = []


def neuron_form(setting: Any) -> tuple[float, np.ndarray]:
    """(δ, z₀) = (a²/ρ − ρ‖v‖², sgn(a)·√ρ·v) at the start, ρ² = η_a/η_v the ratio of the layers' rates."""
    v, a = setting.theta0[0][0], float(setting.theta0[1][0, 0])
    first, second = getattr(setting.optimizer, "rates", None) or (1.0, 1.0)
    ratio = np.sqrt(second / first)
    return float(a**2 / ratio - ratio * (v @ v)), np.sign(a) * np.sqrt(ratio) * v


def hidden_neuron_projection(setting: Any, run: Any = None) -> BregmanProjection:
    """argmin ψ_δ(w) − ⟨z₀, w⟩ subject to Xw = y."""
    delta, z0 = neuron_form(setting)
    return BregmanProjection(HiddenNeuron(delta), z0, setting.problem.X, setting.problem.y)


def balanced_projection(setting: Any, run: Any = None) -> BregmanProjection:
    """argmin N/(N + 1)·‖w‖^{1 + 1/N} − ⟨‖w₀‖^{1/N − 1}w₀, w⟩ subject to Xw = y, N layers."""
    potential = NormPower(1 + 1 / setting.model.depth)
    return BregmanProjection(potential, potential.gradient(setting.w0), setting.problem.X, setting.problem.y)


def _below_zero(setting: Any) -> bool:
    problem, w0 = setting.problem, setting.w0
    return bool(problem.loss(w0) < problem.loss(np.zeros_like(w0)))


ONE_NEURON = Hypothesis(
    "the model is DeepLinear((d, 1, 1)): one hidden neuron, one output",
    lambda s: isinstance(s.model, DeepLinear) and s.model.widths[1:] == (1, 1),
)
SIGN_IS_KEPT = Hypothesis(
    "the output weight cannot change sign: δ > 0, or the start's loss is below that of w = 0",
    lambda s: neuron_form(s)[0] > 0 or _below_zero(s),
)
BELOW_ZERO = Hypothesis("the start's loss is below that of w = 0", _below_zero)

hidden_neuron_rule = Rule(
    name="Bregman projection of one hidden neuron",
    source="azulay2021shape",
    hypotheses=(SQUARE_LOSS, ONE_NEURON, GRADIENT_FLOW, NO_DECAY, SIGN_IS_KEPT),
    apply=hidden_neuron_projection,
)

balanced_depth_rule = Rule(
    name="Bregman projection of a balanced network with one output",
    source="azulay2021shape",
    hypotheses=(SQUARE_LOSS, DEEP, UNIT_FLOW, NO_DECAY, BALANCED, BELOW_ZERO),
    apply=balanced_projection,
)
