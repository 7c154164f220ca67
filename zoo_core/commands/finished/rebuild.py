"""The plan of a finished run once more, from its manifest; what it was made from is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.commands.finished.find import read_manifest, request_of, value_in
from zoo_core.commands.workspace import Workspace, open_workspace
from zoo_core.errors import DataError, check_known
from zoo_core.planning.build import Goal, Run
from zoo_core.planning.request import as_path
from zoo_core.planning.resolve import require_available
from zoo_core.reporting.run_folder import MANIFEST
from zoo_core.system.hashing import digest, file_digest
from zoo_core.system.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from zoo_core.commands.progress import ProgressReporter
    from zoo_core.planning.request import RunRequest

INPUTS = ("weights", "cfg", "names", "images", "annotations", "calibration")
"""Options of a request that name a person's files."""


@dataclass(frozen=True, slots=True)
class Change(Record):
    """Something that is not what it was: an input by its digest, a version, a fact."""

    name: str
    then: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """A finished run, its plan of today, and which of its inputs have changed."""

    folder: Path
    manifest: Mapping[str, Any]
    work: Workspace
    run: Run
    changes: tuple[Change, ...]


def plan_rebuild(
    folder: Path, progress: ProgressReporter, moved: Mapping[str, str | Path] = MappingProxyType({})
) -> Rebuild:
    """Plan a run from its manifest, with the card, the protocols and the options that it holds.

    `moved` says where files of the request are now. Raises what `request_of` raises, and DataError
    for files that are gone: it names the digest that is wanted.
    """
    document = read_manifest(folder)
    check_known(moved, INPUTS, "moved")
    places: dict[str, Any] = {k: as_path(path, f"moved {k}") for k, path in moved.items()}
    request = replace(request_of(folder), **places)
    if "weights" in places:
        request = replace(request, weights=str(places["weights"]))
    _check_files(request, document)
    own = document.get("registry")
    if own is None:
        progress.message("warning: the manifest holds no card; the one that is installed is used")
    work = open_workspace((folder / MANIFEST, own) if own is not None else None)
    run = work.plan(request, Goal.SCORE)
    require_available(run.resolved)
    changed = tuple(changes(document, run))
    for row in changed:
        progress.message(f"changed: {row.name}: {row.then} then, {row.now} now")
    return Rebuild(folder=folder, manifest=document, work=work, run=run, changes=changed)


def _check_files(request: RunRequest, document: Mapping[str, Any]) -> None:
    """Raises DataError for a file of the request that is gone, with the digest of the run's."""
    files, data = value_in(document, "weights", "files") or {}, document.get("dataset")
    content = (
        f"{value_in(data, 'images')} images with the content digest {value_in(data, 'content')}"
    )
    wanted = {
        **{
            role: f"{value_in(row, 'name')}, sha256 {value_in(row, 'sha256')}"
            for role, row in files.items()
        },
        "images": content,
        "annotations": content,
        "names": f"sha256 {document.get('names')}",
        "calibration": f"images with the digest {value_in(document, 'calibration', 'images')}",
    }
    for name in INPUTS:
        place = getattr(request, name)
        is_random = name == "weights" and str(place).partition(":")[0] == "random"
        if place and not is_random and not Path(place).expanduser().exists():
            what = f"the {name} of the run are not there; wanted: {wanted.get(name, name)}"
            raise DataError(what, where=str(place), next=f"give --moved {name}=PATH")


def _named(row: object) -> Iterator[str]:
    """A weights file's name and digest."""
    return (str(value_in(row, key)) for key in ("name", "sha256"))


def changes(document: Mapping[str, Any], run: Run) -> Iterator[Change]:
    """What went into the run of a manifest and is not what goes into the planned one."""
    resolved, old = run.resolved, partial(value_in, document)
    data, used, names = resolved.data, resolved.calibration, run.request.names
    stages = {value_in(row, "name"): row for row in old("stages") or ()}
    chosen = value_in(stages.get("calibration"), "parts", "params", "content")
    rows: list[tuple[str, Any, Any]] = [
        ("images or annotations", old("dataset", "content"), data and data.content),
        ("calibration images", chosen, used and used.content),
        ("names of the classes", old("names"), names and file_digest(names)),
        (f"protocol {resolved.protocol.name}", old("protocol", "hash"), resolved.protocol.hash),
        ("preprocessing", old("preprocess"), digest(resolved.preprocess.to_data())),
    ]
    for role, source in resolved.weights.files.items():
        what = role if role == "weights" else f"weights ({role})"
        rows.insert(0, (what, old("weights", "files", role, "sha256"), source.sha256))
    for what, then, now in rows:
        if (then or None) != (now or None):
            yield Change(what, str(then), str(now))
