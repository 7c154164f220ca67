"""Results of the store put where a user wants them, and files a user brings put into the cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import is_zipfile

from zoo_core.api.graph import GRAPH_FILE
from zoo_core.commands.run import inputs_of
from zoo_core.errors import DataError
from zoo_core.reporting.report import maker_of
from zoo_core.reporting.run_folder import ADDED, check_free, deliver, filled
from zoo_core.system.files import copy_file, is_html, read_head
from zoo_core.system.hashing import file_digest
from zoo_core.system.paths import by_hand_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import ModelCard, Source
    from zoo_core.commands.run import Made
    from zoo_core.commands.workspace import Workspace
    from zoo_core.planning.build import Run

_ZIP = b"PK\x03\x04"


_GRAPH = "graph"
_ARTEFACT = "artefact"


def check_graph(run: Run, output: Path) -> None:
    """Raises UsageError before the work where the graph would replace a person's files."""
    _check(run, _GRAPH, _graph_stages(run), output)


def check_artefact(run: Run, output: Path | None) -> None:
    """Raises UsageError before the work where the artefact would replace a person's files."""
    _check(run, _ARTEFACT, _artefact_stages(run), output)


def deliver_graph(made: Made, output: Path) -> list[Path]:
    """Copy the graph, its description and its check against the source to a folder."""
    return _copy_stages(made, _GRAPH, _graph_stages(made.run), output)


def deliver_artefact(made: Made, output: Path | None) -> list[Path]:
    """Copy the artefact to a folder; without one, name where it lies in the store."""
    names = _artefact_stages(made.run)
    if output is None:
        return [made.results[name].entry.path for name in names]
    return _copy_stages(made, _ARTEFACT, names, output)


def deliver_files(made: Made, output: Path) -> list[Path]:
    """Copy what an emitter wrote to a folder; what was there keeps its other files."""
    source = made.results["emit"].entry.path / "files"
    with filled(output, "", ADDED, inputs_of(made.run)) as filling:
        for item in sorted(source.iterdir()):
            deliver(item, filling.part / item.name)
    return [output / item.name for item in sorted(source.iterdir())]


def _graph_stages(run: Run) -> list[str]:
    names = [maker_of(run.plan, GRAPH_FILE), maker_of(run.plan, "verify.json")]
    return [name for name in names if name]


def _artefact_stages(run: Run) -> list[str]:
    return [maker_of(run.plan, "artefact.json")]


def _check(run: Run, kind: str, names: Sequence[str], output: Path | None) -> None:
    stages = [item.stage for item in run.plan if item.stage.name in names]
    files = {file for stage in stages for file in stage.outputs}
    free = {file for file in files if output and (output / file).is_dir()}
    check_free(output, kind, files - free, inputs_of(run))


def _copy_stages(made: Made, kind: str, names: Sequence[str], output: Path) -> list[Path]:
    targets = []
    with filled(output, "", kind, inputs_of(made.run)) as filling:
        for name in names:
            for file in made.results[name].stage.outputs:
                deliver(made.results[name].entry.path / file, filling.part / file)
                targets.append(output / file)
    return targets


def take_file(work: Workspace, model: str, path: Path) -> str:
    """Put a file that was brought by hand where planning finds it; returns what it was taken for.

    A file with the digest of one of the card's sources is that source; any other can only be the
    source that a card marks `by_hand` without a digest. Of that one the size is checked, where the
    card states it, and whether the file is whole, as far as its format tells; what it holds is
    checked when it is exported. Raises DataError.
    """
    card = work.registry.model(model)
    if not path.is_file():
        raise DataError("no such file", where=str(path), next="check --from-file")
    source, checked = _match(card, path)
    target = by_hand_file(card.id, source.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    copy_file(path, target)
    return f"{path} is now {source.name} of {card.id}{checked}"


def _match(card: ModelCard, path: Path) -> tuple[Source, str]:
    """The source that a file is, and what is to be said where no digest tells so."""
    sources = [source for option in card.weights for source in option.files.values()]
    found = {kind: file_digest(path, kind) for kind in _kinds(sources)}
    for source in sources:
        if source.sha256 == found["sha256"] or (source.md5 and source.md5 == found.get("md5")):
            return source, ""
    open_ones = [s for s in sources if s.by_hand and s.sha256 is None and s.md5 is None]
    fitting = [s for s in open_ones if Path(s.name).suffix == path.suffix]
    if fitting:
        named = next((s for s in fitting if s.name == path.name), fitting[0])
        return named, _unknown(named, path)
    if open_ones:
        endings = ", ".join(sorted({Path(s.name).suffix for s in open_ones}))
        what, step = f"does not end in {endings}", "bring a file with that ending"
        raise DataError(f"{what} as {card.id}'s files by hand do", where=str(path), next=step)
    known = "; ".join(f"{s.name} {s.sha256 or s.md5}" for s in sources)
    raise DataError(
        f"is none of {card.id}'s files (sha256 {found['sha256']})",
        where=str(path),
        next=f"known: {known}" if known else "its card names none; give it as --weights FILE",
    )


def _kinds(sources: Sequence[Source]) -> set[str]:
    return {"sha256", *(["md5"] if any(source.md5 for source in sources) else [])}


def _unknown(source: Source, path: Path) -> str:
    """Check what can be checked without a digest, and say how far that goes."""
    head = read_head(path)
    if is_html(head):
        step = "follow the page's own link, and bring the file it gives"
        raise DataError("is an HTML page, not weights", where=str(path), next=step)
    size = path.stat().st_size
    if source.size is not None and size != source.size:
        what = f"has {size:,} bytes where the card says {source.size:,}"
        raise DataError(what, where=str(path), next="bring the whole file")
    if head.startswith(_ZIP) and not is_zipfile(path):
        what = "is the beginning of a zip archive (PyTorch checkpoints are such), cut off"
        raise DataError(what, where=str(path), next="bring the whole file")
    if source.size is not None:
        return "; its size is the card's, no digest is stated"
    return "; its card states no digest or size to check it by: the export tells if it fits"
