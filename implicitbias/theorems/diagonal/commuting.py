"""Parametrisations whose entries' gradients commute: elementwise products of any depth, from any start."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
from numpy.linalg import norm

from ...dynamics import Setting, Stop
from ...dynamics.charts import jacobian
from ...models import DeepLinear, Diagonal, Hadamard, PowerPropagation
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.products import product_flow_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

# -- what they select ------------------------------------------------------------------------------------


def _unequal_factors(rng: Rng, depth: int, d: int) -> np.ndarray:
    """Sizes around 0.8, 0.5 and 0.2 (or 0.8, 0.7, 0.5, 0.2), up to a tenth, in random order and signs."""
    sizes = np.array([0.2, 0.5, 0.8, 0.7][:depth])[:, None] * rng.uniform(0.9, 1.1, (depth, d))
    return rng.permuted(sizes, axis=0) * rng.choice([-1.0, 1.0], (depth, d))


def _two_depths(rng: Rng) -> dict[str, Setting]:
    problem, d = gaussian_regression(rng, 4, 10), 10
    depths = {"three factors": 3, "four factors": 4}
    starts = {label: _unequal_factors(rng, D, d) for label, D in depths.items()}
    return {
        label: Setting(problem, Hadamard(D), GradientFlow(), starts[label]) for label, D in depths.items()
    }


def _one_slower(setting: Setting) -> GradientFlow:
    """The last factor at half the rate of the others."""
    return GradientFlow(rates=(*(1.0,) * (setting.model.depth - 1), 0.5))


commuting_parametrization = Theorem(
    id="commuting-parametrization", family="diagonal", kind="exact", source="li2022commuting",
    claim="On a product of three or more unequal factors, the flow selects by a potential known from its start.",
    settings=_two_depths, rule=product_flow_rule, run={"stop": Stop(loss=1e-24)}, bound=1e-7,
    control=Control("one factor moves at half the rate of the others", 1e-4, {"optimizer": _one_slower}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


# -- what makes them so -----------------------------------------------------------------------------------

TIME = 0.2


def field(setting: Setting, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
    """(∂w/∂θ)ᵀg, flat; θ may carry a batch axis."""
    pulled = setting.model.pullback(
        setting.layout.split(theta), np.broadcast_to(g, (*theta.shape[:-1], g.size))
    )
    flat: np.ndarray = setting.layout.join(pulled)
    return flat


def largest_bracket(setting: Setting) -> float:
    """max over i < j of ‖[∇w_i, ∇w_j]‖/(‖∇w_i‖‖D∇w_j‖ + ‖∇w_j‖‖D∇w_i‖) at the start, by complex steps."""
    theta, entries = setting.start, np.eye(setting.problem.w_shape[0])
    fields = [field(setting, theta, e) for e in entries]
    slopes = [jacobian(partial(field, setting, g=e), theta) for e in entries]
    worst = 0.0
    for i, j in combinations(range(len(entries)), 2):
        ahead, behind = slopes[i] @ fields[j], slopes[j] @ fields[i]
        size = norm(slopes[i]) * norm(fields[j]) + norm(slopes[j]) * norm(fields[i])
        worst = max(worst, float(norm(ahead - behind) / size))
    return worst


def _move(setting: Setting, gradients: list[np.ndarray]) -> np.ndarray:
    """θ after flowing against each gradient in turn, each for the same time."""
    from scipy.integrate import solve_ivp

    theta = setting.start
    for g in gradients:
        path = solve_ivp(
            lambda t, q, g=g: -field(setting, q, g), (0.0, TIME), theta, "DOP853", rtol=1e-11, atol=1e-13
        )
        theta = path.y[:, -1]
    return theta


def _three_models(rng: Rng) -> dict[str, Setting]:
    """Two gradients, the rows of X, of unit length; d = 6."""
    rows = rng.standard_normal((2, 6))
    problem = Regression(rows / norm(rows, axis=1)[:, None], np.zeros(2))
    models: dict[str, Any] = {
        "θ₁∘θ₂∘θ₃": Hadamard(3),
        "u³ − v³": Diagonal(3),
        "φ|φ|^{3/2}": PowerPropagation(2.5),
    }
    settings = {}
    for label, model in models.items():
        shape = model.shapes(problem)
        start = rng.uniform(0.3, 0.7, shape) * rng.choice([-1.0, 1.0], shape)
        settings[label] = Setting(problem, model, GradientFlow(), start)
    return settings


def order_matters(settings: dict[str, Setting]) -> Evidence:
    """‖θ_ab − θ_ba‖/‖θ_ab − θ₀‖, a and b the two rows of X in either order; the worst of the models."""
    worst: list[float] = []
    detail: dict[str, object] = {}
    for s in settings.values():
        a, b = s.problem.X
        ab, ba = _move(s, [a, b]), _move(s, [b, a])
        worst.append(float(norm(ab - ba) / norm(ab - s.start)))
        moved = [s.predictor(theta) - s.w0 for theta in (ab, ba)]
        detail = detail or {
            "seen": moved[0],
            "theory": moved[1],
            "ylabel": "w − w₀: a, b (dots), b, a (rings)",
        }
    return Evidence(np.array(worst), np.zeros(len(worst)), detail)


def _two_layers(setting: Setting) -> DeepLinear:
    """One hidden layer of two units, shared by all inputs."""
    return DeepLinear((*setting.problem.w_shape, 2, 1))


def _layers(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the same sizes as the setting's own."""
    d = setting.problem.w_shape[0]
    return np.resize(setting.start, (2, d)), np.resize(setting.start[::-1], (1, 2))


COMMUTING = Hypothesis(
    "the Lie brackets of the gradients of w's entries vanish, at a start in general position",
    lambda s: largest_bracket(s) < 1e-12,
)

any_order = Theorem(
    id="gradients-in-any-order", family="diagonal", kind="exact", source="li2022commuting",
    claim="Where the gradients of w's entries commute, one can flow against one and then another in either order.",
    settings=_three_models, measure=order_matters, run=None, bound=1e-8,
    hypotheses=(COMMUTING,),
    control=Control("a layer shared by all entries", 1e-3, {"model": _two_layers, "init": _layers}),
    figure=figures.entries,
)  # fmt: skip
