"""What theory says is selected: programs and their certificates, rules, predictions."""

from .prediction import Comparison, NoPrediction, Prediction, closed_form, compare, predict
from .programs import BregmanProjection, Certificate, MaxMargin, MaxMarginSolution, Program, certify, max_margin
from .riccati import RiccatiSolution
from .rule import Hypothesis, Rule
from .rules import RULES, mirror_form

__all__ = [
    "RULES",
    "BregmanProjection",
    "Certificate",
    "Comparison",
    "Hypothesis",
    "MaxMargin",
    "MaxMarginSolution",
    "NoPrediction",
    "Prediction",
    "Program",
    "RiccatiSolution",
    "Rule",
    "certify",
    "closed_form",
    "compare",
    "max_margin",
    "mirror_form",
    "predict",
]
