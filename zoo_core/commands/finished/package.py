"""`zoo package`: the artefact of a run with all that it needs on a machine without zoo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import GRAPH_FILE, PackageRequest, Portable
from zoo_core.commands.finished.find import run_folder
from zoo_core.commands.finished.rebuild import plan_rebuild
from zoo_core.errors import DataError, UnavailableError, UsageError, install_step
from zoo_core.pipeline.predictions import StoredPredictions
from zoo_core.pipeline.stages.predict import decoder_params
from zoo_core.reporting.report import load
from zoo_core.reporting.run_folder import (
    MANIFEST,
    REPORT,
    check_free,
    claiming,
    deliver,
    filled,
    inputs_of,
)
from zoo_core.system.files import write_json
from zoo_core.system.hashing import file_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.commands.finished.rebuild import Rebuild
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.pipeline.executor import StageResult

SCHEMA = "zoo.package/1"
_KIND = "package"
_FILES = ("model.py", "verify.py", "requirements.txt", "README.md", "package.json")
_REPORTS = (REPORT, "report.md", "report.html", MANIFEST)


@claiming
def package(
    reference: str,
    output: Path,
    progress: ProgressReporter,
    images: int = 4,
    *,
    with_images: bool = True,
) -> tuple[dict[str, Any], Sequence[str]]:
    """Write a package of a run to `output`; returns its package.json and what verify.py says.

    It is verified before it appears. `images` is how many images of the run become golden inputs;
    without `with_images` only their tensors are stored. Raises UsageError for a backend or a
    decoder that cannot be packed, DataError where the artefact that is built is not the run's.
    """
    if images < 1:
        raise UsageError(f"must be at least 1, not {images}", where="--images")
    folder = run_folder(reference)
    if (output / REPORT).exists():
        step = "name another folder with --output"
        raise UsageError("is the folder of a run", where=str(output), next=step)
    report = load(folder).to_data()
    rebuild = plan_rebuild(folder, progress)
    opener = _opener(rebuild)
    check_free(output, _KIND, _FILES, inputs_of(rebuild.run))
    with progress.stages() as listener:
        results = rebuild.work.execute(rebuild.run.plan, listener)
    _check_artefact(rebuild, results)
    with filled(output, "", _KIND, inputs_of(rebuild.run)) as staged:
        part = staged.part
        _copy(folder, part, rebuild, results)
        request = _request(rebuild, results, opener, report)
        request = replace(request, folder=part, count=images, images=with_images)
        lines = rebuild.work.plugins.hook.zoo_write_package(request=request)
        if lines is None:
            step = install_step("zoo-package")
            raise UnavailableError("no plugin that writes packages is installed", next=step)
        document = _document(part, rebuild)
        write_json(part / "package.json", document)
    return document, lines


def _opener(rebuild: Rebuild) -> str:
    """The function that opens the artefact without zoo; raises UsageError where there is none."""
    backend = rebuild.run.resolved.backend
    runtime = rebuild.work.plugins.runtime(backend.runtime)
    if not isinstance(runtime, Portable):
        compiling = f"zoo compile {rebuild.run.resolved.card.id} --backend {backend.name}"
        what = f"backend '{backend.name}' has no engine that runs without zoo and could be verified"
        step = f"`{compiling} -o DIR` writes its artefact"
        if backend.emitter:
            step += f", `{compiling} --emit-only DIR` its build folder"
        raise UsageError(what, where=str(rebuild.folder), next=step)
    return runtime.portable


def _check_artefact(rebuild: Rebuild, results: Mapping[str, StageResult]) -> None:
    """Raises DataError where what was built is not what the report is about."""
    artefact = rebuild.run.plan.artefact()
    outputs = results[artefact.stage.name].entry.manifest["outputs"] if artefact else {}
    now = {name: facts["sha256"] for name, facts in outputs.items()}
    if now != rebuild.manifest["artefact"] or rebuild.changes:
        what = "the artefact that is built now is not the run's, so its report would not fit"
        step = (
            f"`zoo replay {rebuild.folder}` says what differs; run it again, and package that run"
        )
        raise DataError(what, where=str(rebuild.folder), next=step)


def _copy(folder: Path, part: Path, rebuild: Rebuild, results: Mapping[str, StageResult]) -> None:
    """The artefact, and the run's report."""
    for name in ("artefact", "report"):
        (part / name).mkdir()
    if artefact := rebuild.run.plan.artefact():
        for name in artefact.stage.outputs:
            deliver(results[artefact.stage.name].entry.path / name, part / "artefact" / name)
    for name in _REPORTS:
        if (folder / name).is_file():
            deliver(folder / name, part / "report" / name)


def _request(
    rebuild: Rebuild,
    results: Mapping[str, StageResult],
    opener: str,
    report: Mapping[str, Any],
) -> PackageRequest:
    resolved, plugins = rebuild.run.resolved, rebuild.work.plugins
    shard, settle = (results[name].stage.params for name in ("predict-0000", "settle"))
    reference = results["predict-0000"].stage.inputs.get("graph", "")
    graph = results[reference.partition("/")[0]].entry.path / GRAPH_FILE if reference else None
    return PackageRequest(
        folder=rebuild.folder,
        card=resolved.card,
        report=report,
        opener=opener,
        target=shard["target"],
        preprocess=shard["preprocess"],
        decoder=plugins.provider("decoder", shard["decoder"]),
        decoder_params=decoder_params(shard, graph),
        floor=shard["floor"],
        evaluator=plugins.provider("evaluator", settle["evaluator"]),
        protocol=settle["values"],
        predictions=StoredPredictions(results["settle"].entry.path / "settled"),
        weights=tuple(Path(place) for place in resolved.weights.locations.values()),
    )


def _document(part: Path, rebuild: Rebuild) -> dict[str, Any]:
    resolved, paths = rebuild.run.resolved, sorted(part.rglob("*"))
    digests = {p.relative_to(part).as_posix(): file_digest(p) for p in paths if p.is_file()}
    target = {key: getattr(resolved.target, key) for key in ("backend", "precision", "device")}
    went_in = {key: rebuild.manifest[key] for key in ("weights", "protocol")}
    names = {"model": resolved.card.id, "name": resolved.name}
    return {"schema": SCHEMA, **names, **target, **went_in, "files": digests}
