"""The stage that fetches weights from the network, a package or the user's files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.api import Source
from zoo_core.errors import DataError
from zoo_core.system.download import Expected, downloaded
from zoo_core.system.hashing import digest, file_digest
from zoo_core.system.paths import folder, resource_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from zoo_core.api import StageContext


def fetch(context: StageContext) -> None:
    """Fetch every file of `params["files"]` into the stage's folder, and check it.

    Each role has {name, sha256, size}; `locations` says where it is: a URL, "resource:" and a
    file inside a package, or a path; or its `path` in the input `repository`.
    """
    for role, data in context.params["files"].items():
        inner = data.get("path")
        place = str(context.inputs["repository"] / inner) if inner else context.locations[role]
        target = context.out / data["name"]
        target.parent.mkdir(parents=True, exist_ok=True)
        if place.startswith(("http://", "https://", "file://")):
            _download(Source(url=place, **data), target, context)
        elif place.startswith("resource:"):
            _copy(resource_path(place.removeprefix("resource:")), target, data)
        else:
            _copy(Path(place), target, data)


def _copy(source: Path, target: Path, expected: Mapping[str, Any]) -> None:
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError as error:
        raise DataError("no such file", where=str(source)) from error
    size, sha256 = target.stat().st_size, file_digest(target)
    if expected["size"] not in (None, size):
        raise DataError(f"has {size} bytes, expected {expected['size']}", where=str(source))
    if expected["sha256"] not in (None, sha256):
        what = f"has sha256 {sha256}, expected {expected['sha256']}"
        raise DataError(what, where=str(source), next="import the file that the card names")


def _download(source: Source, target: Path, context: StageContext) -> None:
    partial = folder("downloads") / digest(source.url)[:16] / source.name
    expected = Expected(size=source.size, sha256=source.sha256, md5=source.md5)
    with downloaded(source.url or "", partial, context.progress, expected) as path:
        path.replace(target)
