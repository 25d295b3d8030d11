"""How parameters move: flows and steps, one file per family."""

from .base import Decay, Flow, KernelRule, Optimizer, Step, step_sizes
from .gradient import GradientDescent, GradientFlow
from .mirror import MirrorDescent
from .momentum import HeavyBall, Nesterov
from .preconditioned import PreconditionedFlow, PreconditionedGradientDescent
from .steepest import CoordinateDescent, NormalizedGradientDescent, SignDescent, SteepestDescent
from .stochastic import SGD, RandomizedKaczmarz

__all__ = [
    "SGD",
    "CoordinateDescent",
    "Decay",
    "Flow",
    "GradientDescent",
    "GradientFlow",
    "HeavyBall",
    "KernelRule",
    "MirrorDescent",
    "Nesterov",
    "NormalizedGradientDescent",
    "Optimizer",
    "PreconditionedFlow",
    "PreconditionedGradientDescent",
    "RandomizedKaczmarz",
    "SignDescent",
    "SteepestDescent",
    "Step",
    "step_sizes",
]
