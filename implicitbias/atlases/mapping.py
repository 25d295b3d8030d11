"""atlas: which solution does each setting select, and how far apart are they?"""

from __future__ import annotations

import json
import math
import pickle
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..checks import number, whole
from ..dynamics import Setting, Stop
from ..problems import Classification, Regression
from .interpolants import Interpolants
from .kinds import Kind, pairwise
from .letters import letters
from .rows import AtlasRow, Budget, Task, measured_row
from .separators import Separators

__all__ = ["Atlas", "atlas", "default_settings"]

KINDS: dict[type, type[Kind]] = {Regression: Interpolants, Classification: Separators}
"""How problems of each class are read: a kind of problem more is an entry more."""

Recipe = Setting | Callable[[Any], Setting]


@dataclass(frozen=True, eq=False)
class Atlas:
    """What :func:`atlas` found: a row for each setting.

    rows : in the order of the settings. kind : the problem as the atlas reads it. seed, budget, folds : as asked.
    baseline : held-out error of what has seen the targets alone; NaN without held-out rows.
    """

    rows: tuple[AtlasRow, ...]
    kind: Kind
    seed: int
    budget: Budget
    folds: int = 0
    baseline: float = np.nan

    @property
    def problem(self) -> Any:
        """What was fitted."""
        return self.kind.problem

    @property
    def about(self) -> dict[str, Any]:
        """Where the data come from, in words and numbers (``Split.describe``)."""
        return self.kind.about

    @property
    def ok(self) -> bool:
        """Whether no row raised an error."""
        return all(row.status != "error" for row in self.rows)

    @property
    def rank(self) -> int:
        """The rank of X."""
        return self.kind.rank

    @property
    def zero_loss(self) -> float:
        """L(0), what losses are small beside."""
        return float(self.problem.loss(np.zeros(self.problem.w_shape)))

    @property
    def least(self) -> dict[str, float]:
        """The least ‖w‖₁, ‖w‖₂ and ‖w‖∞ of any w with Xw = y, by key of the measure; empty where there is none."""
        return dict(self.kind.reference().get("least", {}))

    @property
    def best(self) -> dict[str, float]:
        """The best margin of any direction in each norm, by key of the measure; empty for a regression."""
        return dict(self.kind.reference().get("best", {}))

    @cached_property
    def distances(self) -> np.ndarray:
        """(m, m) ‖w_i − w_j‖₂ / max(‖w_i‖₂, ‖w_j‖₂), of unit w where directions count; NaN without a finite w."""
        points = [None if row.w is None else self.kind.point(row.w) for row in self.rows]
        return pairwise(points, self.problem.w_shape)

    @cached_property
    def groups(self) -> list[list[int]]:
        """Row numbers (from 0) of rows of one solution (of directions: of one prediction)."""
        return self.kind.groups(self.rows, self.distances)

    @cached_property
    def letters(self) -> list[str]:
        """The letter of the group of each row; empty for a row in none."""
        return letters(self.groups, len(self.rows))

    def to_dict(self) -> dict[str, Any]:
        """The atlas as the JSON file has it: infinite numbers and NaN are words."""
        from .. import __version__

        return _plain(
            {
                "version": __version__,
                "seed": self.seed,
                "data": self.about,
                "problem": self.kind.summary(),
                "budget": {"steps": self.budget.steps, "seconds": self.budget.seconds},
                "folds": self.folds,
                **self.kind.reference(),
                "baseline": self.baseline,
                "rows": [_row_dict(row, self.kind) for row in self.rows],
                "groups": self.groups,
                "distances": self.distances,
            }
        )

    def to_json(self) -> str:
        """The atlas as JSON; the same seed gives the same text but for the seconds."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)

    def to_html(self) -> str:
        """One self-contained page: the table, the map of distances, and the rows in full."""
        from .page import html_page

        return html_page(self)

    def plot(self, ax: Any = None) -> Any:
        """The map of pairwise distances between the solutions; returns the artists."""
        from ..plotting.heat import heat_map

        return heat_map(self.distances, [row.name for row in self.rows], ax)


def atlas(
    problem: Any,
    held_out: Any = None,
    settings: Mapping[str, Recipe] | None = None,
    *,
    folds: Sequence[tuple[Any, Any]] = (),
    only: Sequence[str] = (),
    stop: Stop | None = None,
    steps: int | None = None,
    seconds: float = 10.0,
    seed: int = 0,
    identify: bool = False,
    jobs: int = 1,
    progress: Callable[[AtlasRow], None] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Atlas:
    """Run settings on one problem, predict each, and compare what they select.

    Parameters
    ----------
    problem : a Regression; standardised columns and targets make the default settings sensible. Or a Classification
        that is separable, with max_i ‖x_i‖₂ = 1: then directions are compared, and measured by their margins. Or what
        ``kind_of`` makes of one.
    held_out : what ``Split.held_out`` gives, or (X, y) in the units of the problem, for the held-out error.
    settings : by name, a Setting or a function of the problem that makes one; None: every model with every
        optimizer that makes sense here (:func:`default_settings`).
    folds : (problem, held out) pairs, as ``Split.folds`` makes them: each setting runs on each of them too.
    only : names, or parts of names in any case; a row runs when one of them occurs in its name.
    stop : goals of each run; None: a residual of 1e-11‖y‖, or a gradient of 1e-12‖∇L(0)‖ where Xw = y has no
        solution. Of directions: log t = 10⁴ for flows, the budget for steps; a row is "converged" when its direction
        has moved by at most 0.02 since w was half as long.
    steps, seconds : the budget of one run, the latter in processor time (:class:`Budget`). A run that exceeds
        it is a row that says so.
    seed : of the random methods. The same seed gives the same numbers whatever ``jobs`` and ``only`` are, but
        where seconds ended a run.
    identify : read each recipe's bias off its runs on drawn problems too (:func:`identify`), which takes a dozen runs
        a row. A Setting that is given is tried on problems of this one's shape.
    jobs : processes.
    progress : called with each row, in order, as it comes.
    about : what to say of the data.

    Raises
    ------
    ValueError
        for a problem of another class, held-out rows of another width, or a name in ``only`` that is in no row's. An
        error in a row is told by that row.
    NoPrediction
        for classes that are not separable, with the ``certificate`` of the linear program.

    Examples
    --------
    >>> found = atlas(Regression([[1.0, 2.0]], [1.0]), only=["Linear: GradientFlow", "ℓ∞"])
    >>> [(row.name, row.w.round(3).tolist()) for row in found.rows]
    [('Linear: GradientFlow', [0.2, 0.4]), ('Linear: SteepestDescent ℓ∞', [0.333, 0.333])]
    >>> found.rows[0].program, found.distances.round(3).tolist()
    ('min ½‖w‖₂² subject to Xw = y', [[0.0, 0.316], [0.316, 0.0]])
    """
    kind = problem if isinstance(problem, Kind) else kind_of(problem, about)
    held = kind.held_out(held_out)
    budget = Budget(
        None if steps is None else whole("steps", steps, 1),
        number("seconds", seconds, "be finite and ≥ 0", lambda s: s >= 0),
    )
    seed, jobs = whole("seed", seed, 0), whole("jobs", jobs, 1)
    chosen = chosen_names(kind.recipes() if settings is None else settings, only)
    tasks = [
        Task(
            name, kind, _make(recipe, kind.problem), held, [(_make(recipe, p), h) for p, h in folds], budget, stop,
            np.random.SeedSequence([seed, zlib.crc32(name.encode())]),
            _trials(recipe, kind, seed) if identify else (),
        )
        for name, recipe in chosen.items()
    ]  # fmt: skip
    rows = []
    for row in _rows(tasks, jobs):
        rows.append(row)
        if progress is not None:
            progress(row)
    baseline = np.nan if held is None else kind.baseline(held)
    return Atlas(tuple(rows), kind, seed, budget, len(folds), baseline)


def kind_of(problem: Any, about: Mapping[str, Any] | None = None) -> Kind:
    """How a problem is read.

    Raises
    ------
    ValueError
        for a problem of a class that no atlas maps.
    """
    for problems, kind in KINDS.items():
        if isinstance(problem, problems):
            return kind(problem, about)
    known = " or a ".join(problems.__name__ for problems in KINDS)
    raise ValueError(f"an atlas maps a {known}, not a {type(problem).__name__}")


def default_settings(problem: Any) -> dict[str, Setting]:
    """Every model with every optimizer that makes sense on a Regression or a separable Classification, by name.

    Steps come from the data: 1/λ_max(XᵀX/n) for gradient descent on a regression, and what that becomes in other
    norms, for single rows, and for products; for normalised steps on classes the length of the separator of margin
    one. The entries of a solution of order one are assumed for the scales of starts: standardise the data first, as
    ``Table.split`` does.

    Examples
    --------
    >>> settings = default_settings(Regression([[1.0, 2.0]], [1.0]))
    >>> round(settings["Linear: GradientDescent"].optimizer.step, 12)
    0.2
    """
    return {name: make(problem) for name, make in kind_of(problem).recipes().items()}


def chosen_names(recipes: Mapping[str, Any], only: Sequence[str]) -> dict[str, Any]:
    """The entries whose names hold one of the words of ``only``; all without any."""
    for word in only:
        if not any(word.lower() in name.lower() for name in recipes):
            raise ValueError(f"no setting's name holds {word!r}; there are: {'; '.join(recipes)}")
    words = [word.lower() for word in only]
    return {n: r for n, r in recipes.items() if not words or any(w in n.lower() for w in words)}


def _make(recipe: Recipe, problem: Any) -> Setting | Exception:
    """The setting of a recipe on a problem, or what making it raised."""
    try:
        return _setting(recipe, problem)
    except Exception as error:
        return error


def _setting(recipe: Recipe, problem: Any) -> Setting:
    if isinstance(recipe, Setting):
        return recipe if recipe.problem == problem else replace(recipe, problem=problem)
    return recipe(problem)


def _trials(recipe: Recipe, kind: Kind, seed: int) -> Sequence[Setting]:
    """The settings of a recipe on drawn problems; none where the kind draws none, or they cannot be made."""
    from ..discovery.recipes import trial_settings

    draw = kind.draw(own_shape=isinstance(recipe, Setting))
    if draw is None:
        return ()
    try:
        return trial_settings(lambda problem: _setting(recipe, problem), draw, [seed, 1])
    except ValueError:
        return ()


def _rows(tasks: list[Task], jobs: int) -> Iterator[AtlasRow]:
    """Rows in order. What cannot travel to another process, a user's own function say, runs in this one."""
    if jobs == 1 or len(tasks) < 2:
        yield from map(measured_row, tasks)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context) as pool:
        futures = [pool.submit(measured_row, task) if _travels(task) else None for task in tasks]
        for task, future in zip(tasks, futures):
            yield measured_row(task) if future is None else _awaited(task, future)


def _awaited(task: Task, future: Any) -> AtlasRow:
    try:
        return future.result()
    except Exception as error:  # the process died, or its answer could not travel
        return AtlasRow(task.name, message=f"{type(error).__name__}: {error}")


def _travels(task: Task) -> bool:
    try:
        pickle.dumps(task)
    except Exception:
        return False
    return True


def _row_dict(row: AtlasRow, kind: Kind) -> dict[str, Any]:
    prediction = {
        "rule": row.rule, "source": row.source, "program": row.program, "assumes": list(row.assumes),
        "distance": row.distance, "certificate": row.certificate, "w": row.predicted,
    }  # fmt: skip
    return {
        "name": row.name,
        "model": row.model,
        "optimizer": row.optimizer,
        "init": row.init,
        "status": row.status,
        "message": row.message,
        "loss": row.loss,
        "steps": row.steps,
        "time": row.time,
        "seconds": round(row.seconds, 2),
        "measures": {m.key: row.measures.get(m.key, math.nan) for m in kind.measures},
        "cross_validated": row.cross_validated,
        "folds_converged": row.folds_converged,
        "prediction": prediction if row.rule else None,
        "missed": row.missed,
        "note": row.note,
        "identified": row.bias or None,
        **kind.stored(row),
        "w": row.w,
    }


def _plain(value: Any) -> Any:
    """What JSON can hold; ±inf and NaN as words."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else repr(float(value))
    return value.item() if isinstance(value, np.generic) else value
