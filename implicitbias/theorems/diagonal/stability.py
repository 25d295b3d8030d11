"""What a step size forbids."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, Hadamard
from ...optimizers import GradientDescent, GradientFlow
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import NO_DECAY, SOLVABLE, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng
from .curvature import sharpness

SCALE = 0.5
PARTS = (0.9, 1.1, 1.2)


def edge(problem: Regression) -> float:
    """2/λ at the limit of the gradient flow."""
    return 2 / sharpness(Setting(problem, Hadamard(), GradientFlow(), Balanced(SCALE)))


def _around_the_edge(rng: Rng) -> dict[str, Setting]:
    X = rng.standard_normal((6, 12)) + 1
    problem = Regression(X, X[:, :6] @ rng.standard_normal(6))
    step = edge(problem)
    return {f"{p}": Setting(problem, Hadamard(), GradientDescent(p * step), Balanced(SCALE)) for p in PARTS}


def sharpness_at(run: Run) -> float:
    """λ_max(X diag(u² + v²) Xᵀ)/n where a run ended: of the Hessian, when that is a minimum."""
    X = run.setting.problem.X
    return float(np.linalg.norm(X * np.sqrt(np.sum(run.theta**2, axis=0)), 2)) ** 2 / len(X)


def sharpness_over_limit(runs: dict[str, Run]) -> Evidence:
    """(η/2)λ_max where a run of the step η = p·edge ended, for the runs that converged."""
    steps = {label: float(label) * edge(run.setting.problem) for label, run in runs.items()}
    done = {label: run for label, run in runs.items() if run.loss <= 1e-20}
    seen = [steps[k] / 2 * sharpness_at(r) for k, r in done.items()]
    detail = {"x": [float(label) for label in done], "seen": seen, "theory": np.ones(len(seen))}
    axes = ("step over that of the flow's edge", "(η/2) λ at the end", "")
    return Evidence(seen if seen else np.nan, detail={**detail, "axes": axes})


step_size_stability = Theorem(
    id="step-size-stability", family="diagonal", kind="bound", source="nacson2022stepsize",
    claim="Where descent on u∘v converges, the sharpness is at most 2/η, also where the flow's limit is sharper.",
    settings=_around_the_edge, measure=sharpness_over_limit, run={"stop": Stop(steps=10_000)}, bound=1.001,
    hypotheses=(
        SQUARE_LOSS,
        Hypothesis("the model is Hadamard()", lambda s: s.model == Hadamard()),
        Hypothesis(
            "the optimizer is gradient descent with a constant step",
            lambda s: isinstance(s.optimizer, GradientDescent) and isinstance(s.optimizer.step, float),
        ),
        NO_DECAY,
        SOLVABLE,
    ),
    control=Control("the flow, for which no minimum is unstable", 1.1, {"optimizer": GradientFlow()}),
    figure=figures.along,
)  # fmt: skip
