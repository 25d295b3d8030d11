"""Losses with a polynomial tail."""

from __future__ import annotations

from typing import Any

from ...problems import PolynomialTail
from ..rule import Hypothesis, Rule
from ..tails import PowerMeanMargin
from .classification import CLASSIFICATION, CLASSIFIED, FLOW_LIKE, SEPARABLE
from .common import LINEAR, NO_DECAY

__all__ = ["tail_direction"]


def tail_direction(setting: Any, run: Any = None) -> PowerMeanMargin:
    """The largest power mean of the margins, with the power of the loss."""
    return PowerMeanMargin(setting.problem.Z, setting.problem.loss_name.a)


POLYNOMIAL = Hypothesis(
    "the loss has a polynomial tail, in two classes",
    lambda s: isinstance(s.problem.loss_name, PolynomialTail) and s.problem.is_binary,
)

tail_rule = Rule(
    name="power mean of the margins, of losses with a polynomial tail",
    source="ji2020regularization",
    hypotheses=(CLASSIFICATION, POLYNOMIAL, LINEAR, FLOW_LIKE, NO_DECAY, SEPARABLE, CLASSIFIED),
    apply=tail_direction,
)
