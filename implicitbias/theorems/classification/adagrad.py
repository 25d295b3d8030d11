"""AdaGrad on separable data."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import AdaGrad, RMSProp
from ...problems import Classification
from ...selection import Hypothesis
from ...selection.rules.adagrad import adagrad_curve, adagrad_rule, metric
from ...selection.rules.classification import MarginCurve
from ...selection.rules.common import FROM_ZERO
from ..base import Control, Evidence, Theorem
from ..draws import Rng
from .adaptive import on_the_curve


def _four_samples(rng: Rng) -> Setting:
    """Nearly orthogonal samples, four in twelve dimensions, whose coordinates have scales from 2/3 to 3/2."""
    Q, _ = np.linalg.qr(rng.standard_normal((12, 4)))
    X = (2 * Q.T + 0.1 * rng.standard_normal((4, 12))) * 1.5 ** rng.uniform(-1, 1, 12)
    return Setting(Classification(X, np.where(np.arange(4) % 2, 1, -1)), Linear(), AdaGrad(0.5))


def off_the_curve(run: Run) -> Evidence:
    """‖P_S(v − v̂ log t) − ṽ‖/‖v̂‖ in v = M^{½}w, M = diag(√b + ε) at the end: an error in log t."""
    curve = adagrad_curve(run)
    path = run.history["w"] * np.sqrt(metric(run))
    size, t = np.linalg.norm(curve.what), run.history["time"]
    far = np.linalg.norm(curve.project(path - curve(t)), axis=1) / size
    axes = ("t = Σ η", "v along v̂, over ‖v̂‖", "x")
    unit = curve.what / size**2
    return Evidence(far[-1], 0.0, {"x": t, "seen": path @ unit, "theory": curve(t) @ unit, "axes": axes})


def _quick(setting: Setting) -> bool:
    """The curve's exponent in the metric of the first gradient, from which the last is never far."""
    problem = setting.problem
    root = np.sqrt(np.abs(problem.gradient(setting.w0)))
    curve = MarginCurve(problem.Z / root, setting.w0, 1 / problem.n)
    return len(curve.support) == problem.n and curve.kappa >= 0.6


QUICK = Hypothesis("in the metric diag |∇L(w₀)|, all samples are support vectors, and κ ≥ 0.6", _quick)

adagrad_margin_curve = Theorem(
    id="adagrad-margin", family="classification", kind="limit", source="qian2019adagrad",
    claim="AdaGrad selects the largest margin in the metric diag(√b∞), b∞ the sum of its squared gradients.",
    settings=_four_samples, measure=off_the_curve, bound=1e-2, figure=on_the_curve,
    run={"stop": Stop(steps=30_000), "save": Save(log=6, fields=("w",))},
    hypotheses=(*adagrad_rule.hypotheses, FROM_ZERO), conditions=(QUICK,),
    control=Control("RMSProp, whose record fades", 1.0, {"optimizer": RMSProp(0.1, 0.99, eps=0.0)}),
)  # fmt: skip
