r"""Potentials ψ: strictly convex functions whose gradients are mirror maps.

A method whose updates satisfy ∇ψ(w_T) − z₀ ∈ range(Xᵀ) and that reaches Xw = y selects
argmin ψ(w) − ⟨z₀, w⟩ subject to Xw = y. A potential therefore needs four maps:

    ψ(w),   z = ∇ψ(w),   w = ∇ψ*(z),   ∂w/∂z = ∇²ψ*(z),

each accepting leading batch axes. Scalings of ψ do not change what is selected.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..checks import number, positive, real_array
from ..records import record

__all__ = ["Euclidean", "Mahalanobis", "PNorm", "Potential"]

LN2 = float(np.log(2.0))


class Stage(NamedTuple):
    """A program on the way to another: its potential, its tilt z₀, and how much longer z − z₀ gets than before."""

    potential: Potential
    tilt: np.ndarray
    stretch: float = 1.0


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

    @staticmethod
    def from_value(f: Callable[[np.ndarray], Any], point: Any = 1.0) -> Potential:
        """The potential whose value is the strictly convex function f.

        f gets w (…, d) and returns either its terms ψ_j(w_j), shape (…, d), for a separable ψ, or ψ(w), shape
        (…), for a joint one. ``point`` lies inside the domain: a number for every coordinate, or (d,).
        Derivatives, inverses and their accuracy: :class:`CustomPotential`.

        >>> psi = Potential.from_value(np.cosh)
        >>> psi.gradient(np.array([0.0, 1.0])) / np.sinh(1)
        array([0., 1.])
        >>> Potential.from_value(lambda w: -(w**2))
        Traceback (most recent call last):
        ValueError: the potential is not strictly convex: its derivative is 58 at w[0] = -29 and 37.0485 at -18.5243
        """
        from .custom import CustomPotential

        return CustomPotential(f, "value", point)

    @staticmethod
    def from_gradient(g: Callable[[np.ndarray], Any], point: Any = 1.0) -> Potential:
        """The potential whose gradient is g, which gets w (…, d) and returns z (…, d): a mirror map of one's own.

        Where every z_j depends on w_j only, ψ is separable. ``point`` lies inside the domain: a number for
        every coordinate, or (d,). ψ is an integral of g; see :class:`CustomPotential`.

        >>> psi = Potential.from_gradient(np.sinh)
        >>> bool(abs(psi.value(np.array([1.0, 2.0])) - (np.cosh(1) + np.cosh(2) - 2)) < 1e-13)
        True
        """
        from .custom import CustomPotential

        return CustomPotential(g, "gradient", point)

    def inverse_or_nan(self, z: np.ndarray) -> np.ndarray:
        """∇ψ*(z); where there is none, not finite in place of an error."""
        return self.inverse_gradient(z)

    separable: bool = True
    """Whether ψ is a sum over coordinates, so that Hessians are diagonals."""

    newton: str = "dual"
    """How projections are found: by Newton's method on the "dual", where ∇ψ* is smooth and z holds w;
    on the "primal", where ∇ψ is; or from any w on both conditions at once, for separable ψ along the "curve"
    of the pairs (w, ∇ψ(w)), for "joint" ones by halved steps.
    """

    def interior(self, w: np.ndarray) -> np.ndarray:
        """A point inside the domain of ψ, of the size of ``w`` (d,)."""
        return w

    def lift(self, A: np.ndarray, b: np.ndarray) -> tuple[Potential, np.ndarray, np.ndarray]:
        """The potential and the constraints Aw = b with those that the domain itself imposes."""
        return self, A, b

    def relaxations(self) -> list[Potential]:
        """Easier potentials on the way to this one, which comes last."""
        return [self]

    def approach(self, z0: np.ndarray, w: np.ndarray) -> list[Stage]:
        """Easier programs on the way to that of the tilt z₀, which comes last, from the size of ``w`` on."""
        return [Stage(psi, z0 if psi is self else self.carry(psi, z0)) for psi in self.relaxations()]

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
    def newton(self) -> str:  # type: ignore[override]
        """For p > 2 the slope of |z|^{1/(p−1)} at zero is infinite."""
        return "dual" if self.p <= 2 else "primal"

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


def diagonal(entries: np.ndarray) -> np.ndarray:
    """The matrices (..., d, d) with these diagonals (..., d), infinite ones included."""
    out = np.zeros((*entries.shape, entries.shape[-1]))
    out[..., range(entries.shape[-1]), range(entries.shape[-1])] = entries
    return out


def halved(far: np.ndarray, near: np.ndarray, reach: float = 8.0) -> list[np.ndarray]:
    """Points on the segment from ``near`` to ``far``, which comes last, each at half the distance of the next."""
    distance = float(np.max(np.abs(far - near)))
    count = int(np.ceil(np.log2(max(distance / reach, 1.0))))
    return [near + (far - near) / 2**i for i in range(count, 0, -1)] + [far]


def require(good: np.ndarray, wanted: str, got: np.ndarray) -> None:
    """A point of the domain, or a ValueError that names the first entry outside."""
    if not np.all(good):
        where = tuple(int(i) for i in np.argwhere(~np.asarray(good))[0])
        raise ValueError(
            f"{wanted}, got {float(np.asarray(got)[where])!r}{f' at {list(where)}' if where else ''}"
        )


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
