"""The exact trajectory of a λ-balanced two-layer linear network (theory/deep/riccati-two-layer.md)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np

__all__ = ["RiccatiSolution"]

STATIONARY = 256
"""Steps of the semigroup between two comparisons with the limit."""


def imbalance(theta: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """(λ, distance): λ = tr D/h of D = W₂ᵀW₂ − W₁W₁ᵀ, and ‖D − λI‖_F/‖Q‖_F²."""
    W1, W2 = theta
    D = W2.T @ W2 - W1 @ W1.T
    lam = float(np.trace(D)) / len(D)
    size = float(np.sum(W1**2) + np.sum(W2**2)) or 1.0
    return lam, float(np.linalg.norm(D - lam * np.eye(len(D)))) / size


class RiccatiSolution:
    """W(t) of the gradient flow on ½‖W₂W₁ − T‖_F² from a λ-balanced start.

    With Q = [W₁ᵀ; W₂] and F = [[−(λ/2)I, Tᵀ], [T, (λ/2)I]], P = QQᵀ solves Ṗ = FP + PF − P². It is advanced by
    the exact factored semigroup

        Q ← e^{Fδ} Q (I + QᵀΦ(δ)Q)^{−½},   Φ(δ) = ∫₀^δ e^{2Fs} ds,   ‖F‖δ ≤ 1,

    which never overflows and never leaves rank h, where the textbook's single formula loses all digits
    beyond ‖F‖t ≈ 15. At t = ∞ the eigenvectors of F with positive eigenvalue that Q₀ reaches, the largest first,
    give P(∞) = Σ 2f Proj_{V_f}. P holds W, the representational similarities and the neural tangent kernel.

    Parameters
    ----------
    theta0 : (W₁ (h, d_in), W₂ (d_out, h)); where it is not λ-balanced, λ is the mean of diag D and the
        curve is not the flow's.
    T : (d_out, d_in) the target.

    The curve is a function f(t) or f(log_time=log t), t ≥ 0; an array adds a leading axis, and ``np.inf`` is allowed.

    Examples
    --------
    >>> curve = RiccatiSolution((np.eye(2) / 2, np.eye(2) / 2), np.diag([2.0, -1.0]))
    >>> curve(np.inf).round(12).tolist(), curve.remarks[0][:29]
    ([[2.0, 0.0], [0.0, 0.0]], 'the flow tends to a saddle, a')
    >>> curve.tangent_kernel(np.inf).diagonal().round(12).tolist()
    [4.0, 2.0, 2.0, 0.0]
    """

    def __init__(self, theta0: tuple[np.ndarray, np.ndarray], T: np.ndarray) -> None:
        W1, W2 = (np.asarray(W, dtype=float) for W in theta0)
        self.d_in = W1.shape[1]
        self.lam, _ = imbalance((W1, W2))
        self.Q0 = np.vstack([W1.T, W2])
        k = T.shape[0]
        self.F = np.block([[-self.lam / 2 * np.eye(self.d_in), T.T], [T, self.lam / 2 * np.eye(k)]])
        self.f, self.O = np.linalg.eigh(self.F)
        self._deficient: int | None = None

    def __call__(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """W at time t, or at log t; an array adds a leading axis."""
        W: np.ndarray = self.gram(t, log_time=log_time)[..., self.d_in :, : self.d_in]
        return W

    def gram(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """P = [[W₁ᵀW₁, Wᵀ], [W, W₂W₂ᵀ]] at time t, or at log t; an array adds a leading axis."""
        times = np.asarray(t if log_time is None else np.exp(log_time), dtype=float)
        if np.any(~(times >= 0)):
            raise ValueError("the closed form is defined for t ≥ 0")
        flat = times.ravel()
        P = np.empty((flat.size, *self.F.shape))
        Q, now = self.Q0, 0.0
        for i in np.argsort(flat, kind="stable"):
            if np.isinf(flat[i]):
                P[i] = self.limit()
                continue
            Q, now = self.advance(Q, flat[i] - now), flat[i]
            P[i] = Q @ Q.T
        return P.reshape(*times.shape, *self.F.shape)

    def representations(self, t: Any = None, *, log_time: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """(W₁ᵀW₁ (d_in, d_in), W₂W₂ᵀ (d_out, d_out)): the similarities of hidden units to inputs and outputs."""
        P = self.gram(t, log_time=log_time)
        return P[..., : self.d_in, : self.d_in], P[..., self.d_in :, self.d_in :]

    def tangent_kernel(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """K = W₂W₂ᵀ ⊗ I + I ⊗ W₁ᵀW₁, with which W, row by row, moves: Ẇ = −K(W − T)."""
        inner, outer = self.representations(t, log_time=log_time)
        I_in, I_out = np.eye(self.d_in), np.eye(len(self.F) - self.d_in)
        K = np.einsum("...ac,bd->...abcd", outer, I_in) + np.einsum("...bd,ac->...abcd", inner, I_out)
        size = self.d_in * len(I_out)
        return K.reshape(*inner.shape[:-2], size, size)

    @cached_property
    def remarks(self) -> tuple[str, ...]:
        """What ``predict`` adds: whether the limit is a saddle."""
        T, h = self.F[self.d_in :, : self.d_in], self.Q0.shape[1]
        s = np.linalg.svd(T, compute_uv=False)
        missed = float(np.linalg.norm(self(np.inf) - T)) ** 2
        if missed <= np.sum(s[h:] ** 2) + 1e-8 * np.sum(s**2):
            return ()
        return (
            f"the flow tends to a saddle, at ‖W − T‖_F = {np.sqrt(missed):.6g}: the start has no part along a mode of "
            "T (square layers with λ = 0 keep the sign of det W), and a computed run leaves the saddle by rounding",
        )

    def advance(self, Q: np.ndarray, duration: float) -> np.ndarray:
        """Q after ``duration``, up to a rotation on the right (which P does not see)."""
        steps = max(int(np.ceil(duration * float(np.abs(self.f).max()))), 1)
        d = duration / steps
        grow = np.exp(self.f * d)
        x = 2 * self.f * d
        phi = d * np.where(np.abs(x) < 1e-12, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x))
        q, limit = self.O.T @ Q, self.O.T @ self.limit() @ self.O if steps > STATIONARY else None
        for k in range(steps):
            if limit is not None and k % STATIONARY == 0 and _close(q @ q.T, limit):
                break
            L = np.linalg.cholesky(np.eye(q.shape[1]) + (q.T * phi) @ q)
            q = self._keep_rank(np.linalg.solve(L, (grow[:, None] * q).T).T)
        return self.O @ q

    def _keep_rank(self, q: np.ndarray) -> np.ndarray:
        """The rank of the growing part of q is conserved; where it is deficient (the limit is a saddle),
        rounding would raise it, and the missing mode would grow.
        """
        grows = self.f > 0
        if self._deficient is None:
            s = np.linalg.svd((self.O.T @ self.Q0)[grows], compute_uv=False)
            rank = int(np.sum(s > 1e-10 * np.linalg.norm(self.Q0)))
            self._deficient = rank if rank < s.size else -1
        if self._deficient >= 0:
            U, s, Vt = np.linalg.svd(q[grows], full_matrices=False)
            r = self._deficient
            q[grows] = (U[:, :r] * s[:r]) @ Vt[:r]
        return q

    def limit(self) -> np.ndarray:
        """P(∞), by elimination down the eigenvalues of F (tolerance 1e-10 relative to the start)."""
        P = np.zeros_like(self.F)
        for f, _, V in self._reached():
            P += 2 * f * V @ V.T
        return P

    def smallest_pivot(self) -> float:
        """The least singular value with which Q₀ reaches the eigenvectors it grows into.

        Zero when fewer than min(h, number of positive eigenvalues) of them are reached: a mode is then missing,
        or hidden behind a saddle that rounding escapes.
        """
        found = [s for _, s, _ in self._reached()]
        positive = int(np.sum(self.f > 1e-12 * max(1.0, float(self.f[-1]))))
        values = np.concatenate(found) if found else np.zeros(1)
        return float(values.min()) if values.size == min(self.Q0.shape[1], positive) else 0.0

    def _reached(self) -> Iterator[tuple[float, np.ndarray, np.ndarray]]:
        """(f, singular values, orthonormal V_f) of each eigenspace that Q₀ reaches, largest f first."""
        reach = np.eye(self.Q0.shape[1])  # directions of Q₀ not yet absorbed
        tolerance = 1e-10 * float(np.linalg.norm(self.Q0))
        i = len(self.f)
        while i > 0 and reach.shape[1] > 0:
            group = np.abs(self.f[:i] - self.f[i - 1]) <= 1e-10 * max(1.0, abs(self.f[-1]))
            f, E = float(self.f[i - 1]), self.O[:, :i][:, group]
            i -= int(group.sum())
            if f <= 1e-12 * max(1.0, float(self.f[-1])):
                break
            U, s, Vt = np.linalg.svd(E.T @ self.Q0 @ reach)
            rank = int(np.sum(s > tolerance))
            if rank:
                yield f, s[:rank], E @ U[:, :rank]
            reach = reach @ Vt[rank:].T


def _close(P: np.ndarray, limit: np.ndarray) -> bool:
    return bool(np.linalg.norm(P - limit) <= 1e-14 * np.linalg.norm(limit))
