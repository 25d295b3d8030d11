"""The flow of the end-to-end matrix of a balanced deep linear network (theory/deep/end-to-end-flow.md)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import real_array, whole
from ..dynamics.charts import jacobian
from ..dynamics.oracle import SettingOracle
from .weight_flow import WeightFlow

__all__ = ["EndToEndFlow", "end_to_end_velocity", "singular_value_velocities"]

DISTINCT = 1e-6
"""Singular values closer than this part of the largest have no singular vectors of their own in floats."""
ZERO = 1e-12
"""A singular value of W(0) below this part of the largest is rounding."""
UNRESOLVED = 100.0
"""In units of rtol·σ_1: a singular value whose relative error may exceed a hundredth."""
LOST = 1e-6
"""A singular value that has come to rest below this part of the largest is zero in the limit."""
FALLING = 1e-8
"""A curvature below −1 times this part of the largest is no rounding."""


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


class EndToEndFlow(WeightFlow):
    """t ↦ W(t) of a balanced deep linear network by integrating Ẇ of :func:`end_to_end_velocity`, without its layers.

    The flow conserves the rank of W. A singular value below 100·rtol of the largest is one the integration does not
    resolve: there it ends, since rounding could let it grow again, with the other sign. From three layers on, a minimum
    of lower rank than W(0), which is approached like a power of t, may be out of reach.

    A limit W(∞) is a minimum over the matrices that the layers reach, or ArithmeticError is raised: where ∇L ≠ 0 and
    W(∞) is of lower rank than W(0) or than the layers allow, or the Hessian in the layers has a negative eigenvalue, it
    is a saddle. A start on a saddle's stable manifold for reasons of symmetry (common singular vectors, say) may be
    carried past by rounding; on whitened inputs ``closed_form`` has exact curves for those.

    Parameters
    ----------
    setting : DeepLinear under a GradientFlow on any problem; only L and W(0) are used. For one output W(t) is a
        vector (d,). rtol : of the integrator.

    The curve is a function f(t) or f(log_time=log t), t ≥ 0; an array adds a leading axis, and ``np.inf`` is allowed.

    Raises
    ------
    ArithmeticError
        where the limit is a saddle or does not exist, or a singular value falls below what is resolved.

    >>> import implicitbias as ib
    >>> model = ib.DeepLinear((2, 2, 2, 2))
    >>> problem = ib.MatrixRegression.whitened(np.diag([2.0, 1.0]))
    >>> setting = ib.Setting(problem, model, ib.GradientFlow(), model.factorize(np.diag([0.5, 0.4])))
    >>> flow = EndToEndFlow(setting)
    >>> flow(np.inf).round(9) + 0.0
    array([[2., 0.],
           [0., 1.]])
    >>> flow.singular_values([0.0, np.inf]).round(9).tolist()
    [[0.5, 0.4], [2.0, 1.0]]
    """

    def __init__(self, setting: Any, rtol: float = 1e-12) -> None:
        super().__init__(setting, rtol)
        self.depth, self.room = setting.model.depth, min(setting.model.widths)
        s = np.linalg.svd(np.atleast_2d(self.w0), compute_uv=False)
        self.rank = min(self.room, int(np.sum(s > ZERO * s[0])))

    def velocity(self, w: np.ndarray) -> np.ndarray:
        """Ẇ at W, in its shape."""
        W, G = np.atleast_2d(w), np.atleast_2d(self.problem.gradient(w))
        return end_to_end_velocity(W, G, self.depth, self.rank).reshape(w.shape)

    def resolved(self, w: np.ndarray) -> float:
        """The least singular value, of as many as the rank, less the smallest that is resolved."""
        if self.depth == 1 or self.rank == 0:
            return 1.0
        s = np.linalg.svd(np.atleast_2d(w), compute_uv=False)
        return float(s[self.rank - 1] - UNRESOLVED * self.rtol * max(s[0], self.size))

    def remark(self, w: np.ndarray) -> str:
        """What is to be seen at W, for a message."""
        s = np.linalg.svd(np.atleast_2d(w), compute_uv=False)[: max(self.rank, 1)]
        G = np.linalg.norm(self.problem.gradient(w))
        return (
            f"it has come to a W with the singular values {s} and ‖∇L‖ = {G:.3g}. The rank is "
            "conserved; where a singular value vanishes, the flow nears a matrix of lower rank: a saddle, unless ∇L = 0"
        )

    def is_limit(self, w: np.ndarray) -> bool:
        """Whether a point of rest is a minimum over the matrices that the layers reach. Raises at a saddle."""
        if self.is_least(w):
            return True
        U, s, Vt = np.linalg.svd(np.atleast_2d(w), full_matrices=False)
        rank = min(self.room, int(np.sum(s > LOST * max(s[0], self.size))))
        if self.depth == 1 or rank == s.size:
            return False
        if rank == self.room and not self._is_strict_saddle((U[:, :rank] * s[:rank]) @ Vt[:rank]):
            return True
        raise ArithmeticError(
            f"W(t) tends to a saddle: it comes to rest at rank {rank}, where the layers have room for {self.room}, and "
            f"‖∇L‖ = {np.linalg.norm(self.problem.gradient(w)):.3g} is not zero: start elsewhere"
        )

    def _is_strict_saddle(self, W: np.ndarray) -> bool:
        """Whether the loss has a direction of negative curvature at the balanced layers of W, of full rank."""
        setting = self.setting
        H = jacobian(SettingOracle(setting), setting.layout.join(setting.model.factorize(W)))
        return bool(np.linalg.eigvalsh((H + H.T) / 2)[0] < -FALLING * np.abs(H).max())
