"""The rules of ``predict``. Adding one is one declaration in a module here (or, in a user's own code,
``RULES.append``).
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from ..rule import Rule
from .classification import MarginCurve
from .common import mirror_form
from .spectral import SpectralModes

__all__ = ["RULES", "MarginCurve", "SpectralModes", "mirror_form"]

_modules = [import_module(f".{m.name}", __package__) for m in iter_modules(__path__)]

RULES: list[Rule] = list(
    {r.name: r for module in _modules for r in vars(module).values() if isinstance(r, Rule)}.values()
)
