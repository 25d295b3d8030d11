"""The executable catalogue: one module per family, one small declaration per theorem."""

from . import base, catalogue, citation, pages, verification
from .base import *
from .catalogue import *
from .citation import *
from .pages import *
from .verification import *

__all__: list[str] = []
__all__ += base.__all__
__all__ += catalogue.__all__
__all__ += citation.__all__
__all__ += pages.__all__
__all__ += verification.__all__
