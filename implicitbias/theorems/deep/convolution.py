"""Two-layer linear convolutional networks on regressions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...models import Balanced, LinearConvolution
from ...models.convolution import spectrum
from ...optimizers import GradientFlow
from ...problems import Regression
from ...selection import Hypothesis, LeastNorm
from ...selection.rules.common import CONVERGED
from ...selection.rules.convolution import fourier_entropy_rule, fourier_projection
from .. import figures
from ..base import Control, Evidence, Theorem
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


def least_spectrum(problem: Regression) -> np.ndarray:
    """argmin ‖Fw‖₁ subject to Xw = y, for rows of one phase: a linear program in the sizes at k = 0, …, ⌊d/2⌋."""
    rows, d = spectrum(problem.X), problem.X.shape[1]
    phases = rows[0] / np.abs(rows[0])
    pairs = np.where((2 * np.arange(d)) % d == 0, 1, 2)[: d // 2 + 1]  # k and −k
    sizes = LeastNorm(1, (rows / phases).real[:, : d // 2 + 1], problem.y).solution / pairs
    return np.asarray(np.fft.irfft(sizes * phases[: d // 2 + 1], d, norm="ortho"))


def _small(rng: Rng) -> Setting:
    return replace(_two_lengths(rng)["d = 7"], init=Balanced(SMALL))


def off_the_least(run: Run) -> Evidence:
    """‖w − w*‖/‖w*‖, w* of the least ‖Fw‖₁."""
    w = least_spectrum(run.setting.problem)
    detail = {"seen": np.abs(spectrum(run.w)), "theory": np.abs(spectrum(w)), "ylabel": "|Fw|"}
    return Evidence(float(np.linalg.norm(run.w - w) / np.linalg.norm(w)), 0.0, detail)


def predicted(setting: Setting, scale: float) -> float:
    """The same of the projection at this scale."""
    w = least_spectrum(setting.problem)
    projected = fourier_projection(replace(setting, init=Balanced(scale))).solution
    return float(np.linalg.norm(projected - w) / np.linalg.norm(w))


FROM_SMALL = Hypothesis("the start is Balanced(scale) with scale ≤ 1e-3", lambda s: s.init.scale <= SMALL)
NEAR = Hypothesis(
    "the projection at scale 1e-3 is within 1e-3 of the limit", lambda s: predicted(s, SMALL) <= 1e-3
)
FAR = Hypothesis("the projection at scale 1 is not within 0.1", lambda s: predicted(s, 1.0) >= 0.1)

convolution_l1 = Theorem(
    id="convolution-fourier-l1", family="deep", kind="limit", source="yun2021unifying",
    claim="On rows that share phases, a two-layer linear convolution tends from small filters to the least ‖Fw‖₁.",
    settings=_small, measure=off_the_least, run={"stop": Stop(loss=1e-20), "rtol": 1e-8}, bound=3e-3,
    hypotheses=(*fourier_entropy_rule.hypotheses[:-1], FROM_SMALL, CONVERGED), conditions=(WELL_CONDITIONED, NEAR, FAR),
    control=Control("filters of size one", 3e-2, {"init": Balanced(1.0)}), figure=figures.entries,
)  # fmt: skip
