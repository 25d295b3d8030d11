"""How long does one fused step of gradient descent take, with accumulators on?

n = 6, d = 12, on Linear and Hadamard; wall time of ``simulate`` over a million steps, start-up
included, the best of several, in µs per step. Only Hadamard has accumulators; Linear has none to
keep. The peers are the package's own Python loop (engine="python") and a plain NumPy loop that does
the same arithmetic without accumulators.

    python benchmarks/step_time.py [--steps 1000000] [--repeats 5]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from report import Row, best_of, report

import implicitbias as ib

N, D = 6, 12
STEP = 1e-6
"""So small that a million steps neither converge nor rest."""


def numpy_linear(X: np.ndarray, y: np.ndarray, w: np.ndarray, steps: int) -> np.ndarray:
    """Gradient descent on w."""
    n = len(y)
    for _ in range(steps):
        w = w - STEP * ((X @ w - y) @ X / n)
    return w


def numpy_hadamard(X: np.ndarray, y: np.ndarray, theta: np.ndarray, steps: int) -> np.ndarray:
    """Gradient descent on (u, v), w = u∘v."""
    n = len(y)
    for _ in range(steps):
        g = (X @ (theta[0] * theta[1]) - y) @ X / n
        theta = theta - STEP * theta[::-1] * g
    return theta


def measure(
    problem: ib.Regression,
    model: ib.Model,
    start: np.ndarray,
    loop: Callable[..., np.ndarray],
    steps: int,
    repeats: int,
) -> list[Row]:
    """The fused loop and its two peers on one model; the peers take a hundredth of the steps."""
    setting, few = ib.Setting(problem, model, ib.GradientDescent(STEP), start), max(steps // 100, 1)

    def run(count: int, engine: str) -> ib.Run:
        return ib.simulate(setting, ib.Stop(steps=count), engine=engine)

    run(few, "numba")  # compiles, or reads the cache
    fused, end = best_of(repeats, lambda: run(steps, "numba"))
    assert end.steps == steps, end.message
    python, end = best_of(3, lambda: run(few, "python"))
    plain, theta = best_of(3, lambda: loop(problem.X, problem.y, start, few))
    assert np.allclose(end.theta, theta, rtol=1e-12), "the peers disagree"
    name = type(model).__name__
    return [
        Row(f"{name}: fused", fused / steps * 1e6, "µs", 0.15),
        Row(f"{name}: the package's Python loop (peer)", python / few * 1e6, "µs"),
        Row(f"{name}: a plain NumPy loop (peer)", plain / few * 1e6, "µs"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    problem = ib.Regression(rng.standard_normal((N, D)), rng.standard_normal(N))
    models: list[tuple[ib.Model, np.ndarray, Callable[..., np.ndarray]]] = [
        (ib.Linear(), np.zeros(D), numpy_linear),
        (ib.Hadamard(), rng.standard_normal((2, D)), numpy_hadamard),
    ]
    rows = [row for case in models for row in measure(problem, *case, args.steps, args.repeats)]
    return report(__doc__.splitlines()[0], rows)


if __name__ == "__main__":
    raise SystemExit(main())
