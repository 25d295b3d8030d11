"""∇R(w) − ∇R(w₀) ∈ range(Xᵀ), by which a regulariser is read off solutions; and what it says of mixed samples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from ...discovery import has_potential
from ...discovery.families import slopes_of
from ...dynamics import Run, Setting, Stop
from ...geometry import Hypentropy, Mahalanobis, Power
from ...models import Balanced, Diagonal, Hadamard, Linear, PowerPropagation
from ...optimizers import (
    AdaGrad,
    GradientFlow,
    MirrorDescent,
    PreconditionedFlow,
    PreconditionedGradientDescent,
)
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, NO_DECAY, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression, inputs_with_spectrum
from .solutions import samples_of

IDENTITY = 1e-7
SCALE, DEPTH, POWER = 0.5, 3, 3.0
COUPLED = np.eye(12) + 0.4 * (np.eye(12, k=1) + np.eye(12, k=-1))
"""A preconditioner that mixes neighbours."""


def cosh_squared(w: np.ndarray) -> np.ndarray:
    """P = 1/ρ″ of ρ′ = tanh."""
    return np.cosh(w) ** 2


def _five_flows(rng: Rng) -> dict[str, Setting]:
    """Products, a deep diagonal network, powers, and a metric that moves with w and one that does not."""
    X, w0 = rng.standard_normal((5, 12)), rng.uniform(0.2, 1.0, 12)
    problem = Regression(X, X @ (w0 * np.exp(0.4 * rng.standard_normal(12))))
    u = w0 * rng.uniform(0.5, 1.0, 12) + 1
    return {
        "product": Setting(problem, Hadamard(), GradientFlow(), np.stack([u, w0 / u])),
        "deep": Setting(problem, Diagonal(DEPTH), GradientFlow(), Balanced(SCALE)),
        "power": Setting(problem, PowerPropagation(POWER), GradientFlow(), w0 ** (1 / POWER)),
        "metric": Setting(problem, Linear(), PreconditionedFlow(cosh_squared), w0),
        "matrix": Setting(problem, Linear(), PreconditionedFlow(COUPLED), w0),
    }


def mirror_map(label: str, theta0: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """∇R of each flow, as the page has it."""
    if label == "product":
        return Hypentropy(np.log(np.abs(theta0[0] ** 2 - theta0[1] ** 2) / 2)).gradient
    named: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "deep": Hypentropy(np.log(2 * SCALE**DEPTH), DEPTH).gradient, "power": partial(slopes_of, Power(POWER)),
        "metric": np.tanh, "matrix": Mahalanobis(np.linalg.inv(COUPLED)).gradient,
    }  # fmt: skip
    return named[label]


def shares_outside(runs: dict[str, Run]) -> Evidence:
    """‖N v‖/‖v‖ with v = ∇R(w∞) − ∇R(w₀), N = I − X⁺X, of each flow."""
    shares = []
    for label, run in runs.items():
        setting, gradient = run.setting, mirror_map(label, run.setting.theta0)
        v = gradient(run.w) - gradient(setting.w0)
        shares.append(float(samples_of([run]).share(v[None])[0]))
    detail = {
        "seen": np.maximum(shares, 1e-18), "theory": np.full(len(shares), IDENTITY),
        "axes": ("flow", "share of ∇R outside range(Xᵀ)", "y"),
    }  # fmt: skip
    return Evidence(shares, np.zeros(len(shares)), detail)


def _has_potential(setting: Setting) -> bool:
    """Gradient flow on coordinates of their own, or a metric P⁻¹ that is a Hessian at the start."""
    optimizer = setting.optimizer
    if isinstance(optimizer, PreconditionedFlow):
        return has_potential(optimizer.P, points=setting.w0[None]).holds
    return isinstance(optimizer, GradientFlow) and isinstance(
        setting.model, Hadamard | Diagonal | PowerPropagation
    )


FLOW_WITH_POTENTIAL = Hypothesis("it is a flow ẇ = −(∇²R(w))⁻¹∇L", _has_potential)

row_space_identity = Theorem(
    id="row-space-identity", family="design", kind="exact", source="amari1998natural",
    claim="Flows of products, powers and preconditioners end where ∇R(w) − ∇R(w₀) is a combination of the samples.",
    settings=_five_flows, measure=shares_outside, bound=IDENTITY, figure=figures.points,
    run={"stop": Stop(loss=1e-20)}, conditions=(WELL_CONDITIONED,),
    hypotheses=(SQUARE_LOSS, FLOW_WITH_POTENTIAL, NO_DECAY, CONVERGED),
    control=Control("AdaGrad: coordinates are scaled by their own past", 0.1, {"optimizer": AdaGrad(0.3)}),
)  # fmt: skip


# -- the same solution for every mixture of the samples ---------------------------------------------

MIXED = ", mixed"
INVARIANCE = 1e-8


def _with_mixed_samples(rng: Rng) -> dict[str, Setting]:
    """Each method on (X, y) and on (AX, Ay), A in random bases with singular values ½ to 2."""
    problem, w0 = gaussian_regression(rng, 5, 12), rng.standard_normal(12)
    A = inputs_with_spectrum(rng, 5, 5, np.linspace(0.5, 2, 5) ** 2 / 5)
    settings: dict[str, Setting] = {}
    for mark, data in (("", problem), (MIXED, Regression(A @ problem.X, A @ problem.y))):
        step = 0.2 / data.smoothness
        mirror, matrix = MirrorDescent(Hypentropy(-1.0), step), PreconditionedGradientDescent(COUPLED, step)
        settings |= {
            "mirror" + mark: Setting(data, Linear(), mirror, w0),
            "matrix" + mark: Setting(data, Linear(), matrix, w0),
            "product" + mark: Setting(data, Hadamard(), GradientFlow(), Balanced(SCALE)),
        }
    return settings


def moved_by_mixing(runs: dict[str, Run]) -> Evidence:
    """‖w∞(AX, Ay) − w∞(X, y)‖/‖w∞(X, y)‖ of each method."""
    names = [label for label in runs if not label.endswith(MIXED)]
    w, mixed = (np.array([runs[name + mark].w for name in names]) for mark in ("", MIXED))
    moved = np.linalg.norm(mixed - w, axis=1) / np.linalg.norm(w, axis=1)
    detail = {"seen": mixed[0], "theory": w[0], "ylabel": "w of mixed samples"}
    return Evidence(moved, np.zeros(len(names)), detail)


def _names_a_potential(setting: Setting) -> bool:
    optimizer, model = setting.optimizer, setting.model
    if isinstance(model, Linear):
        return optimizer.row_potential is not None
    return (
        isinstance(optimizer, GradientFlow) and model.mirror_form(optimizer, setting.theta0, {}) is not None
    )


NAMES_A_POTENTIAL = Hypothesis("the method selects by a potential, which it names", _names_a_potential)

invariance_under_mixing = Theorem(
    id="invariance-under-mixing", family="design", kind="exact", source="gunasekar2018geometry",
    claim="A method with a potential selects the same solution for every mixture (AX, Ay) of the samples.",
    settings=_with_mixed_samples, measure=moved_by_mixing, bound=INVARIANCE, figure=figures.entries,
    run={"stop": Stop(loss=1e-24)}, conditions=(WELL_CONDITIONED,),
    hypotheses=(SQUARE_LOSS, NAMES_A_POTENTIAL, NO_DECAY, CONVERGED),
    control=Control("AdaGrad: which mixtures were given matters", 1e-2, {"optimizer": AdaGrad(0.3)}),
)  # fmt: skip
