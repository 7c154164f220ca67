"""PNG masks: class numbers as they are stored, in a palette or in grey."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import DataError
from zoo_core.toolkit.detection.drawing import class_colour
from zoo_core.vision.image import image_bytes, image_size

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_KINDS = ("P", "L", "1", "I;16", "I;16B", "I")


def read_mask(path: Path) -> NDArray[Any]:
    """The numbers of a mask [height, width]: indices of a palette, or grey values.

    Raises `DataError` for a file that is no image, or that has colours in place of numbers.
    """
    from PIL import Image

    size = image_size(path, exif=False)  # refuses what is too large to be decoded
    try:
        with Image.open(BytesIO(image_bytes(path)), formats=("PNG",)) as picture:
            kind, values = picture.mode, np.asarray(picture)
    except (OSError, ValueError, SyntaxError) as error:
        raise DataError("cannot be read as a PNG", where=str(path), next="replace it") from error
    if kind not in _KINDS or values.shape != size:
        raise DataError(
            f"is a PNG of colours ({kind}), not of class numbers",
            where=str(path),
            next="give masks with a palette, or grey ones whose value is the class",
        )
    return values.astype(np.int64)


def write_mask(path: Path, values: NDArray[Any]) -> None:
    """Write numbers [height, width] as a PNG: with a palette up to 255, else in grey of 16 bits."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    if values.dtype == np.uint8:
        picture = Image.fromarray(np.ascontiguousarray(values), mode="P")
        picture.putpalette([part for number in range(256) for part in colour(number)])
    else:
        picture = Image.fromarray(np.ascontiguousarray(values, np.uint16))
    picture.save(path, format="PNG", optimize=False)


def colour(number: int) -> tuple[int, int, int]:
    """The colour of a class, RGB 0..255; the first is black."""
    return class_colour(number) if number else (0, 0, 0)
