"""What an optimizer can prefer: potentials (mirror maps), norms and their duals."""

from . import bregman, custom, entropies, norms, potentials, powers, products, radial, ranks, spectral_lift
from .bregman import *
from .custom import *
from .entropies import *
from .norms import *
from .potentials import *
from .products import *
from .powers import *
from .radial import *
from .ranks import *
from .spectral_lift import *

__all__: list[str] = []
__all__ += bregman.__all__
__all__ += custom.__all__
__all__ += entropies.__all__
__all__ += norms.__all__
__all__ += potentials.__all__
__all__ += products.__all__
__all__ += powers.__all__
__all__ += radial.__all__
__all__ += ranks.__all__
__all__ += spectral_lift.__all__
