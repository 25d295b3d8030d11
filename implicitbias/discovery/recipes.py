"""The bias of a recipe of settings: how an atlas asks identify."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..dynamics import Setting
from .bias import Bias, label
from .identification import identified
from .probing import Draw, probed
from .sources import Runs

__all__: list[str] = []


def trial_settings(recipe: Callable[[Any], Setting], draw: Draw, seed: Any) -> list[Setting]:
    """The settings that a recipe, a function of the problem, makes of drawn problems."""
    return [recipe(problem) for problem in draw(Runs(recipe), np.random.default_rng(seed))]


def bias_of(settings: list[Setting], seed: Any) -> Bias:
    """identify, on runs of these settings."""
    made = {setting.problem: setting for setting in settings}
    rng = np.random.default_rng(seed)
    return identified(probed(Runs(lambda problem: made[problem]), list(made), rng), rng)


def in_short(bias: Bias) -> str:
    """A verdict for a table: the named potential, or the class; with the share that is left."""
    if bias.verdict == "none":
        return f"none ({bias.residual:.2g} left)"
    if bias.family is None:
        return f"{bias.verdict}, no name ({bias.residual:.1g} left)"
    if bias.family.name == "Mahalanobis":
        return f"Mahalanobis(M) ({bias.residual:.1g} left)"
    margin = "margin of " if bias.verdict == "margin" else ""
    return f"{margin}{label(bias.family)} ({bias.residual:.1g} left)"
