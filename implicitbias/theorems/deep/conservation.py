"""What flows on deep linear networks conserve, and how steps break it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear, MatrixFactorization
from ...optimizers import (
    GradientDescent,
    GradientFlow,
    HeavyBall,
    MomentumFlow,
    PreconditionedGradientDescent,
)
from ...problems import Classification, MatrixCompletion, MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import DEEP, PLAIN_STEP, UNIT_FLOW
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, inputs_with_spectrum, matrix_with_spectrum


def _three_layers(rng: Rng) -> Setting:
    widths = (4, 5, 3, 2)
    problem = MatrixRegression(rng.standard_normal((10, 4)), rng.standard_normal((10, 2)))
    theta = tuple(rng.standard_normal((m, n)) / np.sqrt(n) for n, m in zip(widths, widths[1:]))
    return Setting(problem, DeepLinear(widths), GradientDescent(0.05), theta)


def balancedness_defect(run: Run) -> float:
    """D_j(k+1) − D_j(k) − η²(g_{j+1}ᵀg_{j+1} − g_jg_jᵀ) relative to ‖W_{j+1}‖² + ‖W_j‖², the worst."""
    s, worst = run.setting, 0.0
    path = [s.layout.split(flat) for flat in run.history["theta"]]
    for W, V in zip(path, path[1:]):
        g = s.model.pullback(W, s.problem.gradient(s.model.predictor(W)))
        for j in range(len(W) - 1):
            now, then = (U[j + 1].T @ U[j + 1] - U[j] @ U[j].T for U in (V, W))
            law = s.optimizer.step**2 * (g[j + 1].T @ g[j + 1] - g[j] @ g[j].T)
            worst = max(
                worst,
                np.linalg.norm(now - then - law) / (np.sum(W[j + 1] ** 2) + np.sum(W[j] ** 2)),
            )
    return float(worst)


balancedness_identity = Theorem(
    id="balancedness-identity", family="deep", kind="exact", source="arora2018acceleration",
    claim="A gradient step changes W_{j+1}ᵀW_{j+1} − W_jW_jᵀ by exactly η²(g_{j+1}ᵀg_{j+1} − g_jg_jᵀ).",
    settings=_three_layers, measure=balancedness_defect, bound=1e-13, figure=figures.balancedness,
    run={"stop": Stop(steps=60), "save": Save(every=1, fields=("theta",))}, hypotheses=(DEEP, PLAIN_STEP),
    control=Control("heavy-ball momentum", 1e-6, {"optimizer": lambda s: HeavyBall(s.optimizer.step, 0.5)}),
)  # fmt: skip


# -- along the flow ----------------------------------------------------------------------------------


def _gaussian_layers(rng: Rng, widths: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    return tuple(rng.standard_normal((m, n)) / np.sqrt(n) for n, m in zip(widths, widths[1:]))


def _three_losses(rng: Rng) -> dict[str, Setting]:
    """A regression of two outputs, the exponential loss of two classes, and a completion."""
    X, labels = rng.standard_normal((6, 4)), np.array([1, -1] * 3)
    mask = np.arange(12).reshape(3, 4) % 2 == 0
    problems: dict[str, tuple[Any, tuple[int, ...]]] = {
        "regression": (MatrixRegression(X, rng.standard_normal((6, 2))), (4, 3, 3, 2)),
        "classification": (Classification(X, labels), (4, 3, 2, 1)),
        "completion": (MatrixCompletion(rng.standard_normal((3, 4)), mask), (4, 3, 3, 3)),
    }
    return {
        name: Setting(problem, DeepLinear(widths), GradientFlow(), _gaussian_layers(rng, widths))
        for name, (problem, widths) in problems.items()
    }


def _imbalances(run: Run) -> np.ndarray:
    """The rows (D_1, …, D_{N−1})(t), flat, at the saved times, over ‖θ(0)‖²."""
    s = run.setting
    rows = [s.model.imbalances(s.layout.split(flat)) for flat in run.history["theta"]]
    return np.array([np.concatenate([D.ravel() for D in row]) for row in rows]) / np.sum(s.start**2)


def drift_along(runs: dict[str, Run]) -> Evidence:
    """max ‖D(t) − e^{−2λt}D(0)‖/‖θ(0)‖² over all runs, λ the weight decay; the path of the first for the figure."""
    seen: list[float] = []
    shown: dict[str, Any] = {}
    for run in runs.values():
        D, t = _imbalances(run), run.history["time"]
        law = np.exp(-2 * run.setting.optimizer.weight_decay * t)[:, None] * D[0]
        seen.append(float(np.linalg.norm(D - law, axis=1).max()))
        shown = shown or {"x": t, "seen": D[:, :9], "theory": law[:, :9]}
    return Evidence(max(seen), detail=shown | {"axes": ("time", "entries of D₁/‖θ(0)‖²", "")})


MODERATE = Hypothesis(
    "the exponential loss starts at e³ at most",
    lambda s: not isinstance(s.problem, Classification) or s.problem.log_loss(s.w0) <= 3,
)
ALONG = {"stop": Stop(time=3), "save": Save(at=np.linspace(0, 3, 31), fields=("theta",)), "rtol": 1e-12}

balancedness_conserved = Theorem(
    id="balancedness-conserved", family="deep", kind="exact", source="arora2018acceleration",
    claim="The gradient flow of any loss conserves W_{j+1}ᵀW_{j+1} − W_jW_jᵀ for each pair of adjacent layers.",
    settings=_three_losses, measure=drift_along, run=ALONG, bound=1e-9,
    hypotheses=(DEEP, UNIT_FLOW, NO_DECAY), conditions=(MODERATE,), figure=figures.along,
    control=Control("a flow with momentum", 1e-5, {"optimizer": MomentumFlow(1.0)}),
)  # fmt: skip


def _decayed_losses(rng: Rng) -> dict[str, Setting]:
    flow = GradientFlow(weight_decay=float(rng.uniform(0.1, 0.5)))
    return {name: replace(setting, optimizer=flow) for name, setting in _three_losses(rng).items()}


def _layer_rates(setting: Setting) -> GradientFlow:
    return replace(setting.optimizer, rates=(2.0, 1.0, 1.0))


CONSTANT_DECAY = Hypothesis(
    "weight decay, if any, is constant", lambda s: isinstance(s.optimizer.weight_decay, float)
)

balancedness_decay = Theorem(
    id="balancedness-decay", family="deep", kind="exact", source="arora2018acceleration",
    claim="Weight decay λ shrinks every W_{j+1}ᵀW_{j+1} − W_jW_jᵀ by exactly e^{−2λt}, whatever the loss.",
    settings=_decayed_losses, measure=drift_along, run=ALONG, bound=1e-9,
    hypotheses=(DEEP, UNIT_FLOW, CONSTANT_DECAY), conditions=(MODERATE,), figure=figures.along,
    control=Control("the first layer twice as fast", 1e-5, {"optimizer": _layer_rates}),
)  # fmt: skip


# -- in finite steps ---------------------------------------------------------------------------------

PARTS = (1, 2, 4)
TIME, LONGEST = 2.0, 0.02


def _halved_steps(rng: Rng) -> dict[str, Setting]:
    """Inputs, target and layers whose singular values are of order one, in random bases."""
    model, X = DeepLinear((4, 3, 3, 2)), inputs_with_spectrum(rng, 6, 4, (1.0, 0.8, 0.6, 0.4))
    problem = MatrixRegression(X, X @ matrix_with_spectrum(rng, 4, 2, (2.0, 1.0)))
    theta = tuple(
        matrix_with_spectrum(rng, m, n, rng.uniform(0.5, 1, min(m, n)))
        for n, m in zip(model.widths, model.widths[1:])
    )
    return {f"η/{k}": Setting(problem, model, GradientDescent(LONGEST / k), theta) for k in PARTS}


def drift_order(runs: dict[str, Run]) -> Evidence:
    """The order in η of ‖D(T) − D(0)‖ at a fixed time, extrapolated to η = 0."""
    drift = []
    for run in runs.values():
        pairs = zip(run.setting.model.imbalances(run.theta), run.setting.model.imbalances(run.setting.theta0))
        drift.append(float(np.sqrt(sum(np.sum((now - then) ** 2) for now, then in pairs))))
    steps, slopes = LONGEST / np.array(PARTS), np.log2(np.array(drift[:-1]) / drift[1:])
    theory = drift[-1] * steps / steps[-1]
    axes = ("step η", "‖D(T) − D(0)‖", "xy")
    return Evidence(
        2 * slopes[1] - slopes[0], 1.0, {"x": steps, "seen": np.array(drift), "theory": theory, "axes": axes}
    )


def _faster_first_layer(setting: Setting) -> PreconditionedGradientDescent:
    rates = [np.full(size, 1.0 + (j == 0)) for j, size in enumerate(setting.layout.sizes)]
    return PreconditionedGradientDescent(np.concatenate(rates), setting.optimizer.step)


balancedness_drift = Theorem(
    id="balancedness-drift", family="deep", kind="rate", source="du2018balanced",
    claim="Up to a fixed time gradient descent moves W_{j+1}ᵀW_{j+1} − W_jW_jᵀ by an amount of first order in η.",
    settings=_halved_steps, measure=drift_order, run={"stop": Stop(time=TIME)}, bound=0.05,
    hypotheses=(DEEP, PLAIN_STEP), figure=figures.along,
    control=Control("the first layer twice as fast", 0.5, {"optimizer": _faster_first_layer}),
)  # fmt: skip


# -- how many laws -----------------------------------------------------------------------------------

SHAPES = ((2, 3, 2), (2, 2, 3), (2, 1, 5), (3, 2, 3))


def _factor_shapes(rng: Rng) -> dict[str, Setting]:
    settings = {}
    for n, m, r in SHAPES:
        problem = MatrixRegression.whitened(rng.standard_normal((n, m)))
        theta = rng.standard_normal((n, r)), rng.standard_normal((m, r))
        settings[f"{n}×{m}, r = {r}"] = Setting(problem, MatrixFactorization(r), GradientFlow(), theta)
    return settings


def flow_fields(setting: Setting) -> list[np.ndarray]:
    """The matrices S of θ̇ = Sθ for the gradients G = 0 and all units: what a flow can do to θ, whatever the loss."""
    layout, model, flow = setting.layout, setting.model, setting.optimizer
    units = layout.split(np.eye(layout.size))

    def field(G: np.ndarray) -> np.ndarray:
        pulled = layout.join(model.pullback(units, G)) + flow.weight_decay * np.eye(layout.size)
        return np.asarray(flow.velocity(np.eye(layout.size), pulled, layout).T)

    shape = setting.problem.w_shape
    rest = field(np.zeros(shape))
    return [rest, *(field(G.reshape(shape)) - rest for G in np.eye(int(np.prod(shape))))]


def _independent(fields: list[np.ndarray]) -> list[np.ndarray]:
    """An orthonormal basis of their span."""
    _, s, Vt = np.linalg.svd(np.array([S.ravel() for S in fields]), full_matrices=False)
    return [v.reshape(fields[0].shape) for v in Vt[s > 1e-9 * s[0]]]


def lie_algebra(fields: list[np.ndarray]) -> list[np.ndarray]:
    """A basis of the smallest space of matrices that holds ``fields`` and all commutators of its elements."""
    basis: list[np.ndarray] = []
    more = _independent(fields)
    while len(more) > len(basis):
        basis = more
        more = _independent([*basis, *(A @ B - B @ A for A in fields for B in basis)])
    return basis


def law_counts(settings: dict[str, Setting]) -> Evidence:
    """Independent entries of D at θ(0), and dimensions that the Lie algebra of the flow leaves free there."""
    seen, expected = [], []
    for setting in settings.values():
        (U, V), model, layout = setting.theta0, setting.model, setting.layout
        steps = layout.split(setting.start + 1e-30j * np.eye(layout.size))
        gradients = np.imag(model.imbalances(steps)[0]).reshape(layout.size, -1) / 1e-30
        reached = np.array([S @ setting.start for S in lie_algebra(flow_fields(setting))])
        seen += [np.linalg.matrix_rank(gradients), layout.size - np.linalg.matrix_rank(reached)]
        rank = np.linalg.matrix_rank(np.vstack([U, V]))
        expected += [rank * (2 * U.shape[1] + 1 - rank) // 2] * 2
    axes = ("laws of D, then laws in all, of each shape", "number", "")
    return Evidence(seen, expected, {"seen": np.array(seen), "theory": np.array(expected), "axes": axes})


UNTIED = Hypothesis(
    "the model is an untied MatrixFactorization",
    lambda s: isinstance(s.model, MatrixFactorization) and not s.model.tied,
)

conservation_law_count = Theorem(
    id="conservation-law-count", family="deep", kind="exact", source="marcotte2023abide",
    claim="The entries of UᵀU − VᵀV are rk(2r + 1 − rk)/2 independent laws of the flow of UVᵀ, and all it has.",
    settings=_factor_shapes, measure=law_counts, run=None, bound=0.0, hypotheses=(UNTIED, UNIT_FLOW, NO_DECAY),
    control=Control("weight decay, which leaves only ratios", 0.5, {"optimizer": GradientFlow(weight_decay=0.1)}),
    figure=figures.points, instances=1,
)  # fmt: skip
