"""Deep linear networks and matrix factorizations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive, real_array, whole
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
        return self.forward(theta)[0]

    def forward(self, theta: Any) -> tuple[np.ndarray, Any]:
        below = [theta[0]]  # W_j ⋯ W_1, j = 1, …, N
        for layer in theta[1:]:
            below.append(layer @ below[-1])
        return (below[-1][..., 0, :] if self.widths[-1] == 1 else below[-1]), below

    def pullback(self, theta: Any, g: np.ndarray, parts: Any = None) -> Any:
        below = self.forward(theta)[1] if parts is None else parts
        G = g.reshape(theta[0].shape[:-2] + (self.widths[-1], self.widths[0]))
        gradients: list[np.ndarray] = []
        for j in range(self.depth - 1, 0, -1):  # G holds A_jᵀG
            gradients.append(G @ _t(below[j - 1]))
            G = _t(theta[j]) @ G
        return (G, *gradients[::-1])

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> Any:
        self.shapes(problem)
        scale = _not_underflowing(scale, self.depth)
        r = min(self.widths)
        key = np.random.default_rng(rng) if rng is not None else None
        Q = [orthonormal(n, r, key) for n in self.widths]
        return tuple(scale * Q[j + 1] @ Q[j].T for j in range(self.depth))

    def factorize(self, W: Any, imbalance: float = 0.0, rng: Any = None) -> Any:
        """θ with W_N ⋯ W_1 = W (n_N, n_0) and every D_j = 0; two layers also with D_1 = λI, λ = ``imbalance``.

        With W = U S Vᵀ and orthonormal Q_j (identity-like, or random with ``rng``), Q_0 = V and Q_N = U,
        W_j = Q_j S^{1/N} Q_{j−1}ᵀ. For λ ≠ 0, W_1 = Q_1 (q − λ/2)^½ Vᵀ and W_2 = U (q + λ/2)^½ Q_1ᵀ with
        q² = S² + λ²/4. A target's own U and V make an *aligned* start.

        Raises
        ------
        ValueError
            where a width is below the rank of W, or λI needs a rank that no layer of these widths has.
        """
        W = real_array("W", W, (self.widths[-1], self.widths[0]))
        key = np.random.default_rng(rng) if rng is not None else None
        if imbalance:
            return _two_factors(W, self.widths, float(imbalance), key)
        U, s, Vt = _truncated(W, min(self.widths), f"DeepLinear(widths={self.widths})")
        Q = [Vt.T, *(orthonormal(n, s.size, key) for n in self.widths[1:-1]), U]
        return tuple((Q[j + 1] * s ** (1 / self.depth)) @ Q[j].T for j in range(self.depth))

    def layer_form(self, problem: Problem) -> tuple[int, tuple[int, ...]]:
        return 0, self.widths

    def imbalances(self, theta: Any) -> tuple[np.ndarray, ...]:
        """D_j = W_{j+1}ᵀW_{j+1} − W_jW_jᵀ, j = 1, …, N − 1: what a gradient flow conserves."""
        return tuple(_t(V) @ V - W @ _t(W) for W, V in zip(theta, theta[1:]))


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

    def factorize(self, W: Any, imbalance: float = 0.0, rng: Any = None) -> Any:
        """θ with UVᵀ = W and UᵀU − VᵀV = λI, λ = ``imbalance``; tied: UUᵀ = W for a positive semidefinite W.

        Raises
        ------
        ValueError
            as :meth:`DeepLinear.factorize`; tied, also where W is not symmetric positive semidefinite.
        """
        W = real_array("W", W, (None, None))
        key = np.random.default_rng(rng) if rng is not None else None
        if not self.tied:
            V_t, U = _two_factors(W, (W.shape[1], self.rank, W.shape[0]), float(imbalance), key)
            return U, V_t.T
        U, s, _ = _truncated(W, self.rank, f"MatrixFactorization(rank={self.rank}, tied=True)")
        if (
            imbalance
            or W.shape[0] != W.shape[1]
            or np.linalg.norm((U * s) @ U.T - W) > 1e-12 * np.linalg.norm(W)
        ):
            raise ValueError(
                "a tied factorization UUᵀ needs W symmetric positive semidefinite, and no imbalance"
            )
        return ((U * np.sqrt(s)) @ orthonormal(self.rank, s.size, key).T,)

    def layer_form(self, problem: Problem) -> tuple[int, tuple[int, ...]]:
        p, q = problem.w_shape
        return 2 if self.tied else 1, (q, self.rank, p)

    def imbalances(self, theta: Any) -> tuple[np.ndarray, ...]:
        """(UᵀU − VᵀV,), which a gradient flow conserves; tied: none."""
        return () if self.tied else (_t(theta[0]) @ theta[0] - _t(theta[1]) @ theta[1],)

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> Any:
        shapes = self.shapes(problem)
        scale = _not_underflowing(scale, 2)
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


def _not_underflowing(scale: Any, depth: int) -> float:
    scale = positive("scale", scale)
    if scale**depth < np.finfo(float).tiny:
        raise ValueError(
            f"scale = {scale:g} to the power {depth} underflows: W would start at zero, a saddle"
        )
    return scale


def _truncated(W: np.ndarray, r: int, model: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(U, s, Vᵀ) with min(r, p, q) modes, where W has no more."""
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    rank = int(np.sum(s > 1e-12 * s[0])) if s[0] else 0
    if rank > r:
        raise ValueError(f"W has rank {rank}; {model} reaches rank {r} at most: widen it")
    return U[:, :r], s[:r], Vt[:r]


def _two_factors(
    W: np.ndarray, widths: tuple[int, ...], lam: float, key: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """(W_1, W_2) with W_2W_1 = W and W_2ᵀW_2 − W_1W_1ᵀ = λI."""
    if len(widths) != 3:
        raise ValueError(f"an imbalance λI is one of two layers; widths {widths} have {len(widths) - 1}")
    d_in, h, d_out = widths
    _truncated(W, h, f"widths {widths}")
    if (lam > 0 and h > d_out) or (lam < 0 and h > d_in):
        side, n = ("d_out", d_out) if lam > 0 else ("d_in", d_in)
        raise ValueError(
            f"λ = {lam:g} needs h ≤ {side}, since λI + W_1W_1ᵀ = W_2ᵀW_2 has rank h; here h = {h}, {side} = {n}"
        )
    U, s, Vt = np.linalg.svd(W)
    s = np.pad(s, (0, max(h - s.size, 0)))[:h]
    big = np.sqrt(np.sqrt(s**2 + lam**2 / 4) + abs(lam) / 2)
    small = np.divide(s, big, out=np.zeros(h), where=big > 0)  # √(q − |λ|/2), without cancellation
    first, second = (small, big) if lam >= 0 else (big, small)
    R = orthonormal(h, h, key)
    V, U = (np.pad(B[:, :h], ((0, 0), (0, max(h - len(B), 0)))) for B in (Vt.T, U))
    return (R * first) @ V.T, (U * second) @ R.T


def _t(A: np.ndarray) -> np.ndarray:
    return np.swapaxes(A, -1, -2)
