"""Mirror descent with momentum: in the dual it changes nothing, in the primal it does."""

from __future__ import annotations

import dataclasses

import numpy as np

from ...dynamics import Run, Setting, Stop
from ...geometry import Hypentropy, Mahalanobis, PNorm
from ...models import Linear
from ...optimizers import MirrorDescent
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, LINEAR, NO_DECAY, SQUARE_LOSS, mirror_projection
from ...selection.rules.linear import mirror_rule
from .. import figures
from ..base import Control, Evidence, Theorem
from ..draws import WELL_CONDITIONED, Rng, gaussian_regression

BETA = 0.8


def _three_potentials(rng: Rng) -> dict[str, Setting]:
    """Steps 0.3 (1 − β)/‖∇²ψ*‖λ_max with the Hessian bounded on |w| ≤ 3‖X⁺y‖∞."""
    problem = gaussian_regression(rng, 4, 10)
    reach = 3 * float(np.max(np.abs(problem.least_squares)))
    spread = np.exp(rng.uniform(-1, 1, 10))
    potentials = {
        "hypentropy": (Hypentropy(np.log(0.3)), np.hypot(reach, 0.3)),
        "ℓ1.5": (PNorm(1.5), 2 * np.sqrt(reach)),
        "quadratic": (Mahalanobis(spread), 1 / spread.min()),
    }
    return {
        name: Setting(
            problem, Linear(), MirrorDescent(psi, 0.3 / (slope * problem.smoothness), momentum=BETA)
        )
        for name, (psi, slope) in potentials.items()
    }


def _primal(setting: Setting) -> MirrorDescent:
    return dataclasses.replace(setting.optimizer, primal=True)


momentum_mirror_descent = Theorem(
    id="momentum-mirror-descent", family="linear", kind="exact", source="gunasekar2018geometry",
    claim="Momentum in the dual point leaves the Bregman projection that mirror descent selects unchanged.",
    settings=_three_potentials, rule=mirror_rule, run={"stop": Stop(loss=1e-26, steps=200_000)}, bound=1e-10,
    control=Control("momentum in w itself leaves it", 1e-4, {"optimizer": _primal}),
    conditions=(WELL_CONDITIONED,), figure=figures.coordinates,
)  # fmt: skip


# -- momentum in w itself ------------------------------------------------------------------------

LEFT = 1e-4
NOT_QUADRATIC = Hypothesis(
    "momentum is primal, and the potential is not quadratic",
    lambda s: (
        s.optimizer.momentum > 0 and s.optimizer.primal and not isinstance(s.optimizer.potential, Mahalanobis)
    ),
)


def _primal_hypentropy(rng: Rng) -> Setting:
    setting = _three_potentials(rng)["hypentropy"]
    return dataclasses.replace(setting, optimizer=_primal(setting))


def left_the_projection(run: Run) -> Evidence:
    """LEFT/(distance of w to the Bregman projection by the optimizer's own potential, relative)."""
    projection = mirror_projection(run.setting).solution
    distance = float(np.linalg.norm(run.w - projection) / np.linalg.norm(projection))
    return Evidence(LEFT / distance if distance else np.inf, detail={
        "seen": run.w, "theory": projection, "ylabel": "w (rings: the Bregman projection)",
    })  # fmt: skip


def _quadratic(setting: Setting) -> MirrorDescent:
    psi = Mahalanobis(np.linspace(0.5, 1.5, setting.w0.size))
    return dataclasses.replace(setting.optimizer, potential=psi, step=0.15 / setting.problem.smoothness)


primal_momentum_leaves_the_projection = Theorem(
    id="primal-momentum-leaves-the-projection", family="linear", kind="bound", source="gunasekar2018geometry",
    claim="With momentum in w, mirror descent in a potential that is not quadratic leaves the Bregman projection.",
    settings=_primal_hypentropy, measure=left_the_projection, run={"stop": Stop(loss=1e-26, steps=200_000)}, bound=1.0,
    hypotheses=(SQUARE_LOSS, LINEAR, NO_DECAY, NOT_QUADRATIC, CONVERGED), conditions=(WELL_CONDITIONED,),
    control=Control("a quadratic potential, whose mirror map is linear", 1e3, {"optimizer": _quadratic}),
    figure=figures.entries,
)  # fmt: skip
