"""Binary linear classification, with every loss carried as its logarithm."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..checks import real_array
from ..records import record
from .base import EPS, Problem

__all__ = ["Classification"]

LOSSES = ("exp", "logistic")


@record
class Classification(Problem):
    """L(w) = (1/n) Σ_i ℓ(z_i·w), z_i = y_i x_i, ℓ(m) = e^{−m} ("exp") or ln(1 + e^{−m}) ("logistic").

    Parameters
    ----------
    X : (n, d) inputs.
    y : (n,) two labels, ±1 or {0, 1}; the lower one is −1. At least one of each is needed.
    loss : "exp" or "logistic".

    Raises
    ------
    ValueError
        for wrong shapes, non-finite data, labels that are not two codes, or a loss not named here.

    Examples
    --------
    >>> problem = Classification([[1.0, 0.0], [0.0, 2.0]], [1, 0])
    >>> problem.Z.tolist(), float(problem.margins(np.array([1.0, -1.0])).min())
    ([[1.0, 0.0], [-0.0, -2.0]], 1.0)
    """

    X: Any
    y: Any
    loss_name: str

    def __init__(self, X: object, y: object, loss: str = "exp") -> None:
        object.__setattr__(self, "X", real_array("X", X, (None, None)))
        n = self.X.shape[0]
        labels = real_array("y", y, (n,), "(one label per row of X)")
        codes = sorted(set(labels.tolist()))
        if codes not in ([-1.0, 1.0], [0.0, 1.0]):
            shown = ", ".join(f"{c:g}" for c in codes[:6])
            raise ValueError(f"y must hold the two labels -1 and 1 (or 0 and 1), got {{{shown}}}")
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(map(repr, LOSSES))}, got {loss!r}")
        signs = np.where(labels == codes[1], 1.0, -1.0)
        signs.flags.writeable = False
        object.__setattr__(self, "y", signs)
        object.__setattr__(self, "loss_name", loss)

    def contents(self) -> dict[str, object]:
        """The constructor's arguments (``loss`` names a method here)."""
        return {"X": self.X, "y": self.y, "loss": self.loss_name}

    @cached_property
    def Z(self) -> np.ndarray:
        """(n, d) signed inputs z_i = y_i x_i."""
        Z: np.ndarray = self.y[:, None] * self.X
        Z.flags.writeable = False  # like X: kernels then meet one type, and are compiled once
        return Z

    has_samples = True

    @property
    def w_shape(self) -> tuple[int, ...]:
        return (self.X.shape[1],)

    @property
    def n(self) -> int:
        return int(self.X.shape[0])

    def margins(self, w: np.ndarray) -> np.ndarray:
        """(..., n) the unnormalised margins z_i·w."""
        return w @ self.Z.T

    def _log_losses(self, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(log ℓ(m), log −ℓ'(m)), elementwise, without under- or overflow; m may be complex."""
        if self.loss_name == "exp":
            return -m, -m
        log_slope = -_softplus(m)  # −ℓ'(m) = σ(−m) = e^{−softplus(m)}
        far = np.real(m) > 36.0  # there ln ln(1 + e^{−m}) = −m − e^{−m}/2 + O(e^{−2m})
        near_m = np.where(far, 0.0, m)
        far_m = np.where(far, m, 36.0)
        return np.where(far, -far_m - 0.5 * np.exp(-far_m), np.log(_softplus(-near_m))), log_slope

    def loss(self, w: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.exp(self.log_loss(w))

    def log_loss(self, w: np.ndarray) -> np.ndarray:
        log_l, _ = self._log_losses(self.margins(w))
        return _log_sum_exp(log_l) - np.log(self.n)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        _, log_slope = self._log_losses(self.margins(w))
        with np.errstate(over="ignore"):
            return -np.exp(log_slope) @ self.Z / self.n

    def log_gradient(self, w: np.ndarray) -> np.ndarray:
        log_l, log_slope = self._log_losses(self.margins(w))
        weights = np.exp(log_slope - _log_sum_exp(log_l)[..., None])
        return -weights @ self.Z

    @property
    def attains_zero(self) -> bool:
        return False  # at infinity only

    def is_least(self, w: np.ndarray, amplification: float = 1.0) -> bool:
        # relative to the loss, so that a vanishing one is not taken for a minimum (there is none then)
        log_l, log_slope = self._log_losses(self.margins(w))
        weights = np.exp(log_slope - _log_sum_exp(log_l)[..., None])
        noise = 64 * EPS * self.n * max(1.0, amplification) * (weights @ np.abs(self.Z))
        return bool(np.all(np.abs(weights @ self.Z) <= noise))

    def kernel_data(self) -> tuple[np.ndarray, np.ndarray, int]:
        return self.Z, self.y, 1 + LOSSES.index(self.loss_name)

    def sample_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        Z = self.Z[rows]
        _, log_slope = self._log_losses(Z @ w)
        return -np.exp(log_slope) @ Z / len(rows)


def _softplus(m: np.ndarray) -> np.ndarray:
    """ln(1 + e^m) for real or complex m."""
    positive = np.real(m) > 0
    return np.where(positive, m, 0.0) + np.log1p(np.exp(np.where(positive, -m, m)))


def _log_sum_exp(a: np.ndarray) -> np.ndarray:
    """log Σ e^{a_i} over the last axis."""
    top = np.max(np.real(a), axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(a - top), axis=-1)) + top[..., 0]
