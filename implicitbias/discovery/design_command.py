"""The command ``implicitbias design``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = ["add_command"]

DESCRIPTION = """\
Turn a regulariser rho, a convex function of x summed over the coordinates of w, into methods that select
argmin rho(w) - <grad rho(w0), w> subject to Xw = y, in three forms whose gradient flow is the same:

  mirror             rho'(w+) = rho'(w) - step g: exact at every step that converges
  preconditioner     w+ = w - step P(w) g with P = 1/rho''
  reparametrization  w = w(phi) with w'(phi)^2 = 1/rho''(w), under gradient descent

It prints rho', P and phi on a range, and which forms do not exist and why. With --check all forms run on drawn
regressions at a step and at half of it: to first order in the step their errors are as 0 : 2 : 1, and identify reads
rho' back off their solutions. The exit code is 0, 1 when a form does not do that, 2 for bad input.
"""
EPILOG = """\
An expression holds numbers, x, pi, e, + - * / **, parentheses, and abs, sign, sqrt, exp, expm1, log, log1p, sin, cos,
tan, sinh, cosh, tanh, and these with arc.

  implicitbias design --potential "log(cosh(x))" --check
  implicitbias design --potential "x*log(x) - x" --range 0.2 2 --form reparametrization
"""
ROWS = 7
DEFAULT = (1.5, 0.2, 2.0)
"""The default range is ± the first or, where w < 0 is outside the domain, from the second to the third."""


class Facts(NamedTuple):
    """The table of a regulariser: x (m,) and by form what belongs to it, or why there is no such form."""

    x: np.ndarray
    columns: dict[str, np.ndarray]
    obstacles: dict[str, str]
    remarks: list[str]


def add_command(commands: Any) -> None:
    """Add ``design`` to the parser's commands."""
    from .forms import FORMS

    command = commands.add_parser(
        "design", help="optimizers and an architecture from a regulariser",
        description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    add = command.add_argument
    add("--potential", required=True, metavar="TEXT", help='rho, an expression of x such as "log(cosh(x))"')
    add("--form", choices=FORMS, help="only this form (default: all three)")
    add(
        "--range",
        nargs=2,
        type=float,
        metavar=("LO", "HI"),
        help="of x (default -1.5 1.5; 0.2 2 where x > 0)",
    )
    add("--check", action="store_true", help="run the forms on drawn regressions (some seconds)")
    add("--seed", type=int, default=0, metavar="S", help="of the drawn regressions (default 0)")
    add("--json", type=Path, metavar="FILE", help="write every number as JSON (- for standard output)")
    command.set_defaults(command=_design)


def _design(args: argparse.Namespace) -> int:
    from rich.console import Console

    from .forms import FORMS
    from .trials import trials

    if args.json is not None and str(args.json) != "-" and not args.json.resolve().parent.is_dir():
        raise ValueError(f"the folder of {args.json} does not exist")
    psi, low, high = _potential(args.potential, args.range)
    forms = FORMS if args.form is None else (args.form,)
    found = facts(psi, low, high, forms)
    to_stdout = args.json is not None and str(args.json) == "-"
    console = Console(stderr=to_stdout)
    for line in (*_table(found), *found.remarks):
        console.print(line, highlight=False, soft_wrap=True)
    seen = trials(psi, low, high, forms, args.seed) if args.check else []
    for trial in seen:
        console.print(_sentence(trial), highlight=False, soft_wrap=True)
    text = json.dumps(_as_dict(args.potential, found, seen), indent=2)
    if to_stdout:
        print(text)
    elif args.json is not None:
        args.json.write_text(text + "\n", encoding="utf-8")
        console.print(f"wrote {args.json}", highlight=False)
    return 0 if all(trial.holds for trial in seen) else 1


def _potential(text: str, ends: Any) -> tuple[Any, float, float]:
    """The potential of an expression, and the range over which it is looked at."""
    from ..geometry import Potential
    from .expressions import Expression

    f = Expression(text)
    if ends is None:
        wide, low, high = DEFAULT
        ends = (-wide, wide) if np.all(np.isfinite(f(np.array([-wide, 0.0, wide])))) else (low, high)
    low, high = ends
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"--range needs two numbers LO < HI, got {low:g} {high:g}")
    x = np.linspace(low, high, 41)[1:-1]
    outside = ~np.isfinite(f(x))
    if np.any(outside):
        raise ValueError(f'"{text}" is not finite at x = {x[outside][0]:g}: give a --range inside its domain')
    inside = (0.75 * high + 0.25 * low) if low < 0 < high else (low + high) / 2
    return Potential.from_gradient(f.derivative, inside), low, high


def facts(psi: Any, low: float, high: float, forms: Any) -> Facts:
    """ρ′, P and φ at points of the range, and which forms do not exist."""
    from ..geometry.arc_length import arc_length
    from .forms import keeps_signs, obstacle

    x = np.linspace(low, high, ROWS)
    x = x[np.isfinite(psi.interior(x)) & (psi.interior(x) == x)]
    obstacles = {form: reason for form in forms if (reason := obstacle(psi, form))}
    columns = {
        "mirror": ("ρ′", psi.gradient), "preconditioner": ("P", lambda w: 1 / psi.hessian(w)),
        "reparametrization": ("φ", lambda w: arc_length(psi).length(w)),
    }  # fmt: skip
    shown = {columns[form][0]: columns[form][1](x) for form in forms if form not in obstacles}
    remarks = [f"no {form}: {reason}" for form, reason in obstacles.items()]
    if keeps_signs(psi):
        remarks.append("coordinates keep their signs: start inside an orthant")
    if "φ" in shown:
        remarks += _ends_of_phi(arc_length(psi))
    return Facts(x, shown, obstacles, remarks)


def _ends_of_phi(arc: Any) -> list[str]:
    """Where φ ends though w does not, which a finite step may leave, or where rounding hides the rest of it."""
    return [remark for sign in (1.0, -1.0) if (remark := _end_of_phi(arc, sign))]


def _end_of_phi(arc: Any, sign: float) -> str:
    from ..geometry.arc_table import Unresolved

    def reached(phi: float) -> bool:
        return bool(np.isfinite(arc.point(np.array([sign * phi]))[0][0]))

    low, high = 1e-3, 1e3
    try:
        if not reached(low) or reached(high):
            return ""
    except Unresolved as error:
        return f"φ is known to {sign * error.phi:.6g}, at x = {error.w:.3g}: beyond, rounding hides ρ″"
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if reached(middle) else (low, middle)
    return f"φ ends at {sign * low:.6g}, where w is infinite or at the end of the domain"


def _table(found: Facts) -> list[str]:
    """A line of names, and one for each x."""
    columns = {"x": found.x, **found.columns}
    lines = ["".join(f"{name:>14}" for name in columns)]
    return lines + ["".join(f"{v:>14.6g}" for v in row) for row in zip(*columns.values())]


def _sentence(trial: Any) -> str:
    far, near = trial.distances
    law = (
        ""
        if np.isnan(trial.ratio)
        else f", first-order error {round(trial.ratio, 3) + 0.0:.3f} of the reparametrization's"
    )
    read = (
        "identify finds no ρ′"
        if np.isnan(trial.identified)
        else f"identified ρ′ off by {trial.identified:.2g}"
    )
    verdict = "holds" if trial.holds else "FAILS"
    return (
        f"{verdict}  {trial.form}: {far:.2g} from the projection at step {trial.step:.3g}, {near:.2g} at half of it"
        f"{law}; {read}"
    )


def _as_dict(text: str, found: Facts, seen: list[Any]) -> dict[str, Any]:
    return {
        "potential": text, "x": found.x.tolist(),
        "columns": {name: values.tolist() for name, values in found.columns.items()},
        "obstacles": found.obstacles, "remarks": found.remarks,
        "trials": [
            {name: None if np.any(np.isnan(value)) else value for name, value in zip(t._fields[1:], t[1:])}
            | {"form": t.form, "holds": t.holds}
            for t in seen
        ],
    }  # fmt: skip
