"""The flow of W between lazy and rich, of two layers with orthonormal columns (theory/deep/mixed-dynamics.md)."""

from __future__ import annotations

from typing import Any

import numpy as np

from .weight_flow import WeightFlow

__all__ = ["MixedFlow", "mixed_velocity"]


def smoothed(W: np.ndarray, c: float) -> tuple[np.ndarray, np.ndarray]:
    """(WᵀW + c²I)^½ and (WWᵀ + c²I)^½."""
    roots = []
    for gram in (W.T @ W, W @ W.T):
        f, V = np.linalg.eigh(gram)
        roots.append((V * np.sqrt(np.maximum(f, 0.0) + c**2)) @ V.T)
    return roots[0], roots[1]


def mixed_velocity(W: np.ndarray, G: np.ndarray, c: float) -> np.ndarray:
    """Ẇ = −(WWᵀ + c²I)^½ G − G (WᵀW + c²I)^½: what the layers make of G = ∇_W L [tu2024mixed].

    Modes of W well below c move as in a linear model, at the rate 2c; modes well above, as in balanced layers.

    Parameters
    ----------
    W, G : (p, q). c ≥ 0 : the scale of the start, of the size of W.

    >>> mixed_velocity(np.array([[4.0]]), np.array([[1.0]]), c=3.0)
    array([[-10.]])
    """
    inner, outer = smoothed(W, c)
    return np.asarray(-outer @ G - G @ inner)


def mixed_scale(theta: tuple[np.ndarray, np.ndarray]) -> tuple[float, float]:
    """(c, ‖A − c²I‖_F/c² + ‖C − c²I‖_F/c²), A = (W₁ᵀW₁)² − WᵀW, C = (W₂W₂ᵀ)² − WWᵀ, c² the mean of their diagonals."""
    W1, W2 = theta
    inner, outer, W = W1.T @ W1, W2 @ W2.T, W2 @ W1
    excess = inner @ inner - W.T @ W, outer @ outer - W @ W.T
    c2 = float(sum(np.trace(M) for M in excess)) / sum(len(M) for M in excess)
    if c2 <= 0:
        return 0.0, np.inf
    return float(np.sqrt(c2)), sum(float(np.linalg.norm(M - c2 * np.eye(len(M)))) for M in excess) / c2


class MixedFlow(WeightFlow):
    """t ↦ W(t) of two wide layers by integrating Ẇ of :func:`mixed_velocity`, without the layers.

    The layers have this flow exactly if (W₁ᵀW₁)² = WᵀW + c²I and (W₂W₂ᵀ)² = WWᵀ + c²I at the start: so for columns of
    W₁ and rows of W₂ that are orthogonal and all of length √c. From independent entries of variance σ² in h hidden
    units they have it up to a relative O(h^{−½}), with c = σ²h [tu2024mixed]. Both roots are positive definite, so
    that Ẇ = 0 only where ∇L = 0: the flow has no saddles, and W(∞) is a minimum of L.

    Parameters
    ----------
    setting : DeepLinear with two layers under a GradientFlow on any problem; L, W(0) and the start's c are used.
        For one output W(t) is a vector (d,). rtol : of the integrator.

    The curve is a function f(t) or f(log_time=log t), t ≥ 0; an array adds a leading axis, and ``np.inf`` is allowed.

    Raises
    ------
    ArithmeticError
        where W has no limit.

    Examples
    --------
    >>> import implicitbias as ib
    >>> first, second = np.split(np.eye(4) / 2, 2)
    >>> setting = ib.Setting(
    ...     ib.MatrixRegression([[1.0, 1.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 1.0]]),
    ...     ib.DeepLinear((2, 4, 2)), ib.GradientFlow(), (first.T, second))
    >>> MixedFlow(setting)(np.inf).round(9) + 0.0
    array([[ 2.,  0.],
           [-1.,  1.]])
    """

    def __init__(self, setting: Any, rtol: float = 1e-12) -> None:
        super().__init__(setting, rtol)
        self.c, _ = mixed_scale(setting.theta0)
        self.size = float(np.hypot(self.size, self.c * np.sqrt(min(np.atleast_2d(self.w0).shape))))

    def velocity(self, w: np.ndarray) -> np.ndarray:
        """Ẇ at W, in its shape."""
        W, G = np.atleast_2d(w), np.atleast_2d(self.problem.gradient(w))
        return mixed_velocity(W, G, self.c).reshape(w.shape)
