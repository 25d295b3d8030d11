"""Modified (backward-error) equations: the flow that a step follows to second order in its size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..models import Chart
from ..records import record
from .adaptive import Adam, ratio
from .base import Flow
from .gradient import GradientDescent
from .momentum import HeavyBall
from .stochastic import SGD

__all__ = ["ModifiedFlow"]

REACH = 1e-3
"""How far from θ the gradient is asked for a Hessian-vector product, in units of ‖θ‖."""


@record
class ModifiedFlow(Flow):
    """θ̇ = f₀(θ) + h f₁(θ), the modified equation of a step of constant size h: θ_k − θ(kh) = O(h²).

    With g = ∇L, H = ∇²L, and products and quotients entry by entry,

    | ``optimizer`` | θ̇ |
    |---|---|
    | GradientDescent | −(g + ½h Hg) = −∇[L + ¼h‖g‖²] |
    | SGD(order="shuffled"), the mean over orders | −(g + ½h [α meanᵢ Hᵢgᵢ + (1 − α) Hg]),  α = (n − b)/(b(n − 1)) |
    | HeavyBall | −(g + ½h (1 + β)/(1 − β)² Hg)/(1 − β) |
    | Adam | −(g + ½h [(1 + β₁)/(1 − β₁) − (1 + β₂)/(1 − β₂) g²/(SD)] ∘ H(g/D))/D,  S = √(g² + ε_r),  D = S + ε |

    Time is that of the steps, t = kh, and weight decay the step's: it is part of L. Heavy ball and Adam reach
    their flows after a transient of a few 1/(1 − β) steps. Hessian-vector products are four-point differences of
    the gradient, exact for polynomials of degree four.

    Raises
    ------
    ValueError
        for another optimizer, or a step that is not one number.

    >>> from implicitbias import Linear, Regression, Setting, Stop, simulate
    >>> problem = Regression([[1.0]], [0.0])  # two steps of ½ multiply w by ¼; θ̇ = −(1 + ½h)θ by exp(−5/4)
    >>> flow = Setting(problem, Linear(), ModifiedFlow(GradientDescent(0.5)), [1.0])
    >>> simulate(flow, Stop(time=1.0)).w.round(4).tolist()
    [0.2865]
    """

    optimizer: Any

    source = "barrett2021implicit"

    def __post_init__(self) -> None:
        step = self.optimizer
        known = type(step) in _FIELDS and getattr(step, "order", "shuffled") == "shuffled"
        if not known or not isinstance(step.step, float):
            raise ValueError(
                'ModifiedFlow needs GradientDescent, SGD(order="shuffled"), HeavyBall or Adam with one constant step, '
                f"got {step!r:.80}"
            )
        if self.weight_decay not in (0.0, step.weight_decay):
            raise ValueError("the weight decay of ModifiedFlow is that of its optimizer: give it there")
        object.__setattr__(self, "weight_decay", step.weight_decay)
        super().__post_init__()

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        requires = getattr(self.optimizer, "requires", None)
        return None if requires is None else requires(problem, model)

    def chart(self, setting: Any) -> Chart:
        return ProbingChart(setting, partial(_FIELDS[type(self.optimizer)], self.optimizer))


class ProbingChart(Chart):
    """q = θ for a flow −θ̇ = field(chart, θ, ∇L(θ)) that also asks for gradients at other points than θ."""

    def __init__(
        self, setting: Any, field: Callable[[ProbingChart, np.ndarray, np.ndarray], np.ndarray]
    ) -> None:
        self.setting, self.field = setting, field

    def encode(self, theta: np.ndarray) -> np.ndarray:
        return theta.copy()

    def decode(self, q: np.ndarray) -> np.ndarray:
        return q

    def predictor(self, q: np.ndarray) -> np.ndarray:
        w: np.ndarray = self.setting.predictor(q)
        return w

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        return self.field(self, q, self.pull(q, g))

    def pull(self, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
        """∇_θ of the loss with ∇_w L = g, and of the weight decay."""
        layout = self.setting.layout
        pulled: np.ndarray = layout.join(self.setting.model.pullback(layout.split(theta), g))
        return pulled + self.decay * theta

    def slope(self, theta: np.ndarray) -> np.ndarray:
        """∇L(θ)."""
        return self.pull(theta, self.setting.problem.gradient(self.predictor(theta)))

    def slopes(self, theta: np.ndarray) -> np.ndarray:
        """∇L_i(θ_i) (n, P) of each sample at a point of its own, rows of ``theta``."""
        return self.pull(theta, self.setting.problem.each_gradient(self.predictor(theta)))

    @property
    def homogeneous(self) -> bool:
        """Never: corrections are not of first degree in the gradient."""
        return False


def hessian_product(
    slope: Callable[[np.ndarray], np.ndarray], theta: np.ndarray, v: np.ndarray
) -> np.ndarray:
    """H(θ)v = d/dε ∇L(θ + εv) at ε = 0, exact for polynomials of degree four; θ and v may be complex."""
    size, length = (np.linalg.norm(x, axis=-1, keepdims=True) for x in (theta, v))
    eps = REACH * np.where(size > 0, size, 1.0) / np.where(length > 0, length, 1.0)
    near, far = (slope(theta + m * eps * v) - slope(theta - m * eps * v) for m in (1, 2))
    product: np.ndarray = (8 * near - far) / (12 * eps)
    return product


def _gradient_descent(step: Any, chart: ProbingChart, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
    return g + step.step / 2 * hessian_product(chart.slope, theta, g)


def _epoch(step: Any, chart: ProbingChart, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
    if theta.ndim > 1:  # samples take the batch axis
        return np.stack([_epoch(step, chart, *pair) for pair in zip(theta, g)])
    n, b = chart.setting.problem.n, step.batch
    alpha = (n - b) / (b * (n - 1)) if n > 1 else 0.0
    each = np.tile(theta, (n, 1))
    own = np.mean(hessian_product(chart.slopes, each, chart.slopes(each)), axis=0)
    return g + step.step / 2 * (alpha * own + (1 - alpha) * hessian_product(chart.slope, theta, g))


def _heavy_ball(step: Any, chart: ProbingChart, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
    h, beta = step.step, step.momentum
    return (g + h / 2 * (1 + beta) / (1 - beta) ** 2 * hessian_product(chart.slope, theta, g)) / (1 - beta)


def _adam(step: Any, chart: ProbingChart, theta: np.ndarray, g: np.ndarray) -> np.ndarray:
    S = np.sqrt(g * g + step.eps_root)
    D = S + step.eps
    first, second = ((1 + beta) / (1 - beta) for beta in (step.beta1, step.beta2))
    lag = first - second * ratio(g * g, S * D)
    return ratio(g + step.step / 2 * lag * hessian_product(chart.slope, theta, ratio(g, D)), D)


_FIELDS: dict[type, Callable[[Any, ProbingChart, np.ndarray, np.ndarray], np.ndarray]] = {
    GradientDescent: _gradient_descent,
    SGD: _epoch,
    HeavyBall: _heavy_ball,
    Adam: _adam,
}
"""−θ̇ of a step at θ with ∇L(θ) = g."""
