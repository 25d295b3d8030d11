"""The executable catalogue: one module per family, one small declaration per theorem."""

from .base import Control, Evidence, Sample, Theorem
from .catalogue import FAMILIES, THEOREMS, find
from .cite import cite
from .pages import page, theory_folder
from .verify import Report, Result, verify

__all__ = [
    "FAMILIES",
    "THEOREMS",
    "Control",
    "Evidence",
    "Report",
    "Result",
    "Sample",
    "Theorem",
    "cite",
    "find",
    "page",
    "theory_folder",
    "verify",
]
