"""The exact path of linear methods on a regression (theory/linear/linear-closed-forms.md)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..geometry.bregman import row_space
from ..optimizers import GradientFlow, Nesterov

__all__ = ["SpectralCurve"]

Pair = tuple[np.ndarray, np.ndarray]


class SpectralCurve:
    r"""w(t) of gradient flow, gradient descent, heavy ball or Nesterov's method on 1/(2n)‖Xw − y‖² + (λ/2)‖w‖².

    In the orthonormal eigenvectors v_i of XᵀX/n + λI, with eigenvalues s_i, every mode moves alone:

        v_i·w(t) = φ_i(t) v_i·w₀ + (1 − φ_i(t)) v_i·w*,

    | method | φ_i | |
    |---|---|---|
    | flow at rate r | e^{−r s_i t} | |
    | descent | (1 − ηs_i)^k | t = kη |
    | heavy ball | e_k: e_{k+1} = (1 + β − ηs_i) e_k − β e_{k−1} | e_0 = e_{−1} = 1 |
    | Nesterov, constant β | e_k: e_{k+1} = (1 + β)(1 − ηs_i) e_k − β(1 − ηs_i) e_{k−1} | e_0 = e_{−1} = 1 |

    and w* = w(∞) is the ridge solution (XᵀX/n + λI)⁻¹Xᵀy/n; for λ = 0 the least-squares solution nearest to w₀,
    whatever the rank of X and whether or not Xw = y has a solution. The powers are those of the roots of the
    recursion, so that 10⁶ steps cost what one costs.

    Parameters
    ----------
    X, y : (n, d), (n,) the data.
    optimizer : GradientFlow with one rate, or GradientDescent, HeavyBall or Nesterov with a constant step (and
        momentum); its ``weight_decay`` is λ. Any other step method is taken for heavy ball with its own momentum.
    w0 : (d,) the start.

    The curve is a function f(t), t ≥ 0 in the time of the run (for steps Σ η; between two steps it is the last
    iterate taken), f(log_time=log t), or, for step methods, f(steps=k). An array adds a leading axis. ``np.inf``
    is allowed; where a diverging or undamped mode has no limit, f(inf) is NaN, and a path beyond the range of
    floats is infinite or NaN.

    Examples
    --------
    >>> from implicitbias import GradientDescent
    >>> curve = SpectralCurve(np.array([[1.0, 1.0]]), np.array([2.0]), GradientDescent(0.25), np.zeros(2))
    >>> curve(steps=[0, 1, np.inf]).round(12).tolist()
    [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]]
    >>> curve(0.25).round(12).tolist()
    [0.5, 0.5]
    """

    def __init__(self, X: np.ndarray, y: np.ndarray, optimizer: Any, w0: np.ndarray) -> None:
        self.optimizer, self.w0 = optimizer, np.asarray(w0, dtype=float)
        self.A, b, R = row_space(X, y)  # rows v_i; {Aw = b} are the least-squares solutions
        squares = 1.0 / (len(X) * np.sum(R * R, axis=0))  # the columns of R are u_i/σ_i
        decay = float(optimizer.weight_decay)
        self.eigenvalues = np.append(squares + decay, decay)  # the last: everything off the row space
        self.limit = b * (squares / self.eigenvalues[:-1])

    def __call__(self, t: Any = None, *, steps: Any = None, log_time: Any = None) -> np.ndarray:
        """w at time t, at log t, or after so many steps; an array adds a leading axis."""
        if sum(a is not None for a in (t, steps, log_time)) != 1:
            raise ValueError("give one of a time t, log_time=…, and steps=…")
        with np.errstate(all="ignore"):  # numbers beyond the range of floats are infinite
            at = t if t is not None else steps if steps is not None else np.exp(log_time)
            moments = np.asarray(at, dtype=float)
            if np.any(~(moments >= 0)):
                raise ValueError("the closed form is defined for t ≥ 0")
            phi, filled = self._factors(moments.ravel(), steps is not None)
            on = self.A @ self.w0
            inside = _times(phi[:, :-1], on) + _times(filled[:, :-1], self.limit)
            w = inside @ self.A + _times(phi[:, -1:], self.w0 - on @ self.A)
        path: np.ndarray = w.reshape(*moments.shape, self.w0.size)
        return path

    def _factors(self, moments: np.ndarray, counted: bool) -> Pair:
        """φ and 1 − φ, (m, r + 1)."""
        s, o = self.eigenvalues, self.optimizer
        if isinstance(o, GradientFlow):
            if counted:
                raise ValueError("a flow has no steps: give a time")
            x = np.where(s == 0, 0.0, moments[:, None] * (s * (o.rates[0] if o.rates else 1.0)))
            return np.exp(-x), -np.expm1(-x)
        if counted and np.any(moments[np.isfinite(moments)] % 1 != 0):
            raise ValueError("steps must be whole numbers, or inf")
        k = moments if counted else steps_within(moments, o.step)
        beta = getattr(o, "momentum", 0.0)
        x = o.step * s
        return recursion(x, beta * (1.0 - x) if isinstance(o, Nesterov) else np.full_like(x, beta), k)


def _times(factor: np.ndarray, value: np.ndarray) -> np.ndarray:
    """factor·value, where a mode that is absent stays so."""
    product: np.ndarray = np.where(value == 0, 0.0, factor * value)
    return product


def steps_within(t: np.ndarray, step: float) -> np.ndarray:
    """⌊t/η⌋, where a sum of η that rounding leaves just below kη still counts k steps."""
    q = t / step
    near = np.rint(q)
    steps: np.ndarray = np.where(np.abs(q - near) <= 1e-10 * np.maximum(q, 1.0), near, np.floor(q))
    return np.where(np.isinf(q), np.inf, steps)


def recursion(x: np.ndarray, b: np.ndarray, k: np.ndarray) -> Pair:
    """(e_k, 1 − e_k) of e_{k+1} = a e_k − b e_{k−1}, a = 1 + b − x, e_0 = e_{−1} = 1; x, b (r,) and k (m,) give (m, r).

    The characteristic polynomial ζ² − aζ + b has the value x at ζ = 1. With ρ = √b its discriminant is therefore
    ((1 − ρ)² − x)((1 + ρ)² − x), and neither it nor 1 − ζ loses digits on slow modes. 0 ≤ x, b < 1.
    """
    rho = np.sqrt(np.maximum(b, 0.0))
    gap = np.where(b > 0, (1.0 - b) / (1.0 + rho), 1.0)  # 1 − ρ
    D = np.where(b > 0, (gap * gap - x) * ((1.0 + rho) ** 2 - x), (1.0 + b - x) ** 2 - 4.0 * b)
    e, filled = np.ones((k.size, x.size)), np.zeros((k.size, x.size))
    finite = np.where(np.isinf(k), 0.0, k)[:, None]
    for modes, powers in ((D < 0, _turning), ((D >= 0) & (x > 0), _straight)):
        if np.any(modes):
            at_k, less, rate = powers(x[modes], b[modes], D[modes], finite)
            limit = np.where(rate < 0, 0.0, np.nan)
            e[:, modes] = np.where(np.isinf(k)[:, None], limit, at_k)
            filled[:, modes] = np.where(np.isinf(k)[:, None], 1.0 - limit, less)
    e[k == 0], filled[k == 0] = 1.0, 0.0
    return e, filled


Powers = tuple[np.ndarray, np.ndarray, np.ndarray]


def _turning(x: np.ndarray, b: np.ndarray, D: np.ndarray, k: np.ndarray) -> Powers:
    """e_k = ρ^k (cos kϑ + (1 − b − x)/√−D · sin kϑ) where ζ = ρe^{±iϑ}; (e_k, 1 − e_k, log ρ)."""
    rho, rate = np.sqrt(b), 0.5 * np.log1p(b - 1.0)
    slow = (1.0 - b) / (1.0 + rho)
    low, high = np.sqrt(x - slow * slow), np.sqrt((1.0 + rho) ** 2 - x)
    folded = x > 1.0 + b  # beyond a right angle it is π − ϑ that is small
    angle = 2.0 * np.arctan2(np.where(folded, high, low), np.where(folded, low, high))
    sign, side = np.where(folded, _sign(k), 1.0), np.where(folded, -1.0, 1.0)
    e = sign * np.exp(k * rate) * (np.cos(k * angle) + side * (1.0 - b - x) / np.sqrt(-D) * np.sin(k * angle))
    return e, 1.0 - e, rate


def _straight(x: np.ndarray, b: np.ndarray, D: np.ndarray, k: np.ndarray) -> Powers:
    """e_k = ζ₁^k (1 + (1 − ζ₁)ζ₂ (1 − q^k)/(ζ₁ − ζ₂)), q = ζ₂/ζ₁, for real |ζ₁| ≥ |ζ₂|; (e_k, 1 − e_k, log|ζ₁|)."""
    a, root = 1.0 + b - x, np.sqrt(D)
    rising = a >= 0
    far = 0.5 * (1.0 - b + x + root)  # the larger of the two 1 − ζ, whose product is x
    less = np.where(rising, x / far, far)  # 1 − ζ₁
    big = np.where(rising, 1.0 - less, 0.5 * (a - root))
    big = np.where(big == 0, np.finfo(float).tiny, big)  # both roots zero: ζ₁^k is zero from k = 1 on
    small = b / big
    # near −1 it is 1 + ζ₁ = (2 + 2b − x)/(1 + ζ₂) that is known without cancellation
    rate = np.log1p(-np.where(rising, less, (2.0 + 2.0 * b - x) / (1.0 + small)))
    apart = np.where(rising, root, -root)  # ζ₁ − ζ₂
    alternating = 1.0 - _sign(k) * np.abs(small / big) ** k
    together = -np.expm1(k * np.log1p(-np.minimum(apart / big, 1.0)))
    quotient = np.where(apart == 0, k / big, np.where(b < 0, alternating, together) / apart)
    power = np.where(rising, 1.0, _sign(k)) * np.exp(k * rate)
    bend = np.where(small == 0, 0.0, less * small * quotient)
    e = power * (1.0 + bend)
    return e, np.where(rising, -np.expm1(k * rate) - power * bend, 1.0 - e), rate


def _sign(k: np.ndarray) -> np.ndarray:
    """(−1)^k."""
    return 1.0 - 2.0 * (k % 2)
