"""Server: samples arrive at random at a given rate, whether or not the network has time for them.

Latency counts from when a sample should have arrived, so that a slow answer delays none of the
others in the figures but all of them in the queue (no "coordinated omission").
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.benchmark.series import Arrivals, Instruments, Series, Ticker
from zoo_core.benchmark.threads import run_workers
from zoo_core.errors import ZooError

if TYPE_CHECKING:
    from threading import Event

    from numpy.typing import NDArray

    from zoo_core.benchmark.series import Query
    from zoo_core.benchmark.settings import BenchSettings

_GIVE_UP = 1.5
"""Times its planned length after which a server that does not keep up is given up."""

_DOZE = 0.2
_SOON = 1e-6


def schedule(rate: float, count: int, seconds: float, seed: int) -> NDArray[np.float64]:
    """When queries arrive, in seconds, float64 [n]: a Poisson process of a seeded generator.

    At least `count` arrivals, and until `seconds` have passed.
    """
    source = np.random.default_rng(seed)
    due = np.cumsum(source.exponential(1 / rate, count))
    while due[-1] < seconds:
        more = source.exponential(1 / rate, math.ceil((seconds - due[-1]) * rate))
        due = np.concatenate([due, due[-1] + np.cumsum(more)])
    return due


def server(query: Query, workers: int, settings: BenchSettings, tools: Instruments) -> Series:
    """Queries of one sample served by `workers` threads in the order of their arrival.

    Raises ZooError where none could be begun in the time: nothing was measured.
    """
    clock, rate = tools.clock, settings.target_qps or 1.0
    due = schedule(rate, _count(rate, settings), settings.seconds, settings.seed)
    arrivals, rows = enumerate(due.tolist()), list[tuple[int, float, float]]()
    tick, start = Ticker("server", tools), clock()
    limit = max(settings.seconds, float(due[-1])) * _GIVE_UP

    def work(number: int, stop: Event) -> None:
        for query_number, arrival in arrivals:  # shared: each worker draws the next one
            _wait_until(arrival, start, stop, tools)
            if stop.is_set() or clock() - start >= limit:
                return
            begun = clock() - start
            query()
            now = clock()
            rows.append((query_number, begun, now - start))
            if workers == 1:
                tick(len(rows), now)

    run_workers(workers, work, lambda: tick(len(rows), clock()))
    now = clock() - start
    if not rows:
        what = f"no query was finished in {now:.1f} s, and {np.sum(due <= now):,} wait: no figures"
        step = "measure on a quiet machine, or with a lower --target-qps"
        raise ZooError(what, where="server scenario", next=step)
    return _series(due, rows, rate, workers, now)


def _count(rate: float, settings: BenchSettings) -> int:
    """Those that arrive in the time on average; more for the count's sake, within patience."""
    usual = round(rate * settings.seconds)
    more = min(settings.min_samples, rate * settings.seconds * settings.patience)
    return max(usual, int(more), settings.least_samples)


def _wait_until(due: float, start: float, stop: Event, tools: Instruments) -> None:
    while (left := due - (tools.clock() - start)) > _SOON and not stop.is_set():
        tools.sleep(min(left, _DOZE))


def _series(
    due: NDArray[np.float64],
    rows: list[tuple[int, float, float]],
    rate: float,
    workers: int,
    now: float,
) -> Series:
    """What was served, and what still waited at `now` with the time it had waited."""
    table = np.array(sorted(rows), np.float64)
    number, begun, ended = table[:, 0].astype(np.intp), table[:, 1], table[:, 2]
    waiting = np.setdiff1d(np.flatnonzero(due <= now), number)
    served = ended - np.minimum(due[number], begun)  # one may begin a microsecond early
    durations = np.concatenate([served, now - due[waiting]])
    last, arrived = float(ended.max()), number.size + waiting.size
    offered = arrived / float(due[arrived - 1])
    service = ended - begun
    return Series(
        scenario="server",
        samples_per_query=1,
        durations=durations[np.argsort(np.concatenate([number, waiting]))],
        ends=np.sort(ended),
        seconds=last,
        workers=workers,
        service=service,
        arrivals=Arrivals(
            target_qps=rate,
            offered_qps=round(offered, 4),
            completed_qps=round(number.size / last, 4),
            utilisation=round(float(service.mean()) * offered / workers, 4),
            waiting=int(waiting.size),
        ),
    )
