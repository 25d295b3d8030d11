"""How fast the ℓ2 margin gap closes: 1/log t by the flow, 1/k by steps of η/L, 1/k² by dual acceleration."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import DualAcceleration, GradientDescent, GradientFlow, PreconditionedFlow
from ...problems import Classification
from ...selection import Hypothesis, max_margin
from ...selection.rules.accelerated import accelerated_rule
from ...selection.rules.classification import max_margin_rule
from ...selection.rules.common import FROM_ZERO
from ...selection.rules.steepest_margins import per_loss_rule
from ..base import Control, Evidence, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification
from .steepest import gap_figure

__all__: list[str] = []


def within_the_ball(rng: Rng) -> Classification:
    """Separable data, max_i ‖z_i‖₂ = 1."""
    problem = gaussian_classification(rng, 8, 16)
    longest = np.max(np.linalg.norm(problem.X, axis=1))
    return Classification(problem.X / longest, problem.y)


def _draw(optimizer: Any) -> Any:
    return lambda rng: Setting(within_the_ball(rng), Linear(), optimizer, np.zeros(16))


def margin_and_norm(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """(min_i z_i·w, ‖w‖₂) of the saved w."""
    w = run.history["w"]
    return np.min(w @ run.setting.problem.Z.T, axis=1), np.linalg.norm(w, axis=1)


def closing(run: Run, k: np.ndarray, growth: np.ndarray, constant: float) -> Evidence:
    """(γ − min_i z_i·w/‖w‖) · growth over the constant: the largest along the run."""
    margin, size = margin_and_norm(run)
    gap = max_margin(run.setting.problem, 2).margin - np.maximum(margin, 0) / size
    lhs = gap * growth
    return Evidence(float(np.max(lhs) / constant), detail={"k": k, "gap": gap, "bound": constant / growth})


# -- gradient flow: 1/log t ------------------------------------------------------------------------


def flow_gap(run: Run) -> Evidence:
    """(γ‖w‖ − min_i z_i·w)/ln n, that is gap · ‖w‖ over ln n."""
    log_t, size = run.history["log_time"], margin_and_norm(run)[1]
    seen = closing(run, log_t, size, np.log(run.setting.problem.n))
    return seen._replace(detail=seen.detail | {"axes": ("log t", "margin gap")})


def _preconditioned(setting: Setting) -> PreconditionedFlow:
    return PreconditionedFlow(np.geomspace(1e-2, 1, setting.w0.size))


FLOW = Hypothesis("the optimizer is the gradient flow", lambda s: isinstance(s.optimizer, GradientFlow))

flow_margin_rate = Theorem(
    id="flow-margin-rate", family="classification", kind="bound", source="ji2021primaldual",
    claim="Along the gradient flow the ℓ2 margin gap is at most ln n/‖w‖, and ‖w‖ grows like log t.",
    settings=_draw(GradientFlow()), measure=flow_gap, bound=1.0,
    run={"stop": Stop(log_time=1000.0), "save": Save(at=np.geomspace(1.0, 1000.0, 40), fields=("w",))},
    hypotheses=(*max_margin_rule.hypotheses, FLOW, FROM_ZERO, EXPONENTIAL), figure=gap_figure,
    control=Control("a fixed diagonal preconditioner: another norm's margin", 1.2, {"optimizer": _preconditioned}),
)  # fmt: skip


# -- steps of η/L: 1/k -----------------------------------------------------------------------------


def per_loss_gap(run: Run) -> Evidence:
    """gap_k · ηγk over ln n + ½η(‖∇L(0)‖² − γ²)."""
    problem, eta, k = run.setting.problem, run.setting.optimizer.step, run.history["steps"]
    g, gamma = problem.gradient(np.zeros(problem.w_shape)), max_margin(problem, 2).margin
    return closing(run, k, eta * gamma * k, np.log(problem.n) + 0.5 * eta * (g @ g - gamma**2))


STEPS = {"stop": Stop(steps=20_000), "save": Save(log=12, fields=("w",))}

per_loss_rate = Theorem(
    id="per-loss-margin-rate", family="classification", kind="bound", source="ji2021primaldual",
    claim="Gradient descent with steps η/L closes the ℓ2 margin gap like 1/k, with an explicit constant.",
    settings=_draw(GradientDescent(1.0, per_loss=True)), measure=per_loss_gap, bound=1.0, run=STEPS,
    hypotheses=(*per_loss_rule.hypotheses, FROM_ZERO), figure=gap_figure,
    control=Control("the same step, not divided by the loss", 1.2, {"optimizer": GradientDescent(1.0)}),
)  # fmt: skip


# -- dual acceleration: 1/k² -----------------------------------------------------------------------


def accelerated_gap(run: Run) -> Evidence:
    """gap_k · γk(k + 3)/4 over ln n."""
    problem, k = run.setting.problem, run.history["steps"]
    return closing(run, k, max_margin(problem, 2).margin * k * (k + 3) / 4, np.log(problem.n))


accelerated_rate = Theorem(
    id="dual-acceleration-rate", family="classification", kind="bound", source="ji2021fast",
    claim="Dual acceleration closes the ℓ2 margin gap like 1/k²: at most 4 ln n/(γk(k + 3)).",
    settings=_draw(DualAcceleration()), measure=accelerated_gap, bound=1.0, figure=gap_figure,
    run={"stop": Stop(steps=3000), "save": Save(log=12, fields=("w",))},
    hypotheses=(*accelerated_rule.hypotheses, FROM_ZERO),
    control=Control("steps of 1/L without acceleration: 1/k", 3.0, {"optimizer": GradientDescent(1.0, per_loss=True)}),
)  # fmt: skip
