"""The atlas: which solution each setting selects on one problem, and how far apart they are."""

from . import mapping, rows
from .mapping import *
from .rows import *

__all__: list[str] = []
__all__ += mapping.__all__
__all__ += rows.__all__
