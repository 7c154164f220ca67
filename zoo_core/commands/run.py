"""Carries out what a command asks: plan, execute, measure, report, and leave a run folder."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import UnavailableError
from zoo_core.reporting.markdown import markdown
from zoo_core.reporting.report import Outcome, build_report
from zoo_core.reporting.run_folder import REPORT, check_free, deliver, filled
from zoo_core.system.files import disk_errors, write_json, write_text
from zoo_core.system.paths import home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import Listener, StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.resolve import Resolved
    from zoo_core.reporting.run_folder import StagedOutput


RESULTS = "results"
"""The kind of results that score and predict leave."""

RAW = "latency_ms.json"
"""Every sample of a benchmark, in the folder of its run."""

_FILES = (REPORT, "report.md", "manifest.json", "log.txt")


@dataclass(frozen=True, slots=True)
class Made:
    """A plan that has been carried out, and its results by stage name."""

    run: Run
    results: Mapping[str, StageResult]


def make(run: Run, work: Workspace, listener: Listener) -> Made:
    """Run the plan's missing stages."""
    return Made(run, work.execute(run.plan, listener))


def carry_out(
    run: Run, work: Workspace, talk: ProgressReporter, output: Path | None, bench: bool
) -> dict[str, Any]:
    """Run the plan, measure speed unless told not to, write the run folder; returns the report."""
    require_available(run.resolved)
    names = (*_FILES, RAW) if bench else _FILES
    check_free(output, RESULTS, names, inputs_of(run))
    with talk.listening() as listener:
        results = make(run, work, listener).results
    benchmark = _speed(run, work, results, talk.tell) if bench else None
    data = benchmark and {k: v for k, v in benchmark.items() if k != "raw_ms"}
    with run_folder(run, output, RESULTS) as filling:
        outcome = Outcome(run=run, results=results, benchmark=data, output=filling.folder)
        report = build_report(outcome, work.registry)
        _write_folder(filling.part, outcome, report, benchmark)
    with disk_errors(home()):
        _remember(report)
    return report


def _speed(
    run: Run, work: Workspace, results: Mapping[str, StageResult], tell: Callable[[str], None]
) -> dict[str, Any] | None:
    from zoo_core.commands.bench.artefact import measured

    return measured(run, work, results, tell)


def require_available(resolved: Resolved) -> None:
    """Raises UnavailableError where neither the backend nor the chosen device can run here."""
    found = resolved.backend.availability()
    known = {device.id: device for device in found.devices}
    where = f"backend {resolved.backend.name}"
    for name in resolved.target.devices:
        device = known.get(name)
        if device and device.available:
            continue
        if found.ok and device is None and resolved.backend.check_device:
            resolved.backend.check_device(name)
        elif known and device is None:
            step = f"devices: {', '.join(known)}"
            raise UnavailableError(f"has no device '{name}'", where=where, next=step)
        elif device or not found.ok:
            reason = (device.reason if device else "") or found.reason
            raise UnavailableError(f"is not available: {reason}", where=where, next=found.next_step)


def run_folder(run: Run, output: Path | None, kind: str) -> AbstractContextManager[StagedOutput]:
    """The folder of this run, to be filled: the one asked for, else a new one under ./runs."""
    target, stamp = run.resolved.target, time.strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{run.resolved.card.id}-{target.backend}-{target.precision}"
    return filled(output, name, kind, inputs_of(run))


def inputs_of(run: Run) -> frozenset[Path]:
    """The files and folders of this machine that a run reads, without links in their paths."""
    asked = run.request
    given = (asked.cfg, asked.names, asked.predict, asked.images, asked.annotations)
    places = [place for item in run.plan for place in item.stage.locations.values()]
    places += [str(path) for path in (*given, asked.calibration) if path]
    return frozenset(Path(os.path.realpath(place)) for place in places if os.path.lexists(place))


def _write_folder(
    folder: Path, outcome: Outcome, report: Mapping[str, Any], benchmark: Mapping[str, Any] | None
) -> None:
    from zoo_core.reporting.manifest import manifest

    written = outcome.path("predictions")
    if written:
        deliver(written, folder)
    if benchmark:
        write_json(folder / RAW, benchmark["raw_ms"])
    write_json(folder / "manifest.json", manifest(outcome, sys.argv))
    write_text(folder / "report.md", markdown(report))
    write_text(folder / "log.txt", _logs(outcome))
    write_json(folder / REPORT, report)


def _logs(outcome: Outcome) -> str:
    parts = []
    for name, result in outcome.results.items():
        log = result.entry.path / "log.txt"
        body = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        state = "from the store" if result.cached else f"{result.seconds:.2f} s"
        parts.append(f"== {name} {result.entry.key} ({state})\n{body}")
    return "\n".join(parts)


def _remember(report: Mapping[str, Any]) -> None:
    row = {
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **{key: report[key] for key in ("model", "backend", "device", "precision", "images")},
        "assets": report["assets"],
        "protocol": report["protocol"]["name"],
        "metrics": report["metrics"],
        "output": report["output"],
    }
    path = home() / "runs.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row) + "\n")


def remembered() -> list[dict[str, Any]]:
    """Earlier runs on this machine, the oldest first."""
    try:
        text = (home() / "runs.jsonl").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [row for row in map(_row, text.splitlines()) if row]


def _row(line: str) -> dict[str, Any] | None:
    """A line; None for one that a full disk or a killed process has cut off."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
