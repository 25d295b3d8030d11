"""Mirror descent in Σ|w|^p/p on separable data: the ℓp margin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...geometry import PNorm
from ...models import Linear
from ...optimizers import CoordinateDescent, Decay, MirrorDescent, SignDescent
from ...problems import Classification
from ...selection import Hypothesis, MaxMargin, max_margin
from ...selection.rules.common import FROM_ZERO
from ...selection.rules.mirror_margins import mirror_margin_rule
from ..base import Control, Evidence, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification
from .steepest import gap_figure, reach

__all__: list[str] = []

STEPS = 1500


def _draw(p: float, step: float, n: int, d: int) -> Any:
    """Data with max_i ‖z_i‖_q = 1, q dual to p, and steps of η/L."""

    def draw(rng: Rng) -> Setting:
        problem = gaussian_classification(rng, n, d)
        problem = Classification(problem.X / reach(problem.Z, p), problem.y)
        return Setting(problem, Linear(), MirrorDescent(PNorm(p), step, per_loss=True), np.zeros(d))

    return draw


def ceiling(Z: np.ndarray, p: float, eta: float, gamma: float, k: np.ndarray) -> np.ndarray:
    """The bound of the mean gap over the iterates 1, …, k, where max_i ‖z_i‖_q = 1:

    (1/k)[‖Zᵀ1/n‖_q − γ + Σ_{j≤k} (ln n/(ηγj)^{q−1} + e_j)],  e_j = (q − 1)/(2γj) for q ≥ 2, and
    2^{2−q}/(q(γj)^{q−1}) for q ≤ 2.
    """
    q, j = p / (p - 1), np.arange(1, k[-1] + 1)
    curved = (q - 1) / (2 * gamma * j) if q >= 2 else 2 ** (2 - q) / (q * (gamma * j) ** (q - 1))
    total = np.cumsum(np.log(len(Z)) / (eta * gamma * j) ** (q - 1) + curved)
    return np.asarray((np.linalg.norm(np.mean(Z, axis=0), q) - gamma + total[k - 1]) / k)


def mean_gap(p: float, eta: float) -> Any:
    """The mean of γ − min_i z_i·w_j/‖w_j‖_p over the iterates 1, …, k, over its bound: the largest of k."""

    def measure(run: Run) -> Evidence:
        Z, w = run.setting.problem.Z, run.history["w"]
        gamma, k = max_margin(run.setting.problem, p).margin, run.history["steps"].astype(int)
        gap = np.cumsum(gamma - np.min(w @ Z.T, axis=1) / np.linalg.norm(w, p, axis=1)) / k
        bound = ceiling(Z, p, eta, gamma, k)
        axes = ("step k", "mean margin gap")
        detail = {"k": k, "gap": gap, "bound": bound, "axes": axes}
        return Evidence(float(np.max(gap / bound)), detail=detail)

    return measure


def norms_differ(p: float, eta: float, other: float, name: str) -> Hypothesis:
    """That the other norm's direction would exceed the bound twice over at the end of the run."""

    def test(setting: Setting) -> bool:
        Z, gamma = setting.problem.Z, max_margin(setting.problem, p).margin
        w = MaxMargin(Z, other).solution
        gap = gamma - np.min(Z @ w) / np.linalg.norm(w, p)
        return bool(gap >= 2 * ceiling(Z, p, eta, gamma, np.array([STEPS]))[0])

    return Hypothesis(f"the gap of the {name} solution is twice the bound of the last step", test)


RUN = {"stop": Stop(steps=STEPS), "save": Save(at=np.arange(1, STEPS + 1), fields=("w",))}
HYPOTHESES = (*mirror_margin_rule.hypotheses, FROM_ZERO, EXPONENTIAL)

mirror_margin_three_halves = Theorem(
    id="mirror-margin-three-halves", family="classification", kind="bound", source="sun2022mirror",
    claim="Mirror descent in Σ|w|^{3/2} closes its ℓ3/2 margin gap: the mean gap is O(log k/k), explicitly.",
    settings=_draw(1.5, 5.0, 4, 16), measure=mean_gap(1.5, 5.0), bound=1.0, run=RUN, figure=gap_figure,
    hypotheses=HYPOTHESES, conditions=(norms_differ(1.5, 5.0, np.inf, "ℓ∞"),),
    control=Control("sign descent: the ℓ∞ margin instead", 1.2, {"optimizer": SignDescent(Decay(0.1, 0.5))}),
)  # fmt: skip

mirror_margin_three = Theorem(
    id="mirror-margin-three", family="classification", kind="bound", source="sun2022mirror",
    claim="Mirror descent in Σ|w|³ closes its ℓ3 margin gap: the mean gap is O(1/√k), explicitly.",
    settings=_draw(3.0, 100.0, 4, 32), measure=mean_gap(3.0, 100.0), bound=1.0, run=RUN, figure=gap_figure,
    hypotheses=HYPOTHESES, conditions=(norms_differ(3.0, 100.0, 1, "ℓ1"),),
    control=Control("coordinate descent: ℓ1", 1.2, {"optimizer": CoordinateDescent(Decay(0.1, 0.5))}),
)  # fmt: skip
