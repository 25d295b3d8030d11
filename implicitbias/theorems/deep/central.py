"""Gradient descent at the edge of stability, averaged over its oscillation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...dynamics.charts import jacobian
from ...dynamics.oracle import SettingOracle
from ...models import DeepLinear
from ...optimizers import CentralFlow, GradientDescent, GradientFlow
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import SQUARE_LOSS
from ...selection.rules.networks import DEEP
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng

SLOW = 5e-4
"""The second eigenvalue of the inputs' covariance; the first is 1."""
END = 1 / SLOW
"""The time in which the slow mode is learnt by a good part."""

TIMES = np.linspace(0, END, 41)


def sharpness(setting: Setting, flat: np.ndarray) -> float:
    """λ_max(∇²L)."""
    return float(np.linalg.eigvalsh(jacobian(SettingOracle(setting), flat))[-1])


def _at_the_edge(rng: Rng) -> dict[str, Setting]:
    """w = a v with the fast mode learnt and the slow one not: the step has S = 2/η at the flow's start."""
    Q, _ = np.linalg.qr(rng.standard_normal((2, 2)))
    X = np.sqrt([2.0, 2 * SLOW])[:, None] * Q.T
    targets, a = np.array([rng.uniform(0.8, 0.95), rng.uniform(2.8, 3.5)]), rng.uniform(1.2, 1.3)
    v = Q @ [targets[0] / a, rng.uniform(0.3, 1)]
    problem, network = Regression(X, X @ Q @ targets), DeepLinear((2, 1, 1))
    rest = Setting(problem, network, GradientFlow(), (v[None], np.array([[a]])))
    step = 2 / sharpness(rest, rest.start)
    central = Setting(problem, network, CentralFlow(step), rest.init)
    beside = network.split(rest.start + central.optimizer.oscillation(central, rest.start), problem)
    return {"steps": Setting(problem, network, GradientDescent(step), beside), "flow": central}


def about_the_flow(runs: dict[str, Run]) -> Evidence:
    """In the second half of the time: the largest distance of the mean of two steps from the flow, relative to the
    flow's way, and the mean square of the oscillation relative to the central flow's, less one.
    """
    time, theta = (runs["steps"].history[name] for name in ("time", "theta"))
    flow, path = runs["flow"].setting, runs["flow"].history["theta"]
    means, late = (theta[:-1] + theta[1:]) / 2, TIMES >= END / 2
    line = means[np.minimum(np.searchsorted(time, TIMES), len(means) - 1)]
    off = np.linalg.norm(line - path, axis=1)[late] / np.linalg.norm(path[-1] - path[0])
    unit = runs["steps"].setting.optimizer.step / 2
    detail = {
        "steps": [unit * sharpness(flow, q) for q in line],
        "flow": [unit * sharpness(flow, q) for q in path],
    }
    if not isinstance(flow.optimizer, CentralFlow):
        return Evidence([np.max(off)], [0.0], detail)
    seen = np.sum(np.diff(theta[time >= END / 2], axis=0) ** 2, axis=1) / 4
    variance = np.array([np.sum(flow.optimizer.oscillation(flow, q) ** 2) for q in path[late]])
    return Evidence(
        [np.max(off), 2 * np.mean(seen) / np.mean(variance[1:] + variance[:-1]) - 1], [0.0, 0.0], detail
    )


def _pinned(claim: Sample, control: Sample, ax: Any) -> Any:
    """The sharpness in units of 2/η: of the steps' mean, of the central flow, and thin of the gradient flow."""
    detail, other = claim.evidence.detail, control.evidence.detail
    return plotting.theory_over_simulation(
        TIMES, detail["steps"], detail["flow"], ax, control=other["flow"],
        xlabel="time", ylabel="sharpness over 2/η",
    )  # fmt: skip


def _gradient_flow(setting: Setting) -> GradientDescent | GradientFlow:
    return GradientFlow() if setting.is_flow else setting.optimizer


def _on_the_edge(setting: Setting) -> bool:
    optimizer = setting.optimizer
    if not isinstance(optimizer, GradientDescent | CentralFlow) or optimizer.weight_decay:
        return False
    return abs(optimizer.step * sharpness(setting, setting.start) / 2 - 1) <= 0.05


AT_THE_EDGE = Hypothesis(
    "gradient descent or its central flow, from a start with ηS = 2 up to 5 percent", _on_the_edge
)

central_flow = Theorem(
    id="central-flow", family="deep", kind="limit", source="cohen2025central",
    claim="At the edge of stability gradient descent oscillates about the central flow, as widely as that says.",
    settings=_at_the_edge, measure=about_the_flow, bound=0.03, figure=_pinned,
    run={
        "steps": {"stop": Stop(time=END), "save": Save(every=1, fields=("theta",))},
        "flow": {"stop": Stop(time=END), "save": Save(at=TIMES, fields=("theta",)), "rtol": 1e-8},
    },
    hypotheses=(SQUARE_LOSS, DEEP, AT_THE_EDGE),
    control=Control("the gradient flow, whose sharpness goes on growing", 0.3, {"optimizer": _gradient_flow}),
)  # fmt: skip
