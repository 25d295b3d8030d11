"""How exact are the exact theorems, over many fresh instances?

The worst deviation of each theorem over several instances, against its target: finite steps of
GD and SGD on u∘v against their accumulators, the balancedness identity step by step, the residual
ρ of the exponential-loss flow at log t = 1000, and the Riccati solution against an integrator that
is not the package's (scipy's DOP853 on W₁, W₂ at rtol 1e-13), also at t = 200, where it must be
finite. The peer is what the same measure says of the control.

    python benchmarks/accuracy.py [--instances 10] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np
from report import Row, report

import implicitbias as ib
from implicitbias.theorems import THEOREMS

TARGETS = {
    "hypentropy-finite-steps": ("finite steps on u∘v", 1e-10),
    "balancedness-identity": ("balancedness identity", 1e-13),
    "max-margin-flow": ("residual ρ at log t = 1000", 1e-9),
}


def independent(setting: ib.Setting, t: float) -> np.ndarray:
    """W₂W₁ at time t by DOP853 on ½‖W₂W₁ − T‖²."""
    from scipy.integrate import solve_ivp

    W1, W2 = setting.theta0
    T, cut = setting.problem.target, W1.size

    def field(t: float, q: np.ndarray) -> np.ndarray:
        A, B = q[:cut].reshape(W1.shape), q[cut:].reshape(W2.shape)
        G = B @ A - T
        return -np.concatenate([(B.T @ G).ravel(), (G @ A.T).ravel()])

    start = np.concatenate([W1.ravel(), W2.ravel()])
    q = solve_ivp(field, (0, t), start, method="DOP853", rtol=1e-13, atol=1e-15).y[:, -1]
    return q[cut:].reshape(W2.shape) @ q[:cut].reshape(W1.shape)


def riccati(instances: int, seed: int) -> tuple[float, float]:
    """The worst relative distance of the closed form to the integrator at t ≤ 20, and at t = 200."""
    theorem = THEOREMS["riccati-two-layer"]
    rng = np.random.default_rng(seed)
    early, late = 0.0, 0.0
    for _ in range(instances):
        settings = theorem.draw(rng)
        while theorem.refusal(settings) is not None:
            settings = theorem.draw(rng)
        for setting in settings.values():
            curve = ib.closed_form(setting)
            for t in (0.5, 2.0, 8.0, 20.0):
                early = max(early, _relative(curve(t), independent(setting, t)))
            late = max(late, _relative(curve(200.0), independent(setting, 200.0)))
    return early, late


def _relative(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.linalg.norm(a - b) / np.linalg.norm(b)) if np.all(np.isfinite(a)) else np.inf


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rows = []
    found = ib.verify(list(TARGETS), seed=args.seed, instances=args.instances)
    for result in found.results:
        name, target = TARGETS[result.id]
        rows.append(Row(name, result.deviation if result.ok else np.nan, "", target))
        rows.append(Row("    its control (peer)", result.control_deviation))
    early, late = riccati(max(1, args.instances // 4), args.seed)
    rows.append(Row("Riccati against an integrator, t ≤ 20", early, "", 1e-8))
    rows.append(Row("Riccati against an integrator, t = 200", late, "", 1e-8))
    control = ib.verify(["riccati-two-layer"], seed=args.seed, quick=True).results[0]
    rows.append(Row("    its control (peer)", control.control_deviation))
    return report(__doc__.splitlines()[0], rows)


if __name__ == "__main__":
    raise SystemExit(main())
