"""The parts of a report of `zoo bench`, each with the files that go with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.api.trace import Traceable
from zoo_core.benchmark import Instruments
from zoo_core.benchmark.compare import compare
from zoo_core.benchmark.trace import OperatorTable
from zoo_core.commands.bench.artefact import noise, workload
from zoo_core.commands.bench.images import image_steps
from zoo_core.commands.bench.request import title
from zoo_core.commands.run import RAW
from zoo_core.errors import UsageError, ZooError
from zoo_core.reporting.report import ToolReport

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.benchmark import BenchSettings
    from zoo_core.commands.bench.artefact import Measured
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.system.record import Record

Tell = Callable[[str], None]

RUNS = 20
"""Runs that a trace holds."""

BLOCK, VERSUS, TRACE = "block.txt", "versus_ms.json", "trace.json"
"""Files of a benchmark beside its report and its samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A field of `BenchReport`, and files of the run folder: text, or data for JSON."""

    key: str
    data: Record
    files: Mapping[str, Any] = field(default_factory=dict)


def speed(measured: Measured, with_block: bool = True) -> Part:
    """The benchmark itself."""
    text = {BLOCK: "\n".join(measured.report.block) + "\n"} if with_block else {}
    return Part(
        key="benchmark", data=measured.report, files={RAW: measured.benchmark.raw(), **text}
    )


def taken_apart(
    run: Run,
    work: Workspace,
    artefact: Path,
    reading: tuple[Run, Mapping[str, StageResult]],
    tell: Tell,
) -> Part:
    """Where the time of an image goes."""
    tell("breakdown: one image after the other")
    runtime = work.plugins.runtime(run.resolved.backend.runtime)
    with runtime.open(artefact, run.resolved.target, "latency") as session:
        return Part(key="breakdown", data=image_steps(*reading, work, session))


def versus(
    run: Run,
    work: Workspace,
    artefact: Path,
    other: tuple[Run, Path],
    settings: BenchSettings,
    tell: Tell,
) -> Part:
    """The build against another one, in turns."""
    rival, folder = other
    result = compare(
        workload(run.resolved, work, artefact),
        workload(rival.resolved, work, folder),
        settings,
        Instruments(tell=tell),
    )
    names = title(run.request, rival.request), title(rival.request, run.request)
    return Part(key="versus", data=result.figures(*names), files={VERSUS: result.raw()})


def traceable(run: Run, work: Workspace) -> Traceable:
    """The runtime, if it reports the time of operators; raises UsageError if not."""
    backend = run.resolved.backend
    runtime = work.plugins.runtime(backend.runtime)
    if isinstance(runtime, Traceable):
        return runtime
    what = f"backend '{backend.name}' does not report the time of operators"
    raise UsageError(what, where="--profile")


def traced(run: Run, work: Workspace, artefact: Path, tell: Tell) -> Part:
    """The table of operators, and the trace."""
    tell("profile: running with the engine's profiler")
    size, target = run.resolved.size, run.resolved.target
    trace = traceable(run, work).trace(
        artefact, target, lambda session: noise(session, size, target.batch), RUNS
    )
    table = OperatorTable.of(trace.durations(), trace.runs, trace.whole_us, TRACE)
    return Part(key="profile", data=table, files={TRACE: json.dumps(trace.chrome())})


def profiled(run: Run, work: Workspace, artefact: Path, tell: Tell) -> list[Part]:
    """What the vendor's own tool reports; empty where the backend has none.

    Where it fails the report says so, and zoo's own figures stand; on an emulated device, where
    there are none, it raises what the profiler raises.
    """
    resolved = run.resolved
    name = resolved.backend.profiler
    if name is None:
        return []
    tell(f"profiler {name}: running")
    try:
        output = dict(work.plugins.profiler(name).profile(artefact, resolved.target, {}))
    except ZooError as error:
        if resolved.emulated:
            raise
        failure = ToolReport.from_data({"name": name, "failure": str(error)})
        return [Part(key="profiler", data=failure)]
    raw = {key: output.pop(key) for key in list(output) if key.startswith("raw")}
    files = {f"{name}-{key}.txt": str(text) for key, text in raw.items() if text}
    report = ToolReport.from_data({"name": name, "files": sorted(files), **output})
    return [Part(key="profiler", data=report, files=files)]
