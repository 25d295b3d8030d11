"""Which solution does an optimizer select? Exact dynamics, predictions and certificates.

A *setting* is a problem, a model, an optimizer and a start. ``simulate`` turns it into a run,
``predict`` into what theory says it selects, and a certificate says how good an answer is.
"""

__version__ = "0.1.0"

from .dynamics import Run, Save, Setting, Stop, load, simulate
from .geometry import (
    Euclidean,
    Hypentropy,
    LpNorm,
    Mahalanobis,
    Norm,
    PNorm,
    Potential,
    bregman_projection,
)
from .models import (
    Balanced,
    DeepLinear,
    Diagonal,
    Hadamard,
    Linear,
    MatrixFactorization,
    Model,
    PowerPropagation,
)
from .optimizers import (
    SGD,
    CoordinateDescent,
    Decay,
    Flow,
    GradientDescent,
    GradientFlow,
    HeavyBall,
    MirrorDescent,
    Nesterov,
    NormalizedGradientDescent,
    Optimizer,
    PreconditionedFlow,
    PreconditionedGradientDescent,
    RandomizedKaczmarz,
    SignDescent,
    SteepestDescent,
    Step,
)
from .problems import Classification, MatrixCompletion, MatrixRegression, Problem, Regression
from .selection import (
    BregmanProjection,
    Certificate,
    Hypothesis,
    MaxMargin,
    NoPrediction,
    Prediction,
    Program,
    Rule,
    certify,
    closed_form,
    compare,
    max_margin,
    mirror_form,
    predict,
)
from .theorems import Control, Evidence, Theorem, cite, verify
