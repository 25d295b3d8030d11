"""Gradient descent at and beyond the edge of stability."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...optimizers import GradientDescent, GradientFlow, HeavyBall
from ...problems import MatrixRegression
from ...selection import Hypothesis, two_cycle
from ...selection.rules.common import CONVERGED
from ...selection.rules.networks import DEEP, PLAIN_STEP, WHITENED
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, matrix_with_spectrum

# -- the two-cycle of two scalars ------------------------------------------------------------------


def _scalar(rng: Rng) -> Setting:
    mu, e = rng.uniform(0.5, 2), rng.uniform(1.03, 1.22)
    theta = tuple(np.sqrt(mu) * rng.uniform(0.3, 1.2, (1, 1)) for _ in range(2))
    return Setting(MatrixRegression.whitened([[mu]]), DeepLinear((1, 1, 1)), GradientDescent(e / mu), theta)


def orbit(run: Run) -> Evidence:
    """The squares of both layers on the last two steps, smaller first, in units of μ."""
    mu = float(run.setting.problem.target[0, 0])
    e = run.setting.optimizer.step * mu
    squares = np.sort(run.history["theta"] ** 2, axis=0) / mu
    return Evidence(squares.ravel().tolist(), np.repeat(two_cycle(1.0, e), 2).tolist(), {"e": e})


def _e(setting: Setting) -> float:
    return float(setting.optimizer.step * setting.problem.target[0, 0])


def _too_far(setting: Setting) -> GradientDescent:
    return GradientDescent(1.26 / setting.problem.target[0, 0])


TWO_SCALARS = Hypothesis(
    "the model is a product of two scalars, and the input is whitened",
    lambda s: s.model == DeepLinear((1, 1, 1)) and s.problem.is_whitened,
)
IN_THE_BASIN = Hypothesis(
    "both layers start between 0.3√μ and 1.2√μ",
    lambda s: all(0.3 <= W[0, 0] / np.sqrt(s.problem.target[0, 0]) <= 1.2 for W in s.theta0),
)
TWO_CYCLE_STABLE = Hypothesis("1 < ημ < √5 − 1", lambda s: 1 < _e(s) < np.sqrt(5) - 1)

period_two_orbit = Theorem(
    id="period-two-orbit", family="deep", kind="exact", source="chen2023beyond",
    claim="For 1 < ημ < √5 − 1 gradient descent on (xy − μ)²/2 settles on one explicit two-cycle.",
    settings=_scalar, measure=orbit, bound=1e-10, figure=figures.orbit,
    run={"stop": Stop(steps=4000), "save": Save(last=2, fields=("theta",))},
    hypotheses=(TWO_SCALARS, PLAIN_STEP, TWO_CYCLE_STABLE, IN_THE_BASIN),
    control=Control("ημ = 1.26: the two-cycle has lost its stability", 1e-2, {"optimizer": _too_far}),
)  # fmt: skip


# -- the minima that steps can reach -----------------------------------------------------------------


def _lopsided(rng: Rng) -> Setting:
    """x² from 8μ to 20μ, y² up to μ/4, and the largest step that is allowed."""
    mu = rng.uniform(0.5, 2)
    x, y = np.sqrt(mu * rng.uniform(8, 20)), np.sqrt(mu) * rng.uniform(-0.5, 0.5)
    step = 4 / (x**2 + y**2 + 4 * mu)
    theta = (np.array([[x]]), np.array([[y]]))
    return Setting(MatrixRegression.whitened([[mu]]), DeepLinear((1, 1, 1)), GradientDescent(step), theta)


def _largest_step(setting: Setting) -> float:
    """4/(x₀² + y₀² + 4μ)."""
    return float(4 / (np.sum(setting.start**2) + 4 * setting.problem.target[0, 0]))


def over_the_edge(run: Run) -> Evidence:
    """(x² + y²)/(2/η) at the end, η the largest step that the start allows."""
    xy, edge = run.history["theta"], 2 / _largest_step(run.setting)
    return Evidence(float(np.sum(xy[-1] ** 2) / edge), detail={"path": xy, "edge": edge})


def stable_half(claim: Sample, control: Sample, ax: Any) -> Any:
    """Steps and flow in the plane of the layers, in units of √(2/η), with the valley xy = μ and the circle."""
    detail, mu = claim.evidence.detail, claim.settings[""].problem.target[0, 0]
    angle, x = np.linspace(0, 2 * np.pi, 200), np.linspace(mu / detail["edge"] / 1.3, 1.3, 300)
    artists = [
        line for s in (1, -1) for line in ax.plot(s * x, s * mu / detail["edge"] / x, color="0.8", lw=1.0)
    ]
    artists += ax.plot(
        np.cos(angle), np.sin(angle), "--", color=plotting.THEORY, lw=0.9, label="x² + y² = 2/η"
    )
    for sample, color, name in (
        (claim, plotting.SIMULATION, "simulation"),
        (control, plotting.CONTROL, "control"),
    ):
        path = sample.evidence.detail["path"] / np.sqrt(sample.evidence.detail["edge"])
        artists += ax.plot(*path.T, ".-", color=color, lw=0.8, ms=3, label=name)
    ax.set(xlabel="x / √(2/η)", ylabel="y / √(2/η)", aspect="equal", xlim=(-1.4, 1.4), ylim=(-1.4, 1.4))
    plotting.legend(ax)
    return artists


ALLOWED = Hypothesis(
    "η = 4/(x₀² + y₀² + 4μ)", lambda s: abs(s.optimizer.step / _largest_step(s) - 1) <= 1e-12
)

stable_minima = Theorem(
    id="stable-minima", family="deep", kind="bound", source="wang2022large",
    claim="Gradient descent on (μ − xy)²/2 converges, from almost every start, only to minima with x² + y² ≤ 2/η.",
    settings=_lopsided, measure=over_the_edge, bound=1.0, figure=stable_half,
    run={"stop": Stop(loss=1e-26), "save": Save(every=1, fields=("theta",))},
    hypotheses=(TWO_SCALARS, PLAIN_STEP, ALLOWED, CONVERGED),
    control=Control("the gradient flow, which keeps x² − y²", 1.2, {"optimizer": GradientFlow()}),
)  # fmt: skip


# -- from beyond the edge to its mirror image --------------------------------------------------------

BEYOND = (0.04, 0.02, 0.01)


def _sharp_minima(rng: Rng) -> dict[str, Setting]:
    """Starts next to minima with η(x² + y²) = 2 + δ, for three δ."""
    mu, e = rng.uniform(0.5, 2), rng.uniform(0.3, 0.7)
    settings = {}
    for delta in BEYOND:
        P = (2 + delta) * mu / e
        d = np.sqrt(P**2 - 4 * mu**2)
        theta = (np.array([[np.sqrt((P + d) / 2) * (1 + 1e-6)]]), np.array([[np.sqrt((P - d) / 2)]]))
        settings[f"δ = {delta:g}"] = Setting(
            MatrixRegression.whitened([[mu]]), DeepLinear((1, 1, 1)), GradientDescent(e / mu), theta
        )
    return settings


def beyond_the_edge(setting: Setting, theta: Any) -> float:
    """δ = ηS − 2, S = √((x² − y²)² + 4μ²) the sharpness of the minimum with the imbalance of θ."""
    (x,), (y,) = np.ravel(theta[0]), np.ravel(theta[1])
    S = np.hypot(x**2 - y**2, 2 * setting.problem.target[0, 0])
    return float(setting.optimizer.step * S - 2)


def reflection(runs: dict[str, Run]) -> Evidence:
    """δ(end)/δ(start), extrapolated to δ = 0 (Richardson, orders one and two)."""
    start = np.array([beyond_the_edge(r.setting, r.setting.theta0) for r in runs.values()])
    end = np.array([beyond_the_edge(r.setting, r.theta) for r in runs.values()])
    one, two, four = end / start
    axes = ("ηS − 2 at the start", "at the end, relative to it", "")
    detail = {"x": np.array(BEYOND), "seen": end / start, "theory": np.full(3, -1.0), "axes": axes}
    return Evidence((8 * four - 6 * two + one) / 3, -1.0, detail)


def _half_the_step(setting: Setting) -> GradientDescent:
    return GradientDescent(setting.optimizer.step / 2)


BEYOND_THE_EDGE = Hypothesis(
    "the start is next to a minimum with 2 < ηS < 2.1", lambda s: 0 < beyond_the_edge(s, s.theta0) < 0.1
)

reflection_at_the_edge = Theorem(
    id="reflection-at-the-edge", family="deep", kind="limit", source="zhu2023minimalist",
    claim="From a minimum sharper than 2/η by a little, gradient descent ends at one that is flatter by as much.",
    settings=_sharp_minima, measure=reflection, bound=1e-3, figure=figures.along, run={"stop": Stop(loss=1e-26)},
    hypotheses=(TWO_SCALARS, PLAIN_STEP, BEYOND_THE_EDGE, CONVERGED),
    control=Control("half the step, for which the start is stable", 0.5, {"optimizer": _half_the_step}),
)  # fmt: skip


# -- deep networks -----------------------------------------------------------------------------------


def edge(setting: Setting) -> np.ndarray:
    """η Σ_l s_i^{2(N−1−l)/N} s_j^{2l/N} (r, r): η times the Hessian's eigenvalues on the modes and their pairs."""
    N = setting.model.depth
    s = np.linalg.svd(setting.problem.target, compute_uv=False) ** (2 / N)
    terms = [np.outer(s ** (N - 1 - m), s**m) for m in range(N)]
    return np.asarray(setting.optimizer.step * np.sum(terms, axis=0))


def _one_mode_beyond(rng: Rng) -> dict[str, Setting]:
    """Full networks of two and three layers, whose largest mode alone is beyond the edge."""
    settings = {}
    for N, (low, high) in {2: (1.05, 1.18), 3: (1.14, 1.19)}.items():
        s = np.array([1.0, rng.uniform(0.4, 0.6), rng.uniform(0.1, 0.3)]) * rng.uniform(1, 3)
        problem, model = (
            MatrixRegression.whitened(matrix_with_spectrum(rng, 3, 3, s)),
            DeepLinear((3,) * (N + 1)),
        )
        step = GradientDescent(2 * rng.uniform(low, high) / (N * s[0] ** (2 - 2 / N)))
        theta = tuple(
            W + 0.05 * rng.standard_normal((3, 3)) for W in model.factorize(problem.target, rng=rng)
        )
        settings[f"{N} layers"] = Setting(problem, model, step, theta)
    return settings


def modes(runs: dict[str, Run]) -> Evidence:
    """UᵀWV on the last two steps, smaller first, in units of s_1: the two-cycle in its corner, and T elsewhere."""
    seen, expected = [], []
    for run in runs.values():
        setting, T = run.setting, run.setting.problem.target
        U, s, Vt = np.linalg.svd(T)
        w = U.T @ run.history["w"] @ Vt.T
        cycle = np.stack([np.diag(s)] * 2)
        cycle[:, 0, 0] = two_cycle(s[0], setting.optimizer.step, setting.model.depth)
        seen.append(w[np.argsort(w[:, 0, 0])] / s[0])
        expected.append(cycle / s[0])
    detail = {
        "seen": np.diagonal(seen[0], axis1=1, axis2=2).ravel(),
        "theory": np.diagonal(expected[0], axis1=1, axis2=2).ravel(),
    }
    return Evidence(
        np.ravel(seen), np.ravel(expected), detail | {"ylabel": "modes of W / s₁ (one step, the next)"}
    )


def _top_alone(setting: Setting) -> bool:
    values = edge(setting)
    top, values[0, 0] = values[0, 0], 0.0
    return bool(top > 2 and np.max(values) < 2)


def _momentum(setting: Setting) -> HeavyBall:
    return HeavyBall(setting.optimizer.step, 0.5)


TOP_ALONE = Hypothesis(
    "η times the Hessian at balanced minima exceeds 2 on the top mode, and on no other or pair", _top_alone
)
NOT_FAR = Hypothesis("on the top mode it is at most 2.4", lambda s: edge(s)[0, 0] <= 2.4)

oscillating_mode = Theorem(
    id="oscillating-mode", family="deep", kind="exact", source="ghosh2025beyond",
    claim="A deep linear network whose top mode alone is beyond the edge puts it on a two-cycle; all others converge.",
    settings=_one_mode_beyond, measure=modes, bound=1e-8, figure=figures.entries,
    run={"stop": Stop(steps=2000), "save": Save(at=(1999, 2000), fields=("w",))},
    hypotheses=(WHITENED, DEEP, PLAIN_STEP, TOP_ALONE, NOT_FAR),
    control=Control("heavy-ball momentum ½ moves the edge to 3/η", 0.05, {"optimizer": _momentum}),
)  # fmt: skip
