"""Letters for groups of rows."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["letter", "letters"]


def letter(k: int) -> str:
    """A, B, …, Z, AA, AB, …"""
    return letter(k // 26 - 1) + letter(k % 26) if k >= 26 else chr(ord("A") + k)


def letters(groups: Sequence[Sequence[int]], count: int) -> list[str]:
    """The letter of each row's group; empty without one."""
    told = [""] * count
    for k, group in enumerate(groups):
        for i in group:
            told[i] = letter(k)
    return told
