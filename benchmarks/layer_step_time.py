"""How long does a gradient step of a deep linear network take, beside its six matrix products?

Three square layers of h rows on a whitened problem; wall time of ``simulate`` with a goal on the loss, which
is looked at after every step, the best of several, in µs per step, with BLAS on one thread. The peers are a
plain NumPy loop that does the same arithmetic without the look, and the six products alone, below which no
step can be.

    python benchmarks/layer_step_time.py [--repeats 5]
"""

from __future__ import annotations

import argparse

import numpy as np
from report import Row, best_of, report

import implicitbias as ib
from implicitbias.threads import one_blas_thread

STEP = 1e-3
SIZES = {4: (100_000, 1.0), 16: (20_000, 10.0), 64: (1_000, None), 256: (60, None)}
"""h: (steps, the target in µs; None: one and a half times the six products alone)."""


def numpy_loop(T: np.ndarray, theta: tuple[np.ndarray, ...], steps: int) -> np.ndarray:
    """Gradient descent on ½‖W₃W₂W₁ − T‖²."""
    A, B, C = theta
    for _ in range(steps):
        BA = B @ A
        G = C @ BA - T
        H = C.T @ G
        A, B, C = A - STEP * B.T @ H, B - STEP * H @ A.T, C - STEP * G @ BA.T
    return C @ B @ A


def six_products(A: np.ndarray, steps: int) -> None:
    for _ in range(6 * steps):
        A @ A


def measure(h: int, repeats: int) -> list[Row]:
    steps, target = SIZES[h]
    rng = np.random.default_rng(h)
    problem = ib.MatrixRegression.whitened(rng.standard_normal((h, h)) / np.sqrt(h))
    setting = ib.Setting(problem, ib.DeepLinear((h,) * 4), ib.GradientDescent(STEP), ib.Balanced(0.9, rng=1))
    few = max(steps // 20, 20)
    with one_blas_thread(1):
        ib.simulate(setting, ib.Stop(steps=2, loss=1e-30))  # compiles, or reads the cache
        ours, run = best_of(repeats, lambda: ib.simulate(setting, ib.Stop(steps=steps, loss=1e-30)))
        plain, _ = best_of(repeats, lambda: numpy_loop(problem.target, setting.theta0, few))
        floor, _ = best_of(repeats, lambda: six_products(problem.target, few))
        if steps <= 1_000:
            W = numpy_loop(problem.target, setting.theta0, steps)
            assert np.allclose(run.w, W, rtol=1e-9, atol=1e-12), "the peers disagree"
    floor *= 1e6 / few
    return [
        Row(f"h = {h}: simulate", ours / steps * 1e6, "µs", target or 1.5 * floor),
        Row(f"h = {h}: a plain NumPy loop (peer)", plain / few * 1e6, "µs"),
        Row(f"h = {h}: six products alone (peer)", floor, "µs"),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rows = [row for h in SIZES for row in measure(h, args.repeats)]
    return report("How long does a gradient step of three layers of h × h take?", rows)


if __name__ == "__main__":
    raise SystemExit(main())
