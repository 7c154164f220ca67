"""Image files: read as RGB, measured by their header, written atomically; OpenCV's threads."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from zoo_core.errors import DataError, StageError, UsageError
from zoo_core.system.files import check_regular, is_disk_full, replacing
from zoo_core.vision.headers import JPEG_START, is_whole_jpeg, orientation, stored_size

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_MAX_PIXELS = 1 << 27
_HEADER_BYTES = 1 << 16
_REPLACE = "replace the file or leave it out"


def read_rgb(
    path: Path, expect: tuple[int, int] | None = None, exif: bool = True
) -> NDArray[np.uint8]:
    """The image as uint8 [height, width, 3] RGB.

    Grey, CMYK, palette and 16-bit images become RGB of 8 bits; transparency is dropped. EXIF
    rotation is applied where `exif` is true. `expect` is the (height, width) that an annotation
    states: where only the unrotated image has that size, the unrotated image is returned.

    Raises `DataError` that names the file: missing, empty, truncated, not an image, larger than
    134 million pixels, or of another size than expected.
    """
    data = _bytes(path)
    image = _decode(path, data, exif)
    if expect is None or image.shape[:2] == tuple(expect):
        return image
    if exif and image.shape[1::-1] == tuple(expect):
        stored = _decode(path, data, exif=False)
        if stored.shape[:2] == tuple(expect):
            return stored
    raise DataError(
        f"is {image.shape[1]}x{image.shape[0]}, but its annotation says {expect[1]}x{expect[0]}",
        where=str(path),
        next="use the annotations that belong to these images",
    )


def image_size(path: Path, exif: bool = True) -> tuple[int, int]:
    """(height, width) of what `read_rgb` returns without `expect`.

    JPEG and PNG are measured by their header: the rest may still be corrupt. Raises `DataError`
    like `read_rgb`.
    """
    head = _bytes(path, _HEADER_BYTES)
    data = head if head.startswith(JPEG_START) and stored_size(head) else _bytes(path)
    size = stored_size(data)
    if size is None or not min(size):
        height, width = _decode(path, data, exif).shape[:2]
        return height, width
    turned = exif and orientation(data) >= 5
    return (size[1], size[0]) if turned else size


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


def _bytes(path: Path, limit: int = -1) -> bytes:
    check_regular(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(limit)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=str(path)) from error
    if not data:
        raise DataError("is an empty file", where=str(path), next=_REPLACE)
    return data


def _decode(path: Path, data: bytes, exif: bool) -> NDArray[np.uint8]:
    import cv2

    _check_size(path, *(stored_size(data) or (0, 0)))
    if data.startswith(JPEG_START) and not is_whole_jpeg(data):
        raise DataError("is truncated before the image's end", where=str(path), next=_REPLACE)
    flags = cv2.IMREAD_COLOR | (0 if exif else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise DataError("cannot be decoded", where=str(path), next=_REPLACE) from error
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise DataError(
            "cannot be decoded as an image (not an image, or corrupt)",
            where=str(path),
            next=_REPLACE,
        )
    _check_size(path, *image.shape[:2])
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image), np.uint8)


def _check_size(path: Path, height: int, width: int) -> None:
    if height * width > _MAX_PIXELS:
        raise DataError(
            f"{width}x{height} is more than {_MAX_PIXELS // 10**6} million pixels",
            where=str(path),
            next="scale the image down or leave it out",
        )
