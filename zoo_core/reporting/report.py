"""The report of a run as data: the contract's `zoo.run/1`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo_core.reporting.comparison import compare
from zoo_core.system.distributions import version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from zoo_core.pipeline.executor import StageResult
    from zoo_core.pipeline.plan import Plan
    from zoo_core.planning.build import Run
    from zoo_core.registry import Registry

SCHEMA = "zoo.run/1"
_PACKAGES = (
    "zoo-core",
    "numpy",
    "opencv-python-headless",
    "torch",
    "onnx",
    "onnxruntime",
    "openvino",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What carrying out a run left: stage results, the benchmark's data, the run folder."""

    run: Run
    results: Mapping[str, StageResult]
    benchmark: Mapping[str, Any] | None
    output: Path

    def read(self, file: str) -> Any:
        """The JSON that the last stage to output `file` left; None where no stage does."""
        path = self.path(file)
        return json.loads(path.read_text(encoding="utf-8")) if path else None

    def path(self, file: str) -> Path | None:
        """Where the last stage to output `file` left it."""
        maker = maker_of(self.run.plan, file)
        return self.results[maker].entry.path / file if maker in self.results else None


def maker_of(plan: Plan, file: str) -> str:
    """The name of the last stage that outputs `file`, "" where none does."""
    item = plan.maker(file)
    return item.stage.name if item else ""


def build_report(outcome: Outcome, registry: Registry) -> dict[str, Any]:
    """The report; every key of the contract is there, null where it does not apply."""
    resolved = outcome.run.resolved
    scored = outcome.read("metrics.json")
    metrics = scored["values"] if scored else None
    comparison = compare(resolved, registry, metrics)
    data = resolved.data
    return {
        "schema": SCHEMA,
        "when": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "model": resolved.card.id,
        "task": resolved.card.task,
        "backend": resolved.backend.name,
        "device": resolved.target.device,
        "emulated": resolved.emulated,
        "precision": resolved.target.precision,
        "batch": resolved.target.batch,
        "size": list(resolved.size),
        "assets": {"weights": resolved.weights.kind, "data": data.kind if data else None},
        "provenance": _provenance(outcome),
        "protocol": _protocol(outcome),
        "dataset": data.dataset if data else None,
        "images": data.count if data else 0,
        "subset": _subset(outcome),
        "metrics": metrics,
        "metric_lines": scored["lines"] if scored else [],
        "per_class": scored["per_class"] if scored else {},
        "benchmark": outcome.benchmark,
        "stages": [result.to_data() for result in outcome.results.values()],
        "precision_report": outcome.read("precision.json"),
        "comparison": comparison.rows,
        "not_comparable": comparison.not_comparable,
        "verify": outcome.read("verify.json"),
        "warnings": warnings(outcome),
        "manifest": str(outcome.output / "manifest.json"),
        "versions": versions(outcome.run.plan),
        "output": str(outcome.output),
    }


def warnings(outcome: Outcome) -> list[str]:
    """What a reader of the figures must know, one sentence each."""
    resolved = outcome.run.resolved
    found = list((outcome.read("precision.json") or {}).get("warnings", []))
    if resolved.weights.kind == "sample":
        found.append("sample weights on drawn scenes: these figures say nothing about the model")
    if resolved.emulated:
        found.append("emulated: an emulator stood in for the device, no figure is the device's own")
    if resolved.weights.kind == "random":
        found.append("random weights: speed is real, accuracy is not reported")
    if resolved.protocol.unknown:
        fields = ", ".join(resolved.protocol.unknown)
        found.append(f"protocol {resolved.protocol.name}: not published, assumed: {fields}")
    if _subset(outcome):
        found.append("a subset of the data set: not to be compared with figures of the whole")
    leaked = outcome.read("leakage.json")
    if leaked and leaked["shared"]:
        found.append(f"{leaked['shared']} calibration images are also evaluation images")
    if resolved.card.training_overlap and resolved.weights.kind == "published":
        found.append(resolved.card.training_overlap)
    return found


def versions(plan: Plan | None = None) -> dict[str, str]:
    """Versions of packages that figures depend on: the usual ones, and those a plan's stages name.

    What is not installed is left out.
    """
    named = {name for item in plan or () for name in item.stage.versions}
    found = {name: version(name) for name in (*_PACKAGES, *sorted(named - set(_PACKAGES)))}
    return {name: known for name, known in found.items() if known}


def _provenance(outcome: Outcome) -> dict[str, str]:
    """Digests and names of what went in, for a reader; the manifest holds all of them."""
    resolved = outcome.run.resolved
    weights, data, used = resolved.weights, resolved.data, resolved.calibration
    found = {f"{role} sha256": source.sha256 or "" for role, source in weights.files.items()}
    if weights.kind == "random":
        found["seed"] = str(weights.seed)
    source = resolved.card.repository
    found["modelled on"] = f"{source.name} {source.commit or ''}".strip()
    found["exported by"] = outcome.run.request.source
    if data:
        found["data"] = f"{data.dataset} {data.content}"
    if used:
        found["calibration"] = f"{used.count} images of {used.dataset} {used.content}"
    return found


def _protocol(outcome: Outcome) -> dict[str, Any]:
    protocol = outcome.run.resolved.protocol
    return {
        "name": protocol.name,
        "base": protocol.base,
        "hash": protocol.hash,
        "values": dict(protocol.values),
        "unknown": list(protocol.unknown),
        "note": protocol.note,
    }


def _subset(outcome: Outcome) -> dict[str, Any] | None:
    data = outcome.run.resolved.data
    if data is None or data.count == data.of:
        return None
    return {"of": data.of, "hash": data.content}
