"""What theory says is selected: programs and their certificates, rules, predictions."""

from . import margins, prediction, programs, riccati, rule, rules, spectral
from .margins import *
from .prediction import *
from .programs import *
from .riccati import *
from .rule import *
from .rules import *
from .spectral import *

__all__: list[str] = []
__all__ += margins.__all__
__all__ += prediction.__all__
__all__ += programs.__all__
__all__ += riccati.__all__
__all__ += rule.__all__
__all__ += rules.__all__
__all__ += spectral.__all__
