"""Momentum methods."""

from __future__ import annotations

from dataclasses import field
from typing import Any

import numpy as np

from ..checks import positive
from ..models import Chart, Linear
from ..records import record
from .base import Flow, KernelRule, Oracle, State, Step, as_momentum

__all__ = ["DualAcceleration", "HeavyBall", "MomentumFlow", "Nesterov"]


@record
class HeavyBall(Step):
    """v_{k+1} = β v_k − η_k ∇L(θ_k),  θ_{k+1} = θ_k + v_{k+1},  v_0 = 0.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β | ``momentum`` | 0 ≤ β < 1; heavy-ball, not an average of gradients |
    | v | state | shape of θ |
    """

    step: Any
    momentum: float

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "momentum", as_momentum(self.momentum))

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        v = self.momentum * state - self.size(k) * oracle(theta)
        return theta + v, v

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=1, momentum=lambda k0, count: np.full(count, self.momentum))


@record
class Nesterov(Step):
    """q_k = θ_k + β_k(θ_k − θ_{k−1}),  θ_{k+1} = q_k − η_k ∇L(q_k),  θ_{−1} = θ_0.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β_k | ``momentum`` | a constant in [0, 1); None: β_k = k/(k + 3) |
    | θ_{k−1} | state | shape of θ |
    """

    step: Any
    momentum: float | None = None

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.momentum is not None:
            object.__setattr__(self, "momentum", as_momentum(self.momentum))

    def init(self, theta: np.ndarray) -> State:
        return theta.copy()

    def beta(self, k0: int, count: int) -> np.ndarray:
        """β_{k₀}, …, β_{k₀+count−1}."""
        k = np.arange(k0, k0 + count)
        return k / (k + 3.0) if self.momentum is None else np.full(count, self.momentum)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        q = theta + self.beta(k, 1)[0] * (theta - state)
        return q - self.size(k) * oracle(q), theta

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=2, momentum=self.beta)


@record
class DualAcceleration(Step):
    """u_{k+1} = (k/(k + 1))(u_k + ∇ log L(w_k)),  w_{k+1} = w_k − (u_{k+1} + ∇ log L(w_k)),  u_0 = 0.

    Nesterov's method on the dual of ln Σ e^{−z_i·w}, whose variables are the weights of the samples: the ℓ2 margin
    gap falls like k⁻². It needs a Classification with loss "exp", Linear, and max_i ‖z_i‖₂ ≤ 1, which the step of
    one is made for. The state is u, in the shape of θ; each step is one unit of time.
    """

    step: float = field(default=1.0, init=False)

    source = "ji2021fast"

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_decay:
            raise ValueError("DualAcceleration moves along ∇ log L: it has no weight_decay")

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        if getattr(problem, "loss_name", None) != "exp" or not problem.is_binary:
            return 'DualAcceleration needs a Classification of two classes with loss="exp"'
        if not isinstance(model, Linear):
            return f"DualAcceleration moves w itself: use Linear(), not {type(model).__name__}"
        longest = float(np.max(np.linalg.norm(problem.X, axis=1)))
        if longest > 1 + 1e-12:
            return f"DualAcceleration needs max ‖x_i‖₂ ≤ 1, got {longest:.6g}: divide X by it"
        return None

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        g = oracle.relative(theta)
        u = k / (k + 1) * (state + g)
        return theta - (u + g), u

    def kernel_rule(self) -> KernelRule:
        return KernelRule(code=13, relative=True)


@record
class MomentumFlow(Flow):
    """λθ̈ + θ̇ + ∇L(θ) = 0, θ̇(0) = 0: the flow behind heavy ball at step η, momentum β and t = kη/(1 − β).

    | symbol | argument | |
    |---|---|---|
    | λ | ``lam`` | > 0; heavy ball at (η, β) has λ = η/(1 − β)² |

    On a two-layer product network, with A = ẇ₊/w₊ and B = ẇ₋/w₋, runs accumulate

        log_shrink = −λ∫(A² + B²),   shift = −λ∫(A² − B²),

    integrated along the run, and ``crossing``, the time and the step of the integrator at which a product
    coordinate first changed its sign (inf: never). There the integrals diverge and nothing is predicted.
    """

    lam: float

    source = "papazov2024momentum"

    row_space = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "lam", positive("lam", self.lam))

    def chart(self, setting: Any) -> Chart:
        return MomentumChart(setting, self.lam)


class MomentumChart(Chart):
    """q = (θ, θ̇) and, on a product network, (∫A², ∫B²)."""

    def __init__(self, setting: Any, lam: float) -> None:
        self.setting, self.lam, self.P = setting, lam, setting.layout.size
        self.products = setting.model.products if getattr(setting.model, "product_rate", 0.0) else None
        self.signs = np.sign(self.products(setting.start)) if self.products else None
        self.cap = (1e6 / lam) ** 2
        """Of A²: beyond it a product coordinate is changing its sign, and the integral is void."""
        self.crossing = (np.inf, np.inf)

    def encode(self, theta: np.ndarray) -> np.ndarray:
        sums = np.zeros(0 if self.signs is None else self.signs.size)
        return np.concatenate([theta, np.zeros_like(theta), sums])

    def decode(self, q: np.ndarray) -> np.ndarray:
        return q[..., : self.P]

    def predictor(self, q: np.ndarray) -> np.ndarray:
        w: np.ndarray = self.setting.predictor(self.decode(q))
        return w

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        theta, v = self.decode(q), q[..., self.P : 2 * self.P]
        layout, model = self.setting.layout, self.setting.model
        pulled = layout.join(model.pullback(layout.split(theta), g)) + self.decay * theta
        parts = [-v, (v + pulled) / self.lam]
        if self.products is not None:
            w, speed = self.products(theta), self.products(v)
            A = np.divide(speed, w, out=np.zeros_like(speed), where=w != 0)
            parts.append(-np.where(np.abs(A) ** 2 < self.cap, A * A, self.cap))
        return np.concatenate(parts, axis=-1)

    @property
    def homogeneous(self) -> bool:
        """Never: θ̇ does not scale with the gradient."""
        return False

    def watch(self, q: np.ndarray, t: float, step: int) -> None:
        """Note when a product coordinate first changes its sign."""
        if self.products is None or self.crossing[0] < np.inf:
            return
        if np.any(np.sign(self.products(self.decode(q))) * self.signs < 0):
            self.crossing = (t, step)

    def accumulators(self, q: np.ndarray) -> dict[str, np.ndarray]:
        if self.products is None:
            return {}
        a, b = np.split(q[2 * self.P :], 2)
        sums = {"log_shrink": -self.lam * (a + b), "shift": -self.lam * (a - b)}
        return sums | {"crossing": np.array(self.crossing)}
