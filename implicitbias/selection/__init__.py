"""What theory says is selected: programs and their certificates, rules, predictions."""

from . import (
    ball,
    end_to_end,
    flatness,
    fourier,
    greedy,
    half_spaces,
    homotopy,
    least_norm,
    margins,
    mixed,
    modes,
    nonseparable,
    nuclear,
    penalized,
    prediction,
    programs,
    riccati,
    rule,
    rules,
    saddles,
    schatten,
    sparse_limit,
    sparse_margins,
    spectral,
    step_maps,
    tails,
    von_neumann,
    weight_flow,
)
from .ball import *
from .end_to_end import *
from .flatness import *
from .fourier import *
from .greedy import *
from .half_spaces import *
from .homotopy import *
from .least_norm import *
from .margins import *
from .mixed import *
from .modes import *
from .nonseparable import *
from .nuclear import *
from .penalized import *
from .prediction import *
from .programs import *
from .riccati import *
from .rule import *
from .rules import *
from .saddles import *
from .schatten import *
from .sparse_limit import *
from .sparse_margins import *
from .spectral import *
from .step_maps import *
from .tails import *
from .von_neumann import *
from .weight_flow import *

__all__: list[str] = []
__all__ += ball.__all__
__all__ += end_to_end.__all__
__all__ += flatness.__all__
__all__ += fourier.__all__
__all__ += greedy.__all__
__all__ += half_spaces.__all__
__all__ += homotopy.__all__
__all__ += least_norm.__all__
__all__ += margins.__all__
__all__ += mixed.__all__
__all__ += modes.__all__
__all__ += nonseparable.__all__
__all__ += nuclear.__all__
__all__ += penalized.__all__
__all__ += prediction.__all__
__all__ += programs.__all__
__all__ += riccati.__all__
__all__ += rule.__all__
__all__ += rules.__all__
__all__ += saddles.__all__
__all__ += schatten.__all__
__all__ += sparse_limit.__all__
__all__ += sparse_margins.__all__
__all__ += spectral.__all__
__all__ += step_maps.__all__
__all__ += tails.__all__
__all__ += von_neumann.__all__
__all__ += weight_flow.__all__
