"""From solutions to the regulariser that selected them (identify), and from a regulariser to an optimizer (design)."""

from . import bias, expressions, families, forms, identification, metrics, splines
from .bias import *
from .expressions import *
from .families import *
from .forms import *
from .identification import *
from .metrics import *
from .splines import *

__all__: list[str] = []
__all__ += bias.__all__
__all__ += expressions.__all__
__all__ += families.__all__
__all__ += forms.__all__
__all__ += identification.__all__
__all__ += metrics.__all__
__all__ += splines.__all__
