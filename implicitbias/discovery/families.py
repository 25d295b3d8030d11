"""Named potentials, fitted to the same condition as the spline: one parameter each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from ..geometry import Entropy, Euclidean, Hypentropy, PNorm, Potential, Power
from .samples import Coordinates, Samples, coordinates

__all__ = ["FamilyFit"]

GRID = 33
"""Values of the parameter from which the search goes on."""
POLISH, H = 12, 1e-5
"""Steps of Gauss–Newton, and of its differences."""


class Family(NamedTuple):
    """Potentials of one name. The search runs over u, of which the parameter is a smooth increasing function."""

    name: str
    make: Callable[..., Potential]
    parameter: str = ""
    of: Callable[[float], float] = float
    """The parameter of u."""
    bounds: Callable[[np.ndarray], tuple[float, float]] = lambda sizes: (0.0, 0.0)
    """The u searched, given all sizes |w|."""
    fixed: Mapping[str, Any] = MappingProxyType({})
    """Arguments that the family keeps."""
    needs: Callable[[Coordinates], bool] = lambda at: True


class FamilyFit(NamedTuple):
    """A named potential with the parameters that explain the samples best.

    ``parameters`` and ``intervals`` are keyed by the arguments of the potential's constructor; an interval holds
    95 % under draws of other problems, as far as the residual is linear in the parameter.
    """

    name: str
    parameters: dict[str, Any]
    intervals: dict[str, tuple[float, float]]
    residual: float
    """Root mean square over the problems of ‖N_k v‖/‖v‖, v = ∇R(w) − ∇R(w₀)."""
    potential: Potential | None
    """None where ∇R is not single-valued: the margins of ℓ1 and ℓ∞."""

    @property
    def fitted(self) -> int:
        """The number of parameters that were fitted."""
        return len(self.intervals)


def _positive(at: Coordinates) -> bool:
    return at.keep_signs and bool(np.all(at.end > 0))


def _any_c(sizes: np.ndarray) -> tuple[float, float]:
    return float(np.log(sizes[0]) - 6), float(np.log(sizes[-1]) + 5)


FAMILIES = (
    Family("Euclidean", Euclidean),
    Family("Entropy", Entropy, needs=_positive),
    Family("PNorm", PNorm, "p", lambda u: 1 + float(np.exp(u)), lambda sizes: (np.log(0.01), np.log(19))),
    Family("Power", Power, fixed={"a": 2.0}, needs=lambda at: at.keep_signs),
    Family("Power", Power, "a", lambda u: 2 + float(np.exp(u)), lambda sizes: (np.log(1e-3), np.log(30)),
           needs=lambda at: at.keep_signs),
    *(
        Family("Hypentropy", Hypentropy, "log_c", float, _any_c, {} if depth == 2 else {"depth": depth})
        for depth in range(2, 7)
    ),
)  # fmt: skip
"""From the smallest on: where a parameter at the end of its range gives another family, that one is named first."""


def fit_families(samples: Samples, floor: float) -> list[FamilyFit]:
    """The best member of every family that can hold these solutions; ``floor`` is the residual that noise leaves."""
    at = coordinates(samples)
    return [_fit(family, samples, at, floor) for family in FAMILIES if family.needs(at)]


def _fit(family: Family, samples: Samples, at: Coordinates, floor: float) -> FamilyFit:
    def shares(u: float) -> np.ndarray:
        return off_rows(_potential(family, u), samples, at)

    low, high = family.bounds(at.sizes)
    u = error = low
    if family.parameter:
        u = minimiser(lambda u: float(np.sum(shares(u) ** 2)), low, high)
        u, error = polished(shares, u, low, high, floor)
    residual = float(np.sqrt(np.sum(shares(u) ** 2) / len(samples)))
    parameters, intervals = dict(family.fixed), {}
    if family.parameter:
        parameters = {family.parameter: family.of(u), **parameters}
        with np.errstate(over="ignore"):  # of an error without bound
            intervals = {family.parameter: (family.of(u - error), family.of(u + error))}
    return FamilyFit(family.name, parameters, intervals, residual, _potential(family, u))


def _potential(family: Family, u: float) -> Potential:
    return family.make(**({family.parameter: family.of(u)} if family.parameter else {}), **family.fixed)


def off_rows(potential: Potential, samples: Samples, at: Coordinates) -> np.ndarray:
    """(K, D): N_k v/‖v‖ with v = ∇R(w) − ∇R(w₀) for R = Σ φ(c_i)."""
    with np.errstate(all="ignore"):
        v = at.dual(lambda c: slopes_of(potential, c))
        return samples.off(v / np.linalg.norm(v, axis=1, keepdims=True))


def slopes_of(potential: Potential, c: np.ndarray) -> np.ndarray:
    """φ′(c), odd in c."""
    slopes = potential.gradient(np.where(c == 0, 1.0, np.abs(c)))
    return np.where(c == 0, 0.0, np.sign(c) * slopes)


def minimiser(value: Callable[[float], float], low: float, high: float) -> float:
    """The best of a grid, refined between its neighbours."""
    from scipy.optimize import minimize_scalar

    grid = np.linspace(low, high, GRID)
    values = np.array([value(u) for u in grid])
    i = int(np.nanargmin(values))
    near = (grid[max(i - 1, 0)], grid[min(i + 1, GRID - 1)])
    found = minimize_scalar(value, bounds=near, method="bounded", options={"xatol": 1e-4})
    return float(found.x) if found.fun < values[i] else float(grid[i])


def polished(
    shares: Callable[[float], np.ndarray], u: float, low: float, high: float, floor: float
) -> tuple[float, float]:
    """u by Gauss–Newton on the stacked shares s_k(u), and half the width of its interval: 1.96 standard errors
    √Σ(s_kᵀs_k′)²/Σ‖s_k′‖² over the problems, and what shares of the size of the floor would move u by.
    """
    s, error = shares(u), np.inf
    for _ in range(POLISH):
        slope = (shares(u + H) - shares(u - H)) / (2 * H)
        products, curvature = np.sum(s * slope, axis=1), float(np.sum(slope * slope))
        if not curvature > 0:
            break
        error = float(1.96 * np.linalg.norm(products) / curvature + floor * np.sqrt(len(s) / curvature))
        ahead = float(np.clip(u - np.sum(products) / curvature, low, high))
        s_ahead = shares(ahead)
        if not np.sum(s_ahead**2) < np.sum(s**2):
            break
        u, s = ahead, s_ahead
    return u, error
