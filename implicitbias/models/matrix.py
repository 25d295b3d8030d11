"""Deep linear networks and matrix factorizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive, whole
from ..records import record
from .base import Model

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["DeepLinear", "MatrixFactorization"]


@record
class DeepLinear(Model):
    """W = W_N ⋯ W_1, θ = (W_1, …, W_N) with W_j (n_j, n_{j−1}), ``widths`` = (n_0, …, n_N).

    With one output, W is returned as a vector w (d,). Gradient: with A_j = W_N⋯W_{j+1} and
    B_j = W_{j−1}⋯W_1, ∇_{W_j} L = A_jᵀ G B_jᵀ. The gradient flow conserves
    D_j = W_{j+1}ᵀW_{j+1} − W_jW_jᵀ. The balanced start has D_j = 0 and end-to-end singular values
    scale^N, in identity-like bases, or random orthonormal ones with ``rng``.

    >>> model = DeepLinear((2, 1, 2))
    >>> model.predictor((np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])))
    array([[3., 6.],
           [4., 8.]])
    """

    widths: tuple[int, ...]

    source = "arora2018acceleration"

    def __post_init__(self) -> None:
        given = self.widths if isinstance(self.widths, tuple | list) else ()
        if len(given) < 2:
            raise ValueError(
                f"widths must be at least two integers (d_in, …, d_out), got {self.widths!r:.80}"
            )
        widths = tuple(whole("every width", n, 1) for n in given)
        object.__setattr__(self, "widths", widths)

    @property
    def depth(self) -> int:
        """N, the number of layers."""
        return len(self.widths) - 1

    def shapes(self, problem: Problem) -> Any:
        ends = (self.widths[-1], self.widths[0])
        wanted = problem.w_shape if len(problem.w_shape) == 2 else (1, *problem.w_shape)
        if ends != wanted:
            raise ValueError(
                f"DeepLinear(widths={self.widths}) maps {ends[1]} inputs to {ends[0]} outputs; this "
                f"{type(problem).__name__} needs {wanted[1]} inputs and {wanted[0]} outputs"
            )
        return {f"W{j + 1}": (self.widths[j + 1], self.widths[j]) for j in range(self.depth)}

    def predictor(self, theta: Any) -> np.ndarray:
        product = theta[0]
        for layer in theta[1:]:
            product = layer @ product
        return product[..., 0, :] if self.widths[-1] == 1 else product

    def pullback(self, theta: Any, g: np.ndarray) -> Any:
        W = theta
        G = g.reshape(W[0].shape[:-2] + (self.widths[-1], self.widths[0]))
        below = [None, W[0]]  # below[j] = W_j ⋯ W_1
        for layer in W[1:-1]:
            below.append(layer @ below[-1])
        gradients: list[np.ndarray] = []
        for j in range(self.depth, 0, -1):  # G holds A_jᵀG
            B = below[j - 1]
            gradients.append(G if B is None else G @ _t(B))
            if j > 1:
                G = _t(W[j - 1]) @ G
        return tuple(gradients[::-1])

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> Any:
        self.shapes(problem)
        scale = positive("scale", scale)
        r = min(self.widths)
        key = np.random.default_rng(rng) if rng is not None else None
        Q = [orthonormal(n, r, key) for n in self.widths]
        return tuple(scale * Q[j + 1] @ Q[j].T for j in range(self.depth))


@record
class MatrixFactorization(Model):
    """W = UVᵀ with θ = (U, V), U (p, rank), V (q, rank); tied: W = UUᵀ with θ = (U,).

    Gradients: ∇_U L = GV, ∇_V L = GᵀU; tied: (G + Gᵀ)U. The untied flow conserves UᵀU − VᵀV. The
    balanced start is U = scale·I-like and, untied, V likewise (random orthonormal columns with ``rng``,
    drawn for each), so that W has singular values scale². θ is a tuple in both cases.
    """

    rank: int
    tied: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rank", whole("rank", self.rank, 1))
        object.__setattr__(self, "tied", bool(self.tied))

    def shapes(self, problem: Problem) -> Any:
        if len(problem.w_shape) != 2:
            raise ValueError(
                f"MatrixFactorization needs a matrix predictor; this {type(problem).__name__} has w of "
                f"shape {problem.w_shape}"
            )
        p, q = problem.w_shape
        if self.tied and p != q:
            raise ValueError(f"a tied factorization UUᵀ is square; this problem's W is {p}×{q}")
        return {"U": (p, self.rank)} if self.tied else {"U": (p, self.rank), "V": (q, self.rank)}

    def predictor(self, theta: Any) -> np.ndarray:
        return theta[0] @ _t(theta[-1])

    def pullback(self, theta: Any, g: np.ndarray) -> Any:
        if self.tied:
            return ((g + _t(g)) @ theta[0],)
        U, V = theta
        return g @ V, _t(g) @ U

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> Any:
        shapes = self.shapes(problem)
        scale = positive("scale", scale)
        if self.tied:
            return (scale * np.eye(*shapes["U"]),)
        key = np.random.default_rng(rng) if rng is not None else None
        r = min(*problem.w_shape, self.rank)
        R = np.eye(self.rank, r)
        return tuple(scale * orthonormal(s[0], r, key) @ R.T for s in shapes.values())


def orthonormal(n: int, r: int, rng: np.random.Generator | None = None) -> np.ndarray:
    """(n, r) orthonormal columns: the first r unit vectors, or uniformly random ones."""
    if rng is None:
        return np.eye(n, r)
    Q, R = np.linalg.qr(rng.standard_normal((n, r)))
    return Q * np.sign(np.diag(R))


def _t(A: np.ndarray) -> np.ndarray:
    return np.swapaxes(A, -1, -2)
