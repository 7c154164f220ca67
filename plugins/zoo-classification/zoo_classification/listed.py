"""What both data sets share: limits, and shards over listed images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zoo_core.api import Shard
from zoo_core.errors import UsageError
from zoo_core.toolkit.files import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zoo_core.api import DataRequest

SHARD = 512
"""Images per shard: what a stopped run may lose, against what a stage costs by itself."""


def limited(request: DataRequest, of: int) -> int:
    """How many samples are asked for; raises `UsageError` for a limit below 1."""
    if request.limit is None:
        return of
    if request.limit < 1:
        raise UsageError(f"a limit of {request.limit} leaves no image", where="--limit")
    return min(request.limit, of)


def shards(contents: Sequence[Any]) -> tuple[Shard, ...]:
    """Shards over samples whose content is told one by one."""
    starts = range(0, len(contents), SHARD)
    parts = [contents[start : start + SHARD] for start in starts]
    return tuple(
        Shard(start=start, stop=start + len(part), content=digest(list(part)))
        for start, part in zip(starts, parts, strict=True)
    )
