"""The door: every array and number that comes from a user passes through here once."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

import numpy as np

__all__ = ["number", "positive", "real_array", "whole"]


def real_array(
    name: str, value: Any, shape: tuple[int | None, ...] | None = None, advice: str = ""
) -> np.ndarray:
    """C-contiguous, read-only float64 copy of ``value``; integers and any memory order are welcome.

    ``shape`` gives the expected extents, ``None`` where any is allowed.
    """
    try:
        given = np.asarray(value)
        if given.dtype.kind == "O" and not all(isinstance(x, Number) for x in given.ravel()):
            given = np.asarray("text")
        array = np.array(given, dtype=np.float64, order="C") if given.dtype.kind in "biufO" else None
    except (TypeError, ValueError):
        array = None
    if array is None:
        raise ValueError(f"{name} must be an array of real numbers, got {value!r:.80}")
    if shape is not None:
        wanted = "(" + ", ".join("·" if s is None else str(s) for s in shape) + ")"
        if array.ndim != len(shape) or any(s is not None and s != a for s, a in zip(shape, array.shape)):
            raise ValueError(
                f"{name} has shape {array.shape}; expected {wanted}" + (f" {advice}" if advice else "")
            )
    if array.size == 0:
        raise ValueError(f"{name} is empty: shape {array.shape}; every extent must be at least 1")
    if not np.isfinite(array).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}{list(bad)} is {array[bad]}; data must be finite")
    array.flags.writeable = False
    return array


def number(name: str, value: Any, wanted: str, good: Callable[[float], bool]) -> float:
    """``value`` as a finite float that is ``good``; ``wanted`` completes "NAME must …"."""
    try:
        x = np.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError):
        x = np.nan
    if not (np.isfinite(x) and good(x)):
        raise ValueError(f"{name} must {wanted}, got {value!r:.80}")
    return x


def whole(name: str, value: Any, least: int) -> int:
    """``value`` as an integer ≥ ``least``."""
    return int(number(name, value, f"be an integer ≥ {least}", lambda x: x == int(x) and x >= least))


def positive(name: str, value: Any) -> float:
    """``value`` as a float, which must be finite and > 0."""
    return number(name, value, "be finite and > 0", lambda x: x > 0)
