"""How parameters move: flows and steps, one file per family."""

from . import (
    adaptive,
    averaging,
    base,
    central,
    gradient,
    mirror,
    modified,
    momentum,
    preconditioned,
    sharpness,
    spectral,
    steepest,
    stochastic,
)
from .adaptive import *
from .averaging import *
from .base import *
from .central import *
from .gradient import *
from .mirror import *
from .modified import *
from .momentum import *
from .preconditioned import *
from .sharpness import *
from .spectral import *
from .steepest import *
from .stochastic import *

__all__: list[str] = []
__all__ += adaptive.__all__
__all__ += averaging.__all__
__all__ += base.__all__
__all__ += central.__all__
__all__ += gradient.__all__
__all__ += mirror.__all__
__all__ += modified.__all__
__all__ += momentum.__all__
__all__ += preconditioned.__all__
__all__ += sharpness.__all__
__all__ += spectral.__all__
__all__ += steepest.__all__
__all__ += stochastic.__all__
