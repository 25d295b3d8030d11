"""At scales down to 1e-150, does the diagonal flow in θ end at the dual solution, and how fast?

Regression with n = 20, d = 100 and generic targets; the gradient flow on u² − v² from
u = v = scale, integrated in its log chart and not polished. The distance is to the solution that
``predict`` finds by dual Newton from the setting alone. The peer is scipy's
solve_ivp(method="BDF") on the same field d ln|u|/dt = −2g, d ln|v|/dt = +2g with its analytic
Jacobian, at the same tolerances, to the time at which the package's run stopped; "failed" where it
gave up.

    OPENBLAS_NUM_THREADS=1 python benchmarks/hypentropy.py [--seed 0] [--no-peer]

One BLAS thread is right for matrices of this size. With more, each 200 × 200 factorization waits for
cores that may be busy with something else, and a run takes up to twenty times as long.
"""

from __future__ import annotations

import argparse
import time
import warnings

import numpy as np
from report import Row, best_of, report

import implicitbias as ib

SCALES = (1e-8, 1e-30, 1e-100, 1e-150)
N, D = 20, 100


def peer(problem: ib.Regression, scale: float, end: float) -> np.ndarray:
    """The end of scipy's BDF in (ln|u|, ln|v|)."""
    from scipy.integrate import solve_ivp

    X, y, n = problem.X, problem.y, problem.n
    gram = X.T @ X / n
    signs = np.concatenate([-2 * np.ones(D), 2 * np.ones(D)])

    def predictor(q: np.ndarray) -> np.ndarray:
        powers = np.exp(np.minimum(2 * q, 500.0))
        return powers[:D] - powers[D:]

    def field(t: float, q: np.ndarray) -> np.ndarray:
        return signs * np.tile(X.T @ (X @ predictor(q) - y) / n, 2)

    def jacobian(t: float, q: np.ndarray) -> np.ndarray:
        slope = 2 * np.exp(np.minimum(2 * q, 500.0)) * np.repeat([1.0, -1.0], D)
        return signs[:, None] * np.tile(gram, (2, 2)) * slope

    start = np.full(2 * D, np.log(scale))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = solve_ivp(field, (0, end), start, method="BDF", rtol=1e-10, atol=1e-13, jac=jacobian)
    return predictor(result.y[:, -1]) if result.success else np.full(D, np.nan)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-peer", action="store_true")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    problem = ib.Regression(rng.standard_normal((N, D)), rng.standard_normal(N))
    ib.simulate(ib.Setting(problem, ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(0.1)), ib.Stop(time=1))
    rows = []
    for scale in SCALES:
        setting = ib.Setting(problem, ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(scale))
        asking, pred = best_of(3, lambda s=setting: _solved(s))
        run = ib.simulate(setting, ib.Stop(loss=1e-26))
        if not run.converged or run.chart != "log" or run.polished:
            print(f"scale {scale:g}: {run.status} in chart {run.chart}: {run.message}")
        far = ib.compare(run, pred).relative if run.converged else np.nan
        rows.append(Row(f"scale {scale:g}: distance of the flow to the dual solution", far, "", 1e-9))
        rows.append(Row("    the flow", run.seconds, "s", 5))
        rows.append(Row("    predict alone", asking * 1e3, "ms", 50))
        if not args.no_peer:
            began = time.perf_counter()
            w = peer(problem, scale, run.time)
            took = time.perf_counter() - began
            distance = float(np.linalg.norm(w - pred.w) / np.linalg.norm(pred.w))
            rows.append(Row("    solve_ivp BDF (peer): distance", distance))
            rows.append(Row("    solve_ivp BDF (peer)", took, "s"))
    return report(__doc__.splitlines()[0], rows)


def _solved(setting: ib.Setting) -> ib.Prediction:
    pred = ib.predict(setting)
    assert pred.w is not None
    return pred


if __name__ == "__main__":
    raise SystemExit(main())
