"""The report of `zoo bench`: measures, and leaves figures and raw samples in a run folder."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.commands.bench.artefact import artefact_of, measure
from zoo_core.commands.bench.images import prepare_images
from zoo_core.commands.bench.parts import (
    Part,
    block_of,
    profiled,
    speed,
    taken_apart,
    traceable,
    traced,
    versus,
)
from zoo_core.commands.bench.request import second
from zoo_core.commands.bench.sweep import check_sweep, sweep
from zoo_core.commands.run import RAW, inputs_of, require_available, run_folder
from zoo_core.errors import UsageError
from zoo_core.planning.build import Goal
from zoo_core.reporting.report import versions
from zoo_core.reporting.run_folder import BENCH_REPORT, check_free
from zoo_core.system.files import write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from zoo_core.commands.bench.request import BenchRequest
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.resolve import Resolved

SCHEMA = "zoo.bench/1"

_KIND = "bench"


@dataclass(frozen=True, slots=True)
class _Made:
    """What is compiled before anything is measured."""

    results: Mapping[str, StageResult]
    other: tuple[Run, Path] | None
    reading: tuple[Run, Mapping[str, StageResult]] | None

    @property
    def artefact(self) -> Path:
        return artefact_of(self.results)


def bench_report(
    run: Run, work: Workspace, how: BenchRequest, talk: ProgressReporter, output: Path | None
) -> dict[str, Any]:
    """Compile if needed, measure, and leave bench.json and the raw samples in a run folder.

    `lines` is what a terminal shows. Gates are refused here where they make no sense; checking them
    is the caller's, after it has shown the report.
    """
    _check(run, work, how)
    check_free(output, _KIND, _names(run, how), inputs_of(run))
    made = _make(run, work, how, talk)
    parts = list(_measure(run, work, how, talk, made))
    with run_folder(run, output, _KIND) as filling:
        report = _report(run, made, parts, filling.folder)
        for part in parts:
            for name, content in part.files.items():
                if isinstance(content, str):
                    write_text(filling.part / name, content)
                else:
                    write_json(filling.part / name, content)
        write_json(filling.part / BENCH_REPORT, report)
    return report


def _names(run: Run, how: BenchRequest) -> list[str]:
    """The files that are known before anything is measured."""
    timed = not run.resolved.emulated and not how.sweep
    asked = {
        BENCH_REPORT: True,
        RAW: timed,
        "block.txt": timed,
        "versus_ms.json": timed and how.versus,
        "trace.json": timed and how.profile,
    }
    return [name for name, wanted in asked.items() if wanted]


def _check(run: Run, work: Workspace, how: BenchRequest) -> None:
    """Raises before the work what would make it useless."""
    resolved = run.resolved
    if resolved.stored:
        what = "its outputs were stored by another program: there is no speed to measure"
        raise UsageError(what, where=f"device {resolved.target.device}")
    require_available(resolved)
    how.gates.refuse(resolved.weights.kind, resolved.emulated)
    if how.profile:
        traceable(run, work)
    if how.sweep:
        check_sweep(run, how.sweep)
    if resolved.emulated and (how.versus or how.sweep or how.profile):
        what = "an emulated device has no speed to compare, sweep or take apart"
        raise UsageError(what, where=f"device {resolved.target.device}")


def _make(run: Run, work: Workspace, how: BenchRequest, talk: ProgressReporter) -> _Made:
    other = reading = None
    rival = _rival(run, work, how.versus) if how.versus else None
    with talk.listening() as listener:
        results = work.execute(run.plan, listener)
        if rival:
            other = rival, artefact_of(work.execute(rival.plan, listener))
        if how.breakdown and not run.resolved.emulated:
            reading = prepare_images(run, work, listener, how.images)
    return _Made(results, other, reading)


def _rival(run: Run, work: Workspace, spelling: str) -> Run:
    """The other build, which can be run here; raises UsageError for one that cannot be built."""
    request = second(run.request, spelling, work.plugins.backends())
    try:
        rival = work.plan(request, Goal.COMPILE)
    except UsageError as error:
        raise UsageError(error.what, where=f"--vs {spelling}", next=error.next) from error
    require_available(rival.resolved)
    return rival


def _measure(
    run: Run, work: Workspace, how: BenchRequest, talk: ProgressReporter, made: _Made
) -> Iterator[Part]:
    """The parts of the report that are asked for, each measured when it is drawn."""
    if run.resolved.emulated:
        yield from profiled(run, work, made.artefact, talk.tell)
        return
    if how.sweep:
        yield from sweep(run, work, how, talk)
        return
    found = measure(run, work, made.artefact, how.settings, talk.tell)
    yield speed(found)
    if made.reading:
        yield taken_apart(run, work, made.artefact, made.reading, talk.tell)
    if made.other:
        yield versus(run, work, made.artefact, made.other, how.settings, talk.tell)
    if how.profile:
        yield traced(run, work, made.artefact, talk.tell)
    yield from profiled(run, work, made.artefact, talk.tell)
    yield block_of(found)


def _report(run: Run, made: _Made, parts: Sequence[Part], folder: Path) -> dict[str, Any]:
    resolved = run.resolved
    empty = {
        key: None for key in ("benchmark", "breakdown", "versus", "profile", "profiler", "sweep")
    }
    return {
        "schema": SCHEMA,
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": resolved.card.id,
        "backend": resolved.backend.name,
        "device": resolved.target.device,
        "emulated": resolved.emulated,
        "precision": resolved.target.precision,
        "batch": resolved.target.batch,
        "size": list(resolved.size),
        "options": dict(resolved.target.options),
        "assets": {"weights": resolved.weights.kind, "data": None},
        **empty,
        **{part.key: part.data for part in parts if part.key},
        "lines": _lines(resolved, parts),
        "stages": [result.to_data() for result in made.results.values()],
        "versions": versions(),
        "output": str(folder),
    }


def _lines(resolved: Resolved, parts: Sequence[Part]) -> list[str]:
    lines = [line for part in parts for line in part.lines]
    if not resolved.emulated:
        return lines
    head = f"{resolved.card.id} on {resolved.target.device}: nothing is timed, there is no speed"
    return [f"emulated: {line}" for line in [head, *lines]]
