"""From a setting to a run: charts, clocks, step loops, accumulators."""

from . import run, setting, simulation, stop
from .run import *
from .setting import *
from .simulation import *
from .stop import *

__all__: list[str] = []
__all__ += run.__all__
__all__ += setting.__all__
__all__ += simulation.__all__
__all__ += stop.__all__
