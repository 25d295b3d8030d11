"""Steps so large that product coordinates change their signs."""

from __future__ import annotations

import numpy as np

from ...dynamics import Setting, Stop
from ...models import Balanced, Hadamard
from ...optimizers import Decay, GradientDescent, HeavyBall
from ...selection import Hypothesis
from ...selection.rules.diagonal import hypentropy_steps_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression
from .curvature import WELL_CURVED, sharpness


def _beyond_one(rng: Rng) -> Setting:
    """Steps η_k ∝ (k + 1)^{−2/5}, the first of which has max|x| = 1.4."""
    problem = gaussian_regression(rng, 5, 15)
    first = 1.4 / float(np.max(np.abs(problem.gradient(np.zeros(15)))))
    return Setting(problem, Hadamard(), GradientDescent(Decay(first, 0.4)), Balanced(0.01))


def _with_memory(setting: Setting) -> HeavyBall:
    return HeavyBall(setting.optimizer.step, 0.3)


BEYOND_ONE = Hypothesis(
    "the first step has some |x| > 1, so that u + v or u − v changes its sign there",
    lambda s: s.optimizer.step(0) * np.max(np.abs(s.problem.gradient(s.w0))) > 1,
)

STABLE_IN_TIME = Hypothesis(
    "η₀ λ ≤ 5, λ the sharpness at the gradient flow's limit",
    lambda s: s.optimizer.step(0) * sharpness(s) <= 5,
)

beyond_one = Theorem(
    id="finite-steps-beyond-one", family="diagonal", kind="exact", source="even2023sgd",
    claim="The accumulated hyperbolic entropy is right even where a step is so large that factors change their signs.",
    settings=_beyond_one, rule=hypentropy_steps_rule, run={"stop": Stop(loss=1e-26)}, bound=1e-9,
    hypotheses=(*hypentropy_steps_rule.hypotheses, BEYOND_ONE),
    control=Control("heavy-ball momentum 0.3 at the same steps", 1e-5, {"optimizer": _with_memory}),
    conditions=(WELL_CONDITIONED, WELL_CURVED, STABLE_IN_TIME), figure=figures.coordinates,
)  # fmt: skip
