"""The parts of a report of `zoo bench`, each with the files that go with it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.api.trace import Traceable
from zoo_core.benchmark.compare import compare
from zoo_core.benchmark.series import Instruments
from zoo_core.benchmark.trace import OperatorTable
from zoo_core.commands.bench.artefact import noise
from zoo_core.commands.bench.images import image_steps
from zoo_core.commands.bench.request import title
from zoo_core.errors import UsageError, ZooError
from zoo_core.reporting.report import ToolReport
from zoo_core.reporting.run_folder import RAW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.benchmark.settings import BenchSettings
    from zoo_core.commands.bench.artefact import Build, Measured
    from zoo_core.commands.workspace import Workspace
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
    lines = measured.report.block if with_block else ()
    text = {BLOCK: "\n".join(lines) + "\n"} if lines else {}
    return Part(
        key="benchmark", data=measured.report, files={RAW: measured.benchmark.raw(), **text}
    )


def taken_apart(build: Build, reading: Build, tell: Tell) -> Part:
    """Where the time of an image goes."""
    tell("breakdown: one image after the other")
    with build.open("latency") as session:
        return Part(key="breakdown", data=image_steps(reading, session))


def versus(build: Build, other: Build, settings: BenchSettings, tell: Tell) -> Part:
    """The build against another one, in turns."""
    result = compare(build.workload(), other.workload(), settings, Instruments(tell=tell))
    mine, others = build.run.request, other.run.request
    figures = result.figures(title(mine, others), title(others, mine))
    return Part(key="versus", data=figures, files={VERSUS: result.raw()})


def traceable(run: Run, work: Workspace) -> Traceable:
    """The runtime, if it reports the time of operators; raises UsageError if not."""
    backend = run.resolved.backend
    runtime = work.plugins.runtime(backend.runtime)
    if isinstance(runtime, Traceable):
        return runtime
    what = f"backend '{backend.name}' does not report the time of operators"
    raise UsageError(what, where="--profile")


def traced(build: Build, tell: Tell) -> Part:
    """The table of operators, and the trace."""
    tell("profile: running with the engine's profiler")
    size, target = build.run.resolved.size, build.run.resolved.target
    trace = traceable(build.run, build.work).trace(
        build.artefact, target, lambda session: noise(session, size, target.batch), RUNS
    )
    table = OperatorTable.of(trace.durations(), trace.runs, trace.whole_us, TRACE)
    return Part(key="profile", data=table, files={TRACE: json.dumps(trace.chrome())})


def profiled(build: Build, tell: Tell) -> list[Part]:
    """What the vendor's own tool reports; empty where the backend has none.

    Where it fails the report says so, and zoo's own figures stand; on an emulated device, where
    there are none, it raises what the profiler raises.
    """
    resolved = build.run.resolved
    name = resolved.backend.profiler
    if name is None:
        return []
    tell(f"profiler {name}: running")
    try:
        profiler = build.work.plugins.profiler(name)
        output = dict(profiler.profile(build.artefact, resolved.target, {}))
    except ZooError as error:
        if resolved.emulated:
            raise
        failure = ToolReport.from_data({"name": name, "failure": str(error)})
        return [Part(key="profiler", data=failure)]
    raw = {key: output.pop(key) for key in list(output) if key.startswith("raw")}
    files = {f"{name}-{key}.txt": str(text) for key, text in raw.items() if text}
    report = ToolReport.from_data({"name": name, "files": sorted(files), **output})
    return [Part(key="profiler", data=report, files=files)]
