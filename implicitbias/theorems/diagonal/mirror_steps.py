"""Mirror descent in the entropy of a diagonal network."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...geometry import Hypentropy
from ...models import Balanced, Hadamard, Linear
from ...optimizers import GradientDescent, MirrorDescent
from ...problems import Regression
from ...selection import BregmanProjection, Hypothesis
from ...selection.rules.linear import mirror_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

SCALE = 0.1
PARTS = (0.03, 0.2, 0.6)


def flow_limit(problem: Regression, scale: float) -> np.ndarray:
    """What the gradient flow on u∘v selects from the balanced start: argmin φ_c subject to Xw = y, c = scale²."""
    psi = Hypentropy(2 * float(np.log(scale)))
    return BregmanProjection(psi, np.zeros(problem.w_shape), problem.X, problem.y).solution


def _three_steps(rng: Rng) -> dict[str, Setting]:
    """Parts of the step 2/λ, λ the largest eigenvalue of X diag(√(w² + c²)) Xᵀ/n, at which the limit is unstable."""
    problem = gaussian_regression(rng, 4, 10)
    w, psi = flow_limit(problem, SCALE), Hypentropy(2 * float(np.log(SCALE)))
    root = problem.X / np.sqrt(psi.hessian(w))
    edge = 2 * problem.n / float(np.linalg.norm(root, 2)) ** 2
    return {f"{p:g}": Setting(problem, Linear(), MirrorDescent(psi, p * edge)) for p in PARTS}


def off_the_flow(runs: dict[str, Run]) -> Evidence:
    """‖w − w_flow‖/‖w_flow‖ of each run."""
    theory = flow_limit(next(iter(runs.values())).setting.problem, SCALE)
    off = [float(np.linalg.norm(r.w - theory) / np.linalg.norm(theory)) for r in runs.values()]
    last = list(runs.values())[-1].w
    return Evidence(off, 0.0, {"seen": last, "theory": theory, "ylabel": "w"})


ENTROPIC = Hypothesis(
    "the potential is the hyperbolic entropy with c = scale²",
    lambda s: s.optimizer.potential == Hypentropy(2 * float(np.log(SCALE))),
)

hypentropy_mirror_descent = Theorem(
    id="hypentropy-mirror-descent", family="diagonal", kind="exact", source="ghai2020hypentropy",
    claim="Mirror descent in the hyperbolic entropy selects at every step size what the flow on u∘v selects.",
    settings=_three_steps, measure=off_the_flow, run={"stop": Stop(loss=1e-28)}, bound=1e-10,
    hypotheses=(*mirror_rule.hypotheses[:3], ENTROPIC, *mirror_rule.hypotheses[3:]), conditions=(WELL_CONDITIONED,),
    control=Control(
        "gradient descent on u∘v at the same pace", 1e-5,
        {
            "model": Hadamard(), "init": Balanced(SCALE),
            "optimizer": lambda s: GradientDescent(s.optimizer.step / 2),
        },
    ), figure=figures.entries,
)  # fmt: skip
