"""Noise on labels and the sum of the curvatures."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...optimizers import SGD, LabelNoiseSGD
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.flatness import hessian_trace, least_trace
from ...selection.rules.common import NO_DECAY
from ...selection.rules.networks import DEEP
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, inputs_with_spectrum, matrix_with_spectrum

STEP, NOISE, STEPS = 0.05, 0.05, 1000
"""η, ησ/√n, and how many steps."""


def _unequal_layers(rng: Rng) -> dict[str, Setting]:
    """Starts near the target, the first layer doubled and the last halved."""
    X = inputs_with_spectrum(rng, 4, 3, (1.2, 1.0, 0.8))
    T = matrix_with_spectrum(rng, 2, 3, rng.uniform(1.0, 1.6, 2))
    problem, noisy = MatrixRegression(X, X @ T.T), LabelNoiseSGD(STEP, NOISE / STEP * 2, batch=None)
    settings = {}
    for N in (2, 3):
        model = DeepLinear((3, *[3] * (N - 1), 2))
        first, *middle, last = model.factorize(T + 0.1 * rng.standard_normal((2, 3)), rng=rng)
        settings[f"{N} layers"] = Setting(problem, model, noisy, (2 * first, *middle, last / 2))
    return settings


def excess(setting: Setting, theta: np.ndarray) -> float:
    """tr ∇²L over the least of all factorizations of the same W, less one."""
    X, layers = setting.problem.X, setting.layout.split(theta)
    fitted = MatrixRegression(X, X @ setting.predictor(theta).T)
    return hessian_trace(setting.problem, layers) / least_trace(fitted, len(layers)) - 1


def above_the_least(runs: dict[str, Run]) -> Evidence:
    """The excess at the end, at each depth; along the first run for the figure."""
    last = np.array([excess(run.setting, run.setting.layout.join(run.theta)) for run in runs.values()])
    run = next(iter(runs.values()))
    seen = [1 + excess(run.setting, theta) for theta in run.history["theta"]]
    detail = {"x": run.history["time"] / STEP, "seen": seen, "theory": np.ones(len(seen))}
    return Evidence(last, np.zeros(len(last)), detail | {"axes": ("steps", "tr ∇²L over the least", "")})


INTERPOLABLE = Hypothesis(
    "the problem is a MatrixRegression that some W fits",
    lambda s: isinstance(s.problem, MatrixRegression) and s.problem.attains_zero,
)
FULL_NOISE = Hypothesis(
    "each step is one of LabelNoiseSGD on all samples with η = 0.05 and ησ/√n = 0.05",
    lambda s: s.optimizer == LabelNoiseSGD(STEP, NOISE / STEP * np.sqrt(s.problem.n), batch=None),
)

label_noise_trace = Theorem(
    id="label-noise-least-trace", family="matrix", kind="limit", source="gatmiry2023trace",
    claim="Label noise drives a deep linear network to the layers of its W with the least trace of the Hessian.",
    settings=_unequal_layers, measure=above_the_least, bound=0.2,
    run={"stop": Stop(steps=STEPS), "save": Save(every=50, fields=("theta",))},
    hypotheses=(INTERPOLABLE, DEEP, FULL_NOISE, NO_DECAY), figure=figures.along,
    control=Control("SGD without noise on labels", 0.3, {"optimizer": SGD(STEP)}),
)  # fmt: skip
