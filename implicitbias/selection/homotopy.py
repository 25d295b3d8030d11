"""The Lasso's path λ ↦ w(λ), exactly: it is piecewise linear."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..records import record
from ..threads import one_blas_thread
from .penalized import Lasso
from .programs import data

__all__ = ["LassoPath", "lasso_path"]

TIE = 1e-10
"""Slopes and distances below this, relative, are equal."""


@record
class LassoPath:
    """λ ↦ argmin 1/(2n)‖Xw − y‖² + λ‖w‖₁ for λ ≥ 0; linear between its breakpoints, zero above the first.

    lams : (k,) the breakpoints, decreasing from max|Xᵀy|/n to 0. points : (k, d) the solutions there.

    At λ = 0 stands the limit λ → 0: a least-squares solution, which for fewer samples than dimensions is one of least
    ‖w‖₁.
    """

    lams: np.ndarray
    points: np.ndarray

    def at(self, lam: Any) -> np.ndarray:
        """w(λ) (d,); an array of λ adds a leading axis.

        >>> lasso_path([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0]).at([1.0, 0.75, 0.25, 0.0]).tolist()
        [[0.0, 0.0], [0.5, 0.0], [1.5, -0.5], [2.0, -1.0]]
        """
        lam = np.asarray(lam, dtype=float)
        if not np.all(lam >= 0):
            raise ValueError(f"lam must be ≥ 0, got {lam.ravel()[np.argmin(lam.ravel())]}")
        at = np.minimum(lam, self.lams[0])[..., None]
        if len(self.lams) == 1:
            return np.zeros((*lam.shape, self.points.shape[1]))
        right = np.clip(np.searchsorted(-self.lams, -at[..., 0]), 1, len(self.lams) - 1)
        high, low = self.lams[right - 1][..., None], self.lams[right][..., None]
        share = (high - at) / (high - low)
        w: np.ndarray = (1 - share) * self.points[right - 1] + share * self.points[right]
        return w


class _Face(NamedTuple):
    """On the support F with signs s: w_F = a − λb, and Xᵀ(y − Xw)/n = α + λβ."""

    F: np.ndarray
    s: np.ndarray
    a: np.ndarray
    b: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray

    def at(self, lam: float, d: int) -> np.ndarray:
        w = np.zeros(d)
        w[self.F] = self.a - lam * self.b
        return w


def lasso_path(X: Any, y: Any) -> LassoPath:
    """All solutions of the Lasso, by following the support from λ = max|Xᵀy|/n down to zero.

    On a support F with signs s, w_F = (X_FᵀX_F)⁻¹(X_Fᵀy − nλs). A segment ends where a coordinate of w_F reaches zero,
    or where another |Xᵀ(y − Xw)|_j/n reaches λ. Where several do at once, the next support is read off the Lasso just
    below. The optimality conditions are checked on every segment.

    Parameters
    ----------
    X, y : (n, d), (n,).

    Raises
    ------
    ArithmeticError
        where ties leave no segment that meets the optimality conditions.

    Examples
    --------
    >>> lasso_path([[1.0, 0.0], [0.0, 1.0]], [2.0, -1.0]).lams.tolist()
    [1.0, 0.5, 0.0]
    """
    X, y = data(X, y)
    n, d = X.shape
    corr = X.T @ y / n
    lams, points = [float(np.max(np.abs(corr)))], [np.zeros(d)]
    if lams[0] == 0.0:
        return LassoPath(np.array(lams), np.array(points))
    j = int(np.argmax(np.abs(corr)))
    with one_blas_thread(max(X.shape)):
        face = _face(X, y, np.array([j]), np.sign(corr[[j]]))
        for _ in range(100 * (n + d)):
            events = _events(face, lams[-1], 1e-13 * lams[0])
            if not _optimal(face, 0.5 * (np.max(events) + lams[-1]), lams[0]):
                face = _below(X, y, lams[-1], points[-1])
                events = _events(face, lams[-1], 1e-13 * lams[0])
            lams.append(float(np.max(events)))
            points.append(face.at(lams[-1], d))
            if lams[-1] == 0.0:
                return LassoPath(np.array(lams), np.array(points))
            face = _next(face, int(np.argmax(events)), X, y)
    raise ArithmeticError(
        f"the path of the Lasso has more than {len(lams)} segments down to λ = {lams[-1]:.2g}"
    )


def _face(X: np.ndarray, y: np.ndarray, F: np.ndarray, s: np.ndarray) -> _Face:
    n, XF = len(y), X[:, F]
    R = np.asarray(np.linalg.qr(XF, mode="r"))
    a = np.linalg.lstsq(XF, y, rcond=None)[0]
    b = n * np.linalg.lstsq(R, np.linalg.lstsq(R.T, s, rcond=None)[0], rcond=None)[0]
    return _Face(F, s, a, b, X.T @ (y - XF @ a) / n, X.T @ (XF @ b) / n)


def _events(face: _Face, lam: float, noise: float) -> np.ndarray:
    """The λ' < λ at which each coordinate leaves the support or enters it; zero where it does not."""
    event = np.zeros(len(face.alpha))
    sign = np.sign(face.alpha)
    closing = 1.0 - sign * face.beta  # |Xᵀ(y − Xw)|_j/n reaches λ' where |α| = λ'(1 − sgn(α)β)
    enters = (np.abs(face.alpha) > noise) & (closing > TIE)
    event[enters] = np.abs(face.alpha[enters]) / closing[enters]
    event[face.F] = 0.0
    shrinks = (face.s * face.b < 0) & (face.s * face.a < 0)
    event[face.F[shrinks]] = face.a[shrinks] / face.b[shrinks]
    return np.where(event < lam * (1 - TIE), event, 0.0)


def _next(face: _Face, j: int, X: np.ndarray, y: np.ndarray) -> _Face:
    """The face without j, where j was on it; with j, where it was not."""
    stays = ~np.isin(face.F, j)
    if not np.all(stays):
        return _face(X, y, face.F[stays], face.s[stays])
    return _face(X, y, np.append(face.F, j), np.append(face.s, np.sign(face.alpha[j])))


def _optimal(face: _Face, lam: float, largest: float) -> bool:
    """Whether the face's point at λ meets the optimality conditions, up to ties."""
    c, w = face.alpha + lam * face.beta, face.a - lam * face.b
    close = 1e-9 * lam + 1e-13 * largest
    signs = face.s * w >= -1e-9 * np.max(np.abs(w))
    return bool(
        np.all(np.abs(c) <= lam + close)
        and np.all(np.abs(c[face.F] - lam * face.s) <= close)
        and np.all(signs)
    )


def _below(X: np.ndarray, y: np.ndarray, lam: float, w: np.ndarray) -> _Face:
    """The face of the Lasso just below λ, which must continue w; equal columns may change places."""
    for step in (1e-5, 1e-7, 1e-9, 1e-3):
        v = Lasso(X, y, lam * (1 - step)).solution
        F = np.flatnonzero(v)
        face = _face(X, y, F, np.sign(v[F]))
        start = face.at(lam, len(w))
        moved = float(np.linalg.norm(X @ (start - w))) + abs(float(np.sum(np.abs(start)) - np.sum(np.abs(w))))
        if moved <= 1e-9 * (float(np.linalg.norm(y)) + float(np.sum(np.abs(w)))):
            return face
    raise ArithmeticError(
        f"the path of the Lasso cannot be continued below λ = {lam:.6g}: too many columns tie"
    )
