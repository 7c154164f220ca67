"""Series of timed queries, and the loops that take them."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.stats import agree

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from zoo_core.bench.settings import BenchSettings

    Clock = Callable[[], float]
    Query = Callable[[], object]

_WINDOWS = 3
_WINDOW_CALLS = 3
_WINDOW_SECONDS = 0.05
_OFFLINE_LEAST = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Queries of one scenario in the order they ran.

    `durations` are seconds, float64 [n]; `seconds` is the time from the first query's start to the
    last one's end.
    """

    scenario: str
    samples_per_query: int
    durations: NDArray[np.float64]
    seconds: float

    @property
    def milliseconds(self) -> NDArray[np.float64]:
        """The durations in milliseconds, float64 [n]."""
        return self.durations * 1e3

    @property
    def samples_per_second(self) -> float:
        """Samples (images) over the whole time."""
        return self.samples_per_query * self.durations.size / self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """What ran before anything counted; `agreed` is false where the time ran out first."""

    calls: int
    seconds: float
    first: float
    agreed: bool

    def to_data(self) -> dict[str, Any]:
        """The JSON form."""
        return {"samples": self.calls, "seconds": round(self.seconds, 4), "agreed": self.agreed}


def warm_up(query: Query, settings: BenchSettings, clock: Clock) -> Warmup:
    """Runs queries until the medians of the last three windows agree, or the time is over.

    A window has at least three calls and 50 ms. The very first call belongs to none: it pays for
    what is set up lazily, and is told apart.
    """
    start = now = clock()
    first: float | None = None
    calls, window, opened, medians = 0, array("d"), now, list[float]()
    agreed = False
    while not agreed and (first is None or now - start < settings.warmup_limit):
        before, now = now, _timed(query, clock)
        calls += 1
        if first is None:
            first, opened = now - before, now
            continue
        window.append(now - before)
        if len(window) >= _WINDOW_CALLS and now - opened >= _WINDOW_SECONDS:
            medians.append(median(window))
            window, opened = array("d"), now
            enough = calls >= settings.warmup_calls and now - start >= settings.warmup_seconds
            last = medians[-_WINDOWS:]
            agreed = enough and len(last) == _WINDOWS and agree(last, settings.steady.tolerance)
    return Warmup(calls=calls, seconds=now - start, first=first or 0.0, agreed=agreed)


def single_queries(
    query: Query, size: int, settings: BenchSettings, clock: Clock, began: float
) -> Series:
    """One query after the other, each timed: MLPerf's single-stream, or multi-stream for size > 1.

    `began` is when the whole measurement began, by `clock`; see `BenchSettings` for the end.
    """
    durations = array("d")
    start = end = clock()
    while not _enough(len(durations), end - start, end - began, settings):
        before = clock()
        end = _timed(query, clock)
        durations.append(end - before)
    return Series(
        scenario="single-stream" if size == 1 else "multi-stream",
        samples_per_query=size,
        durations=np.frombuffer(durations, np.float64),
        seconds=end - start,
    )


def offline(query: Query, size: int, settings: BenchSettings, clock: Clock) -> Series:
    """Batches back to back, with one look at the clock between two."""
    stamps = array("d", [clock()])
    while len(stamps) <= _OFFLINE_LEAST or stamps[-1] - stamps[0] < settings.offline_seconds:
        stamps.append(_timed(query, clock))
    return Series(
        scenario="offline",
        samples_per_query=size,
        durations=np.diff(np.frombuffer(stamps, np.float64)),
        seconds=stamps[-1] - stamps[0],
    )


def _timed(query: Query, clock: Clock) -> float:
    query()
    return clock()


def _enough(count: int, seconds: float, since_began: float, settings: BenchSettings) -> bool:
    if count < settings.least_samples:
        return False
    complete = count >= settings.min_samples and seconds >= settings.seconds
    return complete or since_began >= settings.latency_deadline
