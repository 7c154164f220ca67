"""Image files before decoding: format, size, EXIF rotation, and whether the end is there.

Only formats whose size is read here are decoded, so that no header makes a decoder claim memory
that the file cannot fill.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JPEG_START = b"\xff\xd8"
PNG_START = b"\x89PNG\r\n\x1a\n"
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_END, _SCAN, _APP1 = 0xD9, 0xDA, 0xE1
_BARE = frozenset({0x01, 0xD8})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_COEFFICIENTS = 64
_JPEG_END = b"\xff\xd9"
_FILLERS = (b"", b"\x55" * 4096, b"\xaa" * 4096)
"""More than the largest unit of a scan (ten blocks of 64 coefficients): a shorter one may leave a
decoder in the middle of the first unit that is missing, which it then fills as if nothing came."""

_ZEROS = b"\0" * 8
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_GIF_END = b";"

_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P[1-6]" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})(?=[\s#])")
_PNM_WHITE = re.compile(_GAP + rb"(\d{1,5})\s")
_TEXTS = (b"P2", b"P3")
_SIZ = b"\xff\x4f\xff\x51"
_TILE_BYTES = 14

_PACKED, _RAW = 1 << 13, 8
"""Most pixels that a byte holds: compressed (a blank PNG of one bit has 8,256), and plain."""

_WIDTH, _HEIGHT, _COMPRESSION, _ORIENTATION, _SAMPLES = 256, 257, 259, 274, 277
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_UNCOMPRESSED = 1
_NUMBERS = {1: "B", 3: "H", 4: "I", 16: "Q"}
"""The forms of a directory's whole numbers, by kind."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a header promises.

    `height` and `width` are as stored, before any rotation. `pixels` is what a decoder makes room
    for, and `per_byte` the most pixels that the format gets into a byte.
    """

    format: str
    height: int
    width: int
    pixels: int
    per_byte: int = _PACKED


def read_header(data: bytes) -> Header | None:
    """The header of a known format; None for any other file, and where the size is missing."""
    for starts, name, measure in _FORMATS:
        if data.startswith(starts):
            try:
                height, width, *rest = measure(data) or (0, 0)
            except struct.error:
                return None
            pixels, per_byte = rest or (height * width, _PACKED)
            known = min(height, width) > 0
            return Header(name, height, width, pixels, per_byte) if known else None
    return None


def orientation(data: bytes) -> int:
    """The EXIF orientation of a JPEG, PNG, WebP or TIFF, 1..8, else 1; 5..8 swap the sides."""
    if data.startswith(TIFF_STARTS):
        block = data
    elif data.startswith(PNG_START):
        block = next((data[a:b] for kind, a, b in _chunks(data) if kind == b"eXIf"), b"")
    elif data[:4] == b"RIFF":
        found = (data[a:b] for kind, a, b in _riff_chunks(data) if kind == b"EXIF")
        block = next(found, b"").removeprefix(b"Exif\0\0")
    else:
        blocks = (
            data[start + 6 : stop]
            for marker, start, stop in _segments(data)
            if marker == _APP1 and data[start : start + 6] == b"Exif\0\0"
        )
        block = next(blocks, b"")
    value = _tags(block).get(_ORIENTATION, 1)
    return value if 1 <= value <= 8 else 1


def unscaled_white(data: bytes) -> int | None:
    """The value of white in a PNM that OpenCV does not scale to 255 or 65535; None for others."""
    found = _PNM.match(data) if data[:2] in (*_TEXTS, b"P5", b"P6") else None
    white = _PNM_WHITE.match(data, found.end()) if found else None
    value = int(white[1]) if white else 255
    scaled = value in (255, 65535) or (value < 255 and data.startswith(_TEXTS))
    return None if scaled or not value else value


def has_its_end(data: bytes) -> bool:
    """Whether the end marker of a JPEG, PNG or GIF is present; other formats have none.

    A JPEG's segments are walked: an end marker inside an embedded thumbnail does not count.
    """
    if data.startswith(JPEG_START):
        return _has_jpeg_end(data)
    if data.startswith(PNG_START):
        return any(kind == b"IEND" for kind, _, _ in _chunks(data))
    return not data.startswith(b"GIF8") or data.rstrip(b"\0").endswith(_GIF_END)


def with_end(data: bytes) -> tuple[bytes, ...]:
    """A JPEG, PNG or GIF that lacks its end, completed in one or several ways; () if it cannot be.

    The picture is whole if a decoder takes all of them and makes the same of each. A decoder fills
    what is missing of a JPEG: those pixels change with the bytes that follow.
    """
    if data.startswith(PNG_START):
        return _closed_png(data)
    if not data.startswith(JPEG_START):
        return (data + _GIF_END,)
    if data.endswith(_ZEROS):  # a download that stopped: zeros would be read as picture
        data = data.rstrip(b"\0")
    data = data.rstrip(b"\xff")
    return tuple(data + filler + _JPEG_END for filler in _FILLERS) if _all_scans(data) else ()


def _has_jpeg_end(data: bytes) -> bool:
    scanned = False
    for marker, _, _ in _segments(data):
        if marker == _END:
            return scanned
        scanned |= marker == _SCAN
    return False


def _all_scans(data: bytes) -> bool:
    """Whether the scans that have begun bring every coefficient of every component in full."""
    missing: set[tuple[int, int]] | None = None
    for marker, start, stop in _segments(data):
        body = data[start:stop]
        if marker in _FRAMES and len(body) >= 6:
            parts = body[6 : 6 + 3 * body[5] : 3]
            missing = {(part, k) for part in parts for k in range(_COEFFICIENTS)}
        if marker == _SCAN and missing and body and len(body) >= 4 + 2 * body[0]:
            first, last, bits = body[1 + 2 * body[0] :][:3]
            if not bits & 15:
                parts = body[1 : 1 + 2 * body[0] : 2]
                missing -= {(part, k) for part in parts for k in range(first, last + 1)}
    return missing is not None and not missing


def _closed_png(data: bytes) -> tuple[bytes, ...]:
    kinds, stop = set(), len(PNG_START)
    for kind, _, end in _chunks(data):
        kinds.add(kind)
        stop = end + 4
    rest = b""
    if data[stop + 4 : stop + 8] == b"IDAT":
        body = data[stop + 4 :]  # a chunk whose end is missing; the decoder checks what it holds
        rest = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return (data[:stop] + rest + _PNG_END,) if rest or b"IDAT" in kinds else ()


def _jpeg(data: bytes) -> tuple[int, ...] | None:
    for marker, start, stop in _segments(data):
        if marker in _FRAMES and stop - start >= 5:
            return struct.unpack_from(">HH", data, start + 1)
    return None


def _png(data: bytes) -> tuple[int, ...] | None:
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _gif(data: bytes) -> tuple[int, ...] | None:
    width, height = struct.unpack_from("<HH", data, 6)
    return height, width


def _bmp(data: bytes) -> tuple[int, ...] | None:
    (length,) = struct.unpack_from("<I", data, 14)
    if length == 12:
        width, height = struct.unpack_from("<HH", data, 18)
        return height, width, height * width, _RAW
    width, height = struct.unpack_from("<ii", data, 18)
    (compression,) = struct.unpack_from("<I", data, 30)
    packed = compression in (1, 2)
    return abs(height), width, abs(height) * width, _PACKED if packed else _RAW


def _webp(data: bytes) -> tuple[int, ...] | None:
    if data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        wide, high = (int.from_bytes(data[k : k + 3], "little") for k in (24, 27))
        return high + 1, wide + 1
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return height & 0x3FFF, width & 0x3FFF


def _tiff(data: bytes) -> tuple[int, ...] | None:
    tags = _tags(data)
    height, width = tags.get(_HEIGHT, 0), tags.get(_WIDTH, 0)
    tile = tags.get(_TILE_HEIGHT, 0) * tags.get(_TILE_WIDTH, 0)
    pixels = max(height * width, tile) * max(1, tags.get(_SAMPLES, 1) // 3)
    plain = tags.get(_COMPRESSION, _UNCOMPRESSED) == _UNCOMPRESSED
    return height, width, pixels, _RAW if plain else _PACKED


def _jpeg2000(data: bytes) -> tuple[int, ...] | None:
    place = data.find(_SIZ)
    if place < 0:
        return None
    right, bottom, left, top, wide, high = struct.unpack_from(">6I", data, place + 8)
    height, width = bottom - top, right - left
    if not wide or not high or -(-right // wide) * -(-bottom // high) * _TILE_BYTES > len(data):
        return None
    return height, width


def _pnm(data: bytes) -> tuple[int, ...] | None:
    found = _PNM.match(data)
    if found is None:
        return None
    width, height = int(found[1]), int(found[2])
    return height, width, height * width, _RAW


_FORMATS: tuple[tuple[tuple[bytes, ...], str, Callable[[bytes], tuple[int, ...] | None]], ...] = (
    ((JPEG_START,), "JPEG", _jpeg),
    ((PNG_START,), "PNG", _png),
    ((b"GIF87a", b"GIF89a"), "GIF", _gif),
    ((b"BM",), "BMP", _bmp),
    ((b"RIFF",), "WebP", _webp),
    (TIFF_STARTS, "TIFF", _tiff),
    ((b"\0\0\0\x0cjP  \r\n\x87\n", _SIZ), "JPEG 2000", _jpeg2000),
    (tuple(b"P%d" % kind for kind in range(1, 7)), "PNM", _pnm),
)


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
    while place + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        stop = place + 8 + length
        if stop + 4 > len(data):
            return
        yield kind, place + 8, stop
        place = stop + 4


def _riff_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and stop of the payload of each chunk of a WebP that lies whole in the data."""
    place = 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        stop = place + 8 + length
        if stop > len(data):
            return
        yield kind, place + 8, stop
        place = stop + length % 2


def _tags(block: bytes) -> dict[int, int]:
    """The whole numbers of the first directory of a TIFF or BigTIFF block, by tag."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None or len(block) < 16:
        return {}
    big = block[2:4] in (b"+\0", b"\0+")
    at, place_form, count_form, form = (8, "Q", "Q", "HHQ8s") if big else (4, "I", "H", "HHI4s")
    (place,) = struct.unpack_from(order + place_form, block, at)
    start, step = place + struct.calcsize(f"={count_form}"), struct.calcsize(f"={form}")
    if start > len(block):
        return {}
    (count,) = struct.unpack_from(order + count_form, block, place)
    tags: dict[int, int] = {}
    for entry in range(start, min(start + step * count, len(block) - step + 1), step):
        tag, kind, _, value = struct.unpack_from(order + form, block, entry)
        number = _NUMBERS.get(kind)
        if number and len(value) >= struct.calcsize(f"={number}"):
            tags.setdefault(tag, struct.unpack_from(order + number, value)[0])
    return tags
