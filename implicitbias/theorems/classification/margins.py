"""Linear classification: which separator is selected."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import Decay, PreconditionedFlow, SignDescent, SteepestDescent
from ...optimizers import GradientFlow as Flow
from ...problems import Classification
from ...selection import Hypothesis, MaxMargin, max_margin
from ...selection.rules.classification import margin_curve, max_margin_rule
from ...selection.rules.common import FROM_ZERO
from ...selection.rules.steepest_margins import steepest_margin_rule
from .. import figures
from ..base import Control, Evidence, Theorem

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
    run={"stop": Stop(log_time=LOG_TIME), "save": Save(log=1, fields=("w",)), "rtol": 1e-12},
    control=Control("a fixed diagonal preconditioner: another norm's margin", 1e-3, {"optimizer": _preconditioned}),
    conditions=(SETTLED,), figure=figures.margin_flow,
)  # fmt: skip


# -- sign descent --------------------------------------------------------------------------------


def _sign(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 8, 16), Linear(), SignDescent(Decay(0.05, 0.5)))


def margin_gap(run: Run) -> Evidence:
    """(γ∞ − margin∞(w_k)) Σ η_j over ln n + ½B² Σ η_j², the largest along the run."""
    Z, k = run.setting.problem.Z, run.history["steps"].astype(int)
    eta = run.setting.optimizer.step.sizes(0, k[-1])
    total, squares = np.cumsum(eta)[k - 1], np.cumsum(eta**2)[k - 1]
    margin = np.maximum(np.min(run.history["w"] @ Z.T, axis=1), 0) / np.max(np.abs(run.history["w"]), axis=1)
    lhs = (max_margin(run.setting.problem, np.inf).margin - margin) * total
    rhs = np.log(len(Z)) + 0.5 * np.max(np.sum(np.abs(Z), axis=1)) ** 2 * squares
    return Evidence(float(np.max(lhs / rhs)), detail={"k": k, "lhs": lhs, "rhs": rhs})


def share_of_l2(setting: Setting) -> float:
    """The ℓ∞ margin of the ℓ2 solution, as a fraction of the largest."""
    Z = setting.problem.Z
    w = MaxMargin(Z, 2).solution
    return float(np.min(Z @ w) / np.max(np.abs(w)) / max_margin(setting.problem, np.inf).margin)


SIGN = Hypothesis("the norm is ℓ∞", lambda s: isinstance(s.optimizer, SignDescent))
EXPONENTIAL = Hypothesis("the loss is exponential", lambda s: s.problem.loss_name == "exp")
NORMS_DIFFER = Hypothesis(
    "the ℓ2 solution has at most 80 % of the largest ℓ∞ margin", lambda s: share_of_l2(s) <= 0.8
)
EUCLIDEAN = SteepestDescent(2, Decay(0.05, 0.5), normalized=True)

sign_descent_margin = Theorem(
    id="sign-descent-margin", family="classification", kind="bound", source="telgarsky2013margins",
    claim="Sign descent closes its ℓ∞ margin gap at the explicit rate (ln n + ½B²Ση²)/Ση.",
    settings=_sign, measure=margin_gap, bound=1.0, figure=figures.margin_gap,
    run={"stop": Stop(steps=300_000), "save": Save(log=12, fields=("w",))},
    hypotheses=(*steepest_margin_rule.hypotheses, SIGN, FROM_ZERO, EXPONENTIAL), conditions=(NORMS_DIFFER,),
    control=Control("normalised gradient descent: the ℓ2 margin instead", 1.2, {"optimizer": EUCLIDEAN}),
)  # fmt: skip
