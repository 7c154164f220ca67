"""What data sets share: limits, and shards over their samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.api import Shard
from zoo_core.errors import UsageError
from zoo_core.system.hashing import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import DataRequest

SHARD = 256
"""Samples per shard: what a stopped run may lose, against what a stage costs by itself."""


def shards(contents: Sequence[Any]) -> tuple[Shard, ...]:
    """Shards over samples whose content is told one by one."""
    ranges = _ranges(len(contents))
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


def _ranges(count: int) -> list[tuple[int, int]]:
    return [(start, min(start + SHARD, count)) for start in range(0, count, SHARD)]
