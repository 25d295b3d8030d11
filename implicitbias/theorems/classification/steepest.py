"""Normalised steepest descent on separable data: the margin in the norm of the steps, with explicit bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...geometry import LpNorm
from ...models import Linear
from ...optimizers import CoordinateDescent, Decay, NormalizedGradientDescent, SignDescent, SteepestDescent
from ...problems import Classification
from ...selection import Hypothesis, MaxMargin, max_margin
from ...selection.rules.common import FROM_ZERO
from ...selection.rules.steepest_margins import steepest_margin_rule, steepest_norm
from ..base import Control, Evidence, Sample, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification

__all__: list[str] = []

STEPS = 100_000


def reach(Z: np.ndarray, p: float) -> float:
    """B = max_i ‖z_i‖_q, q dual to p."""
    return max(LpNorm(p).dual(z) for z in Z)


def _decay(Z: np.ndarray, p: float) -> Decay:
    """η_k = c/√(k + 1) with the c that makes (ln n + ½B²Σ_{j<k} η_j²)/Σ_{j<k} η_j least at the end."""
    return Decay(np.sqrt(2 * np.log(len(Z)) / np.log(STEPS)) / reach(Z, p), 0.5)


def _draw(optimizer: Any, p: float) -> Any:
    def draw(rng: Rng) -> Setting:
        problem = gaussian_classification(rng, 8, 16)
        return Setting(problem, Linear(), optimizer(_decay(problem.Z, p)), np.zeros(16))

    return draw


def normalized(p: float) -> Any:
    """Normalised steepest descent in ℓp, as a function of the steps."""
    return lambda step: SteepestDescent(p, step, normalized=True)


def with_the_same_steps(other: Any) -> dict[str, Any]:
    return {"optimizer": lambda s: other(s.optimizer.step)}


def margin_gap(problem: Classification, p: float, w: np.ndarray) -> np.ndarray:
    """γ − max(0, min_i z_i·w)/‖w‖_p for w (..., d)."""
    margin = np.maximum(np.min(w @ problem.Z.T, axis=-1), 0) / np.linalg.norm(w, p, axis=-1)
    return np.asarray(max_margin(problem, p).margin - margin)


def direction_gap(problem: Classification, p: float, w: np.ndarray) -> np.ndarray:
    """½γ‖w/‖w‖ − u‖², u the ℓ2 maximum-margin direction, where all margins are positive; γ elsewhere."""
    best = max_margin(problem, p)
    u = w / np.linalg.norm(w, axis=-1, keepdims=True)
    gap = 0.5 * best.margin * np.sum((u - best.direction) ** 2, axis=-1)
    return np.where(np.min(w @ problem.Z.T, axis=-1) > 0, gap, best.margin)


def ceiling(setting: Setting, p: float, k: np.ndarray) -> np.ndarray:
    """(ln n + ½B²Σ_{j<k} η_j²)/Σ_{j<k} η_j."""
    Z, eta = setting.problem.Z, setting.optimizer.step.sizes(0, k[-1])
    A, Q = np.cumsum(eta)[k - 1], np.cumsum(eta**2)[k - 1]
    return np.asarray((np.log(len(Z)) + 0.5 * reach(Z, p) ** 2 * Q) / A)


def below_the_ceiling(p: float) -> Any:
    """The measure: gap over ceiling, the largest along the run."""

    def measure(run: Run) -> Evidence:
        k = run.history["steps"].astype(int)
        gap, bound = GAP[p](run.setting.problem, p, run.history["w"]), ceiling(run.setting, p, k)
        return Evidence(float(np.max(gap / bound)), detail={"k": k, "gap": gap, "bound": bound})

    return measure


def gap_figure(claim: Sample, control: Sample, ax: Any) -> Any:
    """detail["gap"] and detail["bound"] over detail["k"], and the control's gap; detail["axes"] names the axes."""
    detail = claim.evidence.detail
    xlabel, ylabel = detail.get("axes", ("step k", "margin gap"))
    return plotting.bound(
        detail["k"], detail["gap"], detail["bound"], ax, control=control.evidence.detail["gap"],
        xlabel=xlabel, ylabel=ylabel,
    )  # fmt: skip


def norms_differ(p: float, other: float, times: int = 3) -> Hypothesis:
    """That the limit of steps in another norm would exceed the bound so many times over at the end of the run."""

    def test(setting: Setting) -> bool:
        w = MaxMargin(setting.problem.Z, other).solution
        gap = GAP[p](setting.problem, p, w)
        return bool(gap >= times * ceiling(setting, p, np.array([STEPS]))[0])

    return Hypothesis(
        f"the gap of the {NAMES[other]} solution is {times} times the bound of the last step", test
    )


def the_norm_is(p: float) -> Hypothesis:
    return Hypothesis(f"the norm is {NAMES[p]}", lambda s: steepest_norm(s.optimizer) == LpNorm(p))


GAP = {1: margin_gap, 4 / 3: margin_gap, 2: direction_gap, 4: margin_gap, np.inf: margin_gap}
NAMES = {1: "ℓ1", 4 / 3: "ℓ4/3", 2: "ℓ2", 4: "ℓ4", np.inf: "ℓ∞"}
RUN = {"stop": Stop(steps=STEPS), "save": Save(log=12, fields=("w",))}
COMMON = (*steepest_margin_rule.hypotheses, FROM_ZERO, EXPONENTIAL)

normalized_gradient_margin = Theorem(
    id="normalized-gradient-margin", family="classification", kind="bound", source="nacson2019convergence",
    claim="Normalised gradient descent with steps c/√k turns to the ℓ2 maximum margin at an explicit rate.",
    settings=_draw(NormalizedGradientDescent, 2), measure=below_the_ceiling(2), bound=1.0, run=RUN,
    hypotheses=(*COMMON, the_norm_is(2)), conditions=(norms_differ(2, 1, 5),), figure=gap_figure,
    control=Control("coordinate descent with the same steps", 1.2, with_the_same_steps(CoordinateDescent)),
)  # fmt: skip

sign_descent_margin = Theorem(
    id="sign-descent-margin", family="classification", kind="bound", source="telgarsky2013margins",
    claim="Sign descent closes its ℓ∞ margin gap at the explicit rate (ln n + ½B²Ση²)/Ση.",
    settings=_draw(SignDescent, np.inf), measure=below_the_ceiling(np.inf), bound=1.0, run=RUN,
    hypotheses=(*COMMON, the_norm_is(np.inf)), conditions=(norms_differ(np.inf, 2),),
    control=Control("normalised gradient descent: the ℓ2 margin instead", 1.2, with_the_same_steps(normalized(2))),
    figure=gap_figure,
)  # fmt: skip

coordinate_descent_margin = Theorem(
    id="coordinate-descent-margin", family="classification", kind="bound", source="telgarsky2013margins",
    claim="Coordinate descent, boosting with steps c/√k, closes its ℓ1 margin gap at an explicit rate.",
    settings=_draw(CoordinateDescent, 1), measure=below_the_ceiling(1), bound=1.0, run=RUN,
    hypotheses=(*COMMON, the_norm_is(1)), conditions=(norms_differ(1, np.inf),),
    control=Control("sign descent with the same steps", 1.2, with_the_same_steps(SignDescent)),
    figure=gap_figure,
)  # fmt: skip

four_thirds_margin = Theorem(
    id="four-thirds-margin", family="classification", kind="bound", source="gunasekar2018geometry",
    claim="Normalised steepest descent in ℓ4/3 closes its ℓ4/3 margin gap at an explicit rate.",
    settings=_draw(normalized(4 / 3), 4 / 3), measure=below_the_ceiling(4 / 3), bound=1.0, run=RUN,
    hypotheses=(*COMMON, the_norm_is(4 / 3)), conditions=(norms_differ(4 / 3, np.inf),),
    control=Control("sign descent with the same steps", 1.2, with_the_same_steps(SignDescent)),
    figure=gap_figure,
)  # fmt: skip

four_margin = Theorem(
    id="four-margin", family="classification", kind="bound", source="gunasekar2018geometry",
    claim="Normalised steepest descent in ℓ4 closes its ℓ4 margin gap at an explicit rate.",
    settings=_draw(normalized(4), 4), measure=below_the_ceiling(4), bound=1.0, run=RUN,
    hypotheses=(*COMMON, the_norm_is(4)), conditions=(norms_differ(4, 1),),
    control=Control("coordinate descent with the same steps", 1.2, with_the_same_steps(CoordinateDescent)),
    figure=gap_figure,
)  # fmt: skip
