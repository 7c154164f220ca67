"""The measurement of a compiled network: open it, warm it up, and run a scenario."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.benchmark.result import (
    BENCHMARK_START,
    PROCESS_START,
    Benchmark,
    Memory,
    ScenarioRun,
)
from zoo_core.benchmark.series import Instruments, Loop, warm_up
from zoo_core.benchmark.server import server
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.benchmark.threads import HUNG_SECONDS, NAME
from zoo_core.errors import UsageError
from zoo_core.system.machine import (
    cpu_name,
    environment,
    momentary,
    peak_memory,
    reset_peak_memory,
    resident_memory,
)
from zoo_core.system.threads import ThreadPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from zoo_core.benchmark.series import Query, Series, Warmup

HINTS = {
    "single-stream": "latency",
    "multi-stream": "throughput",
    "server": "throughput",
    "offline": "throughput",
}
"""What a network is opened for, by scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network that is loaded and ready to run.

    `threads` is how many one run uses, None where that is not known; `workers` how many threads may
    run it at once. `samples` says how many samples one run takes where so many would be best, and
    raises UsageError where it has no speed; `query` makes a query of so many samples, the same ones
    each time, for several threads at once.
    """

    threads: int | None
    workers: int
    samples: Callable[[int], int]
    query: Callable[[int], Query]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is measured.

    `open` loads the network for a hint, `latency` or `throughput`. `batch` is how many samples a
    run takes at most.
    """

    open: Callable[[str], AbstractContextManager[Network]]
    batch: int = 1


def measure(
    workload: Workload,
    settings: BenchSettings | None = None,
    tools: Instruments | None = None,
    device_name: str | None = None,
) -> Benchmark:
    """Times a network on inputs that are used again and again; raises UsageError where it cannot.

    Each scenario opens the network anew, so that its first inference is the first. An interrupt
    ends all threads and passes through.
    """
    settings, tools = settings or BenchSettings(), tools or Instruments()
    before = environment()
    since = BENCHMARK_START if reset_peak_memory() else PROCESS_START
    held = resident_memory()
    scenarios = [settings.scenario] if settings.scenario else ["single-stream", "offline"]
    runs = [_Measurement(workload, settings, tools).run(scenario) for scenario in scenarios]
    return Benchmark(
        device_name=device_name or cpu_name(),
        settings=settings,
        latency=runs[0],
        throughput=runs[-1],
        memory=Memory(before_bytes=held, peak_bytes=peak_memory(), peak_since=since),
        environment={**before, "after": momentary()},
    )


@dataclass(frozen=True, slots=True)
class _Measurement:
    workload: Workload
    settings: BenchSettings
    tools: Instruments

    def run(self, scenario: str) -> ScenarioRun:
        clock, hint = self.tools.clock, HINTS[scenario]
        self.tools.tell(f"{scenario}: loading")
        loading = clock()
        with self.workload.open(hint) as network:
            load_ms = (clock() - loading) * 1e3
            warmup, series = _SCENARIOS[scenario](self, network)
            return ScenarioRun(
                series=series,
                warmup=warmup,
                hint=hint,
                threads=network.threads,
                load_ms=load_ms,
            )

    def single(self, network: Network) -> tuple[Warmup, Series]:
        size = network.samples(1)
        if size > 1 and self.settings.scenario:
            what = f"is compiled for batches of {size}; single-stream is one sample a query"
            raise UsageError(what, where="benchmark", next="use --batch 1, or multi-stream")
        name = "single-stream" if size == 1 else "multi-stream"
        with queries(network, size, 1) as query:
            return self._loop(name, query, size)

    def multi(self, network: Network) -> tuple[Warmup, Series]:
        samples = self.settings.samples_per_query
        size = network.samples(whole_batch(samples, network.workers))
        calls, rest = divmod(samples, size)
        if rest:
            what = f"{samples} samples per query are not a multiple of the batch {size}"
            raise UsageError(what, where="--samples-per-query", next=f"give a multiple of {size}")
        with queries(network, size, calls) as query:
            return self._loop("multi-stream", query, samples)

    def server(self, network: Network) -> tuple[Warmup, Series]:
        size = network.samples(1)
        if size > 1:
            what = f"is compiled for batches of {size}; a server's samples come one by one"
            raise UsageError(what, where="benchmark", next="use --batch 1")
        with queries(network, 1, network.workers) as query:
            warmup, _ = self._warm("server", query)
        with queries(network, 1, 1) as query:
            return warmup, server(query, network.workers, self.settings, self.tools)

    def offline(self, network: Network) -> tuple[Warmup, Series]:
        size = network.samples(self.workload.batch)
        with queries(network, size, network.workers) as query:
            warmup, began = self._warm("offline", query)
        with queries(network, size, 1) as query:
            loop = Loop(self.settings, self.tools)
            return warmup, loop.run("offline", query, size, began, network.workers)

    def _loop(self, name: str, query: Query, size: int) -> tuple[Warmup, Series]:
        warmup, began = self._warm(name, query)
        return warmup, Loop(self.settings, self.tools).run(name, query, size, began)

    def _warm(self, name: str, query: Query) -> tuple[Warmup, float]:
        """The warm-up, and when it began."""
        self.tools.tell(f"{name}: warming up")
        began = self.tools.clock()
        warmup = warm_up(query, self.settings, self.tools.clock, name)
        self.tools.tell(f"{name}: measuring for {self.settings.stop(name).seconds:g} s")
        return warmup, began


@contextmanager
def queries(network: Network, size: int, calls: int) -> Iterator[Query]:
    """A query of so many runs of `size` samples each, as many at once as the network takes."""
    run = network.query(size)
    if calls == 1:
        yield run
        return
    if network.workers == 1:
        yield lambda: [run() for _ in range(calls)]
        return
    pool = ThreadPool(network.workers, NAME)
    try:
        yield lambda: pool.map(run, calls)
    finally:
        pool.close(HUNG_SECONDS)


_SCENARIOS: dict[str, Callable[[_Measurement, Network], tuple[Warmup, Series]]] = {
    "single-stream": _Measurement.single,
    "multi-stream": _Measurement.multi,
    "server": _Measurement.server,
    "offline": _Measurement.offline,
}


def whole_batch(samples: int, workers: int) -> int:
    """The smallest batch of which whole ones make up `samples`, no more than there are workers."""
    least = math.ceil(samples / workers)
    return next(size for size in range(least, samples + 1) if samples % size == 0)
