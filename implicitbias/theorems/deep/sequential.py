"""Deep linear networks from small starts learn one singular mode after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.networks import DEEP, UNIT_FLOW, WHITENED
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, matrix_with_spectrum

# -- the draws -------------------------------------------------------------------------------------


def small_random(rng: Rng, widths: Sequence[int], *scales: float) -> list[Setting]:
    """Starts αθ̂ with the same normal θ̂, for each scale α; s = (4, 2, 1), each within a tenth."""
    s = np.array([4.0, 2.0, 1.0]) * rng.uniform(0.9, 1.1, 3)
    problem = MatrixRegression.whitened(matrix_with_spectrum(rng, widths[-1], widths[0], s))
    theta = [rng.standard_normal((m, n)) for n, m in zip(widths, widths[1:])]
    model = DeepLinear(tuple(widths))
    return [Setting(problem, model, GradientFlow(), tuple(a * W for W in theta)) for a in scales]


def partial_sums(T: np.ndarray) -> list[np.ndarray]:
    """T_k = Σ_{i≤k} s_iu_iv_iᵀ, k = 0, …, r."""
    U, s, Vt = np.linalg.svd(T, full_matrices=False)
    return [(U[:, :k] * s[:k]) @ Vt[:k] for k in range(s.size + 1)]


def _large_above(setting: Setting) -> tuple[np.ndarray, ...]:
    """W₁ as it is, and every other layer with the singular values 3: the map is as small as W₁, the layers are not."""
    first, *others = setting.theta0
    return (first, *(3 * orthonormal(*W.shape, None) for W in others))


SMALL_LAYERS = Hypothesis(
    "every layer is small: ‖W_j‖_F ≤ 0.02 s_r^{1/N}",
    lambda s: max(np.linalg.norm(W) for W in s.theta0) <= 0.02 * _values(s)[-1] ** (1 / s.model.depth),
)
SEPARATED = Hypothesis(
    "the singular values of the target are separated: s_{k+1} ≤ 0.65 s_k, s_r > 0",
    lambda s: np.all(_values(s)[1:] <= 0.65 * _values(s)[:-1]) and _values(s)[-1] > 0,
)


def _values(setting: Setting) -> np.ndarray:
    return np.linalg.svd(setting.problem.target, compute_uv=False)


SEQUENTIAL = (WHITENED, DEEP, UNIT_FLOW, SEPARATED, SMALL_LAYERS)

# -- the plateaus ------------------------------------------------------------------------------------


def _two_depths(rng: Rng) -> dict[str, Setting]:
    cases = {"N = 2": ((3, 5, 4), 1e-6), "N = 3": ((3, 4, 4, 3), 1e-3)}
    return {label: small_random(rng, widths, a)[0] for label, (widths, a) in cases.items()}


def visits(runs: dict[str, Run]) -> Evidence:
    """min_t ‖W(t) − T_k‖/s_1, k = 1, …, r − 1, each after the one before; of every run."""
    seen: list[float] = []
    for run in runs.values():
        *saddles, T = partial_sums(run.setting.problem.target)
        W = run.history["w"]
        for Tk in saddles[1:]:
            distance = np.linalg.norm(W - Tk, axis=(1, 2)) / np.linalg.norm(T, 2)
            seen.append(float(np.min(distance)))
            W = W[np.argmin(distance) :]
    return Evidence(np.array(seen))


def staircase(claim: Sample, control: Sample, ax: Any) -> Any:
    """The loss along the last run, the plateaus dashed, and the control's loss over its own time."""
    label = list(claim.runs)[-1]
    run, other = claim.runs[label], control.runs[label]
    T = run.setting.problem.target
    artists = [
        ax.axhline(0.5 * np.sum((T - Tk) ** 2), color=plotting.THEORY, ls="--", lw=0.8)
        for Tk in partial_sums(T)[:-1]
    ]
    for r, color, name in ((run, plotting.SIMULATION, "simulation"), (other, plotting.CONTROL, "control")):
        artists += ax.plot(r.history["time"] / r.time, r.history["loss"], color=color, lw=1.0, label=name)
    ax.set(xlabel="time / total time", ylabel="loss")
    plotting.legend(ax)
    return artists


plateaus = Theorem(
    id="plateaus", family="deep", kind="limit", source="jacot2021saddle",
    claim="From a small random start the flow visits the saddles T_k, the best approximations of rank k, in order.",
    settings=_two_depths, measure=visits, bound=2e-2, instances=2, hypotheses=SEQUENTIAL, figure=staircase,
    run={"stop": Stop(loss=1e-3), "save": Save(every=1, fields=("loss", "w")), "rtol": 1e-6},
    control=Control("the upper layers large, so that W(0) alone is small", 0.1, {"init": _large_above}),
)  # fmt: skip


# -- when the modes are learned ------------------------------------------------------------------------

TWO = (1e-6, 1e-8)
THREE = (4e-3, 2e-3, 1e-3)


def _scales(rng: Rng) -> dict[str, Setting]:
    """Two layers at two scales, three layers at three, each with the same directions."""
    two, three = small_random(rng, (3, 5, 4), *TWO), small_random(rng, (3, 4, 4, 3), *THREE)
    return dict(zip(ENDS, two + three))


def _until(loss: float) -> dict[str, Any]:
    return {"stop": Stop(loss=loss), "save": Save(every=1, fields=("loss",)), "rtol": 1e-8}


# below the last half-way loss of two layers, and the first of three
ENDS = {f"N = 2, α = {a:g}": 0.1 for a in TWO} | {f"N = 3, α = {a:g}": 3.2 for a in THREE}


def crossing(run: Run, k: int) -> float:
    """The time at which the loss is half-way between ½Σ_{i≥k}s_i² and ½Σ_{i>k}s_i²: a cubic in its logit there."""
    s = np.linalg.svd(run.setting.problem.target, compute_uv=False)
    low, high = 0.5 * np.sum(s[k:] ** 2), 0.5 * np.sum(s[k - 1 :] ** 2)
    t, loss = run.history["time"], run.history["loss"]
    i = int(np.argmax(loss < (low + high) / 2))
    near = slice(i - 2, i + 2)
    y = (loss[near] - low) / (high - low)
    logit = np.log(y / (1 - y))
    return float(np.polyfit(logit, t[near] - t[i], 3)[-1] + t[i])


def delays(runs: dict[str, Run]) -> Evidence:
    """s_k dt_k/d ln(1/α) of two layers, all k; −d ln t_1/d ln α of three, extrapolated to α = 0."""
    two, three = ([r for r in runs.values() if r.setting.model.depth == N] for N in (2, 3))
    s = np.linalg.svd(two[0].setting.problem.target, compute_uv=False)
    t = np.array([[crossing(run, k) for k in (1, 2, 3)] for run in two])
    delay = (t[1] - t[0]) / np.log(TWO[0] / TWO[1])
    t1 = np.array([crossing(run, 1) for run in three])
    exponents = np.log2(t1[1:] / t1[:-1])
    detail = {"seen": delay, "theory": 1 / s, "axes": ("mode k", "dt_k/d ln(1/α), N = 2", "")}
    return Evidence(np.array([*(s * delay), 2 * exponents[1] - exponents[0]]), np.ones(4), detail)


escape_times = Theorem(
    id="escape-times", family="deep", kind="rate", source="saxe2014exact",
    claim="Mode k is learned at ln(1/α)/s_k + O(1) by two layers, mode one at a time of order α^{−(N−2)} by more.",
    settings=_scales, measure=delays, bound=1e-3, instances=2, hypotheses=SEQUENTIAL, figure=figures.points,
    run={label: _until(loss) for label, loss in ENDS.items()},
    control=Control("the upper layers large, so that W(0) alone is small", 0.5, {"init": _large_above}),
)  # fmt: skip
