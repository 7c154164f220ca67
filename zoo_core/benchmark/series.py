"""Series of timed queries, warming up, and the loop that runs one query after the other."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.benchmark.statistics import agree
from zoo_core.system.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.benchmark.settings import BenchSettings

Clock = Callable[[], float]
Query = Callable[[], object]
Tell = Callable[[str], None]

_WINDOWS = 3
_WINDOW_CALLS = 3
_WINDOW_SECONDS = 0.05
_TELL_SECONDS = 5.0


def silent(text: str) -> None:
    """Report to nobody."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """What a measurement uses: a clock in seconds, a way to wait, and a report of progress."""

    clock: Clock = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    tell: Tell = silent


class Ticker:
    """Reports progress every five seconds; called between queries, never inside one."""

    def __init__(self, name: str, instruments: Instruments) -> None:
        self._name = name
        self._tools = instruments
        self._began = self._last = instruments.clock()

    def __call__(self, count: int, now: float) -> None:
        """`count` queries are done by `now`."""
        if now - self._last >= _TELL_SECONDS:
            self._last = now
            self._tools.tell(f"{self._name}: {count:,} queries in {now - self._began:.0f} s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals(Record):
    """How the queries of a server came, as reports hold it.

    `offered_qps` is the rate of arrivals, `completed_qps` that of completions. `utilisation` is the
    share of all workers' time that was asked for. `waiting` queries were not begun when the
    measurement was given up; their latency is what they had waited by then, which is too low.
    """

    target_qps: float
    offered_qps: float
    completed_qps: float
    utilisation: float
    waiting: int

    @property
    def overload(self) -> str:
        """Why the rate is more than the network can do; "" where it is not."""
        if self.waiting:
            return f"given up with {self.waiting:,} queries waiting"
        if self.utilisation >= 1:
            return f"asks for {self.utilisation:.0%} of all workers' time"
        if self.completed_qps < 0.95 * self.offered_qps:
            rates = f"{self.completed_qps:.2f} of {self.offered_qps:.2f}"
            return f"{rates} arrivals a second are completed"
        return ""

    def to_data(self) -> dict[str, Any]:
        """The JSON form, with the verdict."""
        why = self.overload
        return {**Record.to_data(self), "overloaded": bool(why), "reason": why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Queries of one scenario in the order in which they ended, or for server came.

    `durations` are latencies in seconds, float64 [n]: from a query's start, for server from when it
    should have arrived. `service` is the time in the session alone, where that differs. `ends` are
    seconds after the series' start, ascending, when queries ended. `seconds` is the time from that
    start to the last end. `workers` threads ran queries at once.
    """

    scenario: str
    samples_per_query: int
    durations: NDArray[np.float64]
    ends: NDArray[np.float64]
    seconds: float
    workers: int = 1
    service: NDArray[np.float64] | None = None
    arrivals: Arrivals | None = None

    @property
    def milliseconds(self) -> NDArray[np.float64]:
        """The durations in milliseconds, float64 [n]."""
        return self.durations * 1e3

    @property
    def work(self) -> NDArray[np.float64]:
        """Seconds in the session, float64 [n]: what shows whether the machine is steady."""
        return self.durations if self.service is None else self.service

    @property
    def samples_per_second(self) -> float:
        """Samples (images) over the whole time."""
        return self.samples_per_query * self.ends.size / self.seconds

    @property
    def gaps(self) -> NDArray[np.float64]:
        """Seconds from one end to the next, float64 [n]; they sum up to `seconds`."""
        return np.diff(self.ends, prepend=0.0)


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


def warm_up(query: Query, settings: BenchSettings, clock: Clock, scenario: str) -> Warmup:
    """Runs queries until the medians of the last three windows agree, or the time is over.

    A window has at least three calls and 50 ms. The very first call belongs to none: it pays for
    what is set up lazily, and is reported by itself.
    """
    limit = settings.warmup_limit(scenario)
    start = now = clock()
    first: float | None = None
    calls, window, opened, medians = 0, array("d"), now, list[float]()
    agreed = False
    while not agreed and (first is None or now - start < limit):
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


@dataclass(frozen=True, slots=True)
class Loop:
    """One query after the other, each timed."""

    settings: BenchSettings
    tools: Instruments = field(default_factory=Instruments)

    def run(self, scenario: str, query: Query, size: int, began: float) -> Series:
        """MLPerf's single-stream, or multi-stream for a `size` (samples per query) above 1.

        `began` is when warming up began, by the clock; see `BenchSettings` for the end.
        """
        clock, stop = self.tools.clock, self.settings.stop(scenario)
        tick = Ticker(scenario, self.tools)
        starts, ends = array("d"), array("d")
        start = end = clock()
        while not stop(len(ends), end - start, end - began):
            starts.append(clock())
            end = _timed(query, clock)
            ends.append(end)
            tick(len(ends), end)
        stamps = np.frombuffer(ends, np.float64)
        return Series(
            scenario=scenario,
            samples_per_query=size,
            durations=stamps - np.frombuffer(starts, np.float64),
            ends=stamps - start,
            seconds=end - start,
        )


def _timed(query: Query, clock: Clock) -> float:
    query()
    return clock()
