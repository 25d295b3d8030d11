"""Data that cannot be separated: the largest part that can, and what pins the rest."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..checks import real_array
from ..records import record
from .linear_programs import highs
from .programs import EPS

__all__ = ["SeparableSplit"]


@record
class SeparableSplit:
    """The samples that some w with Zw ≥ 0 gives positive margins, and all others; Z (n, d) are the signed inputs.

    ``direction`` w proves one half, z_i·w ≥ 1 on the ``separable`` part and z_i·w = 0 on the rest; ``weights`` p the
    other, p_i ≥ 1 on the rest, 0 elsewhere and Zᵀp = 0: where Zw ≥ 0, Σ p_i z_i·w = 0 leaves z_i·w = 0 there. On the
    span of the rest the sum of decreasing convex losses of its margins is bounded below and attains its minimum
    ("ji2019nonseparable").

    Raises
    ------
    ArithmeticError
        by every attribute, when rounding leaves the split undecided.

    Examples
    --------
    >>> split = SeparableSplit([[1.0, 2.0], [1.0, 0.0], [-1.0, 0.0]])
    >>> split.separable.tolist(), split.weights.tolist()
    ([True, False, False], [0.0, 1.0, 1.0])
    """

    Z: np.ndarray

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", real_array("Z", self.Z, (None, None)))

    @cached_property
    def _guess(self) -> tuple[np.ndarray, np.ndarray]:
        """max Σ t_i subject to z_i·w ≥ t_i, 0 ≤ t_i ≤ 1: every t_i is 0 or 1, as w may be as long as it likes."""
        n, d = self.Z.shape
        scaled = self.Z / _sizes(self.Z)
        found = highs(
            np.append(np.zeros(d), -np.ones(n)), "the separable part",
            A_ub=np.hstack([-scaled, np.eye(n)]), b_ub=np.zeros(n), bounds=[(None, None)] * d + [(0.0, 1.0)] * n,
        )  # fmt: skip
        return found.x[:d], found.x[d:] > 0.5

    @property
    def separable(self) -> np.ndarray:
        """(n,) whether a sample belongs to the separable part."""
        _ = self.direction, self.weights
        return self._guess[1]

    @cached_property
    def basis(self) -> np.ndarray:
        """(d, r) an orthonormal basis of the span of the rest."""
        rest = self.Z[~self._guess[1]]
        if not len(rest):
            return np.empty((self.Z.shape[1], 0))
        _, s, Vt = np.linalg.svd(rest / _sizes(rest), full_matrices=False)
        return np.asarray(Vt[s > 1e-10 * max(s[0], EPS)].T)

    def off(self, w: np.ndarray) -> np.ndarray:
        """w less its projection on the span of the rest; rows of a matrix one by one."""
        return np.asarray(w - (w @ self.basis) @ self.basis.T)

    @cached_property
    def direction(self) -> np.ndarray:
        """(d,) w, orthogonal to the rest, with margins ≥ 1 on the separable part."""
        w, separable = self._guess
        w = self.off(w)
        if not np.any(separable):
            return np.zeros_like(w)
        Z = self.Z[separable]
        least = float(np.min(Z @ w / np.linalg.norm(Z, axis=1)))
        if not least > 1e-10 * np.linalg.norm(w):
            raise ArithmeticError(
                f"the separable part is undecided: the least margin found is {least:.2g} of ‖w‖"
            )
        return np.asarray(w / np.min(Z @ w))

    @cached_property
    def weights(self) -> np.ndarray:
        """(n,) p ≥ 1 on the rest and 0 on the separable part, with Zᵀp = 0."""
        rest = ~self._guess[1]
        p = np.zeros(len(rest))
        if np.any(rest):
            sizes = _sizes(self.Z[rest])[:, 0]
            scaled = self.Z[rest] / sizes[:, None]
            constraints = {"A_eq": scaled.T, "b_eq": np.zeros(scaled.shape[1]), "bounds": (1.0, None)}
            q = highs(np.ones(len(scaled)), "the weights of the rest", **constraints).x
            q = q - np.linalg.pinv(scaled.T) @ (scaled.T @ q)  # what the solver's tolerance has left
            if not (np.min(q) > 0 and np.linalg.norm(scaled.T @ q) <= 1e-12 * np.sum(q)):
                raise ArithmeticError("the separable part is undecided: no weights pin the rest")
            p[rest] = q / sizes
            p /= np.min(p[rest])
        return p


def _sizes(Z: np.ndarray) -> np.ndarray:
    """(n, 1) lengths of the rows; 1 for a zero row."""
    sizes = np.linalg.norm(Z, axis=1, keepdims=True)
    return np.where(sizes == 0, 1.0, sizes)
