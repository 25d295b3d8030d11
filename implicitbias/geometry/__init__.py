"""What an optimizer can prefer: potentials (mirror maps), norms and their duals."""

from . import bregman, norms, potentials
from .bregman import *
from .norms import *
from .potentials import *

__all__: list[str] = []
__all__ += bregman.__all__
__all__ += norms.__all__
__all__ += potentials.__all__
