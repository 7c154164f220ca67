"""Sessions of known speed, on a clock that moves only while they run."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo_core.api import TensorSpec
from zoo_core.benchmark.measure import Workload, measure
from zoo_core.benchmark.series import Instruments
from zoo_core.commands.bench.artefact import network_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from zoo_core.api import Arrays
    from zoo_core.benchmark.measure import Network
    from zoo_core.benchmark.result import Benchmark
    from zoo_core.benchmark.settings import BenchSettings


class Clock:
    """Time in seconds that passes only while a network runs, or something waits."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """The time now."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class Timed:
    """A session that takes the given seconds for its runs, one after the other.

    `seconds` gives the series for a batch size; `batches` are the sizes that were run.
    """

    outputs: tuple[TensorSpec, ...] = ()
    threads: int | None = 2

    def __init__(
        self,
        clock: Clock,
        seconds: Callable[[int], Iterator[float]],
        batch: int | str = 1,
        workers: int = 1,
        input_kind: str = "tensor",
    ) -> None:
        """`batch` is the size the network is compiled for, or the name of a free axis."""
        self.inputs: tuple[TensorSpec, ...] = (TensorSpec(name="input", shape=(batch, 3, 4, 4)),)
        self.batches: list[int] = []
        self.workers, self.input_kind = workers, input_kind
        self._clock, self._seconds = clock, seconds
        self._series: dict[int, Iterator[float]] = {}

    def run(self, feeds: Arrays) -> Arrays:
        """No outputs, after the next of the series' seconds."""
        size = feeds["input"].shape[0]
        self.batches.append(size)
        if size not in self._series:
            self._series[size] = self._seconds(size)
        self._clock.now += next(self._series[size])
        return {}


class Opened:
    """A workload of one session, which it opens again and again, and the hints of each time."""

    def __init__(self, session: Timed, clock: Clock, batch: int = 1, load: float = 0.0) -> None:
        """Opening takes `load` seconds; `batch` is that of the workload."""
        self.session = session
        self.hints: list[str] = []
        self._clock, self._load = clock, load
        self.workload = Workload(open=self._open, batch=batch)

    @contextmanager
    def _open(self, hint: str) -> Iterator[Network]:
        self.hints.append(hint)
        self._clock.now += self._load
        yield network_of(self.session, (4, 4), self.workload.batch)


def tools(clock: Clock, told: list[str] | None = None) -> Instruments:
    """Instruments on this clock; what is told is kept in `told`."""
    tell = (lambda _: None) if told is None else told.append
    return Instruments(clock=clock, sleep=clock.sleep, tell=tell)


def bench(
    series: Iterator[float], settings: BenchSettings | None = None
) -> tuple[Benchmark, Timed, Clock]:
    """A benchmark of a session for batches of one."""
    clock = Clock()
    session = Timed(clock, lambda _: series)
    found = measure(Opened(session, clock).workload, settings, tools(clock), "a device")
    return found, session, clock
