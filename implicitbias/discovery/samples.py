"""What identification looks at: problems, the solutions that were selected, and where the method started."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..checks import real_array

__all__: list[str] = []

EPS = float(np.finfo(float).eps)


class Samples:
    """K problems X_k w = y_k with the solutions w_k (D,) that a method selected, and its starts.

    A method that selects argmin R(w) − ⟨∇R(w₀), w⟩ subject to Xw = y has ∇R(w) − ∇R(w₀) in range(Xᵀ), whatever
    the problem: all that identification asks is for which R no part is left outside (:meth:`off`).

    ``X`` holds K arrays (n_k, D), ``y`` K arrays (n_k,) or None, ``w`` and ``start`` are (K, D); matrices (p, q),
    where ``shape`` says so, are flat. ``noise`` (K, D) is the standard error of w, of a method that draws.
    """

    def __init__(
        self, X: Sequence[np.ndarray], w: np.ndarray, start: np.ndarray, y: Sequence[np.ndarray] | None,
        shape: tuple[int, ...], noise: Any = 0.0,
    ) -> None:  # fmt: skip
        self.X, self.w, self.start, self.y, self.shape = tuple(X), w, start, y, shape
        self.noise = np.broadcast_to(noise, w.shape)

    def __len__(self) -> int:
        return len(self.w)

    def flat(self) -> Samples:
        """The same with matrices as vectors of their entries."""
        return Samples(self.X, self.w, self.start, self.y, (self.w.shape[1],), self.noise)

    @cached_property
    def rows(self) -> np.ndarray:
        """(K, D, r): orthonormal bases of range(X_kᵀ), filled with zeros up to the largest rank."""
        bases = [_row_basis(X) for X in self.X]
        out = np.zeros((len(bases), self.w.shape[1], max(Q.shape[1] for Q in bases)))
        for k, Q in enumerate(bases):
            out[k, :, : Q.shape[1]] = Q
        return out

    @cached_property
    def ranks(self) -> np.ndarray:
        """(K,) the ranks of the X_k."""
        return np.rint(np.sum(self.rows**2, axis=(1, 2))).astype(int)

    def off(self, v: np.ndarray, used: Any = slice(None)) -> np.ndarray:
        """The parts outside range(X_kᵀ) of v (K, D) or of columns (K, D, p)."""
        Q, columns = self.rows[used], v if v.ndim == 3 else v[..., None]
        out = columns - Q @ (np.swapaxes(Q, 1, 2) @ columns)
        return out if v.ndim == 3 else out[..., 0]

    def share(self, v: np.ndarray) -> np.ndarray:
        """(K,) ‖off v‖/‖v‖: how much of v the rows do not explain; 1 where v is zero."""
        size = np.linalg.norm(v, axis=1)
        return np.where(size > 0, np.linalg.norm(self.off(v), axis=1) / np.where(size > 0, size, 1.0), 1.0)

    @property
    def equations(self) -> int:
        """Σ_k (D − rank X_k), the number of linear conditions on ∇R."""
        return int(np.sum(self.w.shape[1] - self.ranks))

    @cached_property
    def unrelated(self) -> float:
        """√(mean (D − rank)/D): the share of a ∇R that has nothing to do with X."""
        return float(np.sqrt(np.mean(1 - self.ranks / self.w.shape[1])))

    @cached_property
    def misfits(self) -> np.ndarray:
        """(K, D) X⁺(Xw − y), how far w is from the solutions of its problem (0 where y is not known), and its noise."""
        if self.y is None:
            return self.noise
        gaps = [np.linalg.lstsq(X, X @ w - y, rcond=None)[0] for X, w, y in zip(self.X, self.w, self.y)]
        return np.hypot(gaps, self.noise) * np.where(np.array(gaps) < 0, -1.0, 1.0)

    @cached_property
    def residual(self) -> float:
        """max_k ‖Xw − y‖/‖y‖; NaN where y is not known."""
        if self.y is None:
            return np.nan
        return max(
            float(np.linalg.norm(X @ w - y) / (np.linalg.norm(y) or 1.0))
            for X, w, y in zip(self.X, self.w, self.y)
        )

    @property
    def share_one_range(self) -> bool:
        """Whether all problems have the same range(Xᵀ)."""
        first = self.rows[0]
        outside = self.rows - first @ (first.T @ self.rows)
        return bool(np.all(self.ranks == self.ranks[0]) and np.linalg.norm(outside) < 1e-8 * len(self))


def _row_basis(X: np.ndarray) -> np.ndarray:
    _, s, Vt = np.linalg.svd(X, full_matrices=False)
    return Vt[s > EPS * max(X.shape) * s[0]].T if s[0] > 0 else Vt[:0].T


class Coordinates(NamedTuple):
    """R(w) = Σ_i φ(c_i(w)): the c_i of the ends and of the starts, (K, r), and the directions e_i of ∇c_i.

    For vectors c = w; for matrices the c_i are singular values and e_i = vec(u_i v_iᵀ). ``end_basis`` and
    ``start_basis`` are (K, D, r), None where they are the identity.
    """

    end: np.ndarray
    start: np.ndarray
    end_basis: np.ndarray | None = None
    start_basis: np.ndarray | None = None

    def dual(self, slopes: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """∇R(w) − ∇R(w₀) (K, D, …) for φ′ = ``slopes``, a function of arrays, to arrays with axes behind."""
        v = _raised(self.end_basis, slopes(self.end))
        return v - _raised(self.start_basis, slopes(self.start)) if np.any(self.start) else v

    @property
    def keep_signs(self) -> bool:
        """Whether every coordinate has the sign of its start, so that a constant of φ′ is not determined."""
        return bool(np.all(self.end * self.start > 0))

    @property
    def sizes(self) -> np.ndarray:
        """All |c| that are not zero, in increasing order."""
        c = np.abs(np.concatenate([self.end.ravel(), self.start.ravel()]))
        return np.sort(c[c > 0])


def _raised(basis: np.ndarray | None, slopes: np.ndarray) -> np.ndarray:
    if basis is None:
        return slopes
    return basis @ slopes if slopes.ndim == 3 else (basis @ slopes[..., None])[..., 0]


def coordinates(samples: Samples, w: np.ndarray | None = None) -> Coordinates:
    """The entries of vectors, the singular values of matrices; of other ends ``w`` (K, D) where given."""
    end = samples.w if w is None else w
    if len(samples.shape) == 1:
        return Coordinates(end, samples.start)
    c, basis = _singular(end, samples.shape)
    c0, basis0 = _singular(samples.start, samples.shape)
    return Coordinates(c, c0, basis, basis0)


def _singular(w: np.ndarray, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    U, s, Vt = np.linalg.svd(w.reshape(-1, *shape), full_matrices=False)
    return s, np.einsum("kai,kib->kabi", U, Vt).reshape(len(w), -1, s.shape[1])


def samples_from(data: Sequence[Any], start: Any) -> Samples:
    """Of a list of pairs (X, w) or triples (X, y, w): X (n, d) and w (d,), or X (m, p, q) and w (p, q)."""
    if len(data) == 0:
        raise ValueError("identify got an empty list; it needs pairs (X, w) or triples (X, y, w)")
    read = [_item(k, item) for k, item in enumerate(data)]
    shape = read[0][1].shape
    for k, (_, w, y) in enumerate(read):
        if w.shape != shape or (y is None) != (read[0][2] is None):
            raise ValueError(
                f"item {k} is not like item 0: w has shape {w.shape} and {shape}, "
                f"y is {'missing' if y is None else 'given'} and {'missing' if read[0][2] is None else 'given'}"
            )
    w = np.stack([w.ravel() for _, w, _ in read])
    targets = None if read[0][2] is None else [y for _, _, y in read if y is not None]
    return Samples(
        [X.reshape(len(X), -1) for X, _, _ in read], w, starts_of(start, shape, len(read)), targets, shape
    )


def _item(k: int, item: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        raise ValueError(f"item {k} is no pair (X, w) and no triple (X, y, w): {item!r:.60}")
    X, w = real_array(f"X of item {k}", item[0]), real_array(f"w of item {k}", item[-1])
    if X.ndim not in (2, 3) or X.shape[1:] != w.shape:
        raise ValueError(
            f"item {k} has X of shape {X.shape} and w of shape {w.shape}; expected (n, d) and (d,), "
            "or (m, p, q) and (p, q)"
        )
    return X, w, real_array(f"y of item {k}", item[1], (len(X),)) if len(item) == 3 else None


def starts_of(start: Any, shape: tuple[int, ...], count: int) -> np.ndarray:
    """w₀ of every problem, (count, D), from a number, an array of w's shape, or one such array a problem."""
    w0 = real_array("start", start)
    if w0.shape not in ((), shape, (count, *shape)):
        raise ValueError(
            f"start has shape {w0.shape}; w has {shape}: give a number, an array of that shape, or one a problem"
        )
    return np.broadcast_to(w0, (count, *shape)).reshape(count, -1).copy()
