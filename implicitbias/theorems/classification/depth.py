"""Deep linear networks on separable data: aligned layers, and an ℓ2 margin that does not depend on the depth."""

from __future__ import annotations

import numpy as np

from ...dynamics import Run, Save, Setting, Stop
from ...models import DeepLinear
from ...optimizers import GradientFlow, PreconditionedFlow
from ...selection import Hypothesis, MarginCurve, max_margin
from ...selection.rules.depth_margin import depth_margin_rule
from ...selection.rules.networks import UNIT_FLOW
from .. import figures
from ..base import Control, Evidence, Theorem
from .margins import EXPONENTIAL, Rng, gaussian_classification

WIDTHS = {"two layers": (8, 3, 1), "three layers": (8, 3, 3, 1)}


def _networks(rng: Rng) -> dict[str, Setting]:
    problem = gaussian_classification(rng, 4, 8)
    settings = {}
    for label, widths in WIDTHS.items():
        layers = tuple(0.5 * rng.standard_normal(shape) for shape in zip(widths[1:], widths[:-1]))
        settings[label] = Setting(problem, DeepLinear(widths), GradientFlow(), layers)
    return settings


# -- the layers ------------------------------------------------------------------------------------


def layer_constants(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """E_j (N,), ‖D_j‖₂ and λ_max(D_j) − λ_min(D_j) + E_{j+1} (N − 1,), of the start."""
    spectra = [np.linalg.eigvalsh(D) for D in setting.model.imbalances(setting.theta0)]
    excess = [x[-1] - np.sum(x) for x in spectra]
    E = np.append(np.cumsum(excess[::-1])[::-1], 0.0)
    sizes = np.array([np.max(np.abs(x)) for x in spectra])
    return E, sizes, np.array([x[-1] - x[0] for x in spectra]) + E[1:]


def layer_quotients(run: Run) -> Evidence:
    """Rank one, equal sizes and alignment of the layers, each over its bound: the largest along the run."""
    E, sizes, angles = layer_constants(run.setting)
    path = [run.setting.layout.split(flat) for flat in run.history["theta"]]
    svd = [[np.linalg.svd(W, full_matrices=False) for W in theta] for theta in path]
    top = np.array([[s[0] for _, s, _ in layers] for layers in svd])
    rest = np.array([[np.sum(s[1:] ** 2) for _, s, _ in layers] for layers in svd])
    cos2 = np.array(
        [[float(V[0] @ U[:, 0]) ** 2 for (U, _, _), (_, _, V) in zip(layers, layers[1:])] for layers in svd]
    )
    seen = (
        rest[:, :-1] / E[:-1],
        np.abs(np.diff(top**2, axis=1)) / sizes,
        top[:, 1:] ** 2 * (1 - cos2) / angles,
    )
    worst = np.max(np.hstack(seen), axis=1)
    detail = {"x": run.history["log_time"], "seen": worst, "theory": np.ones(len(worst))}
    return Evidence(np.max(worst), 0.0, detail | {"axes": ("log t", "left side over right side", "xy")})


layer_alignment = Theorem(
    id="layer-alignment", family="classification", kind="bound", source="ji2019alignment",
    claim="The layers of a deep linear network stay within constants of rank one, aligned and equal in size.",
    settings=lambda rng: _networks(rng)["three layers"], measure=layer_quotients, bound=1.0 + 1e-5, instances=2,
    hypotheses=(*depth_margin_rule.hypotheses, UNIT_FLOW), figure=figures.along,
    run={"stop": Stop(margin=1e3), "save": Save(every=20, fields=("theta",)), "rtol": 1e-10},
    control=Control("the last layer moves at a tenth of the rate", 5.0, {"optimizer": GradientFlow((1.0, 1.0, 0.1))}),
)  # fmt: skip


# -- the direction ---------------------------------------------------------------------------------

FROM, UPTO = 1e4, 1e5
"""The window of ‖w‖."""


def direction_slopes(runs: dict[str, Run]) -> Evidence:
    """d ln sin∠(w, ŵ)/d ln‖w‖ over the window, beside −1/N."""
    slopes, theory, detail = [], [], {}
    for run in runs.values():
        w, N = run.history["w"], run.setting.model.depth
        u = max_margin(run.setting.problem, 2).direction
        R = np.linalg.norm(w, axis=1)
        sine = np.linalg.norm(w - np.outer(w @ u, u), axis=1) / R
        late = np.flatnonzero(R >= FROM)
        slopes.append(np.log(sine[-1] / sine[late[0]]) / np.log(R[-1] / R[late[0]]))
        theory.append(-1 / N)
        line = sine[-1] * (R[late] / R[-1]) ** (-1 / N)
        detail = {"x": R[late], "seen": sine[late], "theory": line, "axes": ("‖w‖", "sin∠(w, ŵ)", "xy")}
    return Evidence(np.array(slopes), np.array(theory), detail)


def _kappa(setting: Setting) -> float:
    """The exponent κ of the linear model's approach to its direction."""
    problem = setting.problem
    return MarginCurve(problem.Z, np.zeros(problem.w_shape), 1 / problem.n).kappa


DISTINCT = Hypothesis(
    "κ ≥ 0.3: no support vector is nearly dispensable, and no other sample nearly one",
    lambda s: _kappa(s) >= 0.3,
)

depth_independent_margin = Theorem(
    id="depth-independent-margin", family="classification", kind="rate", source="ji2019alignment",
    claim="A linear network of N layers tends to the ℓ2 maximum margin at every N; the angle falls like ‖w‖^{−1/N}.",
    settings=_networks, measure=direction_slopes, bound=0.03, instances=1, figure=figures.along,
    hypotheses=(*depth_margin_rule.hypotheses, UNIT_FLOW, EXPONENTIAL), conditions=(DISTINCT,),
    run={"stop": Stop(margin=UPTO), "save": Save(every=5, fields=("w",)), "rtol": 1e-6},
    control=Control(
        "a fixed diagonal preconditioner of θ", 0.1,
        {"optimizer": lambda s: PreconditionedFlow(np.exp(np.linspace(-1, 1, s.start.size)))},
    ),
)  # fmt: skip
