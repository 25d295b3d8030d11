"""What the end-to-end matrix of balanced layers does: its flow, its singular values, its speed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...dynamics.oracle import SettingOracle
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixRegression, Regression
from ...selection import EndToEndFlow, Hypothesis
from ...selection.end_to_end import distinct, singular_value_velocities
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import BALANCED, DEEP, UNIT_FLOW, WHITENED
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, inputs_with_spectrum, matrix_with_spectrum

NETWORKS = ((4, 3, 3), (4, 3, 3, 2), (4, 2, 3, 3, 3), (4, 2, 2, 1))


def _networks(rng: Rng) -> dict[str, Setting]:
    """Inputs of unequal eigenvalues; W(0) of the full rank of the layers, with distinct singular values."""
    settings = {}
    for widths in NETWORKS:
        model, X = DeepLinear(widths), inputs_with_spectrum(rng, 6, 4, (1.0, 0.8, 0.5, 0.3))
        Y, s = rng.standard_normal((6, widths[-1])), (1.0, 0.7, 0.4)[: min(widths)]
        problem = MatrixRegression(X, Y) if widths[-1] > 1 else Regression(X, Y[:, 0])
        theta = model.factorize(matrix_with_spectrum(rng, widths[-1], 4, s), rng=rng)
        settings["-".join(map(str, widths))] = Setting(problem, model, GradientFlow(), theta)
    return settings


def _unbalanced(setting: Setting) -> tuple[np.ndarray, ...]:
    first, *between, last = setting.theta0
    return (2 * first, *between, last / 2)


def end_to_end_error(runs: dict[str, Run]) -> Evidence:
    """max ‖W(t) − W_e(t)‖/‖W_e(t)‖ over the runs and their times."""
    seen: list[float] = []
    shown: dict[str, Any] = {}
    for run in runs.values():
        t, W = run.history["time"], run.history["w"].reshape(len(run.history["time"]), -1)
        alone = EndToEndFlow(run.setting, rtol=1e-11)(t).reshape(W.shape)
        seen.append(float(np.max(np.linalg.norm(W - alone, axis=1) / np.linalg.norm(alone, axis=1))))
        shown = shown or {"x": t, "seen": W, "theory": alone, "axes": ("time", "entries of W", "")}
    return Evidence(max(seen), detail=shown)


END = 1.5
TIMES = np.linspace(0, END, 16)

end_to_end_flow = Theorem(
    id="end-to-end-flow", family="deep", kind="exact", source="arora2018acceleration",
    claim="The product W of balanced layers follows a flow of its own, preconditioned by powers of WWᵀ and WᵀW.",
    settings=_networks, measure=end_to_end_error, bound=1e-8, figure=figures.along,
    run={"stop": Stop(time=END), "save": Save(at=TIMES, fields=("w",)), "rtol": 1e-12},
    hypotheses=(DEEP, UNIT_FLOW, NO_DECAY, BALANCED),
    control=Control("the first layer doubled, the last one halved", 1e-4, {"init": _unbalanced}),
)  # fmt: skip


# -- singular values ---------------------------------------------------------------------------------


def end_to_end_change(setting: Setting, theta: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(W, G, Ẇ) as matrices, Ẇ by the product rule from what the flow does to the layers."""
    model, layout = setting.model, setting.layout
    W = model.predictor(theta)
    G = setting.problem.gradient(W)
    ahead = layout.join(theta) - 1e-30j * layout.join(model.pullback(theta, G))
    change = np.imag(model.predictor(layout.split(ahead))) / 1e-30
    return np.atleast_2d(W), np.atleast_2d(G), np.atleast_2d(change)


def singular_value_error(runs: dict[str, Run]) -> Evidence:
    """max |u_rᵀẆv_r + N σ_r^{2 − 2/N}⟨G, u_rv_rᵀ⟩| over N σ_1^{2 − 2/N}‖G‖_F, and σ(t) of the first run."""
    worst = 0.0
    shown: dict[str, Any] = {}
    for run in runs.values():
        N, paths = run.setting.model.depth, []
        for flat in run.history["theta"]:
            W, G, change = end_to_end_change(run.setting, run.setting.layout.split(flat))
            U, s, Vt = np.linalg.svd(W, full_matrices=False)
            seen = np.einsum("ir,ij,rj->r", U, change, Vt)
            law = singular_value_velocities(W, G, N) if distinct(s) else np.full(s.shape, np.nan)
            size = N * s[0] ** (2 - 2 / N) * np.linalg.norm(G)
            worst = float(np.maximum(worst, np.abs(seen - law).max() / size))
            paths.append((seen, law))
        shown = shown or {
            "x": run.history["time"],
            "axes": ("time", "velocities of the singular values", ""),
        } | {name: np.array([pair[i] for pair in paths]) for i, name in enumerate(("seen", "theory"))}
    return Evidence(worst, detail=shown)


DISTINCT = Hypothesis(
    "the singular values of W(0) are distinct",
    lambda s: distinct(np.linalg.svd(np.atleast_2d(s.w0), compute_uv=False)),
    explain=lambda s: f"they are {np.linalg.svd(np.atleast_2d(s.w0), compute_uv=False)}",
)

singular_value_velocity = Theorem(
    id="singular-value-velocity", family="deep", kind="exact", source="arora2019implicit",
    claim="A singular value σ of balanced layers moves with velocity −N σ^{2 − 2/N}⟨∇L(W), uvᵀ⟩, u and v its vectors.",
    settings=_networks, measure=singular_value_error, bound=1e-8, figure=figures.along,
    run={"stop": Stop(time=END), "save": Save(at=TIMES, fields=("theta",)), "rtol": 1e-12},
    hypotheses=(DEEP, UNIT_FLOW, NO_DECAY, BALANCED, DISTINCT),
    control=Control("the first layer doubled, the last one halved", 1e-4, {"init": _unbalanced}),
)  # fmt: skip


# -- speed -------------------------------------------------------------------------------------------

HORIZON = 6.0
SPEEDS = ((3, 3, 3), (3, 3, 3, 3), (4, 3, 3))


def _near_targets(rng: Rng) -> dict[str, Setting]:
    """σ_min(T) = 1 and ‖W(0) − T‖_F = 0.2."""
    settings = {}
    for widths in SPEEDS:
        T, E = matrix_with_spectrum(rng, 3, widths[0], (1.5, 1.2, 1.0)), rng.standard_normal((3, widths[0]))
        model = DeepLinear(widths)
        theta = model.factorize(T + 0.2 * E / np.linalg.norm(E), rng=rng)
        problem = MatrixRegression.whitened(T)
        settings["-".join(map(str, widths))] = Setting(problem, model, GradientFlow(), theta)
    return settings


def margin(setting: Setting) -> float:
    """c = σ_min(T) − ‖W(0) − T‖_F."""
    T = setting.problem.target
    return float(np.linalg.svd(T, compute_uv=False)[-1] - np.linalg.norm(setting.w0 - T))


def speed_quotient(runs: dict[str, Run]) -> Evidence:
    """2m c^{2 − 2/N} t over ln(l(0)/l(t)), the largest at t > 0; m = N for a square W, else 1."""
    worst: list[float] = []
    shown: dict[str, Any] = {}
    for run in runs.values():
        s, t, loss = run.setting, run.history["time"], run.history["loss"]
        N, square = s.model.depth, s.w0.shape[0] == s.w0.shape[1]
        least = 2 * (N if square else 1) * margin(s) ** (2 - 2 / N) * t
        worst.append(float(np.max(least[1:] / np.log(loss[0] / loss[1:]))))
        shown = shown or {"x": t, "seen": loss / loss[0], "theory": np.exp(-least)}
    return Evidence(max(worst), detail=shown | {"axes": ("time", "l(t)/l(0)", "y")})


def _sheared(setting: Setting) -> tuple[np.ndarray, ...]:
    """W_1 → SW_1, W_2 → W_2S⁻¹ with the eigenvalues 6, 1, 1/6 of S: the same W."""
    first, second, *above = setting.theta0
    Q = orthonormal(3, 3, np.random.default_rng(0))
    S = np.array([6.0, 1.0, 1 / 6])
    return ((Q * S) @ Q.T @ first, second @ (Q / S) @ Q.T, *above)


def slow_part(setting: Setting) -> float:
    """The part of ‖W(0) − T‖² that the sheared layers learn at rates ≤ 1/5: modes of JJᵀ, J = ∂W/∂θ."""
    sheared = replace(setting, init=_sheared(setting))
    G = (sheared.w0 - setting.problem.target).ravel()
    basis = np.eye(G.size).reshape(-1, *sheared.w0.shape)
    J = SettingOracle(sheared).pull(np.tile(sheared.start, (G.size, 1)), basis)
    rates, modes = np.linalg.eigh(J @ J.T)
    return float(np.sum((modes[:, rates <= 0.2].T @ G) ** 2) / np.sum(G**2))


MARGIN = Hypothesis("the deficiency margin c = σ_min(T) − ‖W(0) − T‖_F is positive", lambda s: margin(s) > 0)
WIDE = Hypothesis(
    "no hidden layer is narrower than input or output",
    lambda s: min(s.model.widths) == min(s.model.widths[0], s.model.widths[-1]),
)

SEEN_BY_THE_CONTROL = Hypothesis(
    "of two layers, the control learns slowly 1e-3 of ‖W(0) − T‖² at least",
    lambda s: s.model.depth > 2 or slow_part(s) >= 1e-3,
)

deficiency_margin = Theorem(
    id="deficiency-margin", family="deep", kind="bound", source="arora2019convergence",
    claim="From a balanced start at margin c the loss falls at least like exp(−2mc^{2 − 2/N}t), m = N for square W.",
    settings=_near_targets, measure=speed_quotient, bound=1.0, figure=figures.along,
    run={"stop": Stop(time=HORIZON), "save": Save(at=np.linspace(0, HORIZON, 41)), "rtol": 1e-12},
    hypotheses=(WHITENED, DEEP, WIDE, UNIT_FLOW, NO_DECAY, BALANCED, MARGIN), conditions=(SEEN_BY_THE_CONTROL,),
    control=Control("the first layer sheared, the second sheared back", 1.3, {"init": _sheared}),
)  # fmt: skip
