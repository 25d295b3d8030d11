"""R(w) = Σ_i φ(c_i(w)) with an unknown φ: its mirror map as a spline, by linear algebra.

With φ′ = Σ_j a_j φ′_j, the condition ∇R(w) − ∇R(w₀) ∈ range(Xᵀ) of every problem is linear in a. With the features
F_k (D, p) of problem k, which make ∇R(w) − ∇R(w₀) = F_k a, and N_k the projection off range(X_kᵀ),

    residual² = (1/K) Σ_k ‖N_k F_k a‖² / ‖F_k a‖²

is least at the smallest generalised singular vector of the stacked (N_k F_k, F_k), when each problem is weighted so as
to count alike. Knots are chosen, and the residual is measured, on problems left out of the fit.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import NamedTuple

import numpy as np

from .samples import EPS, Coordinates, Samples, coordinates
from .splines import SplineMap, chosen_knots, features

__all__: list[str] = []

INTERVALS = 20
FOLDS = 5
QUANTILES = (0.5, 0.1, 0.02, 0.004)
"""Candidate scales of t = arcsinh(|w|/scale) are these quantiles of |w|."""
MIXES = (0.0, 0.5, 1.0)
REPLICATES = 200
NARROW = 2.0
"""φ′ needs sizes over at least this factor."""
LIGHT = 1e-3
"""No problem counts more than as if its ∇R were this part of the largest one."""


class SplineFit(NamedTuple):
    """The best φ′ found."""

    map: SplineMap
    residual: float
    """Root mean square over the problems of ‖N_k v‖/‖v‖, v = ∇R(w) − ∇R(w₀), each left out of the fit."""
    runner_up: float
    """The second of the generalised singular values, of which the first is the residual without leaving out."""
    range: tuple[float, float]
    """Sizes |w| between which the band is narrow."""
    grid: np.ndarray
    band: np.ndarray
    """(2, len(grid)): φ′ in 95 % of refits to problems drawn with replacement, by knots that do about as well."""
    rises: bool
    """Whether φ′ increases over the range."""


class Design(NamedTuple):
    """One choice of knots: the features F (K, D, p), and N F."""

    knots: np.ndarray
    scale: float
    plain: np.ndarray
    off: np.ndarray


def fit_spline(samples: Samples, rng: np.random.Generator) -> SplineFit:
    """The φ′ that explains the samples best."""
    at = coordinates(samples)
    _check_spread(at)
    designs = _designs(samples, at)
    scores = np.array([_held_out(design) for design in designs])
    best = designs[int(np.argmin(scores))]
    reference = _reference(at)
    a, _, runner_up = smallest_pair(best.plain, best.off)
    curve = _as_map(best, a, reference)
    low, high = np.quantile(at.sizes, [0.02, 0.99])
    grid = np.geomspace(float(low), float(high), 200)
    near = [design for design, score in zip(designs, scores) if score <= 2 * np.min(scores)]
    band = _band(near, curve, grid, reference, rng)
    trusted = _trusted(curve(grid), band, free_constant=reference is not None)
    ends = float(grid[trusted][0]), float(grid[trusted][-1])
    rises = _rises(curve(grid)[trusted], band[:, trusted])
    return SplineFit(curve, float(np.min(scores)), runner_up, ends, grid, band, rises)


def _check_spread(at: Coordinates) -> None:
    low, high = np.quantile(at.sizes, [0.05, 0.95]) if at.sizes.size else (0.0, 0.0)
    if not high > NARROW * low:
        raise ValueError(
            f"the solutions are too much of one size: nine in ten of their entries lie between {low:.3g} and "
            f"{high:.3g}; φ′ is determined over the sizes that occur, and a factor of {NARROW:g} at least is needed "
            "(take problems of other scales: cover=(low, high))"
        )


# -- features and the smallest singular vector ------------------------------------------------------


def _designs(samples: Samples, at: Coordinates) -> list[Design]:
    """One for each choice of scale and knots."""
    sizes = at.sizes
    scales = [0.0] if at.keep_signs else sorted({float(s) for s in np.quantile(sizes, QUANTILES)})
    count = int(np.clip(samples.equations // 6, 4, INTERVALS))
    made = []
    for scale in scales:
        t = np.log(sizes) if scale == 0 else np.arcsinh(sizes / scale)
        for mix in MIXES:
            knots = chosen_knots(t, float(t[0]) if scale == 0 else 0.0, count, mix)
            plain = at.dual(partial(features, knots=knots, scale=scale))
            made.append(Design(knots, scale, plain, samples.off(plain)))
    return made


def smallest_pair(F: np.ndarray, NF: np.ndarray) -> tuple[np.ndarray, float, float]:
    """(a, smallest, next) of the pencil (N F, F), (K, D, p) both, each problem counting alike."""
    weight = np.ones((len(F), 1, 1))
    for _ in range(2):
        a, least, runner_up = _pencil(_stacked(weight * NF), _stacked(weight * F))
        weight = _weights(F, a)
    return a, least, runner_up


def _weights(F: np.ndarray, a: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(F @ a, axis=1)
    return (1 / np.maximum(size, LIGHT * np.max(size)))[:, None, None]


def _stacked(F: np.ndarray) -> np.ndarray:
    return F.reshape(-1, F.shape[-1])


def _pencil(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, float, float]:
    """The a of least ‖Aa‖/‖Ba‖, this ratio, and the next one; a in which Ba is rounding are left out."""
    size = np.linalg.norm(B, axis=0)
    size = np.where(size > 0, size, 1.0)
    _, s, Vt = np.linalg.svd(np.linalg.qr(B / size, mode="r"))
    kept = s > 1e-9 * s[0]
    back = Vt[kept].T / s[kept] / size[:, None]
    _, ratios, W = np.linalg.svd(np.linalg.qr(A @ back, mode="r"))
    return back @ W[-1], float(ratios[-1]), float(ratios[-2]) if len(ratios) > 1 else np.inf


def _held_out(design: Design) -> float:
    """Root mean square of ‖N_k F_k a‖/‖F_k a‖ over problems that a was not fitted to."""
    fold, shares = np.arange(len(design.plain)) % FOLDS, []
    for f in np.unique(fold):
        a, _, _ = smallest_pair(design.plain[fold != f], design.off[fold != f])
        size = np.linalg.norm(design.plain[fold == f] @ a, axis=1)
        off = np.linalg.norm(design.off[fold == f] @ a, axis=1)
        shares.append(np.where(size > 0, off / np.where(size > 0, size, 1.0), 1.0))
    return float(np.sqrt(np.mean(np.square(np.concatenate(shares)))))


# -- from weights to φ′, and how far it is known ------------------------------------------------------


def _reference(at: Coordinates) -> float | None:
    """Where φ′ is zero when its constant is free: at the geometric mean of |w₀|."""
    return float(np.exp(np.mean(np.log(np.abs(at.start))))) if at.keep_signs else None


def _as_map(design: Design, a: np.ndarray, reference: float | None) -> SplineMap:
    """The φ′ of these weights, which rises by one in all."""
    coefficients = np.cumsum(a)
    last = coefficients[-1]
    coefficients = coefficients / (last if last != 0 else np.max(np.abs(coefficients)))
    curve = SplineMap(design.knots, coefficients, design.scale)
    return curve if reference is None else replace(curve, offset=float(curve(reference)))


def _band(
    designs: list[Design],
    curve: SplineMap,
    grid: np.ndarray,
    reference: float | None,
    rng: np.random.Generator,
) -> np.ndarray:
    """The 2.5 and 97.5 per cent points of refitted φ′, in the scale of ``curve``."""
    from scipy.linalg import LinAlgError, eigh

    K, wanted = len(designs[0].plain), curve(grid)
    grams, drawn = [_grams(design) for design in designs], []
    for i in range(REPLICATES):
        whole, off = grams[i % len(grams)]
        counts = rng.multinomial(K, np.full(K, 1 / K)).astype(float)
        B = np.tensordot(counts, whole, 1)
        B = B + 1e-13 * np.trace(B) * np.eye(len(B))
        with np.errstate(invalid="ignore", divide="ignore"):
            try:
                a = eigh(np.tensordot(counts, off, 1), B, subset_by_index=[0, 0])[1][:, 0]
            except LinAlgError:
                continue
            other = _as_map(designs[i % len(designs)], a, reference)(grid)
            other = other * (other @ wanted) / (other @ other)
        if np.all(np.isfinite(other)):
            drawn.append(other)
    return np.quantile(drawn, [0.025, 0.975], axis=0)


def _grams(design: Design) -> tuple[np.ndarray, np.ndarray]:
    """(FᵀF, (NF)ᵀNF) of every problem, (K, p, p), each problem counting alike."""
    weight = _weights(design.plain, smallest_pair(design.plain, design.off)[0])
    F, NF = weight * design.plain, weight * design.off
    return np.swapaxes(F, 1, 2) @ F, np.swapaxes(NF, 1, 2) @ NF


def _trusted(values: np.ndarray, band: np.ndarray, free_constant: bool) -> slice:
    """The longest stretch of the grid over which the band is narrow: a per cent either way of |φ′| (where its
    constant is free, of its whole rise), or three times what is usual.
    """
    size = np.ptp(values) if free_constant else np.maximum(np.abs(values), EPS * np.max(np.abs(values)))
    relative = (band[1] - band[0]) / (2 * size)
    narrow = ~(relative > max(0.01, 3 * float(np.median(relative))))
    edges = np.diff(np.concatenate([[0], narrow, [0]]).astype(int))
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    longest = int(np.argmax(ends - starts))
    return slice(int(starts[longest]), int(ends[longest]))


def _rises(values: np.ndarray, band: np.ndarray) -> bool:
    """Whether φ′ increases, up to falls within its band."""
    falls = np.maximum.accumulate(values) - values
    return bool(values[-1] > values[0] and np.all(falls <= band[1] - band[0]))
