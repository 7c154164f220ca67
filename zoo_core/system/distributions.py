"""The installed distributions, cached until the folders that hold them change.

Reading all of them with `importlib.metadata` takes longer than everything else a listing does.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DataError
from zoo_core.system.file_cache import cached_values

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

_ENDINGS = (".dist-info", ".egg-info", ".egg", ".egg-link")


def version(distribution: str) -> str | None:
    """The installed version of a distribution; None where it is not installed."""
    row = installed().get(_normal(distribution))
    return row["version"] if row else None


def requirements(distribution: str) -> list[str]:
    """Names of what an installed distribution requires here; none where it is not installed."""
    from importlib import metadata

    from packaging.requirements import Requirement

    try:
        needs = [Requirement(line) for line in metadata.requires(distribution) or []]
    except metadata.PackageNotFoundError:
        return []
    return [need.name for need in needs if not need.marker or need.marker.evaluate({"extra": ""})]


def installed() -> dict[str, Any]:
    """Every distribution by its normal name; of one that is there twice the first counts."""
    return _found_on(tuple(sys.path))


@cache
def _found_on(search: tuple[str, ...]) -> dict[str, Any]:
    """Read afresh where nothing can be remembered."""
    places = [path for path in dict.fromkeys(map(Path, search)) if path.exists()]
    try:
        texts = cached_values("distributions", places, _read)
    except DataError:
        texts = [_read(path) for path in places]
    found: dict[str, Any] = {}
    for row in (row for text in texts for row in json.loads(text)):
        found.setdefault(_normal(row["name"]), row)
    return found


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _read(path: Path) -> str:
    return json.dumps([_row(dist) for dist in _distributions(path)])


def _distributions(path: Path) -> Iterator[Distribution]:
    """Those in a folder or archive; nothing is imported for a folder that has none."""
    if path.is_dir() and not any(item.name.endswith(_ENDINGS) for item in path.iterdir()):
        return
    from importlib import metadata

    yield from metadata.distributions(path=[str(path)])


def _row(dist: Distribution) -> dict[str, Any]:
    points = [[point.group, point.name, point.value] for point in dist.entry_points]
    return {"name": dist.name or "", "version": dist.version or "", "points": points}
