"""Image files: read as RGB, measured by their header, written atomically; OpenCV's threads."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.errors import DataError, StageError, UsageError
from zoo_core.system.files import is_disk_full, read_head, read_limited, replacing
from zoo_core.vision.headers import (
    JPEG_START,
    TIFF_STARTS,
    has_its_end,
    orientation,
    read_header,
    unscaled_white,
    with_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_PIXELS = 1 << 27
_FREE_PIXELS = 1 << 24
"""So many pixels cost little; a header that promises more must have a file to match."""

_HEADER_BYTES = 1 << 16
_REPLACE = "replace the file or leave it out"
_INVERSE = {6: 8, 8: 6}


def read_rgb(
    path: Path, expect: tuple[int, int] | None = None, exif: bool = True
) -> NDArray[np.uint8]:
    """The image as uint8 [height, width, 3] RGB.

    Grey, CMYK, palette and 16-bit images become RGB of 8 bits; transparency is dropped; of several
    pictures the first is read. EXIF rotation is applied where `exif` is true. `expect` is the
    (height, width) that an annotation states: where only the unrotated image has that size, the
    unrotated image is returned. A JPEG, PNG or GIF that lacks only its end marker is read.

    Raises `DataError` that names the file: missing, empty, truncated, not an image of a known
    format, larger than 134 million pixels or than its file can hold, or of another size than
    expected.
    """
    return decode_rgb(image_bytes(path), path, expect, exif)


def decode_rgb(
    data: bytes, path: Path, expect: tuple[int, int] | None = None, exif: bool = True
) -> NDArray[np.uint8]:
    """What `read_rgb` returns, of the bytes of a file that was read before."""
    stored = _decode(path, data)
    image = upright(stored, orientation(data)) if exif else stored
    if expect is None or image.shape[:2] == tuple(expect):
        return np.ascontiguousarray(image)
    if stored.shape[:2] == tuple(expect):
        return stored
    raise DataError(
        f"is {image.shape[1]}x{image.shape[0]}, but its annotation says {expect[1]}x{expect[0]}",
        where=str(path),
        next="use the annotations that belong to these images",
    )


def image_size(path: Path, exif: bool = True) -> tuple[int, int]:
    """(height, width) of what `read_rgb` returns without `expect`, by the header alone.

    The rest may still be corrupt. Raises `DataError` like `read_rgb`.
    """
    height, width, turned = stored_frame(path)
    return (width, height) if exif and turned >= 5 else (height, width)


def stored_frame(path: Path) -> tuple[int, int, int]:
    """Height and width as stored, and the EXIF orientation, 1..8, by the header alone.

    Raises `DataError` like `read_rgb`.
    """
    data = read_head(path, _HEADER_BYTES)
    if read_header(data) is None or not data.startswith(JPEG_START):
        data = image_bytes(path)  # other formats may hold their EXIF at the end
    return *_checked_size(path, data), orientation(data)


def upright(stored: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """The view of a stored image [height, width, 3] that its EXIF orientation, 1..8, asks for."""
    turned = stored.transpose(1, 0, 2) if orientation >= 5 else stored
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return turned[rows, columns]


def write_image(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write uint8 [height, width, 3] RGB atomically, in the format of the path's suffix.

    Raises `UsageError` for a suffix that OpenCV does not write, `StageError` where the file cannot
    be written, and the `OSError` of a full disk.
    """
    import cv2

    # The suffix alone: OpenCV crashes on a name that is not UTF-8.
    if not path.suffix.isascii() or not cv2.haveImageWriter(f"image{path.suffix}"):
        raise UsageError(f"cannot write a '{path.suffix}' image", where=str(path), next="use .jpg")
    done, encoded = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not done:
        raise StageError("the image cannot be encoded", where=str(path))
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(encoded.tobytes())
    except OSError as error:
        if is_disk_full(error):
            raise
        raise StageError(
            f"cannot be written: {error.strerror}", where=str(path), next="check space and rights"
        ) from error


@contextmanager
def opencv_in_one_thread() -> Iterator[None]:
    """Let OpenCV work in the calling threads and start none of its own, in the whole process.

    For callers that already run one thread per processor.
    """
    import cv2

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(threads)


def image_bytes(path: Path) -> bytes:
    """The bytes of an image file; raises `DataError` where there are none."""
    data = read_limited(path)
    if not data:
        raise DataError("is an empty file", where=str(path), next=_REPLACE)
    return data


def _decode(path: Path, data: bytes) -> NDArray[np.uint8]:
    """The image as stored, uint8 [height, width, 3] RGB."""
    import cv2

    _checked_size(path, data)
    images = [_decoded(path, data)] if has_its_end(data) else _completed(path, data)
    if not images or any((other != images[0]).any() for other in images[1:]):
        raise _truncated(path)
    image = np.asarray(cv2.cvtColor(images[0], cv2.COLOR_BGR2RGB, dst=images[0]), np.uint8)
    turned = orientation(data) if data.startswith(TIFF_STARTS) else 1
    # OpenCV turns every TIFF, asked or not.
    return np.ascontiguousarray(upright(image, _INVERSE.get(turned, turned)))


def _completed(path: Path, data: bytes) -> list[NDArray[np.uint8]]:
    """What each way to complete a file makes of it; nothing where the decoder refuses one."""
    with suppress(DataError):
        return [_decoded(path, way) for way in with_end(data)]
    return []


def _decoded(path: Path, data: bytes) -> NDArray[np.uint8]:
    """Blue, green and red of one whole file."""
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    white = unscaled_white(data)
    if white:
        flags |= cv2.IMREAD_ANYDEPTH
    if data.startswith(b"P"):
        data += b"\n"  # OpenCV takes no number of a text PNM that ends with the file
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError("cannot be decoded", where=str(path), next=_REPLACE) from error
    if white and image is not None:
        image = np.rint(np.minimum(image, white) * (255 / white)).astype(np.uint8)
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise _not_an_image(path)
    return np.asarray(image, np.uint8)


def _checked_size(path: Path, data: bytes) -> tuple[int, int]:
    """(height, width) as stored; raises `DataError` for a format or a promise not to decode."""
    header = read_header(data)
    if header is None:
        raise _truncated(path) if data.startswith(JPEG_START) else _not_an_image(path)
    sides = f"{header.width}x{header.height}"
    if max(header.pixels, header.height * header.width) > _MAX_PIXELS:
        raise DataError(
            f"{sides} is more than {_MAX_PIXELS // 10**6} million pixels",
            where=str(path),
            next="scale the image down or leave it out",
        )
    if header.pixels > max(_FREE_PIXELS, header.per_byte * len(data)):
        what = f"promises {sides} pixels, more than {len(data)} bytes of {header.format} can hold"
        raise DataError(what, where=str(path), next=_REPLACE)
    return header.height, header.width


def _truncated(path: Path) -> DataError:
    return DataError("is truncated before the image's end", where=str(path), next=_REPLACE)


def _not_an_image(path: Path) -> DataError:
    return DataError(
        "cannot be decoded as an image (not an image, of an unknown format, or corrupt)",
        where=str(path),
        next=_REPLACE,
    )
