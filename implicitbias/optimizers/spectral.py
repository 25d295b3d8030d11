"""Methods that see the matrices in θ: spectral descent, Muon, Shampoo, and scaled gradient descent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..checks import number, positive, whole
from ..geometry import Euclidean, Potential
from ..geometry.norms import NULL, as_matrix, polar_factor
from ..models import DeepLinear, MatrixFactorization
from ..records import record
from .base import Oracle, State, Step, as_momentum
from .steepest import gradient_direction

__all__ = ["Muon", "ScaledGD", "Shampoo", "SpectralDescent", "newton_schulz"]

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Jordan's coefficients: a slope at zero as large as possible, and values that stay near one, not at it."""


def newton_schulz(G: np.ndarray, iterations: int) -> np.ndarray:
    """X ← aX + bXXᵀX + c(XXᵀ)²X from X = G/‖G‖_F (p, q), (a, b, c) = (3.4445, −4.7750, 2.0315); zero where G is.

    The singular vectors stay, and every singular value goes through φ(x) = ax + bx³ + cx⁵. Five iterations bring
    those above 0.002 ‖G‖_F between 0.68 and 1.21: near the polar factor, and no nearer with more.

    >>> G = np.diag([4.0, 3.0])
    >>> phi = lambda x: 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    >>> bool(np.allclose(newton_schulz(G, 2), np.diag([phi(phi(0.8)), phi(phi(0.6))])))
    True
    """
    size = float(np.linalg.norm(G))
    if size == 0.0:
        return np.zeros_like(G)
    a, b, c = QUINTIC
    X = as_matrix(G) / size
    wide = X.shape[0] <= X.shape[1]
    X = X if wide else X.T  # the Gram matrix of the shorter side
    for _ in range(iterations):
        A = X @ X.T
        X = a * X + (b * A + c * A @ A) @ X
    return (X if wide else X.T).reshape(G.shape)


@record
class SpectralDescent(Step):
    """W_j ← W_j − η_k U_jV_jᵀ,  ∇_{W_j} L = U_jΣ_jV_jᵀ, for every block: steepest descent in the spectral norm.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |

    It is ``SteepestDescent("spectral", step, normalized=True)``, written as the literature does. Singular values
    below 10⁻¹² of a block's largest are rounding and get no direction; a vector is a column. The length of a step
    does not depend on the gradient: at a minimum the iterates alternate within η of it, unless η_k decreases.
    """

    step: Any

    source = "carlson2015spectral"

    row_space = True

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        g = gradient_direction(self, oracle, theta)
        return theta - self.size(k) * _each(oracle, g, polar_factor), state


@record
class Muon(Step):
    """M_{k+1} = β M_k + ∇L(θ_k),  θ_{k+1} = θ_k − η_k [O(M_{k+1}) + λθ_k],  M_0 = 0, block by block.

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | β | ``momentum`` | 0 ≤ β < 1; heavy-ball, not an average of gradients |
    | O | ``iterations`` | None: UVᵀ of M = UΣVᵀ; an integer ≥ 1: so many Newton–Schulz iterations |
    | λ | ``decay`` | ≥ 0, decoupled: −η_kλθ_k is added to the step |
    | M | state | shape of θ |

    With β = λ = 0 and ``iterations=None`` it is ``SpectralDescent``. A vector is a column.
    """

    step: Any
    momentum: float
    iterations: int | None = None
    decay: float = 0.0

    source = "jordan2024muon"

    state_degrees = (1,)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "momentum", as_momentum(self.momentum))
        if self.iterations is not None:
            object.__setattr__(self, "iterations", whole("iterations", self.iterations, 1))
        object.__setattr__(self, "decay", number("decay", self.decay, "be finite and ≥ 0", lambda a: a >= 0))

    @property
    def row_potential(self) -> Potential | None:
        return None if self.decay or self.weight_decay else Euclidean()

    def init(self, theta: np.ndarray) -> State:
        return np.zeros_like(theta) if self.momentum else ()

    def orthogonalized(self, M: np.ndarray) -> np.ndarray:
        """O(M) of one block."""
        return polar_factor(M) if self.iterations is None else newton_schulz(M, self.iterations)

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        m = (
            self.momentum * state + oracle(theta)
            if self.momentum
            else gradient_direction(self, oracle, theta)
        )
        move = _each(oracle, m, self.orthogonalized) + self.decay * theta
        return theta - self.size(k) * move, m if self.momentum else ()


@record
class Shampoo(Step):
    """W ← W − η_k (L + εI)^{−a} G (R + εI)^{−a},  G = ∇_W L, for every block.

        L_{k+1} = L_k + GGᵀ,                  R_{k+1} = R_k + GᵀG                   (β = None)
        L_{k+1} = β L_k + (1 − β) GGᵀ,        R_{k+1} = β R_k + (1 − β) GᵀG,        L_0 = R_0 = 0

    | symbol | argument | |
    |---|---|---|
    | η_k | ``step`` | a float > 0, ``Decay`` or a callable of k |
    | a | ``power`` | > 0; ¼ with both sides, ½ with one, make the step free of the size of G |
    | β | ``beta`` | None: accumulated; 0 ≤ β < 1: an average, 0 without memory |
    | ε | ``eps`` | ≥ 0; 0 takes pseudo-inverse powers |
    | | ``sides`` | "both", or "left" (only L) or "right" (only R) |
    | L, R | state | (p, p) and (q, q) of each block (p, q) |

    Without memory and with a = ¼ the step is (GGᵀ)^{−¼}G(GᵀG)^{−¼} = UVᵀ, that of ``SpectralDescent``. A vector is
    a column.
    """

    step: Any
    power: float = 0.25
    beta: float | None = None
    eps: float = 1e-12
    sides: str = "both"

    source = "gupta2018shampoo"

    row_space = True

    @property
    def state_degrees(self) -> tuple[int, ...] | None:  # type: ignore[override]
        """L and R, of the second degree; those that are accumulated keep the unit that they began with."""
        return None if self.beta is None else (2,)

    floor_degrees = {"eps": 2}  # noqa: RUF012

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "power", positive("power", self.power))
        object.__setattr__(self, "eps", number("eps", self.eps, "be finite and ≥ 0", lambda e: e >= 0))
        if self.beta is not None:
            beta = number("beta", self.beta, "be None or satisfy 0 ≤ β < 1", lambda b: 0 <= b < 1)
            object.__setattr__(self, "beta", beta)
        if self.sides not in ("both", "left", "right"):
            raise ValueError(f'sides must be "both", "left" or "right", got {self.sides!r:.80}')

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        gradients = [as_matrix(G) for G in _blocks(oracle, oracle(theta))]
        memory = state or [(np.zeros((len(G), len(G))), np.zeros((len(G.T), len(G.T)))) for G in gradients]
        keep, add = (1.0, 1.0) if self.beta is None else (self.beta, 1.0 - self.beta)
        memory = tuple(
            (keep * L + add * G @ G.T, keep * R + add * G.T @ G) for (L, R), G in zip(memory, gradients)
        )
        steps = [self._preconditioned(G, L, R).ravel() for G, (L, R) in zip(gradients, memory)]
        return theta - self.size(k) * np.concatenate(steps), memory

    def _preconditioned(self, G: np.ndarray, L: np.ndarray, R: np.ndarray) -> np.ndarray:
        if self.sides != "right":
            G = _inverse_power(L, self.power, self.eps) @ G
        return G if self.sides == "left" else G @ _inverse_power(R, self.power, self.eps)


@record
class ScaledGD(Step):
    """U ← U − η_k ∇_U L (VᵀV)⁻¹,  V ← V − η_k ∇_V L (UᵀU)⁻¹,  both from the old U and V; W = UVᵀ.

    | model | factors |
    |---|---|
    | ``MatrixFactorization(r)`` | U (p, r), V (q, r) |
    | ``MatrixFactorization(r, tied=True)`` | W = UUᵀ: U ← U − η_k ½∇_U L (UᵀU)⁻¹, where ½∇_U L = GU for symmetric G |
    | ``DeepLinear`` of two layers | U = W_2, V = W_1ᵀ |

    η_k is ``step``: a float > 0, ``Decay`` or a callable of k. W moves by itself, whatever the factors:
    W_{k+1} = M W_k⁺ M with M = W_k − ηG, G = ∇_W L.

    Raises
    ------
    ArithmeticError
        in a step from factors without full column rank, whose inverse does not exist; the run has failed.
    """

    step: Any

    source = "tong2021scaledgd"

    def requires(self, problem: Any, model: Any) -> str | None:
        """Why this optimizer cannot run there; None when it can."""
        if isinstance(model, MatrixFactorization) or (isinstance(model, DeepLinear) and model.depth == 2):
            return None
        return (
            f"ScaledGD needs two factors: MatrixFactorization, or DeepLinear of two layers, not {model!r:.80}"
        )

    def update(self, oracle: Oracle, state: State, theta: np.ndarray, k: int) -> tuple[np.ndarray, State]:
        factors, gradients = _blocks(oracle, theta), _blocks(oracle, oracle(theta))
        if isinstance(oracle.model, DeepLinear):
            (V, U), (g_V, g_U) = ([A.T, B] for A, B in (factors, gradients))
            return theta - self.size(k) * oracle.layout.join((_scaled(g_V, U).T, _scaled(g_U, V))), state
        if oracle.model.tied:
            return theta - self.size(k) * oracle.layout.join((_scaled(gradients[0] / 2, factors[0]),)), state
        (U, V), (g_U, g_V) = factors, gradients
        return theta - self.size(k) * oracle.layout.join((_scaled(g_U, V), _scaled(g_V, U))), state


def _blocks(oracle: Oracle, flat: np.ndarray) -> tuple[np.ndarray, ...]:
    blocks = oracle.layout.split(flat)
    return blocks if isinstance(blocks, tuple) else (blocks,)


def _each(oracle: Oracle, flat: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A function of every block, flat."""
    return np.concatenate([function(block).ravel() for block in _blocks(oracle, flat)])


def _inverse_power(A: np.ndarray, power: float, eps: float) -> np.ndarray:
    """(A + εI)^{−power} of a positive semidefinite A; for ε = 0 that of the pseudo-inverse."""
    values, Q = np.linalg.eigh(A)
    kept = values > NULL * max(values[-1], 0.0)
    values = np.maximum(values, 0.0) + eps
    powers = np.zeros_like(values)
    np.power(values, -power, out=powers, where=(values > 0) & (kept | (eps > 0)))
    inverse: np.ndarray = (Q * powers) @ Q.T
    return inverse


def _scaled(gradient: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """∇ (FᵀF)⁻¹ for the other factor F."""
    gram = factor.T @ factor
    values = np.linalg.eigvalsh(gram)
    if not values[0] > 1e-14 * values[-1]:
        raise ArithmeticError(
            f"a factor of shape {factor.shape} does not have full column rank (its singular values reach from "
            f"{np.sqrt(values[-1]):.2g} to {np.sqrt(max(values[0], 0.0)):.2g}): take a smaller rank, or another start"
        )
    scaled: np.ndarray = np.linalg.solve(gram, gradient.T).T
    return scaled
