"""What is fitted: data and a loss, as functions of the predictor w."""

from . import base, classification, loading, matrix, regression, sensing, splits, tables, tasks
from .base import *
from .classification import *
from .loading import *
from .matrix import *
from .regression import *
from .sensing import *
from .splits import *
from .tables import *
from .tasks import *

__all__: list[str] = []
__all__ += base.__all__
__all__ += classification.__all__
__all__ += loading.__all__
__all__ += matrix.__all__
__all__ += regression.__all__
__all__ += sensing.__all__
__all__ += splits.__all__
__all__ += tables.__all__
__all__ += tasks.__all__
