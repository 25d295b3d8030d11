"""How long does ``implicitbias verify`` take, warm and from a cold kernel cache, and how much memory?

The command runs in a child process, once to fill the cache, once timed, and once with
NUMBA_CACHE_DIR at an empty folder, so that every kernel is compiled. Memory is the peak resident
set of the largest child. The peer is one warm run on all cores (``--jobs``).

    python benchmarks/verify_time.py [--seed 0] [--jobs 2]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

from report import Row, clean_environment, report

COMMAND = [sys.executable, "-c", "import sys; from implicitbias.cli import main; sys.exit(main())", "verify"]


def seconds(*arguments: str, **environment: str) -> float:
    """Wall time of one ``implicitbias verify``; raises when it does not exit with zero."""
    began = time.perf_counter()
    child = subprocess.run(
        [*COMMAND, *arguments], env=clean_environment(**environment), capture_output=True, text=True
    )
    took = time.perf_counter() - began
    if child.returncode:
        raise SystemExit(f"verify exited with {child.returncode}:\n{child.stdout}{child.stderr}")
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", default="0")
    parser.add_argument("--jobs", default=str(os.cpu_count() or 1))
    args = parser.parse_args()
    seed = ("--seed", args.seed)
    seconds(*seed, "--quick")
    warm = seconds(*seed)
    with tempfile.TemporaryDirectory() as folder:
        cold = seconds(*seed, NUMBA_CACHE_DIR=folder)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    megabytes = peak / (1024**2 if sys.platform == "darwin" else 1024) * 1.048576
    many = seconds(*seed, "--jobs", args.jobs)
    return report(
        __doc__.splitlines()[0],
        [
            Row("warm", warm, "s", 120),
            Row("cold kernel cache", cold, "s", 150),
            Row("peak memory of a process", megabytes, "MB", 500),
            Row(f"warm, --jobs {args.jobs} (peer)", many, "s"),
        ],
    )


if __name__ == "__main__":
    raise SystemExit(main())
