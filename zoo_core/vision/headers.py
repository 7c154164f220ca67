"""Image files before decoding: size, EXIF rotation, and whether a JPEG is complete."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

JPEG_START = b"\xff\xd8"
PNG_START = b"\x89PNG\r\n\x1a\n"

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_BARE = frozenset({0x01, 0xD8})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ORIENTATION = 0x0112


def is_whole_jpeg(data: bytes) -> bool:
    """Whether the picture's own end marker is present.

    Decoders silently fill the missing part of a truncated JPEG with grey, so the segments are
    walked: an end marker inside an embedded thumbnail does not count.
    """
    scanned = False
    for marker, _, _ in _segments(data):
        if marker == _END:
            return scanned
        scanned |= marker == _SCAN
    return False


def stored_size(data: bytes) -> tuple[int, int] | None:
    """(height, width) as stored, before any rotation; None unless a JPEG or PNG header holds it."""
    if data.startswith(PNG_START) and len(data) >= 24:
        width, height = struct.unpack_from(">II", data, 16)
        return height, width
    if data.startswith(JPEG_START):
        for marker, start, stop in _segments(data):
            if marker in _FRAMES and stop - start >= 5:
                height, width = struct.unpack_from(">HH", data, start + 1)
                return height, width
    return None


def orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG or PNG, 1..8; 1 by default; 5..8 swap the sides."""
    if data.startswith(PNG_START):
        blocks = (data[a:b] for kind, a, b in _chunks(data) if kind == b"eXIf")
    else:
        blocks = (
            data[start + 6 : stop]
            for marker, start, stop in _segments(data)
            if marker == _APP1 and data[start : start + 6] == b"Exif\0\0"
        )
    return _tagged(next(blocks, b""))


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and stop of the payload of each JPEG segment that lies whole in the data."""
    place = len(JPEG_START)
    while match := _MARKER.search(data, place):
        marker, place = data[match.end() - 1], match.end()
        if marker == _END:
            yield marker, place, place
            return
        if marker in _BARE:
            continue
        if place + 2 > len(data):
            return
        stop = place + int.from_bytes(data[place : place + 2], "big")
        if stop > len(data) or stop < place + 2:
            return
        yield marker, place + 2, stop
        place = stop


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and stop of the payload of each PNG chunk that lies whole in the data."""
    place = len(PNG_START)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        stop = place + 8 + length
        if stop > len(data):
            return
        yield kind, place + 8, stop
        place = stop + 4


def _tagged(block: bytes) -> int:
    """The orientation tag of the first directory of a TIFF block."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 8:
        return 1
    (place,) = struct.unpack_from(f"{order}I", block, 4)
    if place + 2 > len(block):
        return 1
    (count,) = struct.unpack_from(f"{order}H", block, place)
    for entry in range(place + 2, min(place + 2 + 12 * count, len(block) - 11), 12):
        tag, _, _, value = struct.unpack_from(f"{order}HHIH", block, entry)
        if tag == _ORIENTATION:
            return value if 1 <= value <= 8 else 1
    return 1
