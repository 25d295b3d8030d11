"""Potentials of singular values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..checks import whole
from ..records import record
from .potentials import Potential

__all__ = ["Spectral"]

CLOSE = 0.1
"""Singular values whose relative distance is less have their divided difference by quadrature."""
POINTS, WEIGHTS = (a.astype(float) for a in np.polynomial.legendre.leggauss(8))


class _Modes(NamedTuple):
    """W = U diag(s) Vᵀ, U (..., p, r), s (..., r), Vᵀ (..., r, q), r = min(p, q)."""

    U: np.ndarray
    s: np.ndarray
    Vt: np.ndarray

    def flat(self, values: np.ndarray) -> np.ndarray:
        """U diag(values) Vᵀ, flat."""
        W = (self.U * values[..., None, :]) @ self.Vt
        return W.reshape(*W.shape[:-2], -1)


@record
class Spectral(Potential):
    """ψ(W) = Σ_i φ(σ_i(W)) over the singular values of W (p, q), flat row by row: w (..., pq).

    φ is the ``potential``, which must be one even function of every coordinate. With W = U diag(σ) Vᵀ,

        ∇ψ(W) = U diag(φ′(σ)) Vᵀ,     ∇ψ*(Z) = U diag(φ*′(s)) Vᵀ  for Z = U diag(s) Vᵀ,

    and the derivative of W ↦ U diag(f(σ)) Vᵀ, f odd, along E = U E′ Vᵀ is U F′ Vᵀ, where (square, the missing σ_i
    being zero; after Daleckii and Krein)

        F′ = (f_i − f_j)/(σ_i − σ_j) ∘ ½(E′ + E′ᵀ) + (f_i + f_j)/(σ_i + σ_j) ∘ ½(E′ − E′ᵀ).

    ``MirrorDescent(Spectral(Hypentropy(log_c), (p, q)), step)`` is the spectral hypentropy method of
    [ghai2020hypentropy].

    Raises
    ------
    ValueError
        for a potential that is joint, not even, or not the same for every coordinate.

    >>> from implicitbias import Hypentropy
    >>> psi = Spectral(Hypentropy(0.0), (2, 2))
    >>> Z = psi.gradient(np.array([0.0, 3.0, 0.0, 0.0]))  # σ = (3, 0)
    >>> bool(abs(Z[1] - np.arcsinh(3.0)) < 1e-15), psi.inverse_gradient(Z).round(12)
    (True, array([0., 3., 0., 0.]))
    """

    potential: Potential
    shape: tuple[int, int]

    separable = False

    def __post_init__(self) -> None:
        if not isinstance(self.potential, Potential):
            raise ValueError(f"Spectral needs a Potential, got {self.potential!r:.80}")
        given = self.shape if isinstance(self.shape, tuple | list) else ()
        if len(given) != 2:
            raise ValueError(f"shape must be two integers (p, q), got {self.shape!r:.80}")
        object.__setattr__(self, "shape", tuple(whole("every extent of shape", n, 1) for n in given))
        _check_even(self.potential, min(self.shape))

    @property
    def newton(self) -> str:  # type: ignore[override]
        """As that of φ; on pairs, as for any joint potential."""
        return "joint" if self.potential.newton == "curve" else self.potential.newton

    def _modes(self, w: np.ndarray) -> _Modes:
        p, q = self.shape
        if np.shape(w)[-1] != p * q:
            raise ValueError(f"W has {np.shape(w)[-1]} entries; Spectral of shape {self.shape} needs {p * q}")
        return _Modes(*np.linalg.svd(np.reshape(w, (*np.shape(w)[:-1], p, q)), full_matrices=False))

    def value(self, w: np.ndarray) -> np.ndarray:
        return self.potential.value(self._modes(w).s)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        modes = self._modes(w)
        return modes.flat(self.potential.gradient(modes.s))

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        if np.iscomplexobj(z):  # a complex step: to first order in the imaginary part
            real, E = np.real(z), np.imag(z)
            return self.inverse_gradient(real) + 1j * self._back(real, E)
        modes = self._modes(z)
        return modes.flat(self.potential.inverse_gradient(modes.s))

    def hessian(self, w: np.ndarray) -> np.ndarray:
        psi = self.potential
        return self._derivative(w[..., None, :], np.eye(w.shape[-1]), psi.gradient, psi.hessian)

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        return self._back(z[..., None, :], np.eye(z.shape[-1]))

    def relaxations(self) -> list[Potential]:
        """Those of φ."""
        return [*(Spectral(psi, self.shape) for psi in self.potential.relaxations()[:-1]), self]

    def carry(self, other: Potential, z: np.ndarray) -> np.ndarray:
        """As φ carries singular values."""
        modes = self._modes(z)
        return modes.flat(self.potential.carry(other.potential, modes.s))  # type: ignore[attr-defined]

    def _back(self, z: np.ndarray, E: np.ndarray) -> np.ndarray:
        """The derivative of ∇ψ* at z along E."""
        psi = self.potential
        return self._derivative(z, E, psi.inverse_gradient, psi.inverse_hessian)

    def _derivative(
        self, w: np.ndarray, E: np.ndarray, f: Callable[[Any], np.ndarray], slope: Callable[[Any], np.ndarray]
    ) -> np.ndarray:
        """U F′ Vᵀ, flat, of W along E (both (..., pq)), bases completed to those of square matrices."""
        p, q = self.shape
        n = max(p, q)
        square = np.zeros((*np.shape(w)[:-1], n, n))
        square[..., :p, :q] = np.reshape(w, (*np.shape(w)[:-1], p, q))
        U, s, Vt = np.linalg.svd(square)
        along = np.zeros((*np.shape(E)[:-1], n, n))
        along[..., :p, :q] = np.reshape(E, (*np.shape(E)[:-1], p, q))
        turned = np.swapaxes(U, -1, -2) @ along @ np.swapaxes(Vt, -1, -2)
        mirrored = np.swapaxes(turned, -1, -2)
        minus, plus = _divided(s, f, slope)
        minus[..., min(p, q) :, min(p, q) :] = plus[..., min(p, q) :, min(p, q) :] = 0.0  # outside W
        F = U @ (minus * (turned + mirrored) / 2 + plus * (turned - mirrored) / 2) @ Vt
        return F[..., :p, :q].reshape(*F.shape[:-2], p * q)


def _divided(
    s: np.ndarray, f: Callable[[Any], np.ndarray], slope: Callable[[Any], np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """(f_i − f_j)/(s_i − s_j) and (f_i + f_j)/(s_i + s_j), with f′ where both ends meet."""
    n, fs = s.shape[-1], f(s)
    a, b = s[..., :, None], s[..., None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        minus = (fs[..., :, None] - fs[..., None, :]) / (a - b)
        plus = (fs[..., :, None] + fs[..., None, :]) / (a + b)
        middle, half = (a + b) / 2, (a - b) / 2
        near = np.zeros_like(minus)
        for x, weight in zip(POINTS, WEIGHTS):
            near = near + weight / 2 * slope((middle + half * x).reshape(*s.shape[:-1], n * n)).reshape(
                near.shape
            )
        flat = np.broadcast_to(slope(np.zeros_like(s))[..., None], plus.shape)
    close = np.abs(a - b) <= CLOSE * (a + b)
    return np.where(close, near, minus), np.where(a + b > 0, plus, flat)


def _check_even(psi: Potential, r: int) -> None:
    """φ must be one even function, of slope zero at zero."""
    if not psi.separable:
        raise ValueError(f"a potential of singular values is a sum of φ(σ_i); {type(psi).__name__} is joint")
    w = np.linspace(0.3, 1.1, r)
    try:
        z = psi.gradient(w)
        even = np.allclose(psi.gradient(-w), -z, rtol=1e-9) and not np.any(psi.gradient(0 * w))
        same = np.allclose(psi.gradient(w[::-1]), z[::-1], rtol=1e-9)
    except ValueError:
        even, same = False, True
    if not (even and same):
        raise ValueError(
            "singular values have no sign and no order: φ must be one even function with φ′(0) = 0, and this "
            f"{type(psi).__name__} is not"
        )
