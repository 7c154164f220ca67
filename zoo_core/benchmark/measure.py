"""The measurement of a compiled network: open it, warm it up, and run a scenario."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo_core.benchmark.offline import offline
from zoo_core.benchmark.result import Benchmark, Memory, Take
from zoo_core.benchmark.series import Instruments, Loop, warm_up
from zoo_core.benchmark.server import server
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.errors import UsageError
from zoo_core.system.machine import (
    cpu_name,
    environment,
    momentary,
    peak_memory,
    reset_peak_memory,
    resident_memory,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from zoo_core.api import Arrays, Session
    from zoo_core.benchmark.series import Query, Series, Warmup

HINTS = {
    "single-stream": "latency",
    "multi-stream": "throughput",
    "server": "throughput",
    "offline": "throughput",
}
"""What a session is opened for, by scenario."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """What is measured.

    `open` loads the network for a hint, `latency` or `throughput`; `feeds` makes the inputs of a
    number of samples for an open session. `batch` is how many samples a run takes at most.
    """

    open: Callable[[str], AbstractContextManager[Session]]
    feeds: Callable[[Session, int], Arrays]
    batch: int = 1

    def samples(self, session: Session, wanted: int) -> int:
        """How many samples one run takes where `wanted` would be best; raises UsageError."""
        if session.input_kind == "name":
            what = "its outputs were stored by another program: there is no speed to measure"
            raise UsageError(what, where="benchmark")
        if session.input_kind == "image":
            return 1
        first = [spec.shape[0] if spec.shape else 1 for spec in session.inputs]
        return wanted if all(isinstance(size, str) for size in first) else self.batch


def measure(
    workload: Workload,
    settings: BenchSettings | None = None,
    tools: Instruments | None = None,
    device_name: str | None = None,
) -> Benchmark:
    """Times a network on inputs that are used again and again; raises UsageError where it cannot.

    Each scenario opens a session of its own, so that its first inference is the first. An interrupt
    ends all threads and passes through.
    """
    settings, tools = settings or BenchSettings(), tools or Instruments()
    before = environment()
    fresh, held = reset_peak_memory(), resident_memory()
    wanted = [settings.scenario] if settings.scenario else ["single-stream", "offline"]
    takes = [_Taker(workload, settings, tools).take(scenario) for scenario in wanted]
    return Benchmark(
        device_name=device_name or cpu_name(),
        settings=settings,
        latency=takes[0],
        throughput=takes[-1],
        memory=Memory(before=held, peak=peak_memory(), fresh=fresh),
        environment={**before, "after": momentary()},
    )


@dataclass(frozen=True, slots=True)
class _Taker:
    workload: Workload
    settings: BenchSettings
    tools: Instruments

    def take(self, scenario: str) -> Take:
        clock, hint = self.tools.clock, HINTS[scenario]
        self.tools.tell(f"{scenario}: loading")
        loading = clock()
        with self.workload.open(hint) as session:
            load_ms = (clock() - loading) * 1e3
            warmup, series = _SCENARIOS[scenario](self, session)
            return Take(
                series=series,
                warmup=warmup,
                hint=hint,
                threads=session.threads,
                load_ms=load_ms,
            )

    def single(self, session: Session) -> tuple[Warmup, Series]:
        size = self.workload.samples(session, 1)
        if size > 1 and self.settings.scenario:
            what = f"is compiled for batches of {size}; single-stream is one sample a query"
            raise UsageError(what, where="benchmark", next="use --batch 1, or multi-stream")
        name = "single-stream" if size == 1 else "multi-stream"
        with queries(self.workload, session, size, 1) as query:
            return self._loop(name, query, size)

    def multi(self, session: Session) -> tuple[Warmup, Series]:
        wanted = self.settings.samples_per_query
        size = self.workload.samples(session, whole_batch(wanted, session.workers))
        calls, rest = divmod(wanted, size)
        if rest:
            what = f"{wanted} samples per query are no whole batches of {size}"
            raise UsageError(what, where="--samples-per-query", next=f"give a multiple of {size}")
        with queries(self.workload, session, size, calls) as query:
            return self._loop("multi-stream", query, wanted)

    def server(self, session: Session) -> tuple[Warmup, Series]:
        size = self.workload.samples(session, 1)
        if size > 1:
            what = f"is compiled for batches of {size}; a server's samples come one by one"
            raise UsageError(what, where="benchmark", next="use --batch 1")
        with queries(self.workload, session, 1, session.workers) as query:
            warmup, _ = self._warm("server", query)
        with queries(self.workload, session, 1, 1) as query:
            return warmup, server(query, session.workers, self.settings, self.tools)

    def offline(self, session: Session) -> tuple[Warmup, Series]:
        size = self.workload.samples(session, self.workload.batch)
        with queries(self.workload, session, size, session.workers) as query:
            warmup, began = self._warm("offline", query)
        with queries(self.workload, session, size, 1) as query:
            batches = offline(query, size, session.workers, self.settings, self.tools, began)
            return warmup, batches

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
def queries(workload: Workload, session: Session, size: int, calls: int) -> Iterator[Query]:
    """A query of so many runs of `size` samples each, as many at once as the session takes."""
    feeds = workload.feeds(session, size)
    with ExitStack() as stack:
        if calls == 1:
            yield lambda: session.run(feeds)
            return
        if session.workers == 1:
            yield lambda: [session.run(feeds) for _ in range(calls)]
            return
        pool = stack.enter_context(ThreadPoolExecutor(session.workers, "bench"))
        yield lambda: list(pool.map(lambda _: session.run(feeds), range(calls)))


_SCENARIOS: dict[str, Callable[[_Taker, Session], tuple[Warmup, Series]]] = {
    "single-stream": _Taker.single,
    "multi-stream": _Taker.multi,
    "server": _Taker.server,
    "offline": _Taker.offline,
}


def whole_batch(wanted: int, workers: int) -> int:
    """The smallest batch of which whole ones make up `wanted`, no more than there are workers."""
    least = math.ceil(wanted / workers)
    return next(size for size in range(least, wanted + 1) if wanted % size == 0)
