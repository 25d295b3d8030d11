"""How the predictor is parametrised: w(θ), its pullback, its starts and what it conserves."""

from . import base, convolution, diagonal, linear, matrix, products, reparametrized, weight_norm
from .base import *
from .convolution import *
from .diagonal import *
from .linear import *
from .matrix import *
from .products import *
from .reparametrized import *
from .weight_norm import *

__all__: list[str] = []
__all__ += base.__all__
__all__ += convolution.__all__
__all__ += diagonal.__all__
__all__ += linear.__all__
__all__ += matrix.__all__
__all__ += products.__all__
__all__ += reparametrized.__all__
__all__ += weight_norm.__all__
