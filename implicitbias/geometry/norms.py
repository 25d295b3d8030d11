"""Norms, their duals, and their steepest directions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..records import record
from .potentials import Mahalanobis, spd

__all__ = ["LpNorm", "MahalanobisNorm", "Norm", "SchattenNorm", "polar_factor"]

NULL = 1e-12
"""Singular values below this part of the largest are taken for zero: the rounding of a gradient has no direction."""


class Norm(ABC):
    """A norm ‖·‖ with its dual ‖g‖_* = max_{‖s‖≤1} ⟨g, s⟩ and a maximiser s(g)."""

    reads_blocks: ClassVar[bool] = False
    """Whether the shapes of the blocks of θ matter; then the methods take a tuple of blocks, too."""

    @abstractmethod
    def value(self, w: np.ndarray) -> float:
        """‖w‖."""

    @abstractmethod
    def dual(self, g: np.ndarray) -> float:
        """‖g‖_*."""

    @abstractmethod
    def direction(self, g: np.ndarray) -> np.ndarray:
        """s with ‖s‖ = 1 and ⟨g, s⟩ = ‖g‖_*; zero when g is."""


@record
class LpNorm(Norm):
    """‖w‖_p, 1 ≤ p ≤ ∞; its dual is ‖g‖_q with 1/p + 1/q = 1.

    s(g) = sgn(g)(|g|/‖g‖_q)^{q−1}; the sign for p = ∞, the first largest coordinate for p = 1.

    >>> LpNorm(np.inf).direction(np.array([2.0, -3.0])).tolist()
    [1.0, -1.0]
    """

    p: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", float(self.p))
        if not self.p >= 1:
            raise ValueError(f"an ℓp norm needs 1 ≤ p ≤ inf, got p = {self.p}")

    @property
    def q(self) -> float:
        """The dual exponent p/(p − 1)."""
        return np.inf if self.p == 1 else 1.0 if self.p == np.inf else self.p / (self.p - 1)

    def value(self, w: np.ndarray) -> float:
        return _lp(w, self.p)

    def dual(self, g: np.ndarray) -> float:
        return _lp(g, self.q)

    def direction(self, g: np.ndarray) -> np.ndarray:
        if self.p == np.inf:
            return np.sign(g)
        largest = float(np.max(np.abs(g)))
        if largest == 0.0:
            return np.zeros_like(g)
        if self.p == 1:
            s = np.zeros_like(g)
            j = np.unravel_index(np.argmax(np.abs(g)), g.shape)
            s[j] = np.sign(g[j])
            return s
        a = np.abs(g) / largest  # the direction does not depend on the size of g: nothing underflows
        return np.sign(g) * (a / np.sum(a**self.q) ** (1 / self.q)) ** (self.q - 1)


@record
class MahalanobisNorm(Norm):
    """‖w‖ = √(wᵀMw), M (d, d) symmetric positive definite or its diagonal (d,); its dual is √(gᵀM⁻¹g).

    s(g) = M⁻¹g/‖g‖_*: that of descent with the preconditioner M⁻¹. A matrix w is read entry by entry, row after row.

    >>> norm, g = MahalanobisNorm([1.0, 4.0]), np.array([3.0, 8.0])
    >>> norm.dual(g), norm.direction(g).tolist()
    (5.0, [0.6, 0.4])
    """

    M: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "M", spd("M", self.M))

    @cached_property
    def root(self) -> np.ndarray:
        """R (d, d) with M = RᵀR."""
        M = np.diag(self.M) if self.M.ndim == 1 else self.M
        R: np.ndarray = np.linalg.cholesky(M).T
        return R

    def value(self, w: np.ndarray) -> float:
        return _lp(self.root @ np.ravel(w), 2.0)

    def dual(self, g: np.ndarray) -> float:
        return _lp(np.linalg.solve(self.root.T, np.ravel(g)), 2.0)

    def direction(self, g: np.ndarray) -> np.ndarray:
        size = self.dual(g)
        if size == 0.0:
            return np.zeros_like(g)
        s: np.ndarray = Mahalanobis(self.M).inverse_gradient(np.ravel(g) / size).reshape(g.shape)
        return s


@record
class SchattenNorm(Norm):
    """‖W‖ = ‖σ(W)‖_p with the singular values σ of W = U diag(σ) Vᵀ, 1 ≤ p ≤ ∞; its dual has q, 1/p + 1/q = 1.

    | p | norm | dual | direction of G = U diag(σ) Vᵀ |
    |---|---|---|---|
    | ∞ | spectral, σ_1 | nuclear | UVᵀ, over the singular values that are not rounding |
    | 2 | Frobenius | Frobenius | G/‖G‖_F |
    | 1 | nuclear, Σσ_i | spectral | u_1v_1ᵀ |

    In general s(G) = U diag(s) Vᵀ, s the ℓp direction of σ. A vector is a column: all its norms are ℓ2. A tuple of
    blocks is the block-diagonal matrix of them, whose singular values are those of all blocks.

    >>> norm, G = SchattenNorm(np.inf), np.array([[0.0, 3.0], [-4.0, 0.0]])
    >>> norm.value(G), norm.dual(G), norm.direction(G).tolist()
    (4.0, 7.0, [[0.0, 1.0], [-1.0, 0.0]])
    """

    p: float

    reads_blocks = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", LpNorm(self.p).p)

    def value(self, w: Any) -> float:
        return LpNorm(self.p).value(_singular_values(w))

    def dual(self, g: Any) -> float:
        return LpNorm(self.p).dual(_singular_values(g))

    def direction(self, g: Any) -> Any:
        blocks = g if isinstance(g, tuple) else (g,)
        parts = [np.linalg.svd(as_matrix(b), full_matrices=False) for b in blocks]
        sigma = [np.where(s > NULL * s[0], s, 0.0) for _, s, _ in parts]
        unit = np.split(
            LpNorm(self.p).direction(np.concatenate(sigma)), np.cumsum([s.size for s in sigma])[:-1]
        )
        made = tuple(((U * s) @ Vt).reshape(b.shape) for (U, _, Vt), s, b in zip(parts, unit, blocks))
        return made if isinstance(g, tuple) else made[0]


def polar_factor(G: np.ndarray) -> np.ndarray:
    """UVᵀ of G = U diag(σ) Vᵀ (p, q), over the σ_i > 10⁻¹²σ_1; zero where G is. A vector is a column.

    >>> polar_factor(np.array([[0.0, 3.0], [0.0, 0.0]])).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """
    factor: np.ndarray = SchattenNorm(np.inf).direction(G)
    return factor


def as_matrix(block: np.ndarray) -> np.ndarray:
    """A block of θ as a matrix; a vector is a column."""
    if block.ndim > 2:
        raise ValueError(f"a Schatten norm is one of matrices and vectors; a block has shape {block.shape}")
    return block if block.ndim == 2 else block.reshape(-1, 1)


def _singular_values(w: Any) -> np.ndarray:
    """Those of all blocks."""
    blocks = w if isinstance(w, tuple) else (w,)
    return np.concatenate([np.linalg.svd(as_matrix(b), compute_uv=False) for b in blocks])


def _lp(v: np.ndarray, p: float) -> float:
    """‖v‖_p, scaled so that powers neither under- nor overflow."""
    size = float(np.max(np.abs(v)))
    if size == 0.0 or not np.isfinite(size):
        return size
    return size * float(np.linalg.norm(np.ravel(v) / size, p))


WORDS: dict[str, Norm] = {
    "frobenius": LpNorm(2.0),
    "max": LpNorm(np.inf),
    "nuclear": SchattenNorm(1.0),
    "spectral": SchattenNorm(np.inf),
}


def as_norm(norm: Any) -> Norm:
    """A Norm from p ≥ 1, ``np.inf``, a word ("frobenius", "spectral", "nuclear", "max" entry by entry), or a Norm."""
    if isinstance(norm, Norm):
        return norm
    if isinstance(norm, str) and norm in WORDS:
        return WORDS[norm]
    if isinstance(norm, int | float | np.number) and not isinstance(norm, bool):
        return LpNorm(float(norm))
    words = ", ".join(map(repr, WORDS))
    raise ValueError(f"norm must be a number p with 1 ≤ p ≤ inf, one of {words}, or a Norm, got {norm!r}")
