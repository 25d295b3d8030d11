"""Data that cannot be separated as a whole."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow as Flow
from ...problems import Classification
from ...selection import Hypothesis
from ...selection.rules.nonseparable import SplitCurve, split_curve, split_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng
from .asymptotics import doubled

D, PINNED, LOG_TIME = 12, 3, 16.0


def _partly_separable(rng: Rng) -> Setting:
    """Six samples whose weighted sum is zero in three dimensions, and four near-orthogonal ones anywhere."""
    Q, p = orthonormal(D, D, rng), rng.uniform(0.5, 1.5, 6)
    rest = rng.standard_normal((6, PINNED))
    rest -= p @ rest / np.sum(p)
    across = rng.uniform(1.5, 2.5, (4, 1)) * np.eye(D - PINNED)[:4]
    across = np.hstack(
        [0.5 * rng.standard_normal((4, PINNED)), across + 0.2 * rng.standard_normal(across.shape)]
    )
    Z = np.vstack([across, rest @ np.eye(PINNED, D)]) @ Q.T
    y = np.where(np.arange(len(Z)) % 2, 1, -1)
    return Setting(Classification(y[:, None] * Z, y), Linear(), Flow(), rng.normal(0, 0.3, D))


def _curve(setting: Setting) -> SplitCurve:
    curve = split_curve(setting)
    assert isinstance(curve, SplitCurve)
    return curve


def split_distances(run: Run) -> Evidence:
    """‖P(w − v̄)‖, P on the span of the rest, and ‖P_S(w − ŵ log t) − w̃‖ across it, at the end."""
    curve = _curve(run.setting)
    tau = run.history["log_time"]
    off = run.history["w"] - curve(log_time=tau)
    pinned = np.linalg.norm(off @ curve.split.basis, axis=1)
    across = np.linalg.norm(off @ curve.margin.on, axis=1)
    seen = np.column_stack([pinned, across])
    shown = tau >= 1
    middle = int(np.searchsorted(tau, 8.0))
    rates = np.array([1.0, curve.margin.kappa])
    theory = seen[middle] * np.exp(-np.outer(tau - tau[middle], rates))
    axes = ("log t", "distance on each part", "y")
    detail = {"x": tau[shown], "seen": seen[shown], "theory": theory[shown], "axes": axes}
    return Evidence(seen[-1], 0.0, detail)


def _well_posed(setting: Setting) -> bool:
    curve = _curve(setting)
    rest = setting.problem.Z[~curve.split.separable]
    H = (rest.T * np.exp(-rest @ curve.pinned)) @ rest / setting.problem.n
    least = np.linalg.eigvalsh(curve.split.basis.T @ H @ curve.split.basis)[0]
    return bool(curve.margin.kappa >= 0.8 and len(curve.margin.support) == 4 and least >= 0.05)


WELL_POSED = Hypothesis(
    "across the span all samples are support vectors and κ ≥ 0.8; on it the Hessian is ⪰ 0.05", _well_posed
)

nonseparable_split = Theorem(
    id="nonseparable-split", family="classification", kind="limit", source="ji2019nonseparable",
    claim="On inseparable data the flow has a finite limit on one subspace and a maximum margin across it.",
    settings=_partly_separable, measure=split_distances, bound=1e-2, hypotheses=split_rule.hypotheses,
    run={"stop": Stop(log_time=LOG_TIME), "save": Save(at=np.linspace(0, LOG_TIME, 37), fields=("w",)), "rtol": 1e-8},
    control=Control("a preconditioner P ⪰ 2: the constant is another", 0.1, {"optimizer": doubled}),
    conditions=(WELL_POSED,), figure=figures.along,
)  # fmt: skip
