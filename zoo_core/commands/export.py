"""Export store entries to a folder; import user-supplied weights into the cache."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

from zoo_core.api import ARTEFACT_FILE, GRAPH_FILE
from zoo_core.commands.workspace import prepare
from zoo_core.errors import DataError, UsageError
from zoo_core.planning.build import Goal
from zoo_core.reporting.run_folder import ADDED, check_free, claiming, deliver, filled, inputs_of
from zoo_core.reporting.terminal import warning_lines
from zoo_core.reporting.warnings import stage_warnings
from zoo_core.system.files import copy_file, is_html, read_head
from zoo_core.system.hashing import file_digest
from zoo_core.system.paths import by_hand_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from zoo_core.api import ModelCard, Source
    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.commands.workspace import Workspace
    from zoo_core.pipeline.executor import StageResult
    from zoo_core.planning.build import Run
    from zoo_core.planning.request import RunRequest

_ZIP = b"PK\x03\x04"
_GRAPH = "graph"
_ARTEFACT = "artefact"


def fetch(request: RunRequest, progress: ProgressReporter) -> None:
    """Download weights and data into the cache; by default the published ones."""
    if request.assets == "auto":
        request = replace(request, assets="published")
    work, run = prepare(request, Goal.FETCH, progress)
    with progress.stages() as listener:
        work.execute(run.plan, listener)


@claiming
def export(request: RunRequest, progress: ProgressReporter, output: Path | None) -> list[Path]:
    """Copy the graph, its description and its verification to a folder; returns the paths.

    Without a folder they go to the current one, where an earlier, different export is never
    replaced: raises UsageError.
    """
    named, output = output is not None, output or Path()
    work, run = prepare(request, Goal.EXPORT, progress, output)
    names = _makers(run, GRAPH_FILE, "verify.json")
    _check(run, _GRAPH, names, output)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    if not named:
        _keep_others([results[name] for name in names[:1]], output)
    _warn(run, results, progress)
    return _copy_stages(run, results, _GRAPH, names, output)


@claiming
def compile_(request: RunRequest, progress: ProgressReporter, output: Path | None) -> list[Path]:
    """Copy the artefact to a folder; without one, return its folder in the store."""
    work, run = prepare(request, Goal.COMPILE, progress, output)
    names = _makers(run, ARTEFACT_FILE)
    _check(run, _ARTEFACT, names, output)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    _warn(run, results, progress)
    if output is None:
        return [results[name].entry.path for name in names]
    return _copy_stages(run, results, _ARTEFACT, names, output)


@claiming
def build_offline(request: RunRequest, progress: ProgressReporter, output: Path) -> list[Path]:
    """Copy a build folder for another machine to `output`, which keeps its other files."""
    work, run = prepare(request, Goal.EMIT, progress, output)
    with progress.stages() as listener:
        results = work.execute(run.plan, listener)
    items = sorted((results["emit"].entry.path / "files").iterdir())
    with filled(output, "", ADDED, inputs_of(run)) as staged:
        for item in items:
            deliver(item, staged.part / item.name)
    return [output / item.name for item in items]


def import_weights(work: Workspace, model: str, path: Path) -> str:
    """Import a user's weights file into the cache; returns a message about the matched source.

    A file with the digest of one of the card's sources is that source. Any other file can only be a
    source that is marked `by_hand` and has no digest: its size is checked if the card states one,
    and its completeness if the format allows it; the export checks its content. Raises DataError.
    """
    card = work.registry.model(model)
    if not path.is_file():
        raise DataError("no such file", where=str(path), next="check --from-file")
    source, remark = _match(card, path)
    target = by_hand_file(card.id, source.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_file(path, target)
    return f"imported {path} as {source.name} of {card.id}{remark}"


def _warn(run: Run, results: Mapping[str, StageResult], progress: ProgressReporter) -> None:
    for line in warning_lines(stage_warnings(run.plan, results)):
        progress.message(line)


def _makers(run: Run, *files: str) -> list[str]:
    """Names of the stages that output these files, each once; files of no stage are skipped."""
    makers = [item.stage.name for file in files if (item := run.plan.maker(file))]
    return list(dict.fromkeys(makers))


def _check(run: Run, kind: str, names: Sequence[str], output: Path | None) -> None:
    stages = [item.stage for item in run.plan if item.stage.name in names]
    files = {file for stage in stages for file in stage.outputs}
    folders = {file for file in files if output and (output / file).is_dir()}
    check_free(output, kind, files - folders, inputs_of(run))


def _keep_others(made: Sequence[StageResult], output: Path) -> None:
    """Raises UsageError where a file of a stage would replace another one of the same name."""
    for result in made:
        for file in result.stage.outputs:
            old, new = output / file, result.entry.path / file
            if old.is_file() and file_digest(old) != file_digest(new):
                what = f"an earlier, different export has a {file} here; nothing was replaced"
                step = "give -o FOLDER, or `-o .` to replace it"
                raise UsageError(what, where=str(output.absolute()), next=step)


def _copy_stages(
    run: Run, results: Mapping[str, StageResult], kind: str, names: Sequence[str], output: Path
) -> list[Path]:
    targets = []
    with filled(output, "", kind, inputs_of(run)) as staged:
        for name in names:
            for file in results[name].stage.outputs:
                deliver(results[name].entry.path / file, staged.part / file)
                targets.append(output / file)
    return targets


def _match(card: ModelCard, path: Path) -> tuple[Source, str]:
    """The source that matches a file, and a remark if no digest confirms it."""
    sources = [source for option in card.weights for source in option.files.values()]
    kinds = ["sha256", "md5"] if any(source.md5 for source in sources) else ["sha256"]
    digests = {kind: file_digest(path, kind) for kind in kinds}
    for source in sources:
        if source.sha256 == digests["sha256"] or (source.md5 and source.md5 == digests["md5"]):
            return source, ""
    unverified = [s for s in sources if s.by_hand and s.sha256 is None and s.md5 is None]
    candidates = [s for s in unverified if Path(s.name).suffix == path.suffix]
    if candidates:
        source = next((s for s in candidates if s.name == path.name), candidates[0])
        return source, _check_unverified(source, path)
    if unverified:
        suffixes = ", ".join(sorted({Path(s.name).suffix for s in unverified}))
        what = f"must end in {suffixes}, like the files that {card.id} needs"
        raise DataError(what, where=str(path), next="give a file with that suffix")
    known = "; ".join(f"{s.name} {s.sha256 or s.md5}" for s in sources)
    raise DataError(
        f"is not one of {card.id}'s files (sha256 {digests['sha256']})",
        where=str(path),
        next=f"known: {known}" if known else "its card has none; use --weights FILE",
    )


def _check_unverified(source: Source, path: Path) -> str:
    """Check what can be checked without a digest; returns a remark on what was checked."""
    head = read_head(path)
    if is_html(head):
        step = "follow the link on that page, and give the file that it leads to"
        raise DataError("is an HTML page, not weights", where=str(path), next=step)
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        what = f"has {size:,} bytes, but the card states {source.size:,}"
        raise DataError(what, where=str(path), next="give the complete file")
    if head.startswith(_ZIP) and not is_zipfile(path):
        what = "is a truncated zip archive (PyTorch checkpoints are zip files)"
        raise DataError(what, where=str(path), next="give the complete file")
    if source.size is not None:
        return "; its size matches the card, which states no digest"
    return "; the card states neither digest nor size: the export checks the content"
