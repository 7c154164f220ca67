"""The plan of a finished run once more, from its manifest; what it was made from is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from zoo_core.commands.finished.find import read_manifest, request_of
from zoo_core.commands.workspace import Workspace, open_workspace
from zoo_core.errors import DataError, check_known
from zoo_core.planning.build import Goal, Run
from zoo_core.planning.request import as_path
from zoo_core.planning.resolve import require_available
from zoo_core.reporting.manifest import SCHEMA
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

    `moved` says where files of the request are now. Raises DataError for a manifest that is damaged
    or of another schema, and for files that are gone: it names the digest that is wanted.
    """
    document = read_manifest(folder)
    where = str(folder / MANIFEST)
    if document.get("schema") != SCHEMA:
        what = f"is of schema {document.get('schema')!r}, not {SCHEMA}"
        raise DataError(what, where=where, next="run it again with this version of zoo")
    _check_parts(document, where)
    check_known(moved, INPUTS, "moved")
    places: dict[str, Any] = {k: as_path(path, f"moved {k}") for k, path in moved.items()}
    options = (document.get("target") or {}).get("options") or {}
    request = replace(request_of(folder), options=options, tuned="none", **places)
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


def _check_parts(document: Mapping[str, Any], where: str) -> None:
    """Raises DataError where the parts that a rebuilt run is compared with are not there."""
    kinds = {"weights": dict, "stages": list, "versions": dict, "protocol": dict, "artefact": dict}
    whole = all(isinstance(document.get(name), kind) for name, kind in kinds.items())
    if not whole or not all(
        isinstance(_of(row, "parts"), dict) and isinstance(_of(row, "outputs"), dict)
        for row in document["stages"]
    ):
        raise DataError("is damaged: parts are missing", where=where, next="run it again")


def _check_files(request: RunRequest, document: Mapping[str, Any]) -> None:
    """Raises DataError for a file of the request that is gone, with the digest of the run's."""
    files, data = _of(document, "weights", "files") or {}, document.get("dataset")
    content = f"{_of(data, 'images')} images with the content digest {_of(data, 'content')}"
    wanted = {
        **{role: f"{_of(row, 'name')}, sha256 {_of(row, 'sha256')}" for role, row in files.items()},
        "images": content,
        "annotations": content,
        "names": f"sha256 {document.get('names')}",
        "calibration": f"images with the digest {_of(document, 'calibration', 'images')}",
    }
    for name in INPUTS:
        place = getattr(request, name)
        is_random = name == "weights" and str(place).partition(":")[0] == "random"
        if place and not is_random and not Path(place).expanduser().exists():
            what = f"the {name} of the run are not there; wanted: {wanted.get(name, name)}"
            raise DataError(what, where=str(place), next=f"give --moved {name}=PATH")


def changes(document: Mapping[str, Any], run: Run) -> Iterator[Change]:
    """What went into the run of a manifest and is not what goes into the planned one."""
    resolved, old = run.resolved, partial(_of, document)
    data, used, names = resolved.data, resolved.calibration, run.request.names
    stages = {_of(row, "name"): row for row in old("stages") or ()}
    chosen = _of(stages.get("calibration"), "parts", "params", "content")
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


def _of(document: Any, *keys: str) -> Any:
    """A value inside; None where a damaged document lacks it."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document
