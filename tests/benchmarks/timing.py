"""Timing several things in turns, so that what the machine does meanwhile meets them all."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Ratio:
    """How often one time goes into another: ratio of medians, and the middle half of the rounds'.

    `low` and `high` are the quartiles of the ratios that single rounds gave.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f}x ({self.low:.2f}..{self.high:.2f})"

    def to_data(self) -> dict[str, float]:
        """The JSON form."""
        return {"ratio": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds of each contender, one for each round."""

    seconds: Mapping[str, Sequence[float]]

    def median(self, name: str) -> float:
        """The median over the rounds, in seconds."""
        return statistics.median(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> Ratio:
        """How much longer `slow` takes than `fast`."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        low, high = _quartiles([one / other for one, other in pairs])
        return Ratio(self.median(slow) / self.median(fast), low, high)

    def to_data(self) -> dict[str, list[float]]:
        """The JSON form: milliseconds, in the order they were taken."""
        return {name: [round(s * 1e3, 4) for s in all_] for name, all_ in self.seconds.items()}


def interleaved(
    contenders: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    rest: float = 0.0,
    warm: bool = True,
    ahead: int = 0,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], None] = time.sleep,
) -> Timings:
    """Call every contender once a round, in order and in reverse by turns; one round more warms up.

    `rest` seconds pass before each call, in which threads of the one before may fall asleep.
    Without `warm` there is no further round. `ahead` calls that do not count go before each that
    does: they pay for caches that the contender before has filled.
    """
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(0 if warm else 1, rounds + 1):
        for name in names if number % 2 else reversed(names):
            sleep(rest)
            for _ in range(ahead):
                contenders[name]()
            before = clock()
            contenders[name]()
            took = clock() - before
            if number:
                seconds[name].append(took)
    return Timings(seconds)


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high
