"""cite: the BibTeX of what was used."""

from __future__ import annotations

import re
from typing import Any

from ..dynamics import Run, Setting
from ..selection import Prediction, Rule
from .base import Theorem
from .pages import bibliography, page

__all__ = ["cite"]


def cite(*used: Any) -> str:
    """BibTeX entries behind runs, predictions, settings, rules, theorems, or theorem ids.

    Each entry once, in the order of use. A run contributes the package itself and the sources of its model
    and optimizer, a prediction that of its rule, a theorem every source of its page.

    Raises
    ------
    ValueError
        for something that cannot be cited.

    Examples
    --------
    >>> print(cite("randomized-kaczmarz").splitlines()[0])
    @article{strohmer2009kaczmarz,
    """
    keys: list[str] = []
    for item in used:
        keys += [k for k in _keys(item) if k not in keys]
    return "\n\n".join(bibliography()[k] for k in keys)


def _keys(item: Any) -> list[str]:
    if isinstance(item, str):
        from .catalogue import find

        item = find(item)
    if isinstance(item, Theorem):
        return list(dict.fromkeys(re.findall(r"\[@([A-Za-z0-9_]+)\]", page(item)) or [item.source]))
    if isinstance(item, Run):
        return ["implicitbias", *(_keys(item.setting) if item.setting is not None else [])]
    if isinstance(item, Prediction):
        return [item.rule.source]
    if isinstance(item, Rule):
        return [item.source]
    if isinstance(item, Setting):
        parts = (item.problem, item.model, item.optimizer)
        return [s for s in (getattr(p, "source", "") for p in parts) if s]
    raise ValueError(
        f"cite takes runs, predictions, settings, rules, theorems or their ids, not a {type(item).__name__}"
    )
