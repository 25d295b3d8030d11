"""How long does one fused step take, with accumulators on?

n = 6, d = 12, on Linear and Hadamard; wall time of ``simulate`` over a million steps, start-up
included, the best of several, in µs per step. Only Hadamard has accumulators; Linear has none to
keep. The peers are the package's own Python loop (engine="python") and, for gradient descent, a plain
NumPy loop that does the same arithmetic without accumulators.

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


def others() -> dict[str, tuple[ib.Model, ib.Optimizer, float]]:
    """The other rules, each with its target: two transcendental functions a coordinate take longer than one."""
    product, linear, psi = ib.Hadamard(), ib.Linear(), ib.Hypentropy(-2.0)
    return {
        "SGD": (product, ib.SGD(STEP), 0.2),
        "Nesterov": (product, ib.Nesterov(STEP), 0.2),
        "steepest descent in ℓ4/3": (product, ib.SteepestDescent(4 / 3, STEP), 1.2),
        "AdaGrad": (product, ib.AdaGrad(STEP), 0.4),
        "RMSProp": (product, ib.RMSProp(STEP), 0.4),
        "Adam": (product, ib.Adam(STEP), 0.4),
        "AdamW": (product, ib.AdamW(STEP), 0.4),
        "Lion": (product, ib.Lion(STEP), 0.4),
        "Signum": (product, ib.SignDescent(STEP, 0.9), 0.4),
        "SAM": (product, ib.SAM(STEP, 0.01), 0.4),
        "SAM of each sample": (product, ib.SAM(STEP, 0.01, per_sample=True), 0.8),
        "label noise": (product, ib.LabelNoiseSGD(STEP, 0.1), 0.4),
        "stochastic gradient flow": (product, ib.StochasticGradientFlow(STEP), 0.8),
        "natural gradient": (product, ib.NaturalGradient(STEP), 0.8),
        "preconditioned, diagonal": (product, ib.PreconditionedGradientDescent(np.ones(2 * D), STEP), 0.4),
        "preconditioned, matrix": (product, ib.PreconditionedGradientDescent(np.eye(2 * D), STEP), 0.4),
        "average of gradient descent": (product, ib.Averaged(ib.GradientDescent(STEP)), 0.4),
        "mirror descent, hypentropy": (linear, ib.MirrorDescent(psi, STEP), 0.4),
        "its momentum on θ": (linear, ib.MirrorDescent(psi, STEP, 0.9, primal=True), 0.8),
        "mirror descent, ℓ3/2": (linear, ib.MirrorDescent(ib.PNorm(1.5), STEP), 0.4),
        "exponentiated gradient": (linear, ib.MirrorDescent(ib.Entropy(), STEP), 0.4),
    }


def rule(
    problem: ib.Regression, name: str, case: tuple[ib.Model, ib.Optimizer, float], steps: int, repeats: int
) -> list[Row]:
    """The fused loop and the Python loop on one rule, from θ in [½, 1]."""
    model, optimizer, target = case
    theta = 0.5 + 0.5 * np.random.default_rng(1).random((2, D) if isinstance(model, ib.Hadamard) else D)
    setting, few = ib.Setting(problem, model, optimizer, theta), max(steps // 1000, 1)

    def run(count: int, engine: str) -> ib.Run:
        return ib.simulate(setting, ib.Stop(steps=count), engine=engine)

    short, long = run(few, "numba"), run(few, "python")
    assert np.allclose(short.theta, long.theta, rtol=1e-11), f"the peers disagree on {name}"
    fused, end = best_of(repeats, lambda: run(steps, "numba"))
    assert end.steps == steps, end.message
    python, _ = best_of(2, lambda: run(few, "python"))
    where = f"{name} ({type(model).__name__})"
    return [
        Row(f"{where}: fused", fused / steps * 1e6, "µs", target),
        Row("  Python loop", python / few * 1e6, "µs"),
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
    for name, case in others().items():
        rows += rule(problem, name, case, args.steps, args.repeats)
    return report(__doc__.splitlines()[0], rows)


if __name__ == "__main__":
    raise SystemExit(main())
