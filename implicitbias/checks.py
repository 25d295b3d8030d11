"""The door: every array and number that comes from a user passes through here once."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["positive", "real_array"]


def real_array(
    name: str, value: Any, shape: tuple[int | None, ...] | None = None, advice: str = ""
) -> np.ndarray:
    """C-contiguous, read-only float64 copy of ``value``; integers and any memory order are welcome.

    ``shape`` gives the expected extents, ``None`` where any is allowed.
    """
    try:
        given = np.asarray(value)
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


def positive(name: str, value: Any, advice: str = "") -> float:
    """``value`` as a float, which must be finite and > 0."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be a positive number, got {value!r:.80}") from error
    if not (np.isfinite(number) and number > 0):
        raise ValueError(f"{name} must be finite and > 0, got {number}" + (f"; {advice}" if advice else ""))
    return number
