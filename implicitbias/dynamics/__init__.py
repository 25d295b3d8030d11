"""From a setting to a run: charts, clocks, step loops, accumulators."""

from .run import Run, load
from .setting import Setting
from .simulate import simulate
from .stop import Save, Stop

__all__ = ["Run", "Save", "Setting", "Stop", "load", "simulate"]
