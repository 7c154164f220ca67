"""The parts of a report of `zoo bench`: each a key of the JSON, lines, and files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from zoo_core.api.trace import Traceable
from zoo_core.benchmark import Instruments, trace
from zoo_core.benchmark.block import block
from zoo_core.benchmark.compare import compare
from zoo_core.benchmark.text import lines, row
from zoo_core.commands.bench.artefact import noise, workload
from zoo_core.commands.bench.images import image_steps
from zoo_core.commands.bench.request import title
from zoo_core.errors import UsageError, ZooError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo_core.benchmark import BenchSettings
    from zoo_core.commands.bench.artefact import Measured
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run

Tell = Callable[[str], None]

RUNS = 20
"""Runs that a trace holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A key of the report with its data, lines for the terminal, and files of the run folder."""

    key: str
    data: Any
    lines: list[str] = field(default_factory=list)
    files: Mapping[str, Any] = field(default_factory=dict)


def speed(found: Measured) -> Part:
    """The benchmark itself."""
    raw = {"latency_ms.json": found.found.raw()}
    return Part(key="benchmark", data=found.to_data(), lines=lines(found.found), files=raw)


def block_of(found: Measured) -> Part:
    """The benchmark once more, in the form of the vendors' profilers."""
    shown = block(found.found, found.device)
    return Part(key="", data=None, lines=shown, files={"block.txt": "\n".join(shown) + "\n"})


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
        found = image_steps(*reading, work, session)
    return Part(key="breakdown", data=found.to_data(), lines=found.lines())


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
    found = compare(
        workload(run.resolved, work, artefact),
        workload(rival.resolved, work, folder),
        settings,
        Instruments(tell=tell),
    )
    names = title(run.request, rival.request), title(rival.request, run.request)
    data = {"this": names[0], "other": names[1], **found.to_data()}
    raw = {"this_ms": (found.first * 1e3).tolist(), "other_ms": (found.second * 1e3).tolist()}
    return Part(key="versus", data=data, lines=found.lines(*names), files={"versus_ms.json": raw})


def traceable(run: Run, work: Workspace) -> Traceable:
    """The runtime, if it can tell the time of operators; raises UsageError if not."""
    backend = run.resolved.backend
    runtime = work.plugins.runtime(backend.runtime)
    if isinstance(runtime, Traceable):
        return runtime
    what = f"backend '{backend.name}' does not tell the time of operators"
    raise UsageError(what, where="--profile")


def traced(run: Run, work: Workspace, artefact: Path, tell: Tell) -> Part:
    """The table of operators, and the trace."""
    tell("profile: running with the engine's profiler")
    resolved = run.resolved
    found = traceable(run, work).trace(
        artefact, resolved.target, lambda session: noise(session, resolved.size, _batch(run)), RUNS
    )
    return Part(
        key="profile",
        data={"trace": "trace.json", **trace.to_data(found)},
        lines=trace.lines(found),
        files={"trace.json": json.dumps(trace.chrome(found))},
    )


def profiled(run: Run, work: Workspace, artefact: Path, tell: Tell) -> list[Part]:
    """What the vendor's own tool finds; none where the backend has none.

    Where it fails the report says so, and zoo's own figures stand; on an emulated device, where
    there are none, it raises what the profiler raises.
    """
    resolved = run.resolved
    name = resolved.backend.profiler
    if name is None:
        return []
    tell(f"profiler {name}: running")
    try:
        found = dict(work.plugins.profiler(name).profile(artefact, resolved.target, {}))
    except ZooError as error:
        if resolved.emulated:
            raise
        failure = {"name": name, "failure": str(error)}
        return [Part(key="profiler", data=failure, lines=[f"profiler {name} failed: {error}"])]
    raw = {key: found.pop(key) for key in list(found) if key.startswith("raw")}
    files = {f"{name}-{key}.txt": str(text) for key, text in raw.items() if text}
    data = {"name": name, "files": sorted(files), **found}
    return [Part(key="profiler", data=data, lines=_figures(name, found), files=files)]


def _figures(name: str, found: Mapping[str, Any]) -> list[str]:
    figures = found.get("figures")
    shown = figures if isinstance(figures, Mapping) else found
    scalars = {key: value for key, value in shown.items() if isinstance(value, int | float | str)}
    width = max(map(len, scalars), default=0)
    checks = [item for item in found.get("invariants", []) if isinstance(item, Mapping)]
    judged = [item for item in checks if item.get("ok") is not None]
    held = sum(bool(item["ok"]) for item in judged)
    told = [row("checks", f"{held} of {len(judged)} hold")] if judged else []
    rows = [f"  {key:<{width}}  {value}" for key, value in scalars.items()]
    return [f"profiler {name}", *rows, *told]


def _batch(run: Run) -> int:
    return run.resolved.target.batch
