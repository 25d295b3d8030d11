"""The one abstract base of every problem."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

__all__ = ["Problem"]

EPS = float(np.finfo(float).eps)


class Problem(ABC):
    """A loss L(w) of the predictor w, the mean (or stated sum) over samples of a convex loss.

    Attributes
    ----------
    w_shape : shape of w.
    n : number of samples (for stochastic methods).

    For developers: implement ``w_shape``, ``n``, ``loss``, ``gradient`` and, if stochastic methods
    should run, ``sample_gradient``. ``loss`` and ``gradient`` accept leading batch axes and
    complex w (a flow's Jacobian is taken by a complex step). ``gradient_noise`` tells rest from
    rounding at a minimum; ``attains_zero`` says whether the data can be fitted.
    """

    @property
    @abstractmethod
    def w_shape(self) -> tuple[int, ...]:
        """Shape of the predictor."""

    has_samples: bool = False
    """Whether ``sample_gradient`` can draw."""

    @property
    @abstractmethod
    def n(self) -> int:
        """Number of samples."""

    @abstractmethod
    def loss(self, w: np.ndarray) -> np.ndarray:
        """L(w), shape (...,) for w (..., *w_shape)."""

    @abstractmethod
    def gradient(self, w: np.ndarray) -> np.ndarray:
        """∇L(w), shape of w."""

    def sample_gradient(self, w: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """The gradient of the mean loss over the samples ``rows`` (b,) (with repetitions)."""
        raise ValueError(f"{type(self).__name__} has no samples to draw: use a full-gradient method")

    def each_gradient(self, w: np.ndarray) -> np.ndarray:
        """(n, *w_shape): the gradient of sample i at w[i]."""
        return np.stack([self.sample_gradient(v, np.array([i])) for i, v in enumerate(w)])

    def kernel_data(self) -> tuple[np.ndarray, np.ndarray, int] | None:
        """(rows, targets, loss code) for the fused step kernel; None where it has no branch."""
        return None

    def layer_data(self) -> tuple[int, np.ndarray, np.ndarray, float] | None:
        """(loss code, A, B, n) for the fused loop of matrix models (kernels/layers.py); None: it has no branch."""
        return None

    @property
    def attains_zero(self) -> bool:
        """Whether some w has L(w) = 0, up to rounding."""
        return True

    def gradient_noise(self, w: np.ndarray) -> np.ndarray:
        """The size that rounding of data and w gives each entry of ∇L(w) at a minimiser."""
        return np.zeros(self.w_shape)

    def is_least(self, w: np.ndarray, amplification: float = 1.0) -> bool:
        """Whether L(w) is the least loss up to rounding: L is convex in w, and ∇L(w) is rounding.

        ``amplification`` is the relative error of w in units of rounding: |ln w| in a log chart.
        """
        noise = max(1.0, amplification) * self.gradient_noise(w)
        return bool(np.all(np.abs(self.gradient(w)) <= noise))

    def log_loss(self, w: np.ndarray) -> np.ndarray:
        """log L(w), which losses that vanish exponentially keep from underflowing."""
        with np.errstate(divide="ignore"):
            return np.log(self.loss(w))

    def log_gradient(self, w: np.ndarray) -> np.ndarray:
        """∇ log L(w) = ∇L(w)/L(w)."""
        loss = np.asarray(self.loss(w))
        size = loss.reshape(loss.shape + (1,) * len(self.w_shape))
        return self.gradient(w) / np.where(size == 0, 1.0, size)
