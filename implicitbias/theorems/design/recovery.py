"""φ′ as splines: from any stable step of mirror descent, and the same from two methods that share a potential."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import plotting
from ...discovery import design
from ...discovery.bias import aligned
from ...discovery.families import fit_families
from ...discovery.samples import EPS
from ...dynamics import Run, Setting, Stop
from ...geometry import Hypentropy, Potential
from ...models import Balanced, Diagonal, Linear
from ...optimizers import GradientFlow, MirrorDescent
from ...problems import Regression
from ...selection import Hypothesis
from ...selection.rules.common import CONVERGED, LINEAR, NO_DECAY, SQUARE_LOSS, is_a
from .. import figures
from ..base import Control, Evidence, Sample, Theorem
from ..draws import Rng, inputs_with_spectrum
from .solutions import problem_of_size, samples_of, spline_of

PROBLEMS, FEW, WIDTH = 20, 5, 12
STEP = 0.3


def _problems(psi: Potential, rng: Rng) -> list[Regression]:
    """XᵀX/n with eigenvalues ½ to 1; ψ selects w of largest |w_j| from 0.15 to 4.5, evenly on the logarithmic scale."""
    return [
        problem_of_size(psi, inputs_with_spectrum(rng, FEW, WIDTH, np.linspace(0.5, 1, FEW)), largest, rng)
        for largest in np.geomspace(0.15, 4.5, PROBLEMS)
    ]


# -- mirror descent at a large step ---------------------------------------------------------------------

RESOLUTION, DIGITS, SHARE = 1e-2, 1e-8, 1e-9
"""Of φ′ as a spline, of log c, and of what is left outside range(Xᵀ)."""


def _mirror_steps(rng: Rng) -> dict[str, Setting]:
    """Twenty problems under large steps of mirror descent by one drawn Hypentropy(log c)."""
    psi = Hypentropy(rng.uniform(-1.5, 0.5))
    method = design(psi, "mirror", STEP)
    return {f"{k}": Setting(p, Linear(), method, np.zeros(WIDTH)) for k, p in enumerate(_problems(psi, rng))}


def _potential(setting: Setting) -> Any:
    optimizer = setting.optimizer
    return optimizer.potential if isinstance(optimizer, MirrorDescent) else optimizer.P.potential


def recovered(runs: dict[str, Run]) -> Evidence:
    """max|φ̂′ − φ′|/max φ′ over the range, the error of log c, and the share outside, each in units of its limit."""
    done = list(runs.values())
    samples, psi = samples_of(done), _potential(done[0].setting)
    fit = spline_of(samples)
    inside = fit.grid[(fit.grid >= fit.range[0]) & (fit.grid <= fit.range[1])]
    truth = psi.gradient(inside)
    seen = aligned(fit.map(inside), truth)
    named = next(f for f in fit_families(samples, EPS) if f.parameters.keys() == {"log_c"})
    errors = (
        np.max(np.abs(seen - truth)) / np.max(truth),
        abs(named.parameters["log_c"] - psi.log_c),
        named.residual,
    )
    quotients = np.array(errors) / (RESOLUTION, DIGITS, SHARE)
    detail = {
        "seen": np.maximum(quotients, 1e-12), "theory": np.ones(3),
        "axes": ("φ′, log c, share outside range(Xᵀ)", "error over its limit", "y"),
    }  # fmt: skip
    return Evidence(quotients, None, detail)


def _as_preconditioner(setting: Setting) -> Any:
    return design(setting.optimizer.potential, "preconditioner", setting.optimizer.step)


MIRROR = Hypothesis("it is mirror descent", is_a(MirrorDescent, "optimizer"))

identified_mirror_map = Theorem(
    id="identified-mirror-map", family="design", kind="bound", source="azizan2019mirror",
    claim="From mirror descent at a large step the potential is read off: φ′ by splines to 1 %, log c to eight digits.",
    settings=_mirror_steps, measure=recovered, bound=1.0, instances=1, figure=figures.points,
    run={"stop": Stop(loss=1e-20)}, hypotheses=(SQUARE_LOSS, LINEAR, MIRROR, NO_DECAY, CONVERGED),
    control=Control("the preconditioner of the same potential and step", 1e3, {"optimizer": _as_preconditioner}),
)  # fmt: skip


# -- one φ′ from two methods -------------------------------------------------------------------------------

SCALE = 0.6
"""α of the balanced start: the flow of w = u² − v² selects by Hypentropy(log 2α²)."""


def _two_methods(rng: Rng) -> dict[str, Setting]:
    """Mirror descent of Hypentropy(log 2α²) and the flow of the diagonal network, on problems of their own."""
    psi = Hypentropy(np.log(2 * SCALE**2))
    method = Linear(), MirrorDescent(psi, STEP), np.zeros(WIDTH)
    network = Diagonal(), GradientFlow(), Balanced(SCALE)
    steps = {f"mirror {k}": Setting(p, *method) for k, p in enumerate(_problems(psi, rng))}
    flows = {f"network {k}": Setting(p, *network) for k, p in enumerate(_problems(psi, rng))}
    return steps | flows


def apart(runs: dict[str, Run]) -> Evidence:
    """max|φ̂′₁ − c φ̂′₂|/max φ̂′₁ over the common range, c the best factor."""
    fits = [
        spline_of(samples_of([r for label, r in runs.items() if label.startswith(of)]))
        for of in ("mirror", "network")
    ]
    low, high = np.max([f.range[0] for f in fits]), np.min([f.range[1] for f in fits])
    x = np.geomspace(low, high, 200)
    first = fits[0].map(x)
    second = aligned(fits[1].map(x), first)
    detail = {"x": x, "seen": second, "theory": first}
    return Evidence(float(np.max(np.abs(second - first)) / np.max(first)), 0.0, detail)


def curves(claim: Sample, control: Sample, ax: Any) -> Any:
    """detail["seen"] over detail["x"] with detail["theory"] dashed, and the control's."""
    detail, other = claim.evidence.detail, control.evidence.detail
    artists = plotting.curve(other["x"], other["seen"], ax, color=plotting.CONTROL, lw=0.8, log="")
    artists[0].set_label("control")
    artists += plotting.theory_over_simulation(
        detail["x"], detail["seen"], detail["theory"], ax, xlabel="|w|", ylabel="φ′(|w|)", log="x"
    )
    return artists


def _deeper(setting: Setting) -> Any:
    return Diagonal(4) if isinstance(setting.model, Diagonal) else setting.model


ONE_POTENTIAL = Hypothesis(
    "it selects by Hypentropy(log 2α²): the mirror step, or the network of depth two",
    lambda s: (
        isinstance(s.optimizer, MirrorDescent) or (isinstance(s.model, Diagonal) and s.model.depth == 2)
    ),
)

one_potential_two_methods = Theorem(
    id="one-potential-two-methods", family="design", kind="exact", source="woodworth2020kernel",
    claim="Mirror steps and a network's flow of one potential are read off, on other problems, as one φ′ up to scale.",
    settings=_two_methods, measure=apart, bound=2e-3, instances=1, figure=curves, run={"stop": Stop(loss=1e-12)},
    hypotheses=(SQUARE_LOSS, ONE_POTENTIAL, NO_DECAY, CONVERGED),
    control=Control("a network of depth four", 0.1, {"model": _deeper}),
)  # fmt: skip
