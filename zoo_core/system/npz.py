"""Arrays of an .npz file, whose headers are checked before memory is taken."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError
from zoo_core.system.files import check_regular

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_ERRORS = (
    *(OSError, ValueError, TypeError, LookupError, EOFError, RuntimeError, SyntaxError),
    *(MemoryError, zipfile.BadZipFile, zlib.error, struct.error),
)
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
_DEFLATED = 1100
"""A deflated byte holds at most this many."""


def read_npz(path: Path, next: str = "") -> dict[str, NDArray[Any]]:
    """The arrays by name; raises DataError for what is no whole .npz of plain arrays."""
    check_regular(path)
    try:
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            return {
                item.filename.removesuffix(".npy"): _array(archive, item)
                for item in archive.infolist()
            }
    except _ERRORS as error:
        what = f"cannot be read: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
        raise DataError(what, where=str(path), next=next) from error


def _array(archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> NDArray[Any]:
    if item.file_size > _DEFLATED * item.compress_size:
        raise ValueError(f"{item.filename} says that it is larger than it can be")
    with archive.open(item) as stream:
        size = _bytes_of(stream)
    if size > item.file_size:
        raise ValueError(f"{item.filename} promises {size:,} bytes and has {item.file_size:,}")
    with archive.open(item) as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
    return array


def _bytes_of(stream: IO[bytes]) -> int:
    """How many bytes the header of an array promises."""
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"format {version} is not supported")
    shape, _, dtype = _HEADERS[version](stream)
    if min(shape, default=0) < 0:
        raise ValueError(f"shape {shape}")
    return math.prod(shape) * dtype.itemsize
