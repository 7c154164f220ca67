"""The report of `zoo bench`: measures, and leaves figures and raw samples in a run folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.commands.against_float import float_warnings
from zoo_core.commands.bench.artefact import Build, measure
from zoo_core.commands.bench.images import prepare_images
from zoo_core.commands.bench.parts import (
    BLOCK,
    TRACE,
    VERSUS,
    Part,
    profiled,
    speed,
    taken_apart,
    traceable,
    traced,
    versus,
)
from zoo_core.commands.bench.request import second
from zoo_core.commands.bench.sweep import sweep, swept_values
from zoo_core.commands.workspace import prepare
from zoo_core.errors import UsageError, ZooError
from zoo_core.planning.build import Goal
from zoo_core.planning.resolve import require_available
from zoo_core.reporting.build import build_header
from zoo_core.reporting.gates.expression import refuse_accuracy, refuse_speed
from zoo_core.reporting.gates.judge import Judged, judge
from zoo_core.reporting.gates.rows import open_warnings
from zoo_core.reporting.history import remember
from zoo_core.reporting.report import BenchReport
from zoo_core.reporting.run_folder import (
    BENCH_REPORT,
    RAW,
    RUNS,
    check_free,
    claiming,
    inputs_of,
    open_run_folder,
    write_report,
)
from zoo_core.reporting.terminal import report_lines
from zoo_core.system.files import write_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo_core.commands.bench.request import BenchRequest
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest

_KIND = "bench"


@claiming
def bench_report(
    request: RunRequest, how: BenchRequest, progress: ProgressReporter, output: Path | None
) -> BenchReport:
    """Compile if needed, measure, and leave bench.json and the raw samples in a run folder.

    Gates are refused here where they make no sense, and judged in the report; the error of one that
    is missed is the caller's to raise, after it has shown the report. Where a later part fails, the
    folder holds those before it, and the part's error says so.
    """
    work, run = prepare(request, Goal.COMPILE, progress, output or RUNS)
    _check(run, work, how)
    check_free(output, _KIND, _names(run, how), inputs_of(run))
    build, rival, reading = _build(run, work, how, progress)
    parts, error = _until_error(_measure(build, rival, reading, how, progress))
    fields: dict[str, Any] = {part.key: part.data for part in parts}
    files = {name: content for part in parts for name, content in part.files.items()}
    with open_run_folder(run, output, _KIND) as staged:
        report = BenchReport(header=build_header(run, build.results, staged.folder), **fields)
        report = _judged(report.with_warnings(*float_warnings(report, run, work)), how)
        for name, content in files.items():
            write = write_text if isinstance(content, str) else write_report
            write(staged.part / name, content)
        write_report(staged.part / BENCH_REPORT, report.to_data())
    if trouble := remember(report):
        progress.message(f"warning: {trouble}")
    if error:
        for line in report_lines(report):
            progress.message(line)
        place = f"what was measured before is in {report.header.output}"
        if isinstance(error, ZooError):
            error.next = f"{error.next}; {place}" if error.next else place
        raise error
    return report


def _judged(report: BenchReport, how: BenchRequest) -> BenchReport:
    """The report with a row for each gate, and a warning for each that is not decided."""
    if report.benchmark is None:
        return report
    of = Judged(speed=report.benchmark.figures, versus=report.versus)
    rows = judge(how.gates, of)
    return replace(report.with_warnings(*open_warnings(rows)), gates=rows)


def _until_error(parts: Iterator[Part]) -> tuple[list[Part], BaseException | None]:
    """The parts up to the first that fails or is interrupted, and its error.

    Raises the error where it is that of the first part.
    """
    first: list[Part] = []
    try:
        for part in parts:
            first.append(part)
    except BaseException as error:  # raised once the parts are written
        if not first:
            raise
        return first, error
    return first, None


def _names(run: Run, how: BenchRequest) -> list[str]:
    """The files that are known before anything is measured."""
    timed = not run.resolved.emulated and not how.sweep
    vendor = run.resolved.backend.profiler
    timed_files = {RAW: True, BLOCK: vendor, VERSUS: how.versus, TRACE: how.profile}
    return [BENCH_REPORT, *(name for name, part in timed_files.items() if timed and part)]


def _check(run: Run, work: Workspace, how: BenchRequest) -> None:
    """Raises before the work what would make it useless."""
    resolved = run.resolved
    if resolved.stored:
        what = "its outputs were stored by another program: there is no speed to measure"
        raise UsageError(what, where=f"device {resolved.target.device}")
    require_available(resolved)
    refuse_accuracy(how.gates, resolved, None, "`zoo bench` measures none")
    refuse_speed(how.gates, resolved, timed=True, versus=bool(how.versus))
    if how.profile:
        traceable(run, work)
    if how.sweep:
        swept_values(run, how.sweep)
    if resolved.emulated and (how.versus or how.sweep or how.profile):
        what = "an emulated device has no speed to compare, sweep or take apart"
        raise UsageError(what, where=f"device {resolved.target.device}")


def _build(
    run: Run, work: Workspace, how: BenchRequest, progress: ProgressReporter
) -> tuple[Build, Build | None, Build | None]:
    """What is made before anything is measured: the build, its rival, images for a breakdown."""
    other = _rival(run, work, how.versus) if how.versus else None
    rival = reading = None
    with progress.stages() as listener:
        build = Build(run, work, work.execute(run.plan, listener))
        if other:
            rival = Build(other, work, work.execute(other.plan, listener))
        if how.breakdown and not run.resolved.emulated:
            reading = prepare_images(run, work, listener, how.images)
    return build, rival, reading


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
    build: Build,
    rival: Build | None,
    reading: Build | None,
    how: BenchRequest,
    progress: ProgressReporter,
) -> Iterator[Part]:
    """The parts of the report that are asked for, each measured when it is drawn."""
    if how.sweep:
        yield from sweep(build.run, build.work, how, progress)
        return
    if not build.run.resolved.emulated:
        yield speed(measure(build, how.settings, progress.detail))
    if reading:
        yield taken_apart(build, reading, progress.detail)
    if rival:
        yield versus(build, rival, how.settings, progress.detail)
    if how.profile:
        yield traced(build, progress.detail)
    yield from profiled(build, progress.detail)
