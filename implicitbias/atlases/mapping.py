"""atlas: which solution does each setting select, and how far apart are they?"""

from __future__ import annotations

import json
import math
import pickle
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from ..checks import number, whole
from ..dynamics import Setting, Stop
from ..geometry.bregman import row_space
from ..problems import HeldOut, Regression
from ..selection import LeastNorm
from .defaults import recipes
from .rows import MEASURES, AtlasRow, Budget, Task, measured_row

__all__ = ["Atlas", "atlas"]

SAME = 1e-6
"""Solutions of a smaller relative distance are told as one: far above what the goals leave, far below what differs."""

Recipe = Setting | Callable[[Regression], Setting]


@dataclass(frozen=True, eq=False)
class Atlas:
    """What :func:`atlas` found: a row for each setting.

    rows : in the order of the settings. problem : what was fitted. seed, budget, folds : as asked.
    baseline : held-out error of w = 0, the mean of standardised targets; NaN without held-out rows.
    about : where the data come from, in words and numbers (``Split.describe``).
    """

    rows: tuple[AtlasRow, ...]
    problem: Regression
    seed: int
    budget: Budget
    folds: int = 0
    baseline: float = np.nan
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether no row raised an error."""
        return all(row.status != "error" for row in self.rows)

    @cached_property
    def rank(self) -> int:
        """The rank of X."""
        return len(row_space(self.problem.X, self.problem.y)[0])

    @property
    def zero_loss(self) -> float:
        """L(0), what losses are small beside."""
        return float(self.problem.loss(np.zeros(self.problem.w_shape)))

    @cached_property
    def least(self) -> dict[str, float]:
        """The least ‖w‖₁, ‖w‖₂ and ‖w‖∞ of any w with Xw = y, by key of the measure; empty where there is none."""
        if not self.problem.consistent:
            return {}
        programs = {
            key: LeastNorm(p, self.problem.X, self.problem.y)
            for key, p in (("l1", 1), ("l2", 2), ("linf", np.inf))
        }
        return {key: program.objective(program.solution) for key, program in programs.items()}

    @cached_property
    def distances(self) -> np.ndarray:
        """(m, m) ‖w_i − w_j‖₂ / max(‖w_i‖₂, ‖w_j‖₂) of the rows; NaN where a row has no finite w."""
        missing = np.full(self.problem.w_shape, np.nan)
        W = np.array([missing if row.w is None else row.w for row in self.rows]).reshape(len(self.rows), -1)
        size = np.linalg.norm(W, axis=1)
        larger = np.maximum(size[:, None], size[None])
        apart = np.array([np.linalg.norm(W - w, axis=1) for w in W]).reshape(larger.shape)
        return apart / np.where(larger == 0, 1.0, larger)

    @cached_property
    def groups(self) -> list[list[int]]:
        """Row numbers (from 0) of the converged rows, those of one solution together."""
        groups: list[list[int]] = []
        for i, row in enumerate(self.rows):
            if row.converged and row.w is not None:
                near = next((g for g in groups if self.distances[i, g[0]] <= SAME), None)
                groups.append([i]) if near is None else near.append(i)
        return groups

    @cached_property
    def letters(self) -> list[str]:
        """The letter of the group of each row; empty for a row that did not converge."""
        from .page import letters

        return letters(self.groups, len(self.rows))

    def to_dict(self) -> dict[str, Any]:
        """The atlas as the JSON file has it: infinite numbers and NaN are words."""
        from .. import __version__

        return _plain(
            {
                "version": __version__,
                "seed": self.seed,
                "data": self.about,
                "problem": {
                    "samples": self.problem.n,
                    "features": self.problem.w_shape[0],
                    "rank": self.rank,
                    "consistent": self.problem.consistent,
                },
                "budget": {"steps": self.budget.steps, "seconds": self.budget.seconds},
                "folds": self.folds,
                "least": self.least,
                "baseline": self.baseline,
                "rows": [_row_dict(row) for row in self.rows],
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
    problem: Regression,
    held_out: Any = None,
    settings: Mapping[str, Recipe] | None = None,
    *,
    folds: Sequence[tuple[Regression, HeldOut]] = (),
    only: Sequence[str] = (),
    stop: Stop | None = None,
    steps: int | None = None,
    seconds: float = 10.0,
    seed: int = 0,
    jobs: int = 1,
    progress: Callable[[AtlasRow], None] | None = None,
    about: Mapping[str, Any] | None = None,
) -> Atlas:
    """Run settings on one problem, predict each, and compare what they select.

    Parameters
    ----------
    problem : a Regression; standardised columns and targets make the default settings sensible.
    held_out : a HeldOut or (X, y) in the units of the problem, for the held-out error.
    settings : by name, a Setting or a function of the problem that makes one; None: every model with every
        optimizer that makes sense here (:func:`default_settings`).
    folds : (problem, held out) pairs, as ``Split.folds`` makes them: each setting runs on each of them too.
    only : names, or parts of names in any case; a row runs when one of them occurs in its name.
    stop : goals of each run; None: a residual of 1e-11‖y‖, or a gradient of 1e-12‖∇L(0)‖ where Xw = y has no
        solution.
    steps, seconds : the budget of one run, the latter in processor time (:class:`Budget`). A run that exceeds
        it is a row that says so.
    seed : of the random methods. The same seed gives the same numbers whatever ``jobs`` and ``only`` are, but
        where seconds ended a run.
    jobs : processes.
    progress : called with each row, in order, as it comes.
    about : what to say of the data.

    Raises
    ------
    ValueError
        for a problem that is no Regression, held-out rows of another width, or a name in ``only`` that is in no
        row's. An error in a row is told by that row.

    Examples
    --------
    >>> found = atlas(Regression([[1.0, 2.0]], [1.0]), only=["Linear: GradientFlow", "ℓ∞"])
    >>> [(row.name, row.w.round(3).tolist()) for row in found.rows]
    [('Linear: GradientFlow', [0.2, 0.4]), ('Linear: SteepestDescent ℓ∞', [0.333, 0.333])]
    >>> found.rows[0].program, found.distances.round(3).tolist()
    ('min ½‖w‖₂² subject to Xw = y', [[0.0, 0.316], [0.316, 0.0]])
    """
    if not isinstance(problem, Regression):
        raise ValueError(f"an atlas maps a Regression, not a {type(problem).__name__}")
    held = _checked(held_out, problem)
    budget = Budget(
        None if steps is None else whole("steps", steps, 1),
        number("seconds", seconds, "be finite and ≥ 0", lambda s: s >= 0),
    )
    seed, jobs = whole("seed", seed, 0), whole("jobs", jobs, 1)
    chosen = chosen_names(recipes() if settings is None else settings, only)
    tasks = [
        Task(
            name, _make(recipe, problem), held, [(_make(recipe, p), h) for p, h in folds], budget, stop,
            np.random.SeedSequence([seed, zlib.crc32(name.encode())]),
        )
        for name, recipe in chosen.items()
    ]  # fmt: skip
    rows = []
    for row in _rows(tasks, jobs):
        rows.append(row)
        if progress is not None:
            progress(row)
    baseline = np.nan if held is None else held.error(np.zeros(problem.w_shape))
    return Atlas(tuple(rows), problem, seed, budget, len(folds), baseline, dict(about or {}))


def chosen_names(recipes: Mapping[str, Any], only: Sequence[str]) -> dict[str, Any]:
    """The entries whose names hold one of the words of ``only``; all without any."""
    for word in only:
        if not any(word.lower() in name.lower() for name in recipes):
            raise ValueError(f"no setting's name holds {word!r}; there are: {'; '.join(recipes)}")
    words = [word.lower() for word in only]
    return {n: r for n, r in recipes.items() if not words or any(w in n.lower() for w in words)}


def _checked(held_out: Any, problem: Regression) -> HeldOut | None:
    """The held-out rows, of the problem's width and finite."""
    if held_out is None:
        return None
    part = Regression(held_out[0], held_out[1])
    if part.w_shape != problem.w_shape:
        raise ValueError(
            f"the held-out rows have {part.w_shape[0]} columns; the problem has {problem.w_shape[0]}"
        )
    return HeldOut(part.X, part.y, *held_out[2:])


def _make(recipe: Recipe, problem: Regression) -> Setting | Exception:
    """The setting of a recipe on a problem, or what making it raised."""
    try:
        if isinstance(recipe, Setting):
            return recipe if recipe.problem == problem else replace(recipe, problem=problem)
        return recipe(problem)
    except Exception as error:
        return error


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


def _row_dict(row: AtlasRow) -> dict[str, Any]:
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
        "measures": {m.key: row.measures.get(m.key, math.nan) for m in MEASURES},
        "cross_validated": row.cross_validated,
        "folds_converged": row.folds_converged,
        "prediction": prediction if row.rule else None,
        "missed": row.missed,
        "note": row.note,
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
