"""Methods that see the matrices in θ."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear, Linear, MatrixFactorization
from ...models.matrix import orthonormal
from ...optimizers import (
    AdaGrad,
    GradientDescent,
    HeavyBall,
    Muon,
    ScaledGD,
    Shampoo,
    SpectralDescent,
    SteepestDescent,
)
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.rules.common import NO_DECAY, is_a
from ...selection.rules.networks import WHITENED
from ...selection.rules.spectral import LAYERED, nearest_matrix_rule, spectral_modes_rule, steps_are_spectral
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, inputs_with_spectrum, matrix_with_spectrum

# -- the path from an aligned start ----------------------------------------------------------------

WIDTHS = {1: (3, 4), 2: (3, 3, 4), 3: (3, 5, 3, 4)}
STEP = 0.02
ARRIVALS = np.array([61, 58, 30])
"""K_i: two modes alternate for a few steps only, since an aligned path of N ≥ 2 layers need not be stable then."""


def _three_depths(rng: Rng) -> dict[str, Setting]:
    settings = {}
    for N, widths in WIDTHS.items():
        U, V, a = orthonormal(4, 3, rng), orthonormal(3, 3, rng), rng.uniform(0.1, 0.4, 3)
        b = a + STEP * (ARRIVALS - rng.uniform(0.1, 0.9, 3))  # passed by 0.1 to 0.9 of a step
        problem, model = MatrixRegression.whitened((U * b**N) @ V.T), DeepLinear(widths)
        init = model.factorize((U * a**N) @ V.T, rng=rng)
        settings[f"N = {N}"] = Setting(problem, model, SpectralDescent(STEP), init)
    return settings


def grow(claim: Sample, control: Sample, ax: Any) -> Any:
    """The singular values of W over the steps at N = 2, with the closed form, and under gradient descent."""
    from ... import plotting

    run, other = claim.runs["N = 2"], control.runs["N = 2"]
    seen, slow = (np.linalg.svd(r.history["w"], compute_uv=False) for r in (run, other))
    theory = np.linalg.svd(claim.prediction("N = 2").at(run.history["time"]), compute_uv=False)
    return plotting.theory_over_simulation(
        run.history["steps"], seen, theory, ax, control=slow, xlabel="step k", ylabel="singular values of W"
    )


spectral_descent_modes = Theorem(
    id="spectral-descent-modes", family="matrix", kind="exact", source="vasudeva2025muon",
    claim="From an aligned start spectral descent moves all singular values at one speed, up to their targets.",
    settings=_three_depths, rule=spectral_modes_rule, bound=1e-7, figure=grow,
    run={"stop": Stop(steps=64), "save": Save(every=2, fields=("w",))},
    control=Control("gradient descent: each mode at a speed of its own", 1e-2, {"optimizer": GradientDescent(STEP)}),
)  # fmt: skip


# -- one method by four names ----------------------------------------------------------------------

SAME = (
    SpectralDescent(0.01), Muon(0.01, 0.0), SteepestDescent("spectral", 0.01, normalized=True),
    Shampoo(0.01, 0.25, 0.0, 0.0),
)  # fmt: skip


def _four_names(rng: Rng) -> dict[str, Setting]:
    T = matrix_with_spectrum(rng, 4, 4, rng.uniform(2, 3, 4))
    problem, model = MatrixRegression.whitened(T), DeepLinear((4, 3, 4))
    init = tuple(matrix_with_spectrum(rng, p, q, rng.uniform(0.4, 0.8, 3)) for p, q in ((3, 4), (4, 3)))
    return {type(o).__name__: Setting(problem, model, o, init) for o in SAME}


def apart(runs: dict[str, Run]) -> Evidence:
    """The largest distance of a path to the first, relative to W there."""
    paths = {label: run.history["w"] for label, run in runs.items()}
    first = next(iter(paths.values()))
    size = np.linalg.norm(first, axis=(1, 2))
    away = {label: np.linalg.norm(w - first, axis=(1, 2)) / size for label, w in paths.items()}
    last = next(reversed(paths.values()))
    detail = {
        "x": next(iter(runs.values())).history["steps"],
        "seen": last[:, 0], "theory": first[:, 0], "axes": ("step k", "first row of W", ""),
    }  # fmt: skip
    return Evidence(float(np.max(list(away.values()))), 0.0, detail)


def _without_memory(setting: Setting) -> bool:
    o = setting.optimizer
    return steps_are_spectral(setting) or (
        isinstance(o, Shampoo) and (o.power, o.beta, o.eps, o.sides) == (0.25, 0.0, 0.0, "both")
    )


def _accumulated(setting: Setting) -> Any:
    return Shampoo(0.01, eps=0.0) if isinstance(setting.optimizer, Shampoo) else setting.optimizer


FOUR = Hypothesis(
    "the optimizer is SpectralDescent, Muon without momentum, normalised steepest descent in the spectral norm, or "
    "Shampoo with power ¼ on both sides, no memory, and ε = 0",
    _without_memory,
)

muon_is_spectral_descent = Theorem(
    id="muon-is-spectral-descent", family="matrix", kind="exact", source="bernstein2024norm",
    claim="Muon and Shampoo without their memories are steepest descent in the spectral norm.",
    settings=_four_names, measure=apart, bound=1e-10, figure=figures.along, hypotheses=(LAYERED, FOUR, NO_DECAY),
    run={"stop": Stop(steps=20), "save": Save(every=1, fields=("w",))},
    control=Control("Shampoo accumulates its factors", 1e-2, {"optimizer": _accumulated}),
)  # fmt: skip

# -- what they select on a linear model ------------------------------------------------------------


def _five_geometries(rng: Rng) -> dict[str, Setting]:
    X, W0 = inputs_with_spectrum(rng, 3, 6, rng.uniform(1, 3, 3)), rng.standard_normal((4, 6))
    problem = MatrixRegression(X, rng.standard_normal((3, 4)))
    optimizers = {
        "gradient descent": GradientDescent(0.3), "heavy ball": HeavyBall(0.3, 0.3),
        "spectral": SteepestDescent("spectral", 0.1), "nuclear": SteepestDescent("nuclear", 0.3),
        "Shampoo": Shampoo(1.0, eps=1e-6),
    }  # fmt: skip
    return {name: Setting(problem, Linear(), o, W0) for name, o in optimizers.items()}


least_in_every_norm = Theorem(
    id="least-in-every-norm", family="matrix", kind="exact", source="gunasekar2018geometry",
    claim="On a linear matrix model spectral methods select what gradient descent does, nearest in all Schatten norms.",
    settings=_five_geometries, rule=nearest_matrix_rule, run={"stop": Stop(loss=1e-24)}, bound=1e-9,
    control=Control("AdaGrad, Shampoo's diagonal", 1e-3, {"optimizer": AdaGrad(0.5)}), figure=figures.coordinates,
)  # fmt: skip

# -- scaled gradient descent -----------------------------------------------------------------------


def _one_w_three_factors(rng: Rng) -> dict[str, Setting]:
    T = matrix_with_spectrum(rng, 5, 4, rng.uniform(0.5, 2, 2))
    problem, factorization = MatrixRegression.whitened(T), MatrixFactorization(2)
    U, V = (F + 0.2 * rng.standard_normal(F.shape) for F in factorization.factorize(T))
    A = matrix_with_spectrum(rng, 2, 2, (3.0, 0.5))
    starts = {
        "UVᵀ": (factorization, (U, V)),
        "UA(VA⁻ᵀ)ᵀ": (factorization, (U @ A, V @ np.linalg.inv(A).T)),
        "W₂W₁": (DeepLinear((4, 2, 5)), (V.T, U)),
    }
    return {label: Setting(problem, model, ScaledGD(0.3), init) for label, (model, init) in starts.items()}


def off_the_map(runs: dict[str, Run]) -> Evidence:
    """‖W_{k+1} − M W_k⁺M‖/‖W_{k+1}‖, and the distance of the paths from the first, at every step."""
    off, paths = [], {label: run.history["w"] for label, run in runs.items()}
    first = next(iter(paths.values()))
    for label, path in paths.items():
        setting = runs[label].setting
        M = path - setting.optimizer.step * setting.problem.gradient(path)
        mapped = M @ np.linalg.pinv(path, rcond=1e-10) @ M
        off.append(
            np.linalg.norm(path[1:] - mapped[:-1], axis=(1, 2)) / np.linalg.norm(path[1:], axis=(1, 2))
        )
        off.append((np.linalg.norm(path - first, axis=(1, 2)) / np.linalg.norm(first, axis=(1, 2)))[1:])
    second = list(paths.values())[1]
    detail = {
        "x": np.arange(len(first)), "seen": second[:, 0], "theory": first[:, 0],
        "axes": ("step k", "first row of W", ""),
    }  # fmt: skip
    return Evidence(float(np.max(off)), 0.0, detail)


SCALED = Hypothesis("the optimizer is ScaledGD", is_a(ScaledGD, "optimizer"))

scaled_gd_sees_no_factors = Theorem(
    id="scaled-gd-sees-no-factors", family="matrix", kind="exact", source="tong2021scaledgd",
    claim="Scaled gradient descent moves the product of its factors by a map of the product alone.",
    settings=_one_w_three_factors, measure=off_the_map, hypotheses=(SCALED, NO_DECAY), bound=1e-10,
    run={"stop": Stop(steps=12), "save": Save(every=1, fields=("w",))}, figure=figures.along,
    control=Control("gradient descent on the factors", 1e-3, {"optimizer": GradientDescent(0.05)}),
)  # fmt: skip

KAPPAS = (1.0, 10.0, 100.0)
ETA, FROM, TO = 0.4, 25, 40


def _three_conditions(rng: Rng) -> dict[str, Setting]:
    settings, factorization = {}, MatrixFactorization(2)
    for kappa in KAPPAS:
        root = np.sqrt([1.0, 1.0 / kappa])
        U, V = orthonormal(5, 5, rng), orthonormal(4, 4, rng)
        tilted = (Q[:, :2] + 0.1 * Q[:, 2:] @ rng.standard_normal((len(Q) - 2, 2)) for Q in (U, V))
        left, right = (F * root for F in tilted)
        init = (left @ (np.eye(2) + 0.1 * rng.standard_normal((2, 2))), right)
        problem = MatrixRegression.whitened((U[:, :2] * root**2) @ V[:, :2].T)
        settings[f"κ = {kappa:g}"] = Setting(problem, factorization, ScaledGD(ETA), init)
    return settings


def rates(runs: dict[str, Run]) -> Evidence:
    """(‖E_40‖/‖E_25‖)^{1/15} of E_k = W_k − T, at every condition number."""
    errors = [np.linalg.norm(r.history["w"] - r.setting.problem.target, axis=(1, 2)) for r in runs.values()]
    seen = [(e[TO] / e[FROM]) ** (1 / (TO - FROM)) for e in errors]
    k = np.arange(TO + 1)
    lines = np.array([e[FROM] * (1 - ETA) ** (k - FROM) for e in errors])
    detail = {"x": k, "seen": np.array(errors).T, "theory": lines.T, "axes": ("step k", "‖W_k − T‖", "y")}
    return Evidence(seen, [1 - ETA] * len(seen), detail)


def _low_rank_target(setting: Setting) -> bool:
    s = np.linalg.svd(setting.problem.target, compute_uv=False)
    rank = int(np.sum(s > 1e-12 * s[0]))
    return bool(rank == setting.model.rank < max(setting.problem.w_shape))


def _near(run: Run) -> bool:
    T = run.setting.problem.target
    return bool(
        np.linalg.norm(run.w - T) <= 1e-6 * np.linalg.svd(T, compute_uv=False)[run.setting.model.rank - 1]
    )


def _start_off(setting: Setting) -> float:
    """‖S^{−½}UᵀW₀V S^{−½} − I‖_2 with T = U S Vᵀ."""
    r = setting.model.rank
    U, s, Vt = np.linalg.svd(setting.problem.target)
    inside = U[:, :r].T @ setting.w0 @ Vt[:r].T / np.sqrt(np.outer(s[:r], s[:r]))
    return float(np.linalg.norm(inside - np.eye(r), 2))


LOW_RANK = Hypothesis("T has the rank r of the factors, and r < max(p, q)", _low_rank_target)
SMALL_ETA = Hypothesis(
    "the step is constant, 0 < η < ⅔",
    lambda s: not callable(s.optimizer.step) and 0 < s.optimizer.step < 2 / 3,
)
CLOSE = Hypothesis("inside the spaces of T the start is T up to a relative ½", lambda s: _start_off(s) <= 0.5)
ARRIVES = Hypothesis("the run comes within 10⁻⁶ σ_r of T", _near, of="run")

scaled_gd_rate = Theorem(
    id="scaled-gd-rate", family="matrix", kind="rate", source="tong2021scaledgd",
    claim="Scaled gradient descent approaches its target by the factor 1 − η a step, whatever the condition number.",
    settings=_three_conditions, measure=rates, bound=1e-5, figure=figures.along,
    hypotheses=(WHITENED, SCALED, NO_DECAY, LOW_RANK, SMALL_ETA, ARRIVES), conditions=(CLOSE,),
    run={"stop": Stop(steps=TO), "save": Save(every=1, fields=("w",))},
    control=Control("gradient descent, whose rate is 1 − ησ_r", 0.1, {"optimizer": GradientDescent(ETA)}),
)  # fmt: skip
