"""Rich get richer: power propagation under a constant gradient, in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import PowerPropagation
from ...optimizers import GradientFlow
from ...problems import Problem, Regression
from ...records import record
from ...selection import Hypothesis
from ...selection.rules.common import GRADIENT_FLOW, NO_DECAY
from ...selection.rules.powers import POWER
from .. import figures
from ..base import Control, Evidence, Theorem
from .powers import power_start

__all__ = ["Pressure"]

Rng = np.random.Generator


@record
class Pressure(Problem):
    """L(w) = −b·w, b (d,): the gradient is −b everywhere, and no w is the least."""

    b: Any

    attains_zero = False
    n = 1

    @property
    def w_shape(self) -> tuple[int, ...]:
        return tuple(np.shape(self.b))

    def loss(self, w: np.ndarray) -> np.ndarray:
        return -np.sum(self.b * w, axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return 0.0 * w - self.b


END = 0.999
POWERS = (1.0, 1.5, 2.0, 3.0, 4.0)


def _equal_pressure(rng: Rng) -> dict[str, Setting]:
    """Three sizes between ½ and 2 under one pressure; for a > 2 it makes the largest blow up at t = 1."""
    w0 = np.sort(rng.uniform(0.5, 2.0, 3))
    settings = {}
    for a in POWERS:
        b = w0[-1] ** ((2 - a) / a) / (a * (a - 2)) if a > 2 else rng.uniform(0.2, 0.5)
        settings[f"a = {a:g}"] = Setting(
            Pressure(np.full(3, b)), PowerPropagation(a), GradientFlow(), power_start(w0, a)
        )
    return settings


def straightened(w: np.ndarray, a: float) -> np.ndarray:
    """w^{(2−a)/a}, or ln w for a = 2."""
    return np.asarray(np.log(w) if a == 2 else w ** ((2 - a) / a))


def off_the_lines(runs: dict[str, Run]) -> Evidence:
    """The largest |w^{(2−a)/a} − (w₀^{(2−a)/a} + a(2−a)bt)|, relative to the start's (a = 2: |ln(w/w₀) − 4bt|)."""
    worst, ratios, theory = [], [], []
    for run in runs.values():
        s, a, t, w = run.setting, run.setting.model.power, run.history["time"], run.history["w"]
        b = -s.problem.gradient(s.w0)
        start, rate = straightened(s.w0, a), 4 * b if a == 2 else a * (2 - a) * b
        line = start + rate * t[:, None]
        worst.append(np.max(np.abs(straightened(w, a) - line) / (1.0 if a == 2 else np.abs(start))))
        law = np.exp(line) if a == 2 else line ** (a / (2 - a))
        ratios.append(w[:, -1] / w[:, 0])
        theory.append(law[:, -1] / law[:, 0])
    detail = {"x": t, "seen": np.array(ratios).T, "theory": np.array(theory).T}
    return Evidence(worst, np.zeros(len(worst)), detail | {"axes": ("time", "largest w / least w", "y")})


def _shrinking_pressure(setting: Setting) -> Regression:
    """½‖w − w₀ − b‖², whose gradient is −b at the start too."""
    d = len(setting.w0)
    target = setting.w0 + setting.problem.b
    return Regression(np.sqrt(d) * np.eye(d), np.sqrt(d) * target)


CONSTANT = Hypothesis("the gradient is constant", lambda s: isinstance(s.problem, Pressure))
UPWARDS = Hypothesis(
    "the start is positive, and so is the pressure", lambda s: np.all(s.w0 > 0) and np.all(s.problem.b > 0)
)
BEFORE_THE_END = Hypothesis(
    "no coordinate has blown up before the end of the run",
    lambda s: (
        s.model.power <= 2
        or np.max(
            END
            * s.model.power
            * (s.model.power - 2)
            * s.problem.b
            * s.w0 ** ((s.model.power - 2) / s.model.power)
        )
        < 1
    ),
)

rich_get_richer = Theorem(
    id="rich-get-richer", family="design", kind="exact", source="schwarz2021powerpropagation",
    claim="Under equal pressure sizes grow equal for a < 2, keep their ratios at a = 2, blow up one by one for a > 2.",
    settings=_equal_pressure, measure=off_the_lines, bound=1e-7, figure=figures.along,
    run={"stop": Stop(time=END), "save": Save(at=np.linspace(0, END, 61), fields=("w",))},
    hypotheses=(CONSTANT, POWER, GRADIENT_FLOW, NO_DECAY, UPWARDS, BEFORE_THE_END),
    control=Control("the square loss: pressure falls as the fit improves", 1e-3, {"problem": _shrinking_pressure}),
)  # fmt: skip
