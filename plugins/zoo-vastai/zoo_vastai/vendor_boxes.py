"""How the vendor's two scripts map a box back, so that figures made with them can be explained.

The scripts are vsx (vaststreamx, one txt an image) and npz_decode (outputs that vamp stored); both
know letterboxed inputs only. Neither is used unless it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from zoo_core.errors import UsageError
from zoo_core.vision import clip_boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from zoo_core.vision import Geometry

VSX_LEAST_SCORE = 0.01
"""The vsx script drops what scores less, whatever the build lets through."""


def vsx_boxes(boxes: NDArray[Any], geometry: Geometry) -> NDArray[np.float32]:
    """Boxes xyxy [n, 4] in network pixels -> pixels of the image as the vsx script shrank it.

    It brings odd sides down to even ones before the device sees the image, and takes what comes
    back for pixels of the image as read. Not clipped.
    """
    _letterbox(geometry)
    height, width = geometry.source
    across, down = _even(width) / width, _even(height) / height
    shrink = np.array([across, down, across, down])
    with np.errstate(over="ignore"):
        return np.asarray(geometry.to_image(boxes) * shrink, np.float32)


def npz_boxes(boxes: NDArray[Any], geometry: Geometry) -> NDArray[np.float32]:
    """Boxes xyxy [n, 4] in network pixels -> whole pixels of the image as read, as npz_decode does.

    In float16, with the letterbox not rounded to whole pixels, cut to the image, then rounded.
    """
    placed = unrounded_boxes(boxes, geometry, np.float16)
    return np.asarray(np.rint(clip_boxes(placed, geometry.source)), np.float32)


def unrounded_boxes(
    boxes: NDArray[Any], geometry: Geometry, dtype: type[np.floating[Any]]
) -> NDArray[np.float32]:
    """The inverse of a letterbox whose image had sides of fractions of pixels, in `dtype`."""
    share = _letterbox(geometry)
    (height, width), (rows, columns) = geometry.source, geometry.network
    left, top = (columns - width * share) / 2, (rows - height * share) / 2
    with np.errstate(over="ignore", invalid="ignore"):
        moved = np.asarray(boxes, dtype) - np.array([left, top, left, top], dtype)
        return np.asarray(moved / dtype(share), np.float32)


def _letterbox(geometry: Geometry) -> float:
    """The scale of the letterbox; raises `UsageError` where the image was brought in otherwise."""
    (height, width), (rows, columns) = geometry.source, geometry.network
    share = min(rows / height, columns / width)
    for side, scale, length, start in zip(
        (width, height), geometry.scale, (columns, rows), geometry.offset, strict=True
    ):
        centred = abs(start - (length - side * scale) / 2) <= 1
        if abs(side * scale - side * share) > 1 or not centred:
            raise UsageError(
                "the vendor's arithmetic is for letterboxed images only",
                next="leave --option arithmetic=exact, or use a letterbox: --protocol vastai",
            )
    return share


def _even(side: int) -> int:
    return max(side // 2 * 2, 1)
