"""Two layers whose columns start orthonormal, as those of wide random layers nearly are: W alone decides Ẇ."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixCompletion, MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import TWO_LAYERS, UNIT_FLOW
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
    """Inputs that are not white, and entries of a matrix; c from 0.1 to 0.5."""
    d, h, k = WIDTHS
    X = inputs_with_spectrum(rng, 6, d, rng.uniform(0.5, 2, d))
    problems = {
        "regression": MatrixRegression(X, rng.standard_normal((6, k))),
        "completion": MatrixCompletion(rng.standard_normal((k, d)), rng.permutation(k * d).reshape(k, d) < 8),
    }
    theta = _theta(np.sqrt(rng.uniform(0.1, 0.5)) * orthonormal(h, d + k, rng))
    return {name: Setting(p, DeepLinear(WIDTHS), GradientFlow(), theta) for name, p in problems.items()}


def _independent(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Normal entries of the same size, drawn by what the start itself holds."""
    C = columns(setting.theta0)
    rng = np.random.default_rng(C.view(np.uint64).ravel().tolist())
    return _theta(rng.standard_normal(C.shape) * np.linalg.norm(C) / np.sqrt(C.size))


def smoothed(W: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """(WᵀW + c²I)^½ and (WWᵀ + c²I)^½."""
    roots = []
    for gram in (W.T @ W, W @ W.T):
        f, V = np.linalg.eigh(gram)
        roots.append((V * np.sqrt(np.maximum(f, 0.0) + c**2)) @ V.T)
    return roots[0], roots[1]


def closed_dynamics(setting: Setting, c: float, t: np.ndarray) -> np.ndarray:
    """W(t) of Ẇ = −(WWᵀ + c²I)^½G − G(WᵀW + c²I)^½, G = ∇_W L, from W(0)."""
    from scipy.integrate import solve_ivp

    def field(_: float, flat: np.ndarray) -> np.ndarray:
        W = flat.reshape(setting.w0.shape)
        G, (inner, outer) = setting.problem.gradient(W), smoothed(W, c)
        return np.asarray(-outer @ G - G @ inner).ravel()

    path = solve_ivp(field, (t[0], t[-1]), setting.w0.ravel(), "DOP853", t, rtol=1e-11, atol=1e-13)
    return np.asarray(path.y.T.reshape(len(t), *setting.w0.shape))


def off_the_closed_dynamics(runs: dict[str, Run]) -> Evidence:
    """W₁ᵀW₁, W₂W₂ᵀ and W of every run against (WᵀW + c²I)^½, (WWᵀ + c²I)^½ and the closed dynamics, the worst t."""
    off: list[float] = []
    detail: dict[str, Any] = {}
    for run in runs.values():
        C, t, W = columns(run.setting.theta0), run.history["time"], run.history["w"]
        c = float(np.sum(C**2)) / C.shape[1]
        W1, W2 = run.setting.layout.split(run.history["theta"])
        inner, outer = (np.array(M) for M in zip(*(smoothed(w, c) for w in W)))
        exact = closed_dynamics(run.setting, c, t)
        pairs = ((np.swapaxes(W1, 1, 2) @ W1, inner), (W2 @ np.swapaxes(W2, 1, 2), outer), (W, exact))
        for seen, theory in pairs:
            distance, size = (np.linalg.norm(M, axis=(1, 2)) for M in (seen - theory, theory))
            off.append(float(np.max(distance) / np.max(size)))
        detail = {
            "x": t, "seen": W.reshape(len(t), -1), "theory": exact.reshape(len(t), -1),
            "axes": ("time", "entries of W", ""),
        }  # fmt: skip
    return Evidence(np.array(off), 0.0, detail)


def _off_orthonormal(setting: Setting) -> float:
    gram = columns(setting.theta0).T @ columns(setting.theta0)
    c = np.trace(gram) / len(gram)
    return float(np.linalg.norm(gram - c * np.eye(len(gram))) / c)


ORTHONORMAL = Hypothesis(
    "the columns of W₁ and the rows of W₂ are orthogonal, of one length",
    lambda s: _off_orthonormal(s) <= 1e-12,
)

mixed_dynamics = Theorem(
    id="mixed-dynamics", family="deep", kind="exact", source="tu2024mixed",
    claim="Two layers with orthonormal columns move W by itself, lazy where it is small and rich where it is large.",
    settings=_two_problems, measure=off_the_closed_dynamics, bound=1e-8, figure=figures.along,
    run={"stop": Stop(time=5), "save": Save(at=np.linspace(0, 5, 26), fields=("w", "theta")), "rtol": 1e-11},
    hypotheses=(TWO_LAYERS, UNIT_FLOW, NO_DECAY, ORTHONORMAL),
    control=Control("normal entries of the same size", 1e-3, {"init": _independent}),
)  # fmt: skip
