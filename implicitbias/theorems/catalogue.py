"""All theorems, gathered from the folders of the families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules

from .base import Theorem

__all__ = ["FAMILIES", "THEOREMS"]

FAMILIES = ("linear", "diagonal", "deep", "matrix", "classification", "design")


def _declared(family: str) -> Iterator[Theorem]:
    """Every Theorem at the top level of a module of the family's folder."""
    package = import_module(f".{family}", __package__)
    for module in iter_modules(package.__path__):
        declarations = vars(import_module(f"{package.__name__}.{module.name}")).values()
        yield from (d for d in declarations if isinstance(d, Theorem) and d.family == family)


class Catalogue(Mapping[str, Theorem]):
    """Theorems by id, in the order of the families. The declarations are read at first use, not at import."""

    @cached_property
    def _by_id(self) -> dict[str, Theorem]:
        return {t.id: t for family in FAMILIES for t in _declared(family)}

    def __getitem__(self, id: str) -> Theorem:
        return self._by_id[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)


THEOREMS = Catalogue()


def find(id: str) -> Theorem:
    """The theorem of this id.

    Raises
    ------
    KeyError
        naming the nearest ids, when there is none.
    """
    if id not in THEOREMS:
        near = get_close_matches(id, THEOREMS, n=3, cutoff=0.3)
        advice = f"; nearest: {', '.join(near)}" if near else ""
        raise KeyError(f"there is no theorem {id!r}{advice} (implicitbias list shows all)")
    return THEOREMS[id]


def select(ids: Iterable[str] = (), families: Iterable[str] = ()) -> list[Theorem]:
    """The named theorems and those of the named families, in the catalogue's order; all by default."""
    wanted = {find(i).id for i in ids}
    families = tuple(families)
    for family in families:
        if family not in FAMILIES:
            raise KeyError(f"there is no family {family!r}; families: {', '.join(FAMILIES)}")
        wanted |= {t.id for t in THEOREMS.values() if t.family == family}
    everything = not wanted and not families
    return [t for t in THEOREMS.values() if everything or t.id in wanted]
