"""Early stopping and averaging beside ridge regression."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import Averaged, GradientDescent, GradientFlow, HeavyBall, Nesterov
from ...problems import MatrixRegression, Regression
from ...selection import Hypothesis
from ...selection.rules.common import FROM_ZERO, LINEAR, NO_DECAY, SQUARE_LOSS, is_a
from ...selection.rules.linear import averaged_rule
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import inputs_with_spectrum

Rng = np.random.Generator

FLOW = Hypothesis(
    "the optimizer is the gradient flow at rate one",
    lambda s: isinstance(s.optimizer, GradientFlow) and s.optimizer.rates in (None, (1.0,)),
)
TWICE_AS_FAST = {"optimizer": GradientFlow(rates=(2.0,))}


def ridge_path(X: np.ndarray, Y: np.ndarray, lam: np.ndarray) -> np.ndarray:
    """argmin 1/(2n)‖Xw − y‖² + (λ/2)‖w‖² for each λ (m,) and each column y of Y (n, k); (m, k, d)."""
    H = X.T @ X / len(X) + lam[:, None, None] * np.eye(X.shape[1])
    return np.asarray(np.swapaxes(np.linalg.solve(H, (X.T @ Y / len(X))[None]), 1, 2))


# -- the two paths -------------------------------------------------------------------------------

# e^x = 1 + x + x² and e^x = (1 + x)²: where the flow is farthest from ridge, beside ridge and beside least squares
X_RIDGE, X_LEAST_SQUARES = 1.793282132900761, 2.5128624172523395
C = (1 + X_RIDGE) ** 2 / (1 + X_RIDGE + X_RIDGE**2)
"""sup_x (1 − e^{−x})(1 + x)/x = 1.2984256."""
C_LEAST_SQUARES = X_LEAST_SQUARES / (1 + X_LEAST_SQUARES) ** 2
"""sup_x 1/(1 + x) − e^{−x} = 0.2036322."""
PATH = np.sort(np.append(np.geomspace(0.01, 100.0, 40), [X_RIDGE, X_LEAST_SQUARES]))


def _graded_and_isotropic(rng: Rng) -> dict[str, Setting]:
    spectra = {"graded": np.exp(rng.uniform(np.log(0.03), np.log(3), 6)), "isotropic": np.ones(6)}
    problems = {
        k: Regression(inputs_with_spectrum(rng, 8, 9, s), rng.standard_normal(8)) for k, s in spectra.items()
    }
    return {label: Setting(problem, Linear(), GradientFlow()) for label, problem in problems.items()}


def worst_quotients(runs: dict[str, Run]) -> Evidence:
    """‖w(t) − r‖ over (c − 1)‖r‖ and over 0.2036322‖w_LS‖, and ‖r‖/‖w(t)‖, r = ridge at 1/t; the largest each."""
    quotients, detail = [], {}
    for label, run in runs.items():
        t, w, problem = run.history["time"], run.history["w"], run.setting.problem
        r = ridge_path(problem.X, problem.y[:, None], 1 / t)[:, 0]
        apart, size = np.linalg.norm(w - r, axis=1), np.linalg.norm(r, axis=1)
        detail[label] = apart / size
        quotients += [
            np.max(apart / size) / (C - 1),
            np.max(apart) / (C_LEAST_SQUARES * np.linalg.norm(problem.least_squares)),
            np.max(size / np.linalg.norm(w, axis=1)),
        ]
    return Evidence(np.array(quotients), detail=detail | {"t": t})


def path_quotients(claim: Sample, control: Sample, ax: Any) -> Any:
    """‖w(t) − r‖/‖r‖ along both paths, and the control's, under c − 1."""
    detail = claim.evidence.detail
    seen = np.column_stack([detail["graded"], detail["isotropic"]])
    lines = plotting.bound(
        detail["t"], seen, np.full(len(PATH), C - 1), ax, control=control.evidence.detail["graded"],
        xlabel="time t", ylabel="‖w(t) − ridge(1/t)‖/‖ridge‖", log="x",
    )  # fmt: skip
    for line, label in zip(lines, ("graded", "isotropic")):
        line.set(label=label, ls={"graded": "-", "isotropic": ":"}[label])
    plotting.legend(ax)
    return lines


early_stopping_vs_ridge = Theorem(
    id="early-stopping-vs-ridge", family="linear", kind="bound", source="ali2019continuous",
    claim="From zero, the flow at time t is within 29.843 % of ridge at λ = 1/t, and 20.364 % of least squares.",
    settings=_graded_and_isotropic, measure=worst_quotients, bound=1.0 + 1e-6, figure=path_quotients,
    run={"stop": Stop(time=100.0), "save": Save(at=PATH, fields=("w",))},
    hypotheses=(SQUARE_LOSS, LINEAR, FLOW, NO_DECAY, FROM_ZERO),
    control=Control("rate two, which is λ = 2/t", 2.0, TWICE_AS_FAST),
)  # fmt: skip


# -- the two risks -------------------------------------------------------------------------------

RISK_TIMES = np.sort(np.append(np.geomspace(0.05, 300.0, 40), X_RIDGE))
COLUMNS = Hypothesis(
    "the problem is a MatrixRegression: each column of Y is a regression", is_a(MatrixRegression, "problem")
)


def _signal_and_noise(rng: Rng) -> dict[str, Setting]:
    """Y = [Xβ, I]: estimates are linear in y; the first column shows their bias, the others their variance."""
    spectra = {"graded": np.exp(rng.uniform(np.log(0.02), 0, 4)), "isotropic": np.ones(4)}
    settings = {}
    for label, spectrum in spectra.items():
        X = inputs_with_spectrum(rng, 7, 4, spectrum)
        problem = MatrixRegression(X, np.column_stack([X @ rng.standard_normal(4), np.eye(7)]))
        settings[label] = Setting(problem, Linear(), GradientFlow())
    return settings


def risk_quotients(runs: dict[str, Run]) -> Evidence:
    """Largest bias²/bias² and variance/(c² variance) of the flow at t over ridge at 1/t, in ℓ2 and in sample."""
    quotients, seen = [], []
    for run in runs.values():
        X, Y, t = run.setting.problem.X, run.setting.problem.Y, run.history["time"]
        beta = np.linalg.lstsq(X, Y[:, 0], rcond=None)[0]
        for J in (X, np.eye(len(beta))):
            flow, ridge = (bias_and_variance(w, beta, J) for w in (run.history["w"], ridge_path(X, Y, 1 / t)))
            quotients += [np.max(flow[0] / ridge[0]), np.max(flow[1] / ridge[1]) / C**2]
        seen.append(flow[1] / ridge[1])
    axes = ("time t", "variance / ridge's", "x")
    detail = {"x": t, "seen": np.array(seen).T, "theory": np.full(t.size, C**2), "axes": axes}
    return Evidence(np.array(quotients), detail=detail)


def bias_and_variance(w: np.ndarray, beta: np.ndarray, J: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """‖J(E ŵ − β)‖² and E ‖J(ŵ − E ŵ)‖² under unit noise, for the estimates w (m, 1 + n, d) of Y = [Xβ, I]."""
    return np.sum(((w[:, 0] - beta) @ J.T) ** 2, axis=1), np.sum((w[:, 1:] @ J.T) ** 2, axis=(1, 2))


early_stopping_risk = Theorem(
    id="early-stopping-risk", family="linear", kind="bound", source="ali2019continuous",
    claim="From zero, the risk of the flow at time t is at most 1.68591 times that of ridge at λ = 1/t.",
    settings=_signal_and_noise, measure=risk_quotients, bound=1.0 + 1e-6, figure=figures.along,
    run={"stop": Stop(time=300.0), "save": Save(at=RISK_TIMES, fields=("w",))},
    hypotheses=(COLUMNS, LINEAR, FLOW, NO_DECAY, FROM_ZERO),
    control=Control("rate two, which is λ = 2/t", 1.5, TWICE_AS_FAST),
)  # fmt: skip


# -- averages of steps ---------------------------------------------------------------------------


def _averages(rng: Rng) -> dict[str, Setting]:
    X = inputs_with_spectrum(rng, 8, 12, np.exp(rng.uniform(np.log(0.05), 0, 5)))
    problem, w0 = Regression(X, rng.standard_normal(8)), rng.standard_normal(12)
    inner = {"descent": GradientDescent(1.0), "heavy ball": HeavyBall(1.0, 0.5)}
    return {
        f"{name}, p = {p}": Setting(problem, Linear(), Averaged(o, decay=p), w0)
        for name, o in inner.items()
        for p in (0.1, 0.4)
    }


averaging_is_ridge = Theorem(
    id="averaging-is-ridge", family="linear", kind="exact", source="neu2018averaging",
    claim="Averages of gradient descent with weights ∝ (1 − p)ᵏ are the ridge solution at λ = p/((1 − p)η).",
    settings=_averages, rule=averaged_rule, run={"stop": Stop(steps=400)}, bound=1e-13, figure=figures.coordinates,
    control=Control(
        "Nesterov's method, whose average is shrunk", 1e-3,
        {"optimizer": lambda s: Averaged(Nesterov(1.0, 0.5), decay=s.optimizer.decay)}),
)  # fmt: skip


# -- an average of the flow ----------------------------------------------------------------------

NODES, WEIGHTS = np.polynomial.laguerre.laggauss(20)


def _flow(rng: Rng) -> Setting:
    X = inputs_with_spectrum(rng, 6, 9, np.exp(rng.uniform(np.log(0.05), np.log(2), 5)))
    return Setting(Regression(X, rng.standard_normal(6)), Linear(), GradientFlow(), rng.standard_normal(9))


def average_over_ridge(run: Run) -> Evidence:
    """‖∫₀^∞ e^{−t} w(t) dt − ridge at λ = 1‖/‖ridge‖, the integral by Gauss and Laguerre."""
    average = WEIGHTS @ run.history["w"]
    X, y, w0 = run.setting.problem.X, run.setting.problem.y, run.setting.w0
    ridge = w0 + ridge_path(X, (y - X @ w0)[:, None], np.ones(1))[0, 0]
    error = float(np.linalg.norm(average - ridge) / np.linalg.norm(ridge))
    return Evidence(error, 0.0, {"seen": average, "theory": ridge, "ylabel": "average of w"})


flow_averaging_is_ridge = Theorem(
    id="flow-averaging-is-ridge", family="linear", kind="exact", source="neu2018averaging",
    claim="The average of the gradient flow with density λe^{−λt} is the ridge solution at λ.",
    settings=_flow, measure=average_over_ridge, bound=1e-10, figure=figures.entries,
    run={"stop": Stop(time=70.0), "save": Save(at=NODES, fields=("w",)), "rtol": 1e-12},
    hypotheses=(SQUARE_LOSS, LINEAR, FLOW, NO_DECAY),
    control=Control("rate two, which is ridge at λ/2", 1e-3, TWICE_AS_FAST),
)  # fmt: skip
