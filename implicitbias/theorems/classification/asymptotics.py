"""What is left of gradient descent on separable data beside ŵ log t: constants and exponents."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import Linear
from ...optimizers import SGD, GradientDescent, HeavyBall, Nesterov, PreconditionedFlow
from ...optimizers import GradientFlow as Flow
from ...problems import Classification, Regression
from ...selection import Hypothesis
from ...selection.rules.classification import margin_curve, max_margin_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng
from .margins import NONDEGENERATE, SETTLED, gaussian_classification

ALL_SUPPORT = Hypothesis(
    "all samples are support vectors", lambda s: len(margin_curve(s).support) == s.problem.n
)


def doubled(setting: Setting) -> PreconditionedFlow:
    """A preconditioner P ⪰ 2I that is not a multiple of I."""
    return PreconditionedFlow(np.linspace(2, 4, setting.w0.size))


# -- the exponent of the relaxation --------------------------------------------------------------

WINDOW = (9.0, 15.0)
"""Of κ log t: late enough for the slowest mode to be alone, early enough for it to be above rounding."""


def _starts(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_classification(rng, 8, 16)
    return {f"start {j}": Setting(problem, Linear(), Flow(), rng.normal(0, 0.5, 16)) for j in (1, 2)}


def relaxation(runs: dict[str, Run]) -> Evidence:
    """The slope of log ‖P_S(w − ŵ log t) − w̃‖ in κ log t, over all starts together."""
    curves = {label: margin_curve(run.setting) for label, run in runs.items()}
    first = next(iter(runs))
    tau, kappa = runs[first].history["log_time"], curves[first].kappa
    off = [curve.project(runs[label].history["w"] - curve(log_time=tau)) for label, curve in curves.items()]
    size = np.sqrt(np.sum(np.square(off), axis=(0, 2)))
    x = kappa * tau
    shown = (x >= 1) & (x <= WINDOW[1])
    window = shown & (x >= WINDOW[0])
    slope, at_zero = np.polyfit(x[window], np.log(size[window]), 1)
    theory = np.exp(at_zero - x[shown])
    axes = ("κ log t", "distance on span S", "y")
    return Evidence(slope, -1.0, {"x": x[shown], "seen": size[shown], "theory": theory, "axes": axes})


def _slowest_alone(setting: Setting) -> bool:
    kappa, second = margin_curve(setting).exponents[:2]
    return bool(kappa >= 0.14 and 1.6 * kappa <= second)


SLOWEST_ALONE = Hypothesis("κ ≥ 0.14, and the next exponent is at least 1.6 κ", _slowest_alone)

margin_relaxation = Theorem(
    id="margin-relaxation", family="classification", kind="rate", source="soudry2018separable",
    claim="The flow approaches ŵ log t + w̃ like t^{−κ}, κ the least eigenvalue of Σα_i z_i z_iᵀ or margin gap.",
    settings=_starts, measure=relaxation, hypotheses=(*max_margin_rule.hypotheses, NONDEGENERATE), bound=0.1,
    run={"stop": Stop(log_time=110.0), "save": Save(log=4, fields=("w",))},
    control=Control("a preconditioner P ⪰ 2: the constant is another", 0.5, {"optimizer": doubled}),
    conditions=(SLOWEST_ALONE,), figure=figures.along,
)  # fmt: skip


# -- the constant of the direction ---------------------------------------------------------------

FAR = 1e4 * float(np.log(10))
"""log t at t = 10^10000."""


def _wide(rng: Rng) -> Setting:
    return Setting(gaussian_classification(rng, 6, 50), Linear(), Flow(), rng.standard_normal(50))


def _parts(setting: Setting) -> tuple[np.ndarray, float, np.ndarray, float]:
    """(u, γ, γ(I − uuᵀ)ρ, γ u·ρ) of the constant ρ = w̃ + (I − P_S)w₀."""
    curve = margin_curve(setting)
    gamma = 1 / float(np.linalg.norm(curve.what))
    u, scaled = gamma * curve.what, gamma * curve.constant
    along = float(u @ scaled)
    return u, gamma, scaled - along * u, along


def direction_constant(run: Run) -> Evidence:
    """log t ‖w/‖w‖ − u‖ / (γ‖(I − uuᵀ)ρ‖), along the run; measured at its end."""
    u, _, across, _ = _parts(run.setting)
    tau = run.history["log_time"]
    error = np.linalg.norm(run.history["direction"] - u, axis=1)
    size = float(np.linalg.norm(across))
    shown = tau >= 1
    axes = ("log t", "‖w/‖w‖ − u‖", "xy")
    detail = {"x": tau[shown], "seen": error[shown], "theory": size / tau[shown], "axes": axes}
    return Evidence(tau[-1] * error[-1] / size, 1.0, detail)


def _early(setting: Setting) -> bool:
    _, _, across, along = _parts(setting)
    size = float(np.linalg.norm(across))
    return abs(along) + size <= 40 and size >= 0.1


LATE = Hypothesis("γ‖(I − uuᵀ)ρ‖ ≥ 0.1, and with γ|u·ρ| it is at most 40", _early)
SETTLES = Hypothesis("κ ≥ 0.01", lambda s: margin_curve(s).kappa >= 0.01)

margin_direction = Theorem(
    id="margin-direction-constant", family="classification", kind="limit", source="soudry2018separable",
    claim="The direction's error is γ‖(I − uuᵀ)ρ‖/log t, ρ the constant beside ŵ log t; to t = 10^10000.",
    settings=_wide, measure=direction_constant, bound=5e-3, figure=figures.along,
    hypotheses=(*max_margin_rule.hypotheses, ALL_SUPPORT),
    run={"stop": Stop(log_time=FAR), "save": Save(at=np.geomspace(0.1, FAR, 40), fields=("direction",))},
    control=Control("a preconditioner: another direction", 1.0, {"optimizer": doubled}),
    conditions=(LATE, SETTLES),
)  # fmt: skip


# -- the constant of the loss --------------------------------------------------------------------


def _both_losses(rng: Rng) -> dict[str, Setting]:
    X, w0, y = rng.standard_normal((8, 16)), rng.standard_normal(16), np.where(np.arange(8) % 2, 1, -1)
    return {loss: Setting(Classification(X, y, loss), Linear(), Flow(), w0) for loss in ("exp", "logistic")}


def loss_constant(runs: dict[str, Run]) -> Evidence:
    """log(t L γ²) at the end of each run."""
    logs, path = [], {}
    for label, run in runs.items():
        log_norm = 2 * np.log(np.linalg.norm(margin_curve(run.setting).what))
        path[label] = run.history["log_time"] + run.history["log_loss"] - log_norm
        logs.append(run.log_time + run.log_loss - log_norm)
    run, seen = runs["exp"], np.column_stack(list(path.values()))
    axes = ("log t", "t L γ²", "x")
    detail = {
        "x": run.history["log_time"],
        "seen": np.exp(seen),
        "theory": np.ones_like(seen),
        "axes": axes,
    }
    return Evidence(np.array(logs), 0.0, detail)


separable_loss = Theorem(
    id="separable-loss-constant", family="classification", kind="exact", source="soudry2018separable",
    claim="On separable data t L γ² → 1: the loss of the flow is 1/(γ²t), γ the ℓ2 margin, whatever the start.",
    settings=_both_losses, measure=loss_constant, bound=1e-9, figure=figures.along,
    hypotheses=(*max_margin_rule.hypotheses, NONDEGENERATE),
    run={"stop": Stop(log_time=1000.0), "save": Save(at=np.geomspace(1, 1000, 40), fields=("log_loss",))},
    control=Control("a preconditioner P ⪰ 2: t L γ² ≤ ½ in the end", 0.5, {"optimizer": doubled}),
    conditions=(SETTLED,),
)  # fmt: skip


# -- support vectors everywhere ------------------------------------------------------------------


def _with_regression(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_classification(rng, 8, 32)
    regression = Setting(Regression(problem.X, problem.y), Linear(), Flow())
    return {
        "classification": Setting(problem, Linear(), Flow(), rng.standard_normal(32)),
        "regression": regression,
    }


def _dual(Z: np.ndarray) -> np.ndarray:
    """(ZZᵀ)⁻¹1."""
    return np.linalg.solve(Z @ Z.T, np.ones(len(Z)))


def _signed(setting: Setting) -> np.ndarray:
    return np.asarray(setting.problem.y[:, None] * setting.problem.X)


def growth(runs: dict[str, Run]) -> Evidence:
    """(w(t) − w(√t))/log √t of classification against the least-norm solution of Xw = y."""
    run, least = runs["classification"], runs["regression"].w
    (early, late), (a, b) = run.history["w"], run.history["log_time"]
    grown = (late - early) / (b - a)
    return Evidence(
        np.linalg.norm(grown - least) / np.linalg.norm(least),
        0.0,
        {"seen": grown, "theory": least, "ylabel": "w"},
    )


def _one_is_easy(setting: Setting) -> Any:
    """The last sample moved along the separator of the others until its margin is 2."""
    Z = _signed(setting)
    w = np.linalg.pinv(Z[:-1]) @ np.ones(len(Z) - 1)
    X, y = setting.problem.X.copy(), setting.problem.y
    X[-1] += y[-1] * (2 - Z[-1] @ w) * w / (w @ w)
    return type(setting.problem)(X, y)


PROLIFERATION = Hypothesis("(ZZᵀ)⁻¹1 > 0", lambda s: np.all(_dual(_signed(s)) > 0))
REST_TOO = Hypothesis(
    "(ZZᵀ)⁻¹1 > 0 without the last sample too", lambda s: np.all(_dual(_signed(s)[:-1]) > 0)
)
KAPPA = Hypothesis("κ ≥ 0.1", lambda s: s.problem.__class__ is Regression or margin_curve(s).kappa >= 0.1)
FLOWS = Hypothesis(
    "both are the gradient flow on w itself",
    lambda s: isinstance(s.optimizer, Flow) and isinstance(s.model, Linear),
)
FAR_APART = {"stop": Stop(log_time=1000.0), "save": Save(at=[500.0, 1000.0], fields=("w",))}

support_vectors = Theorem(
    id="support-vector-proliferation", family="classification", kind="exact", source="muthukumar2021classification",
    claim="Where (ZZᵀ)⁻¹1 > 0, classification and regression by gradient flow select the same w: that of Xw = y.",
    settings=_with_regression, measure=growth, bound=1e-8, figure=figures.entries,
    hypotheses=(FLOWS, PROLIFERATION),
    run={"classification": FAR_APART, "regression": {"stop": Stop(loss=1e-26)}},
    control=Control("a sample of margin two under the separator of the others", 1e-2, {"problem": _one_is_easy}),
    conditions=(REST_TOO, KAPPA),
)  # fmt: skip


# -- the constants of steps ----------------------------------------------------------------------

METHODS = {
    "gradient descent": ("exp", GradientDescent(0.1)),
    "gradient descent, logistic": ("logistic", GradientDescent(0.5)),
    "heavy ball": ("logistic", HeavyBall(0.1, 0.8)),
    "Nesterov": ("logistic", Nesterov(0.1, 0.8)),
    "cyclic SGD": ("logistic", SGD(0.5, order="cyclic")),
}


def _near_orthogonal(rng: Rng) -> dict[str, Setting]:
    Q, _ = np.linalg.qr(rng.standard_normal((12, 4)))
    Z = rng.uniform(1.5, 2.5, (4, 1)) * Q.T + 0.2 * rng.standard_normal((4, 12))
    y, w0 = np.array([1, -1, 1, -1]), rng.normal(0, 0.3, 12)
    X = y[:, None] * Z
    return {name: Setting(Classification(X, y, loss), Linear(), o, w0) for name, (loss, o) in METHODS.items()}


def step_constants(runs: dict[str, Run]) -> Evidence:
    """‖P_S(w_k − ŵ log t) − w̃‖ of each method, in t = Σ η; its w̃ has the momentum in it."""
    seen, path = [], []
    for run in runs.values():
        curve = margin_curve(run.setting)
        off = curve.project(run.history["w"] - curve(run.history["time"]))
        path.append(np.linalg.norm(off, axis=1))
        seen.append(path[-1][-1])
    k = run.history["steps"]
    theory = path[0][-1] * (k / k[-1]) ** -curve.kappa
    detail = {
        "x": k,
        "seen": np.column_stack(path),
        "theory": theory,
        "axes": ("step k", "distance on span S", "xy"),
    }
    return Evidence(np.array(seen), 0.0, detail)


def _decayed(setting: Setting) -> Any:
    return dataclasses.replace(setting.optimizer, weight_decay=0.1)


FAST = Hypothesis("κ ≥ 0.8", lambda s: margin_curve(s).kappa >= 0.8)

margin_constants = Theorem(
    id="margin-constants-of-steps", family="classification", kind="limit", source="soudry2018separable",
    claim="Gradient descent, heavy ball, Nesterov and cyclic SGD end on ŵ log t + w̃, each with its own explicit w̃.",
    settings=_near_orthogonal, measure=step_constants, bound=0.03, figure=figures.along,
    hypotheses=(*max_margin_rule.hypotheses, NONDEGENERATE, ALL_SUPPORT),
    run={"stop": Stop(steps=100_000), "save": Save(at=np.geomspace(1, 1e5, 30).round(), fields=("w",))},
    control=Control("weight decay: a finite limit", 1.0, {"optimizer": _decayed}), conditions=(FAST,),
)  # fmt: skip
