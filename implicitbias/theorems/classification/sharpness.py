"""Sharpness-aware minimization on separable data: gradient descent at a later time."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import SAM, GradientDescent
from ...problems import Classification
from ...selection import Hypothesis
from ...selection.rules.classification import margin_curve
from ...selection.rules.sam_margins import sam_curve, sam_margin_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from .margins import NONDEGENERATE, Rng, gaussian_classification

__all__: list[str] = []

STEP, RHO = 0.5, 0.5


def _both_forms(rng: Rng) -> dict[str, Setting]:
    """Nearly orthogonal samples of length about two."""
    problem = gaussian_classification(rng, 4, 64)
    problem = Classification(2 * problem.X / np.mean(np.linalg.norm(problem.X, axis=1)), problem.y)
    w0 = rng.normal(0, 0.1, 64)
    return {
        "one ascent": Setting(problem, Linear(), SAM(STEP, RHO, normalized=True), w0),
        "each sample's": Setting(problem, Linear(), SAM(STEP, RHO, per_sample=True, normalized=True), w0),
    }


def distance(runs: dict[str, Run]) -> Evidence:
    """‖P_S(w_k − ŵ log ηk − w̃)‖/ρ at the end, w̃ with the weights e^{ργ}/n or e^{ρ‖z_i‖}/n."""
    seen = []
    for label, run in runs.items():
        s = run.setting
        form = SAM(STEP, RHO, per_sample=label != "one ascent", normalized=True)
        curve = sam_curve(Setting(s.problem, s.model, form, s.w0))
        k = run.history["steps"]
        off = curve.project(run.history["w"] - curve(STEP * k))
        seen.append(np.linalg.norm(off, axis=1) / RHO)
    axes = ("step k", "distance to the curve / ρ", "xy")
    detail = {"x": k, "seen": np.transpose(seen), "theory": np.transpose(seen)[-1] * k[-1] / k[:, None]}
    return Evidence([s[-1] for s in seen], 0.0, detail | {"axes": axes})


WELL_CONDITIONED = Hypothesis("κ ≥ 0.5", lambda s: margin_curve(s).kappa >= 0.5)

sam_margin = Theorem(
    id="sam-margin-curve", family="classification", kind="limit", source="andriushchenko2022sam",
    claim="On separable data SAM is ŵ(log ηk + ργ) + w̃: the direction of gradient descent, e^{ργ} times as soon.",
    settings=_both_forms, measure=distance, bound=1e-2, figure=figures.along,
    run={"stop": Stop(steps=100_000), "save": Save(log=6, fields=("w",))},
    hypotheses=(*sam_margin_rule.hypotheses, NONDEGENERATE), conditions=(WELL_CONDITIONED,),
    control=Control("gradient descent, judged by the curves of SAM", 0.5, {"optimizer": GradientDescent(STEP)}),
)  # fmt: skip
