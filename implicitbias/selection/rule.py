"""Rules: hypotheses, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Hypothesis", "Rule"]


@dataclass(frozen=True)
class Hypothesis:
    """A sentence and its test, of the setting or of the run; ``explain`` says what was found where it fails, and
    ``disproof`` is what proves that it does.

    >>> small = Hypothesis("the step is below one", lambda s: s < 1, explain=lambda s: f"it is {s}")
    >>> small.of, small.missed_by(2)
    ('setting', 'the step is below one (it is 2)')
    """

    text: str
    test: Callable[[Any], Any]
    of: str = "setting"
    explain: Callable[[Any], str] | None = None
    disproof: Callable[[Any], Any] | None = None

    def __post_init__(self) -> None:
        if self.of not in ("setting", "run"):
            raise ValueError(f'a hypothesis is of a "setting" or of a "run", got {self.of!r}')

    def holds(self, subject: Any) -> bool:
        """Whether the test passes; a test that cannot be asked of this subject does not."""
        try:
            return bool(self.test(subject))
        except (AttributeError, TypeError, ValueError, IndexError, KeyError):
            return False

    def missed_by(self, subject: Any) -> str:
        """The text, with what was found of a subject that fails the test."""
        if self.explain is None:
            return self.text
        try:
            return f"{self.text} ({self.explain(subject)})"
        except (AttributeError, TypeError, ValueError, IndexError, KeyError):
            return self.text


@dataclass(frozen=True)
class Rule:
    """What a class of settings selects.

    name, source : what it is called, and the key of refs.bib.
    hypotheses : asked in order by ``predict``, which stops at the first that fails.
    apply : (setting, run or None) ↦ Program, w, or curve t ↦ w; called directly it never refuses.
    observe : accumulators of the run that it needs; empty when the setting alone suffices.
    """

    name: str
    source: str
    hypotheses: tuple[Hypothesis, ...]
    apply: Callable[[Any, Any], Any]
    observe: tuple[str, ...] = ()
    needs_run: bool = False
    """Whether ``apply`` reads off the run what the setting does not fix (a sign, say)."""
    exact_curve: bool = False
    """Whether ``apply`` gives w(t) at every t: what ``closed_form`` looks for."""

    def first_missed(self, setting: Any, run: Any = None) -> str | None:
        """The text of the first hypothesis that fails; those of the run are asked only of a run."""
        for h in self.hypotheses:
            subject = setting if h.of == "setting" else run
            if subject is not None and not h.holds(subject):
                return h.missed_by(subject)
        return None
