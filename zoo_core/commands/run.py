"""`zoo run` and `zoo eval`: plan, execute, measure, and write the report to a run folder."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.commands.workspace import prepare
from zoo_core.errors import UnavailableError
from zoo_core.planning.build import Goal
from zoo_core.reporting.build import Outcome, build_report
from zoo_core.reporting.gates import refuse_sample
from zoo_core.reporting.history import remember
from zoo_core.reporting.markdown import markdown
from zoo_core.reporting.run_folder import REPORT, RUNS, check_free, deliver, filled
from zoo_core.system.files import disk_errors, write_json, write_text
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from zoo_core.commands.bench.artefact import Measured
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest
    from zoo_core.planning.resolve import Resolved
    from zoo_core.reporting.report import RunReport
    from zoo_core.reporting.run_folder import StagedOutput


RESULTS = "results"
"""The kind of the output folders of `zoo run`, `eval` and `predict`."""

RAW = "latency_ms.json"
"""File of a run folder with every sample of the benchmark."""

_FILES = (REPORT, "report.md", "manifest.json", "log.txt")


def run(
    request: RunRequest,
    progress: ProgressReporter,
    output: Path | None = None,
    *,
    bench: bool = True,
    gates: Mapping[str, float] = MappingProxyType({}),
) -> RunReport:
    """Run a model on its data, evaluate it, measure its speed and write a run folder.

    Gates that cannot be checked on this run are refused before any work; the caller checks the
    others after printing the report.
    """
    work, planned = prepare(request, Goal.SCORE, progress, output or RUNS)
    refuse_sample(gates, planned.resolved.weights.kind)
    require_available(planned.resolved)
    names = (*_FILES, RAW) if bench else _FILES
    check_free(output, RESULTS, names, inputs_of(planned))
    with progress.stages() as listener:
        results = work.execute(planned.plan, listener)
    speed, raw = None, None
    if bench and (measurement := _speed(planned, work, results, progress.detail)):
        speed, raw = measurement.report, measurement.benchmark.raw()
    with run_folder(planned, output, RESULTS) as staged:
        outcome = Outcome(run=planned, results=results, benchmark=speed, output=staged.folder)
        report = build_report(outcome, work.registry)
        _write_folder(staged.part, outcome, report, raw)
    with disk_errors(home()):
        remember(report)
    return report


def _speed(
    run: Run, work: Workspace, results: Mapping[str, StageResult], message: Callable[[str], None]
) -> Measured | None:
    from zoo_core.commands.bench.artefact import Build, measured

    return measured(Build(run, work, results), message)


def require_available(resolved: Resolved) -> None:
    """Raises UnavailableError unless the device of the request, or its backend, can run here."""
    availability = resolved.backend.availability()
    known = {device.id: device for device in availability.devices}
    where = f"backend {resolved.backend.name}"
    for name in resolved.target.devices:
        device = known.get(name)
        if device and device.available:
            continue
        if availability.ok and device is None and resolved.backend.check_device:
            resolved.backend.check_device(name)
        elif known and device is None:
            step = f"devices: {', '.join(known)}"
            raise UnavailableError(f"has no device '{name}'", where=where, next=step)
        elif device or not availability.ok:
            reason = (device.reason if device else "") or availability.reason
            raise UnavailableError(
                f"is not available: {reason}", where=where, next=availability.next_step
            )


def run_folder(run: Run, output: Path | None, kind: str) -> AbstractContextManager[StagedOutput]:
    """Opens the run's output folder to fill it: `output`, else a new one under ./runs."""
    target, stamp = run.resolved.target, time.strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{run.resolved.card.id}-{target.backend}-{target.precision}"
    return filled(output, name, kind, inputs_of(run))


def inputs_of(run: Run) -> frozenset[Path]:
    """The local files and folders that a run reads, with links resolved."""
    request = run.request
    paths = (request.cfg, request.names, request.predict, request.images, request.annotations)
    places = [place for item in run.plan for place in item.stage.locations.values()]
    places += [str(path) for path in (*paths, request.calibration) if path]
    return frozenset(Path(os.path.realpath(place)) for place in places if os.path.lexists(place))


def _write_folder(
    folder: Path, outcome: Outcome, report: RunReport, raw: Mapping[str, Any] | None
) -> None:
    from zoo_core.reporting.manifest import manifest

    predictions = outcome.path("predictions")
    if predictions:
        deliver(predictions, folder)
    if raw:
        write_json(folder / RAW, raw)
    write_json(folder / "manifest.json", manifest(outcome, sys.argv))
    write_text(folder / "report.md", markdown(report))
    write_text(folder / "log.txt", _logs(outcome))
    write_json(folder / REPORT, report.to_data())


def _logs(outcome: Outcome) -> str:
    parts = []
    for name, result in outcome.results.items():
        log = result.entry.path / "log.txt"
        body = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        state = "cached" if result.cached else f"{result.seconds:.2f} s"
        parts.append(f"== {name} {result.entry.key} ({state})\n{body}")
    return "\n".join(parts)
