"""Entropies: what diagonal networks and exponentiated gradients select."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import real_array, whole
from ..records import record
from .potentials import LN2, Potential, Stage, diagonal, halved, require

__all__ = ["Entropy", "Hypentropy"]


@record
class Hypentropy(Potential):
    """What w = u^D − v^D selects under gradient flow from u = v = α: D = ``depth``, c = 2α^D.

    Coordinate by coordinate, with z = ∇ψ(w) and ψ(0) = 0,

        D = 2:   w = c sinh z                                           z in R
        D ≥ 3:   w = (c/2) [(1 − z)^{−k} − (1 + z)^{−k}]                |z| < 1,   k = D/(D − 2)

    At depth two ψ(w) = Σ_j w_j arcsinh(w_j/c_j) − √(w_j² + c_j²) + c_j. Every depth interpolates
    between ‖w‖₂² (c → ∞) and ‖w‖₁ (c → 0) [woodworth2020kernel].

    For D ≥ 3, du/dt = −D u^{D−1} g and dv/dt = D v^{D−1} g integrate to u^{2−D} = u₀^{2−D} + D(D−2)G and
    v^{2−D} = v₀^{2−D} − D(D−2)G with G = ∫g dt. Their mean α^{2−D} is conserved, and with u^{2−D} =
    α^{2−D}(1 − z), v^{2−D} = α^{2−D}(1 + z) it is α^{2−D}z that moves by multiples of g. A common factor
    of all coordinates of z scales ψ and selects nothing else; so α^{2−D} is left out, for coordinates of
    different c up to its largest value: there |z_j| < r_j = (c_min/c_j)^{1/k}, the ``reach``, and z_j/r_j
    stands above for z.

    ``log_c`` is a number or (d,); everything is computed in the log domain, so c = 1e-300 is as good
    as c = 1 (and smaller c is allowed). But a float z next to ±1 holds w only to the relative error
    eps/(1 − |z|), where 1 − |z| ≈ (α^D/|w|)^{1/k}; projections keep w itself, and their digits at every α.
    ``inverse_gradient`` is infinite outside the box.

    >>> psi, w = Hypentropy(log_c=-700.0), np.array([2.0, -0.5])
    >>> np.allclose(psi.inverse_gradient(psi.gradient(w)), w, rtol=1e-12)
    True
    >>> Hypentropy(np.log(2.0), depth=4).inverse_gradient(np.array([0.5])).round(12)  # 2² − (2/3)²
    array([3.55555556])
    """

    log_c: Any
    depth: int = 2

    def __post_init__(self) -> None:
        log_c = real_array("log_c", self.log_c)
        object.__setattr__(self, "log_c", float(log_c) if log_c.ndim == 0 else log_c)
        object.__setattr__(self, "depth", whole("depth", self.depth, 2))

    @property
    def reach(self) -> Any:
        """r, the half width of the box of z at D ≥ 3 (infinite at D = 2): a number, or (d,)."""
        if self.depth == 2:
            return np.inf
        return np.exp((np.min(self.log_c) - self.log_c) / self._k)

    @property
    def _k(self) -> float:
        return self.depth / (self.depth - 2)

    @property
    def newton(self) -> str:  # type: ignore[override]
        """A float z next to the wall of its box has lost w."""
        return "dual" if self.depth == 2 else "curve"

    def value(self, w: np.ndarray) -> np.ndarray:
        if self.depth > 2:
            return np.sum(self.reach * box_value(np.abs(w), self._angle(w), self.log_c, self._k), axis=-1)
        c = np.exp(self.log_c)
        root = np.hypot(w, c)
        # c − √(w² + c²) = −w²/(√(w² + c²) + c), without cancellation
        return np.sum(w * self.gradient(w) - w * w / np.where(root == 0, 1.0, root + c), axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        if self.depth > 2:
            return np.sign(w) * self.reach * np.tanh(self._angle(w))
        return np.sign(w) * self._arcsinh(w)

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        sign = np.sign(np.real(z))
        size = sign * z  # |z|, analytic on either side of zero, for complex steps
        if self.depth == 2:
            return sign * np.exp(self.log_c + size - LN2) * -np.expm1(-2 * size)
        inner, outer = walls(size / self.reach)
        return sign * np.exp(self.log_c - LN2 - self._k * inner) * -np.expm1(self._k * (inner - outer))

    def hessian(self, w: np.ndarray) -> np.ndarray:
        if self.depth == 2:
            return 1.0 / np.hypot(w, np.exp(self.log_c))
        s, k = self._angle(w), self._k
        steep = np.log(k) + (k + 1) * log_cosh(s) + log_cosh((k + 1) * s)
        return self.reach * np.exp(-self.log_c - steep)

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        size = np.abs(z)
        if self.depth == 2:
            return np.exp(self.log_c + size - LN2) * (1 + np.exp(-2 * size))
        k = self._k
        inner, outer = walls(size / self.reach)
        slope = np.exp(self.log_c - LN2 - (k + 1) * inner) * (1 + np.exp((k + 1) * (inner - outer)))
        return k * slope / self.reach

    def _arcsinh(self, w: np.ndarray) -> np.ndarray:
        """arcsinh(|w|/c)."""
        with np.errstate(divide="ignore"):
            log_ratio = np.log(np.abs(w)) - self.log_c
        # arcsinh(e^l) = l + ln 2 + O(e^{−2l})
        return np.where(log_ratio > 20.0, log_ratio + LN2, np.arcsinh(np.exp(np.minimum(log_ratio, 20.0))))

    def _angle(self, w: np.ndarray) -> np.ndarray:
        return box_angle(self._arcsinh(w), self._k)

    def relaxations(self) -> list[Potential]:
        """Geometric continuation in log c."""
        stages: list[Potential] = [self]
        log_c = np.asarray(self.log_c)
        while np.min(log_c) < -8.0:
            log_c = log_c / 2.0
            stages.append(Hypentropy(log_c, self.depth))
        return stages[::-1]

    def carry(self, other: Potential, z: np.ndarray) -> np.ndarray:
        """At depth two dual points grow like ln(1/c) as c → 0; at others they stay in the box."""
        assert isinstance(other, Hypentropy)
        if self.depth > 2:
            return z * (other.reach / self.reach)
        return z * float(np.linalg.norm(other.log_c) / np.linalg.norm(self.log_c))


@record
class Entropy(Potential):
    """ψ(w) = Σ_j w_j ln w_j − w_j on w > 0: ∇ψ = ln w, ∇ψ* = exp z.

    With ``simplex``, ψ(w) = Σ_j w_j ln w_j on {w > 0, Σ_j w_j = 1}: there ∇ψ is determined up to a
    multiple of 1, ln w stands for it, and ∇ψ*(z) = softmax z, whose derivative diag(w) − wwᵀ is
    singular along 1. ``hessian`` is diag(1/w), to be read on directions of sum zero. Projections
    obey 1ᵀw = 1 beside their own constraints.

    ``MirrorDescent(Entropy(), step)`` is the unnormalised exponentiated gradient,
    ``MirrorDescent(Entropy(simplex=True), step)`` the exponentiated gradient [kivinen1997exponentiated].

    Raises
    ------
    ValueError
        by the gradient at a w that is not positive or, on the simplex, does not sum to one.

    >>> Entropy().gradient(np.array([1.0, np.e]))
    array([0., 1.])
    >>> Entropy(simplex=True).inverse_gradient(np.log([1.0, 2.0, 5.0]))
    array([0.125, 0.25 , 0.625])
    """

    simplex: bool = False

    source = "kivinen1997exponentiated"

    def __post_init__(self) -> None:
        if not isinstance(self.simplex, bool | np.bool_):
            raise ValueError(f"simplex must be True or False, got {self.simplex!r:.80}")
        object.__setattr__(self, "simplex", bool(self.simplex))

    newton = "curve"

    @property
    def separable(self) -> bool:  # type: ignore[override]
        """Whether no constraint couples the coordinates."""
        return not self.simplex

    def value(self, w: np.ndarray) -> np.ndarray:
        require(w >= 0, "Entropy needs w ≥ 0", w)
        self._on_simplex(w)
        terms = w * np.log(np.where(w == 0, 1.0, w))
        return np.sum(terms if self.simplex else terms - w, axis=-1)

    def gradient(self, w: np.ndarray) -> np.ndarray:
        require(w > 0, "the gradient of Entropy needs w > 0", w)
        self._on_simplex(w)
        return np.log(w)

    def inverse_gradient(self, z: np.ndarray) -> np.ndarray:
        if not self.simplex:
            return np.exp(z)
        weights = np.exp(z - np.max(np.real(z), axis=-1, keepdims=True))
        return weights / np.sum(weights, axis=-1, keepdims=True)

    def hessian(self, w: np.ndarray) -> np.ndarray:
        return diagonal(1.0 / w) if self.simplex else 1.0 / w

    def inverse_hessian(self, z: np.ndarray) -> np.ndarray:
        w = self.inverse_gradient(z)
        return w[..., None] * (np.eye(w.shape[-1]) - w[..., None, :]) if self.simplex else w

    def interior(self, w: np.ndarray) -> np.ndarray:
        return np.full(w.shape, 1.0 / w.shape[-1] if self.simplex else np.max(np.abs(w)) or 1.0)

    def lift(self, A: np.ndarray, b: np.ndarray) -> tuple[Potential, np.ndarray, np.ndarray]:
        """On the simplex: the entropy of w > 0 under 1ᵀw = 1 as well."""
        if not self.simplex:
            return self, A, b
        return Entropy(), np.vstack([A, np.ones(A.shape[1])]), np.append(b, 1.0)

    def approach(self, z0: np.ndarray, w: np.ndarray) -> list[Stage]:
        """Starts of the size of w, then of the square root, …, of what is asked: tilts halved towards ln w."""
        return [Stage(self, tilt, 2.0) for tilt in halved(z0, np.log(w))]

    def _on_simplex(self, w: np.ndarray) -> None:
        if self.simplex:
            total = np.sum(w, axis=-1)
            require(np.abs(total - 1) <= 1e-6, "Entropy(simplex=True) needs a w that sums to one", total)


def log_cosh(s: np.ndarray) -> np.ndarray:
    """ln cosh s for s ≥ 0 (or Re s ≥ 0), to relative precision."""
    near = np.real(s) < 1.0
    small = np.where(near, s, 1.0)
    return np.where(near, log1p(2 * np.sinh(small / 2) ** 2), s + log1p(np.exp(-2 * s)) - LN2)


def walls(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ln(1 − x) and ln(1 + x) for x ≥ 0, complex ones included; beyond the wall 1 the first is −∞."""
    re = np.real(x)
    inside = re < 1
    safe = np.where(inside, x, 0.0)
    with np.errstate(divide="ignore"):
        return np.where(inside, log1p(-safe), -np.inf), log1p(np.where(np.isfinite(re), x, 0.0))


def log1p(x: np.ndarray) -> np.ndarray:
    """ln(1 + x); NumPy's own loses the real part of small complex x."""
    if not np.iscomplexobj(x):
        return np.log1p(x)
    re, im = np.real(x), np.imag(x)
    near = np.maximum(re, -0.5)
    modulus = np.where(re < -0.5, np.log(np.hypot(1 + re, im)), 0.5 * np.log1p(near * (2 + near) + im * im))
    return modulus + 1j * np.arctan2(im, 1 + re)


def box_angle(Y: np.ndarray, k: float) -> np.ndarray:
    """The s ≥ 0 with cosh(s)^k sinh(ks) = sinh Y.

    With z = tanh s, 1 − z = e^{−s}/cosh s and 1 + z = e^s/cosh s; so w = (c/2)[(1−z)^{−k} − (1+z)^{−k}]
    is c cosh(s)^k sinh(ks), and 1 − z = 2/(1 + e^{2s}) keeps its digits next to the wall. By Newton on
    y(s) = arcsinh(cosh(s)^k sinh(ks)), convex between its asymptotes ks and 2ks − k ln 2.
    """
    s = np.minimum(Y / k, (Y + k * LN2) / (2 * k))
    for _ in range(30):
        q = k * s
        small = np.minimum(q, 20.0)
        near = np.arcsinh(np.exp(k * log_cosh(small / k)) * np.sinh(small))
        y = np.where(q < 20.0, near, k * log_cosh(s) + q)
        ratio = np.where(q == 0, 1.0, np.tanh(y) / np.where(q == 0, 1.0, np.tanh(q)))
        step = (y - Y) / (k * (np.tanh(y) * np.tanh(s) + ratio))
        s = s - step
        if np.all(np.abs(step) <= 4e-16 * s):
            break
    return s


def box_value(w: np.ndarray, s: np.ndarray, log_c: Any, k: float) -> np.ndarray:
    """ψ of one coordinate |w| at z = tanh s: wz − ψ*(z), ψ*(z) = c [(1−z)^{1−k} + (1+z)^{1−k} − 2]/(2k − 2).

    That is c (cosh(s)^{k−1} cosh((k−1)s) − 1)/(k − 1), from c where w ≲ c and from w beyond.
    """
    exponent = (k - 1) * log_cosh(s) + log_cosh((k - 1) * s)
    c = np.exp(log_c)
    with np.errstate(divide="ignore"):
        log_sinh = k * s + np.log(-np.expm1(-2 * k * s)) - LN2
    far = w * np.exp(np.where(s > 0, log_cosh((k - 1) * s) - log_cosh(s) - log_sinh, 0.0)) - c
    return w * np.tanh(s) - np.where(exponent < 1.0, c * np.expm1(np.minimum(exponent, 1.0)), far) / (k - 1)
