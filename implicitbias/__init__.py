"""Which solution does an optimizer select? Exact dynamics, predictions and certificates.

A *setting* is a problem, a model, an optimizer and a start. ``simulate`` turns it into a run,
``predict`` into what theory says it selects, and a certificate says how good an answer is.
"""

__version__ = "0.1.0"

from . import atlases, discovery, dynamics, geometry, models, optimizers, problems, selection, theorems
from .problems.base import *
from .problems.classification import *
from .problems.loading import *
from .problems.matrix import *
from .problems.regression import *
from .problems.sensing import *
from .problems.splits import *
from .problems.tables import *
from .problems.tasks import *
from .models.base import *
from .models.convolution import *
from .models.diagonal import *
from .models.linear import *
from .models.matrix import *
from .models.products import *
from .models.reparametrized import *
from .models.weight_norm import *
from .optimizers.adaptive import *
from .optimizers.averaging import *
from .optimizers.base import *
from .optimizers.central import *
from .optimizers.gradient import *
from .optimizers.mirror import *
from .optimizers.modified import *
from .optimizers.momentum import *
from .optimizers.preconditioned import *
from .optimizers.sharpness import *
from .optimizers.spectral import *
from .optimizers.steepest import *
from .optimizers.stochastic import *
from .geometry.bregman import *
from .geometry.custom import *
from .geometry.entropies import *
from .geometry.norms import *
from .geometry.potentials import *
from .geometry.products import *
from .geometry.powers import *
from .geometry.radial import *
from .geometry.ranks import *
from .geometry.spectral_lift import *
from .dynamics.run import *
from .dynamics.setting import *
from .dynamics.simulation import *
from .dynamics.stop import *
from .selection.ball import *
from .selection.end_to_end import *
from .selection.flatness import *
from .selection.fourier import *
from .selection.greedy import *
from .selection.half_spaces import *
from .selection.homotopy import *
from .selection.least_norm import *
from .selection.margins import *
from .selection.mixed import *
from .selection.modes import *
from .selection.nonseparable import *
from .selection.nuclear import *
from .selection.penalized import *
from .selection.prediction import *
from .selection.programs import *
from .selection.riccati import *
from .selection.rule import *
from .selection.rules import *
from .selection.saddles import *
from .selection.schatten import *
from .selection.sparse_limit import *
from .selection.sparse_margins import *
from .selection.spectral import *
from .selection.step_maps import *
from .selection.tails import *
from .selection.von_neumann import *
from .selection.weight_flow import *
from .discovery.bias import *
from .discovery.expressions import *
from .discovery.families import *
from .discovery.forms import *
from .discovery.identification import *
from .discovery.metrics import *
from .discovery.splines import *
from .theorems.base import *
from .theorems.catalogue import *
from .theorems.citation import *
from .theorems.pages import *
from .theorems.verification import *
from .atlases import *

__all__: list[str] = ["__version__"]
__all__ += problems.__all__
__all__ += models.__all__
__all__ += optimizers.__all__
__all__ += geometry.__all__
__all__ += dynamics.__all__
__all__ += selection.__all__
__all__ += discovery.__all__
__all__ += theorems.__all__
__all__ += atlases.__all__
