"""verify: draw instances, run them, measure the runs, and do the same to each control."""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import __version__
from ..dynamics import Run, Setting, simulate
from ..records import content_hash
from .base import Sample, Theorem

__all__ = ["Report", "Result", "verify"]

MAX_DRAWS = 200


@dataclass
class Result:
    """What became of one theorem. ``status`` is one of

    verified : the claim holds on every instance and the control fails on every instance.
    refuted : a deviation exceeds the bound, or a hypothesis of the run does not hold.
    control passed : the control's deviation does not exceed its threshold.
    inconclusive : no admissible draw, a run that did not end as asked, or a measure without its event.
    defect : the hypotheses admit the control, or something raised an error.
    """

    id: str
    family: str
    kind: str
    claim: str
    bound: float
    instances: int = 0
    draws: int = 0
    status: str = "verified"
    message: str = ""
    measured: Any = None
    expected: Any = None
    deviation: float = np.nan
    holds: bool = False
    control_description: str = ""
    control_above: float = np.nan
    control_measured: Any = None
    control_deviation: float = np.nan
    control_fails: bool = False
    seconds: float = 0.0
    figure: str = field(default="", repr=False)
    samples: tuple[Sample, Sample] | None = field(default=None, repr=False)
    """The shown instance of the claim and of the control (kept within one process)."""

    @property
    def ok(self) -> bool:
        return self.status == "verified"

    def to_dict(self) -> dict[str, Any]:
        """The theorem's entry of the JSON report."""
        return {
            "id": self.id,
            "family": self.family,
            "kind": self.kind,
            "claim": self.claim,
            "instances": self.instances,
            "draws": self.draws,
            "status": self.status,
            "measured": _plain(self.measured),
            "expected": _plain(self.expected),
            "bound": self.bound,
            "holds": self.holds,
            "control": {
                "description": self.control_description,
                "measured": _plain(self.control_measured),
                "above": self.control_above,
                "fails": self.control_fails,
            },
            "seconds": round(self.seconds, 2),
            **({"message": self.message} if self.message else {}),
        }


@dataclass
class Report:
    """The results of one call of :func:`verify`."""

    seed: int
    results: list[Result]

    @property
    def ok(self) -> bool:
        """Whether every claim holds and every control fails."""
        return all(r.ok for r in self.results)

    def to_dict(self) -> dict[str, Any]:
        """The report as the JSON file has it."""
        return {
            "version": __version__,
            "seed": self.seed,
            "theorems": [r.to_dict() for r in self.results],
        }

    def to_json(self) -> str:
        """The report as JSON; the same seed gives the same text but for the seconds."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """Numbers as JSON has them; ±inf and NaN as words."""
    if value is None:
        return None
    array = np.asarray(value, dtype=float)
    if array.ndim:
        return [_plain(v) for v in array]
    number = float(array)
    return number if np.isfinite(number) else repr(number)


def _stream(theorem: Theorem, seed: int, instance: int, part: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(theorem.id.encode())], spawn_key=(instance, part))


def draw_instance(theorem: Theorem, seed: int, instance: int) -> tuple[dict[str, Setting] | None, int]:
    """The first admissible draw and how many were made; None when MAX_DRAWS were refused."""
    rng = np.random.default_rng(_stream(theorem, seed, instance, 0))
    for draw in range(1, MAX_DRAWS + 1):
        settings = theorem.draw(rng)
        if theorem.refusal(settings) is None:
            return settings, draw
    return None, MAX_DRAWS


def _most_missed(theorem: Theorem, seed: int, instance: int) -> str:
    """The hypothesis or condition that refused the most draws of an instance."""
    rng = np.random.default_rng(_stream(theorem, seed, instance, 0))
    counts: dict[str, int] = {}
    for _ in range(20):
        text = theorem.refusal(theorem.draw(rng)) or ""
        counts[text] = counts.get(text, 0) + 1
    return max(counts, key=lambda text: counts[text])


Cache = dict[str, Run]


def run_settings(
    theorem: Theorem,
    settings: dict[str, Setting],
    stream: np.random.SeedSequence,
    done: Cache | None = None,
) -> dict[str, Run]:
    """A run per label; equal settings under one random stream run once (``done`` remembers them)."""
    if theorem.run is None:
        return {}
    done = {} if done is None else done
    runs: dict[str, Run] = {}
    for label, setting in settings.items():
        keywords = theorem.keywords(label)
        key = content_hash((setting, keywords))
        if key not in done:
            done[key] = simulate(setting, **{"rng": stream, **keywords})
        runs[label] = done[key]
    return runs


def _not_as_asked(runs: dict[str, Run]) -> str | None:
    for label, run in runs.items():
        if not np.all(run.converged):
            statuses = run.status if isinstance(run.status, str) else ", ".join(sorted(set(run.status)))
            message = (
                run.message if isinstance(run.message, str) else run.message[int(np.argmin(run.converged))]
            )
            return f"a run{f' ({label})' if label else ''} ended as {statuses}: {message}"
    return None


class _Inconclusive(Exception):
    pass


def _sample(
    theorem: Theorem, settings: dict[str, Setting], stream: np.random.SeedSequence, done: Cache
) -> Sample:
    runs = run_settings(theorem, settings, stream, done)
    ended = _not_as_asked(runs)
    if ended:
        raise _Inconclusive(ended)
    sample = Sample(theorem, settings, runs, theorem.measured(settings, runs))
    if np.isnan(sample.deviation):
        raise _Inconclusive("the measure did not see its event")
    return sample


def examine(theorem: Theorem, seed: int, instances: int | None = None) -> Result:
    """Put one theorem and its control to the test."""
    began = time.perf_counter()
    result = Result(
        theorem.id, theorem.family, theorem.kind, theorem.claim, theorem.bound,
        instances=theorem.instances if instances is None else instances,
        control_description=theorem.control.description, control_above=theorem.control.above,
    )  # fmt: skip
    try:
        _examine(theorem, seed, result)
    except _Inconclusive as reason:
        result.status, result.message = "inconclusive", str(reason)
        result.holds = result.control_fails = False
    except Exception as error:  # a broken theorem is a row of the report, not the end of it
        result.status, result.message = "defect", f"{type(error).__name__}: {error}"
        result.holds = result.control_fails = False
    result.seconds = time.perf_counter() - began
    return result


def _examine(theorem: Theorem, seed: int, result: Result) -> None:
    claims, controls = [], []
    done: Cache
    result.holds = result.control_fails = True
    for instance in range(result.instances):
        settings, draws = draw_instance(theorem, seed, instance)
        result.draws += draws
        if settings is None:
            raise _Inconclusive(
                f"none of {MAX_DRAWS} draws met the conditions: {_most_missed(theorem, seed, instance)}"
            )
        stream, done = _stream(theorem, seed, instance, 1), {}
        claim = _sample(theorem, settings, stream, done)
        claims.append(claim)
        missed = theorem.missed(claim.settings, claim.runs)
        if missed or not claim.deviation <= theorem.bound:
            result.holds, result.status = False, "refuted"
            result.message = f"a hypothesis of the run fails: {missed}" if missed else ""
        changed = {label: theorem.control.apply(s) for label, s in settings.items()}
        try:
            control = _sample(theorem, changed, stream, done)
        except _Inconclusive as reason:
            raise _Inconclusive(f"control: {reason}") from None
        controls.append(control)
        if theorem.missed(changed) is None and theorem.missed(changed, control.runs) is None:
            result.control_fails, result.status = False, "defect"
            result.message = "the hypotheses admit the control"
        elif not control.deviation > theorem.control.above:
            result.control_fails = False
            if result.status == "verified":
                result.status = "control passed"
    worst = max(claims, key=lambda s: s.deviation)
    weakest = min(controls, key=lambda s: s.deviation)
    result.measured, result.deviation = worst.evidence.measured, worst.deviation
    result.expected = None if theorem.kind == "bound" else worst.evidence.expected
    result.control_measured, result.control_deviation = weakest.evidence.measured, weakest.deviation
    result.samples = (worst, weakest)


def verify(
    ids: Iterable[str] = (),
    families: Iterable[str] = (),
    *,
    seed: int | None = None,
    instances: int | None = None,
    quick: bool = False,
    jobs: int = 1,
    figures: bool = False,
    progress: Callable[[Result], None] | None = None,
    theorems: Iterable[Theorem] | None = None,
) -> Report:
    """Draw fresh instances of theorems, run them and their controls, and report.

    Parameters
    ----------
    ids, families : which theorems; all when both are empty.
    seed : of the draws; None takes a new one. The same seed gives the same numbers whatever ``jobs``.
    instances : per theorem; None: each theorem's own number. quick : one instance each.
    jobs : processes.
    figures : draw each theorem's figure, as SVG text in ``Result.figure``.
    progress : called with each Result as it comes.
    theorems : a user's own theorems, in place of the catalogue's; they run in this process.

    Returns
    -------
    Report, whose ``ok`` is false when a claim does not hold or a control does not fail.
    """
    from .catalogue import select

    chosen = list(theorems) if theorems is not None else select(ids, families)
    if seed is not None and int(seed) < 0:
        raise ValueError(f"seed must be an integer ≥ 0, got {seed}")
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else int(seed)
    count = 1 if quick and instances is None else instances
    if count is not None and count < 1:
        raise ValueError(f"instances must be at least 1, got {count}")
    if jobs < 1:
        raise ValueError(f"jobs must be at least 1, got {jobs}")
    if theorems is not None:
        jobs = 1  # a user's declarations hold functions that do not travel between processes
    results = []
    for result in _results(chosen, seed, count, jobs, figures):
        results.append(result)
        if progress is not None:
            progress(result)
    return Report(seed, results)


def _results(
    chosen: list[Theorem], seed: int, count: int | None, jobs: int, figures: bool
) -> Iterator[Result]:
    """Results in the catalogue's order, each as soon as it and all before it are there."""
    if jobs == 1 or len(chosen) < 2:
        yield from (_examine_and_draw(t, seed, count, figures) for t in chosen)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(chosen)), mp_context=context) as pool:
        futures = [pool.submit(_examine_by_id, t.id, seed, count, figures) for t in chosen]
        for future in futures:
            yield future.result()


def _examine_and_draw(theorem: Theorem, seed: int, count: int | None, figures: bool) -> Result:
    result = examine(theorem, seed, count)
    if figures:
        from .report import figure_svg

        try:
            result.figure = figure_svg(result)
        except Exception as error:  # a picture that cannot be drawn is said, and takes no result away
            result.message = f"{result.message} (no figure: {type(error).__name__}: {error})".strip()
    return result


def _examine_by_id(id: str, seed: int, count: int | None, figures: bool) -> Result:
    from .catalogue import find

    result = _examine_and_draw(find(id), seed, count, figures)
    result.samples = None  # declarations hold functions that do not travel between processes
    return result
