"""Which completion of a table does an optimizer select? Half of the entries of 200 handwritten digits are hidden.

Rows are images of scikit-learn's digits, 8×8 pixels between 0 and 1. Some pixels of the 200×64 table are zero in
all of them, and its rank is below 64; the script reports both. Every optimizer fits the visible half by W = UVᵀ of
full width, or by three layers, from a small start, so that nothing but the way there chooses what is filled in.
Scaled gradient descent inverts UᵀU and VᵀV: it is given rank 10, and starts at the visible part's nearest matrix of
that rank, as is usual. The convex program of least nuclear norm, which small factors are often said to select, is
solved beside them with its dual certificate.

    python experiments/digits_completion.py [--rows 200] [--visible 0.5] [--seed 0] [--out experiments/output]

It prints a table and writes digits_completion.png, .pdf and .json (every number of both). A run that reaches a loss
of 1e-4 of that of W = 0 is *converged*; one that does not within its steps ends as *budget*, which is said.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import implicitbias as ib

SCALE = 0.05
"""Of the start; W then has singular values SCALE² (or SCALE³ at depth three)."""
GOAL = 1e-4
"""The loss asked for, in units of that of W = 0."""
SHOWN = 3
"""The row that the figure shows as an image."""
RANKS = {
    "effective": ib.effective_rank,
    "stable": ib.stable_rank,
    "nuclear": ib.nuclear_rank,
    "numerical": lambda W: ib.numerical_rank(W, 1e-3),
}


def digits(rows: int) -> np.ndarray:
    """(rows, 64), pixels between 0 and 1."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data[:rows] / 16)


def all_settings(problem: ib.MatrixCompletion) -> dict[str, tuple[ib.Setting, int]]:
    """A setting and its number of steps; step sizes are in units of 1/σ₁, σ₁ of the visible part."""
    p, q = problem.w_shape
    s = float(np.linalg.norm(problem.values, 2))
    two, three = ib.MatrixFactorization(q), ib.DeepLinear((q, q, q, p))
    deep = 1 / s ** (4 / 3)
    runs: dict[str, tuple[Any, Any, int]] = {
        "gradient descent": (two, ib.GradientDescent(0.3 / s), 4000),
        "heavy ball": (two, ib.HeavyBall(0.1 / s, 0.9), 4000),
        "Adam": (two, ib.Adam(3e-3), 2000),
        "spectral descent": (two, ib.SpectralDescent(ib.Decay(0.1, 0.5)), 700),
        "Muon": (two, ib.Muon(ib.Decay(0.1, 0.5), 0.9), 700),
        "Shampoo": (two, ib.Shampoo(0.1), 500),
        "gradient descent, 3 layers": (three, ib.GradientDescent(0.3 * deep), 4000),
        "Adam, 3 layers": (three, ib.Adam(3e-3), 2000),
        "Muon, 3 layers": (three, ib.Muon(ib.Decay(0.1, 0.5), 0.9), 700),
    }
    small = {
        name: (ib.Setting(problem, model, optimizer, ib.Balanced(SCALE, rng=0)), steps)
        for name, (model, optimizer, steps) in runs.items()
    }
    return small | {"scaled gradient (rank 10)": (scaled_gradient(problem, 10), 400)}


def scaled_gradient(problem: ib.MatrixCompletion, rank: int) -> ib.Setting:
    """From the nearest matrix of this rank to the visible part (hidden entries zero) over the visible share."""
    U, s, Vt = np.linalg.svd(problem.values / problem.mask.mean(), full_matrices=False)
    model = ib.MatrixFactorization(rank)
    start = model.factorize((U[:, :rank] * s[:rank]) @ Vt[:rank])
    return ib.Setting(problem, model, ib.ScaledGD(0.3), start)


def describe(name: str, W: np.ndarray, table: np.ndarray, problem: ib.MatrixCompletion) -> dict[str, Any]:
    """Ranks, nuclear norm, and the root mean square error on the hidden entries."""
    hidden = ~problem.mask
    return {
        "name": name,
        "loss": float(problem.loss(W) / problem.loss(np.zeros(problem.w_shape))),
        "nuclear_norm": float(np.linalg.norm(W, "nuc")),
        "held_out": float(np.sqrt(np.mean((W - table)[hidden] ** 2))),
        "ranks": {kind: float(rank(W)) for kind, rank in RANKS.items()},
        "singular_values": np.linalg.svd(W, compute_uv=False).tolist(),
        "image": W[SHOWN].tolist(),
    }


def run_one(name: str, setting: ib.Setting, steps: int, table: np.ndarray) -> dict[str, Any]:
    """One optimizer: where it ended, and why."""
    problem = setting.problem
    stop = ib.Stop(loss=GOAL * float(problem.loss(np.zeros(problem.w_shape))), steps=steps)
    began = time.perf_counter()
    run = ib.simulate(setting, stop)
    took = time.perf_counter() - began
    return describe(name, run.w, table, problem) | {
        "status": run.status, "message": run.message, "steps": int(run.steps), "seconds": took,
    }  # fmt: skip


def solve(problem: ib.MatrixCompletion, table: np.ndarray) -> dict[str, Any]:
    """The completion of least nuclear norm, and how well it is certified."""
    program = ib.LeastNuclearNorm(problem)
    began = time.perf_counter()
    W = program.solution
    took = time.perf_counter() - began
    seen = ib.certify(W, program)
    certificate = {"feasibility": seen.feasibility, "stationarity": seen.stationarity, "gap": seen.gap}
    return describe("least nuclear norm", W, table, problem) | {
        "status": "certified" if seen.worst <= 1e-8 else "not certified", "steps": None, "seconds": took,
        "certificate": certificate | {"dual_norm": float(np.linalg.norm(program.dual, 2))},
    }  # fmt: skip


def column_means(problem: ib.MatrixCompletion, table: np.ndarray) -> float:
    """The held-out error of the visible mean of each pixel: what a completion should beat."""
    seen = np.maximum(problem.mask.sum(axis=0), 1)
    means = np.broadcast_to(problem.values.sum(axis=0) / seen, table.shape)
    return float(np.sqrt(np.mean((means - table)[~problem.mask] ** 2)))


def measure(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Hide, fit, complete."""
    table = digits(args.rows)
    mask = np.random.default_rng(args.seed).random(table.shape) < args.visible
    problem = ib.MatrixCompletion(table, mask)
    settings = all_settings(problem)
    shown = track(
        settings.items(), "fitting", console=console, transient=True, disable=not console.is_terminal
    )
    rows = [solve(problem, table), *(run_one(name, s, n, table) for name, (s, n) in shown)]
    return {
        "version": ib.__version__, "shape": table.shape, "visible": int(mask.sum()), "seed": args.seed,
        "rank": int(np.linalg.matrix_rank(table)), "nuclear_norm": float(np.linalg.norm(table, "nuc")),
        "constant_columns": np.flatnonzero(np.ptp(table, axis=0) == 0).tolist(),
        "empty_rows": problem.unobserved_rows.tolist(), "empty_columns": problem.unobserved_columns.tolist(),
        "singular_values": np.linalg.svd(table, compute_uv=False).tolist(),
        "column_means": column_means(problem, table), "rows": rows,
        "image": {"table": table[SHOWN].tolist(), "mask": mask[SHOWN].tolist()},
    }  # fmt: skip


# -- table -----------------------------------------------------------------------------------------


def print_table(result: dict[str, Any], console: Console) -> None:
    """What each selected."""
    (p, q), rows = result["shape"], result["rows"]
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.title = (
        f"{p}×{q} table of rank {result['rank']} with {len(result['constant_columns'])} constant columns, "
        f"{result['visible']} of {p * q} entries visible;\n‖·‖_* of the whole table {result['nuclear_norm']:.2f}; "
        f"held-out error of pixel means {result['column_means']:.4f}"
    )
    for head in ("", "status", "steps", "seconds", "loss", "‖W‖_*", *RANKS, "held-out"):
        table.add_column(head, justify="left" if head in ("", "status") else "right", no_wrap=True)
    for r in rows:
        table.add_row(
            r["name"], r["status"], str(r["steps"] or ""), f"{r['seconds']:.1f}", f"{r['loss']:.1e}",
            f"{r['nuclear_norm']:.2f}", *(f"{x:.1f}" for x in r["ranks"].values()), f"{r['held_out']:.4f}",
        )  # fmt: skip
    console.print(table)
    seen = rows[0]["certificate"]
    console.print(
        f"certificate of the least nuclear norm: feasibility {seen['feasibility']:.1e}, stationarity "
        f"{seen['stationarity']:.1e}, gap {seen['gap']:.1e}, ‖Y‖₂ = 1 + {seen['dual_norm'] - 1:.1e}"
    )


# -- figure ----------------------------------------------------------------------------------------


def draw(result: dict[str, Any], out: Path) -> list[Path]:
    """Spectra, held-out error over the effective rank, and one digit as each completes it."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from implicitbias import plotting

    with plt.style.context(plotting.STYLE):
        fig = plt.figure(figsize=(plotting.PAGE, 4.2), layout="constrained")
        upper, lower = fig.subfigures(2, 1, height_ratios=(1.7, 1))
        axes = upper.subplots(1, 2)
        _spectra(result, axes[0])
        _errors(result, axes[1])
        for ax, letter in zip(axes, "ab", strict=True):
            ax.set_title(letter, loc="left", fontweight="bold")
        _images(result, lower)
        paths = [out / f"digits_completion.{suffix}" for suffix in ("png", "pdf")]
        for path in paths:
            fig.savefig(path)
        plt.close(fig)
    return paths


def _colors(result: dict[str, Any]) -> dict[str, Any]:
    """The program in black, optimizers in colours; three layers have the colour of their two."""
    import matplotlib.pyplot as plt

    names = dict.fromkeys(r["name"].split(",")[0] for r in result["rows"][1:])
    return {"least nuclear norm": "k"} | {name: plt.cm.tab10(i) for i, name in enumerate(names)}


def _spectra(result: dict[str, Any], ax: Any) -> None:
    colors = _colors(result)
    s = np.array(result["singular_values"])
    j = np.arange(1, len(s) + 1)
    ax.plot(j[: result["rank"]], s[: result["rank"]], color="0.7", lw=2.5, label="whole table", zorder=0)
    for r in result["rows"]:
        name, *deep = r["name"].split(",")
        s = np.array(r["singular_values"])
        ax.plot(
            j[s > 0],
            s[s > 0],
            color=colors[name],
            ls="--" if deep else "-",
            lw=0.9,
            label=None if deep else name,
        )
    ax.set(xlabel="index", ylabel="singular value of W", yscale="log", ylim=(1e-6, 1e2))
    ax.legend(fontsize=5, loc="lower left", ncols=2, frameon=True, framealpha=1, edgecolor="none")


def _errors(result: dict[str, Any], ax: Any) -> None:
    colors = _colors(result)
    ax.axhline(result["column_means"], color="0.7", lw=0.8, ls=":")
    ax.annotate(
        "pixel means", (0.99, result["column_means"]), xycoords=("axes fraction", "data"), ha="right", va="bottom",
        fontsize=6, color="0.4",
    )  # fmt: skip
    for r in result["rows"]:
        name, *deep = r["name"].split(",")
        done = r["status"] in ("converged", "certified")
        ax.plot(
            r["ranks"]["effective"], r["held_out"], "s" if deep else "o", ms=4.5, color=colors[name],
            mfc=colors[name] if done else "none",
        )  # fmt: skip
    for marker, fill, label in (
        ("o", "0.4", "two factors"),
        ("s", "0.4", "three"),
        ("o", "none", "loss not reached"),
    ):
        ax.plot([], [], marker, color="0.4", mfc=fill, ms=4, label=label)
    ax.set(xlabel="effective rank", ylabel="held-out error")
    ax.legend(fontsize=6)


def _images(result: dict[str, Any], figure: Any) -> None:
    """One digit: whole, as seen, and as completed."""
    import matplotlib.pyplot as plt

    image = np.array(result["image"]["table"])
    seen = np.where(result["image"]["mask"], image, np.nan)
    shown = {"whole": image, "visible": seen}
    shown |= {
        r["name"].replace(", ", ",\n").replace(" (", "\n(").replace(" ", "\n", 1): np.array(r["image"])
        for r in result["rows"]
    }
    cmap = plt.cm.gray_r.with_extremes(bad="#f2d9c7")
    for ax, (name, pixels) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        ax.imshow(pixels.reshape(8, 8), cmap=cmap, vmin=0, vmax=1)
        ax.set_title(name, fontsize=5)
        ax.set_axis_off()


# -- command line ----------------------------------------------------------------------------------


def main() -> int:
    """Run the experiment; 1 when the program is not certified or a run has failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200, help="rows of the table, 20 to 1797 (default 200)")
    parser.add_argument("--visible", type=float, default=0.5, help="share of visible entries (default 0.5)")
    parser.add_argument("--seed", type=int, default=0, help="of what is hidden (default 0)")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "output", help="folder of the results"
    )
    args = parser.parse_args()
    if not (20 <= args.rows <= 1797 and 0.05 <= args.visible <= 0.95):
        parser.error("--rows must lie between 20 and 1797, and --visible between 0.05 and 0.95")
    console = Console()
    wide = Console(width=max(console.width, 130))  # a narrow terminal wraps lines, and cuts no number
    result = measure(args, console)
    print_table(result, wide)
    args.out.mkdir(parents=True, exist_ok=True)
    paths, data = draw(result, args.out), args.out / "digits_completion.json"
    data.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for path in (*paths, data):
        wide.print(f"wrote {path}", highlight=False)
    failed = any(r["status"] in ("failed", "diverged", "not certified") for r in result["rows"])
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
