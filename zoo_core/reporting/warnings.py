"""What would mislead a reader of the figures: of the plan and of the stages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zoo_core.api.repository import CLONED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zoo_core.pipeline.executor import StageResult
    from zoo_core.pipeline.plan import Plan
    from zoo_core.planning.build import Run

_NOTHING = 0.005
_DOCUMENTS = (
    *("images.json", "graph.json", "verify.json", "precision.json"),
    *("reading.json", "metrics.json"),
)
"""Outputs whose key `warnings` holds sentences of the stage that made them."""

_UNSETTLED = 0.1
"""The share of tensors from which on calibration has not settled; docs/explanation/trust.md has the
figures."""


def warnings_of(run: Run, results: Mapping[str, StageResult]) -> tuple[str, ...]:
    """One sentence each, in the order of the work: inputs, stages, what the figures are of."""
    stated = stage_warnings(run.plan, results)
    texts = [*run.resolved.warnings, *stated, *_by_source(run), *_by_assets(run)]
    texts += decoder_doubts(run.request.decoder, read_output(run.plan, results, "metrics.json"))
    texts += _by_halves(read_output(run.plan, results, "precision.json") or {})
    leaked = read_output(run.plan, results, "leakage.json")
    if leaked and leaked["shared"]:
        told = f"{leaked['shared']} calibration images are also evaluation images"
        texts.append(f"{told}: the accuracy may be too high; give others with --calibration DIR")
    return tuple(dict.fromkeys(texts))


def decoder_doubts(named: str | None, metrics: Mapping[str, Any] | None) -> Iterator[str]:
    """What a `--decoder` that fits by shape alone may have done to the first metric."""
    name, value = next(iter((metrics or {}).get("values", {}).items()), ("", None))
    if named and value is not None and value < _NOTHING:
        told = f"{name} is {value:.3f} with --decoder {named}, which may not be the file's own"
        yield f"{told}: another may fit too; else check --names and the annotations"


def _by_halves(precision: Mapping[str, Any]) -> Iterator[str]:
    """Whether half of the calibration images gives other ranges than all, if the compiler says."""
    known = precision.get("calibration") or {}
    halves = known.get("halves")
    if halves and halves["changed"] > halves["tensors"] * _UNSETTLED:
        yield (
            f"calibration has not settled: half of its {known['images']} images give other ranges, "
            f"by more than {halves['by']:.0%} for {halves['changed']} of {halves['tensors']} "
            f"tensors (worst: {halves['worst']}, {halves['worst_change']:.0%}); more images would "
            "change them further"
        )


def stage_warnings(plan: Plan, results: Mapping[str, StageResult]) -> Iterator[str]:
    """The sentences of exporters, compilers and evaluators."""
    for file in _DOCUMENTS:
        yield from (read_output(plan, results, file) or {}).get("warnings", ())


def output_path(plan: Plan, results: Mapping[str, StageResult], file: str) -> Path | None:
    """Where the last stage to output `file` left it; None if no stage did."""
    item = plan.maker(file)
    result = results.get(item.stage.name) if item else None
    return result.entry.path / file if result else None


def read_output(plan: Plan, results: Mapping[str, StageResult], file: str) -> Any:
    """The JSON that the last stage to output `file` left; None if no stage did."""
    path = output_path(plan, results, file)
    return json.loads(path.read_text(encoding="utf-8")) if path else None


def exported_by(run: Run) -> str:
    """The `source` of the request; of a folder with the commit of its code, as the stages say."""
    commit = _folder_commit(run)
    return run.request.source if commit is None else f"{run.request.source} at {commit}"


def _folder_commit(run: Run) -> str | None:
    """The commit of a folder whose code exported the network; None where that is no folder."""
    trees = [item.stage.params.get("source") for item in run.plan]
    known = [tree for tree in trees if isinstance(tree, dict) and "commit" in tree]
    if run.request.source in CLONED or not known:
        return None
    return str(known[0]["commit"] or "no commit")


def _by_source(run: Run) -> Iterator[str]:
    repository, commit = run.resolved.card.repository, _folder_commit(run)
    if commit is not None and commit != repository.commit:
        stated = f"{repository.name} at {repository.commit}"
        yield f"exported by {exported_by(run)}, not by {stated} as the card states"


def _by_assets(run: Run) -> Iterator[str]:
    resolved = run.resolved
    kind, protocol, data = resolved.weights.kind, resolved.protocol, resolved.data
    if kind == "sample":
        yield "sample weights on drawn scenes: these figures say nothing about the model"
    if resolved.emulated:
        yield "emulated: an emulator stood in for the device, no figure is the device's own"
    if kind == "random":
        yield "random weights: speed is real, accuracy is not reported"
    if data is None or run.plan.maker("metrics.json") is None:  # nothing is scored, as by predict
        return
    if protocol.unknown:
        fields = ", ".join(protocol.unknown)
        yield f"protocol {protocol.name}: not published, assumed: {fields}"
    if data.count != data.of:
        yield "a subset of the data set: not to be compared with figures of the whole"
    if resolved.card.training_overlap and kind == "published":
        yield resolved.card.training_overlap
