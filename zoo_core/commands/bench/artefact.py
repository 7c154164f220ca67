"""The speed of a compiled artefact: what `zoo run` and `zoo bench` measure of it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.benchmark.measure import Network, Workload
from zoo_core.benchmark.measure import measure as measure_workload
from zoo_core.benchmark.series import Instruments
from zoo_core.benchmark.settings import BenchSettings
from zoo_core.benchmark.text import block
from zoo_core.errors import UsageError, ZooError
from zoo_core.reporting.report import SpeedReport
from zoo_core.system.machine import cpu_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Session, TensorSpec
    from zoo_core.benchmark.result import Benchmark
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.resolve import Resolved


@dataclass(frozen=True, slots=True)
class Build:
    """A run whose stages are done."""

    run: Run
    work: Workspace
    results: Mapping[str, StageResult]

    @property
    def artefact(self) -> Path:
        """The folder of the compiled artefact."""
        planned = self.run.plan.artefact()
        if planned is None:
            raise ZooError("no stage makes an artefact", where="benchmark")
        return self.results[planned.stage.name].entry.path

    def open(self, hint: str) -> AbstractContextManager[Session]:
        """A session on the artefact for `latency` or `throughput`."""
        resolved = self.run.resolved
        runtime = self.work.plugins.runtime(resolved.backend.runtime)
        return runtime.open(self.artefact, resolved.target, hint)

    def workload(self) -> Workload:
        """The artefact as something to be measured, on seeded noise."""
        size, batch = self.run.resolved.size, self.run.resolved.target.batch

        @contextmanager
        def opened(hint: str) -> Iterator[Network]:
            with self.open(hint) as session:
                yield network_of(session, size, batch)

        return Workload(open=opened, batch=batch)


@dataclass(frozen=True, slots=True)
class Measured:
    """A benchmark of a run's artefact with all its samples, and what a report holds of it."""

    benchmark: Benchmark
    report: SpeedReport


def measured(build: Build, tell: Callable[[str], None]) -> Measured | None:
    """The benchmark of a run; None where there is no speed.

    An emulator has none, and neither have outputs that another program stored.
    """
    if build.run.resolved.emulated or build.run.resolved.stored:
        return None
    return measure(build, BenchSettings(), tell)


def measure(build: Build, settings: BenchSettings, tell: Callable[[str], None]) -> Measured:
    """Latency and throughput of an artefact on seeded noise; see `zoo_core.benchmark`."""
    resolved = build.run.resolved
    facts, tools = device_facts(resolved), Instruments(tell=tell)
    result = measure_workload(build.workload(), settings, tools, _name(resolved, facts))
    text = block(result, resolved.target.device) if resolved.backend.profiler else ()
    report = SpeedReport(figures=result.figures(), device_facts=facts, block=tuple(text))
    return Measured(result, report)


def network_of(session: Session, size: tuple[int, int], batch: int) -> Network:
    """An open session as a benchmark sees it: a network that runs on noise.

    `size` is (height, width); `batch` the batch that the artefact is compiled for.
    """

    def samples(wish: int) -> int:
        if session.input_kind == "name":
            what = "its outputs were stored by another program: there is no speed to measure"
            raise UsageError(what, where="benchmark")
        if session.input_kind == "image":
            return 1
        first = [spec.shape[0] if spec.shape else 1 for spec in session.inputs]
        return wish if all(isinstance(axis, str) for axis in first) else batch

    def query(count: int) -> Callable[[], object]:
        feeds = noise(session, size, count)
        return lambda: session.run(feeds)

    return Network(threads=session.threads, workers=session.workers, samples=samples, query=query)


def noise(session: Session, size: tuple[int, int], count: int) -> Arrays:
    """Seeded inputs of `count` samples: floats in [0, 1), integers in [0, 256).

    Where a session takes images it is one of `size` (height, width).
    """
    source = np.random.default_rng(0)
    return {spec.name: _array(spec, size, count, source) for spec in session.inputs}


def device_facts(resolved: Resolved) -> dict[str, object]:
    """What the backend says of each of the target's devices."""
    facts, devices = resolved.backend.facts, resolved.target.devices
    if facts is None:
        return {}
    each = {device: dict(facts(device)) for device in devices}
    return each[devices[0]] if len(devices) == 1 else dict(each)


def _name(resolved: Resolved, facts: Mapping[str, object]) -> str:
    """What the facts call the device; without any, the processor or the backend's device."""
    stated, device = facts.get("name") or facts.get("card_type"), resolved.target.device
    if stated:
        return str(stated)
    is_cpu = device.lower() in ("cpu", "default")
    return cpu_name() if is_cpu else f"{resolved.backend.name} {device}"


def _array(
    spec: TensorSpec, size: tuple[int, int], count: int, source: np.random.Generator
) -> NDArray[Any]:
    known = [count, *spec.shape[1:]]
    for axis, pixels in zip((-2, -1), size, strict=True):
        if len(known) == 4 and isinstance(known[axis], str):
            known[axis] = pixels
    shape = [1 if isinstance(length, str) else length for length in known]
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return source.random(shape, dtype=np.float32).astype(dtype)
    return source.integers(0, 256, shape).astype(dtype)
