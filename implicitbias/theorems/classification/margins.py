"""Linear classification: which separator is selected."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import GradientFlow as Flow
from ...optimizers import PreconditionedFlow
from ...problems import Classification
from ...selection import Hypothesis, MaxMargin, max_margin
from ...selection.rules.classification import EXPONENTIAL as EXPONENTIAL
from ...selection.rules.classification import classes_margin_rule, margin_curve, max_margin_rule
from .. import figures
from ..base import Control, Theorem

Rng = np.random.Generator


def gaussian_classification(rng: Rng, n: int, d: int) -> Classification:
    """Normal inputs, labels alternating: separable when d ≥ n."""
    return Classification(rng.standard_normal((n, d)), np.where(np.arange(n) % 2, 1, -1))


# -- max-margin flow -----------------------------------------------------------------------------

LOG_TIME = 1000.0


def _flow(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 8, 16), Linear(), Flow(), rng.standard_normal(16))


def support_residual(run: Run) -> float:
    """‖P_S(w − ŵ log t) − w̃‖/‖w̃‖, P_S on the span of the support vectors."""
    curve = margin_curve(run.setting)
    off = run.w - curve(log_time=run.log_time)
    return float(np.linalg.norm(curve.project(off)) / np.linalg.norm(curve.residual))


def _preconditioned(setting: Setting) -> PreconditionedFlow:
    return PreconditionedFlow(np.linspace(0.5, 2, setting.w0.size))


SETTLED = Hypothesis("κ·log t ≥ 30", lambda s: margin_curve(s).kappa * LOG_TIME >= 30)


def _nondegenerate(setting: Setting) -> bool:
    curve = margin_curve(setting)
    return curve.on.shape[1] == len(curve.support) and curve.kappa > 1e-9


NONDEGENERATE = Hypothesis(
    "the support vectors are independent, with positive multipliers, and κ > 0", _nondegenerate
)

max_margin_flow = Theorem(
    id="max-margin-flow", family="classification", kind="exact", source="soudry2018separable",
    claim="On separable data the flow is ŵ log t + w̃ on the support vectors' span: ŵ the ℓ2 maximum margin.",
    settings=_flow, measure=support_residual, hypotheses=(*max_margin_rule.hypotheses, NONDEGENERATE), bound=1e-9,
    run={"stop": Stop(log_time=LOG_TIME), "save": Save(log=1, fields=("w",))},
    control=Control("a fixed diagonal preconditioner: another norm's margin", 1e-3, {"optimizer": _preconditioned}),
    conditions=(SETTLED,), figure=figures.margin_flow,
)  # fmt: skip


# -- several classes -----------------------------------------------------------------------------


def _several_classes(rng: Rng) -> Setting:
    problem = Classification(rng.standard_normal((6, 12)), np.arange(6) % 3)
    return Setting(problem, Linear(), Flow(), rng.standard_normal(problem.w_shape))


classes_margin_flow = Theorem(
    id="classes-margin-flow", family="classification", kind="exact", source="soudry2018separable",
    claim="In several classes the flow of the cross-entropy is Ŵ log t + W̃ likewise: Ŵ the Frobenius maximum margin.",
    settings=_several_classes, measure=support_residual, bound=1e-8, instances=2, figure=figures.margin_flow,
    hypotheses=(*classes_margin_rule.hypotheses, NONDEGENERATE), conditions=(SETTLED,),
    run={"stop": Stop(log_time=LOG_TIME), "save": Save(log=1, fields=("w",)), "rtol": 1e-11},
    control=Control("a fixed diagonal preconditioner: another norm's margin", 1e-2, {"optimizer": _preconditioned}),
)  # fmt: skip


# -- what the theorems of other norms share -----------------------------------------------------------


def share_of_l2(setting: Setting) -> float:
    """The ℓ∞ margin of the ℓ2 solution, as a fraction of the largest."""
    Z = setting.problem.Z
    w = MaxMargin(Z, 2).solution
    return float(np.min(Z @ w) / np.max(np.abs(w)) / max_margin(setting.problem, np.inf).margin)


NORMS_DIFFER = Hypothesis(
    "the ℓ2 solution has at most 80 % of the largest ℓ∞ margin", lambda s: share_of_l2(s) <= 0.8
)
