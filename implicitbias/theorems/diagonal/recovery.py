"""Stopping early: noisy sparse vectors, as well as if their support were known."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...checks import real_array
from ...dynamics import Run, Setting, Stop
from ...models import Balanced, Diagonal
from ...optimizers import GradientDescent
from ...problems import Regression
from ...records import record
from ...selection import Hypothesis
from ...selection.rules.common import NO_DECAY, SQUARE_LOSS, is_a
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng
from .saddles import TINY, log_range, relaxation, saddle_path
from .scales import DEPTH_TWO

SCALE, LATE = 1e-30, 10.0
PATIENCE = float(-np.log(SCALE)) / 2
"""The time t at which τ = 1, for u² − v² at this scale; "never stopped" is τ = 10."""


@record
class Planted(Regression):
    """A Regression whose targets are X·truth plus noise."""

    truth: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "truth", real_array("truth", self.truth, self.w_shape))

    @property
    def oracle(self) -> np.ndarray:
        """Least squares on the support of the truth."""
        on, w = np.flatnonzero(self.truth), np.zeros(self.w_shape)
        w[on] = np.linalg.lstsq(self.X[:, on], self.y, rcond=None)[0]
        return w

    def error(self, w: np.ndarray) -> float:
        """‖w − truth‖ in units of the oracle's."""
        return float(np.linalg.norm(w - self.truth) / np.linalg.norm(self.oracle - self.truth))


def in_time(problem: Planted) -> Planted:
    """The same in other units: τ = 1 is half-way, in ln τ, between the last entry of the truth and the next."""
    times, k = saddle_path(Regression(problem.X, problem.y)).times, np.count_nonzero(problem.truth)
    unit = float(np.sqrt(times[k] * times[k + 1])) if len(times) > k + 1 else 1.0
    return Planted(problem.X, unit * problem.y, unit * problem.truth)


def _noisy(rng: Rng) -> dict[str, Setting]:
    """Two entries of size 1 to 1.5 among forty, seen 24 times by random signs with noise of 0.3."""
    truth = np.zeros(40)
    truth[:2] = rng.uniform(1.0, 1.5, 2) * rng.choice([-1.0, 1.0], 2)
    X = rng.choice([-1.0, 1.0], (24, 40))
    problem = in_time(Planted(X, X @ truth + 0.3 * rng.standard_normal(24), truth))
    step = 0.1 / (problem.smoothness * 4 * float(np.max(np.abs(problem.truth))))
    setting = Setting(problem, Diagonal(2), GradientDescent(step), Balanced(SCALE))
    return {"stopped": setting, "late": setting}


def errors(runs: dict[str, Run]) -> Evidence:
    """The stopped run's error over the oracle's; and twice the oracle's over that of the run that is not stopped."""
    problem, w = runs["stopped"].setting.problem, {label: run.w for label, run in runs.items()}
    worst = [problem.error(w["stopped"]), 2 / problem.error(w["late"])]
    detail = {"seen": w["stopped"], "theory": problem.oracle, "ylabel": "w (rings: the oracle)"}
    return Evidence(worst, detail=detail)


def _passes_the_oracle(setting: Setting) -> bool:
    """From τ = 0.9 to 1.1 the path is at the oracle, all but there at 0.9 and with the next entries far away at 1.1."""
    problem, path = setting.problem, saddle_path(setting.problem)
    there = np.allclose(path(np.array([0.9, 1.1])), problem.oracle, rtol=1e-9, atol=1e-12)
    if not there:
        return False
    since = 0.9 - path.times[np.searchsorted(path.times, 0.9) - 1]
    off = 1 - np.max(np.abs(path.slopes_at(1.1)[problem.truth == 0]))
    return log_range(setting) * min(off, since * relaxation(problem, problem.oracle)) >= 12


PASSES = Hypothesis(
    "between τ = 0.9 and 1.1 the limiting path is at the oracle, and e^{−12} from it at most",
    _passes_the_oracle,
)
OVERFITS = Hypothesis(
    "at τ = 10 the limiting path is off by three times the oracle's error or more",
    lambda s: s.problem.error(saddle_path(s.problem)(LATE)) >= 3,
)

early_stopped_recovery = Theorem(
    id="early-stopped-recovery", family="diagonal", kind="bound", source="vaskevicius2019sparse",
    claim="Stopped in time, descent on u² − v² finds a noisy sparse vector as well as if its support were known.",
    settings=_noisy, measure=errors, bound=1.001,
    run={"stopped": {"stop": Stop(time=PATIENCE)}, "late": {"stop": Stop(time=LATE * PATIENCE)}},
    hypotheses=(
        SQUARE_LOSS,
        DEPTH_TWO,
        Hypothesis("the optimizer is gradient descent", is_a(GradientDescent, "optimizer")),
        NO_DECAY,
        TINY,
    ),
    conditions=(PASSES, OVERFITS), figure=figures.entries,
    control=Control("a start of ordinary size fits noise at once", 1.5, {"init": Balanced(0.3)}),
)  # fmt: skip
