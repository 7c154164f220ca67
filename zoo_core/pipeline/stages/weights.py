"""The stage that fetches weights from the network, a package or a file of the user's."""

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
    """Leave every file of `params["files"]` in the stage's folder, checked.

    Each role has {name, sha256, size}; `locations` says where it is: a URL, "resource:" and a
    file inside a package, or a path.
    """
    for role, data in context.params["files"].items():
        place = context.locations[role]
        target = context.out / data["name"]
        if place.startswith(("http://", "https://", "file://")):
            _download(Source(url=place, **data), target, context)
        elif place.startswith("resource:"):
            _copy(resource_path(place.removeprefix("resource:")), target, data)
        else:
            _copy(Path(place), target, data)


def _copy(given: Path, target: Path, expected: Mapping[str, Any]) -> None:
    try:
        shutil.copyfile(given, target)
    except FileNotFoundError as error:
        raise DataError("no such file", where=str(given)) from error
    size, sha256 = target.stat().st_size, file_digest(target)
    if expected["size"] not in (None, size):
        raise DataError(f"has {size} bytes, expected {expected['size']}", where=str(given))
    if expected["sha256"] not in (None, sha256):
        what = f"has sha256 {sha256}, expected {expected['sha256']}"
        raise DataError(what, where=str(given), next="bring the file that the card names")


def _download(source: Source, target: Path, context: StageContext) -> None:
    kept = folder("downloads") / digest(source.url)[:16] / source.name
    expected = Expected(size=source.size, sha256=source.sha256, md5=source.md5)
    with downloaded(source.url or "", kept, context.progress, expected) as path:
        path.replace(target)
