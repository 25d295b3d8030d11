"""What identification found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .families import FamilyFit
from .separable import SplineFit

__all__ = ["Bias", "Candidate"]

EXPLAINED = 0.05
"""A candidate explains solutions of whose ∇R at most this share lies outside range(Xᵀ)."""


class Candidate(NamedTuple):
    """One class of regularisers, and how well its best member explains the solutions."""

    name: str
    residual: float = np.nan
    """Root mean square over the problems of the share of ∇R(w) − ∇R(w₀) outside range(Xᵀ), of problems that were not
    fitted or of a named family."""
    floor: float = np.nan
    """What the unconverged part of the runs and rounding would leave of it."""
    runner_up: float = np.nan
    """The share that the next best, orthogonal R of the class leaves: data that determine R leave much."""
    potential: Any = None
    range: tuple[float, float] | None = None
    family: FamilyFit | None = None
    spline: SplineFit | None = None
    missing: str = ""
    """Why the data do not determine a member; empty when they do."""
    convex: bool = True

    @property
    def explains(self) -> bool:
        """Whether a convex member leaves next to nothing outside."""
        return not self.missing and self.convex and self.residual <= EXPLAINED

    def outcome(self) -> str:
        """How the candidate did, in words."""
        if self.missing:
            return f"{self.name} is undetermined ({self.missing})"
        shape = "" if self.convex else ", and that R is not convex"
        return f"{self.name} leaves {self.residual:.2g}{shape}"


@dataclass(frozen=True, eq=False)
class Bias:
    """The result of :func:`identify`.

    Attributes
    ----------
    verdict : "separable", "quadratic", "spectral", "margin" or "none".
    message : a sentence: how well the verdict explains the solutions, against what floor and runner-up.
    potential : callable φ′, up to a positive factor (and a constant, where no coordinate changes its sign), an odd
        function of w or of singular values; of a quadratic, w ↦ Mw; None where none was found.
    range : (low, high), the sizes |w| over which φ′ is determined.
    family : the best named family, or None: ``name``, ``parameters`` and 95 % ``intervals`` keyed by the arguments of
        its constructor, its own ``residual``, and ``potential``, an object of this package.
    residual, runner_up, floor : of the verdict's candidate (of the best one, when the verdict is "none").
    candidates : every class that was tried, with what each leaves unexplained.
    problems : how many problems were looked at.
    """

    verdict: str
    message: str
    potential: Callable[[Any], np.ndarray] | None
    range: tuple[float, float] | None
    family: FamilyFit | None
    residual: float
    runner_up: float
    floor: float
    candidates: tuple[Candidate, ...]
    problems: int

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """(sizes |w|, lower, upper): φ′ in 95 % of refits to problems drawn with replacement."""
        for candidate in self.candidates:
            if candidate.name == self.verdict and candidate.spline is not None:
                return candidate.spline.grid, *candidate.spline.band
        return None

    def __repr__(self) -> str:
        return f"<Bias: {self.message}>"

    def plot(self, ax: Any = None) -> Any:
        """Draw φ′ over the range with its band, and the named family dashed over it; returns the artists."""
        from ..plotting import mirror_map

        if self.band is None:
            raise ValueError(f"there is no φ′ to draw: {self.message}")
        sizes, low, high = self.band
        shown = (sizes >= self.range[0]) & (sizes <= self.range[1])  # type: ignore[index]
        sizes, low, high = sizes[shown], low[shown], high[shown]
        values = self.potential(sizes)  # type: ignore[misc]
        potential = None if self.family is None else self.family.potential
        named = None if potential is None else aligned(potential.gradient(sizes), values)
        return mirror_map(
            sizes, values, (low, high), named, ax=ax, label=label(self.family) if self.family else ""
        )

    def to_dict(self) -> dict[str, Any]:
        """The verdict and its numbers, as JSON can hold them."""
        family = None
        if self.family is not None:
            family = {
                "name": self.family.name, "residual": self.family.residual,
                "parameters": {k: np.asarray(v).tolist() for k, v in self.family.parameters.items()},
                "intervals": {k: list(v) for k, v in self.family.intervals.items()},
            }  # fmt: skip
        return {
            "verdict": self.verdict, "message": self.message, "problems": self.problems,
            "range": None if self.range is None else list(self.range), "family": family,
            "residual": self.residual, "runner_up": self.runner_up, "floor": self.floor,
            "candidates": [
                {name: getattr(c, name) for name in ("name", "residual", "floor", "runner_up", "missing")}
                for c in self.candidates
            ],
        }  # fmt: skip


def aligned(values: np.ndarray, to: np.ndarray) -> np.ndarray:
    """The a·values closest to ``to``; a·values + b where ``to`` is not positive, and so has a free constant."""
    design = np.stack([values, np.ones_like(values)], axis=1) if np.min(to) < 0 else values[:, None]
    out: np.ndarray = design @ np.linalg.lstsq(design, to, rcond=None)[0]
    return out


def label(family: FamilyFit) -> str:
    """The family as a call of its constructor."""
    inside = ", ".join(f"{k}={v:.4g}" for k, v in family.parameters.items())
    return f"{family.name}({inside})"
