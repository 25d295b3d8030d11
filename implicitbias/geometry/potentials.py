r"""Potentials ψ: strictly convex functions whose gradients are mirror maps.

A method whose updates satisfy ∇ψ(w_T) − z₀ ∈ range(Xᵀ) and that reaches Xw = y selects
argmin ψ(w) − ⟨z₀, w⟩ subject to Xw = y. A potential therefore needs four maps:

    ψ(w),   z = ∇ψ(w),   w = ∇ψ*(z),   ∂w/∂z = ∇²ψ*(z),

each accepting leading batch axes. Scalings of ψ do not change what is selected.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..checks import number, positive, real_array
from ..records import record

__all__ = ["Euclidean", "Hypentropy", "Mahalanobis", "PNorm", "Potential"]

LN2 = float(np.log(2.0))


class Potential(ABC):
    """A strictly convex ψ on R^d, given by itself, its mirror map and the inverse of that map.

    For developers: implement ``value``, ``gradient``, ``inverse_gradient`` and ``hessian``
    (diagonals, or a matrix when ψ is not separable) and every rule, program and mirror step works.
    """

    @abstractmethod
    def value(self, w: np.ndarray) -> np.ndarray:
        """ψ(w), shape () for w (d,)."""

    @abstractmethod
    def gradient(self, w: np.ndarray) -> np.ndarray:
        """z = ∇ψ(w), the dual point of w."""

    @abstractmethod
    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        """w = ∇ψ*(z), the point whose dual is z."""

    @abstractmethod
    def hessian(self, w: np.ndarray) -> np.ndarray:
        """∇²ψ(w): its diagonal (d,) when ψ is separable, otherwise the matrix (d, d)."""

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        """∇²ψ*(z) = (∇²ψ(w))⁻¹ at w = ∇ψ*(z), in the same form as :meth:`hessian`."""
        h = self.hessian(self.inverse_gradient(z))
        return 1.0 / h if self.separable else np.linalg.inv(h)

    def bregman(self, w: np.ndarray, w0: np.ndarray) -> np.ndarray:
        """D_ψ(w, w₀) = ψ(w) − ψ(w₀) − ⟨∇ψ(w₀), w − w₀⟩ ≥ 0."""
        return self.value(w) - self.value(w0) - np.sum(self.gradient(w0) * (w - w0), axis=-1)

    separable: bool = True
    """Whether ψ is a sum over coordinates, so that Hessians are diagonals."""

    smooth_dual: bool = True
    """Whether ∇ψ* is smooth, so that Newton's method goes by the dual; otherwise by the primal."""

    def relaxations(self) -> list[Potential]:
        """Easier potentials on the way to this one, which comes last."""
        return [self]

    def carry(self, other: Potential, z: np.ndarray) -> np.ndarray:
        """A guess of the dual point under ``other`` where that under this relaxation is z."""
        return z


@record
class Euclidean(Potential):
    """ψ(w) = ½‖w‖₂²: the mirror map is the identity.

    >>> float(Euclidean().value(np.array([3.0, 4.0])))
    12.5
    """

    def value(self, w: np.ndarray) -> np.ndarray:
        return 0.5 * np.sum(w * w, axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return w

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        return z

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return np.ones_like(w)


@record
class Mahalanobis(Potential):
    """ψ(w) = ½ wᵀMw, M (d, d) symmetric positive definite or its diagonal (d,).

    A fixed preconditioner P is M = P⁻¹.
    """

    M: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "M", spd("M", self.M))

    def value(self, w: np.ndarray) -> np.ndarray:
        return 0.5 * np.sum(w * self.gradient(w), axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return w * self.M if self.M.ndim == 1 else w @ self.M

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        return z / self.M if self.M.ndim == 1 else np.linalg.solve(self.M, z[..., None])[..., 0]

    @property
    def separable(self) -> bool:  # type: ignore[override]
        """Whether M is a diagonal."""
        return bool(self.M.ndim == 1)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return np.broadcast_to(self.M, (*w.shape[:-1], *self.M.shape))


@record
class PNorm(Potential):
    """ψ(w) = Σ_j |w_j|^p / p, p > 1: z = sgn(w)|w|^{p−1} and w = sgn(z)|z|^{1/(p−1)}.

    Its minimiser under linear constraints is the minimum-ℓp-norm solution.
    """

    p: float

    def __post_init__(self) -> None:
        p = number("p", self.p, "be finite and > 1 (p = 1 is a limit, not a potential)", lambda p: p > 1)
        object.__setattr__(self, "p", p)

    def value(self, w: np.ndarray) -> np.ndarray:
        return np.sum(np.abs(w) ** self.p, axis=-1) / self.p

    def gradient(self, w: np.ndarray) -> np.ndarray:
        return np.sign(w) * np.abs(w) ** (self.p - 1)

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        sign = np.sign(np.real(z))  # analytic on either side of zero, for complex steps
        return sign * (sign * z) ** (1 / (self.p - 1))

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return (self.p - 1) * np.abs(w) ** (self.p - 2)

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        r = 1 / (self.p - 1)
        # infinite at z = 0 for p > 2: kept finite, so that a Newton system stays solvable
        return r * np.maximum(np.abs(z), 1e-60) ** (r - 1)

    @property
    def smooth_dual(self) -> bool:  # type: ignore[override]
        """For p > 2 the slope of |z|^{1/(p−1)} at zero is infinite."""
        return self.p <= 2

    def relaxations(self) -> list[Potential]:
        """p − 1 doubled or halved from p = 2 on."""
        stages: list[Potential] = [self]
        r = self.p - 1
        while r > 2 or r < 0.5:
            r = r / 2 if r > 2 else r * 2
            stages.append(PNorm(r + 1))
        return stages[::-1]

    def carry(self, other: Potential, z: np.ndarray) -> np.ndarray:
        """That of the same w."""
        return other.gradient(self.inverse_gradient(z))


@record
class Hypentropy(Potential):
    """ψ(w) = Σ_j w_j arcsinh(w_j/c_j) − √(w_j² + c_j²) + c_j, with log c in place of c.

    ∇ψ = arcsinh(w/c), ∇ψ* = c sinh z. It interpolates between ‖w‖₂² (c → ∞) and ‖w‖₁ (c → 0);
    two-layer diagonal networks select it. ``log_c`` is a number or (d,); everything is computed in
    the log domain, so c = 1e-300 is as good as c = 1 (and smaller c is allowed).

    >>> psi = Hypentropy(log_c=-700.0)
    >>> w = np.array([2.0, -0.5])
    >>> np.allclose(psi.inverse_gradient(psi.gradient(w)), w, rtol=1e-12)
    True
    """

    log_c: Any

    def __post_init__(self) -> None:
        log_c = real_array("log_c", self.log_c)
        object.__setattr__(self, "log_c", float(log_c) if log_c.ndim == 0 else log_c)

    def value(self, w: np.ndarray) -> np.ndarray:
        c = np.exp(self.log_c)
        root = np.hypot(w, c)
        # c − √(w² + c²) = −w²/(√(w² + c²) + c), without cancellation
        return np.sum(w * self.gradient(w) - w * w / np.where(root == 0, 1.0, root + c), axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            log_ratio = np.log(np.abs(w)) - self.log_c
        # arcsinh(e^l) = l + ln 2 + O(e^{−2l})
        z = np.where(log_ratio > 20.0, log_ratio + LN2, np.arcsinh(np.exp(np.minimum(log_ratio, 20.0))))
        return np.sign(w) * z

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        sign = np.sign(np.real(z))
        size = sign * z  # |z|, analytic on either side of zero, for complex steps
        return sign * np.exp(self.log_c + size - LN2) * -np.expm1(-2 * size)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return 1.0 / np.hypot(w, np.exp(self.log_c))

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        size = np.abs(z)
        return np.exp(self.log_c + size - LN2) * (1 + np.exp(-2 * size))

    def relaxations(self) -> list[Potential]:
        """Geometric continuation in log c."""
        stages: list[Potential] = [self]
        log_c = np.asarray(self.log_c)
        while np.min(log_c) < -8.0:
            log_c = log_c / 2.0
            stages.append(Hypentropy(log_c))
        return stages[::-1]

    def carry(self, other: Potential, z: np.ndarray) -> np.ndarray:
        """As c → 0 dual points grow like ln(1/c)."""
        assert isinstance(other, Hypentropy)
        return z * float(np.linalg.norm(other.log_c) / np.linalg.norm(self.log_c))


def spd(name: str, value: object) -> np.ndarray:
    """A symmetric positive definite matrix (d, d), or the positive diagonal (d,) of one."""
    M = real_array(name, value)
    if M.ndim == 1:
        for m in M:
            positive(f"every entry of {name}", m)
        return M
    if M.ndim != 2 or M.shape[0] != M.shape[1]:
        raise ValueError(f"{name} has shape {M.shape}; expected (d,) or (d, d)")
    if not np.allclose(M, M.T, rtol=1e-12, atol=1e-14 * np.abs(M).max()):
        raise ValueError(f"{name} is not symmetric: max |{name} − {name}ᵀ| = {np.abs(M - M.T).max():.3g}")
    least = float(np.linalg.eigvalsh(M)[0])
    if least <= 0:
        raise ValueError(f"{name} is not positive definite: least eigenvalue {least:.3g}")
    return M
