"""What `implicitbias doctor` looks at."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import Any

__all__ = ["diagnose"]

Row = tuple[str, str, bool]
REQUIRED = ("numpy", "scipy", "numba", "matplotlib", "rich", "markdown-it-py", "threadpoolctl")
OPTIONAL = {"xarray": "xarray", "scikit-learn": "data", "cvxpy": "sdp"}


def diagnose() -> list[Row]:
    """Rows of (what, its state, whether it is as it should be)."""
    return [*_versions(), *_threads(), *_pages(), *_cache(), *_gpu()]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _versions() -> list[Row]:
    from . import __version__

    rows: list[Row] = [
        ("implicitbias", __version__, True),
        (
            "python",
            f"{platform.python_version()} on {platform.machine()}, {os.cpu_count()} cores",
            True,
        ),
    ]
    for name in REQUIRED:
        version = _version(name)
        rows.append((name, version or "missing: reinstall implicitbias", version is not None))
    for name, extra in OPTIONAL.items():
        rows.append(
            (
                name,
                _version(name) or f"not installed (optional: pip install 'implicitbias[{extra}]')",
                True,
            )
        )
    return rows


def _threads() -> list[Row]:
    import numba

    config: Any = numba.config

    names = (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "NUMBA_DISABLE_JIT",
    )
    seen = [f"{n}={os.environ[n]}" for n in names if n in os.environ]
    jit = "off: kernels run as Python, slowly" if config.DISABLE_JIT else "on"
    return [
        (
            "threads",
            f"numba {config.NUMBA_NUM_THREADS}; " + (", ".join(seen) or "no variable set"),
            True,
        ),
        ("compilation", jit, not config.DISABLE_JIT),
    ]


def _pages() -> list[Row]:
    from .theorems import THEOREMS
    from .theorems.pages import page, theory_folder

    try:
        for theorem in THEOREMS.values():
            page(theorem)
        return [("theory pages", f"{len(THEOREMS)} in {theory_folder()}", True)]
    except OSError as error:
        return [("theory pages", str(error), False)]


def _cache() -> list[Row]:
    """Whether compiled kernels are kept, and how long the first step takes."""
    folder = Path(os.environ.get("NUMBA_CACHE_DIR", Path(__file__).parent / "kernels" / "__pycache__"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            state, good = f"{folder} is writable", True
    except OSError:
        state, good = (
            f"{folder} is not writable: set NUMBA_CACHE_DIR, or kernels compile in every process",
            False,
        )
    began = time.perf_counter()
    from .dynamics.setting import Setting
    from .dynamics.simulation import simulate
    from .dynamics.stop import Stop
    from .models.linear import Linear
    from .optimizers.gradient import GradientDescent
    from .problems.regression import Regression

    simulate(Setting(Regression([[1.0, 1.0]], [1.0]), Linear(), GradientDescent(0.1)), Stop(steps=1))
    return [
        ("kernel cache", state, good),
        ("first step", f"{time.perf_counter() - began:.2f} s", True),
    ]


def _gpu() -> list[Row]:
    version = next((v for n in ("cupy", "cupy-cuda12x", "cupy-cuda13x") if (v := _version(n))), None)
    if version is None:
        return [("gpu", "CuPy is not installed; every kernel here runs on the CPU", True)]
    try:
        import cupy

        count = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:
        return [("gpu", f"CuPy {version} finds no device: {error}", True)]
    return [("gpu", f"CuPy {version}, {count} device(s); this version's kernels run on the CPU", True)]
