"""Starts of u∘v of any shape: between one factor alone and two equal ones."""

from __future__ import annotations

import numpy as np

from ...dynamics import Setting, Stop
from ...models import Diagonal, Hadamard
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection.rules.diagonal import hypentropy_flow_rule
from ...selection.rules.equal_factors import equal_factors_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

SHAPES = (1e-8, 0.3, 2.0)
TENTH_RATE = GradientFlow(rates=(1.0, 0.1))


def _three_shapes(rng: Rng) -> dict[str, Setting]:
    """u₀ = a e^b, v₀ = ±a e^{−b} with random a and signs, at three shapes b: the same w₀ = ±a² for all."""
    drawn, d = gaussian_regression(rng, 4, 10), 10
    problem = Regression(drawn.X, 3 * drawn.y)
    size, turn = np.exp(rng.uniform(-1.0, 0.0, d)), rng.choice([-1.0, 1.0], (2, d))
    starts = {f"b = {b:g}": turn * size * np.exp([[b], [-b]]) for b in SHAPES}
    return {label: Setting(problem, Hadamard(), GradientFlow(), start) for label, start in starts.items()}


start_shape = Theorem(
    id="start-shape", family="diagonal", kind="exact", source="azulay2021shape",
    claim="From any start of u∘v, the flow selects by the hyperbolic entropy of |u₀² − v₀²|/2, shifted to u₀∘v₀.",
    settings=_three_shapes, rule=hypentropy_flow_rule, run={"stop": Stop(loss=1e-26)}, bound=1e-8,
    control=Control("v moves at a tenth of the rate: u² − 10v² is conserved", 1e-5, {"optimizer": TENTH_RATE}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


def _frozen_signs(rng: Rng) -> dict[str, Setting]:
    """u₀ = ±v₀ in u∘v, and one of the two factors zero in u² − v²; Xw = y has a solution of the same signs."""
    d = 10
    w0 = np.exp(rng.uniform(-2.0, 0.0, d)) * rng.choice([-1.0, 1.0], d)
    X, root = rng.standard_normal((4, d)), np.sqrt(np.abs(w0))
    problem = Regression(X, X @ (w0 * np.exp(2 * rng.standard_normal(d))))
    equal, one = np.stack([root, np.sign(w0) * root]), np.stack([root * (w0 > 0), root * (w0 < 0)])
    return {
        "u∘v": Setting(problem, Hadamard(), GradientFlow(), equal),
        "u² − v²": Setting(problem, Diagonal(2), GradientFlow(), one),
    }


equal_factors = Theorem(
    id="equal-factors-entropy", family="diagonal", kind="exact", source="azulay2021shape",
    claim="With equal factors the signs of u∘v are frozen, and the flow selects by relative entropy.",
    settings=_frozen_signs, rule=equal_factors_rule, run={"stop": Stop(loss=1e-26), "rtol": 1e-12}, bound=1e-8,
    control=Control("v moves at a tenth of the rate: the factors separate", 1e-4, {"optimizer": TENTH_RATE}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip
