"""Wide random layers: how far W is from the flow of orthonormal columns, as a function of the width."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...optimizers import GradientDescent, GradientFlow
from ...problems import MatrixRegression
from ...selection import Hypothesis, MixedFlow
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import TWO_LAYERS
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, inputs_with_spectrum

C = 1.0
"""c = σ²h at every width h."""
WIDTHS, RUNS = (15, 60, 240), 40
D_IN, D_OUT = 4, 2
STEPS = 400
MOMENTS = np.array([100, 200, 300, 400])


def _layers(C: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(W₁, W₂) from the columns [W₁ W₂ᵀ] (..., h, d_in + d_out)."""
    return C[..., :D_IN].copy(), np.swapaxes(C[..., D_IN:], -1, -2).copy()


def _every_width(rng: Rng) -> dict[str, Setting]:
    """Three inputs in four dimensions and two outputs; RUNS starts with entries N(0, C/h) at each width h."""
    problem = MatrixRegression(
        inputs_with_spectrum(rng, 3, D_IN, rng.uniform(0.5, 2, 3)), rng.standard_normal((3, D_OUT))
    )
    return {
        f"h = {h}": Setting(
            problem, DeepLinear((D_IN, h, D_OUT)), GradientDescent(1 / STEPS),
            _layers(rng.standard_normal((RUNS, h, D_IN + D_OUT)) * np.sqrt(C / h)),
        )
        for h in WIDTHS
    }  # fmt: skip


def limit(problem: Any) -> MixedFlow:
    """The flow of W from W(0) = 0 and orthonormal columns of length √C."""
    columns = np.sqrt(C) * np.eye(D_IN + D_OUT)
    return MixedFlow(
        Setting(problem, DeepLinear((D_IN, len(columns), D_OUT)), GradientFlow(), _layers(columns))
    )


def power_law(x: np.ndarray, samples: np.ndarray) -> tuple[float, float]:
    """(b, its standard error) of log(mean of samples (len(x), N)) = a + b log x, by weighted least squares."""
    mean, N = samples.mean(axis=1), samples.shape[1]
    weight = N * mean**2 / samples.var(axis=1, ddof=1)
    t = np.log(x) - np.average(np.log(x), weights=weight)
    spread = np.sum(weight * t**2)
    return float(np.sum(weight * t * np.log(mean)) / spread), float(1 / np.sqrt(spread))


def exponent_score(runs: dict[str, Run]) -> Evidence:
    """The exponent of h in the mean of max_t ‖W − W_limit‖_F/max_t ‖W_limit‖_F, in standard errors from −½."""
    first = next(iter(runs.values()))
    exact = limit(first.setting.problem)(MOMENTS / STEPS)
    size = np.max(np.linalg.norm(exact, axis=(1, 2)))
    samples = np.array(
        [np.max(np.linalg.norm(r.history["w"] - exact, axis=(-2, -1)), axis=1) for r in runs.values()]
    )
    h = np.array([r.setting.model.widths[1] for r in runs.values()], dtype=float)
    slope, error = power_law(h, samples / size)
    mean = samples.mean(axis=1) / size
    return Evidence((slope + 0.5) / error, 0.0, {
        "x": h, "seen": mean, "theory": np.exp(np.mean(np.log(mean * np.sqrt(h)))) / np.sqrt(h), "slope": slope,
        "axes": ("width h", "mean relative deviation of W", "xy"),
    })  # fmt: skip


def spread(setting: Setting) -> float:
    """The mean of ‖K/c − I‖_F² h/(d(d + 1)), K (d, d) the Gram matrix of the columns; 1 of normal entries."""
    W1, W2 = setting.theta0
    A = np.concatenate([W1, np.swapaxes(W2, -1, -2)], axis=-1)
    h, d = A.shape[-2:]
    off = np.swapaxes(A, -1, -2) @ A / C - np.eye(d)
    return float(np.mean(np.sum(off**2, axis=(-2, -1)))) * h / (d * (d + 1))


def _copies(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """The first fifteen hidden units again and again: of variance c/h, h/15 times, they keep c."""
    W1, W2 = setting.theta0
    units = WIDTHS[0]
    again = W1.shape[-2] // units
    return np.tile(W1[:, :units], (1, again, 1)), np.tile(W2[..., :units], (1, 1, again))


def _figure(claim: Sample, control: Sample, ax: Any) -> Any:
    """The mean deviations over the widths, beside the line of slope −½."""
    artists = figures.along(claim, control, ax)
    ax.minorticks_off()
    ax.set_xticks(WIDTHS, [str(h) for h in WIDTHS])
    return artists


INDEPENDENT = Hypothesis(
    "the Gram matrices of [W₁ W₂ᵀ] scatter about cI as those of independent N(0, c/h) entries do, within 30 %",
    lambda s: abs(spread(s) - 1) <= 0.3,
    explain=lambda s: f"their mean square deviation is {spread(s):.2g} times that",
)
SMALL_STEPS = Hypothesis(
    "the optimizer is gradient descent with a step of at most 1/400",
    lambda s: isinstance(s.optimizer, GradientDescent) and s.optimizer.step <= 1 / STEPS,
)

width_fluctuations = Theorem(
    id="width-fluctuations", family="deep", kind="limit", source="tu2024mixed",
    claim="Two wide layers of independent entries move W by its own flow but for a relative h^(−1/2), h the width.",
    settings=_every_width, measure=exponent_score, bound=6.0, figure=_figure, instances=2,
    run={"stop": Stop(steps=STEPS), "save": Save(at=MOMENTS, fields=("w",))},
    hypotheses=(TWO_LAYERS, SMALL_STEPS, NO_DECAY, INDEPENDENT),
    control=Control("copies of fifteen units: as wide, and no nearer", 8.0, {"init": _copies}),
)  # fmt: skip
