"""Offline: as many batches at once as the network takes, back to back; throughput counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.benchmark.series import Instruments, Series, Ticker
from zoo_core.benchmark.threads import run_workers

if TYPE_CHECKING:
    from threading import Event

    from zoo_core.benchmark.series import Query
    from zoo_core.benchmark.settings import BenchSettings


@dataclass(slots=True)
class _Tally:
    """What the workers have done: batches begun, and (end, begin) of those that ended.

    Appending is atomic. The count is not: two workers may begin at once and count as one, so that
    a batch more than asked for may be run.
    """

    started: int = 0
    ended: list[tuple[float, float]] = field(default_factory=list)


def offline(
    query: Query,
    size: int,
    workers: int,
    settings: BenchSettings,
    tools: Instruments,
    began: float,
) -> Series:
    """Batches of `size` samples in `workers` threads until the time is over.

    `began` is when warming up began, by the clock. The last batches of several workers end at
    different times; the throughput is that of all batches until the last end, MLPerf's definition.
    """
    clock, enough = tools.clock, settings.stop("offline")
    tally, tick = _Tally(), Ticker("offline", tools)
    start = clock()

    def work(number: int, stop: Event) -> None:
        now = start
        while not stop.is_set() and not enough(tally.started, now - start, now - began):
            tally.started += 1
            before = clock()
            query()
            now = clock()
            tally.ended.append((now, before))
            if workers == 1:
                tick(len(tally.ended), now)

    run_workers(workers, work, lambda: tick(len(tally.ended), clock()))
    stamps = np.array(sorted(tally.ended), np.float64)
    ends = stamps[:, 0] - start
    return Series(
        scenario="offline",
        samples_per_query=size,
        durations=stamps[:, 0] - stamps[:, 1],
        ends=ends,
        seconds=float(ends[-1]),
        workers=workers,
    )
