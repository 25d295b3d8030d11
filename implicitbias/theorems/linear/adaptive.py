"""What adaptive and sign methods select, where it is known and where it is not one thing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Linear
from ...optimizers import AdaGrad, Adam, GradientDescent, RMSProp, SignDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.adaptive import aligned_rule, alignment
from ...selection.rules.common import CONVERGED, LINEAR, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

# -- sign methods on aligned data ----------------------------------------------------------------


def aligned_regression(rng: Rng, n: int, d: int) -> Regression:
    """X = (c/d) y sᵀ + E with Es = 0 and |Eᵀy| < (c/d)‖y‖² entry by entry, so that sgn(Xᵀy) = s and Xs = cy."""
    s, y, c = rng.choice([-1.0, 1.0], d), rng.standard_normal(n), rng.uniform(1.0, 3.0)
    E = rng.standard_normal((n, d))
    E -= np.outer(E @ s, s) / d
    E *= 0.8 * c * (y @ y) / d / np.max(np.abs(y @ E))
    return Regression(c / d * np.outer(y, s) + E, y)


@dataclass(frozen=True)
class Geometric:
    """Steps first·0.7^k: their sum is 3.3 first, and as 0.7 ≥ 1/2 every point within it is met."""

    first: float

    def __call__(self, k: int) -> float:
        return self.first * 0.7**k


def _sign_methods(rng: Rng) -> dict[str, Setting]:
    problem = aligned_regression(rng, 4, 12)
    far = 1 / alignment(problem)[1]
    optimizers = (
        AdaGrad(0.55 * far, eps=0.0),
        RMSProp(Geometric(0.55 * far), beta=0.5, eps=0.0),
        Adam(Geometric(0.55 * far), beta1=0.3, beta2=0.5, eps=0.0),
        SignDescent(Geometric(0.55 * far)),
    )
    return {type(o).__name__: Setting(problem, Linear(), o) for o in optimizers}


def transversal_rate(problem: Regression) -> float:
    """The largest eigenvalue of far·diag(1/|g₀|)XᵀX/n, whose eigenvalue along sgn(Xᵀy) is one."""
    root = np.sqrt(problem.n / np.abs(problem.X.T @ problem.y))
    scaled = root[:, None] * problem.X.T @ problem.X / problem.n * root
    return float(np.linalg.eigvalsh(scaled)[-1] / alignment(problem)[1])


TRANSVERSALLY_STABLE = Hypothesis(
    "no direction is steeper than twice the aligned one, in units of |g₀|: rounding off it does not grow",
    lambda s: transversal_rate(s.problem) <= 2,
)

sign_methods_on_aligned_data = Theorem(
    id="sign-methods-on-aligned-data", family="linear", kind="exact", source="wilson2017marginal",
    claim="Where X sgn(Xᵀy) = cy, AdaGrad, RMSProp, Adam and sign descent select sgn(Xᵀy)/c.",
    settings=_sign_methods, rule=aligned_rule, run={"stop": Stop(loss=1e-26, steps=20_000)}, bound=1e-10,
    conditions=(TRANSVERSALLY_STABLE,),
    control=Control("gradient descent selects the interpolant of least norm", 1e-2,
                    {"optimizer": lambda s: GradientDescent(1 / s.problem.smoothness)}),
    figure=figures.coordinates,
)  # fmt: skip


# -- adaptive limits depend on the step ----------------------------------------------------------

APART = 1e-5
NOT_ALIGNED = Hypothesis(
    "two rows or more are independent and they do not determine w",
    lambda s: 2 <= np.linalg.matrix_rank(s.problem.X) < s.problem.X.shape[1],
)
PER_COORDINATE = Hypothesis(
    "each coordinate is divided by a record of its own gradients (AdaGrad)",
    lambda s: isinstance(s.optimizer, AdaGrad),
)


def _two_steps(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_regression(rng, 4, 10)
    return {f"η = {eta:g}": Setting(problem, Linear(), AdaGrad(eta)) for eta in (0.5, 0.05)}


def apart(runs: dict[str, Run]) -> Evidence:
    """APART/(distance of the limits at two steps, relative to the interpolant of least norm)."""
    large, small = runs.values()
    least = large.setting.problem.least_squares
    distance = float(np.linalg.norm(large.w - small.w) / np.linalg.norm(least))
    detail = {"seen": small.w, "theory": large.w, "ylabel": "w (rings: the larger step)"}
    return Evidence(APART / distance if distance else np.inf, detail=detail)


def _descent(setting: Setting) -> GradientDescent:
    """Gradient descent whose steps have the same ratio."""
    return GradientDescent(2 * setting.optimizer.step / setting.problem.smoothness)


adaptive_limits_depend_on_the_step = Theorem(
    id="adaptive-limits-depend-on-the-step", family="linear", kind="bound", source="wilson2017marginal",
    claim="AdaGrad with two step sizes ends at two interpolants: no potential of w alone is minimised.",
    settings=_two_steps, measure=apart, run={"stop": Stop(loss=1e-24)}, bound=1.0,
    hypotheses=(SQUARE_LOSS, LINEAR, NOT_ALIGNED, PER_COORDINATE, CONVERGED), conditions=(WELL_CONDITIONED,),
    control=Control("gradient descent ends at one", 1e3, {"optimizer": _descent}), figure=figures.entries,
)  # fmt: skip
