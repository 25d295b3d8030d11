"""Linear convolutional networks."""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import positive, whole
from ..records import record
from .base import Model
from .diagonal import regression_width

if TYPE_CHECKING:
    from ..problems import Problem

__all__ = ["LinearConvolution"]

SHORT = 64
"""Filters up to this length are convolved by their sum, which costs less than the calls of a transform."""


@record
class LinearConvolution(Model):
    r"""w = F*(Fw_1 ∘ ⋯ ∘ Fw_L), θ = (w_1, …, w_L) of L = ``depth`` ≥ 2 filters, each (d,).

    F is the unitary discrete Fourier transform, (Fw)_k = d^{−1/2} Σ_j w_j e^{−2πijk/d}. So w is the circular
    convolution w_1 ∗ ⋯ ∗ w_L of full width over d^{(L−1)/2}. The network whose layers are the cross-correlations
    (h ⋆ w)_j = d^{−1/2} Σ_k w_k h_{j+k}, with an inner product at the end, is this one with the entries of some
    filters in reverse order, j ↦ −j: an isometry of θ, which no gradient method sees [gunasekar2018convolutional].

    Gradient: F∇_{w_j}L = conj(Π_{l≠j} Fw_l) ∘ Fg. The gradient flow conserves |Fw_{j+1}|² − |Fw_j|² at every
    frequency. In the balanced start the last filter is zero and the others are √2·scale at every frequency: w = 0 and,
    at depth two, c = ½||Fw_1|² − |Fw_2|²| = scale².

    >>> model = LinearConvolution(2)
    >>> model.predictor((np.array([1.0, 0, 0, 0]), np.array([1.0, 2, 3, 4]))) * np.sqrt(4)
    array([1., 2., 3., 4.])
    """

    depth: int = 2

    source = "gunasekar2018convolutional"

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", whole("depth", self.depth, 2))

    def shapes(self, problem: Problem) -> Any:
        d = regression_width(self, problem)
        return {f"w{j + 1}": (d,) for j in range(self.depth)}

    def predictor(self, theta: Any) -> np.ndarray:
        return reduce(convolve, theta)

    def pullback(self, theta: Any, g: np.ndarray) -> Any:
        others = (reduce(convolve, (*theta[:j], *theta[j + 1 :])) for j in range(self.depth))
        return tuple(convolve(other, g, transposed=True) for other in others)

    def balanced(self, problem: Problem, scale: float, rng: Any = None, signs: Any = None) -> Any:
        d = regression_width(self, problem)
        filters = np.zeros((self.depth, d))
        filters[:-1, 0] = np.sqrt(2.0 * d) * positive("scale", scale)
        return tuple(filters)

    def imbalances(self, theta: Any) -> tuple[np.ndarray, ...]:
        """|Fw_{j+1}|² − |Fw_j|² (d,), j = 1, …, L − 1: what a gradient flow conserves."""
        squares = [np.abs(spectrum(w)) ** 2 for w in theta]
        return tuple(after - before for before, after in zip(squares, squares[1:]))


def spectrum(w: np.ndarray) -> np.ndarray:
    """Fw along the last axis."""
    return np.fft.fft(w, norm="ortho")


def convolve(a: np.ndarray, b: np.ndarray, transposed: bool = False) -> np.ndarray:
    """(a ∗ b)_j = d^{−1/2} Σ_k a_{j−k} b_k along the last axis; transposed, Σ_j a_{j−k} b_j.

    The transform is for long filters, and for real ones only: in a complex step it would round the tiny imaginary part
    with the real one.
    """
    d = a.shape[-1]
    if d <= SHORT or np.iscomplexobj(a) or np.iscomplexobj(b):
        A = a[..., _differences(d)]
        A = np.swapaxes(A, -1, -2) if transposed else A
        return (A @ b[..., None])[..., 0] / np.sqrt(d)
    a_hat, b_hat = np.fft.rfft(a), np.fft.rfft(b)
    return np.fft.irfft((a_hat.conj() if transposed else a_hat) * b_hat, d) / np.sqrt(d)


@lru_cache(maxsize=16)
def _differences(d: int) -> np.ndarray:
    """(j − k) mod d."""
    return np.subtract.outer(np.arange(d), np.arange(d)) % d
