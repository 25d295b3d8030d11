"""Settings and programs in words, short enough for a line of a table."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ..geometry import Euclidean, Hypentropy, Mahalanobis, PNorm, Potential, ProductPotential, SquaredPNorm
from ..selection import BregmanProjection, Prediction

__all__ = ["describe", "program_text"]


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
    program = pred.program
    if program is None:
        return ""
    if isinstance(program, BregmanProjection):
        tilt = "" if not np.any(program.z0) else " − ⟨z₀, w⟩"
        return f"min {potential_text(program.potential)}{tilt} subject to Xw = y"
    first = (type(program).__doc__ or type(program).__name__).split("\n")[0]
    return first.rstrip(".")


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
