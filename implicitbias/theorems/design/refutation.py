"""Methods that select by no separable potential, and how identification sees it."""

from __future__ import annotations

import numpy as np

from ...discovery.bias import EXPLAINED
from ...discovery.families import off_rows
from ...discovery.samples import Samples, coordinates
from ...dynamics import Run, Setting, Stop
from ...geometry import Hypentropy
from ...models import Linear
from ...optimizers import AdaGrad, Adam, Decay, MirrorDescent, RMSProp, SignDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import FROM_ZERO, LINEAR, NO_DECAY, SQUARE_LOSS
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng
from .determination import CANDIDATES
from .solutions import problem_of_size, samples_of, spline_of

METHODS = {
    "sign": SignDescent(Decay(0.05, 0.7)), "Adam": Adam(0.01, eps=0.0), "AdaGrad": AdaGrad(0.3, eps=0.0),
    "RMSProp": RMSProp(Decay(0.05, 0.7), eps=0.0),
}  # fmt: skip
MIRROR = MirrorDescent(Hypentropy(-1.0), 0.2)
"""The controls."""
PROBLEMS, WIDTH = 12, 12


SIZES = np.geomspace(0.1, 3.0, PROBLEMS)


def _inputs(rng: Rng, n: int) -> np.ndarray:
    """λ_max(XᵀX/n) = 1."""
    X = rng.standard_normal((n, WIDTH))
    return X * np.sqrt(n) / np.linalg.norm(X, 2)


def _adaptive(problems: list[Regression]) -> dict[str, Setting]:
    """The four methods from zero on the same problems."""
    return {
        f"{name} {k + 1}": Setting(problem, Linear(), method, np.zeros(WIDTH))
        for k, problem in enumerate(problems)
        for name, method in METHODS.items()
    }


def _samples(name: str, runs: dict[str, Run]) -> Samples:
    return samples_of(runs[f"{name} {k + 1}"] for k in range(PROBLEMS))


# -- five samples: no separable potential explains them -------------------------------------------------


def _five_samples(rng: Rng) -> dict[str, Setting]:
    """The control's potential selects w of largest |w_j| from 0.2 to 6, evenly on the logarithmic scale."""
    return _adaptive(
        [problem_of_size(MIRROR.potential, _inputs(rng, 5), largest, rng) for largest in 2 * SIZES]
    )


def limit_over_least(runs: dict[str, Run]) -> Evidence:
    """What would explain the solutions over what is left of each method's by the best separable R."""
    samples = {name: _samples(name, runs) for name in METHODS}
    least = [spline_of(s).residual for s in samples.values()]
    detail = {
        "seen": least, "theory": [s.unrelated for s in samples.values()],
        "axes": ("sign, Adam, AdaGrad, RMSProp", "∇R outside range(Xᵀ)", "y"),
    }  # fmt: skip
    return Evidence(EXPLAINED / np.array(least), None, detail)


BY_ITS_OWN_PAST = Hypothesis(
    "each coordinate's step is scaled by its own gradients: sign descent, Adam, AdaGrad or RMSProp",
    lambda s: isinstance(s.optimizer, SignDescent | Adam | AdaGrad | RMSProp),
)
INTERPOLATES = Hypothesis(
    "the run ends with ‖Xw − y‖ ≤ 0.01 ‖y‖",
    lambda r: (
        np.linalg.norm(r.setting.problem.X @ r.w - r.setting.problem.y)
        <= 0.01 * np.linalg.norm(r.setting.problem.y)
    ),
    of="run",
)
no_separable_potential = Theorem(
    id="no-separable-potential", family="design", kind="bound", source="wilson2017marginal",
    claim="No separable R explains the solutions of sign descent, Adam, AdaGrad or RMSProp.",
    settings=_five_samples, measure=limit_over_least, bound=1.0, instances=1, figure=figures.points,
    run={"stop": Stop(loss=1e-9)}, hypotheses=(SQUARE_LOSS, LINEAR, FROM_ZERO, BY_ITS_OWN_PAST, NO_DECAY, INTERPOLATES),
    control=Control("mirror descent, which has a potential", 5.0, {"optimizer": MIRROR}),
)  # fmt: skip


# -- one sample: how much is left, in closed form ---------------------------------------------------------


def _one_sample(rng: Rng) -> dict[str, Setting]:
    """Targets ±size."""
    return _adaptive([Regression(_inputs(rng, 1), [size * rng.choice([-1.0, 1.0])]) for size in SIZES])


def left_by_every_potential(runs: dict[str, Run]) -> Evidence:
    """The share that each of five potentials leaves of each method's solutions, root mean square over the problems,
    and √(1 − mean_k ‖x_k‖₁²/(d‖x_k‖²)).
    """
    left, law = [], []
    for name in METHODS:
        samples = _samples(name, runs)
        at = coordinates(samples)
        left += [np.sqrt(np.sum(off_rows(psi, samples, at) ** 2) / PROBLEMS) for psi in CANDIDATES]
        x = np.abs([X[0] for X in samples.X])
        law.append(np.sqrt(1 - np.mean(np.sum(x, axis=1) ** 2 / (WIDTH * np.sum(x * x, axis=1)))))
    expected = np.repeat(law, len(CANDIDATES))
    axes = ("five potentials for each of sign, Adam, AdaGrad, RMSProp", "∇R outside range(Xᵀ)", "")
    return Evidence(left, expected, {"seen": left, "theory": expected, "axes": axes})


ONE_SAMPLE = Hypothesis(
    "there is one sample, without zeros", lambda s: s.problem.n == 1 and np.all(s.problem.X != 0)
)

adaptive_steps_on_one_sample = Theorem(
    id="adaptive-steps-on-one-sample", family="design", kind="exact", source="wilson2017marginal",
    claim="Sign descent, Adam, AdaGrad and RMSProp end at y sgn(x)/‖x‖₁ on one sample: every separable R misses alike.",
    settings=_one_sample, measure=left_by_every_potential, bound=1e-8, figure=figures.points,
    run={"stop": Stop(loss=1e-10)},
    hypotheses=(SQUARE_LOSS, LINEAR, FROM_ZERO, ONE_SAMPLE, BY_ITS_OWN_PAST, NO_DECAY, INTERPOLATES),
    control=Control("mirror descent: its potential leaves nothing", 1e-2, {"optimizer": MIRROR}),
)  # fmt: skip
