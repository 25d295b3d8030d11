"""What is fitted: data and a loss, as functions of the predictor w."""

from . import base, classification, matrix, regression
from .base import *
from .classification import *
from .matrix import *
from .regression import *

__all__: list[str] = []
__all__ += base.__all__
__all__ += classification.__all__
__all__ += matrix.__all__
__all__ += regression.__all__
