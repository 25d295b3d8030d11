"""Two-layer networks solved by a matrix Riccati equation."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixRegression
from ...selection import Hypothesis
from ...selection.riccati import RiccatiSolution
from ...selection.rules.deep import riccati_rule
from ...selection.rules.networks import BALANCED
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import Rng, matrix_with_spectrum

SHAPES = ((4, 4, 4, 0.0), (5, 3, 3, 0.8), (3, 3, 5, -0.8), (5, 2, 4, 0.4))


def lambda_balanced(rng: Rng, d_in: int, h: int, d_out: int, lam: float) -> tuple[np.ndarray, np.ndarray]:
    """(W₁, W₂) with W₂ᵀW₂ − W₁W₁ᵀ = λI and random bases; h ≤ min(d_in, d_out)."""
    q = np.sqrt(rng.uniform(0.3, 0.8, h) ** 2 + lam**2 / 4)
    R = orthonormal(h, h, rng)
    W1 = R @ np.diag(np.sqrt(q - lam / 2)) @ orthonormal(d_in, h, rng).T
    return W1, orthonormal(d_out, h, rng) @ np.diag(np.sqrt(q + lam / 2)) @ R.T


def _four_shapes(rng: Rng) -> dict[str, Setting]:
    settings = {}
    for d_in, h, d_out, lam in SHAPES:
        r = min(d_in, d_out)
        T = orthonormal(d_out, r, rng) @ np.diag(np.linspace(1.6, 0.7, r)) @ orthonormal(d_in, r, rng).T
        theta = lambda_balanced(rng, d_in, h, d_out, lam)
        settings[f"{d_in}-{h}-{d_out}, λ = {lam:g}"] = Setting(
            MatrixRegression.whitened(T), DeepLinear((d_in, h, d_out)), GradientFlow(), theta
        )
    return settings


def _unbalanced(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    return 2 * setting.theta0[0], setting.theta0[1] / 2


ALL_REACHED = Hypothesis(
    "the start has a part of at least 0.1 along every eigenvector it grows into",
    lambda s: riccati_rule.apply(s, None).smallest_pivot() >= 0.1,
)

riccati_two_layer = Theorem(
    id="riccati-two-layer", family="deep", kind="exact", source="braun2022exact",
    claim="A λ-balanced two-layer network follows the closed solution of a matrix Riccati equation.",
    settings=_four_shapes, rule=riccati_rule, bound=1e-8, figure=figures.network_map,
    run={"stop": Stop(time=20), "save": Save(at=np.linspace(0, 20, 41), fields=("w",)), "rtol": 1e-12},
    control=Control("an unbalanced start: W₁ doubled, W₂ halved", 1e-4, {"init": _unbalanced}),
    conditions=(ALL_REACHED,),
)  # fmt: skip


# -- the hidden layer --------------------------------------------------------------------------------


def representations(runs: dict[str, Run]) -> Evidence:
    """W₁ᵀW₁, W₂W₂ᵀ and K = W₂W₂ᵀ ⊗ I + I ⊗ W₁ᵀW₁ of every run against the curve's, relative, the worst t."""
    worst: list[float] = []
    detail: dict[str, Any] = {}
    for run in runs.values():
        theta, t = run.setting.layout.split(run.history["theta"]), run.history["time"]
        inner, outer = np.swapaxes(theta[0], 1, 2) @ theta[0], theta[1] @ np.swapaxes(theta[1], 1, 2)
        K = np.array([np.kron(C, np.eye(len(B))) + np.kron(np.eye(len(C)), B) for B, C in zip(inner, outer)])
        curve: RiccatiSolution = riccati_rule.apply(run.setting, None)
        exact = (*curve.representations(t), curve.tangent_kernel(t))
        for seen, theory in zip((inner, outer, K), exact):
            off, size = (np.linalg.norm(x, axis=(1, 2)) for x in (seen - theory, theory))
            worst.append(float(np.max(off / size)))
        detail = {
            "x": t, "seen": inner.reshape(len(t), -1), "theory": exact[0].reshape(len(t), -1),
            "axes": ("time", "entries of W₁ᵀW₁", ""),
        }  # fmt: skip
    return Evidence(np.array(worst), 0.0, detail)


two_layer_representations = Theorem(
    id="two-layer-representations", family="deep", kind="exact", source="braun2022exact",
    claim="The same equation gives the similarities of the hidden units, and the tangent kernel, at every time.",
    settings=_four_shapes, measure=representations, bound=1e-8, figure=figures.along,
    run={"stop": Stop(time=20), "save": Save(at=np.linspace(0, 20, 41), fields=("w", "theta")), "rtol": 1e-12},
    hypotheses=riccati_rule.hypotheses, conditions=(ALL_REACHED,), instances=2,
    control=Control("an unbalanced start: W₁ doubled, W₂ halved", 1e-3, {"init": _unbalanced}),
)  # fmt: skip

# -- the sign of the determinant ---------------------------------------------------------------------


def _wrong_sign(rng: Rng) -> dict[str, Setting]:
    """Square layers with det W(0)·det T < 0; s_r = 0.6, the others at least 1.8."""
    settings = {}
    for n in (2, 3, 4):
        T = matrix_with_spectrum(rng, n, n, [*np.linspace(2.6, 1.8, n - 1), 0.6])
        U, s, Vt = np.linalg.svd(matrix_with_spectrum(rng, n, n, rng.uniform(0.3, 0.8, n)))
        U[:, -1] *= -np.sign(np.linalg.det(U @ Vt) * np.linalg.det(T))
        model = DeepLinear((n, n, n))
        init = model.factorize((U * s) @ Vt, rng=rng)
        settings[f"n = {n}"] = Setting(MatrixRegression.whitened(T), model, GradientFlow(), init)
    return settings


def _reflected(setting: Setting) -> tuple[np.ndarray, np.ndarray]:
    """W₁(I − 2v_rv_rᵀ), v_r the last right singular vector of T: as balanced, with det W(0) of the other sign."""
    v = np.linalg.svd(setting.problem.target)[2][-1]
    W1, W2 = setting.theta0
    return W1 - 2 * np.outer(W1 @ v, v), W2


def at_the_saddle(runs: dict[str, Run]) -> Evidence:
    """‖W(t) − T_{r−1}‖_F/s_r at the end of each run, T_{r−1} = Σ_{i<r} s_iu_iv_iᵀ."""
    off: list[float] = []
    detail: dict[str, Any] = {}
    for run in runs.values():
        T, t = run.setting.problem.target, run.history["time"]
        U, s, Vt = np.linalg.svd(T)
        off.append(float(np.linalg.norm(run.w - (U[:, :-1] * s[:-1]) @ Vt[:-1])) / s[-1])
        seen, exact = (
            np.linalg.norm(W - T, axis=(1, 2)) / s[-1]
            for W in (run.history["w"], riccati_rule.apply(run.setting, None)(t))
        )
        detail = {"x": t, "seen": seen, "theory": exact, "axes": ("time", "‖W − T‖_F / s_r", "")}
    return Evidence(np.array(off), 0.0, detail)


WRONG_SIGN = Hypothesis(
    "the layers are square and det W(0)·det T < 0",
    lambda s: len(set(s.model.widths)) == 1 and np.linalg.det(s.w0) * np.linalg.det(s.problem.target) < 0,
)
REACHED_BUT_ONE = Hypothesis(
    "the start has a part of at least 0.1 along every mode but the last, and its reflection along all",
    lambda s: (
        riccati_rule.apply(Setting(s.problem, s.model, s.optimizer, _reflected(s)), None).smallest_pivot()
        >= 0.1
    ),
)

determinant_saddle = Theorem(
    id="determinant-saddle", family="deep", kind="limit", source="braun2022exact",
    claim="Balanced square layers keep the sign of det W: from the wrong one the flow tends to the saddle without s_r.",
    settings=_wrong_sign, measure=at_the_saddle, bound=1e-3, figure=figures.along,
    run={"stop": Stop(time=14), "save": Save(at=np.linspace(0, 14, 57), fields=("w",)), "rtol": 1e-12},
    hypotheses=(*riccati_rule.hypotheses[:4], BALANCED, WRONG_SIGN), conditions=(REACHED_BUT_ONE,),
    control=Control("the start reflected: det W(0)·det T > 0", 0.5, {"init": _reflected}),
)  # fmt: skip
