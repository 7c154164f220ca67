"""A finished run by its folder or by what ran: where it lies, and what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.planning.request import RunRequest
from zoo_core.planning.tuned import NONE
from zoo_core.reporting.history import remembered
from zoo_core.reporting.manifest import SCHEMA
from zoo_core.reporting.run_folder import MANIFEST
from zoo_core.system.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_KINDS = {
    **dict.fromkeys(("directory", "model"), str),
    **dict.fromkeys(("weights", "protocol", "target", "artefact", "graph"), dict),
    **dict.fromkeys(("versions", "registry", "variables"), dict),
    "stages": list,
}
"""Parts of a manifest that commands read; what a rebuilt run is compared with must be there."""

_NEEDED = ("weights", "protocol", "target", "artefact", "versions", "stages")


def run_folder(reference: str) -> Path:
    """The folder of a run: a path, or MODEL:BACKEND:PRECISION for the newest such run.

    Raises DataError for a run that is not known here.
    """
    path, parts = Path(reference).expanduser(), reference.split(":")
    if path.is_dir() or len(parts) != 3:
        if not path.is_dir():
            step = "name a run folder, or MODEL:BACKEND:PRECISION; `zoo runs` lists them"
            raise DataError("no such run", where=reference, next=step)
        return path
    for row in reversed(remembered()):
        known = [row["model"], row["backend"], row["precision"]]
        if known == parts and row["metrics"] and Path(row["output"]).is_dir():
            return Path(row["output"])
    model, backend, precision = parts
    step = f"run `zoo eval {model} --backend {backend} --precision {precision}` first"
    raise DataError("no run of these is known here", where=reference, next=step)


def read_manifest(folder: Path) -> Mapping[str, Any]:
    """A run's manifest; raises DataError for a folder without one that this version can read."""
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        what = "holds no manifest.json"
        step = "name a folder of `zoo run` or `zoo eval`"
        raise DataError(what, where=str(folder), next=step) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("cannot be read", where=str(path), next="run it again") from error
    if trouble := _trouble(document):
        step = "run it again with this version of zoo"
        raise DataError(trouble, where=str(path), next=step)
    return document  # type: ignore[no-any-return]


def _trouble(document: Any) -> str:
    """What is wrong with a manifest; empty if nothing is."""
    if not isinstance(document, dict) or not isinstance(document.get("request"), dict):
        return "is damaged: holds no request"
    if document.get("schema") != SCHEMA:
        return f"is of schema {printable(repr(document.get('schema')))}, not {SCHEMA}"
    for key, kind in _KINDS.items():
        if not isinstance(document.get(key, kind()), kind):
            return f"is damaged: {key} is {printable(repr(document[key]))}"
    whole = all(
        isinstance(value_in(row, key), dict)
        for row in document.get("stages", ())
        for key in ("parts", "outputs")
    )
    return "" if whole and document.keys() >= {*_NEEDED} else "is damaged: parts are missing"


def value_in(document: Any, *keys: str) -> Any:
    """A value inside a document; None where a damaged one lacks it."""
    for key in keys:
        document = document.get(key) if isinstance(document, dict) else None
    return document


def request_of(folder: Path) -> RunRequest:
    """What a run was asked for, with the options that it had in the end.

    What `zoo tune` has found by now changes nothing of it. Raises DataError for a folder without a
    manifest, and for a request that this version cannot read.
    """
    document = read_manifest(folder)
    base = Path(document.get("directory", "."))
    request = RunRequest.from_data(document["request"], str(folder / MANIFEST), base)
    return replace(request, options=document["target"].get("options") or {}, tuned=NONE)
