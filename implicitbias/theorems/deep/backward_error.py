"""Backward error analysis: which flow a method with finite steps follows, to second order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...dynamics.oracle import SettingOracle
from ...models import DeepLinear
from ...optimizers import SGD, Adam, GradientDescent, GradientFlow, HeavyBall, ModifiedFlow
from ...problems import MatrixRegression
from ...selection import Hypothesis
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, inputs_with_spectrum, matrix_with_spectrum

NETWORK = DeepLinear((3, 2, 2))
PARTS = (1, 2, 4)


def _network(rng: Rng) -> tuple[MatrixRegression, tuple[np.ndarray, ...]]:
    """A target with singular values 2 and 1, and layers with singular values in [½, 1], all in random bases."""
    first, second = (matrix_with_spectrum(rng, 2, q, rng.uniform(0.5, 1, 2)) for q in (3, 2))
    return MatrixRegression.whitened(matrix_with_spectrum(rng, 2, 3, (2.0, 1.0))), (first, second)


def steps_and_flows(
    make: Callable[[float], Any], shift: Callable[[Any], float], h: float
) -> Callable[[Rng], Any]:
    """Settings of steps of size h, h/2, h/4, and of their modified flows from θ₀ + shift·∇L(θ₀)."""

    def draw(rng: Rng) -> dict[str, Setting]:
        problem, theta = _network(rng)
        settings: dict[str, Setting] = {}
        for part in PARTS:
            step = make(h / part)
            steps = Setting(problem, NETWORK, step, theta)
            ahead = steps.start + shift(step) * SettingOracle(steps)(steps.start)
            flow = Setting(problem, NETWORK, ModifiedFlow(step), NETWORK.split(ahead, problem))
            settings |= {f"steps 1/{part}": steps, f"flow 1/{part}": flow}
        return settings

    return draw


def _flat(run: Run) -> np.ndarray:
    return np.asarray(run.setting.layout.join(run.theta))


def slope_evidence(h: Any, errors: Any, order: int) -> Evidence:
    """The slope of log e over log h on halved steps, extrapolated to h = 0."""
    h, errors = np.asarray(h), np.asarray(errors)
    slopes = np.log2(errors[:-1] / errors[1:])
    line = errors[-1] * (h / h[-1]) ** order
    axes = ("step h", "distance to the flow", "xy")
    detail = {"x": h, "seen": errors, "theory": line, "axes": axes, "slopes": slopes}
    return Evidence(2 * slopes[-1] - slopes[-2], float(order), detail)


def global_order(runs: dict[str, Run]) -> Evidence:
    """The order of ‖θ_k − θ(kh)‖ in h at a fixed time."""
    pairs = [(runs[f"steps 1/{part}"], runs[f"flow 1/{part}"]) for part in PARTS]
    errors = [np.linalg.norm(_flat(steps) - _flat(flow)) for steps, flow in pairs]
    return slope_evidence([steps.setting.optimizer.step for steps, _ in pairs], errors, 2)


def _of(step: Any, text: str) -> Hypothesis:
    """The setting is one of plain steps at a constant size, or of their modified flow."""

    def test(setting: Setting) -> bool:
        optimizer = setting.optimizer
        inner = optimizer.optimizer if isinstance(optimizer, ModifiedFlow) else optimizer
        if type(inner) is not step or getattr(inner, "replace", False):
            return False
        return isinstance(inner.step, float) and inner.weight_decay == 0

    return Hypothesis(f"steps of one size h of {text}, or their modified flow", test)


def beside(flow: Callable[[Any], Any]) -> dict[str, Any]:
    """Another flow beside the same steps: flow(step) in place of ModifiedFlow(step)."""
    return {"optimizer": lambda s: flow(s.optimizer.optimizer) if s.is_flow else s.optimizer}


RUN = {"stop": Stop(time=1.0), "rtol": 1e-10}

gradient_descent_backward_error = Theorem(
    id="gradient-descent-backward-error", family="deep", kind="rate", source="barrett2021implicit",
    claim="Steps of gradient descent follow the flow of L + (h/4)‖∇L‖² to second order in h, not that of L.",
    settings=steps_and_flows(GradientDescent, lambda step: 0.0, 1 / 40), measure=global_order, run=RUN, bound=0.1,
    hypotheses=(_of(GradientDescent, "gradient descent"),), figure=figures.along,
    control=Control("the flow of L alone", 0.5, beside(lambda step: GradientFlow())),
)  # fmt: skip


# -- memory ------------------------------------------------------------------------------------------

MOMENTUM = 0.5


def _heavy_ball(h: float) -> HeavyBall:
    return HeavyBall(h, MOMENTUM)


def _transient(step: HeavyBall) -> float:
    """hβ/(1 − β)²: from rest, heavy ball lags behind its flow by this times the gradient."""
    return float(step.step * step.momentum / (1 - step.momentum) ** 2)


def _plain_flow(step: HeavyBall) -> GradientFlow:
    return GradientFlow(rates=(1 / (1 - step.momentum),) * NETWORK.depth)


heavy_ball_backward_error = Theorem(
    id="heavy-ball-backward-error", family="deep", kind="rate", source="ghosh2023heavyball",
    claim="Heavy ball follows the flow of L + (h/4)(1 + β)/(1 − β)²‖∇L‖², 1/(1 − β) times faster, to second order.",
    settings=steps_and_flows(_heavy_ball, _transient, 1 / 160), measure=global_order, run=RUN, bound=0.1,
    hypotheses=(_of(HeavyBall, "heavy ball"),), figure=figures.along,
    control=Control("the flow of L alone, 1/(1 − β) times faster", 0.5, beside(_plain_flow)),
)  # fmt: skip

MOMENTS = {"beta1": 0.6, "beta2": 0.7, "eps": 0.2, "eps_root": 0.2}


def _adam(h: float) -> Adam:
    return Adam(h, **MOMENTS)


def _moments(setting: Setting) -> bool:
    adam = getattr(setting.optimizer, "optimizer", setting.optimizer)
    return bool(adam == _adam(adam.step))


def _memoryless(step: Adam) -> ModifiedFlow:
    return ModifiedFlow(Adam(step.step, 0.0, 0.0, step.eps, step.eps_root))


SAME_MOMENTS = Hypothesis("β₁ = 0.6, β₂ = 0.7, ε = ε_r = 0.2, in the steps and in the flow", _moments)

adam_backward_error = Theorem(
    id="adam-backward-error", family="deep", kind="rate", source="cattaneo2024adam",
    claim="Adam follows to second order a flow in which its two memories correct the gradient by H(g/D), oppositely.",
    settings=steps_and_flows(_adam, lambda step: 0.0, 1 / 200), measure=global_order, run=RUN, bound=0.1,
    hypotheses=(_of(Adam, "Adam"), SAME_MOMENTS), figure=figures.along,
    control=Control("the flow of the same steps without memory", 0.5, beside(_memoryless)),
)  # fmt: skip


# -- epochs ------------------------------------------------------------------------------------------

SAMPLES = 3
ORDERS = tuple(permutations(range(SAMPLES)))
EPOCH = 0.03
"""The largest time of an epoch."""


def _orders(rng: Rng) -> dict[str, Setting]:
    """One epoch from each relabelling of the samples: with one stream for all of them, from each order once."""
    X, Y = inputs_with_spectrum(rng, SAMPLES, 3, (1.0, 0.7, 0.4)), rng.standard_normal((SAMPLES, 2))
    _, theta = _network(rng)
    settings = {}
    for part in PARTS:
        step = SGD(EPOCH / SAMPLES / part, order="shuffled")
        for rows in ORDERS:
            relabelled = MatrixRegression(X[list(rows)], Y[list(rows)])
            settings[f"{rows} 1/{part}"] = Setting(relabelled, NETWORK, step, theta)
        settings[f"flow 1/{part}"] = Setting(MatrixRegression(X, Y), NETWORK, ModifiedFlow(step), theta)
    return settings


def epoch_order(runs: dict[str, Run]) -> Evidence:
    """The order of ‖mean over orders of θ_n − θ(nh)‖ in h."""
    errors, h = [], []
    for part in PARTS:
        mean = np.mean([_flat(runs[f"{rows} 1/{part}"]) for rows in ORDERS], axis=0)
        errors.append(np.linalg.norm(mean - _flat(runs[f"flow 1/{part}"])))
        h.append(EPOCH / SAMPLES / part)
    return slope_evidence(h, errors, 3)


def _epochs(part: int) -> dict[str, Any]:
    return {"stop": Stop(time=EPOCH / part), "rtol": 1e-12, "rng": 0}


def _full_batch(step: SGD) -> ModifiedFlow:
    return ModifiedFlow(GradientDescent(step.step))


epoch_backward_error = Theorem(
    id="epoch-backward-error", family="deep", kind="rate", source="smith2021origin",
    claim="The mean epoch of SGD without replacement follows the flow of L + (h/4) mean ‖∇L_i‖² to third order.",
    settings=_orders, measure=epoch_order, bound=0.1, figure=figures.along,
    run={f"{label} 1/{part}": _epochs(part) for part in PARTS for label in (*ORDERS, "flow")},
    hypotheses=(_of(SGD, "SGD without replacement"),),
    control=Control("the flow of L + (h/4)‖∇L‖², that of gradient descent", 0.5, beside(_full_batch)),
)  # fmt: skip
