"""The search: steps kind by kind, then layers in float; it knows trials by their figures only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, ClassVar

from zoo_core.benchmark.compare import VersusFigures
from zoo_core.reporting.gates.rows import UNDECIDED
from zoo_core.system.record import Parts, Record

if TYPE_CHECKING:
    from zoo_core.api import TuningStep

PLAIN = "plain"
PASSED, MISSED = "passed", "missed"
FASTER, SLOWER = "faster", "slower"

Options = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial(Record):
    """What options score beside fp32: the metric, and its drop with the paired interval.

    `verdict` is whether the interval has the drop within the limit. `speed` is against the plain
    build; `cost` the share of its gain in speed over fp32 that is lost, None where there is none.
    `refused` says why it may not be chosen.
    """

    parts: ClassVar[Parts] = {"speed": VersusFigures}

    name: str
    options: Options = field(default_factory=dict)
    value: float | None = None
    drop: float | None = None
    low: float | None = None
    high: float | None = None
    verdict: str = UNDECIDED
    reached: bool = False
    speed: VersusFigures | None = None
    cost: float | None = None
    refused: str = ""
    seconds: float = 0.0

    def beats(self, other: Trial) -> bool:
        """Whether it may be chosen, and drops less."""
        return self.drop is not None and not self.refused and self.drop < (other.drop or 0.0)


def verdict_of(
    drop: float | None, low: float | None, high: float | None, limit: float
) -> tuple[str, bool]:
    """The verdict of the interval, and whether the limit is reached; else by the drop itself."""
    if drop is None:
        return UNDECIDED, False
    if low is not None and low > limit:
        return MISSED, False
    if high is not None and high <= limit:
        return PASSED, True
    return UNDECIDED, drop <= limit


class SpentError(Exception):
    """The trials that were allowed are used up."""


Try = Callable[[str, Options, Trial], Trial]
"""Makes a trial of a name and options; the best one so far says whether its speed matters."""


class Search:
    """Tries options until the limit is reached; `trials` has all, `best` the one to choose."""

    def __init__(self, make: Try, plain: Trial, most: int) -> None:
        self.best, self.trials, self.spent = plain, [plain], False
        self._make, self._most = make, most

    def run(
        self,
        steps: Sequence[TuningStep],
        float_option: str,
        floats: Sequence[str],
        rank: Callable[[Trial], Sequence[str]],
    ) -> None:
        """Steps that cost no speed, then layers in float on top of the best of them.

        `rank` names the layers that may stay float, the worst first; `floats` do so already.
        """
        try:
            for _, kind in groupby(steps, key=lambda step: step.kind):
                base = self.best
                for step in kind:
                    if self.best.reached:
                        return
                    self.attempt(step.name, {**base.options, **step.options})
            if not self.best.reached:
                layers = _Layers(self, self.best, float_option, floats)
                layers.run(rank(self.best))
        except SpentError:
            self.spent = True

    def attempt(self, name: str, options: Options) -> Trial:
        """A trial, the one made before if there is; raises SpentError where no more may be made."""
        for known in self.trials:
            if dict(known.options) == dict(options):
                return known
        if len(self.trials) > self._most:
            raise SpentError
        trial = self._make(name, options, self.best)
        self.trials.append(trial)
        if trial.reached and not trial.refused:
            # of those that reach the limit the last one counts, as it has fewer layers in float,
            # but what the interval decides is not given up for what it does not
            if trial.verdict == PASSED or self.best.verdict != PASSED:
                self.best = trial
        elif not self.best.reached and trial.beats(self.best):
            self.best = trial
        return trial


@dataclass(frozen=True, slots=True)
class _Layers:
    """Layers that stay float: as few as reach the limit, or as many as speed allows."""

    search: Search
    base: Trial
    option: str
    already: Sequence[str]

    def run(self, names: Sequence[str]) -> None:
        """Groups of 1, 2, 4 ... of the worst, then back by bisection, then single ones out."""
        enough, below = 0, 0
        size = 1
        while names:
            size = min(size, len(names))
            trial = self._try(names[:size])
            if trial.reached or trial.refused:
                break
            below = size
            if size == len(names):
                return
            size *= 2
        enough = size if names and not trial.refused else 0
        while size - below > 1:
            middle = (below + size) // 2
            trial = self._try(names[:middle])
            if self._is_kept(trial):
                enough = size = middle
            elif trial.refused:
                size = middle
            else:
                below = middle
        self._thin(list(names[:enough]))

    def _thin(self, names: list[str]) -> None:
        """Take out what the limit is reached without, in halves, quarters ... of the layers."""
        size = len(names) // 2
        while size:
            start = 0
            while start < len(names) and len(names) > size:
                rest = names[:start] + names[start + size :]
                trial = self._try(rest)
                if self._is_kept(trial):
                    names = rest
                else:
                    start += size
            size //= 2

    def _is_kept(self, trial: Trial) -> bool:
        return trial.reached and self.search.best is trial

    def _try(self, names: Sequence[str]) -> Trial:
        words = "1 layer in float" if len(names) == 1 else f"{len(names)} layers in float"
        value = ",".join((*self.already, *names))
        return self.search.attempt(words, {**self.base.options, self.option: value})
