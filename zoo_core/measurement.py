"""The report of `zoo bench`: a compiled artefact, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.report.build import versions
from zoo_core.sessions import SessionPool
from zoo_core.workflow import executor, measure, require_available, run_folder, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.execute import Listener, StageResult
    from zoo_core.planner.build import Run
    from zoo_core.workplace import Workplace

SCHEMA = "zoo.bench/1"


def bench_report(
    run: Run, work: Workplace, listener: Listener, output: Path | None
) -> dict[str, Any]:
    """Compile if needed, measure, and leave bench.json and the raw samples in a run folder."""
    resolved = run.resolved
    require_available(resolved)
    with SessionPool() as sessions:
        results = executor(work, listener, sessions).run(run.plan)
    found = measure(run, work, results)
    with run_folder(resolved, output) as folder:
        write_json(folder / "latency_ms.json", found.pop("raw_ms"))
        report = _report(run, found, results, folder)
        write_json(folder / "bench.json", report)
    return report


def _report(
    run: Run, found: Mapping[str, Any], results: Mapping[str, StageResult], folder: Path
) -> dict[str, Any]:
    resolved = run.resolved
    return {
        "schema": SCHEMA,
        "model": resolved.card.id,
        "backend": resolved.backend.name,
        "device": resolved.target.device,
        "precision": resolved.target.precision,
        "batch": resolved.target.batch,
        "size": list(resolved.size),
        "assets": {"weights": resolved.weights.kind, "data": None},
        "benchmark": found,
        "stages": [result.to_data() for result in results.values()],
        "versions": versions(),
        "output": str(folder),
    }
