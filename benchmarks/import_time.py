"""How long does ``import implicitbias`` take, and how much of it is NumPy alone?

Fresh interpreters in turn, the median of several; the time is read inside the child, around the
import statement. The peer is ``import numpy``.

    python benchmarks/import_time.py [--repeats 9]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from report import Row, clean_environment, report

CODE = "import time; t = time.perf_counter(); import {}; print(time.perf_counter() - t)"


def seconds(module: str) -> float:
    """One import in a fresh interpreter."""
    child = subprocess.run(
        [sys.executable, "-c", CODE.format(module)], env=clean_environment(), capture_output=True, text=True, check=True
    )  # fmt: skip
    return float(child.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    modules = ("implicitbias", "numpy")
    for module in modules:
        seconds(module)  # writes the bytecode
    times: dict[str, list[float]] = {m: [] for m in modules}
    for _ in range(repeats):
        for module in modules:
            times[module].append(seconds(module))
    median = {m: statistics.median(times[m]) for m in modules}
    return report(
        __doc__.splitlines()[0],
        [
            Row("import implicitbias", median["implicitbias"], "s", 0.4),
            Row("import numpy (peer)", median["numpy"], "s"),
        ],
    )


if __name__ == "__main__":
    raise SystemExit(main())
