"""`zoo run` and `zoo eval`: plan, execute, measure, and write the report to a run folder."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.commands.against_float import float_warnings
from zoo_core.commands.finished.reference import reference_for
from zoo_core.commands.workspace import prepare
from zoo_core.planning.build import Goal
from zoo_core.planning.resolve import require_available
from zoo_core.reporting.build import Outcome, build_report
from zoo_core.reporting.differences import read_samples
from zoo_core.reporting.gates.expression import doubts, refuse_accuracy, refuse_speed
from zoo_core.reporting.gates.judge import Judged, judge
from zoo_core.reporting.gates.rows import open_warnings
from zoo_core.reporting.history import remember
from zoo_core.reporting.markdown import markdown
from zoo_core.reporting.run_folder import (
    MANIFEST,
    RAW,
    REPORT,
    RESAMPLES,
    RESULTS,
    RUNS,
    check_free,
    claiming,
    deliver,
    inputs_of,
    open_run_folder,
    write_report,
)
from zoo_core.system.files import write_json, write_text
from zoo_core.system.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from zoo_core.commands.bench.artefact import Measured
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest
    from zoo_core.registry import Registry
    from zoo_core.reporting.gates.expression import Gate
    from zoo_core.reporting.gates.judge import Reference
    from zoo_core.reporting.report import RunReport


_FILES = (REPORT, "report.md", MANIFEST, "log.txt")


@claiming
def run(
    request: RunRequest,
    progress: ProgressReporter,
    output: Path | None = None,
    *,
    bench: bool = True,
    gates: Sequence[Gate] = (),
    against: str | None = None,
) -> RunReport:
    """Run a model on its data, evaluate it, measure its speed and write a run folder.

    Gates that cannot be judged on this run are refused before any work, and judged in the report;
    the error of one that is missed is the caller's to raise, after it has shown the report.
    `against` names the run that relative gates are measured against. A run that is scored again
    needs no device where its candidates are stored.
    """
    work, planned = prepare(request, Goal.SCORE, progress, output or RUNS)
    evaluator = work.plugins.evaluator(planned.resolved.card.evaluator)
    refuse_accuracy(gates, planned.resolved, evaluator)
    refuse_speed(gates, planned.resolved, timed=bench)
    reference = reference_for(gates, against, planned, work)
    for text in (limits := doubts(gates, planned.resolved)):
        progress.message(f"warning: {text}")
    if not (request.origin and work.holds(planned.shards)):
        require_available(planned.resolved)
    names = (*_FILES, RAW) if bench else _FILES
    check_free(output, RESULTS, names, inputs_of(planned))
    with progress.stages() as listener:
        results = work.execute(planned.plan, listener)
    speed, raw = None, None
    if bench and (measurement := _speed(planned, work, results, progress.detail)):
        speed, raw = measurement.report, measurement.benchmark.raw()
    with open_run_folder(planned, output, RESULTS) as staged:
        outcome = Outcome(run=planned, results=results, benchmark=speed, output=staged.folder)
        report = build_report(outcome, work.registry)
        report = report.with_warnings(*float_warnings(report, planned, work), *limits)
        report = _judged(report, gates, outcome, reference)
        write_folder(staged.part, outcome, report, work.registry, raw)
    if trouble := remember(report):
        progress.message(f"warning: {trouble}")
    return report


def _judged(
    report: RunReport, gates: Sequence[Gate], outcome: Outcome, reference: Reference | None
) -> RunReport:
    """The report with a row for each gate, and a warning for each that is not decided."""
    samples = outcome.path(RESAMPLES) if gates else None
    of = Judged(
        metrics=report.metrics or {},
        intervals=report.intervals or {},
        samples=read_samples(samples) if samples else {},
        images=report.images,
        speed=report.benchmark.figures if report.benchmark else None,
        reference=reference,
    )
    rows = judge(gates, of)
    return replace(report.with_warnings(*open_warnings(rows)), gates=rows)


def _speed(
    run: Run, work: Workspace, results: Mapping[str, StageResult], message: Callable[[str], None]
) -> Measured | None:
    from zoo_core.commands.bench.artefact import Build, measured

    return measured(Build(run, work, results), message)


def write_folder(
    folder: Path,
    outcome: Outcome,
    report: RunReport,
    registry: Registry,
    raw: Mapping[str, Any] | None = None,
) -> None:
    """Write all files of a run folder; `raw` holds every sample of the benchmark."""
    from zoo_core.reporting.manifest import manifest

    predictions = outcome.path("predictions")
    if predictions:
        deliver(predictions, folder)
    if samples := outcome.path(RESAMPLES):
        deliver(samples, folder / RESAMPLES)
    if raw:
        write_json(folder / RAW, raw)
    document = manifest(outcome, registry, report.header.versions, sys.argv)
    write_report(folder / MANIFEST, document)
    write_text(folder / "report.md", shown(markdown(report)))
    write_text(folder / "log.txt", shown(_logs(outcome)))
    write_report(folder / REPORT, report.to_data())


def _logs(outcome: Outcome) -> str:
    parts = []
    for name, result in outcome.results.items():
        log = result.entry.path / "log.txt"
        body = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        state = "cached" if result.cached else f"{result.seconds:.2f} s"
        parts.append(f"== {name} {result.entry.key} ({state})\n{body}")
    return "\n".join(parts)
