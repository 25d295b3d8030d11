"""How much faster than stepping is the closed form of gradient descent, and does it say the same?

Regression with n = 20, d = 100, gradient descent from a random start at a step so small that 10⁶ steps are
still on the way. The closed form is asked for from scratch: its eigenbasis and the one point. The peer
is the package's own fused loop; the target is the ratio of the two times, stated as peer time in units of a
thousand closed forms. Beside it, a path of 1000 moments, and heavy ball, whose modes turn.

    OPENBLAS_NUM_THREADS=1 python benchmarks/closed_form.py [--steps 1000000] [--repeats 5]
"""

from __future__ import annotations

import argparse

import numpy as np
from report import Row, best_of, report

import implicitbias as ib

N, D = 20, 100
SLOWER = 1000
"""How many times as long the fused loop must take."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    problem = ib.Regression(rng.standard_normal((N, D)), rng.standard_normal(N))
    start, step = rng.standard_normal(D), 1.0 / args.steps
    rows = []
    for optimizer in (ib.GradientDescent(step), ib.HeavyBall(step / 10, 0.9)):
        setting = ib.Setting(problem, ib.Linear(), optimizer, start)
        ib.simulate(setting, ib.Stop(steps=10))  # compiles, or reads the cache
        closed, w = best_of(20 * args.repeats, lambda s=setting: ib.closed_form(s)(steps=args.steps))
        path, _ = best_of(args.repeats, lambda s=setting: ib.closed_form(s)(np.linspace(0, 1, 1000)))
        stepping, run = best_of(args.repeats, lambda s=setting: ib.simulate(s, ib.Stop(steps=args.steps)))
        assert run.steps == args.steps, run.message
        name = type(optimizer).__name__
        far = float(np.linalg.norm(w - run.w) / np.linalg.norm(run.w))
        rows.append(Row(f"{name}: distance of the closed form to {args.steps:,} fused steps", far, "", 1e-12))
        rows.append(Row("    the closed form", closed * 1e3, "ms"))
        rows.append(Row("    the fused steps (peer)", stepping * 1e3, "ms"))
        rows.append(
            Row(f"    {SLOWER} closed forms, per time of the peer", SLOWER * closed / stepping, "", 1)
        )
        rows.append(Row("    the closed form at 1000 moments", path * 1e3, "ms"))
    return report(__doc__.splitlines()[0], rows)


if __name__ == "__main__":
    raise SystemExit(main())
