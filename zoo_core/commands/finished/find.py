"""A finished run by its folder or by what ran: where it lies, and what was asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.planning.request import RunRequest
from zoo_core.reporting.history import remembered
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
"""Parts of a manifest that commands read."""


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
    """A run's manifest; raises DataError for a folder without one."""
    path = folder / MANIFEST
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        what = "holds no manifest.json"
        step = "name a folder of `zoo run` or `zoo eval`"
        raise DataError(what, where=str(folder), next=step) from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError("cannot be read", where=str(path), next="run it again") from error
    if not isinstance(document, dict) or not isinstance(document.get("request"), dict):
        raise DataError("is damaged: holds no request", where=str(path), next="run it again")
    for key, kind in _KINDS.items():
        if not isinstance(document.get(key, kind()), kind):
            what = f"is damaged: {key} is {printable(repr(document[key]))}"
            raise DataError(what, where=str(path), next="run it again")
    return document


def request_of(folder: Path) -> RunRequest:
    """What a run was asked for, by its manifest.

    Raises DataError for a folder without one, and for a request that this version cannot read.
    """
    document = read_manifest(folder)
    base = Path(document.get("directory", "."))
    return RunRequest.from_data(document["request"], str(folder / MANIFEST), base)
