"""Singular modes of deep linear networks from aligned starts: each moves alone, on a curve in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...dynamics import Save, Setting, Stop
from ...models import DeepLinear
from ...models.matrix import orthonormal
from ...optimizers import GradientFlow
from ...problems import MatrixRegression
from ...selection.rules.modes import deep_modes_rule
from .. import figures
from ..base import Control, Theorem
from ..draws import Rng, matrix_with_spectrum

# -- the draws -------------------------------------------------------------------------------------


def aligned(rng: Rng, widths: Sequence[int]) -> Setting:
    """A target with modes from 2 to 0.6, and a balanced start in its singular bases with modes in [0.05, 0.3]."""
    p, q, r = widths[-1], widths[0], min(widths)
    T = matrix_with_spectrum(rng, p, q, np.linspace(2.0, 0.6, min(p, q)))
    U, _, Vt = np.linalg.svd(T, full_matrices=False)
    model, u = DeepLinear(tuple(widths)), rng.uniform(0.05, 0.3, r)
    start = model.factorize((U[:, :r] * u) @ Vt[:r], rng=rng)
    return Setting(MatrixRegression.whitened(T), model, GradientFlow(), start)


def _two_layers(rng: Rng) -> dict[str, Setting]:
    return {"-".join(map(str, w)): aligned(rng, w) for w in ((4, 4, 4), (5, 3, 4), (3, 6, 4))}


def _deep(rng: Rng) -> dict[str, Setting]:
    return {f"N = {len(w) - 1}": aligned(rng, w) for w in ((4, 5, 3, 4), (3, 4, 4, 5, 3), (3, 3, 3, 3, 3, 3))}


def _own_sizes(rng: Rng) -> dict[str, Setting]:
    """Layers of any sizes in the target's bases; with units to spare, those of a mode meet at an angle α."""
    settings = {}
    for d_in, h, d_out in ((4, 4, 4), (5, 3, 4), (4, 8, 3)):
        setting = aligned(rng, (d_in, h, d_out))
        U, _, Vt = np.linalg.svd(setting.problem.target, full_matrices=False)
        r, R = min(d_in, h, d_out), orthonormal(h, h, rng)
        a, b, alpha = rng.uniform(0.1, 1.2, r), rng.uniform(0.1, 1.2, r), rng.uniform(0, np.pi / 2, r)
        turned = R[:, :r] * np.cos(alpha) + R[:, -r:] * np.sin(alpha) if h >= 2 * r else R[:, :r]
        theta = (R[:, :r] * b) @ Vt[:r], (U[:, :r] * a) @ turned.T
        settings[f"{d_in}-{h}-{d_out}"] = Setting(setting.problem, setting.model, GradientFlow(), theta)
    return settings


# -- the controls ----------------------------------------------------------------------------------


def _turned(setting: Setting) -> tuple[np.ndarray, ...]:
    """The columns of W₁ moved on by one: as balanced as before, in other right singular vectors."""
    return (np.roll(setting.theta0[0], 1, axis=1), *setting.theta0[1:])


def _unbalanced(setting: Setting) -> tuple[np.ndarray, ...]:
    W1, W2, *others = setting.theta0
    return (2 * W1, W2 / 2, *others)


RUN = {"stop": Stop(time=8), "save": Save(at=np.linspace(0, 8, 33), fields=("w",)), "rtol": 1e-12}

saxe_modes = Theorem(
    id="saxe-modes", family="deep", kind="exact", source="saxe2014exact",
    claim="From an aligned, balanced start each singular mode of a two-layer network follows its own sigmoid.",
    settings=_two_layers, rule=deep_modes_rule, run=RUN, bound=1e-9,
    control=Control("a start in other right singular vectors", 1e-2, {"init": _turned}),
    figure=figures.network_map,
)  # fmt: skip

deep_modes = Theorem(
    id="deep-modes", family="deep", kind="exact", source="saxe2014exact",
    claim="At depth three to five the modes follow an inverse hypergeometric function, after a longer plateau.",
    settings=_deep, rule=deep_modes_rule, run=RUN, bound=1e-9, instances=2,
    control=Control("W₁ doubled and W₂ halved: aligned, not balanced", 1e-3, {"init": _unbalanced}),
    figure=figures.network_map,
)  # fmt: skip

unbalanced_modes = Theorem(
    id="unbalanced-modes", family="deep", kind="exact", source="braun2022exact",
    claim="Two aligned layers of any imbalance, one for each mode, have modes in closed form between lazy and rich.",
    settings=_own_sizes, rule=deep_modes_rule, run=RUN, bound=1e-8,
    control=Control("the second layer moves at twice the rate", 1e-3, {"optimizer": GradientFlow(rates=(1.0, 2.0))}),
    figure=figures.network_map,
)  # fmt: skip
