"""The flow of the end-to-end matrix of a balanced deep linear network (theory/deep/end-to-end-flow.md)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import real_array, whole

__all__ = ["EndToEndFlow", "end_to_end_velocity", "singular_value_velocities"]

DISTINCT = 1e-6
"""Singular values closer than this part of the largest have no singular vectors of their own in floats."""


def end_to_end_velocity(W: Any, G: Any, depth: int, rank: int | None = None) -> np.ndarray:
    """Ẇ = −Σ_j (WWᵀ)^{(j−1)/N} G (WᵀW)^{(N−j)/N}, j = 1, …, N: what balanced layers make of G = ∇_W L.

    The powers are S^{2(j−1)/N} in the bases of W = USVᵀ, those of exponent 0 the identity [arora2018acceleration].

    Parameters
    ----------
    W, G : (p, q). depth : N. rank : of W, where it is known to be less than min(p, q).

    >>> end_to_end_velocity([[4.0]], [[1.0]], depth=2)
    array([[-8.]])
    """
    W, depth = real_array("W", W, (None, None)), whole("depth", depth, 1)
    G = real_array("G", G, W.shape)
    U, s, Vt = (
        x[..., :rank] if i < 2 else x[:rank] for i, x in enumerate(np.linalg.svd(W, full_matrices=False))
    )
    velocity = np.zeros_like(W)
    for j in range(1, depth + 1):
        left, right = (j - 1) / depth, (depth - j) / depth
        term = (U * s ** (2 * left)) @ (U.T @ G) if left else G
        velocity -= (term @ Vt.T * s ** (2 * right)) @ Vt if right else term
    return velocity


def singular_value_velocities(W: Any, G: Any, depth: int) -> np.ndarray:
    """σ̇_r = −N σ_r^{2 − 2/N} ⟨G, u_rv_rᵀ⟩ for the singular triples (σ_r, u_r, v_r) of W, the largest first.

    Raises
    ------
    ValueError
        where two singular values are equal: they have no singular vectors of their own.

    >>> singular_value_velocities([[2.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]], depth=2)
    array([-4., -2.])
    """
    W, depth = real_array("W", W, (None, None)), whole("depth", depth, 1)
    U, s, Vt = np.linalg.svd(W, full_matrices=False)
    if not distinct(s):
        raise ValueError(
            f"W has the singular values {s}: equal ones have no singular vectors of their own, and no velocities"
        )
    return -depth * s ** (2 - 2 / depth) * np.einsum("ir,ij,rj->r", U, real_array("G", G, W.shape), Vt)


def distinct(s: np.ndarray) -> bool:
    """Whether all singular values, in decreasing order, differ."""
    return bool(np.all(s[:-1] - s[1:] > DISTINCT * s[0]))


class EndToEndFlow:
    """t ↦ W(t) of a balanced deep linear network by integrating Ẇ of :func:`end_to_end_velocity`, without its layers.

    Parameters
    ----------
    setting : DeepLinear under a GradientFlow on any problem; only L and W(0) are used. For one output W(t) is a
        vector (d,). rtol : of the integrator.

    >>> import implicitbias as ib
    >>> model = ib.DeepLinear((2, 2, 2, 2))
    >>> problem = ib.MatrixRegression.whitened(np.diag([2.0, 1.0]))
    >>> setting = ib.Setting(problem, model, ib.GradientFlow(), model.factorize(np.diag([0.5, 0.4])))
    >>> EndToEndFlow(setting)(30.0).round(9) + 0.0
    array([[2., 0.],
           [0., 1.]])
    """

    def __init__(self, setting: Any, rtol: float = 1e-12) -> None:
        self.problem, self.rtol = setting.problem, rtol
        self.depth, self.rank = setting.model.depth, min(setting.model.widths)
        self.w0 = np.asarray(setting.w0, dtype=float)

    def velocity(self, w: np.ndarray) -> np.ndarray:
        """Ẇ at W, in its shape."""
        W, G = np.atleast_2d(w), np.atleast_2d(self.problem.gradient(w))
        return end_to_end_velocity(W, G, self.depth, self.rank).reshape(w.shape)

    def __call__(self, t: Any) -> np.ndarray:
        """W at time t ≥ 0; an array adds a leading axis."""
        from scipy.integrate import solve_ivp

        times, shape = np.asarray(t, dtype=float), self.w0.shape
        if np.any(~(times >= 0) | np.isinf(times)):
            raise ValueError("the flow is integrated to finite times t ≥ 0")
        moments, where = np.unique(times.ravel(), return_inverse=True)
        found = solve_ivp(
            lambda _, w: self.velocity(w.reshape(shape)).ravel(), (0.0, float(moments[-1]) or 1e-300), self.w0.ravel(),
            method="DOP853", t_eval=moments, rtol=self.rtol, atol=1e-3 * self.rtol * np.abs(self.w0).max(),
        )  # fmt: skip
        if not found.success:
            raise ArithmeticError(f"the flow of W was not integrated: {found.message}")
        return np.asarray(found.y.T[where.ravel()].reshape(*times.shape, *shape))
