"""Matrices: the exact path of spectral descent, and what methods that stay in the row space select."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ...geometry import Euclidean, SchattenNorm
from ...models import DeepLinear, Linear, MatrixFactorization
from ...optimizers import Muon, SpectralDescent, SteepestDescent
from ...problems import MatrixRegression
from ..rule import Hypothesis, Rule
from ..spectral import steps_within
from .common import CONVERGED, LINEAR, NO_DECAY, is_a
from .networks import WHITENED, unbalance

__all__ = ["SpectralModes"]


class SpectralModes:
    r"""W(k) = Σ_i a_i(k)^N u_iv_iᵀ under spectral descent from an aligned, balanced start.

    With b_i = s_i^{1/N}, σ_i = sgn(b_i − a_i(0)) and K_i = ⌈|b_i − a_i(0)|/η⌉,

        a_i(k) = a_i(0) + σ_i η k                              k ≤ K_i,
        a_i(k) = a_i(0) + σ_i η (K_i − ((k − K_i) mod 2))      k ≥ K_i:

    each layer's singular value moves by η a step until it passes b_i, and alternates about it from then on. A mode
    that is zero in a product of N ≥ 2 layers stays.

    Parameters
    ----------
    U, V : (p, r), (q, r) the common singular vectors of target and start.
    a : (r,) the singular values of every layer at the start. s : (r,) those of the target.
    depth : N. step : η.

    The curve is a function f(t), t ≥ 0 in the time ηk of the run, or f(steps=k); an array adds a leading axis. There
    is no limit: f(inf) is NaN, unless nothing moves.

    Examples
    --------
    >>> one = np.eye(1)
    >>> curve = SpectralModes(one, one, np.array([0.1]), np.array([0.25]), depth=2, step=0.25)
    >>> curve(steps=[0, 1, 2, 3, 4]).ravel().round(4).tolist()
    [0.01, 0.1225, 0.36, 0.1225, 0.36]
    """

    def __init__(
        self, U: np.ndarray, V: np.ndarray, a: np.ndarray, s: np.ndarray, depth: int, step: float
    ) -> None:
        self.U, self.V, self.a, self.depth, self.step = U, V, a, depth, step
        self.away = s ** (1.0 / depth) - a
        if depth > 1:
            self.away = np.where(a == 0.0, 0.0, self.away)
        self.arrival = np.ceil(np.abs(self.away) / step)

    def layers(self, k: Any) -> np.ndarray:
        """a_i(k) (..., r) after k steps."""
        k = np.asarray(k, dtype=float)[..., None]
        taken = np.where(k <= self.arrival, k, self.arrival - (k - self.arrival) % 2)
        moved: np.ndarray = self.a + np.sign(self.away) * self.step * np.where(self.away == 0.0, 0.0, taken)
        return moved

    def __call__(self, t: Any = None, *, steps: Any = None) -> np.ndarray:
        """W at time t, or after so many steps; an array adds a leading axis."""
        if (t is None) == (steps is None):
            raise ValueError("give one of a time t and steps=…")
        with np.errstate(invalid="ignore"):  # at infinity
            k = steps_within(np.asarray(t, dtype=float), self.step) if steps is None else np.asarray(steps)
            if np.any(~(k >= 0)):
                raise ValueError("the closed form is defined for t ≥ 0")
            W: np.ndarray = (self.U * (self.layers(k) ** self.depth)[..., None, :]) @ self.V.T
        return W


class Modes(NamedTuple):
    """A common singular basis of target and start, and how far from diagonal they are in it."""

    U: np.ndarray
    V: np.ndarray
    w: np.ndarray
    s: np.ndarray
    off: float


def layers_of(setting: Any) -> int:
    """N, the number of layers; 0 for other models."""
    model = setting.model
    if isinstance(model, DeepLinear):
        return model.depth
    if isinstance(model, MatrixFactorization):
        return 0 if model.tied else 2
    return int(isinstance(model, Linear))


def modes(setting: Any) -> Modes:
    """Singular vectors of a generic combination of T and W(0) are those of both, where they have common ones."""
    T, W = setting.problem.target, setting.w0
    if isinstance(setting.theta0, tuple):  # a product of layers that is zero, but for rounding
        W = W * (np.linalg.norm(W) > 1e-14 * np.prod([np.linalg.norm(layer) for layer in setting.theta0]))
    size = float(np.linalg.norm(T)), float(np.linalg.norm(W))
    C = T + (0.6180339887 * size[0] / size[1] if size[1] else 0.0) * W
    U, _, Vt = np.linalg.svd(C, full_matrices=False)
    inside = [U.T @ A @ Vt.T for A in (T, W)]
    s, w = (np.diag(A) for A in inside)
    off = max(float(np.linalg.norm(A - (U * d) @ Vt)) / (z or 1.0) for A, d, z in zip((T, W), (s, w), size))
    return Modes(U, Vt.T, w, s, off)


def _aligned(setting: Any) -> bool:
    found = modes(setting)
    return found.off <= 1e-10 and all(np.min(x) >= -1e-10 * np.max(np.abs(x)) for x in (found.w, found.s))


def spectral_modes(setting: Any, run: Any = None) -> SpectralModes:
    """The path of an aligned, balanced start."""
    found, N = modes(setting), layers_of(setting)
    w = np.where(found.w > 1e-14 * np.max(found.w), found.w, 0.0)
    return SpectralModes(
        found.U, found.V, w ** (1.0 / N), np.maximum(found.s, 0.0), N, setting.optimizer.step
    )


def _passes(setting: Any) -> bool:
    """Whether every mode that moves passes its target by more than rounding, and none can jump over zero."""
    curve = spectral_modes(setting)
    ratio = np.abs(curve.away[curve.away != 0.0]) / curve.step
    over = curve.depth > 1 and np.any((curve.a + curve.away)[curve.away != 0.0] <= curve.step)
    return bool(np.all(np.abs(ratio - np.rint(ratio)) > 1e-6)) and not over


def steps_are_spectral(setting: Any) -> bool:
    """Whether every step is −η times the polar factor of each block's gradient."""
    o = setting.optimizer
    spectral = (
        isinstance(o, SpectralDescent)
        or (isinstance(o, Muon) and o.momentum == 0 and o.iterations is None)
        or (isinstance(o, SteepestDescent) and o.normalized and o.norm == SchattenNorm(np.inf))
    )
    return spectral and not callable(o.step)


LAYERED = Hypothesis(
    "the model is DeepLinear, an untied MatrixFactorization, or Linear", lambda s: layers_of(s) > 0
)
SPECTRAL_STEPS = Hypothesis(
    "each step is −η times the polar factor of every layer's gradient, with a constant η", steps_are_spectral
)
EVEN_LAYERS = Hypothesis(
    "the start is balanced: every D_j = 0",
    lambda s: isinstance(s.model, Linear) or unbalance(s) <= 1e-12,
)
ALIGNED = Hypothesis(
    "target and start have common singular vectors: UᵀTV and UᵀW(0)V are diagonal, ≥ 0", _aligned
)
PASSES = Hypothesis(
    "no layer's singular value meets s_i^{1/N} exactly, and (N ≥ 2) each of these exceeds η", _passes
)

spectral_modes_rule = Rule(
    name="exact path of spectral descent from an aligned start",
    source="vasudeva2025muon",
    hypotheses=(WHITENED, LAYERED, SPECTRAL_STEPS, NO_DECAY, EVEN_LAYERS, ALIGNED, PASSES),
    apply=spectral_modes,
    exact_curve=True,
)


def nearest_matrix(setting: Any, run: Any = None) -> np.ndarray:
    """W₀ + (X⁺(Y − XW₀ᵀ))ᵀ: of all W with XWᵀ = Y the nearest to W₀ in every unitarily invariant norm."""
    problem, W0 = setting.problem, setting.w0
    W: np.ndarray = W0 + np.linalg.lstsq(problem.X, problem.Y - problem.X @ W0.T, rcond=None)[0].T
    return W


nearest_matrix_rule = Rule(
    name="nearest matrix in every unitarily invariant norm",
    source="gunasekar2018geometry",
    hypotheses=(
        Hypothesis("the problem is a MatrixRegression", is_a(MatrixRegression, "problem")),
        LINEAR,
        Hypothesis(
            "the rows of every update lie in range(Xᵀ)",
            lambda s: isinstance(s.optimizer.row_potential, Euclidean),
        ),
        Hypothesis(
            "XWᵀ = Y has solutions, and more than one",
            lambda s: s.problem.attains_zero and np.linalg.matrix_rank(s.problem.X) < s.problem.X.shape[1],
        ),
        CONVERGED,
    ),
    apply=nearest_matrix,
)
