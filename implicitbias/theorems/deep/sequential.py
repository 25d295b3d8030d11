"""Deep linear networks from small starts learn one singular mode after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientDescent, GradientFlow, HeavyBall
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, NO_DECAY
from ...selection.rules.modes import deep_modes_rule
from ...selection.rules.networks import BALANCED, DEEP, PLAIN_STEP, TWO_LAYERS, UNIT_FLOW, WHITENED
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, matrix_with_spectrum

# -- the draws -------------------------------------------------------------------------------------


def small_random(rng: Rng, widths: Sequence[int], *scales: float) -> list[Setting]:
    """Starts αθ̂ with the same normal θ̂, its sign such that u₁ᵀW(0)v₁ > 0; s = (4, 2, 1), each within a tenth."""
    s = np.array([4.0, 2.0, 1.0]) * rng.uniform(0.9, 1.1, 3)
    problem = MatrixRegression.whitened(matrix_with_spectrum(rng, widths[-1], widths[0], s))
    theta = [rng.standard_normal((m, n)) for n, m in zip(widths, widths[1:])]
    model = DeepLinear(tuple(widths))
    theta[0] *= np.sign(_overlaps(problem.target, model.predictor(theta))[0])
    return [Setting(problem, model, GradientFlow(), tuple(a * W for W in theta)) for a in scales]


def _overlaps(T: np.ndarray, W: np.ndarray) -> np.ndarray:
    """u_iᵀWv_i in the singular bases of T."""
    U, _, Vt = np.linalg.svd(T, full_matrices=False)
    return np.einsum("ai,ab,ib->i", U, W, Vt)


def partial_sums(T: np.ndarray) -> list[np.ndarray]:
    """T_k = Σ_{i≤k} s_iu_iv_iᵀ, k = 0, …, r."""
    U, s, Vt = np.linalg.svd(T, full_matrices=False)
    return [(U[:, :k] * s[:k]) @ Vt[:k] for k in range(s.size + 1)]


def _large_above(setting: Setting) -> tuple[np.ndarray, ...]:
    """W₁ as it is, and every other layer with the singular values 3: the map is as small as W₁, the layers are not."""
    first, *others = setting.theta0
    return (first, *(3 * np.eye(len(W), W.shape[1]) for W in others))


SMALL_LAYERS = Hypothesis(
    "every layer is small: ‖W_j‖_F ≤ 0.1 s_r^{1/N}",
    lambda s: max(np.linalg.norm(W) for W in s.theta0) <= 0.1 * _values(s)[-1] ** (1 / s.model.depth),
)
SEPARATED = Hypothesis(
    "the singular values of the target are separated: s_{k+1} ≤ 0.65 s_k, s_r > 0",
    lambda s: np.all(_values(s)[1:] <= 0.65 * _values(s)[:-1]) and _values(s)[-1] > 0,
)


def _values(setting: Setting) -> np.ndarray:
    return np.linalg.svd(setting.problem.target, compute_uv=False)


def _lead(setting: Setting) -> float:
    """s_1p_1^{1/N} over the largest other s_i|p_i|^{1/N}, p_i = u_iᵀW(0)v_i: above 1, mode one would be first alone."""
    p = _overlaps(setting.problem.target, setting.w0)
    speed = _values(setting) * np.abs(p) ** (1 / setting.model.depth)
    return float(np.sign(p[0]) * speed[0] / np.max(speed[1:]))


MODE_ONE_LEADS = Hypothesis(
    "of three layers or more mode one leads at the start: s_1p_1^{1/N} ≥ 1.5 s_i|p_i|^{1/N}, p_i = u_iᵀW(0)v_i",
    lambda s: s.model.depth == 2 or _lead(s) >= 1.5,
)
SEQUENTIAL = (WHITENED, DEEP, UNIT_FLOW, NO_DECAY, SEPARATED, SMALL_LAYERS)

# -- the plateaus ------------------------------------------------------------------------------------


def _two_depths(rng: Rng) -> dict[str, Setting]:
    cases = {"N = 2": ((3, 5, 4), 1e-8), "N = 3": ((3, 4, 4, 3), 1e-3)}
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
    settings=_two_depths, measure=visits, bound=2e-2, instances=2, figure=staircase,
    hypotheses=SEQUENTIAL, conditions=(MODE_ONE_LEADS,),
    run={"stop": Stop(loss=1e-3), "save": Save(every=1, fields=("loss", "w")), "rtol": 1e-6},
    control=Control("the upper layers large, so that W(0) alone is small", 0.1, {"init": _large_above}),
)  # fmt: skip


# -- when the modes are learned ------------------------------------------------------------------------

SCALES = {2: (1e-8, 1e-10), 3: (4e-3, 2e-3, 1e-3), 4: (1e-2, 5e-3, 2.5e-3)}
"""Of each depth; those of three layers and more are halved twice."""
WIDTHS = {2: (3, 5, 4), 3: (3, 3, 3, 3), 4: (3, 3, 3, 3, 3)}
ENDS = {N: 0.1 if N == 2 else 3.2 for N in SCALES}
"""Losses below the last half-way loss of two layers, and below the first of more."""


def _scales(rng: Rng) -> dict[str, Setting]:
    """At each depth the same directions at all its scales."""
    return {
        f"N = {N}, α = {a:g}": setting
        for N, scales in SCALES.items()
        for a, setting in zip(scales, small_random(rng, WIDTHS[N], *scales))
    }


def reached(part: float, progress: np.ndarray, y: np.ndarray) -> float:
    """y at the point where the progress first passes ``part``: the cubic in its logit through four points.

    NaN where it does not, or too near an end.
    """
    i = int(np.argmax(progress > part))
    if not 2 <= i <= len(progress) - 2:
        return np.nan
    near = slice(i - 2, i + 2)
    logit = np.log(progress[near] / (1 - progress[near])) - np.log(part / (1 - part))
    return float(np.polyfit(logit, y[near] - y[i], 3)[-1] + y[i])


def crossing(run: Run, k: int) -> float:
    """The time at which the loss is half-way from ½Σ_{i≥k}s_i² to ½Σ_{i>k}s_i²."""
    s = _values(run.setting)
    high, low = 0.5 * np.sum(s[k - 1 :] ** 2), 0.5 * np.sum(s[k:] ** 2)
    return reached(0.5, (high - run.history["loss"]) / (high - low), run.history["time"])


def delays(runs: dict[str, Run]) -> Evidence:
    """s_k dt_k/d ln(1/α), all k, of two layers; −d ln t_1/d ln α/(N − 2), extrapolated to α = 0, of more."""
    by_depth = {N: [r for r in runs.values() if r.setting.model.depth == N] for N in SCALES}
    s = _values(by_depth[2][0].setting)
    t = np.array([[crossing(run, k) for k in (1, 2, 3)] for run in by_depth[2]])
    delay = (t[1] - t[0]) / np.log(SCALES[2][0] / SCALES[2][1])
    orders = []
    for N in (3, 4):
        first, second = np.diff(np.log2([crossing(run, 1) for run in by_depth[N]]))
        # t_1 = A α^{−(N−2)} + B: each exponent is off by a multiple of α^{N−2}
        orders.append((second + (second - first) / (2 ** (N - 2) - 1)) / (N - 2))
    detail = {"seen": delay, "theory": 1 / s, "axes": ("mode k", "dt_k/d ln(1/α), N = 2", "")}
    return Evidence(np.array([*(s * delay), *orders]), np.ones(5), detail)


escape_times = Theorem(
    id="escape-times", family="deep", kind="rate", source="saxe2014exact",
    claim="Mode k is learned at ln(1/α)/s_k + O(1) by two layers, mode one at a time of order α^{−(N−2)} by more.",
    settings=_scales, measure=delays, bound=1e-3, instances=2, figure=figures.points,
    hypotheses=SEQUENTIAL, conditions=(MODE_ONE_LEADS,),
    run={
        f"N = {N}, α = {a:g}": {"stop": Stop(loss=ENDS[N]), "save": Save(every=1), "rtol": 1e-10 if N == 2 else 1e-7}
        for N, scales in SCALES.items() for a in scales
    },
    control=Control("the upper layers large, so that W(0) alone is small", 0.5, {"init": _large_above}),
)  # fmt: skip


# -- discrete phases -----------------------------------------------------------------------------------

DELTAS = (10.0, 20.0)


def _tiny_starts(rng: Rng) -> dict[str, Setting]:
    """Σ = VΛVᵀ, C = USVᵀ and W₁ = e^{−δ}RVᵀ, W₂ = e^{−δ}URᵀ for two δ; S falls where the solution S/Λ rises."""
    s = np.array([1.0, 0.5, 0.25]) * rng.uniform(0.9, 1.1, 3)
    lam = np.array([1.6, 0.6, 0.2]) * rng.uniform(0.9, 1.1, 3)
    U, V, R = (orthonormal(3, 3, rng) for _ in range(3))
    X = np.sqrt(6) * (orthonormal(6, 3, rng) * np.sqrt(lam)) @ V.T
    problem, step = MatrixRegression(X, X @ (V * (s / lam)) @ U.T), GradientDescent(0.4 / s[0])
    starts = {f"δ = {d:g}": (np.exp(-d) * R @ V.T, np.exp(-d) * U @ R.T) for d in DELTAS}
    return {label: Setting(problem, DeepLinear((3, 3, 3)), step, theta) for label, theta in starts.items()}


def correlation_modes(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """U, s, V of C = YᵀX/n = USVᵀ, and VᵀΣV for Σ = XᵀX/n."""
    problem = setting.problem
    U, s, Vt = np.linalg.svd(-problem.gradient(np.zeros(problem.w_shape)))
    return U, s, Vt.T, Vt @ problem.covariance @ Vt.T


def phases(runs: dict[str, Run]) -> Evidence:
    """η(k_i(δ′) − k_i(δ))/(δ′ − δ) · ln(1 + ηs_i)/η, k_i the step at which a tenth of mode i is learned."""
    steps = []
    for run in runs.values():
        U, s, V, sigma = correlation_modes(run.setting)
        y = np.einsum("ai,kab,bi->ki", U, run.history["w"], V) * np.diag(sigma) / s
        steps.append([reached(0.1, y[:, i], run.history["steps"]) for i in range(s.size)])
    eta = run.setting.optimizer.step
    seen, theory = eta * np.subtract(steps[1], steps[0]) / (DELTAS[1] - DELTAS[0]), eta / np.log1p(eta * s)

    return Evidence(
        seen / theory, np.ones(3), {"seen": seen, "theory": theory, "axes": ("mode i", "ηdk_i/dδ", "")}
    )


def _jointly_diagonal(setting: Setting) -> bool:
    """UᵀW(0)V = e^{−2δ}I with small, balanced layers, and VᵀΣV diagonal."""
    U, _, V, sigma = correlation_modes(setting)
    start = U.T @ setting.w0 @ V
    scale = np.mean(np.diag(start))
    off = np.max(np.abs(start - scale * np.eye(len(start)))) / scale
    return bool(0 < scale <= 1e-6 and max(off, np.max(np.abs(sigma - np.diag(np.diag(sigma))))) <= 1e-10)


ONE_SCALE = Hypothesis(
    "VᵀΣV is diagonal and UᵀW(0)V = e^{−2δ}I in the singular bases of C = USVᵀ, δ ≥ 7", _jointly_diagonal
)
SMALL_STEP = Hypothesis("ηs_1 ≤ ½", lambda s: s.optimizer.step * correlation_modes(s)[1][0] <= 0.5)

discrete_phases = Theorem(
    id="discrete-phases", family="deep", kind="rate", source="gidel2019implicit",
    claim="Gradient descent from layers of size e^{−δ} learns mode i after δ/ln(1 + ηs_i) steps.",
    settings=_tiny_starts, measure=phases, bound=1e-4, figure=figures.points,
    hypotheses=(TWO_LAYERS, PLAIN_STEP, BALANCED, ONE_SCALE, SMALL_STEP, CONVERGED),
    run={"stop": Stop(loss=1e-8), "save": Save(every=1, fields=("w",))},
    control=Control("heavy-ball momentum", 0.1, {"optimizer": lambda s: HeavyBall(s.optimizer.step, 0.5)}),
)  # fmt: skip


# -- the scale that incremental learning needs -----------------------------------------------------------

LEARNED, UNTOUCHED = 0.9, 0.1


def waiting_time(start: float, s: float, part: float, N: int) -> float:
    """The time at which u̇ = N u^{2−2/N}(s − u) from ``start`` reaches ``part`` of s."""
    from scipy.special import hyp2f1

    m = 1 - 2 / N

    def F(y: float) -> float:
        return float(np.log(y / (1 - y)) if N == 2 else -(y**-m) / m * hyp2f1(1, -m, 1 - m, y))

    return (F(part) - F(start / s)) / (N * s ** (1 + m))


def threshold(s1: float, s2: float, N: int) -> float:
    """The largest start of both modes from which mode two is at most e s₂ when mode one is f s₁."""
    from scipy.optimize import brentq

    def lead(log_start: float) -> float:
        u = np.exp(log_start)
        return waiting_time(u, s2, UNTOUCHED, N) - waiting_time(u, s1, LEARNED, N)

    return float(np.exp(brentq(lead, -100.0, np.log(UNTOUCHED * s2), xtol=1e-14)))


def _at_threshold(rng: Rng) -> dict[str, Setting]:
    """Aligned starts at the threshold of each depth; s = (2, 2/r, 2/r²), r in [1.3, 2]."""
    s = 2 / rng.uniform(1.3, 2) ** np.arange(3)
    U, V = orthonormal(3, 3, rng), orthonormal(3, 3, rng)
    problem = MatrixRegression.whitened((U * s) @ V.T)
    settings = {}
    for N in (2, 3, 4):
        model = DeepLinear((3, *(4,) * (N - 1), 3))
        theta = model.factorize(threshold(s[0], s[1], N) * U @ V.T, rng=rng)
        settings[f"N = {N}"] = Setting(problem, model, GradientFlow(), theta)
    return settings


def second_mode(runs: dict[str, Run]) -> Evidence:
    """u_2/s_2 at the time when u_1 = f s_1, of every run; it must be e."""
    seen = []
    for run in runs.values():
        U, s, Vt = np.linalg.svd(run.setting.problem.target)
        y = np.einsum("ai,kab,ib->ki", U[:, :2], run.history["w"], Vt[:2]) / s[:2]
        seen.append(reached(LEARNED, y[:, 0], y[:, 1]))

    theory = np.full(len(seen), UNTOUCHED)
    detail = {"seen": np.array(seen), "theory": theory, "axes": ("N − 1", "u₂/s₂ when u₁ = 0.9 s₁", "")}
    return Evidence(detail["seen"], theory, detail)


def _common_start(setting: Setting, N: int) -> float:
    s = _values(setting)
    return threshold(s[0], s[1], N)


def _one_layer_more(setting: Setting) -> tuple[np.ndarray, ...]:
    """The same start, scaled to the threshold of depth N + 1."""
    N = setting.model.depth
    factor = (_common_start(setting, N + 1) / _common_start(setting, N)) ** (1 / N)
    return tuple(factor * W for W in setting.theta0)


AT_THRESHOLD = Hypothesis(
    "every mode starts at the threshold of this depth",
    lambda s: np.allclose(
        np.linalg.svd(s.w0, compute_uv=False), _common_start(s, s.model.depth), rtol=1e-10, atol=0
    ),
)

depth_makes_learning_incremental = Theorem(
    id="depth-makes-learning-incremental", family="deep", kind="exact", source="gissin2020implicit",
    claim="Modes wait for one another from scales exponentially small in 1/(s₁/s₂ − 1) at depth two only.",
    settings=_at_threshold, measure=second_mode, bound=1e-6, instances=2, figure=figures.points,
    hypotheses=(*deep_modes_rule.hypotheses, AT_THRESHOLD),
    run={"stop": Stop(loss=0.1), "save": Save(every=1, fields=("w",)), "rtol": 1e-9},
    control=Control("the threshold of one layer more", 0.1, {"init": _one_layer_more}),
)  # fmt: skip
