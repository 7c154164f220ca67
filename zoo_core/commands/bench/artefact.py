"""The speed of a compiled artefact: what `zoo run` and `zoo bench` measure of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.benchmark import BenchSettings, Instruments, Workload
from zoo_core.benchmark import measure as measure_workload
from zoo_core.benchmark.block import block
from zoo_core.benchmark.text import lines
from zoo_core.system.machine import cpu_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from zoo_core.api import Arrays, Session, TensorSpec
    from zoo_core.benchmark import Benchmark
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.resolve import Resolved


@dataclass(frozen=True, slots=True)
class Measured:
    """A benchmark of a run's artefact, and the facts of its device that go with every figure."""

    found: Benchmark
    device: str
    facts: Mapping[str, object]

    def to_data(self) -> dict[str, Any]:
        """The `benchmark` object of reports."""
        return {
            **self.found.to_data(),
            "device_facts": dict(self.facts),
            "block": block(self.found, self.device),
            "lines": lines(self.found),
        }


def measured(
    run: Run, work: Workspace, results: Mapping[str, StageResult], tell: Callable[[str], None]
) -> dict[str, Any] | None:
    """The benchmark of a run with its samples under `raw_ms`; None where there is no speed.

    An emulator has none, and neither have outputs that another program stored.
    """
    resolved = run.resolved
    if resolved.emulated or resolved.stored:
        return None
    found = measure(run, work, artefact_of(results), BenchSettings(), tell)
    return {**found.to_data(), "raw_ms": found.found.raw()}


def artefact_of(results: Mapping[str, StageResult]) -> Path:
    """The folder of the compiled artefact."""
    return results["compile"].entry.path


def measure(
    run: Run,
    work: Workspace,
    artefact: Path,
    settings: BenchSettings,
    tell: Callable[[str], None],
) -> Measured:
    """Latency and throughput of an artefact on seeded noise; see `zoo_core.benchmark`."""
    resolved = run.resolved
    facts = device_facts(resolved)
    found = measure_workload(
        workload(resolved, work, artefact),
        settings,
        Instruments(tell=tell),
        _name(resolved, facts),
    )
    return Measured(found, resolved.target.device, facts)


def workload(resolved: Resolved, work: Workspace, artefact: Path) -> Workload:
    """The artefact as something to be measured, on seeded noise."""
    runtime = work.plugins.runtime(resolved.backend.runtime)
    target = resolved.target
    return Workload(
        open=lambda hint: runtime.open(artefact, target, hint),
        feeds=lambda session, count: noise(session, resolved.size, count),
        batch=target.batch,
    )


def noise(session: Session, size: tuple[int, int], count: int) -> Arrays:
    """Seeded inputs of `count` samples: floats in [0, 1), integers in [0, 256).

    Where a session takes images it is one of `size` (height, width).
    """
    source = np.random.default_rng(0)
    return {spec.name: _array(spec, size, count, source) for spec in session.inputs}


def device_facts(resolved: Resolved) -> dict[str, object]:
    """What the backend says of each of the target's devices."""
    told = resolved.backend.facts
    if told is None:
        return {}
    devices = resolved.target.devices
    found = {device: dict(told(device)) for device in devices}
    return found[devices[0]] if len(devices) == 1 else dict(found)


def _name(resolved: Resolved, facts: Mapping[str, object]) -> str:
    """What the facts call the device; without any, the processor or the backend's device."""
    told = facts.get("name") or facts.get("card_type")
    if told:
        return str(told)
    device = resolved.target.device
    return (
        cpu_name() if device.lower() in ("cpu", "default") else f"{resolved.backend.name} {device}"
    )


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
