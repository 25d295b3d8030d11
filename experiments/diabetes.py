"""Which interpolant of the diabetes data does an optimizer select, and how far apart are they?

A few rows of scikit-learn's diabetes table with all linear and quadratic features: 30 equations in
65 unknowns by default, so the square loss has infinitely many minimisers, all with training error
zero. Gradient descent, heavy ball, Nesterov's method and the gradient flow on w = u² − v² each end
at one of them. Theory says at which; the script runs them, compares, and asks how each interpolant
does on the rows that were not used.

    python experiments/diabetes.py [--samples 30] [--seed S] [--out experiments/output]

It prints two tables and writes diabetes.png, diabetes.pdf and diabetes.json (every number of the
figure). The feature sex² is sex again once it is standardised; the two get equal shares.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

import implicitbias as ib

SCALES = (1.0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-6, 1e-8)
GRID = np.logspace(1, -8, 37)
"""Scales at which the prediction alone is drawn."""

STOP = ib.Stop(loss=1e-24, steps=1_000_000)
SUPPORT = 1e-3
"""A coordinate counts as used when |w_j| exceeds this share of the largest."""


@dataclass
class Data:
    """The rows that are fitted (standardised), and the others in the same units."""

    problem: ib.Regression
    X_test: np.ndarray
    y_test: np.ndarray
    names: list[str]

    def held_out(self, w: np.ndarray) -> float:
        """Mean squared error on the other rows; the mean of the fitted targets would score about 1."""
        return float(np.mean((self.X_test @ w - self.y_test) ** 2))


def diabetes(samples: int, seed: int | None) -> Data:
    """The first ``samples`` rows, or as many drawn by ``seed``, with all features up to degree two."""
    from sklearn.datasets import load_diabetes
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    table = load_diabetes()
    features = PolynomialFeatures(2, include_bias=False)
    X, y = features.fit_transform(table.data), table.target[:, None]
    order = np.arange(len(y)) if seed is None else np.random.default_rng(seed).permutation(len(y))
    fit, rest = order[:samples], order[samples:]
    in_x, in_y = StandardScaler().fit(X[fit]), StandardScaler().fit(y[fit])
    return Data(
        ib.Regression(in_x.transform(X[fit]), in_y.transform(y[fit])[:, 0]),
        in_x.transform(X[rest]),
        in_y.transform(y[rest])[:, 0],
        [str(name) for name in features.get_feature_names_out(table.feature_names)],
    )


def diagonal_flow(problem: ib.Regression, scale: float) -> ib.Setting:
    """The flow on w = u² − v² from u = v = scale."""
    return ib.Setting(problem, ib.Diagonal(2), ib.GradientFlow(), ib.Balanced(scale))


def all_settings(problem: ib.Regression) -> dict[str, ib.Setting]:
    """The three step methods from zero at step 1/λ_max(XᵀX/n), and the flow at every scale."""
    step = problem.n / float(np.linalg.norm(problem.X, 2)) ** 2
    steps = {
        "gradient descent": ib.GradientDescent(step),
        "heavy ball": ib.HeavyBall(step, 0.9),
        "Nesterov": ib.Nesterov(step, 0.9),
    }
    settings = {name: ib.Setting(problem, ib.Linear(), o) for name, o in steps.items()}
    return settings | {f"diagonal flow, {a:g}": diagonal_flow(problem, a) for a in SCALES}


def least_l1(problem: ib.Regression) -> float:
    """min ‖w‖₁ subject to Xw = y, by a linear program."""
    from scipy.optimize import linprog

    X, d = problem.X, problem.w_shape[0]
    result = linprog(np.ones(2 * d), A_eq=np.hstack([X, -X]), b_eq=problem.y, method="highs")
    return float(result.fun)


def describe(name: str, run: ib.Run, data: Data) -> dict[str, Any]:
    """Everything the table says of one run."""
    pred = ib.predict(run.setting, run)
    seen = ib.compare(run, pred)
    w = run.w
    return {
        "name": name,
        "steps": int(run.steps),
        "time": float(run.time),
        "status": run.status,
        "loss": float(run.loss),
        "l1": float(np.sum(np.abs(w))),
        "l2": float(np.linalg.norm(w)),
        "support": int(np.sum(np.abs(w) > SUPPORT * np.max(np.abs(w)))),
        "held_out": data.held_out(w),
        "distance_to_prediction": seen.relative,
        "certificate": seen.certificate.worst,
        "rule": pred.rule.name,
        "w": w.tolist(),
        "predicted": pred.w.tolist(),
    }


def measure(data: Data, console: Console) -> dict[str, Any]:
    """Run every setting, and predict on the whole grid of scales."""
    settings = all_settings(data.problem)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=len(settings) + len(GRID))
        rows = []
        for name, setting in settings.items():
            bar.update(task, description=name)
            rows.append(describe(name, ib.simulate(setting, STOP), data))
            bar.advance(task)
        curve = []
        for scale in GRID:
            bar.update(task, description=f"prediction at scale {scale:.1e}")
            curve.append(ib.predict(diagonal_flow(data.problem, scale)).w)
            bar.advance(task)
    W, theory = np.array([row["w"] for row in rows]), np.array(curve)
    apart = np.linalg.norm(W[:, None] - W[None], axis=-1) / np.linalg.norm(W[0])
    return {
        "features": data.names,
        "rows": rows,
        "apart": apart.tolist(),
        "least_l1": least_l1(data.problem),
        "grid": {
            "scale": GRID.tolist(),
            "l1": np.sum(np.abs(theory), axis=1).tolist(),
            "held_out": [data.held_out(w) for w in theory],
        },
    }


# -- tables ----------------------------------------------------------------------------------------


def print_tables(result: dict[str, Any], console: Console) -> None:
    """What each run selected, and how far apart the selections are."""
    n, d = result["samples"], len(result["features"])
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.title = f"{n} rows, {d} features; the least ‖w‖₁ of any interpolant is {result['least_l1']:.4f}"
    heads = (
        "", "steps", "time", "status", "loss", "‖w‖₁", "‖w‖₂", "support", "held-out", "from theory", "certificate",
    )  # fmt: skip
    for head in heads:
        table.add_column(head, justify="left" if head in ("", "status") else "right", no_wrap=True)
    for r in result["rows"]:
        table.add_row(
            r["name"], f"{r['steps']}", f"{r['time']:.3g}", r["status"], f"{r['loss']:.1e}", f"{r['l1']:.4f}",
            f"{r['l2']:.4f}", f"{r['support']}", f"{r['held_out']:.3f}", f"{r['distance_to_prediction']:.1e}",
            f"{r['certificate']:.1e}",
        )  # fmt: skip
    console.print(table, "")
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.title = "‖wᵢ − wⱼ‖₂ / ‖w_GD‖₂"
    for head in ("", *(str(j) for j in range(1, len(result["rows"]) + 1))):
        table.add_column(head, justify="left" if head == "" else "right", no_wrap=True)
    for i, (r, distances) in enumerate(zip(result["rows"], result["apart"], strict=True), start=1):
        table.add_row(f"{i} {r['name']}", *(f"{x:.1e}" if 0 < x < 1e-3 else f"{x:.3f}" for x in distances))
    console.print(table)


# -- figure ----------------------------------------------------------------------------------------


def draw(result: dict[str, Any], out: Path) -> list[Path]:
    """Two interpolants coordinate by coordinate, and the way from one to the other."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from implicitbias import plotting

    with plt.style.context(plotting.STYLE):
        fig, axes = plt.subplots(
            1, 3, figsize=(plotting.PAGE, 2.2), width_ratios=(1.7, 1, 1), layout="constrained"
        )
        _selections(result, axes[0])
        _along_scales(result, axes[1], "l1", "‖w‖₁")
        _along_scales(result, axes[2], "held_out", "held-out error")
        axes[1].axhline(result["least_l1"], color="0.6", lw=0.8, ls=":", zorder=0)
        axes[1].annotate(
            "least ‖w‖₁", (0.98, result["least_l1"]), xycoords=("axes fraction", "data"), color="0.4",
            xytext=(0, -2), textcoords="offset points", ha="right", va="top", fontsize=7,
        )  # fmt: skip
        axes[1].margins(y=0.16)
        axes[2].margins(y=0.16)
        axes[1].annotate(
            "gradient descent", (0.98, result["rows"][0]["l1"]), xycoords=("axes fraction", "data"),
            color=plotting.SIMULATION, xytext=(0, 2), textcoords="offset points", ha="right", fontsize=7,
        )  # fmt: skip
        for ax, letter in zip(axes, "abc", strict=True):
            ax.set_title(letter, loc="left", fontweight="bold")
        paths = [out / f"diabetes.{suffix}" for suffix in ("png", "pdf")]
        for path in paths:
            fig.savefig(path)
        plt.close(fig)
    return paths


def _selections(result: dict[str, Any], ax: Any) -> None:
    """Coordinates of the two extreme selections: theory as rings, simulation as dots in them."""
    from implicitbias import plotting

    rows = result["rows"]
    gd, sparse = rows[0], rows[-1]
    w = np.array(sparse["w"])
    used = np.where(np.abs(w) > SUPPORT * np.abs(w).max(), w, 0.0)
    order = np.lexsort((-np.array(gd["w"]), -used))
    j = np.arange(1, len(order) + 1)
    ax.axhline(0.0, color="0.8", lw=0.6, zorder=0)
    for row, color, label in (
        (sparse, plotting.CONTROL, "diagonal flow, scale $10^{-8}$"),
        (gd, plotting.SIMULATION, "gradient descent"),
    ):
        ax.plot(
            j, np.array(row["predicted"])[order], "o", mfc="none", color=plotting.THEORY, ms=4.2, mew=0.45
        )
        ax.plot(j, np.array(row["w"])[order], "o", color=color, ms=2.3, mew=0, label=label)
    ax.plot([], [], "o", mfc="none", color=plotting.THEORY, ms=4.2, mew=0.45, label="theory")
    ax.set(xlabel="feature, sorted", ylabel="w", xlim=(-0.5, len(order) + 1.5))
    ax.legend(loc="upper right", handletextpad=0.2)


def _along_scales(result: dict[str, Any], ax: Any, what: str, label: str) -> None:
    """A quantity of the flow's selection over the scale of its start, with gradient descent's."""
    from implicitbias import plotting

    grid, rows = result["grid"], result["rows"]
    ax.axhline(rows[0][what], color=plotting.SIMULATION, lw=1.0, zorder=1)
    ax.plot(grid["scale"], grid[what], color=plotting.THEORY, lw=0.9, ls=(0, (4, 3)), zorder=2)
    flows = [r for r in rows if r["name"].startswith("diagonal")]
    ax.plot(SCALES, [r[what] for r in flows], "o", color=plotting.CONTROL, ms=3.6, mew=0, zorder=3)
    ax.set_xscale("log")
    ax.invert_xaxis()
    ax.set(xlabel="scale of the start", ylabel=label)


# -- command line ----------------------------------------------------------------------------------


def main() -> int:
    """Run the experiment; 1 when a run did not converge or left its prediction."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=30, help="rows to fit, 5 to 55 (default 30)")
    parser.add_argument("--seed", type=int, help="draw the rows at random (default: the first rows)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "output", help="folder of the results"
    )
    args = parser.parse_args()
    if not 5 <= args.samples <= 55:
        parser.error(f"--samples must lie between 5 and 55, so that interpolants abound; got {args.samples}")
    console = Console()
    wide = Console(width=max(console.width, 120))  # a narrow terminal wraps lines, and cuts no number
    result = {"version": ib.__version__, "samples": args.samples, "seed": args.seed}
    result |= measure(diabetes(args.samples, args.seed), console)
    print_tables(result, wide)
    args.out.mkdir(parents=True, exist_ok=True)
    data = args.out / "diabetes.json"
    data.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in (*draw(result, args.out), data):
        wide.print(f"wrote {path}", highlight=False)
    rows = result["rows"]
    return 0 if all(r["status"] == "converged" and r["distance_to_prediction"] < 1e-9 for r in rows) else 1


if __name__ == "__main__":
    raise SystemExit(main())
