"""Two wide layers whose network map moves by itself, between the lazy and the rich regime."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixCompletion, MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.networks import TWO_LAYERS, UNIT_FLOW
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng

# -- the draws -------------------------------------------------------------------------------------


def orthogonal_layers(rng: Rng, d_in: int, h: int, d_out: int, c: float) -> tuple[np.ndarray, np.ndarray]:
    """W₁ = √c O₁, W₂ = √c O₂ᵀ with [O₁ O₂] (h, d_in + d_out) of orthonormal columns."""
    O = orthonormal(h, d_in + d_out, rng)  # noqa: E741 (the page's name)
    return np.sqrt(c) * O[:, :d_in], np.sqrt(c) * O[:, d_in:].T


def _two_losses(rng: Rng) -> dict[str, Setting]:
    """A regression on inputs that are not white, and a completion."""
    problems = {
        "regression": MatrixRegression(rng.standard_normal((6, 3)), rng.standard_normal((6, 2))),
        "completion": MatrixCompletion(
            rng.standard_normal((2, 3)), [[True, True, False], [False, True, True]]
        ),
    }
    return {
        label: Setting(
            problem,
            DeepLinear((3, 7, 2)),
            GradientFlow(),
            orthogonal_layers(rng, 3, 7, 2, rng.uniform(0.2, 0.8)),
        )
        for label, problem in problems.items()
    }


def _unequal(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    return 2 * setting.theta0[0], setting.theta0[1] / 2


# -- the closed equation -----------------------------------------------------------------------------


def layer_scale(setting: Setting) -> float:
    """c = ‖W₁‖_F‖W₂‖_F/√(d_in d_out)."""
    W1, W2 = setting.theta0
    return float(np.linalg.norm(W1) * np.linalg.norm(W2) / np.sqrt(W1.shape[1] * W2.shape[0]))


def root(S: np.ndarray, c: float) -> np.ndarray:
    """√(S + c²I) of symmetric positive matrices (…, d, d)."""
    values, vectors = np.linalg.eigh(S)
    R: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0) + c**2)[..., None, :]) @ np.swapaxes(
        vectors, -1, -2
    )
    return R


def own_curve(setting: Setting, times: np.ndarray) -> np.ndarray:
    """A(t) of Ȧ = −(√(AAᵀ + c²I) G + G √(AᵀA + c²I)), G = ∇L(A), integrated by itself from W₂W₁."""
    from scipy.integrate import solve_ivp

    c, shape = layer_scale(setting), setting.w0.shape

    def velocity(t: float, a: np.ndarray) -> np.ndarray:
        A = a.reshape(shape)
        G = setting.problem.gradient(A)
        return -(root(A @ A.T, c) @ G + G @ root(A.T @ A, c)).ravel()

    path = solve_ivp(
        velocity, (0, times[-1]), setting.w0.ravel(), "DOP853", times, rtol=1e-11, atol=1e-13
    ).y.T
    return np.asarray(path.reshape(-1, *shape))


def closure(runs: dict[str, Run]) -> Evidence:
    """W₁ᵀW₁ and W₂W₂ᵀ against √(AᵀA + c²I) and √(AAᵀ + c²I), A against its own equation: relative, the worst."""
    worst, detail = [], {}
    for run in runs.values():
        setting, t, A = run.setting, run.history["time"], run.history["w"]
        W1, W2 = setting.layout.split(run.history["theta"])
        c, At = layer_scale(setting), np.swapaxes(A, -1, -2)
        own = own_curve(setting, t)
        pairs = (
            (np.swapaxes(W1, -1, -2) @ W1, root(At @ A, c)),
            (W2 @ np.swapaxes(W2, -1, -2), root(A @ At, c)),
            (A, own),
        )
        worst += [np.max(np.abs(seen - theory)) / np.max(np.abs(theory)) for seen, theory in pairs]
        detail = detail or {"x": t, "seen": A.reshape(len(t), -1), "theory": own.reshape(len(t), -1)}
    return Evidence(np.array(worst), 0.0, detail | {"axes": ("time", "entries of W", "")})


ORTHOGONAL_LAYERS = Hypothesis(
    "W₁ᵀW₁ = cI, W₂W₂ᵀ = cI and W₂W₁ = 0",
    lambda s: np.linalg.norm(_stacked(s) / layer_scale(s) - np.eye(len(_stacked(s)))) <= 1e-12,
)


def _stacked(setting: Setting) -> np.ndarray:
    """P = QQᵀ, Q = [W₁ᵀ; W₂]."""
    Q = np.concatenate([setting.theta0[0].T, setting.theta0[1]])
    return np.asarray(Q @ Q.T)


mixed_dynamics = Theorem(
    id="mixed-dynamics", family="deep", kind="exact", source="tu2024mixed",
    claim="From wide orthogonal layers the network map obeys an equation of its own, on any data, lazy to rich.",
    settings=_two_losses, measure=closure, bound=1e-8, figure=figures.along, hypotheses=(TWO_LAYERS, UNIT_FLOW, ORTHOGONAL_LAYERS),
    run={"stop": Stop(time=6), "save": Save(at=np.linspace(0, 6, 25), fields=("w", "theta")), "rtol": 1e-11},
    control=Control("W₁ doubled and W₂ halved", 1e-2, {"init": _unequal}),
)  # fmt: skip
