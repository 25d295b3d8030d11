"""identify: from solutions to the regulariser that selected them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dynamics import Stop
from ..geometry import Mahalanobis, PNorm
from ..models import Linear
from ..threads import one_blas_thread
from .bias import EXPLAINED, Bias, Candidate
from .families import FamilyFit, fit_families, slopes_of
from .margins import are_separators, fit_margin
from .probing import Draw, probed
from .quadratic import fit_quadratic, undetermined
from .samples import EPS, Samples, coordinates, samples_from
from .separable import fit_spline
from .sources import source_of

__all__ = ["identify"]

FEWEST = 6
"""Problems: enough for knots to be judged on problems left out."""
ROUNDING = 8 * EPS
ZERO = 1e-9
"""Entries that count as zeros, relative to the largest."""
DECISIVE = 10.0
"""A larger class is preferred when it leaves this many times less; up to as many floors, what is left is noise."""


def identify(
    source: Any, model: Any = None, start: Any = 0.0, problems: int = 40, samples: int = 10, dimension: Any = 30,
    rng: Any = 0, *, loss: str = "square", cover: Any = (0.1, 3.0), repeats: int = 5, stop: Stop | None = None,
    progress: Callable[[int], Any] | None = None,
) -> Bias:  # fmt: skip
    """Find the R with which a method selects argmin R(w) − ⟨∇R(w₀), w⟩ subject to Xw = y, if there is one.

    Then ∇R(w) − ∇R(w₀) ∈ range(Xᵀ) on every problem, which is linear in R. Tried are R = Σ φ(w_j) with a free φ
    (cubic splines, then the potentials of this package), R = ½(w − w₀)ᵀM(w − w₀), for matrices R = Σ φ(σ_i(W)), and
    for separators the ℓp norm whose margin is largest. Held-out problems decide; of nested classes the smallest
    that explains the solutions is named.

    Parameters
    ----------
    source : an optimizer of this package (or like it); a callable (X, y) → w; or a list of pairs (X, w) or triples
        (X, y, w), whose y give the noise floor. X (n, d) and w (d,), or X (m, p, q) and w (p, q). Labels y = ±1
        that w separates without fitting them mean a classification.
    model : what an optimizer runs on; None: Linear().
    start : w₀, a number or an array; for models with parameters of their own θ₀, or an init such as Balanced(1e-3).
    problems, samples, dimension : K drawn problems with X (n, d); dimension (p, q) draws matrix sensing.
    rng : a seed or Generator, of the problems, of a method's own draws, and of the bootstrap.
    loss : "square", or "exp" or "logistic" for classifications.
    cover : (low, high), the sizes of the planted solutions, log-uniform: the |w| over which to look.
    repeats : runs of each problem, averaged, when the source draws.
    stop : when an optimizer's runs end; None: at a loss of 1e-26 of that at zero, or after 100 000 steps (20 000
        without a compiled loop); on classifications at log t = 2000, or after 20 000 steps.
    progress : called with the number of problems solved.

    Returns
    -------
    Bias

    Raises
    ------
    ValueError
        for a source that does not interpolate, or whose runs diverge; for problems that are too few, share one
        range(Xᵀ) or leave one solution only (n ≥ d); for solutions all of one size; each says what would do.

    Examples
    --------
    >>> from implicitbias import Hypentropy, MirrorDescent
    >>> bias = identify(MirrorDescent(Hypentropy(-2.0), 0.2), problems=12)
    >>> bias.verdict, bias.family.name, round(bias.family.parameters["log_c"], 6)
    ('separable', 'Hypentropy', -2.0)
    """
    rng = np.random.default_rng(rng)
    if isinstance(source, list | tuple):
        return identified(samples_from(source, start), rng)
    draw = Draw(problems, samples, dimension, loss, cover)
    runs = source_of(source, Linear() if model is None else model, start, stop)
    return identified(probed(runs, list(draw(runs, rng)), rng, repeats, progress), rng)


def identified(samples: Samples, rng: np.random.Generator) -> Bias:
    """The bias behind samples; what :func:`identify` says of those it draws or is given."""
    with one_blas_thread(max(samples.w.shape[1], 100)):
        separators = are_separators(samples)
        _check_samples(samples, separators)
        if separators:
            return _verdict([_margin(samples)], samples)
        kinds = ("separable",) if len(samples.shape) == 1 else ("separable", "spectral")
        candidates = [_coordinatewise(samples, kind, rng) for kind in kinds]
        return _verdict([*candidates, _quadratic(samples)], samples)


def _check_samples(samples: Samples, separators: bool) -> None:
    K, D = samples.w.shape
    if K < FEWEST:
        raise ValueError(
            f"identify got {K} problems; it needs {FEWEST} at least, and 12 of n = 10, d = 30 do well"
        )
    if separators:
        return
    if samples.equations < 3 * K:
        raise ValueError(
            f"the problems have {samples.equations / K:.2g} directions on the average in which solutions are free; "
            f"identify needs three at least: fewer rows than {D - 2} in X"
        )
    if samples.share_one_range:
        raise ValueError(
            "all problems have the same range(Xᵀ): nothing could tell an R that holds for every X from one made for "
            "this X, and a quadratic is not determined at all; vary X from problem to problem, a dozen of them do"
        )
    moved = np.linalg.norm(samples.w - samples.start, axis=1)
    if not np.all(moved > 0):
        raise ValueError(f"solution {int(np.argmin(moved))} is its start: it says nothing of what moved it")
    missing = float(np.sqrt(np.mean((np.linalg.norm(samples.misfits, axis=1) / moved) ** 2)))
    if missing > EXPLAINED:
        raise ValueError(
            f"the source does not interpolate: its solutions are {missing:.2g} of their length away from Xw = y (worst "
            f"‖Xw − y‖/‖y‖ = {samples.residual:.2g}), and so is all that identify could tell from them; it needs "
            f"{EXPLAINED:g} at most: run longer, or with smaller steps"
        )


# -- candidates -------------------------------------------------------------------------------------


def _coordinatewise(samples: Samples, kind: str, rng: np.random.Generator) -> Candidate:
    """R = Σ φ over the entries, or over the singular values."""
    looked = samples if kind == "spectral" or len(samples.shape) == 1 else samples.flat()
    fit = fit_spline(looked, rng)
    v = coordinates(looked).dual(fit.map)
    floor = _floor(looked, coordinates(looked, looked.w - looked.misfits).dual(fit.map) - v, v)
    family = _named(fit_families(looked, floor), fit.residual, floor)
    residual = fit.residual if family is None else min(fit.residual, family.residual)
    rises = fit.rises or family is not None
    return Candidate(kind, residual, floor, fit.runner_up, fit.map, fit.range, family, fit, convex=rises)


def _floor(samples: Samples, moved: np.ndarray, v: np.ndarray) -> float:
    """The share of v = ∇R(w) − ∇R(w₀) outside the rows that the misfits of w, which change v by ``moved``, would put
    there, and rounding.
    """
    parts = np.linalg.norm(samples.off(moved), axis=1) / np.linalg.norm(v, axis=1)
    return float(np.sqrt(np.mean(parts**2))) + ROUNDING


def _named(families: list[FamilyFit], spline: float, floor: float) -> FamilyFit | None:
    """The family that explains as much as the free φ does, the one of fewest parameters unless more of them explain
    decisively more.
    """
    best: FamilyFit | None = None
    for family in sorted(families, key=lambda f: (f.fitted, f.residual)):
        if not family.residual <= max(2 * spline, DECISIVE * floor) or not family.residual <= EXPLAINED:
            continue
        if best is None or _decisive(family.residual, best.residual, floor):
            best = family
    return best


def _decisive(residual: float, smaller_class: float, floor: float) -> bool:
    """Whether a larger class explains more than it would by chance."""
    return residual < smaller_class / DECISIVE and smaller_class > DECISIVE * floor


def _quadratic(samples: Samples) -> Candidate:
    reason = undetermined(samples)
    if reason:
        return Candidate("quadratic", missing=reason)
    fit = fit_quadratic(samples)
    M, family = fit.matrix, None
    floor = _floor(samples, samples.misfits @ M, (samples.w - samples.start) @ M)
    if fit.positive:
        family = FamilyFit("Mahalanobis", {"M": M}, {}, fit.residual, Mahalanobis(M))
    ends = _ends(np.abs(samples.w))
    return Candidate(
        "quadratic", fit.residual, floor, fit.runner_up, Linearly(M), ends, family, convex=fit.positive
    )


def _ends(sizes: np.ndarray) -> tuple[float, float]:
    return float(np.quantile(sizes, 0.02)), float(np.max(sizes))


class Linearly:
    """w ↦ Mw."""

    def __init__(self, M: np.ndarray) -> None:
        self.M = M

    def __call__(self, w: Any) -> np.ndarray:
        return np.asarray(w) @ self.M


def _margin(samples: Samples) -> Candidate:
    fit = fit_margin(samples, ROUNDING)
    inner = np.isfinite(fit.p) and fit.p > 1
    potential = PNorm(fit.p) if inner else None
    family = FamilyFit("PNorm", {"p": fit.p}, {"p": fit.interval}, fit.residual, potential)
    ends = _ends(np.abs(samples.w) / np.linalg.norm(samples.w, axis=1, keepdims=True))
    slopes = None if potential is None else (lambda w: slopes_of(potential, np.asarray(w, dtype=float)))
    return Candidate("margin", fit.residual, ROUNDING, fit.runner_up, slopes, ends, family)


# -- the verdict --------------------------------------------------------------------------------------


def _verdict(candidates: list[Candidate], samples: Samples) -> Bias:
    """The smallest class that explains the solutions, unless a larger one explains decisively more."""
    best: Candidate | None = None
    for candidate in candidates:
        if candidate.explains and (
            best is None or _decisive(candidate.residual, best.residual, max(best.floor, ROUNDING))
        ):
            best = candidate
    others = [c.outcome() for c in candidates if c is not best]
    if best is None:
        tried = [c for c in candidates if not c.missing]
        nearest = min(tried, key=lambda c: c.residual)
        chance = (
            "" if nearest.name == "margin" else f"solutions unrelated to X leave {samples.unrelated:.2g}, "
        )
        return Bias(
            "none",
            f"none: {'; '.join(others)} of ∇R unexplained ({chance}{EXPLAINED:g} at most would explain; "
            f"{_noise(nearest.floor, samples)}){_corners(samples)}",
            None, None, None, nearest.residual, nearest.runner_up, nearest.floor, tuple(candidates), len(samples),
        )  # fmt: skip
    return Bias(
        best.name, "; ".join([_sentence(best, samples), *others]), best.potential, best.range, best.family,
        best.residual, best.runner_up, best.floor, tuple(candidates), len(samples),
    )  # fmt: skip


def _sentence(best: Candidate, samples: Samples) -> str:
    what = {
        "separable": "R = Σ φ(w_j)", "spectral": "R = Σ φ(σ_i)", "quadratic": "R = ½(w − w₀)ᵀM(w − w₀)",
        "margin": "the largest margin",
    }[best.name]  # fmt: skip
    named = "" if best.family is None else f" with {_in_words(best.family)}"
    return (
        f"{best.name}: {what}{named} leaves {best.residual:.2g} unexplained on {len(samples)} problems "
        f"(the next best {best.runner_up:.2g}; {_noise(best.floor, samples)})"
    )


def _noise(floor: float, samples: Samples) -> str:
    if samples.y is None:
        return "the runs' residuals are not known"
    return f"the runs' residuals account for {floor:.2g}"


def _corners(samples: Samples) -> str:
    """What it says that solutions have as many zeros as the vertices of polytopes, one for each free direction."""
    size = np.abs(samples.w)
    zeros = float(np.mean(size <= ZERO * np.max(size, axis=1, keepdims=True)))
    if zeros < 0.9 * samples.unrelated**2:
        return ""
    return f"; {zeros:.0%} of the entries are zero: an R with corners there, like ‖w‖₁, would do so, but is not tried"


def _in_words(family: FamilyFit) -> str:
    if family.name == "Mahalanobis":
        return "Mahalanobis(M)"
    said = []
    for name, value in family.parameters.items():
        low, high = family.intervals.get(name, (value, value))
        width = (high - low) / 2
        said.append(f"{name} = {value:.6g}" + (f" ± {width:.1g}" if width > 0 else ""))
    return f"{family.name}({', '.join(said)})"
