"""The forms of a regulariser put to the test on drawn regressions, against its own Bregman projections."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..dynamics import Setting, Stop, simulate
from ..geometry import Potential
from ..models import Linear
from ..optimizers import GradientDescent
from ..problems import Regression
from ..selection import BregmanProjection
from .forms import FORMS, design, keeps_signs, obstacle

__all__ = ["Trial", "trials"]

PROBLEMS, ROWS, DIMENSION = 12, 15, 30
"""What identify asks for."""
COMPARED = 2
"""The problems that are also solved at half the step."""
TRIES = 1000
LOSS, STEPS = 1e-18, 50_000
"""When runs end, the loss in units of that at zero."""
ROUNDING = 1e-7
"""Distances that such a loss, and a projection, leave."""
EXACT, ORDER, LAW = 0.01, (1.6, 2.5), 0.1
"""The least relative error of an identified ρ′ that fails, the quotients that mean first order, and how far from 2
the quotient of errors may be."""


class Trial(NamedTuple):
    """What one form did at a step η and at η/2.

    distances : ‖w − w*‖/‖w*‖ at both, root mean square over two problems, w* the projection.
    ratio : its error to first order in η over that of the reparametrisation; NaN where there is none.
    identified : the relative error of the ρ′ that ``identify`` reads off its solutions at η; NaN: it found none.
    """

    form: str
    step: float
    distances: tuple[float, float]
    ratio: float
    identified: float

    @property
    def holds(self) -> bool:
        """Whether the errors are as the 0 : 1 : 2 law says, and ρ′ is found again up to them."""
        far, near = self.distances
        exact = far <= ROUNDING and near <= ROUNDING
        halved = exact or ORDER[0] * near <= far <= ORDER[1] * near
        wanted = {"mirror": 0.0, "preconditioner": 2.0}.get(self.form, 1.0)
        lawful = np.isnan(self.ratio) or abs(self.ratio - wanted) <= LAW
        found = self.identified <= EXACT + 5 * far
        return bool(found and lawful and (exact if self.form == "mirror" else halved))


def trials(psi: Potential, low: float, high: float, forms: Any, rng: Any = 0) -> list[Trial]:
    """Each of the ``forms`` that exist, on problems whose solutions lie in (low, high)."""
    rng = np.random.default_rng(rng)
    eta = 0.2 * float(np.min(psi.hessian(np.linspace(low, high, 41)[1:-1])))
    if not eta > 0:
        raise ValueError(
            f"ρ″ vanishes in ({low:g}, {high:g}), where the stable steps of mirror descent shrink to zero with it: "
            "give a range without that point"
        )
    drawn, w0 = _draw(psi, low, high, rng)
    there = [form for form in FORMS if obstacle(psi, form) is None]
    asked = [form for form in there if form in forms]
    run = [form for form in there if form in asked or form == "reparametrization"]  # the unit of the errors
    for _ in range(6):
        ends = {form: _ends(psi, form, drawn, w0, eta) for form in run}
        near = {form: _ends(psi, form, drawn[:COMPARED], w0, eta / 2) for form in run}
        if not any(w is None for form in run for w in ends[form] + near[form]):
            break
        eta /= 2
    else:
        raise ValueError(f"no step down to {2 * eta:.2g} leads all forms to solutions in ({low:g}, {high:g})")
    goals = np.array([w for _, w in drawn[:COMPARED]])
    off = {form: np.array([ends[form][:COMPARED], near[form]]) - goals for form in run}
    first = {form: 4 * both[1] - both[0] for form, both in off.items()}
    unit, size = first.get("reparametrization"), float(np.linalg.norm(goals))
    return [
        Trial(
            form, eta,
            (float(np.linalg.norm(off[form][0])) / size, float(np.linalg.norm(off[form][1])) / size),
            _quotient(first[form], unit, ROUNDING * size),
            _identified(psi, [(p.X, p.y, w) for (p, _), w in zip(drawn, ends[form])], w0, rng),
        )
        for form in asked
    ]  # fmt: skip


def _quotient(first: np.ndarray, unit: np.ndarray | None, rounding: float) -> float:
    """The component of one error along another, where that is not rounding."""
    if unit is None or np.linalg.norm(unit) <= rounding:
        return np.nan
    return float(np.sum(first * unit) / np.sum(unit * unit))


def _draw(
    psi: Potential, low: float, high: float, rng: np.random.Generator
) -> tuple[list[tuple[Regression, np.ndarray]], np.ndarray]:
    """Regressions with XXᵀ = nI and their projections w*, and the start w₀: zero, or one that flows can leave."""
    held = keeps_signs(psi) or not low < 0 < high
    w0 = np.full(DIMENSION, 0.5 * (low + high) if held else 0.0)
    drawn: list[tuple[Regression, np.ndarray]] = []
    for _ in range(TRIES):
        X = np.sqrt(ROWS) * np.linalg.qr(rng.standard_normal((DIMENSION, ROWS)))[0].T
        problem = Regression(X, X @ (low + (high - low) * rng.beta(0.5, 0.5, DIMENSION)))
        try:
            w = BregmanProjection(psi, psi.gradient(w0), problem.X, problem.y).solution
        except (ArithmeticError, ValueError):
            continue
        if np.all((w > low) & (w < high)):
            drawn.append((problem, w))
        if len(drawn) == PROBLEMS:
            return drawn, w0
    raise ValueError(
        f"of {TRIES} drawn problems fewer than {PROBLEMS} have projections in ({low:g}, {high:g})"
    )


def _ends(psi: Potential, form: str, drawn: list[Any], w0: np.ndarray, eta: float) -> list[np.ndarray | None]:
    """Where a form ends on each problem; None where it does not arrive."""
    if form == "reparametrization":
        model = design(psi, form)
        how = model, GradientDescent(eta), model.straighten(w0)
    else:
        how = Linear(), design(psi, form, eta), w0
    return [_end(Setting(problem, *how)) for problem, _ in drawn]


def _end(setting: Setting) -> np.ndarray | None:
    stop = Stop(loss=LOSS * float(setting.problem.loss(np.zeros(DIMENSION))), steps=STEPS)
    try:
        run = simulate(setting, stop)
    except ValueError:  # a step out of the domain
        return None
    return run.w if run.converged else None


def _identified(psi: Potential, solved: list[Any], w0: np.ndarray, rng: np.random.Generator) -> float:
    """max |aρ̂′ (+ b) − ρ′| / max |ρ′| over the range of the (X, y, w), where ρ′(w₀) = 0; a and b the best."""
    from .bias import aligned
    from .identification import identify

    try:
        found = identify(solved, start=float(w0[0]), rng=rng)
    except ValueError:
        return np.nan
    if found.potential is None or found.range is None:
        return np.nan
    w = np.linspace(*found.range, 200)
    wanted = psi.gradient(w) - psi.gradient(w0[:1])
    seen = aligned(found.potential(w), wanted)
    return float(np.max(np.abs(seen - wanted)) / np.max(np.abs(wanted)))
