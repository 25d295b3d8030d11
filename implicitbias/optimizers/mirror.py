"""Mirror descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import whole
from ..geometry import Entropy, Euclidean, Hypentropy, Mahalanobis, PNorm, Potential, SquaredPNorm
from ..models import Chart
from ..models.base import layout_of
from ..records import record
from .base import Flow, KernelRule, Oracle, State, Step, as_momentum, check_per_loss, per_loss_misfit, slope

__all__ = ["MirrorDescent", "MirrorFlow"]


@record
class MirrorFlow(Flow):
    """d∇ψ(θ)/dt = −∇L(θ), integrated in the dual point z = ∇ψ(θ).

    Its run therefore keeps z − z₀ in range(Xᵀ) by construction: that is what a mirror flow is.
    """

    potential: Potential

    source = "gunasekar2018geometry"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this flow cannot run there; None when it can."""
        return _misfit(self.potential, problem, model)

    def chart(self, setting: Any) -> Chart:
        return MirrorChart(setting, self.potential)

    @property
    def row_potential(self) -> Potential | None:
        return self.potential if self.weight_decay == 0 else None


class MirrorChart(Chart):
    """q = z = ∇ψ(θ)."""

    name = "mirror"

    def __init__(self, setting: Any, potential: Potential) -> None:
        self.setting, self.potential = setting, potential

    def encode(self, theta: np.ndarray) -> np.ndarray:
        return np.array(self.potential.gradient(theta))

    def decode(self, q: np.ndarray) -> np.ndarray:
        return self.potential.inverse_gradient(q)

    def predictor(self, q: np.ndarray) -> np.ndarray:
        w: np.ndarray = self.setting.predictor(self.decode(q))
        return w

    def gradient(self, q: np.ndarray, g: np.ndarray) -> np.ndarray:
        layout, theta = self.setting.layout, self.decode(q)
        pulled: np.ndarray = layout.join(self.setting.model.pullback(layout.split(theta), g))
        return pulled + self.decay * theta


@record
class MirrorDescent(Step):
    """z_{k+1} = z_k − η_k ∇L(θ_k),  θ_{k+1} = ∇ψ*(z_{k+1}),  z_0 = ∇ψ(θ_0).

    | symbol | argument | |
    |---|---|---|
    | ψ | ``potential`` | a Potential |
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | z | state | the dual point, shape of θ |
    | β | ``momentum`` | 0 ≤ β < 1 |
    | | ``primal`` | False: β(z_k − z_{k−1}) is added to z_{k+1}; True: it starts from ∇ψ(θ_k + β(θ_k − θ_{k−1})) |
    | | ``batch`` | samples of a stochastic gradient, drawn uniformly with replacement; None: all |
    | | ``per_loss`` | steps of η_k/L(θ_k), along ∇ log L: for losses that vanish at infinity only |

    Without primal momentum the dual point moves inside range(Xᵀ) at every step size, so on linear models with
    Xw = y reached the selected solution is the Bregman projection of θ₀, exactly. With it that holds for
    quadratic ψ only. With momentum the state is (z_k, z_{k−1}) or, primal, (z_k, θ_{k−1}), of shape (2, P).
    """

    potential: Potential
    step: Any
    momentum: float = 0.0
    primal: bool = False
    batch: int | None = None
    per_loss: bool = False

    source = "gunasekar2018geometry"

    def __post_init__(self) -> None:
        super().__post_init__()
        _check(self)
        check_per_loss(self)
        if self.per_loss and self.batch is not None:
            raise ValueError("per_loss=True divides the step by the loss of all samples: it has no batch")
        object.__setattr__(self, "momentum", as_momentum(self.momentum))
        if self.batch is not None:
            object.__setattr__(self, "batch", whole("batch", self.batch, 1))

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        if self.batch is not None and not problem.has_samples:
            return f"this {type(problem).__name__} has no samples for MirrorDescent(batch=…)"
        return per_loss_misfit(self, problem) or _misfit(self.potential, problem, model)

    def init(self, theta: np.ndarray) -> State:
        z = np.array(self.potential.gradient(theta))
        return np.stack([z, theta if self.primal else z]) if self.momentum else z

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        move = self.size(k) * (
            slope(self, oracle, theta) if self.batch is None else oracle.sample(theta, self.batch)
        )
        if not self.momentum:
            z = state - move
            return self.potential.inverse_gradient(z), z
        z, before = state
        if self.primal:
            ahead = self.potential.gradient(theta + self.momentum * (theta - before)) - move
            return self.potential.inverse_gradient(ahead), np.stack([ahead, theta])
        ahead = z + self.momentum * (z - before) - move
        return self.potential.inverse_gradient(ahead), np.stack([ahead, z])

    def look_every(self, n: int) -> int:
        return 1 if self.batch is None else -(-n // self.batch)

    @property
    def row_potential(self) -> Potential | None:
        curved = self.momentum and self.primal and not isinstance(self.potential, Euclidean | Mahalanobis)
        return None if curved or self.weight_decay != 0 else self.potential

    def kernel_rule(self) -> KernelRule | None:
        form = _kernel_form(self.potential)
        primal = bool(self.momentum) and self.primal
        if form is None or (primal and isinstance(self.potential, Entropy)):
            return None
        code, p, values = form
        constants = np.concatenate([[code, p, self.momentum, primal], np.atleast_1d(values)])
        return KernelRule(code=10, batch=self.batch or 0, constants=constants, relative=self.per_loss)


def _kernel_form(potential: Potential) -> tuple[int, float, Any] | None:
    """(code, p, values) of a potential that kernels/mirrors.py knows."""
    known: dict[type, Any] = {
        Euclidean: lambda psi: (0, 2.0, ()),
        Mahalanobis: lambda psi: (1, 2.0, psi.M) if psi.separable else None,
        Hypentropy: lambda psi: (2, 2.0, psi.log_c) if psi.depth == 2 else None,
        PNorm: lambda psi: (3, psi.p, ()),
        SquaredPNorm: lambda psi: (4, psi.p, ()),
        Entropy: lambda psi: (6 if psi.simplex else 5, 2.0, ()),
    }
    form = known.get(type(potential))
    return None if form is None else form(potential)


def _check(optimizer: MirrorFlow | MirrorDescent) -> None:
    if not isinstance(optimizer.potential, Potential):
        raise ValueError(f"{type(optimizer).__name__} needs a Potential, got {optimizer.potential!r:.80}")


def _misfit(potential: Potential, problem: Any, model: Any) -> str | None:
    """Why a potential does not fit θ; None when it does."""
    size = layout_of(model, problem).size
    try:
        shape = np.shape(potential.gradient(potential.interior(np.ones(size))))
    except ValueError:
        shape = None
    if shape == (size,):
        return None
    held = _shapes(potential)
    return f"the potential does not fit θ of {size} entries: it holds arrays of shape {held}"


def _shapes(potential: Potential) -> str:
    arrays = [np.shape(v) for v in vars(potential).values() if isinstance(v, np.ndarray)]
    return ", ".join(map(str, arrays))
