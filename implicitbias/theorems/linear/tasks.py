"""Regressions fitted one after the other: what is selected, and what is forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Setting, Stop
from ...models import Linear
from ...optimizers import GradientDescent, HeavyBall, NaturalGradient, PreconditionedGradientDescent
from ...problems import Regression, Tasks
from ...selection import Hypothesis
from ...selection.rules.common import LINEAR
from ...selection.rules.tasks import (
    FITTED,
    FORGETS_MEMORY,
    REGRESSIONS,
    ROW_SPACE,
    tasks_rule,
)
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng

SEQUENTIAL = (REGRESSIONS, LINEAR, ROW_SPACE, FORGETS_MEMORY, FITTED)


def _weighted(setting: Setting) -> PreconditionedGradientDescent:
    """Gradient descent in another metric: its updates leave the row space."""
    P = np.geomspace(0.3, 1.0, setting.w0.size)
    step = 1 / max(p.smoothness for p in setting.problem.problems)
    return PreconditionedGradientDescent(P, step)


# -- each task is a projection -------------------------------------------------------------------

TASKS_WELL_CONDITIONED = Hypothesis(
    "κ(X_m) ≤ 5 for each task",
    lambda s: all(np.linalg.cond(p.X) <= 5 for p in {id(p): p for p in s.problem.problems}.values()),
)


def _unrelated_tasks(rng: Rng) -> dict[str, Setting]:
    """Three tasks that need not agree, met twice."""
    problems = [Regression(rng.standard_normal((3, 10)), rng.standard_normal(3)) for _ in range(3)]
    step, w0 = 1 / max(p.smoothness for p in problems), rng.standard_normal(10)
    return {
        type(o).__name__: Setting(Tasks(problems * 2), Linear(), o, w0)
        for o in (GradientDescent(step), HeavyBall(step, 0.5), NaturalGradient(0.5))
    }


sequential_tasks = Theorem(
    id="sequential-tasks", family="linear", kind="exact", source="evron2022catastrophic",
    claim="Regressions fitted one after the other project w on the solutions of each in turn.",
    settings=_unrelated_tasks, rule=tasks_rule, run={"stop": Stop(loss=1e-26)}, bound=1e-10,
    control=Control("another metric: the projections are not Euclidean", 1e-3, {"optimizer": _weighted}),
    conditions=(TASKS_WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


# -- cycles of tasks that agree ------------------------------------------------------------------

CYCLES = 40


def joint(tasks: Tasks) -> Regression:
    """All rows of all tasks."""
    return Regression(np.vstack([p.X for p in tasks.problems]), np.concatenate([p.y for p in tasks.problems]))


def contraction(tasks: Tasks) -> float:
    """‖P_M ⋯ P_1 restricted to the joint row space‖: what one cycle leaves of the error, P_m = I − X_m⁺X_m."""
    cycle = tasks.problems[: len(tasks.problems) // CYCLES]
    X = joint(tasks).X
    T = np.linalg.pinv(X) @ X
    for p in cycle:
        T = T - np.linalg.pinv(p.X) @ (p.X @ T)
    return float(np.linalg.norm(T, 2))


AGREE = Hypothesis("the tasks have a common solution", lambda s: joint(s.problem).consistent)
CONTRACTS = Hypothesis("a cycle leaves at most 0.4 of the error", lambda s: contraction(s.problem) <= 0.4)


def _cycles(rng: Rng) -> Setting:
    w = rng.standard_normal(12)
    problems = [Regression(X, X @ w) for X in rng.standard_normal((2, 2, 12))]
    return Setting(Tasks(problems * CYCLES), Linear(), NaturalGradient(1.0), rng.standard_normal(12))


def distance_to_joint(run: Run) -> Evidence:
    """‖w_K − w*‖/‖w*‖, w* the projection of the start on the solutions of all tasks, after K cycles."""
    tasks, w0 = run.setting.problem, run.setting.w0
    everything = joint(tasks)
    limit = w0 + np.linalg.lstsq(everything.X, everything.y - everything.X @ w0, rcond=None)[0]
    M = len(tasks.problems) // CYCLES
    path = np.linalg.norm(run.history["w"][M - 1 :: M] - limit, axis=1) / np.linalg.norm(limit)
    cycles = np.arange(1, CYCLES + 1)
    theory = path[0] * contraction(tasks) ** (cycles - 1)
    seen = np.maximum(path, 1e-17)
    return Evidence(path[-1], 0.0, {"cycles": cycles, "seen": seen, "bound": np.maximum(theory, 1e-17)})


def cycle_errors(claim: Sample, control: Sample, ax: Any) -> Any:
    """The distance after each cycle, under its bound."""
    seen, other = claim.evidence.detail, control.evidence.detail
    return plotting.bound(
        seen["cycles"], seen["seen"], seen["bound"], ax, control=other["seen"],
        xlabel="cycle", ylabel="distance", log="y",
    )  # fmt: skip


cyclic_tasks = Theorem(
    id="cyclic-tasks", family="linear", kind="exact", source="evron2022catastrophic",
    claim="Tasks with a common solution, met in cycles, lead to the common solution nearest to the start.",
    settings=_cycles, measure=distance_to_joint, run={"stop": Stop(loss=1e-26)}, bound=1e-10,
    hypotheses=(*SEQUENTIAL, AGREE), conditions=(TASKS_WELL_CONDITIONED, CONTRACTS), figure=cycle_errors,
    control=Control("another metric: the limit is not the nearest", 1e-3, {"optimizer": _weighted}),
)  # fmt: skip


# -- two tasks at an angle -----------------------------------------------------------------------

VISITS = (2, 4, 6)


def two_planes(angle: float, rng: Rng, visits: int) -> Setting:
    """X_m = I − v_mv_mᵀ, v₁ and v₂ unit vectors at ``angle``; the start is off the solution by v₁."""
    d = 4
    V, _ = np.linalg.qr(rng.standard_normal((d, 2)))
    v = [V[:, 0], np.cos(angle) * V[:, 0] + np.sin(angle) * V[:, 1]]
    w = rng.standard_normal(d)
    pair = [Regression(X, X @ w) for X in (np.eye(d) - np.outer(u, u) for u in v)]
    return Setting(Tasks(pair * (visits // 2)), Linear(), GradientDescent(0.9 * d), w + v[0])


def _angles(rng: Rng) -> dict[str, Setting]:
    """For each number of visits k, a random angle and the one of the most forgetting, tan²θ = 1/(k − 1)."""
    settings = {}
    for k in VISITS:
        settings[f"k = {k}, any angle"] = two_planes(float(rng.uniform(0.2, 1.3)), rng, k)
        settings[f"k = {k}, the worst"] = two_planes(float(np.arctan(1 / np.sqrt(k - 1))), rng, k)
    return settings


def cosine(setting: Setting) -> float:
    """cos θ of the null directions of the two tasks."""
    v = [np.linalg.svd(p.X)[2][-1] for p in setting.problem.problems[:2]]
    return float(abs(v[0] @ v[1]))


def forgetting(runs: dict[str, Run]) -> Evidence:
    """The mean over both tasks of ‖X_m e_k‖², beside ½(cos^{k−1}θ sin θ)² and, at the worst angle, its maximum."""
    seen, expected = [], []
    for label, run in runs.items():
        k, d = len(run.parts), run.w.size
        seen.append(2 * d * float(run.history["losses"][-1, :2].mean()))  # the loss is ‖X_m e‖²/(2d)
        c2 = cosine(run.setting) ** 2
        worst = (1 - 1 / k) ** (k - 1) / (2 * k)
        expected.append(worst if label.endswith("the worst") else 0.5 * c2 ** (k - 1) * (1 - c2))
    return Evidence(seen, expected, {"seen": seen, "theory": expected, "ylabel": "forgetting"})


AT_AN_ANGLE = Hypothesis(
    "there are two tasks in turn, X_m = I − v_mv_mᵀ, and the start is off their solution by a unit vector along v₁",
    lambda s: (
        all(
            np.allclose(p.X @ p.X, p.X) and np.isclose(np.trace(p.X), len(p.X) - 1)
            for p in s.problem.problems
        )
        and np.isclose(np.linalg.norm(s.w0 - joint(s.problem).least_squares), 1.0)
        and s.problem.problems[0].is_least(s.w0)
    ),
)

two_task_forgetting = Theorem(
    id="two-task-forgetting", family="linear", kind="exact", source="evron2022catastrophic",
    claim="k visits to two tasks at angle θ forget ½(cos^{k−1}θ sin θ)², at worst (1 − 1/k)^{k−1}/(2k).",
    settings=_angles, measure=forgetting, run={"stop": Stop(loss=1e-28)}, bound=1e-11,
    hypotheses=(*SEQUENTIAL, AT_AN_ANGLE), figure=figures.entries,
    control=Control("another metric projects obliquely", 1e-4, {"optimizer": _weighted}),
)  # fmt: skip
