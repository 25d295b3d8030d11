"""Settings and programs in words, short enough for a line of a table."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..geometry import (
    Euclidean,
    Hypentropy,
    LpNorm,
    Mahalanobis,
    MahalanobisNorm,
    Norm,
    PNorm,
    Potential,
    ProductPotential,
    SchattenNorm,
    SquaredPNorm,
)
from ..selection import (
    BallMinimum,
    BoxBarrier,
    BregmanProjection,
    FourierMargin,
    MaxMargin,
    Prediction,
    Program,
    SignedMargin,
    StationaryMargin,
)

__all__ = ["describe", "program_text", "short"]

INTERPOLATES, SEPARATES = " subject to Xw = y", " subject to Zw ≥ 1"


def describe(value: Any) -> str:
    """A constructor call, with numbers to four digits and arrays by shape and range.

    >>> from implicitbias import HeavyBall
    >>> describe(HeavyBall(1 / 3, 0.9))
    'HeavyBall(step=0.3333, momentum=0.9)'
    """
    if isinstance(value, np.ndarray):
        return f"{np.min(value):.4g} … {np.max(value):.4g} {value.shape}" if value.size else "empty"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value))})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        told = [
            f"{f.name}={describe(getattr(value, f.name))}"
            for f in sorted(dataclasses.fields(value), key=lambda f: bool(f.kw_only))
            if f.init and not (f.kw_only and getattr(value, f.name) == f.default) and _tells(value, f.name)
        ]
        return f"{type(value).__name__}({', '.join(told)})"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    return repr(value) if isinstance(value, str | int | type(None)) else type(value).__name__


def _tells(value: Any, name: str) -> bool:
    """Whether an argument says something: a switch that is off does not."""
    return getattr(value, name) is not None and getattr(value, name) is not False


def program_text(pred: Prediction) -> str:
    """What the prediction minimises, in a line; empty where its rule gives a point or a curve instead."""
    return "" if pred.program is None else _program(pred.program)


def _program(program: Program) -> str:
    match program:
        case BregmanProjection(potential=potential, z0=z0):
            tilt = "" if not np.any(z0) else " − ⟨z₀, w⟩"
            return f"min {potential_text(potential)}{tilt}{INTERPOLATES}"
        case MaxMargin(norm=norm):
            return f"min {norm_text(norm)}{SEPARATES}"
        case SignedMargin():
            return f"min ‖w‖₁, signs of the start{SEPARATES}"
        case FourierMargin(depth=depth):
            return f"min ‖Fw‖_p, p = {2 / depth:.3g}{SEPARATES}"
        case StationaryMargin(p=p):
            return f"stationary Σ|w|^p, p = {p:.3g}{SEPARATES}"
        case BallMinimum(norm=norm, radius=radius):
            return f"min L(w) subject to {norm_text(norm)} ≤ {radius:.4g}"
        case BoxBarrier(radius=radius, eps=eps):
            return f"min L(w) + barrier of ‖w‖∞ ≤ {radius:.4g}, ε = {eps:.3g}"
    return (type(program).__doc__ or type(program).__name__).split("\n")[0].rstrip(".")


def short(program: str) -> str:
    """The text of a program without the constraint that all of a problem's have."""
    return program.removesuffix(INTERPOLATES).removesuffix(SEPARATES)


def norm_text(norm: Norm) -> str:
    """A formula for a norm of the package; a constructor call for others."""
    match norm:
        case LpNorm(p=p):
            known = {1.0: "‖w‖₁", 2.0: "‖w‖₂", np.inf: "‖w‖∞"}
            return known.get(p, f"‖w‖_p, p = {p:.3g}")
        case SchattenNorm(p=p):
            return {1.0: "nuclear ‖w‖_*", 2.0: "‖w‖₂", np.inf: "spectral σ₁(w)"}.get(p, describe(norm))
        case MahalanobisNorm():
            return "wᵀMw, M of the run's gradients"
    return describe(norm)


def potential_text(potential: Potential) -> str:
    """A formula for a potential of the package; a constructor call for others."""
    if isinstance(potential, Euclidean):
        return "½‖w‖₂²"
    if isinstance(potential, Mahalanobis):
        return "½wᵀMw"
    if isinstance(potential, PNorm):
        return f"‖w‖_p, p = {potential.p:g}"
    if isinstance(potential, SquaredPNorm):
        return f"½‖w‖_p², p = {potential.p:g}"
    if isinstance(potential, Hypentropy):
        deep = "" if potential.depth == 2 else f" of depth {potential.depth}"
        return f"hypentropy{deep} at c = {_scale(np.asarray(potential.log_c))}"
    if isinstance(potential, ProductPotential):
        return "the potential of a product of factors"
    return describe(potential)


def _scale(log_c: np.ndarray) -> str:
    """c from its logarithm; a range where coordinates differ."""
    low, high = float(np.min(log_c)), float(np.max(log_c))
    shown = [f"{np.exp(x):.3g}" if -700 < x < 700 else f"e^{x:.0f}" for x in (low, high)]
    return shown[0] if high - low < 1e-3 else f"{shown[0]} … {shown[1]}"
