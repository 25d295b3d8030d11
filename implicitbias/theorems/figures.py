"""One figure a theorem: (claim, control, ax) ↦ artists, from a Sample of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import plotting
from .base import Sample

__all__ = [
    "along",
    "balancedness",
    "coordinates",
    "divergence",
    "entries",
    "entries_alone",
    "kaczmarz",
    "margin_flow",
    "margin_gap",
    "network_map",
    "norms",
    "orbit",
    "points",
    "scales",
    "zero_one_two",
]


def coordinates(claim: Sample, control: Sample, ax: Any) -> Any:
    """The selected solution of the first setting, predicted and simulated, and the control's."""
    label = next(iter(claim.runs))
    return plotting.coordinates(
        claim.runs[label].w, np.asarray(claim.prediction(label).w), ax, control=control.runs[label].w
    )


def along(claim: Sample, control: Sample, ax: Any) -> Any:
    """detail["seen"] over detail["x"], with detail["theory"] dashed, and thin what the control saw over its own x;
    detail["axes"] = (label of x, label of y, logarithmic axes).
    """
    detail, other = claim.evidence.detail, control.evidence.detail
    xlabel, ylabel, log = detail["axes"]
    artists = plotting.curve(other["x"], other["seen"], ax, color=plotting.CONTROL, lw=0.8, log="")
    artists[0].set_label("control")
    artists += plotting.theory_over_simulation(
        detail["x"], detail["seen"], detail["theory"], ax, xlabel=xlabel, ylabel=ylabel, log=log
    )
    return artists


def points(claim: Sample, control: Sample, ax: Any) -> Any:
    """detail["seen"] as dots in the rings of detail["theory"], one a case, and what the control saw as crosses;
    detail["axes"] as in ``along``.
    """
    detail, other = claim.evidence.detail, control.evidence.detail
    xlabel, ylabel, log = detail["axes"]
    artists = plotting.coordinates(
        detail["seen"], detail["theory"], ax, control=other["seen"], xlabel=xlabel, ylabel=ylabel
    )
    if "y" in log:
        ax.set_yscale("log")
    return artists


def entries(claim: Sample, control: Sample, ax: Any) -> Any:
    """detail["seen"], entry by entry, in detail["theory"], with the control's; detail["ylabel"] names them."""
    detail = claim.evidence.detail
    return plotting.coordinates(
        detail["seen"], detail["theory"], ax, control=control.evidence.detail["seen"], ylabel=detail["ylabel"]
    )


def entries_alone(claim: Sample, control: Sample, ax: Any) -> Any:
    """The same without the control, whose scale would hide both."""
    detail = claim.evidence.detail
    return plotting.coordinates(detail["seen"], detail["theory"], ax, ylabel=detail["ylabel"])


def norms(claim: Sample, control: Sample, ax: Any) -> Any:
    """What steepest descent selects beside the interpolant of least norm."""
    artists = plotting.coordinates(claim.runs[""].w, claim.evidence.detail["least"], ax)
    plotting.relabel(ax, theory="least norm", simulation="steepest descent")
    return artists


def kaczmarz(claim: Sample, control: Sample, ax: Any) -> Any:
    """The mean error: exact, over the runs, and under uniform sampling."""
    detail = claim.evidence.detail
    return plotting.coordinates(
        detail["mean"],
        detail["exact"],
        ax,
        control=control.evidence.detail["mean"],
        ylabel="mean error",
    )


def scales(claim: Sample, control: Sample, ax: Any) -> Any:
    """Every coordinate of the solution as the scale of the start decreases."""
    x = -np.log10([s.init.scale for s in claim.settings.values()])
    w = np.array([claim.runs[label].w for label in claim.runs])
    theory = np.array([claim.prediction(label).w for label in claim.runs])
    return plotting.theory_over_simulation(x, w, theory, ax, xlabel="−log₁₀ scale", ylabel="w")


def zero_one_two(claim: Sample, control: Sample, ax: Any) -> Any:
    """The coefficient of each form against the step, with the lines 0, 1, 2."""
    raw, eta = np.array(claim.evidence.detail["raw"]), claim.evidence.detail["eta"]
    steps = eta / np.array([1, 2, 4])
    artists = [ax.axhline(m, color="0.2", ls="--", lw=0.8) for m in (0, 1, 2)]
    for m, name in zip(raw, ("mirror", "reparametrised", "preconditioned")):
        artists += ax.plot(steps, m, "o-", label=name)
    ax.set(xlabel="step η", ylabel="coefficient m(η)", xlim=(0, None))
    plotting.legend(ax)
    return artists


def margin_flow(claim: Sample, control: Sample, ax: Any) -> Any:
    """The residual on the support vectors' span against log t, with the exponent κ."""
    from ..selection.rules.classification import margin_curve

    run = claim.runs[""]
    curve = margin_curve(run.setting)
    tau = run.history["log_time"]

    def residual(w: np.ndarray) -> np.ndarray:
        off = curve.project(w - curve(log_time=tau)).reshape(len(tau), -1)
        return np.asarray(np.linalg.norm(off, axis=1) / np.linalg.norm(curve.residual))

    seen = residual(run.history["w"])
    anchor = int(np.argmax(seen < 1e-2))
    theory = seen[anchor] * np.exp(-curve.kappa * (tau - tau[anchor]))
    upto = max(int(np.flatnonzero(theory > 1e-14)[-1]) + 2, 5)
    artists = plotting.theory_over_simulation(
        tau[:upto], seen[:upto], theory[:upto], ax, control=residual(control.runs[""].history["w"])[:upto],
        xlabel="log t", ylabel="residual on span S", log="y",
    )  # fmt: skip
    ax.set_ylim(1e-15, None)
    return artists


def margin_gap(claim: Sample, control: Sample, ax: Any) -> Any:
    """The scaled ℓ∞ margin gap and its bound along the run."""
    detail = claim.evidence.detail
    return plotting.bound(
        detail["k"], detail["lhs"], detail["rhs"], ax, control=control.evidence.detail["lhs"],
        xlabel="step k", ylabel="margin gap × Ση",
    )  # fmt: skip


def network_map(claim: Sample, control: Sample, ax: Any) -> Any:
    """Entries of W(t): the closed form over the integrated flow, and the control's run."""
    label = list(claim.runs)[1]
    t, W = (claim.runs[label].history[name] for name in ("time", "w"))
    seen, exact, other = (
        x.reshape(len(t), -1) for x in (W, claim.prediction(label).at(t), control.runs[label].history["w"])
    )
    return plotting.theory_over_simulation(
        t, seen, exact, ax, control=other, xlabel="time", ylabel="entries of W"
    )


def balancedness(claim: Sample, control: Sample, ax: Any) -> Any:
    """‖D₁(k) − D₁(0)‖ along the run, and the sum of the identity's increments."""
    run = claim.runs[""]
    s = run.setting
    path = [s.layout.split(flat) for flat in run.history["theta"]]
    D = np.array([W[1].T @ W[1] - W[0] @ W[0].T for W in path])
    law = [np.zeros_like(D[0])]
    for W in path[:-1]:
        g = s.model.pullback(W, s.problem.gradient(s.model.predictor(W)))
        law.append(law[-1] + s.optimizer.step**2 * (g[1].T @ g[1] - g[0] @ g[0].T))
    drift, theory = (np.linalg.norm(np.array(x), axis=(1, 2)) for x in (D - D[0], law))
    return plotting.theory_over_simulation(
        run.history["steps"], drift, theory, ax, xlabel="step k", ylabel="‖D₁(k) − D₁(0)‖"
    )


def orbit(claim: Sample, control: Sample, ax: Any) -> Any:
    """The two-cycle's squares over ημ, and where the runs (and the control) ended."""
    e = np.linspace(1.0001, 1.3, 200)
    root = np.sqrt((1 + e) ** 2 - 4)
    artists = [
        *ax.plot(
            e,
            ((1 + e)[:, None] + np.outer(root, (-1, 1))) / (2 * e)[:, None],
            "--",
            color="0.2",
            lw=0.8,
        ),
        ax.axvline(np.sqrt(5) - 1, color="0.8", lw=0.6),
    ]
    for sample, color, name in (
        (claim, plotting.SIMULATION, "simulation"),
        (control, plotting.CONTROL, "control"),
    ):
        squares = np.array(sample.evidence.measured)
        artists += ax.plot(
            np.full(squares.size, sample.evidence.detail["e"]),
            squares,
            "o",
            color=color,
            label=name,
        )
    ax.set(xlabel="ημ", ylabel="layers squared / μ")
    plotting.legend(ax)
    return artists


def divergence(claim: Sample, control: Sample, ax: Any) -> Any:
    """|w₁₁| against its lower bound, and the control's, which stays finite."""
    detail, other = claim.evidence.detail, control.evidence.detail
    artists = plotting.bound(
        detail["time"], detail["w11"], detail["bound"], ax, xlabel="time", ylabel="|w₁₁|",
        names=("simulation", "lower bound"),
    )  # fmt: skip
    artists += ax.loglog(other["time"], other["w11"], color=plotting.CONTROL, lw=0.8, label="control")
    plotting.legend(ax)
    return artists
