"""Homogeneous networks on separable data: the smoothed margin, and stationarity for the margin of ℓ_{2/D}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...dynamics.oracle import SettingOracle
from ...models import Balanced, DeepLinear, Diagonal, Hadamard, LinearConvolution
from ...models.convolution import spectrum
from ...optimizers import GradientFlow, PreconditionedFlow
from ...selection import Hypothesis, max_margin
from ...selection.rules.classification import CLASSIFICATION, CLASSIFIED, SEPARABLE
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import UNIT_FLOW
from ..base import Control, Evidence, Sample, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification

FIELDS = Save(every=1, fields=("theta", "w", "log_loss"))


def misalignment(run: Run, tangent: Callable[[Run], np.ndarray], start: float) -> Evidence:
    """D ∫ tan²∠ d ln‖θ‖ over ln(γ̃/γ̃₀), γ̃ = ℓ/‖θ‖^D, the largest along the run from ℓ = −ln(nL) = ``start`` on."""
    n, D = run.setting.problem.n, run.setting.model.depth
    margin = -np.log(n) - run.history["log_loss"]
    late = margin >= start
    theta = run.history["theta"].reshape(len(late), -1)
    size = np.log(np.linalg.norm(theta, axis=1))[late]
    gain = np.log(margin[late]) - D * size
    tan2 = tangent(run)[late]
    lhs = D * np.cumsum((tan2[1:] + tan2[:-1]) / 2 * np.diff(size))
    rhs = gain[1:] - gain[0]
    seen = lhs > 1e-6  # below, both sides are rounding
    quotient = np.where(rhs > 0, lhs / np.where(rhs > 0, rhs, 1.0), np.inf)[seen]
    detail = {"size": size[1:] - size[0], "lhs": lhs, "rhs": np.where(rhs > 0, rhs, np.nan)}
    return Evidence(np.max(quotient) if quotient.size else np.nan, 0.0, detail)


def _figure(claim: Sample, control: Sample, ax: Any) -> Any:
    """The integral and what bounds it, for the first setting."""
    detail, other = claim.evidence.detail, control.evidence.detail
    artists = plotting.curve(other["size"], other["lhs"], ax, color=plotting.CONTROL, lw=0.8, label="control")
    return artists + plotting.bound(
        detail["size"], detail["lhs"], detail["rhs"], ax, log="y",
        xlabel="ln(‖θ‖/‖θ₀‖)", ylabel="D ∫ tan²∠ d ln‖θ‖", names=("simulation", "ln(γ̃/γ̃₀)"),
    )  # fmt: skip


# -- θ and its gradient ----------------------------------------------------------------------------


def _three_factors(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_classification(rng, 5, 8)
    layers = tuple(0.7 * rng.standard_normal(shape) for shape in ((3, 8), (3, 3), (1, 3)))
    factors = 0.7 * rng.standard_normal((3, 8))
    return {
        "layers": Setting(problem, DeepLinear((8, 3, 3, 1)), GradientFlow(), layers),
        "products": Setting(problem, Hadamard(3), GradientFlow(), factors),
    }


def to_gradient(run: Run) -> np.ndarray:
    """tan²∠(θ, −∇L) at the saved moments."""
    oracle, problem, w = SettingOracle(run.setting), run.setting.problem, run.history["w"]
    theta = run.history["theta"].reshape(len(w), -1)
    g = np.array([oracle.pull(x, problem.log_gradient(v)) for x, v in zip(theta, w)])
    cos2 = np.sum(theta * g, axis=1) ** 2 / (np.sum(theta**2, axis=1) * np.sum(g**2, axis=1))
    return np.asarray(1 / cos2 - 1)


def alignment_bound(runs: dict[str, Run]) -> Evidence:
    """The worst of the models; the figure shows the first."""
    seen = [misalignment(run, to_gradient, 30.0) for run in runs.values()]
    return Evidence(np.array([e.measured for e in seen]), 0.0, seen[0].detail)


margin_alignment = Theorem(
    id="margin-alignment", family="classification", kind="bound", source="ji2020directional",
    claim="Along the flow of a homogeneous network the smoothed margin pays for every angle of θ and −∇L.",
    settings=_three_factors, measure=alignment_bound, bound=1.01, instances=2, figure=_figure,
    hypotheses=(CLASSIFICATION, UNIT_FLOW, NO_DECAY, EXPONENTIAL, SEPARABLE, CLASSIFIED),
    run={"stop": Stop(margin=1e3), "save": FIELDS, "rtol": 1e-7},
    control=Control("the last factor moves at a tenth of the rate", 3.0, {"optimizer": GradientFlow((1.0, 1.0, 0.1))}),
)  # fmt: skip


# -- w and the quasi-norm of its depth -------------------------------------------------------------

DEPTH = 3


def _diagonal(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 6, 12), Diagonal(DEPTH), GradientFlow(), Balanced(1.0))


def spread(w: np.ndarray, q: np.ndarray, inner: np.ndarray, depth: int) -> np.ndarray:
    """Σ|w|^{2/D} Σ|w|^{2−2/D}|q|²/⟨w, q⟩² − 1: zero where q is parallel to ∇Σ|w|^{2/D} on the support."""
    r = np.abs(w)
    sizes = np.sum(r ** (2 / depth), axis=-1) * np.sum(r ** (2 - 2 / depth) * np.abs(q) ** 2, axis=-1)
    return np.asarray(sizes / inner**2 - 1)


def to_quasi_norm(run: Run) -> np.ndarray:
    """The spread of w and q = Zᵀp along the run."""
    w = run.history["w"]
    q = -run.setting.problem.log_gradient(w)
    return spread(w, q, np.sum(w * q, axis=-1), DEPTH)


def _unequal(setting: Setting) -> bool:
    w = max_margin(setting.problem, 1).w
    return bool(spread(w, np.sign(w), np.sum(np.abs(w)), DEPTH) >= 0.05)


DEPTH_THREE = Hypothesis("the model is Diagonal(3)", lambda s: s.model == Diagonal(DEPTH))
UNEQUAL_ENTRIES = Hypothesis(
    "the ℓ1 solution is no stationary point of ℓ_{2/3}: its spread is ≥ 0.05", _unequal
)

depth_sparse_margin = Theorem(
    id="depth-sparse-margin", family="classification", kind="bound", source="gunasekar2018convolutional",
    claim="On u³ − v³ the flow tends to stationarity for the ℓ_{2/3} margin, within an explicit budget.",
    settings=_diagonal, measure=lambda run: misalignment(run, to_quasi_norm, 300.0), bound=1.01, figure=_figure,
    hypotheses=(CLASSIFICATION, DEPTH_THREE, UNIT_FLOW, NO_DECAY, EXPONENTIAL, SEPARABLE, CLASSIFIED),
    run={"stop": Stop(margin=1e6), "save": FIELDS, "rtol": 1e-8}, conditions=(UNEQUAL_ENTRIES,),
    control=Control("depth two, which selects by ℓ1", 2.0, {"model": Diagonal(2)}),
)  # fmt: skip


# -- Fw and the quasi-norm of its depth ------------------------------------------------------------


def _filters(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_classification(rng, 6, 11)
    return {
        f"{D} filters": Setting(
            problem, LinearConvolution(D), GradientFlow(), tuple(0.7 * rng.standard_normal((D, 11)))
        )
        for D in (2, 3)
    }


def to_fourier_norm(run: Run) -> np.ndarray:
    """The spread of Fw and Fq along the run."""
    w = run.history["w"]
    q = -run.setting.problem.log_gradient(w)
    return spread(spectrum(w), spectrum(q), np.sum(w * q, axis=-1), run.setting.model.depth)


def fourier_budget(runs: dict[str, Run]) -> Evidence:
    """The worst of the two depths; the figure shows the first."""
    seen = [misalignment(run, to_fourier_norm, 300.0) for run in runs.values()]
    return Evidence(np.array([e.measured for e in seen]), 0.0, seen[0].detail)


CONVOLUTION = Hypothesis("the model is LinearConvolution", lambda s: isinstance(s.model, LinearConvolution))

fourier_margin_flow = Theorem(
    id="fourier-margin-flow", family="classification", kind="bound", source="gunasekar2018convolutional",
    claim="The flow of D linear filters tends to stationarity for the ℓ_{2/D} margin of the Fourier transform.",
    settings=_filters, measure=fourier_budget, bound=1.01, instances=2, figure=_figure,
    hypotheses=(CLASSIFICATION, CONVOLUTION, UNIT_FLOW, NO_DECAY, EXPONENTIAL, SEPARABLE, CLASSIFIED),
    run={"stop": Stop(margin=1e4), "save": FIELDS, "rtol": 1e-6},
    control=Control(
        "a fixed diagonal preconditioner of the filters", 2.0,
        {"optimizer": lambda s: PreconditionedFlow(np.tile(np.exp(np.linspace(-2.5, 2.5, 11)), s.model.depth))},
    ),
)  # fmt: skip
