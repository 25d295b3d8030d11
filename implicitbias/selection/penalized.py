"""Penalised least squares: ridge, the Lasso, non-negative least squares, and powers below one.

Each is 1/(2n)‖Xw − y‖² + penalty(w), X (n, d). A dual point is a vector θ (n,) in the place of (y − Xw)/n.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import number, positive, real_array
from ..geometry.potentials import spd
from ..records import record
from ..threads import one_blas_thread
from .active_set import nonnegative_least
from .orthants import half_lines, onto, orthant
from .programs import EPS, Certificate, Program, data

__all__ = ["Lasso", "NonNegativeLeastSquares", "PowerPenalty", "Ridge"]


def square_loss(X: np.ndarray, y: np.ndarray, w: np.ndarray) -> float:
    """1/(2n) ‖Xw − y‖²."""
    r = X @ w - y
    return float(r @ r) / (2 * len(y))


def over_zero(gap: float, y: np.ndarray) -> float:
    """A gap in units of the objective at w = 0, ‖y‖²/(2n): the objective itself may vanish at the solution."""
    size = float(y @ y) / (2 * len(y))
    return gap / size if size else gap


@record
class Ridge(Program):
    """min_w 1/(2n)‖Xw − y‖² + (λ/2) wᵀMw, λ > 0: w = (XᵀX/n + λM)⁻¹Xᵀy/n, always unique.

    Parameters
    ----------
    X, y : (n, d), (n,).
    lam : λ > 0; for λ → 0 the solution tends to that of ``LeastNorm(2, X, y)`` (with M the identity).
    metric : M, symmetric positive definite (d, d) or the diagonal (d,) of one; None is the identity.

    Notes
    -----
    The gap is exact: the objective exceeds its minimum by ½gᵀ(XᵀX/n + λM)⁻¹g, g its gradient. It is given in units of
    the objective at w = 0.

    Examples
    --------
    >>> Ridge([[1.0, 0.0]], [2.0], lam=1.0).solution.tolist()
    [1.0, 0.0]
    """

    X: Any
    y: Any
    lam: Any
    metric: Any = None

    def __post_init__(self) -> None:
        for name, value in zip(("X", "y"), data(self.X, self.y)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "lam", positive("lam", self.lam))
        if self.metric is not None:
            object.__setattr__(self, "metric", spd("metric", self.metric))
            if len(self.metric) != self.X.shape[1]:
                raise ValueError(
                    f"metric is of {len(self.metric)} coordinates; X has {self.X.shape[1]} columns"
                )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        v = self._white(w)
        return square_loss(self.X, self.y, w) + self.lam / 2 * float(v @ v)

    @cached_property
    def _root(self) -> np.ndarray | None:
        """C with M = CCᵀ; v = Cᵀw turns the metric into the identity."""
        if self.metric is None:
            return None
        return np.diag(np.sqrt(self.metric)) if self.metric.ndim == 1 else np.linalg.cholesky(self.metric)

    def _white(self, w: np.ndarray) -> np.ndarray:
        """Cᵀw."""
        return w if self._root is None else self._root.T @ w

    def _pull(self, g: np.ndarray) -> np.ndarray:
        """C⁻¹g, columns of g (d, k): gradients in v."""
        return g if self._root is None else np.linalg.solve(self._root, g)

    @cached_property
    def _modes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The singular value decomposition of X C⁻ᵀ."""
        with one_blas_thread(max(self.X.shape)):
            return np.linalg.svd(self._pull(self.X.T).T, full_matrices=False)

    @cached_property
    def solution(self) -> np.ndarray:
        U, s, Vt = self._modes
        v: np.ndarray = Vt.T @ (s / (s**2 + len(self.y) * self.lam) * (U.T @ self.y))
        return v if self._root is None else np.linalg.solve(self._root.T, v)

    def certify(self, w: np.ndarray) -> Certificate:
        """Stationarity ‖g‖ over ‖Xᵀy‖/n + (‖X‖²/n + λ)‖w‖, in coordinates where M is the identity."""
        (_, s, Vt), n = self._modes, len(self.y)
        theta, v = (self.y - self.X @ w) / n, self._white(w)
        pull = self._pull(self.X.T @ np.column_stack([theta, self.y / n]))
        g = self.lam * v - pull[:, 0]
        modes = Vt @ g
        rest = g - Vt.T @ modes
        gap = 0.5 * float(np.sum(modes**2 / (s**2 / n + self.lam)) + rest @ rest / self.lam)
        size = float(np.linalg.norm(pull[:, 1]) + (s[0] ** 2 / n + self.lam) * np.linalg.norm(v)) or 1.0
        return Certificate(0.0, float(np.linalg.norm(g)) / size, over_zero(gap, self.y), theta)


@record
class Lasso(Program):
    """min_w 1/(2n)‖Xw − y‖² + Σ_j λ_j|w_j|, w in an orthant or anywhere.

    With θ = (y − Xw)/n a solution has (Xᵀθ)_j = λ_j sgn(w_j) on its support and |Xᵀθ|_j ≤ λ_j elsewhere. By duality the
    minimum is max {⟨θ, y⟩ − (n/2)‖θ‖² : |Π(Xᵀθ)| ≤ λ}, Π the projection onto the orthant.

    Parameters
    ----------
    X, y : (n, d), (n,).
    lam : λ ≥ 0, one number or (d,). From λ = max|Xᵀy|/n on the solution is zero.
    signs : (d,) of 1 (w_j ≥ 0), −1 (w_j ≤ 0), 0 (w_j = 0) or NaN (free); None frees every coordinate.

    Notes
    -----
    Xw, and so the loss, is the same for all solutions. w itself is unique when the columns of X with
    |Xᵀθ|_j = λ_j are linearly independent, which data with a density have with probability one. Otherwise (equal
    columns, a λ_j = 0 with more columns than rows) ``solution`` is a vertex: the columns on its support are
    independent. The solution is found by active sets, to rounding.

    Examples
    --------
    >>> Lasso([[1.0, 0.0], [0.0, 1.0]], [2.0, -0.5], lam=0.5).solution.tolist()
    [1.0, 0.0]
    """

    X: Any
    y: Any
    lam: Any
    signs: Any = None

    def __post_init__(self) -> None:
        for name, value in zip(("X", "y"), data(self.X, self.y)):
            object.__setattr__(self, name, value)
        d = self.X.shape[1]
        lam = real_array("lam", self.lam)
        if lam.ndim:
            lam = real_array("lam", lam, (d,), "(a number, or one per column of X)")
        if np.min(lam) < 0:
            raise ValueError(f"lam must be ≥ 0, got {float(np.min(lam)):g}")
        object.__setattr__(self, "lam", lam if lam.ndim else float(lam))
        object.__setattr__(self, "signs", orthant(self.signs, d))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return square_loss(self.X, self.y, w) + float(np.sum(self.lam * np.abs(w)))

    @cached_property
    def solution(self) -> np.ndarray:
        return _least(self.X, self.y, np.broadcast_to(self.lam, self.shape), self.signs)

    def certify(self, w: np.ndarray) -> Certificate:
        """Stationarity by the proximal step, gap to the residual of w scaled into the dual feasible set.

        The largest change of a proximal step on one coordinate, in units of the gradient, over max|Xᵀy|/n + max λ. The
        gap is in units of the objective at w = 0. Where some λ_j is zero, scaling does not reach the dual feasible set:
        the bound is then that of ``solution``.
        """
        lam = np.broadcast_to(self.lam, self.shape)
        own = bool(np.all(lam[~_zeros(self.signs, w)] > 0))
        theta = (self.y - self.X @ (w if own else self.solution)) / len(self.y)
        return _certificate(self.X, self.y, lam, self.signs, w, theta)


@record
class NonNegativeLeastSquares(Program):
    """min_w 1/(2n)‖Xw − y‖² subject to s_j w_j ≥ 0: least squares on an orthant.

    With θ = (y − Xw)/n a solution has s∘Xᵀθ ≤ 0, with equality where w ≠ 0 (Karush, Kuhn and Tucker).

    Parameters
    ----------
    X, y : (n, d), (n,).
    signs : (d,) of 1 (w_j ≥ 0), −1 (w_j ≤ 0), 0 (w_j = 0) or NaN (free); None is w ≥ 0.

    Notes
    -----
    Xw is the same for all solutions; w is unique when the columns of X with (Xᵀθ)_j = 0 are linearly independent.
    Otherwise, for one where the orthant holds many interpolants, ``solution`` is a vertex: the columns on its support
    are independent. The gap, in units of ‖y‖²/(2n), is to the dual point of that solution.

    Examples
    --------
    >>> NonNegativeLeastSquares([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0]).solution.tolist()
    [2.0, 0.0]
    """

    X: Any
    y: Any
    signs: Any = None

    def __post_init__(self) -> None:
        for name, value in zip(("X", "y"), data(self.X, self.y)):
            object.__setattr__(self, name, value)
        d = self.X.shape[1]
        object.__setattr__(self, "signs", orthant(np.ones(d) if self.signs is None else self.signs, d))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return square_loss(self.X, self.y, w)

    @cached_property
    def solution(self) -> np.ndarray:
        return _least(self.X, self.y, np.zeros(self.shape), self.signs)

    def certify(self, w: np.ndarray) -> Certificate:
        """As for the Lasso at λ = 0: stationarity by the projected gradient, over max|Xᵀy|/n."""
        theta = (self.y - self.X @ self.solution) / len(self.y)
        return _certificate(self.X, self.y, np.zeros(self.shape), self.signs, w, theta)


def _zeros(signs: np.ndarray | None, w: np.ndarray) -> np.ndarray:
    """The coordinates that the orthant holds at zero."""
    return np.zeros(w.shape, dtype=bool) if signs is None else signs == 0


def _least(X: np.ndarray, y: np.ndarray, lam: np.ndarray, signs: np.ndarray | None) -> np.ndarray:
    """argmin ½‖Xw − y‖² + nΣλ_j|w_j| in the orthant: over weights u ≥ 0 of its half-lines."""
    j, sigma = half_lines(signs, X.shape[1])
    w = np.zeros(X.shape[1])
    np.add.at(w, j, sigma * nonnegative_least(X[:, j] * sigma, y, len(y) * lam[j]))
    return w


def _certificate(
    X: np.ndarray, y: np.ndarray, lam: np.ndarray, signs: np.ndarray | None, w: np.ndarray, theta: np.ndarray
) -> Certificate:
    n = len(y)
    r = (y - X @ w) / n
    curvature = np.sum(X**2, axis=0) / n
    aim = curvature * w + X.T @ r
    aim = onto(signs, np.sign(aim) * np.maximum(np.abs(aim) - lam, 0.0))
    size = float(np.max(np.abs(X.T @ y))) / n + float(np.max(lam)) or 1.0
    # into the dual feasible set, up to the rounding of y − Xw and of Xᵀθ, which no scaling removes
    noise = 8 * EPS * np.abs(X).T @ (np.abs(X) @ np.abs(w) + np.abs(y)) / n
    z = np.maximum(np.abs(onto(signs, X.T @ theta)) - noise, lam)
    theta = theta * float(np.min(lam[lam > 0] / z[lam > 0], initial=1.0))
    # objective − bound as a sum of terms that are not negative: nothing cancels
    gap = n / 2 * float(np.sum((theta - r) ** 2)) + float(np.sum(lam * np.abs(w) - (X.T @ theta) * w))
    return Certificate(
        feasibility=float(np.linalg.norm(w - onto(signs, w))) / (float(np.linalg.norm(w)) or 1.0),
        stationarity=float(np.max(np.abs(curvature * w - aim))) / size,
        gap=over_zero(gap, y),
        dual=theta,
    )


@record
class PowerPenalty(Program):
    """1/(2n)‖Xw − y‖² + λ Σ_j |w_j|^q with 0 < q < 1: not convex, with many stationary points.

    w is stationary when (Xᵀ(Xw − y))_j/n + λ q sgn(w_j)|w_j|^{q−1} = 0 on its support; at w_j = 0, where |w|^q has an
    infinite slope, nothing is asked: zero is always stationary.

    Parameters
    ----------
    X, y : (n, d), (n,).
    lam, power : λ > 0 and q.
    start : (d,), from which ``solution`` descends; without it there is none to give.

    Raises
    ------
    ValueError
        by ``solution``, without a start.

    Notes
    -----
    ``solution`` is the stationary point to which reweighted ℓ1 steps descend from ``start``, each the minimiser of the
    tangent penalty Σ q|w_j|^{q−1}|·| in the start's orthant, ended by Newton's method. It depends on the start, and
    coordinates that are zero stay zero. Only stationarity is certified: the gap is NaN, since no dual bounds the
    minimum of a program that is not convex.

    Examples
    --------
    >>> least = PowerPenalty([[1.0]], [2.0], lam=0.1, power=0.5, start=[1.0])
    >>> bool(least.certify(least.solution).worst < 1e-14)
    True
    """

    X: Any
    y: Any
    lam: Any
    power: Any
    start: Any = None

    def __post_init__(self) -> None:
        for name, value in zip(("X", "y"), data(self.X, self.y)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "lam", positive("lam", self.lam))
        power = number("power", self.power, "be in (0, 1) (one is the Lasso)", lambda q: 0 < q < 1)
        object.__setattr__(self, "power", power)
        if self.start is not None:
            object.__setattr__(
                self, "start", real_array("start", self.start, self.shape, "(one per column of X)")
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return square_loss(self.X, self.y, w) + self.lam * float(np.sum(np.abs(w) ** self.power))

    @cached_property
    def solution(self) -> np.ndarray:
        if self.start is None:
            raise ValueError(
                "PowerPenalty is not convex and names no solution by itself: give it a start=, from which to descend, "
                "or certify a point"
            )
        w, n, q = self.start, len(self.y), self.power
        for _ in range(500):
            S = np.flatnonzero(w)
            slope = self.lam * q * np.abs(w[S]) ** (q - 1)
            before, w = w, np.zeros(self.shape)
            w[S] = np.sign(before[S]) * nonnegative_least(
                self.X[:, S] * np.sign(before[S]), self.y, n * slope
            )
            if np.linalg.norm(w - before) <= 1e-6 * np.linalg.norm(before):
                break
        return self._polish(w)

    def _polish(self, w: np.ndarray) -> np.ndarray:
        """Newton's method on the support, as long as it comes nearer."""
        S, n, q = np.flatnonzero(w), len(self.y), self.power
        X = self.X[:, S]
        for _ in range(30 if S.size else 0):
            a = np.abs(w[S])
            g = X.T @ (X @ w[S] - self.y) / n + self.lam * q * np.sign(w[S]) * a ** (q - 1)
            H = X.T @ X / n + np.diag(self.lam * q * (q - 1) * a ** (q - 2))
            moved = w.copy()
            moved[S] -= np.linalg.lstsq(H, g, rcond=None)[0]
            if (
                np.any(moved[S] * w[S] <= 0)
                or not self.certify(moved).stationarity < self.certify(w).stationarity
            ):
                break
            w = moved
        return w

    def certify(self, w: np.ndarray) -> Certificate:
        """Stationarity is max_j |w_j∇_j| over the largest sum of its two terms; ∇_j is finite where w_j ≠ 0.

        The factor w_j makes it continuous at zero, where ∇_j is infinite: it is the slope in log|w_j|.
        """
        theta = (self.y - self.X @ w) / len(self.y)
        fit, penalty = w * (self.X.T @ theta), self.lam * self.power * np.abs(w) ** self.power
        size = float(np.max(np.abs(fit) + penalty)) or 1.0
        return Certificate(0.0, float(np.max(np.abs(fit - penalty))) / size, np.nan, theta)
