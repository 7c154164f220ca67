"""Series of timed queries, warming up, and the loop that runs queries back to back."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.benchmark.statistics import agree
from zoo_core.benchmark.threads import run_workers
from zoo_core.system.record import Record

if TYPE_CHECKING:
    from threading import Event

    from numpy.typing import NDArray

    from zoo_core.benchmark.settings import BenchSettings

Clock = Callable[[], float]
Query = Callable[[], object]
Tell = Callable[[str], None]

_WINDOWS = 3
_WINDOW_CALLS = 3
_WINDOW_SECONDS = 0.05
_TELL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Instruments:
    """What a measurement uses: a clock in seconds, a way to wait, and a report of progress."""

    clock: Clock = time.perf_counter
    sleep: Callable[[float], None] = time.sleep
    tell: Tell = lambda text: None


class Ticker:
    """Reports progress every five seconds; called between queries, never inside one."""

    def __init__(self, name: str, instruments: Instruments, noun: str = "queries") -> None:
        self._name, self._noun = name, noun
        self._tools = instruments
        self._began = self._last = instruments.clock()

    def __call__(self, count: int, now: float) -> None:
        """`count` of them are done by `now`."""
        if now - self._last >= _TELL_SECONDS:
            self._last = now
            self._tools.tell(f"{self._name}: {count:,} {self._noun} in {now - self._began:.0f} s")


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
    """Queries back to back, each timed."""

    settings: BenchSettings
    tools: Instruments

    def run(self, scenario: str, query: Query, size: int, began: float, workers: int = 1) -> Series:
        """MLPerf's single-stream and multi-stream, with several workers its offline.

        A query has `size` samples; `began` is when warming up began, by the clock; see
        `BenchSettings` for the end. The last queries of several workers end at different times;
        the throughput is that of all until the last end, MLPerf's definition.
        """
        clock, enough = self.tools.clock, self.settings.stop(scenario)
        tick, begin, rows = Ticker(scenario, self.tools), count(), list[tuple[float, float]]()
        start = clock()

        def work(number: int, stop: Event) -> None:
            now = start
            for begun in begin:  # shared: how many queries all workers have begun
                if stop.is_set() or enough(begun, now - start, now - began):
                    return
                before = clock()
                now = _timed(query, clock)
                rows.append((now, before))
                if workers == 1:
                    tick(len(rows), now)

        run_workers(workers, work, lambda: tick(len(rows), clock()))
        stamps = np.array(sorted(rows), np.float64)
        ends = stamps[:, 0] - start
        return Series(
            scenario=scenario,
            samples_per_query=size,
            durations=stamps[:, 0] - stamps[:, 1],
            ends=ends,
            seconds=float(ends[-1]),
            workers=workers,
        )


def _timed(query: Query, clock: Clock) -> float:
    query()
    return clock()
