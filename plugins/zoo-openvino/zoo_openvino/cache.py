"""Where compiled models are kept between runs, and how much of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from zoo_core.errors import DataError
from zoo_core.toolkit.files import cache

LIMIT = 4 << 30
"""Bytes kept; the blobs that were not written or read for longest go first."""

_BLOBS = "*.blob"


def cache_folder(choice: str) -> Path | None:
    """The folder for an option's value: `auto` is one in zoo's cache folder, `none` is none.

    Raises DataError for a folder that cannot be made.
    """
    if choice == "none":
        return None
    if choice == "auto":
        return cache("openvino")
    path = Path(choice).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the cache folder cannot be made: {error.strerror}"
        raise DataError(what, where=str(path), next="give another: --option cache=DIR") from error
    return path


def prune(path: Path, limit: int = LIMIT) -> None:
    """Remove the oldest blobs until the others take no more than `limit` bytes."""
    blobs = []
    for blob in path.glob(_BLOBS):
        with suppress(OSError):  # another process prunes as well
            found = blob.stat()
            blobs.append((max(found.st_mtime, found.st_atime), found.st_size, blob))
    taken = 0
    for _, size, blob in sorted(blobs, reverse=True):
        taken += size
        if taken > limit:
            with suppress(OSError):
                blob.unlink(missing_ok=True)
