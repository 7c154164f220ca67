"""Darknet's `.weights`: a short header, then float32 values and nothing else.

Format: AlexeyAB/darknet at 59596d78, `parser.c`. Little-endian int32 major, minor, revision; then
the number of images seen, as uint64 where major * 10 + minor >= 2 and as uint32 before.
"""

from __future__ import annotations

import struct
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from zoo_core.errors import DataError
from zoo_core.system.files import kind_of, read_head, replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

_VERSION_BYTES = 12
_FLOAT_BYTES = 4
_FLOAT = np.dtype("<f4")
_CHECK_NEXT = "take the .cfg and .weights that belong together, or download the file again"


class WeightsHeader(NamedTuple):
    """What stands before the values: the number of images seen; `size` is its length in bytes."""

    seen: int
    size: int


class WeightsReader:
    """Values of a `.weights` file in order, from a memory map: nothing is read until it is used.

    Raises `DataError` for a file that is missing, of another kind, or not made of whole values.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header = _header(read_head(path), path)
        self._bytes = path.stat().st_size
        payload = self._bytes - self.header.size
        if payload % _FLOAT_BYTES:
            raise _error(path, f"ends inside a value: {self._bytes:,} bytes", _CHECK_NEXT)
        self.floats = payload // _FLOAT_BYTES
        self._values = _map(path, self.header.size, self.floats)
        self._position = 0

    @property
    def remaining(self) -> int:
        """How many values have not been taken."""
        return self.floats - self._position

    def expect(self, floats: int) -> None:
        """Raise `DataError` with both sizes unless the file holds exactly `floats` values."""
        if floats == self.floats:
            return
        expected = self.header.size + floats * _FLOAT_BYTES
        off = self._bytes - expected
        excess = f"{off:,} too many" if off > 0 else f"{-off:,} too few"
        raise _error(
            self.path,
            f"has {self._bytes:,} bytes where the network needs {expected:,} ({excess})",
            _CHECK_NEXT,
        )

    def take(self, count: int, what: str = "the next layer") -> NDArray[np.float32]:
        """The next `count` values, float32 [count], a read-only view of the map."""
        if count > self.remaining:
            offset = self.header.size + self._position * _FLOAT_BYTES
            raise _error(
                self.path,
                f"is too short: {what} needs {count * _FLOAT_BYTES:,} bytes at byte {offset:,}, "
                f"{self.remaining * _FLOAT_BYTES:,} of {self._bytes:,} are left",
                _CHECK_NEXT,
            )
        start, self._position = self._position, self._position + count
        return self._values[start : self._position]

    def finish(self) -> None:
        """Raise `DataError` if values are left over."""
        self.expect(self._position)


def write_weights(
    path: Path,
    arrays: Iterable[NDArray[Any]],
    *,
    seen: int = 0,
    version: tuple[int, int, int] = (0, 2, 5),
) -> None:
    """Write arrays in order as float32, each in C order; the file appears whole or not at all."""
    major, minor, revision = version
    seen_format = "Q" if major * 10 + minor >= 2 else "I"
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(struct.pack(f"<3i{seen_format}", major, minor, revision, seen))
        for array in arrays:
            stream.write(np.ascontiguousarray(array, dtype=_FLOAT).data)


def _header(head: bytes, path: Path) -> WeightsHeader:
    kind = kind_of(head)
    if kind is not None:
        raise _error(path, f"is {kind}, where darknet .weights are expected", "check the file")
    if len(head) < _VERSION_BYTES + 4:
        raise _error(path, f"is not darknet .weights: {len(head)} bytes", "download it again")
    major, minor, revision = struct.unpack_from("<3i", head)
    if min(major, minor, revision) < 0 or max(major, minor) > 1 << 16:
        raise _error(
            path, f"is not darknet .weights: version {major}.{minor}.{revision}", "check the file"
        )
    seen_format = "<Q" if major * 10 + minor >= 2 else "<I"
    size = _VERSION_BYTES + struct.calcsize(seen_format)
    if len(head) < size:
        raise _error(path, f"is not darknet .weights: {len(head)} bytes", "download it again")
    (seen,) = struct.unpack_from(seen_format, head, _VERSION_BYTES)
    return WeightsHeader(seen, size)


def _map(path: Path, offset: int, floats: int) -> NDArray[np.float32]:
    if not floats:
        return np.empty(0, dtype=np.float32)
    values = np.memmap(path, dtype=_FLOAT, mode="r", offset=offset, shape=(floats,))
    # A plain array over the map: slices of np.memmap itself cost more and drag its type along.
    plain = np.asarray(values)
    return plain if sys.byteorder == "little" else plain.astype(np.float32)


def _error(path: Path, what: str, next_step: str) -> DataError:
    return DataError(what, where=str(path), next=next_step)
