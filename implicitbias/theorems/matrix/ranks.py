"""Which ranks a method reaches: effective ranks along the run, the rank of the factors, and the symmetry behind it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...geometry import effective_rank
from ...models import DeepLinear, MatrixFactorization
from ...models.matrix import orthonormal
from ...optimizers import Adam, GradientDescent, GradientFlow, HeavyBall, Muon, Shampoo, SpectralDescent
from ...problems import MatrixCompletion, MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import BALANCED, TWO_LAYERS, UNIT_FLOW, WHITENED
from ...selection.rules.spectral import ALIGNED, modes, steps_are_spectral
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, matrix_with_spectrum

# -- effective rank at equal loss ------------------------------------------------------------------

STEP, START = 2e-3, 0.02

Values = Callable[[np.ndarray, np.ndarray, float], np.ndarray]


def _power_law(rng: Rng) -> dict[str, Setting]:
    s = 1.0 / np.arange(1, 7) ** rng.uniform(0.7, 1.3)
    U, V = orthonormal(7, 6, rng), orthonormal(6, 6, rng)
    problem, model = MatrixRegression.whitened((U * s) @ V.T), DeepLinear((6, 6, 7))
    init = model.factorize(START**2 * U @ V.T, rng=rng)
    methods = {"gradient flow": GradientFlow(), "spectral descent": SpectralDescent(STEP)}
    return {label: Setting(problem, model, o, init) for label, o in methods.items()}


def flow_values(s: np.ndarray, w: np.ndarray, t: float) -> np.ndarray:
    """s_i/(1 + (s_i/w_i − 1)e^{−2s_it}): the singular values of W under the gradient flow."""
    return s / (1.0 + (s / w - 1.0) * np.exp(-2.0 * s * t))


def spectral_values(s: np.ndarray, w: np.ndarray, t: float) -> np.ndarray:
    """min(√w_i + t, √s_i)²: those under spectral descent, as η → 0 with ηk = t."""
    return np.minimum(np.sqrt(w) + t, np.sqrt(s)) ** 2


def rank_at_loss(values: Values, s: np.ndarray, w: np.ndarray, loss: float) -> float:
    """exp of the entropy of the singular values σ_i(t) at the t where ½Σ(s_i − σ_i(t))² is ``loss``."""
    from scipy.optimize import brentq

    def excess(t: float) -> float:
        return 0.5 * float(np.sum((s - values(s, w, t)) ** 2)) - loss

    far = 1.0
    while excess(far) > 0:
        far *= 2.0
    return float(effective_rank(np.diag(values(s, w, brentq(excess, 0.0, far, xtol=1e-14)))))


def ranks_at_losses(runs: dict[str, Run]) -> Evidence:
    """Effective ranks along both runs, from L(0)/2 to L(0)/100, with those of the closed forms at the same losses; and
    by how much the flow's exceeds the other's.
    """
    seen, theory, curves = [], [], {}
    for (label, run), values in zip(runs.items(), (flow_values, spectral_values)):
        found, loss = modes(run.setting), run.history["loss"]
        kept = np.flatnonzero((loss <= 0.5 * loss[0]) & (loss >= 0.01 * loss[0]))
        ranks = effective_rank(run.history["w"][kept])
        exact = [rank_at_loss(values, found.s, found.w, float(x)) for x in loss[kept]]
        curves[label] = (loss[kept] / loss[0], ranks, np.array(exact))
        seen.append(ranks)
        theory.append(exact)
    (x, low, _), (at, high, _) = curves.values()
    above = np.maximum(np.interp(np.log(at[::-1]), np.log(x[::-1]), low[::-1])[::-1] - high, 0.0)
    return Evidence(np.concatenate([*seen, above]), np.concatenate([*theory, 0.0 * above]), curves)


def ranks_over_losses(claim: Sample, control: Sample, ax: Any) -> Any:
    """Effective rank over the loss, of the gradient flow (below) and of spectral descent (above)."""
    artists = []
    for x, y, theory in claim.evidence.detail.values():
        artists += plotting.theory_over_simulation(x, y, theory, ax, show_legend=False)
    x, y, _ = control.evidence.detail["spectral descent"]
    artists += ax.plot(x, y, color=plotting.CONTROL, lw=0.8, label="control")
    ax.set(xscale="log", xlabel="L/L(0)", ylabel="effective rank of W")
    ax.invert_xaxis()
    names = dict(zip(*reversed(ax.get_legend_handles_labels())))
    ax.legend(names.values(), names.keys(), loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4)
    return artists


FLOW_OR_SPECTRAL = Hypothesis(
    "the optimizer is the gradient flow at rate one, or takes spectral steps of one size",
    lambda s: UNIT_FLOW.holds(s) or steps_are_spectral(s),
)


def _in_place_of_spectral(setting: Setting) -> Any:
    spectral = isinstance(setting.optimizer, SpectralDescent)
    return GradientDescent(0.05) if spectral else setting.optimizer


rank_at_equal_loss = Theorem(
    id="rank-at-equal-loss", family="matrix", kind="limit", source="vasudeva2025muon",
    claim="At equal loss, two layers have a higher effective rank under spectral descent than under the gradient flow.",
    settings=_power_law, measure=ranks_at_losses, bound=0.05, figure=ranks_over_losses,
    run={
        "gradient flow": {"stop": Stop(time=25), "save": Save(at=np.linspace(0, 25, 201), fields=("loss", "w"))},
        "spectral descent": {"stop": Stop(steps=490), "save": Save(every=10, fields=("loss", "w"))},
    },
    hypotheses=(WHITENED, TWO_LAYERS, FLOW_OR_SPECTRAL, NO_DECAY, BALANCED, ALIGNED),
    control=Control("gradient descent in place of spectral descent", 1.0, {"optimizer": _in_place_of_spectral}),
)  # fmt: skip

# -- the rank of the factors -----------------------------------------------------------------------

RANK = 2


def _low_rank_factors(rng: Rng) -> dict[str, Setting]:
    problem = MatrixRegression.whitened(matrix_with_spectrum(rng, 6, 5, (2.0, 1.5, 1.0, 0.5)))
    Z = matrix_with_spectrum(rng, 11, 4, (0.8, 0.5))  # rank 2 in generic directions: no column is zero
    methods = (GradientDescent(0.02), HeavyBall(0.01, 0.5), Muon(0.02, 0.5), Shampoo(0.02, eps=0.0))
    return {type(o).__name__: Setting(problem, MatrixFactorization(4), o, (Z[:6], Z[6:])) for o in methods}


def excess_rank(runs: dict[str, Run]) -> Evidence:
    """The largest σ_3/σ_1 of the stacked factors [U; V] along the runs."""
    seen = []
    for run in runs.values():
        s = np.linalg.svd(run.history["theta"].reshape(-1, 11, 4), compute_uv=False)
        seen.append(s[:, RANK] / s[:, 0])
    detail = {"k": next(iter(runs.values())).history["steps"], "ratio": np.array(seen).T}
    return Evidence(float(np.max(seen)), 0.0, detail)


def escape(claim: Sample, control: Sample, ax: Any) -> Any:
    """σ_3/σ_1 of the factors over the steps: rounding, and Adam."""
    detail, other = claim.evidence.detail, control.evidence.detail
    floor = np.finfo(float).eps / 4  # an exact zero has no logarithm
    style = {"xlabel": "step k", "ylabel": "σ₃/σ₁ of [U; V]"}
    artists = plotting.curve(
        detail["k"], np.maximum(detail["ratio"], floor), ax, color=plotting.SIMULATION, **style
    )
    artists[0].set_label("simulation")
    lines = plotting.curve(
        other["k"], np.maximum(other["ratio"], floor), ax, color=plotting.CONTROL, lw=0.8, **style
    )
    lines[0].set_label("control")
    plotting.legend(ax)
    return artists + lines


def _commutes(setting: Setting) -> bool:
    o = setting.optimizer
    keeps = isinstance(o, GradientDescent | HeavyBall | SpectralDescent | Muon)
    return keeps or (isinstance(o, Shampoo) and o.eps == 0.0)


TWO_FACTORS = Hypothesis(
    "the model is W = UVᵀ, and [U; V] starts with rank 2",
    lambda s: (
        s.model == MatrixFactorization(s.model.rank)
        and np.linalg.matrix_rank(np.vstack(s.theta0), tol=1e-12 * np.linalg.norm(np.vstack(s.theta0)))
        == RANK
    ),
)
RIGHT_NULL_VECTORS = Hypothesis(
    "every step multiplies gradients by functions of gradients: gradient descent, momentum, spectral descent, Muon, or "
    "Shampoo with ε = 0",
    _commutes,
)

rank_of_factors_is_kept = Theorem(
    id="rank-of-factors-is-kept", family="matrix", kind="exact", source="pascanu2025optimizers",
    claim="Gradient descent, momentum, Muon and Shampoo do not raise the rank of the stacked factors; Adam does.",
    settings=_low_rank_factors, measure=excess_rank, bound=1e-11, figure=escape,
    run={"stop": Stop(steps=30), "save": Save(every=1, fields=("theta",))},
    hypotheses=(TWO_FACTORS, RIGHT_NULL_VECTORS, NO_DECAY),
    control=Control("Adam", 1e-4, {"optimizer": Adam(0.02)}),
)  # fmt: skip


# -- the symmetry of the factors -------------------------------------------------------------------

EQUIVARIANT = (
    GradientDescent(0.05), HeavyBall(0.05, 0.5), Muon(0.02, 0.5), Muon(0.02, 0.5, 5), Shampoo(0.02, eps=0.1),
)  # fmt: skip
NAMES = ("gradient descent", "heavy ball", "Muon", "Muon, five iterations", "Shampoo")


def _turned_starts(rng: Rng) -> dict[str, Setting]:
    mask = np.zeros(30, dtype=bool)
    mask[rng.permutation(30)[:18]] = True
    problem = MatrixCompletion(matrix_with_spectrum(rng, 6, 5, (6.0, 5.0, 4.0)), mask.reshape(6, 5))
    U, V, Q = 0.5 * rng.standard_normal((6, 3)), 0.5 * rng.standard_normal((5, 3)), orthonormal(3, 3, rng)
    starts = {"": (U, V), ", turned": (U @ Q, V @ Q)}
    return {
        name + which: Setting(problem, MatrixFactorization(3), o, init)
        for name, o in zip(NAMES, EQUIVARIANT)
        for which, init in starts.items()
    }


def turned_apart(runs: dict[str, Run]) -> Evidence:
    """The largest distance of the two paths of W, relative to W, over the methods."""
    paths = [run.history["w"] for run in runs.values()]
    pairs = list(zip(paths[::2], paths[1::2]))
    off = [np.linalg.norm(a - b, axis=(1, 2)) / np.linalg.norm(a, axis=(1, 2)) for a, b in pairs]
    first, turned = pairs[NAMES.index("Muon")]
    detail = {
        "x": np.arange(len(first)), "seen": turned[:, 0], "theory": first[:, 0],
        "axes": ("step k", "first row of W", ""),
    }  # fmt: skip
    return Evidence(float(np.max(off)), 0.0, detail)


ORTHOGONAL_STEPS = Hypothesis(
    "the optimizer is gradient descent, heavy ball, spectral descent, Muon, or Shampoo",
    lambda s: isinstance(s.optimizer, GradientDescent | HeavyBall | SpectralDescent | Muon | Shampoo),
)
UNTIED = Hypothesis(
    "the model is W = UVᵀ", lambda s: isinstance(s.model, MatrixFactorization) and not s.model.tied
)

turned_factors = Theorem(
    id="turned-factors", family="matrix", kind="exact", source="pascanu2025optimizers",
    claim="Turning all factors by one orthogonal matrix changes no W under gradients, momentum, Muon or Shampoo.",
    settings=_turned_starts, measure=turned_apart, bound=1e-9, figure=figures.along,
    run={"stop": Stop(steps=15), "save": Save(every=1, fields=("w",))}, hypotheses=(UNTIED, ORTHOGONAL_STEPS),
    control=Control("Adam, entry by entry", 1e-4, {"optimizer": Adam(0.02)}),
)  # fmt: skip
