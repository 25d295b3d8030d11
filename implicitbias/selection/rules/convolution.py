"""Linear convolutional networks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...models import LinearConvolution
from ...models.convolution import spectrum
from ..fourier import FourierHypentropy
from ..programs import BregmanProjection
from ..rule import Hypothesis, Rule
from .common import CONVERGED, NO_DECAY, SOLVABLE, SQUARE_LOSS
from .networks import UNIT_FLOW

__all__: list[str] = []


def fourier_projection(setting: Any, run: Any = None) -> BregmanProjection:
    """The projection of w₀ by the hypentropy of the sizes |Fw|, c = ½||Fw₁|² − |Fw₂|²|."""
    (gap,) = setting.model.imbalances(setting.theta0)
    gap = (gap + np.roll(gap[::-1], 1)) / 2  # the same at k and −k, to the last digit
    potential = FourierHypentropy(np.log(np.abs(gap) / 2))
    return BregmanProjection(potential, potential.gradient(setting.w0), setting.problem.X, setting.problem.y)


def _share_phases(setting: Any) -> bool:
    """At each frequency the transforms of all rows and of w₀ are real multiples of one number."""
    rows = spectrum(np.vstack([setting.problem.X, setting.w0]))
    squares = np.sum(np.abs(rows) ** 2, axis=0)
    return bool(np.all(squares - np.abs(np.sum(rows**2, axis=0)) <= 1e-12 * np.max(squares)))


def _never_equal(setting: Any) -> bool:
    (gap,) = setting.model.imbalances(setting.theta0)
    return bool(np.min(np.abs(gap)) > 1e-8 * sum(np.max(np.abs(spectrum(w))) ** 2 for w in setting.theta0))


TWO_FILTERS = Hypothesis("the model is LinearConvolution(2)", lambda s: s.model == LinearConvolution(2))
ONE_PHASE = Hypothesis(
    "at each frequency the transforms of all rows of X (and of w₀) are real multiples of one number",
    _share_phases,
)
UNEQUAL = Hypothesis("|Fw₁| ≠ |Fw₂| at every frequency", _never_equal)

fourier_entropy_rule = Rule(
    name="hypentropy of the Fourier transform, of a two-layer linear convolution",
    source="yun2021unifying",
    hypotheses=(SQUARE_LOSS, TWO_FILTERS, UNIT_FLOW, NO_DECAY, UNEQUAL, ONE_PHASE, SOLVABLE, CONVERGED),
    apply=fourier_projection,
)
