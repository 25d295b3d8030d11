"""How the predictor is parametrised: w(θ), its pullback, its starts and what it conserves."""

from .base import Balanced, Chart, Layout, Model, layout_of
from .diagonal import Diagonal, Hadamard, PowerPropagation
from .linear import Linear
from .matrix import DeepLinear, MatrixFactorization

__all__ = [
    "Balanced",
    "Chart",
    "DeepLinear",
    "Diagonal",
    "Hadamard",
    "Layout",
    "Linear",
    "MatrixFactorization",
    "Model",
    "PowerPropagation",
    "layout_of",
]
