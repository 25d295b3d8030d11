"""The exact modes of deep linear networks from an aligned start (theory/deep/deep-modes.md)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["DeepModes"]

TERMS = 64
"""Terms of the two series, each used where its variable is at most ½: 2⁻⁶⁴ is beyond rounding."""
FAR = 700.0
"""A logit beyond which the target is reached to the last bit."""
EULER = 0.57721566490153286


class DeepModes:
    r"""W(t) = Σ_i u_i(t) p_iq_iᵀ of the gradient flow on ½‖W_N⋯W_1 − T‖_F², N ≥ 2, from an aligned start.

    Target and start have common singular vectors p_i, q_i; each mode moves alone, from u_i(0) to its target s_i:

        balanced layers            u̇ = N |u|^{2−2/N} (s − u)
        two layers                 u̇ = 2 √(u² + c²) (s − u),      c² = ¼(a² + b²)² − u² conserved,

    a² and b² the mode's parts of W₂W₂ᵀ and W₁ᵀW₁; if it has a hidden unit of its own, u = ab and c = ½|a² − b²|.

    For two layers, with R = √(s² + c²), e = e^{−2Rt}, φ = (1 − e)/(2R) and g = u + √(u² + c²),

        g = [g(0) e + φ (g₊g(0) + c²)] / [e + φ (g(0) + c²/g₊)],      g₊ = s + R      (s ≥ 0).

    For N ≥ 3, with m = 1 − 2/N, y = u/s and τ = N|s|^{2−2/N} t, the logit ξ = ln y/(1 − y) of a growing mode has
    ξ̇ = yᵐ, so that τ = F(y) − F(y(0)) with F(y) = Σ_k y^{k−m}/(k − m) = −(1/m) y^{−m} ₂F₁(1, −m; 1−m; y), which is
    inverted by Newton's method; a mode above its target, one of the other sign and one whose target is zero likewise.

    Parameters
    ----------
    U, V : (p, r), (q, r) the common singular vectors.
    start, target : (r,) u(0) and s, of any sign.
    depth : N.
    c : (r,) for two layers; zero where they are balanced.

    The curve is a function f(t) or f(log_time=log t), t ≥ 0; an array adds a leading axis, and ``np.inf`` is allowed.

    Examples
    --------
    >>> one = np.eye(1)
    >>> curve = DeepModes(one, one, np.array([1e-3]), np.array([2.0]), depth=3)
    >>> curve([0.0, 4.0, np.inf]).ravel().round(6).tolist()
    [0.001, 0.114737, 2.0]
    """

    def __init__(
        self, U: np.ndarray, V: np.ndarray, start: Any, target: Any, depth: int, c: Any = 0.0
    ) -> None:
        self.U, self.V, self.depth = U, V, depth
        self.start, self.target, self.c = np.broadcast_arrays(
            *(np.asarray(x, dtype=float) for x in (start, target, c))
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What ``predict`` adds: which modes do not grow to their target."""
        lost = np.abs(self.target[(self.c == 0) & (self.start * self.target <= 0) & (self.target != 0)])
        if not lost.size:
            return ()
        values = ", ".join(f"{s:.6g}" for s in np.sort(lost)[::-1])
        return (
            f"modes of the target with singular values {values} start at zero, or with the other sign, and vanish: "
            "the flow tends to a saddle where the layers have room for more, and a computed run leaves it by rounding",
        )

    def __call__(self, t: Any = None, *, log_time: Any = None) -> np.ndarray:
        """W at time t, or at log t."""
        if log_time is not None:
            with np.errstate(over="ignore"):
                t = np.exp(np.asarray(log_time, dtype=float))
        u = self.modes(t)
        W: np.ndarray = (self.U * u[..., None, :]) @ self.V.T
        return W

    def modes(self, t: Any) -> np.ndarray:
        """u(t), shape of t and an axis of modes."""
        t = np.asarray(t, dtype=float)
        if np.any(~(t >= 0)):
            raise ValueError("the closed form is defined for t ≥ 0")
        flat, u = t.ravel(), np.empty((t.size, self.start.size))
        for i, (u0, s, c) in enumerate(zip(self.start, self.target, self.c)):
            sign = -1.0 if u0 < 0 else 1.0
            if u0 == 0 and c == 0:
                u[:, i] = 0.0
            elif self.depth == 2 and c != 0:
                u[:, i] = _two_layers(u0, s, c, flat)
            else:  # |u|, with the target seen from its side
                u[:, i] = sign * _balanced(abs(u0), sign * s, self.depth, flat)
        return u.reshape(*t.shape, -1)


def _two_layers(u0: float, s: float, c: float, t: np.ndarray) -> np.ndarray:
    """u(t) of u̇ = 2√(u² + c²)(s − u), c > 0."""
    if s < 0:
        return -_two_layers(-u0, -s, c, t)
    R, q0 = np.hypot(s, c), np.hypot(u0, c)
    g0, up = u0 + q0 if u0 >= 0 else c * (c / (q0 - u0)), s + R
    e, phi = np.exp(-2 * R * t), -np.expm1(-2 * R * t) / (2 * R)
    g = (g0 * e + phi * (up * g0 + c * c)) / (e + phi * (g0 + c * (c / up)))
    u: np.ndarray = (g - c * (c / g)) / 2
    return np.where(t == 0, u0, u)


def _balanced(u0: float, s: float, N: int, t: np.ndarray) -> np.ndarray:
    """u(t) > 0 of u̇ = N u^{2−2/N}(s − u) from u(0) = u0 > 0, for s of any sign."""
    m = 1 - 2 / N
    if s == 0:
        power = 2 - 2 / N  # (u₀^{−power} + N power t)^{−1/power}, which 1e-300 would overflow
        with np.errstate(divide="ignore"):
            grown = np.logaddexp(-power * np.log(u0), np.log(N * power * t))
        decayed: np.ndarray = np.where(t == 0, u0, np.exp(-grown / power))
        return decayed
    tau, y0 = N * abs(s) ** (1 + m) * t, u0 / abs(s)
    if s < 0:
        return abs(s) * _falling(y0, m, tau)
    return s * (_growing(y0, m, tau) if y0 <= 1 else _shrinking(y0, m, tau))


def _growing(y0: float, m: float, tau: np.ndarray) -> np.ndarray:
    """y(τ) ≤ 1 of ẏ = y^{1+m}(1 − y): the logit ξ moves by ξ̇ = yᵐ."""
    if y0 == 1:
        return np.ones_like(tau)
    xi0 = np.log(y0) - np.log1p(-y0)
    if m == 0:
        return _expit(xi0 + tau)

    def phi(xi: np.ndarray) -> np.ndarray:
        return _beta(-m, _expit(xi), _expit(-xi))

    goal = phi(np.array(xi0)) + tau
    # both ends of Φ: −e^{−mξ}/m on the plateau, ξ + constant near the target
    late = goal - _constant(-m)
    guess = np.where(goal < -1 / m, -np.log(np.maximum(-m * goal, 1.0)) / m, np.minimum(late, xi0 + tau))
    xi = _newton(phi, lambda xi: _expit(xi) ** -m, goal, np.clip(guess, xi0, xi0 + tau))
    return np.where(tau == 0, y0, _expit(xi))


def _shrinking(y0: float, m: float, tau: np.ndarray) -> np.ndarray:
    """y(τ) > 1 of the same equation: x = 1/y grows to 1, and ζ = −ln(1 − x) moves by ζ̇ = x^{−m}."""
    zeta0 = -np.log1p(-1 / y0)
    if m == 0:
        return 1 / -np.expm1(-(zeta0 + tau))

    def phi(zeta: np.ndarray) -> np.ndarray:
        return _beta(1 + m, -np.expm1(-zeta), np.exp(-zeta))

    goal = phi(np.array(zeta0)) + tau
    early = ((1 + m) * np.minimum(goal, 1.0)) ** (1 / (1 + m))
    zeta = _newton(
        phi,
        lambda z: (-np.expm1(-z)) ** m,
        goal,
        np.maximum(zeta0, np.where(goal < 1, early, goal - _constant(1 + m))),
    )
    return np.where(tau == 0, y0, 1 / -np.expm1(-zeta))


def _falling(y0: float, m: float, tau: np.ndarray) -> np.ndarray:
    """y(τ) > 0 of ẏ = −y^{1+m}(1 + y), which falls to 0: ξ = ln y/(1 + y) moves by ξ̇ = −yᵐ."""
    from scipy.special import hyp2f1

    xi0 = -np.log1p(1 / y0)
    if m == 0:
        with np.errstate(over="ignore"):
            fallen: np.ndarray = 1 / (np.expm1(tau) + np.exp(tau) / y0)
        return fallen

    def phi(xi: np.ndarray) -> np.ndarray:
        # −ln m∫ y^{−m} dξ, taken from the far side: e^{−mξ} ₂F₁(−m, −m; 1−m; e^ξ)
        return m * xi - np.log(hyp2f1(-m, -m, 1 - m, np.exp(xi)))

    def slope(xi: np.ndarray) -> np.ndarray:
        return m * np.exp(phi(xi) - m * xi) * (-np.expm1(xi)) ** m

    goal = -np.log(np.exp(-phi(np.array(xi0))) + m * tau)
    xi = _newton(phi, slope, goal, np.minimum(xi0, goal / m))
    return np.where(tau == 0, y0, np.exp(xi) / -np.expm1(xi))


def _newton(
    f: Callable[[np.ndarray], np.ndarray],
    slope: Callable[[np.ndarray], np.ndarray],
    goal: np.ndarray,
    x: np.ndarray,
) -> np.ndarray:
    """x with f(x) = goal; f increases, and is close to a straight line on both sides of a bend."""
    x = np.array(x, dtype=float)
    far = ~np.isfinite(goal) | (goal > FAR)
    for _ in range(50):
        with np.errstate(all="ignore"):
            step = np.where(far, 0.0, (f(x) - goal) / slope(x))
        x = x - step
        if np.all(np.abs(step) <= 4e-16 * (1 + np.abs(x))):
            break
    return np.where(far, goal, x)


def _beta(a: float, x: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """B(x; a, 0) = ∫ x^{a−1}/(1 − x) dx = Σ_k x^{a+k}/(a + k), rest = 1 − x, a no integer ≤ 0.

    For x > ½ from the other end: −ln(1 − x) − ψ(a) − γ − Σ_k (1−a)_k/k! · (1 − x)ᵏ/k.
    """
    k = np.arange(TERMS, dtype=float)
    near = np.minimum(x, 0.5)[..., None]
    with np.errstate(divide="ignore"):
        first = near[..., 0] ** a * np.sum(near**k / (a + k), axis=-1)
        coefficients = np.cumprod((k[:-1] + 1 - a) / (k[:-1] + 1)) / (k[:-1] + 1)
        other = np.minimum(rest, 0.5)[..., None]
        second = -np.log(other[..., 0]) + _constant(a) - np.sum(coefficients * other ** (k[:-1] + 1), axis=-1)
    return np.where(x <= 0.5, first, second)


def _constant(a: float) -> float:
    """lim B(x; a, 0) + ln(1 − x) at x = 1: −ψ(a) − γ."""
    from scipy.special import digamma

    return float(-digamma(a) - EULER)


def _expit(x: np.ndarray) -> np.ndarray:
    """1/(1 + e^{−x})."""
    with np.errstate(over="ignore"):
        y: np.ndarray = 1 / (1 + np.exp(-x))
    return y
