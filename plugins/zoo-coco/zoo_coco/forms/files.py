"""Files of a labelled set, found within limits."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from zoo_core.errors import DataError
from zoo_core.toolkit.image_files import is_image

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BYTES = 4 << 20
"""Of one label file; a crowd of 10,000 boxes has a tenth of it."""

MOST_LIST_BYTES = 256 << 20
"""Of one list of images; Objects365 needs a quarter of it."""

_MOST_FILES = 2_000_000


def absolute(path: Path) -> Path:
    """Without `~`, `.` and `..`."""
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100 - a link stays as it is written


def is_there(path: Path) -> bool:
    """Whether it exists; a name that no file can have does not."""
    with suppress(OSError, ValueError):
        return path.exists()
    return False


def below(folder: Path) -> Iterator[Path]:
    """The files in a folder and its sub-folders, without hidden ones, in no order.

    Links to folders are followed, each folder once. Raises `DataError` for more than two million,
    and for a folder that may not be read.
    """

    def refuse(error: OSError) -> None:
        what = f"cannot be read: {error.strerror}"
        raise DataError(what, where=str(error.filename or folder), next="check its rights")

    seen: set[str] = set()
    count = 0
    for place, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield Path(place, name)
        count += len(names)
        if count > _MOST_FILES:
            what = f"holds more than {_MOST_FILES:,} files"
            raise DataError(what, where=str(folder), next="name a smaller folder")


def images_below(folder: Path) -> list[Path]:
    """The images in a folder and its sub-folders, by name."""
    if not folder.is_dir():
        raise DataError("no such folder of images", where=str(folder), next="check --images")
    found = sorted(path for path in below(folder) if is_image(path))
    if not found:
        raise DataError("holds no image", where=str(folder), next="name a folder of images")
    return found
