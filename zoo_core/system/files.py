"""Failures of the disk, told as what they are."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

from zoo_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def is_disk_error(error: BaseException) -> bool:
    """Whether the disk is full or may not be written, which no log could tell better."""
    return isinstance(error, OSError) and error.errno in _FULL | _REFUSED


@contextmanager
def disk_errors(where: Path, next: str = "free space, or move ZOO_HOME") -> Iterator[None]:
    """Turns a full disk or a folder that cannot be written into one clear DataError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DataError("the disk is full", where=str(where), next=next) from error
        if error.errno in _REFUSED:
            place = str(error.filename or where)
            step = "check its rights, or name another place"
            what = f"cannot be written: {error.strerror}"
            raise DataError(what, where=place, next=step) from error
        raise
