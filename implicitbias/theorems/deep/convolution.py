"""Two-layer linear convolutional networks on regressions."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, LinearConvolution
from ...models.convolution import spectrum
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection import Hypothesis, LeastNorm
from ...selection.rules.common import CONVERGED
from ...selection.rules.convolution import fourier_entropy_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..diagonal.entropy import HALF_RATE
from ..draws import WELL_CONDITIONED, Rng


def rows_of_one_phase(rng: Rng, n: int, d: int) -> np.ndarray:
    """Random rows whose transforms are, at each frequency, real multiples of one random phase."""
    even, phases = rng.standard_normal((n, d)), spectrum(rng.standard_normal(d))
    even = even + np.roll(even[:, ::-1], 1, axis=1)
    return np.asarray(np.fft.ifft(spectrum(even) * phases / np.abs(phases), norm="ortho").real)


def _shifted(setting: Setting) -> Regression:
    """Row i turned by i places: each transform gets a phase of its own."""
    X, y = setting.problem.X, setting.problem.y
    return Regression(np.stack([np.roll(x, i) for i, x in enumerate(X)]), y)


def _shift_well(setting: Setting) -> bool:
    return bool(np.linalg.cond(_shifted(setting).X) <= 5)


SHIFTED_WELL = Hypothesis("κ ≤ 5 for the shifted rows too", _shift_well)

# -- the potential -----------------------------------------------------------------------------------------


def _two_lengths(rng: Rng) -> dict[str, Setting]:
    settings = {}
    for n, d in ((2, 7), (3, 8)):
        problem = Regression(rows_of_one_phase(rng, n, d), rng.standard_normal(n))
        settings[f"d = {d}"] = Setting(problem, LinearConvolution(2), GradientFlow(), Balanced(0.1))
    return settings


convolution_entropy = Theorem(
    id="convolution-fourier-entropy", family="deep", kind="exact", source="yun2021unifying",
    claim="On rows that share phases, a two-layer linear convolution selects by the hypentropy of |Fw|.",
    settings=_two_lengths, rule=fourier_entropy_rule, run={"stop": Stop(loss=1e-22), "rtol": 1e-9}, bound=1e-7,
    control=Control("rows shifted against each other: phases turn", 2e-6, {"problem": _shifted}),
    conditions=(WELL_CONDITIONED, SHIFTED_WELL), figure=figures.coordinates, instances=2,
)  # fmt: skip


# -- small scales ------------------------------------------------------------------------------------------

SMALL = 1e-3


class Vertex(NamedTuple):
    """The least ‖Fw‖₁ for rows of one phase: real sizes ρ_k at k = 0, …, ⌊d/2⌋, of which k ≠ 0, d/2 count twice.

    xi (n, ⌊d/2⌋ + 1) are the rows in the same phases: Σ_k pairs_k ξ_ik ρ_k = y_i; on : the support.
    """

    xi: np.ndarray
    pairs: np.ndarray
    rho: np.ndarray
    phases: np.ndarray

    @property
    def on(self) -> np.ndarray:
        return np.abs(self.rho) > 1e-9 * np.max(np.abs(self.rho))

    def multiplier(self, slopes: np.ndarray) -> np.ndarray:
        """ν with ξ_k·ν = slopes on the support, of as many frequencies as rows."""
        return np.linalg.solve(self.xi[:, self.on].T, slopes)

    def off(self, c: float) -> np.ndarray:
        """ρ off the support at a small c: c sinh(ξ_k·ν), where c sinh(ξ_k·ν) is ρ_k on it."""
        nu = self.multiplier(np.arcsinh(self.rho[self.on] / c))
        return np.asarray(c * np.sinh(nu @ self.xi[:, ~self.on]))


def vertex(problem: Regression) -> Vertex:
    """A linear program in the sizes."""
    rows, half = spectrum(problem.X)[:, : problem.X.shape[1] // 2 + 1], np.arange(problem.X.shape[1] // 2 + 1)
    phases = rows[0] / np.abs(rows[0])
    pairs, xi = np.where((2 * half) % problem.X.shape[1] == 0, 1, 2), (rows / phases).real
    return Vertex(xi, pairs, LeastNorm(1, xi, problem.y).solution / pairs, phases)


def _small(rng: Rng) -> Setting:
    return replace(_two_lengths(rng)["d = 7"], init=Balanced(SMALL))


def off_the_vertex(run: Run) -> Evidence:
    """ρ_k − c sinh(ξ_k·ν) off the support, in units of the largest, c = scale²."""
    s = run.setting
    v = vertex(s.problem)
    seen, theory = (spectrum(run.w)[: len(v.rho)] / v.phases).real[~v.on], v.off(s.init.scale**2)
    detail = {"seen": seen, "theory": theory, "ylabel": "(Fw)_k off the support, in its phase"}
    return Evidence((seen - theory) / np.max(np.abs(theory)), np.zeros(len(theory)), detail)


def next_order(setting: Setting) -> float:
    """By how much the entries off the support change, relative to themselves, as they change those on it."""
    v = vertex(setting.problem)
    if np.sum(v.on) != len(v.xi):
        return np.inf
    weighted = v.xi * v.pairs
    change = np.linalg.solve(weighted[:, v.on], weighted[:, ~v.on] @ v.off(setting.init.scale**2))
    return float(np.max(np.abs(v.multiplier(change / np.abs(v.rho[v.on])) @ v.xi[:, ~v.on])))


FROM_SMALL = Hypothesis("the start is Balanced(scale) with scale ≤ 1e-3", lambda s: s.init.scale <= SMALL)
SECOND = Hypothesis(
    "w* has as many frequencies as there are rows, and the next order is below 2e-3",
    lambda s: next_order(s) <= 2e-3,
)

convolution_l1 = Theorem(
    id="convolution-fourier-l1", family="deep", kind="rate", source="yun2021unifying",
    claim="On rows that share phases, a linear convolution from scale α tends to the least ‖Fw‖₁ at a known rate.",
    settings=_small, measure=off_the_vertex, run={"stop": Stop(loss=1e-22), "rtol": 1e-9}, bound=2e-2,
    hypotheses=(*fourier_entropy_rule.hypotheses[:-1], FROM_SMALL, CONVERGED), conditions=(WELL_CONDITIONED, SECOND),
    control=Control("the second filter moves at half the rate", 6e-2, {"optimizer": HALF_RATE}), figure=figures.entries,
)  # fmt: skip
