"""Margins of networks whose entries grow as powers: ℓ1 margins of fixed signs, and stationary points of Σ|w|^p."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import number, real_array
from ..records import record
from .linear_programs import basic_solution
from .programs import Certificate, Infeasible, Program

__all__ = ["SignedMargin", "StationaryMargin"]

STANDS_OUT = 30.0
STATIONARY = 1e-9


@record
class SignedMargin(Program):
    """min ‖w‖₁ subject to z_i·w ≥ 1 and s_j w_j ≥ 0, s = ``signs`` (d,) of ±1.

    By duality its minimum is max {1ᵀα : α ≥ 0, s∘Zᵀα ≤ 1}, which certifies any candidate.

    >>> SignedMargin([[1.0, -2.0]], [1.0, 1.0]).solution.tolist()
    [1.0, 0.0]
    """

    Z: Any
    signs: Any

    kind = "direction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", real_array("Z", self.Z, (None, None)))
        object.__setattr__(self, "signs", real_array("signs", self.signs, (self.Z.shape[1],)))
        if np.any(np.abs(self.signs) != 1):
            raise ValueError(f"signs must be ±1, got {self.signs}")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.Z.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return float(np.sum(np.abs(w)))

    @cached_property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """(w, α): the primal and the dual solution.

        Raises
        ------
        Infeasible
            with weights p ≥ 0, Σp = 1, s∘Zᵀp ≤ 0, when no w of these signs has all margins positive.
        """
        from scipy.optimize import linprog

        n, d = self.Z.shape
        size = float(np.max(np.abs(self.Z)))
        A = self.Z * self.signs / size  # of x = s∘w ≥ 0; the solver's tolerances are absolute
        found = linprog(np.ones(d), A_ub=-A, b_ub=-np.ones(n), bounds=(0.0, None), method="highs")
        if found.status != 0:
            most = linprog(  # max t : Ax ≥ t, 0 ≤ x ≤ 1
                np.append(np.zeros(d), -1.0), A_ub=np.hstack([-A, np.ones((n, 1))]), b_ub=np.zeros(n),
                bounds=[*[(0.0, 1.0)] * d, (None, None)], method="highs",
            )  # fmt: skip
            raise Infeasible("no w of these signs has all margins positive", -most.ineqlin.marginals)
        w = self.signs * found.x
        return w / np.min(self.Z @ w), np.maximum(-found.ineqlin.marginals, 0.0) / size

    @property
    def solution(self) -> np.ndarray:
        return self.pair[0]

    def certify(self, w: np.ndarray) -> Certificate:
        """For w scaled to least margin one."""
        margins, (_, alpha) = self.Z @ w, self.pair
        alpha = alpha / max(1.0, float(np.max(self.signs * (self.Z.T @ alpha))))
        if np.min(margins) <= 0:
            return Certificate(np.inf, np.inf, np.inf, alpha)
        v = w / np.min(margins)
        value, bound = self.objective(v), float(np.sum(alpha))
        wrong = float(np.sum(np.maximum(-self.signs * v, 0.0))) / value
        slack = value - float(alpha @ self.Z @ v) + float(alpha @ (self.Z @ v - 1))
        return Certificate(wrong, abs(slack) / value, (value - bound) / (value + bound), alpha)


@record
class StationaryMargin(Program):
    """A stationary point of min Σ|w_j|^p subject to z_i·w ≥ 1, 0 < p ≤ 2, near the direction ``near`` (d,).

    On the support of w and for some α ≥ 0,  p|w_j|^{p−1} sgn(w_j) = (Zᵀα)_j  and  α_i(z_i·w − 1) = 0. For p < 1 there
    are many such points. ``solution`` has the support and the active constraints of ``near``, the entries and the
    margins that stand out, one from the other, by a factor of 30; where there is none, and p ≤ 1, it is one below
    ``near`` that linear programs descend to.

    >>> StationaryMargin([[1.0, 1.0]], 0.5, near=[1.0, 0.001]).solution.tolist()
    [1.0, 0.0]
    """

    Z: Any
    p: float
    near: Any

    kind = "direction"

    def __post_init__(self) -> None:
        object.__setattr__(self, "Z", real_array("Z", self.Z, (None, None)))
        object.__setattr__(self, "p", number("p", self.p, "satisfy 0 < p ≤ 2", lambda p: 0 < p <= 2))
        object.__setattr__(self, "near", real_array("near", self.near, (self.Z.shape[1],)))

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.Z.shape[1],)

    def objective(self, w: np.ndarray) -> float:
        return float(np.sum(np.abs(w) ** self.p) ** (1 / self.p))

    @cached_property
    def solution(self) -> np.ndarray:
        """By Newton's method on the support and the constraints of ``near``; where that finds no stationary point and
        p ≤ 1, by linear programs.

        Raises
        ------
        ArithmeticError
            when ``near`` has a margin ≤ 0, or for p > 1 when Newton's method finds no stationary point.
        """
        if np.min(self.Z @ self.near) <= 0:
            raise ArithmeticError("near has a margin ≤ 0: there is no stationary point beside it")
        v = self.near / np.min(self.Z @ self.near)
        w = self._same_support(v)
        if not self.certify(w).stationarity <= STATIONARY:
            if self.p > 1:
                raise ArithmeticError(
                    f"no stationary point of Σ|w|^p, p = {self.p:.3g}, has the support of near"
                )
            w = self._descended(v)
        return w / np.min(self.Z @ w)

    def _same_support(self, v: np.ndarray) -> np.ndarray:
        """Newton's method for |w|^{p−1} sgn w = Z_Aᵀα, Z_Aw = 1 on the support, for as long as w stays there."""
        on, active = np.abs(v) > np.max(np.abs(v)) / STANDS_OUT, self.Z @ v < 1 + 1 / STANDS_OUT
        A, x, s = self.Z[np.ix_(active, on)], np.abs(v[on]), np.sign(v[on])
        for _ in range(50):
            slope, bend = s * x ** (self.p - 1), (self.p - 1) * x ** (self.p - 2)
            K = np.block([[np.diag(bend), -A.T], [A, np.zeros((len(A), len(A)))]])
            move = np.linalg.lstsq(K, np.append(-slope, 1 - A @ (s * x)), rcond=None)[0][: len(x)]
            if np.any(x + s * move <= 0):
                break
            x = x + s * move
            if np.max(np.abs(move)) <= 1e-14 * np.max(x):
                break
        w = np.zeros(self.shape)
        w[on] = s * x
        return w

    def _descended(self, v: np.ndarray) -> np.ndarray:
        """Linear programs that lie above Σ|w|^p and touch it at v: min Σ|v_j|^p t_j, Σ_j z_ij v_j t_j ≥ 1, t ≥ 0; then
        at v∘t, and so on. Their values fall, and where t = 1 the dual makes v stationary.
        """
        n = len(self.Z)
        for _ in range(100):
            on = np.flatnonzero(np.abs(v) > 1e-9 * np.max(np.abs(v)))
            rows, cost = (
                np.hstack([self.Z[:, on] * v[on], -np.eye(n)]),
                np.append(np.abs(v[on]) ** self.p, np.zeros(n)),
            )
            t, _ = basic_solution(cost, rows, np.ones(n), np.full(len(cost), np.inf), "a stationary point")
            t = t[: len(on)]
            w, v = v, np.zeros(self.shape)
            v[on] = w[on] * t
            if np.all(np.abs(t - 1)[t > 0] <= 1e-10):
                break
        return v

    def certify(self, w: np.ndarray) -> Certificate:
        """For w scaled to least margin one, with the α ≥ 0 that fits w_j(Zᵀα)_j = |w_j|^p and α_i(z_i·w − 1) = 0 best:
        stationarity is what they are missed by; the gap is NaN.
        """
        from scipy.optimize import nnls

        margins = self.Z @ w
        if np.min(margins) <= 0:
            return Certificate(np.inf, np.inf, np.nan, np.full(len(margins), np.nan))
        v = w / np.min(margins)
        b = np.append(np.abs(v) ** self.p, np.zeros(len(margins)))
        alpha, off = nnls(np.vstack([(self.Z * v).T, np.diag(self.Z @ v - 1) * np.max(np.abs(v))]), b)
        return Certificate(0.0, float(off) / float(np.linalg.norm(b)), np.nan, alpha)
