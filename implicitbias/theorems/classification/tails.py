"""Losses with a polynomial tail: another direction than the maximum margin, and growth like a power of time."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import GradientFlow as Flow
from ...problems import Classification, PolynomialTail
from ...selection import Hypothesis, MaxMargin, PowerMeanMargin
from ...selection.rules.tails import tail_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng

TAILS = (1.0, 2.0)
SCALES = 22.0
"""log t in units of a + 2: then ‖w‖ ~ e^22, whatever the tail."""


def _both_tails(rng: Rng) -> dict[str, Setting]:
    X, w0, y = rng.standard_normal((8, 16)), rng.standard_normal(16), np.where(np.arange(8) % 2, 1, -1)
    problems = {f"a = {a:g}": Classification(X, y, PolynomialTail(a)) for a in TAILS}
    return {label: Setting(problem, Linear(), Flow(), w0) for label, problem in problems.items()}


def _run(a: float) -> dict[str, object]:
    moments = np.linspace(0.5, (a + 2) * SCALES, 40)
    return {"stop": Stop(log_time=(a + 2) * SCALES), "save": Save(at=moments, fields=("w",)), "rtol": 1e-9}


RUNS = {f"a = {a:g}": _run(a) for a in TAILS}


def tail_directions(runs: dict[str, Run]) -> Evidence:
    """‖w/‖w‖ − u_a‖ along each run, u_a of the tail that its label names; measured at the end."""
    paths, logs = [], []
    for a, run in zip(TAILS, runs.values()):
        w = run.history["w"]
        u = PowerMeanMargin(run.setting.problem.Z, a).solution
        paths.append(np.linalg.norm(w / np.linalg.norm(w, axis=1)[:, None] - u, axis=1))
        logs.append(run.history["log_time"] / (a + 2))
    seen, x = np.column_stack(paths), logs[0]
    theory = seen[10] * np.exp(x[10] - x)[:, None]
    axes = ("log t / (a + 2)", "‖w/‖w‖ − u‖", "y")
    return Evidence(seen[-1], 0.0, {"x": x, "seen": seen, "theory": theory, "axes": axes})


def exponential(setting: Setting) -> Classification:
    """The same data under the exponential loss."""
    return Classification(setting.problem.X, setting.problem.y)


def _apart(setting: Setting) -> bool:
    hard = MaxMargin(setting.problem.Z, 2).solution
    u = PowerMeanMargin(setting.problem.Z, setting.problem.loss_name.a).solution
    return bool(np.linalg.norm(u - hard / np.linalg.norm(hard)) >= 0.1)


APART = Hypothesis("‖u_a − ŵ/‖ŵ‖‖ ≥ 0.1", _apart)

tail_margin = Theorem(
    id="polynomial-tail-direction", family="classification", kind="exact", source="ji2020regularization",
    claim="A loss with the tail m^{−a} selects argmin Σ(z_i·u)^{−a} over unit vectors, not the maximum margin.",
    settings=_both_tails, rule=tail_rule, measure=tail_directions, run=RUNS, bound=1e-7, figure=figures.along,
    control=Control("the exponential loss: the maximum margin", 1e-3, {"problem": exponential}),
    conditions=(APART,),
)  # fmt: skip


def growth(runs: dict[str, Run]) -> Evidence:
    """‖w‖ (a(a + 2)f t/n)^{−1/(a+2)} at the end, f = min Σ(z_i·u)^{−a}."""
    seen, theory, measured = [], [], []
    for a, run in zip(TAILS, runs.values()):
        program = PowerMeanMargin(run.setting.problem.Z, a)
        f = program.objective(program.solution)
        tau = run.history["log_time"]
        theory.append((np.log(a * (a + 2) * f / run.setting.problem.n) + tau) / (a + 2))
        seen.append(np.log(np.linalg.norm(run.history["w"], axis=1)))
        measured.append(np.exp(seen[-1][-1] - theory[-1][-1]))
    x = next(iter(runs.values())).history["log_time"] / (TAILS[0] + 2)
    axes = ("log t / (a + 2)", "log ‖w‖", "")
    detail = {"x": x, "seen": np.column_stack(seen), "theory": np.column_stack(theory), "axes": axes}
    return Evidence(np.array(measured), 1.0, detail)


tail_growth = Theorem(
    id="polynomial-tail-growth", family="classification", kind="exact", source="ji2020regularization",
    claim="With the tail m^{−a} the norm grows like t^{1/(a+2)}, with an explicit constant, not like log t.",
    settings=_both_tails, rule=tail_rule, measure=growth, run=RUNS, bound=1e-6, figure=figures.along,
    control=Control("the exponential loss: ‖w‖ grows like log t", 0.5, {"problem": exponential}),
)  # fmt: skip
