"""Builds the report of a run from what its stages left."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.plugins.plugin import installed
from zoo_core.reporting.comparison import compare
from zoo_core.reporting.report import (
    Assets,
    PrecisionReport,
    ProtocolRecord,
    ReportHeader,
    RunReport,
    StageRecord,
    Subset,
    Verification,
)
from zoo_core.reporting.warnings import exported_by, output_path, read_output, warnings_of
from zoo_core.system.distributions import requirements, version
from zoo_core.system.hashing import file_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.pipeline.executor import StageResult
    from zoo_core.pipeline.plan import Plan
    from zoo_core.planning.build import Run
    from zoo_core.planning.resolve import Resolved
    from zoo_core.registry import Registry
    from zoo_core.reporting.report import SpeedReport

_CORE = "zoo-core"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What carrying out a run left: stage results, the benchmark, the run folder."""

    run: Run
    results: Mapping[str, StageResult]
    benchmark: SpeedReport | None
    output: Path

    def read(self, file: str) -> Any:
        """The JSON that the last stage to output `file` left; None where no stage does."""
        return read_output(self.run.plan, self.results, file)

    def path(self, file: str) -> Path | None:
        """Where the last stage to output `file` left it."""
        return output_path(self.run.plan, self.results, file)


def build_header(run: Run, results: Mapping[str, StageResult], output: Path) -> ReportHeader:
    """The part that all reports share."""
    resolved, target, protocol = run.resolved, run.resolved.target, run.resolved.protocol
    return ReportHeader(
        when=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        model=resolved.card.id,
        name=resolved.name,
        task=resolved.card.task,
        backend=resolved.backend.name,
        device=target.device,
        emulated=resolved.emulated,
        precision=target.precision,
        batch=target.batch,
        size=resolved.size,
        options=dict(target.options),
        assets=Assets(
            weights=resolved.weights.kind, data=resolved.data.kind if resolved.data else None
        ),
        protocol=ProtocolRecord(
            name=protocol.name,
            base=protocol.base,
            hash=protocol.hash,
            values=dict(protocol.values),
            unknown=tuple(protocol.unknown),
            note=protocol.note,
        ),
        stages=tuple(StageRecord.from_data(result.to_data()) for result in results.values()),
        versions=versions(run.plan),
        warnings=warnings_of(run, results),
        output=str(output),
    )


def build_report(outcome: Outcome, registry: Registry) -> RunReport:
    """The report; what does not apply is None."""
    resolved = outcome.run.resolved
    scored = outcome.read("metrics.json") or {"values": None, "lines": (), "per_class": {}}
    done, verify = outcome.read("precision.json"), outcome.read("verify.json")
    precision = PrecisionReport.from_data(done) if done else None
    rows, refused = compare(outcome.run, registry, scored["values"])
    data = resolved.data
    return RunReport(
        header=build_header(outcome.run, outcome.results, outcome.output),
        provenance=_provenance(outcome),
        dataset=data.dataset if data else None,
        images=data.count if data else 0,
        subset=_subset(resolved),
        metrics=scored["values"],
        intervals=scored.get("intervals"),
        metric_lines=tuple(scored["lines"]),
        per_class=scored["per_class"],
        benchmark=outcome.benchmark,
        precision_report=precision,
        comparison=rows,
        not_comparable=refused,
        verify=Verification.from_data(verify) if verify else None,
        manifest=str(outcome.output / "manifest.json"),
    )


def versions(plan: Plan) -> dict[str, str]:
    """Versions of what figures depend on.

    Those are the core and the plugins that have code in the plan's stages, with what each of them
    requires, and the distributions that the stages name. What is not installed is left out.
    """
    stages = [item.stage for item in plan]
    modules = {name for stage in stages for name in (stage.run.partition(":")[0], *stage.sources)}
    packages = {name.partition(".")[0] for name in modules}
    used = {p.distribution for p in installed() if p.module.partition(".")[0] in packages}
    needed = {name for distribution in (_CORE, *used) for name in requirements(distribution)}
    named = {name for stage in stages for name in stage.versions}
    known = {name: version(name) for name in (_CORE, *sorted((used | needed | named) - {_CORE}))}
    return {name: text for name, text in known.items() if text}


def _provenance(outcome: Outcome) -> dict[str, str]:
    """Digests and names of what went in, for a reader; the manifest holds all of them."""
    resolved = outcome.run.resolved
    weights, data, used = resolved.weights, resolved.data, resolved.calibration
    rows = {f"{role} sha256": source.sha256 or "" for role, source in weights.files.items()}
    if weights.kind == "random":
        rows["seed"] = str(weights.seed)
    source = resolved.card.repository
    rows["modelled on"] = f"{source.name} {source.commit or ''}".strip()
    rows["exported by"] = exported_by(outcome.run)
    if outcome.run.request.origin:
        rows["rescored from"] = str(outcome.run.request.origin)
    if data:
        rows["data"] = f"{data.dataset} {data.content}"
    if resolved.tuned:
        rows["tuned"] = f"{resolved.tuned.name} {file_digest(resolved.tuned)}"
    if used:
        rows["calibration"] = f"{used.count} images of {used.dataset} {used.content}"
    return rows


def _subset(resolved: Resolved) -> Subset | None:
    data = resolved.data
    if data is None or data.count == data.of:
        return None
    return Subset(of=data.of, hash=data.content)
