"""Two layers whose columns start orthonormal, as those of wide random layers nearly are: W alone decides Ẇ."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixCompletion, MatrixRegression
from ...selection import MixedFlow
from ...selection.mixed import smoothed
from ...selection.rules.without_layers import mixed_flow_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, inputs_with_spectrum

WIDTHS = (3, 9, 4)


def columns(theta: Any) -> np.ndarray:
    """[W₁ W₂ᵀ] (h, d_in + d_out)."""
    W1, W2 = theta
    return np.hstack([W1, W2.T])


def _theta(C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return C[:, : WIDTHS[0]], C[:, WIDTHS[0] :].T


def _two_problems(rng: Rng) -> dict[str, Setting]:
    """Inputs that are not white, from W(0) = 0, and entries of a matrix, from a W(0) ≠ 0; c from 0.1 to 0.5."""
    d, h, k = WIDTHS
    X = inputs_with_spectrum(rng, 6, d, rng.uniform(0.5, 2, d))
    problems = {
        "regression": MatrixRegression(X, rng.standard_normal((6, k))),
        "completion": MatrixCompletion(rng.standard_normal((k, d)), rng.permutation(k * d).reshape(k, d) < 8),
    }
    c, Q = rng.uniform(0.1, 0.5), orthonormal(h, d + k, rng)
    starts = {"regression": np.zeros((k, d)), "completion": 0.5 * rng.standard_normal((k, d))}
    return {
        name: Setting(p, DeepLinear(WIDTHS), GradientFlow(), _theta(Q @ _root_of_gram(starts[name], c)))
        for name, p in problems.items()
    }


def _root_of_gram(W: np.ndarray, c: float) -> np.ndarray:
    """The root of [[(WᵀW + c²I)^½, Wᵀ], [W, (WWᵀ + c²I)^½]], the Gram matrix of [W₁ W₂ᵀ]."""
    inner, outer = smoothed(W, c)
    f, V = np.linalg.eigh(np.block([[inner, W.T], [W, outer]]))
    return np.asarray((V * np.sqrt(f)) @ V.T)


def _independent(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Normal entries of the same size, drawn by what the start itself holds."""
    C = columns(setting.theta0)
    rng = np.random.default_rng(C.view(np.uint64).ravel().tolist())
    return _theta(rng.standard_normal(C.shape) * np.linalg.norm(C) / np.sqrt(C.size))


def off_the_closed_dynamics(runs: dict[str, Run]) -> Evidence:
    """W₁ᵀW₁, W₂W₂ᵀ and W of every run against their roots of it and MixedFlow, the worst t."""
    off: list[float] = []
    detail: dict[str, Any] = {}
    for run in runs.values():
        t, W = run.history["time"], run.history["w"]
        flow = MixedFlow(run.setting, rtol=1e-11)
        W1, W2 = run.setting.layout.split(run.history["theta"])
        inner, outer = (np.array(M) for M in zip(*(smoothed(w, flow.c) for w in W)))
        exact = flow(t)
        pairs = ((np.swapaxes(W1, 1, 2) @ W1, inner), (W2 @ np.swapaxes(W2, 1, 2), outer), (W, exact))
        for seen, theory in pairs:
            distance, size = (np.linalg.norm(M, axis=(1, 2)) for M in (seen - theory, theory))
            off.append(float(np.max(distance) / np.max(size)))
        detail = {
            "x": t, "seen": W.reshape(len(t), -1), "theory": exact.reshape(len(t), -1),
            "axes": ("time", "entries of W", ""),
        }  # fmt: skip
    return Evidence(np.array(off), 0.0, detail)


mixed_dynamics = Theorem(
    id="mixed-dynamics", family="deep", kind="exact", source="tu2024mixed",
    claim="Two layers with orthonormal columns move W by itself, lazy where it is small and rich where it is large.",
    settings=_two_problems, measure=off_the_closed_dynamics, bound=1e-8, figure=figures.along,
    run={"stop": Stop(time=5), "save": Save(at=np.linspace(0, 5, 26), fields=("w", "theta")), "rtol": 1e-11},
    hypotheses=mixed_flow_rule.hypotheses,
    control=Control("normal entries of the same size", 1e-3, {"init": _independent}),
)  # fmt: skip
