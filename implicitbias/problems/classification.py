"""Linear classification, binary and multiclass, with every loss carried as its logarithm."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..checks import positive, real_array
from ..records import record
from .base import EPS, Problem

__all__ = ["Classification", "PolynomialTail"]

LOSSES = ("exp", "logistic")


@record
class PolynomialTail:
    """ℓ(m) = (1 + m)^{−a} for m ≥ 0 and e^{−am} for m ≤ 0: convex, decreasing, once differentiable.

    >>> PolynomialTail(2.0).logs(np.array([-1.0, 1.0, 3.0]))[0].round(6).tolist()
    [2.0, -1.386294, -2.772589]
    """

    a: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "a", positive("a", self.a))

    def logs(self, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(log ℓ(m), log −ℓ'(m))."""
        ahead = np.log1p(np.where(np.real(m) > 0, m, 0.0))
        behind = np.where(np.real(m) > 0, 0.0, m)
        log_l = -self.a * (ahead + behind)
        return log_l, np.log(self.a) + log_l - ahead


@record
class Classification(Problem):
    """L(w) = (1/n) Σ_i ℓ(m_i) over the margins m_i = z_i·w, z_i = y_i x_i, of n samples in two classes.

    In k > 2 classes w is W (k, d), there is one margin m_ic = (W_{y_i} − W_c)·x_i for each other class c, and
    ℓ is taken of the soft margin m_i = −ln Σ_c e^{−m_ic}: the logistic loss is then the cross-entropy
    −ln softmax(Wx_i)_{y_i}.

    Parameters
    ----------
    X : (n, d) inputs.
    y : (n,) labels: ±1; or class codes, integers ≥ 0, of which at least two occur. Of two codes the lower one is
        −1; of more, row j of W belongs to the j-th smallest.
    loss : "exp", ℓ(m) = e^{−m}; "logistic", ln(1 + e^{−m}); or ``PolynomialTail(a)``. In more than two classes the
        first two both stand for the cross-entropy.

    Attributes
    ----------
    y : (n,) signs ±1, or rows of W.
    classes : the labels, in increasing order.

    Raises
    ------
    ValueError
        for wrong shapes, non-finite data, labels that are no codes, a single class, or a loss not named here.

    Examples
    --------
    >>> problem = Classification([[1.0, 0.0], [0.0, 2.0]], [1, 0])
    >>> problem.Z.tolist(), float(problem.margins(np.array([1.0, -1.0])).min())
    ([[1.0, 0.0], [-0.0, -2.0]], 1.0)
    >>> three = Classification([[1.0, 0.0], [0.0, 2.0], [3.0, 0.0]], [0, 1, 2])
    >>> three.w_shape, three.Z.shape, round(float(three.loss(np.zeros((3, 2)))), 9)
    ((3, 2), (6, 3, 2), 1.098612289)
    """

    X: Any
    y: Any
    loss_name: Any
    classes: tuple[float, ...]

    def __init__(self, X: object, y: object, loss: Any = "exp") -> None:
        object.__setattr__(self, "X", real_array("X", X, (None, None)))
        labels = real_array("y", y, (self.X.shape[0],), "(one label per row of X)")
        codes, rows = np.unique(labels, return_inverse=True)
        if not _are_codes(codes):
            shown = ", ".join(f"{c:g}" for c in codes[:6])
            raise ValueError(
                f"y must hold the labels -1 and 1, or class codes (integers ≥ 0, at least two of them), got {{{shown}}}"
            )
        if not isinstance(loss, PolynomialTail) and loss not in LOSSES:
            named = ", ".join(map(repr, LOSSES))
            raise ValueError(f"loss must be {named} or PolynomialTail(a), got {loss!r:.80}")
        object.__setattr__(self, "y", _frozen(2.0 * rows - 1.0 if codes.size == 2 else rows))
        object.__setattr__(self, "classes", tuple(float(c) for c in codes))
        several = codes.size > 2 and loss == "exp"
        object.__setattr__(self, "loss_name", "logistic" if several else loss)

    def contents(self) -> dict[str, object]:
        """The constructor's arguments (``loss`` names a method here)."""
        labels = self.y if self.is_binary else np.array(self.classes)[self.y]
        return {"X": self.X, "y": labels, "loss": self.loss_name}

    @property
    def is_binary(self) -> bool:
        """Whether there are two classes, and w is a vector."""
        return len(self.classes) == 2

    @cached_property
    def Z(self) -> np.ndarray:
        """(n, d) signed inputs z_i = y_i x_i; (n(k − 1), k, d) z_ic = (e_{y_i} − e_c)x_iᵀ in k > 2 classes."""
        if self.is_binary:
            return _frozen(self.y[:, None] * self.X)
        signs = np.eye(len(self.classes))
        signs = signs[self.y][:, None] - signs[self._others]
        return _frozen((signs[..., None] * self.X[:, None, None]).reshape(-1, *self.w_shape))

    @cached_property
    def _others(self) -> np.ndarray:
        """(n, k − 1) the rows of the classes that a sample is not in."""
        away = np.arange(1, len(self.classes))
        others: np.ndarray = np.sort((self.y[:, None] + away) % len(self.classes), axis=1)
        return others

    has_samples = True

    @property
    def w_shape(self) -> tuple[int, ...]:
        d = int(self.X.shape[1])
        return (d,) if self.is_binary else (len(self.classes), d)

    @property
    def n(self) -> int:
        return int(self.X.shape[0])

    def margins(self, w: np.ndarray) -> np.ndarray:
        """(..., n) the unnormalised margins z_i·w; (..., n(k − 1)) all z_ic·W in k > 2 classes."""
        m = self._margins(w, slice(None))
        return m if self.is_binary else m.reshape(*m.shape[:-2], -1)

    def _margins(self, w: np.ndarray, rows: Any) -> np.ndarray:
        """The margins (..., b) or (..., b, k − 1) of some samples."""
        if self.is_binary:
            return w @ self.Z[rows].T
        scores = np.swapaxes(w @ self.X[rows].T, -1, -2)
        own = self.y[rows][:, None]
        others, each = self._others[rows], np.arange(len(own))[:, None]
        difference: np.ndarray = scores[..., each, own] - scores[..., each, others]
        return difference

    def _combined(self, weights: np.ndarray, rows: Any, sizes: bool = False) -> np.ndarray:
        """Σ p_i z_i, or Σ p_ic z_ic, for weights p in the shape of :meth:`_margins`; of the |z| for ``sizes``."""
        if self.is_binary:
            return weights @ (np.abs(self.Z[rows]) if sizes else self.Z[rows])
        X, own = self.X[rows], self.y[rows][:, None]
        each = np.arange(len(own))[:, None]
        P = np.zeros((*weights.shape[:-1], len(self.classes)), dtype=weights.dtype)
        P[..., each, self._others[rows]] = weights if sizes else -weights
        P[..., each, own] = np.sum(weights, axis=-1, keepdims=True)
        combined: np.ndarray = np.swapaxes(P, -1, -2) @ (np.abs(X) if sizes else X)
        return combined

    def _logs(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(log ℓ_i, log −∂ℓ_i/∂m), the second in the shape of :meth:`_margins`, without under- or overflow."""
        if w.shape != self.w_shape or w.dtype != np.float64:
            return self._logs_of(w, slice(None))
        key, last = w.tobytes(), self._last
        if last[0] != key:
            last = key, self._logs_of(w, slice(None))
            object.__setattr__(self, "_last", last)
        return last[1]

    _last: ClassVar[tuple[bytes, Any]] = b"", None
    """The last w and its logarithms: a step asks for L, ∇L and ∇ log L of one w."""

    def _logs_of(self, w: np.ndarray, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """The same of some samples."""
        m = self._margins(w, rows)
        if self.is_binary:
            return self._log_losses(m)
        soft = -_log_sum_exp(-m)
        log_l, log_slope = self._log_losses(soft)
        return log_l, (log_slope + soft)[..., None] - m

    def _log_losses(self, m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(log ℓ(m), log −ℓ'(m)), elementwise; m may be complex."""
        if isinstance(self.loss_name, PolynomialTail):
            return self.loss_name.logs(m)
        return (-m, -m) if self.loss_name == "exp" else _logistic(m)

    def loss(self, w: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return np.exp(self.log_loss(w))

    def log_loss(self, w: np.ndarray) -> np.ndarray:
        return _log_sum_exp(self._logs(w)[0]) - np.log(self.n)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return self.scaled_gradient(w, 0.0)

    def scaled_gradient(self, w: np.ndarray, log_unit: float) -> np.ndarray:
        """∇L(w) e^{−log_unit}, which neither under- nor overflows where L has about that unit."""
        with np.errstate(over="ignore"):
            return -self._combined(np.exp(self._logs(w)[1] - log_unit), slice(None)) / self.n

    def _weights(self, w: np.ndarray) -> np.ndarray:
        """−∂ log L/∂m in the shape of :meth:`_margins`."""
        log_l, log_slope = self._logs(w)
        total = _log_sum_exp(log_l)
        return np.exp(log_slope - total.reshape(total.shape + (1,) * (1 if self.is_binary else 2)))

    def log_gradient(self, w: np.ndarray) -> np.ndarray:
        return -self._combined(self._weights(w), slice(None))

    @property
    def attains_zero(self) -> bool:
        return False  # at infinity only

    def _log_gradient_noise(self, w: np.ndarray) -> np.ndarray:
        noise: np.ndarray = 64 * EPS * self.n * self._combined(self._weights(w), slice(None), sizes=True)
        return noise

    def gradient_noise(self, w: np.ndarray) -> np.ndarray:
        return self.loss(w) * self._log_gradient_noise(w)

    def is_least(self, w: np.ndarray, amplification: float = 1.0) -> bool:
        # relative to the loss, so that a vanishing one is not taken for a minimum (there is none then)
        noise = max(1.0, amplification) * self._log_gradient_noise(w)
        return bool(np.all(np.abs(self.log_gradient(w)) <= noise))

    def kernel_data(self) -> tuple[np.ndarray, np.ndarray, int] | None:
        if not self.is_binary or self.loss_name not in LOSSES:
            return None
        return self.Z, self.y, 1 + LOSSES.index(self.loss_name)

    def sample_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        _, log_slope = self._logs_of(w, rows)
        return -self._combined(np.exp(log_slope), rows) / len(rows)


def _are_codes(labels: np.ndarray) -> bool:
    """Whether the labels are ±1, or two or more integers ≥ 0."""
    return labels.tolist() == [-1.0, 1.0] or bool(
        labels.size > 1 and labels[0] >= 0 and np.all(labels == np.round(labels))
    )


def _frozen(a: np.ndarray) -> np.ndarray:
    """Read-only: kernels then meet one type, and are compiled once."""
    a.flags.writeable = False
    return a


def _logistic(m: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(log ℓ, log −ℓ') of ℓ(m) = ln(1 + e^{−m}), −ℓ' = σ(−m) = e^{−softplus(m)}."""
    far = np.real(m) > 36.0  # there ln ln(1 + e^{−m}) = −m − e^{−m}/2 + O(e^{−2m})
    near_m, far_m = np.where(far, 0.0, m), np.where(far, m, 36.0)
    log_l = np.where(far, -far_m - 0.5 * np.exp(-far_m), np.log(_softplus(-near_m)))
    return log_l, -_softplus(m)


def _softplus(m: np.ndarray) -> np.ndarray:
    """ln(1 + e^m) for real or complex m."""
    above = np.real(m) > 0
    return np.where(above, m, 0.0) + np.log1p(np.exp(np.where(above, -m, m)))


def _log_sum_exp(a: np.ndarray) -> np.ndarray:
    """log Σ e^{a_i} over the last axis."""
    top = np.max(np.real(a), axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(a - top), axis=-1)) + top[..., 0]
