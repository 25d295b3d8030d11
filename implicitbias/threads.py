"""BLAS threads: one, for the small dense problems that this package is made of.

On matrices of a few hundred rows a second thread gains nothing, and on a busy machine waiting for it
costs a hundredfold. Larger ones keep the user's setting.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

__all__ = ["one_blas_thread"]

LARGE = 1000


@contextmanager
def one_blas_thread(size: int) -> Iterator[None]:
    """Run the block on one BLAS thread where the largest matrix has fewer than ``LARGE`` rows."""
    if size >= LARGE:
        yield
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def _controller() -> Any:
    import scipy.linalg  # noqa: F401  (its BLAS must be loaded to be found)
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
