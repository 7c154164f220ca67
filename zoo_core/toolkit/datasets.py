"""What plans of data sets share: limits, and shards over their samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from zoo_core.api import Sample, Shard
from zoo_core.errors import DataError, UsageError
from zoo_core.toolkit.files import digest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from zoo_core.api import DataRequest

SHARD = 256
"""Samples per shard: what a stopped run may lose, against what a stage costs by itself."""


def shards(contents: Sequence[Any], size: int | None = None) -> tuple[Shard, ...]:
    """Shards, of `size` where it is said, over samples whose content is told one by one."""
    ranges = _ranges(len(contents), size)
    return tuple(Shard(start=a, stop=b, content=digest(list(contents[a:b]))) for a, b in ranges)


def counted_shards(count: int, content: Any) -> tuple[Shard, ...]:
    """Shards over the first `count` samples of a set whose content is known as a whole."""
    ranges = _ranges(count)
    return tuple(Shard(start=a, stop=b, content=digest([content, a, b])) for a, b in ranges)


def limited(request: DataRequest, of: int) -> int:
    """How many samples are asked for; raises `UsageError` for a limit below 1."""
    if request.limit is None:
        return of
    if request.limit < 1:
        raise UsageError(f"a limit of {request.limit} leaves no image", where="--limit")
    return min(request.limit, of)


def names_digest(names: Sequence[str]) -> str:
    """What a folder holds, for `check_unchanged`."""
    return digest(list(names))


def check_unchanged(names: Sequence[str], planned: str, folder: Path) -> None:
    """Raises `DataError` where a folder no longer holds the images that it held when planned."""
    if names_digest(names) != planned:
        step = "run again, and leave the folder as it is meanwhile"
        raise DataError("images have come or gone since planning", where=str(folder), next=step)


def listed_samples(listing: Path, images: Path, start: int, stop: int) -> Iterator[Sample]:
    """The samples of rows {"name", "size" [height, width], "id" if not the name} of a JSON file.

    Raises `DataError` for an image that is missing.
    """
    for row in json.loads(listing.read_text(encoding="utf-8"))[start:stop]:
        path = images / row["name"]
        if not path.is_file():
            raise DataError("an image of the data set is missing", where=str(path))
        height, width = row["size"]
        id_ = row.get("id", row["name"])
        yield Sample(id=id_, name=row["name"], path=path, size=(height, width))


def _ranges(count: int, size: int | None = None) -> list[tuple[int, int]]:
    step = size or SHARD
    return [(start, min(start + step, count)) for start in range(0, count, step)]
